/** The kernel worker: tasks, exec, wait, ids, limits; the start and the end of the container. */
import { type BootData, runWorker } from '../shared/boot.js';
import type { KernelControl } from '../shared/control.js';
import type { Endpoint } from '../shared/endpoint.js';
import { Boot } from './boot.js';
import { ControlSocket } from './control-socket.js';
import { installCalls } from './install.js';
import { Kernel } from './proc.js';
import { watchLateServers } from './late-servers.js';
import { killAll, rideReaps, setInitExit } from './task-end.js';
import { dump, startWatchdog } from './watchdog.js';

function setup(ep: Endpoint, boot: BootData): KernelControl & { dump(): void } {
  const k = new Kernel(ep);
  installCalls(k, boot.traceFd);
  ep.onAnswer = (f): void => { rideReaps(k, f); };
  startWatchdog(ep);
  watchLateServers(ep, (event) => { boot.control.postMessage(event); });
  const clients = new ControlSocket(k, boot);
  const first = new Boot(k, boot, () => { clients.listen(); });
  setInitExit((status) => {
    clients.ended(status);
    boot.control.postMessage({ carrick: 'exited', status });
  });
  return {
    start: () => { first.start(); return { ret: 0, message: '' }; },
    killAll: () => { killAll(k); },
    dump,
  };
}

runWorker(setup);
