/** Everything that the net server registers in its endpoint; apart from main.ts, so that tests can be the server. */
import type { Endpoint } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import { installFdCalls } from '../../shared/fdcalls.js';
import { dropHeld } from '../../shared/held.js';
import type { NetworkMode } from '../../shared/spec.js';
import { initSockets } from './hostcalls.js';
import { Network } from './network.js';
import { PathNames } from './path-names.js';
import { installProcNet } from './proc-net.js';
import { Rights } from './rights.js';
import { Socks } from './sock.js';
import { installFileCalls } from './syscalls/file.js';
import { Settling } from './settle.js';
import { installRecvCalls } from './syscalls/recv.js';
import { installSendCalls } from './syscalls/send.js';
import { installSocketCalls } from './syscalls/socket.js';
import { installSockoptCalls } from './syscalls/sockopt.js';
import { UnixNames } from './unix-names.js';

/** container: its id, which keeps its AF_UNIX names apart from others' on the host. */
export function installNet(ep: Endpoint, container: string, mode: NetworkMode): void {
  initSockets();
  installFdCalls(ep, () => -E.EINVAL);
  const socks = new Socks(ep, new UnixNames(container), new PathNames(ep), new Network(mode));
  const rights = new Rights(ep);
  installSocketCalls(socks);
  installSendCalls(socks, rights);
  installRecvCalls(socks, rights);
  installSockoptCalls(socks);
  installFileCalls(socks);
  new Settling(ep, rights);
  installProcNet(ep, socks);
  ep.onDropped = (f) => { dropHeld(ep, f); };
}
