/** splice(2), tee(2) between pipes, sockets and files that have host fds: the host moves the bytes. vmsplice(2) is not here (ENOSYS). */
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdLookup, Ofd, ofdRef, ofdUnref } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { EPOLLIN, EPOLLOUT } from '../../../shared/hostwatch.js';
import { structAt } from '../../../shared/iobuf.js';
import { Msg } from '../../../shared/messages.js';
import { Why } from '../../../shared/wait.js';
import { O_ACCMODE, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY } from '../abi.js';
import { splice as hostSplice, SPLICE_F_NONBLOCK, tee as hostTee } from '../hostcalls.js';
import { raiseSigpipe } from '../pipe.js';
import type { Readiness } from '../ready.js';

/** SPLICE_F_MOVE | NONBLOCK | MORE | GIFT. */
const FLAGS_ALL = 0xf;
/** Longest transfer of one host call, so that a file cannot hold the server up. */
const CHUNK = 1 << 20;
/** Scratch for the two offsets. */
const POS_IN = host.STRUCT + 64;
const POS_OUT = host.STRUCT + 72;
/** Frame.p: rows of the two OFDs while parked. */
const P_IN = 0;
const P_OUT = 1;
/** Its result while vfs is being told of it. */
const P_DONE = 2;

const isPipe = (row: number): boolean => { const k = L.ofdKind(row); return k === Ofd.PIPE_R || k === Ofd.PIPE_W || k === Ofd.FIFO; };
/** Objects whose host fd does not block a splice with SPLICE_F_NONBLOCK. */
const movable = (row: number): boolean => {
  const k = L.ofdKind(row);
  return L.ofdHostFd(row) >= 0 && (isPipe(row) || k === Ofd.SOCKET || k === Ofd.REGULAR || k === Ofd.MEMFD);
};

/** OFD of an fd that may be read (or written): -EBADF. */
function lookup(f: Frame, fd: number, refused: number): number {
  const row = fdLookup(filesOf(f), fd);
  if (row < 0) return row;
  const flags = L.ofdFlags(row);
  return (flags & O_PATH) !== 0 || (flags & O_ACCMODE) === refused ? -E.EBADF : row;
}

/** Read an offset argument to scratch: its place, -1 = NULL, or an errno below -1. -ESPIPE for pipes. */
function offsetArg(f: Frame, arg: number, row: number, place: number): number {
  if (f.argU64(arg) === 0) return -1;
  if (isPipe(row)) return -E.ESPIPE;
  const at = structAt(f, arg, 8);
  if (at < 0) return at;
  f.bytes.copy(host.scratch, place, at, at + 8);
  return place;
}

/**
 * splice(2) - move data to or from a pipe.
 *
 *   ssize_t splice(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned int flags);
 *
 * Errors, in Linux's order: 0 for len 0; -EINVAL (flags); -EBADF; -EINVAL (no pipe, the same pipe, an object that cannot be spliced); -ESPIPE; -EFAULT;
 * -EAGAIN; -EPIPE with SIGPIPE.
 * Source: man-pages 6.9 splice(2). Deviations: one call moves 1 MiB at most. Wakers: pipe data or room, a signal.
 */
function splice(ep: Endpoint, ready: Readiness, f: Frame): number {
  const len = f.argU64(4);
  const flags = f.argU32(5);
  if (len === 0) return 0;
  if ((flags & ~FLAGS_ALL) !== 0) return -E.EINVAL;
  const from = (f.p[P_IN] as number) || lookup(f, f.argInt(0), O_WRONLY);
  if (from < 0) return from;
  const to = (f.p[P_OUT] as number) || lookup(f, f.argInt(2), O_RDONLY);
  if (to < 0) return to;
  const done = f.p[P_DONE] as number;
  return settle(ep, f, from, to, done > 0 ? done : spliceOn(ep, ready, f, from, to, Math.min(len, CHUNK), flags));
}

function spliceOn(ep: Endpoint, ready: Readiness, f: Frame, from: number, to: number, len: number, flags: number): number {
  if ((!isPipe(from) && !isPipe(to)) || !movable(from) || !movable(to)) return -E.EINVAL;
  const posIn = offsetArg(f, 1, from, POS_IN);
  if (posIn < -1) return posIn;
  const posOut = offsetArg(f, 3, to, POS_OUT);
  if (posOut < -1) return posOut;
  const n = hostSplice(L.ofdHostFd(from), posIn, L.ofdHostFd(to), posOut, len, flags | SPLICE_F_NONBLOCK);
  if (n === -E.EPIPE) raiseSigpipe(ep, f);
  if (n === -E.EAGAIN) return wait(ready, f, from, to, flags);
  if (n < 0) return n;
  if (posIn >= 0) giveOffset(f, 1, posIn);
  if (posOut >= 0) giveOffset(f, 3, posOut);
  return n > 0 && tellMoved(ep, f, from, to) ? tellFirst(f, n) : n;
}

/** Is it a file that is not granted, perhaps because somebody watches it? */
const maybeWatched = (row: number): boolean => L.ofdOwner(row) === L.SRV_VFS && L.ofdKind(row) === Ofd.REGULAR && L.ofdGrantable(row) === 0;

/** Tell vfs of data that were moved from or to such a file; the request goes on when it knows. False: neither is one. */
function tellMoved(ep: Endpoint, f: Frame, from: number, to: number): boolean {
  if (maybeWatched(from)) ep.send(L.SRV_VFS, Msg.DATA_MOVED, [from, 0]);
  else if (maybeWatched(to)) ep.send(L.SRV_VFS, Msg.DATA_MOVED, [to, 1]);
  else return false;
  ep.fence(1 << L.SRV_VFS, () => { if (f.p[P_DONE] !== 0) ep.wake(f); });
  return true;
}

function tellFirst(f: Frame, n: number): number {
  f.p[P_DONE] = n;
  return Ret.BLOCKED;
}

function giveOffset(f: Frame, arg: number, place: number): void {
  host.scratch.copy(f.bytes, f.inOff(arg), place, place + 8);
  f.setOut(arg, 8);
}

/** Park until the side that is not ready may be. */
function wait(ready: Readiness, f: Frame, from: number, to: number, flags: number): number {
  if ((flags & SPLICE_F_NONBLOCK) !== 0) return -E.EAGAIN;
  if (((L.ofdFlags(from) | L.ofdFlags(to)) & O_NONBLOCK) !== 0) return -E.EAGAIN;
  if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
  const v = host.scratchView;
  v.setInt32(host.DATA, L.ofdHostFd(from), true);
  v.setInt32(host.DATA + 4, EPOLLIN, true);
  return host.pollNow(host.DATA, 1) > 0 ? ready.park(f, to, EPOLLOUT) : ready.park(f, from, EPOLLIN);
}

/** Both OFDs stay referenced while the call is parked. */
function settle(ep: Endpoint, f: Frame, from: number, to: number, ret: number): number {
  const held = f.p[P_IN] !== 0;
  if (ret === Ret.BLOCKED && !held) {
    ofdRef(from);
    ofdRef(to);
    f.p[P_IN] = from;
    f.p[P_OUT] = to;
  } else if (ret !== Ret.BLOCKED && held) {
    releaseSplice(ep, f);
  }
  return ret;
}

/** A parked splice or tee ends. */
export function releaseSplice(ep: Endpoint, f: Frame): void {
  ofdUnref(ep, f.p[P_IN] as number);
  ofdUnref(ep, f.p[P_OUT] as number);
  f.p[P_IN] = 0;
  f.p[P_OUT] = 0;
}

/** Was this a parked splice or tee? */
export const holdsSplice = (f: Frame): boolean => (f.nr === NR.NR_splice || f.nr === NR.NR_tee) && f.p[P_IN] !== 0;

/** tee(2): duplicate pipe content. 0 for len 0; -EINVAL (flags, no pipes, the same pipe), -EBADF, -EAGAIN, -EPIPE with SIGPIPE. */
function tee(ep: Endpoint, ready: Readiness, f: Frame): number {
  const flags = f.argU32(3);
  if ((flags & ~FLAGS_ALL) !== 0) return -E.EINVAL;
  if (f.argU64(2) === 0) return 0;
  const from = (f.p[P_IN] as number) || lookup(f, f.argInt(0), O_WRONLY);
  if (from < 0) return from;
  const to = (f.p[P_OUT] as number) || lookup(f, f.argInt(1), O_RDONLY);
  if (to < 0) return to;
  let r: number;
  if (!isPipe(from) || !isPipe(to)) {
    r = -E.EINVAL;
  } else {
    r = hostTee(L.ofdHostFd(from), L.ofdHostFd(to), Math.min(f.argU64(2), CHUNK), flags | SPLICE_F_NONBLOCK);
    if (r === -E.EPIPE) raiseSigpipe(ep, f);
    if (r === -E.EAGAIN) r = wait(ready, f, from, to, flags);
  }
  return settle(ep, f, from, to, r);
}

export function installSpliceCalls(ep: Endpoint, ready: Readiness): void {
  ep.handle(NR.NR_splice, (f) => splice(ep, ready, f));
  ep.handle(NR.NR_tee, (f) => tee(ep, ready, f));
}
