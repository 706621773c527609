/** epoll_create(2), epoll_create1(2), epoll_ctl(2), epoll_wait(2), epoll_pwait(2), epoll_pwait2(2). */
import { nowNs, readTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { heldRow, settleHeld } from '../../../shared/held.js';
import * as host from '../../../shared/host.js';
import { EPOLLIN, EPOLLOUT } from '../../../shared/hostwatch.js';
import { structAt, structRoom } from '../../../shared/iobuf.js';
import { Why } from '../../../shared/wait.js';
import { EPOLL_ALWAYS, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLWAKEUP, O_CLOEXEC, O_PATH } from '../abi.js';
import type { Epolls } from '../epoll.js';
import { EVENT_BYTES } from '../hostcalls.js';
import { installOfd } from '../newfd.js';
import { PollClass, pollClass, type Readiness } from '../ready.js';
import { Ofd } from '../../../shared/fdtable.js';

/** epoll_wait(2): maxevents is at most INT_MAX / sizeof(struct epoll_event). */
const EP_MAX_EVENTS = Math.floor(0x7fffffff / EVENT_BYTES);
/** What one call returns at most: what fits scratch. */
const BATCH = 65536;
/** What EPOLLEXCLUSIVE may be combined with. epoll_ctl(2). */
const EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLL_ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/** Kernel's size of sigset_t; other sizes are EINVAL. */
const SIGSET_BYTES = 8;

/** epoll_create1(2). EINVAL (flags), EMFILE, ENFILE. epoll_create(2): EINVAL unless size > 0. */
function create(ep: Endpoint, epolls: Epolls, f: Frame, flags: number): number {
  if ((flags & ~O_CLOEXEC) !== 0) return -E.EINVAL;
  const row = epolls.create();
  return row < 0 ? row : installOfd(ep, f, row, flags !== 0);
}

/**
 * epoll_ctl(2) - add, change or remove an entry of the interest list.
 *
 *   int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
 *
 * Errors, in Linux's order of checks:
 *   -EFAULT  event cannot be read (not looked at for EPOLL_CTL_DEL)
 *   -EBADF   epfd or fd is not open, or is O_PATH
 *   -EPERM   fd has no poll operation (regular files, directories)
 *   -EINVAL  epfd is no epoll instance, fd is epfd itself, bad use of EPOLLEXCLUSIVE, unknown op
 *   -ELOOP   a circle of epoll instances, or nested too deep
 *   -EEXIST  ADD of what is there; -ENOENT MOD or DEL of what is not
 * Source: man-pages 6.9 epoll_ctl(2), fs/eventpoll.c. Deviations: one level less of nesting, as we watch the instance too.
 */
function ctl(epolls: Epolls, f: Frame): number {
  const op = f.argInt(1);
  let events = 0;
  let dataLo = 0;
  let dataHi = 0;
  if (op !== EPOLL_CTL_DEL) {
    const at = structAt(f, 3, EVENT_BYTES);
    if (at < 0) return at;
    events = f.view.getInt32(at, true);
    dataLo = f.view.getUint32(at + 4, true);
    dataHi = f.view.getUint32(at + 8, true);
  }
  const files = filesOf(f);
  const fd = f.argInt(2);
  const epRow = lookupFile(files, f.argInt(0));
  if (epRow < 0) return epRow;
  const row = lookupFile(files, fd);
  if (row < 0) return row;
  const cls = pollClass(row);
  if (cls === PollClass.ALWAYS) return -E.EPERM;
  const set = epolls.setOf(epRow);
  if (set === undefined || row === epRow) return -E.EINVAL;
  if ((events & EPOLLEXCLUSIVE) !== 0) {
    if (op === EPOLL_CTL_MOD) return -E.EINVAL;
    if (op === EPOLL_CTL_ADD && (L.ofdKind(row) === Ofd.EPOLL || (events & ~EXCLUSIVE_OK) !== 0)) return -E.EINVAL;
  }
  // Waking the machine needs CAP_BLOCK_SUSPEND; without it Linux drops the flag silently.
  events &= ~EPOLLWAKEUP;
  switch (op) {
    case EPOLL_CTL_ADD: return set.add(row, fd, cls === PollClass.HOST ? L.ofdHostFd(row) : -1, events, dataLo, dataHi);
    case EPOLL_CTL_MOD: return set.modify(row, fd, events, dataLo, dataHi);
    case EPOLL_CTL_DEL: return set.delete(row, fd);
    default: return -E.EINVAL;
  }
}

/** OFD of an fd that may be polled: -EBADF also for O_PATH. */
function lookupFile(files: number, fd: number): number {
  const row = fdLookup(files, fd);
  return row > 0 && (L.ofdFlags(row) & O_PATH) !== 0 ? -E.EBADF : row;
}

/**
 * epoll_wait(2) and its forms; the deadline is set.
 *
 * Errors, in Linux's order: -EINVAL (maxevents), -EFAULT (events), -EBADF, -EINVAL (no epoll instance), -EINTR.
 * Wakers: an event (host watch on the host set), the deadline, a signal, the task's death. Level-triggered waiters are all woken.
 */
function wait(ep: Endpoint, epolls: Epolls, ready: Readiness, f: Frame): number {
  const max = f.argInt(2);
  if (max <= 0 || max > EP_MAX_EVENTS) return -E.EINVAL;
  let row = heldRow(f);
  if (row === 0) {
    row = lookupFile(filesOf(f), f.argInt(0));
    if (row < 0) return row;
  }
  const set = epolls.setOf(row);
  if (set === undefined) return -E.EINVAL;
  return settleHeld(ep, f, row, waitOn(ready, f, row, set.collect(Math.min(max, BATCH))));
}

function waitOn(ready: Readiness, f: Frame, row: number, n: number): number {
  if (n < 0) return n;
  if (n > 0) return deliver(f, n);
  if (f.why === Why.TIMEOUT || (f.why === Why.FIRST && f.deadlineNs <= 0)) return 0;
  if (f.why === Why.SIGNAL) return -E.EINTR;
  return ready.park(f, row, EPOLLIN);
}

/** n events at scratch DATA to the guest: n, or -EFAULT. */
function deliver(f: Frame, n: number): number {
  const bytes = n * EVENT_BYTES;
  if (f.outCap(1) >= bytes && f.argU64(1) !== 0) {
    const at = structRoom(f, 1, bytes);
    if (at < 0) return at;
    host.scratch.copy(f.bytes, at, host.DATA, host.DATA + bytes);
    f.setOut(1, bytes);
    return n;
  }
  const r = f.copyOut(f.argU64(1), host.DATA, bytes);
  return r < 0 ? r : n;
}

/** Deadline from milliseconds: -1 = none. 0 ns stands for "do not wait". */
function deadlineFromMs(f: Frame): void {
  if (f.why !== Why.FIRST) return;
  const ms = f.argInt(3);
  f.deadlineNs = ms < 0 ? Infinity : ms === 0 ? 0 : nowNs() + ms * 1e6;
}

/** Deadline from a timespec; NULL = none. -EFAULT, -EINVAL. */
function deadlineFromTimespec(f: Frame): number {
  if (f.why !== Why.FIRST || f.argU64(3) === 0) return 0;
  const at = structAt(f, 3, 16);
  if (at < 0) return at;
  const ns = readTimespec(f.view, at);
  if (Number.isNaN(ns)) return -E.EINVAL;
  f.deadlineNs = ns === 0 ? 0 : nowNs() + ns;
  return 0;
}

/** The stub installs the mask; what is left is the check of its size. */
function checkSigset(f: Frame): number { return f.argU64(4) !== 0 && f.argU64(5) !== SIGSET_BYTES ? -E.EINVAL : 0; }

export function installEpollCalls(ep: Endpoint, epolls: Epolls, ready: Readiness): void {
  ep.handle(NR.NR_epoll_create, (f) => (f.argInt(0) <= 0 ? -E.EINVAL : create(ep, epolls, f, 0)));
  ep.handle(NR.NR_epoll_create1, (f) => create(ep, epolls, f, f.argInt(0)));
  ep.handle(NR.NR_epoll_ctl, (f) => ctl(epolls, f));
  ep.handle(NR.NR_epoll_wait, (f) => { deadlineFromMs(f); return wait(ep, epolls, ready, f); });
  ep.handle(NR.NR_epoll_pwait, (f) => {
    const r = checkSigset(f);
    if (r < 0) return r;
    deadlineFromMs(f);
    return wait(ep, epolls, ready, f);
  });
  ep.handle(NR.NR_epoll_pwait2, (f) => {
    let r = deadlineFromTimespec(f);
    if (r === 0) r = checkSigset(f);
    return r < 0 ? r : wait(ep, epolls, ready, f);
  });
}
