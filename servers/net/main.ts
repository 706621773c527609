/** The net server's worker: sockets, in the host's network. */
import { runWorker } from '../../shared/boot.js';
import { installNet } from './server.js';

runWorker((ep, boot) => {
  installNet(ep, boot.spec.id);
  return {};
});
