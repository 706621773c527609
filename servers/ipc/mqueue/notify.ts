/**
 * How mq_notify tells: by a signal, or (SIGEV_THREAD) by 32 bytes in a netlink socket that the C library has made, from which a thread of its own reads.
 *
 * Only the host can put such bytes into a socket. So a registration of that kind makes a host queue without a name, registers the guest's socket with it and
 * with the guest's bytes, and a message to that queue makes the host do the rest, as does its end.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdLookup, Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import type { Notify } from './queue.js';

const enum H { mq_open = 240, mq_unlink = 241, mq_timedsend = 242, mq_notify = 244 }

export const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2;
/** NOTIFY_COOKIE_LEN. */
const COOKIE_BYTES = 32;
const SIGNO_MAX = 64;
/** si_code. sigaction(2). */
const SI_MESGQ = -3;
const O_CREAT_EXCL_RDWR = 0o302 | 0o2000000;
/** Scratch: a name, struct mq_attr, struct sigevent, the bytes. */
const NAME = host.STRUCT, ATTR = host.STRUCT + 64, EVENT = host.STRUCT + 128, COOKIE = host.STRUCT + 256;

let made = 0;

/** A host queue whose first message puts the bytes at COOKIE into hostFd's socket: its fd, or -errno. */
function hostQueue(hostFd: number): number {
  const v = host.scratchView;
  host.scratch.latin1Write(`carrick-${process.pid}-${made++}\0`, NAME);
  host.scratch.fill(0, ATTR, ATTR + 64);
  v.setUint32(ATTR + 8, 1, true);
  v.setUint32(ATTR + 16, 1, true);
  const q = native.sys(H.mq_open, 0b1001, NAME, O_CREAT_EXCL_RDWR, 0o600, ATTR);
  if (q < 0) return q;
  native.sys(H.mq_unlink, 0b1, NAME);
  const at = native.scratchAddress() + COOKIE;
  host.scratch.fill(0, EVENT, EVENT + 64);
  v.setUint32(EVENT, at >>> 0, true);
  v.setUint32(EVENT + 4, Math.floor(at / 4294967296), true);
  v.setInt32(EVENT + 8, hostFd, true);
  v.setInt32(EVENT + 12, SIGEV_THREAD, true);
  const r = native.sys(H.mq_notify, 0b10, q, EVENT);
  if (r < 0) { host.close(q); return r; }
  return q;
}

/** The registration that the struct sigevent at `at` in the payload asks for: -EINVAL, -EFAULT, -EBADF (of the socket). */
export function makeNotify(ep: Endpoint, f: Frame, at: number, ofd: number): Notify | number {
  const lo = f.view.getUint32(at, true), hi = f.view.getUint32(at + 4, true);
  const signo = f.view.getInt32(at + 8, true), how = f.view.getInt32(at + 12, true);
  const base = { tg: f.tg, pid: L.tgTgid(f.tg), how, ofd };
  if (how === SIGEV_NONE) return { ...base, signo: 0, tell: () => undefined, drop: () => undefined };
  if (how === SIGEV_SIGNAL) {
    if (signo < 0 || signo > SIGNO_MAX) return -E.EINVAL;
    const { tg } = base;
    return {
      ...base, signo, drop: () => undefined,
      tell: (by) => { if (signo !== 0) ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [tg, signo, SI_MESGQ, L.tgTgid(L.taskTg(by)), L.credUid(L.taskCred(by)), lo, hi]); },
    };
  }
  if (how !== SIGEV_THREAD) return -E.EINVAL;
  const r = f.copyIn(lo + hi * 4294967296, COOKIE, COOKIE_BYTES);
  if (r < 0) return r;
  const sock = fdLookup(filesOf(f), signo);
  if (sock < 0) return sock;
  if (L.ofdKind(sock) !== Ofd.SOCKET || L.ofdHostFd(sock) < 0) return -E.ENOTSOCK;
  const q = hostQueue(L.ofdHostFd(sock));
  if (q < 0) return q;
  return {
    ...base, signo: 0, drop: () => { host.close(q); },
    tell: () => {
      native.sys(H.mq_timedsend, 0b10, q, COOKIE, 1, 0, 0);
      host.close(q);
    },
  };
}
