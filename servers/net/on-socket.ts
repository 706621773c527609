/** Handlers of calls on a socket: the OFD is found and held while parked (shared/held.ts); what is no socket gets ENOTSOCK. */
import type { Handler } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import { onOfd } from '../../shared/held.js';
import type { Sock, Socks } from './sock.js';

export function onSocket(socks: Socks, call: (f: Frame, ofd: number, s: Sock) => number): Handler {
  return onOfd(socks.ep, (f, ofd) => {
    const s = socks.of(ofd);
    return s === undefined ? -E.ENOTSOCK : call(f, ofd, s);
  });
}
