/** The ipc server's worker: pipes, FIFOs, eventfd, poll, select, epoll. */
import { runWorker } from '../../shared/boot.js';
import { installIpc } from './server.js';

runWorker((ep) => {
  installIpc(ep);
  return {};
});
