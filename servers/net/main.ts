/** The net server's worker: sockets, see network.ts for whose network. */
import { runWorker } from '../../shared/boot.js';
import { installNet } from './server.js';

runWorker((ep, boot) => {
  installNet(ep, boot.spec.id, boot.spec.network);
  return {};
});
