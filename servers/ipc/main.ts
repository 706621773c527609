/** The ipc server's worker: pipes, FIFOs, eventfd, poll, select, epoll, System V IPC, POSIX message queues. */
import { runWorker } from '../../shared/boot.js';
import { installIpc } from './server.js';

runWorker((ep, boot) => {
  // The container's directory: the writable layer is in it.
  installIpc(ep, boot.spec.upperDir.replace(/\/[^/]*$/, ''));
  return {};
});
