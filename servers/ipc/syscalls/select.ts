/** select(2), pselect6(2). */
import { nowNs, readTimespec, writeTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { FD_LIMIT } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { Why } from '../../../shared/wait.js';
import { anySet, readSets, setBytes, writeSets } from '../fdsets.js';
import type { PollSet } from '../poll-set.js';
import type { PollWaits } from '../poll-wait.js';

const SIGSET_BYTES = 8;
/** Room for one set of FD_LIMIT fds; the three lie one after the other at DATA. */
const SET_ROOM = setBytes(FD_LIMIT);
/** Arguments that point to the sets: in, out, except. */
const SET_ARGS = [1, 2, 3] as const;
const offs: [number, number, number] = [-1, -1, -1];

/** fds that Linux's table of this size would hold: it grows in powers of two from 64, and higher bits of the sets are ignored. */
function tableSize(files: number): number {
  const top = L.filesTop(files);
  if (top <= 64) return 64;
  let n = 128;
  while (n < top) n *= 2;
  return n;
}

/** nfds as it counts: cut to the table, or -EINVAL. */
function nfds(f: Frame): number {
  const n = f.argInt(0);
  return n < 0 ? -E.EINVAL : Math.min(n, tableSize(filesOf(f)), FD_LIMIT);
}

/** Where each set is in scratch; -1 for NULL. */
function place(f: Frame): void {
  for (let s = 0; s < 3; s++) offs[s] = f.argU64(SET_ARGS[s] as number) === 0 ? -1 : host.DATA + s * SET_ROOM;
}

/** Fill the set from the guest's bitmaps: 0, or -EFAULT, -EBADF. */
function parse(waits: PollWaits, f: Frame, n: number): number {
  place(f);
  for (let s = 0; s < 3; s++) {
    const off = offs[s] as number;
    if (off < 0) continue;
    const r = f.copyIn(f.argU64(SET_ARGS[s] as number), off, setBytes(n));
    if (r < 0) return r;
  }
  return readSets(host.scratch, offs, n, waits.asked, (fd) => waits.lookup(f, fd));
}

/** The bitmaps back to the guest: number of bits, or -EFAULT. */
function store(f: Frame, n: number, set: PollSet): number {
  place(f);
  const bits = writeSets(host.scratch, offs, n, set);
  for (let s = 0; s < 3; s++) {
    const off = offs[s] as number;
    if (off < 0) continue;
    const r = f.copyOut(f.argU64(SET_ARGS[s] as number), off, setBytes(n));
    if (r < 0) return r;
  }
  return bits;
}

/**
 * select(2), the deadline set - synchronous I/O multiplexing.
 *
 *   int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout);
 *
 * Errors, in Linux's order of checks:
 *   -EFAULT, -EINVAL  the timeout (callers)
 *   -EINVAL  nfds is negative
 *   -EFAULT  a set
 *   -EBADF   a set names an fd that is not open
 *   -ERESTARTNOHAND  a signal came and nothing was ready; the sets are unchanged
 * Source: man-pages 6.9 select(2), fs/select.c. Deviations: none known.
 */
function select(waits: PollWaits, f: Frame): number {
  const n = nfds(f);
  if (n < 0) return n;
  let set = waits.held(f);
  if (set === undefined) {
    const r = parse(waits, f, n);
    if (r < 0) return r;
    set = waits.asked;
  }
  let r = waits.evaluate(set);
  if (r >= 0 && !anySet(set) && f.why !== Why.TIMEOUT && f.deadlineNs > 0) {
    if (f.why === Why.SIGNAL) {
      r = -E.ERESTARTNOHAND;
    } else {
      r = waits.park(f, set);
      set = waits.held(f) ?? set;
      if (r === Ret.BLOCKED || (r > 0 && !anySet(set))) return Ret.BLOCKED;
    }
  }
  if (r >= 0) r = store(f, n, set);
  waits.release(f);
  return r;
}

/** Take the timeout of `unit` ns per fraction (timeval 1000, timespec 1); NULL = none. 0, or -EFAULT, -EINVAL. */
function deadline(f: Frame, unit: number): number {
  const at = f.argU64(4);
  if (at === 0) return 0;
  const r = f.copyIn(at, host.STRUCT, 16);
  if (r < 0) return r;
  let ns: number;
  if (unit === 1) {
    ns = readTimespec(host.scratchView, host.STRUCT);
    if (Number.isNaN(ns)) return -E.EINVAL;
  } else {
    // A timeval's microseconds may exceed a second; Linux carries them over.
    const sec = host.scratchView.getUint32(host.STRUCT, true) + host.scratchView.getInt32(host.STRUCT + 4, true) * 4294967296;
    const usec = host.scratchView.getUint32(host.STRUCT + 8, true) + host.scratchView.getInt32(host.STRUCT + 12, true) * 4294967296;
    if (sec < 0 || usec < 0) return -E.EINVAL;
    ns = sec * 1e9 + usec * 1000;
  }
  f.deadlineNs = ns === 0 ? 0 : nowNs() + ns;
  return 0;
}

/** Linux writes the time left into the guest's timeout, whatever the result. */
function finish(f: Frame, ret: number, deadlineNs: number, unit: number): number {
  if (ret === Ret.BLOCKED || deadlineNs === Infinity || deadlineNs === 0) return ret;
  writeTimespec(host.scratchView, host.STRUCT, Math.max(0, deadlineNs - nowNs()));
  if (unit !== 1) host.scratchView.setUint32(host.STRUCT + 8, Math.floor(host.scratchView.getUint32(host.STRUCT + 8, true) / unit), true);
  const r = f.copyOut(f.argU64(4), host.STRUCT, 16);
  return r < 0 && ret === -E.ERESTARTNOHAND ? -E.EINTR : ret;
}

/** The mask argument of pselect6 points to {const sigset_t *, size_t}; the stub installs the mask. -EFAULT, -EINVAL (size). */
function checkSigset(f: Frame): number {
  const at = f.argU64(5);
  if (at === 0) return 0;
  const r = f.copyIn(at, host.STRUCT, 16);
  if (r < 0) return r;
  const v = host.scratchView;
  const isNull = v.getUint32(host.STRUCT, true) === 0 && v.getUint32(host.STRUCT + 4, true) === 0;
  return !isNull && (v.getUint32(host.STRUCT + 8, true) !== SIGSET_BYTES || v.getUint32(host.STRUCT + 12, true) !== 0) ? -E.EINVAL : 0;
}

function timed(waits: PollWaits, f: Frame, unit: number, mask: boolean): number {
  if (f.why === Why.FIRST) {
    let r = deadline(f, unit);
    if (r === 0 && mask) r = checkSigset(f);
    if (r < 0) return r;
  }
  const deadlineNs = f.deadlineNs;
  return finish(f, select(waits, f), deadlineNs, unit);
}

export function installSelectCalls(ep: Endpoint, waits: PollWaits): void {
  ep.handle(NR.NR_select, (f) => timed(waits, f, 1000, false));
  ep.handle(NR.NR_pselect6, (f) => timed(waits, f, 1, true));
}
