/** Everything that the net server registers in its endpoint; apart from main.ts, so that tests can be the server. */
import type { Endpoint } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import { installFdCalls } from '../../shared/fdcalls.js';
import { dropHeld } from '../../shared/held.js';
import { initSockets } from './hostcalls.js';
import { PathNames } from './path-names.js';
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
export function installNet(ep: Endpoint, container: string): void {
  initSockets();
  installFdCalls(ep, () => -E.EINVAL);
  const socks = new Socks(ep, new UnixNames(container), new PathNames(ep));
  const rights = new Rights(ep);
  installSocketCalls(socks);
  installSendCalls(socks, rights);
  installRecvCalls(socks, rights);
  installSockoptCalls(socks);
  installFileCalls(socks);
  new Settling(ep, rights);
  ep.onDropped = (f) => { dropHeld(ep, f); };
}
