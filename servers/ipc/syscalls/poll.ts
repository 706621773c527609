/** poll(2), ppoll(2). */
import { nowNs, readTimespec, writeTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import { nofile } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { structAt } from '../../../shared/iobuf.js';
import { Why } from '../../../shared/wait.js';
import type { PollSet } from '../poll-set.js';
import type { PollWaits } from '../poll-wait.js';

/** sizeof(struct pollfd). */
const POLLFD_BYTES = 8;
const SIGSET_BYTES = 8;

/** Fill the set from the guest's array: 0, or -EINVAL (more than RLIMIT_NOFILE), -EFAULT. */
function parse(waits: PollWaits, f: Frame): number {
  const n = f.argU32(1);
  const set = waits.asked;
  set.clear();
  if (n > nofile(f.tg)) return -E.EINVAL;
  if (n === 0) return 0;
  let view: DataView = f.view;
  let at = structAt(f, 0, n * POLLFD_BYTES);
  if (at < 0) {
    if (f.argLen(0) !== L.ARG_ELSEWHERE) return at;
    const r = f.copyIn(f.argU64(0), host.DATA, n * POLLFD_BYTES);
    if (r < 0) return r;
    view = host.scratchView;
    at = host.DATA;
  }
  for (let i = 0; i < n; i++) {
    const fd = view.getInt32(at + POLLFD_BYTES * i, true);
    const events = view.getUint16(at + POLLFD_BYTES * i + 4, true);
    const row = fd < 0 ? 0 : waits.lookup(f, fd);
    set.push(fd, row < 0 ? -1 : row, events);
  }
  return 0;
}

/** The array with its revents back to the guest: 0 or -EFAULT. */
function store(f: Frame, set: PollSet, found: boolean): number {
  if (set.n === 0) return 0;
  const v = host.scratchView;
  for (let i = 0; i < set.n; i++) {
    const at = host.DATA + POLLFD_BYTES * i;
    v.setInt32(at, set.fds[i] as number, true);
    v.setUint16(at + 4, set.want[i] as number, true);
    v.setUint16(at + 6, found ? (set.found[i] as number) & 0xffff : 0, true);
  }
  const r = f.copyOut(f.argU64(0), host.DATA, POLLFD_BYTES * set.n);
  return r < 0 ? r : 0;
}

/**
 * poll(2), the deadline set - wait for events on fds.
 *
 *   int poll(struct pollfd *fds, nfds_t nfds, int timeout);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  nfds exceeds RLIMIT_NOFILE
 *   -EFAULT  fds
 *   -ERESTARTNOHAND  a signal came and nothing was ready (EINTR when a handler runs)
 * Source: man-pages 6.9 poll(2), fs/select.c. Deviations: restarted after a stop signal, a poll waits its whole timeout again.
 */
function poll(waits: PollWaits, f: Frame): number {
  let set = waits.held(f);
  if (set === undefined) {
    const r = parse(waits, f);
    if (r < 0) return r;
    set = waits.asked;
  }
  let n = waits.evaluate(set);
  if (n === 0 && f.why !== Why.TIMEOUT && f.deadlineNs > 0) {
    if (f.why === Why.SIGNAL) {
      n = -E.ERESTARTNOHAND;
    } else {
      n = waits.park(f, set);
      if (n === Ret.BLOCKED) return n;
      set = waits.held(f) ?? set;
    }
  }
  if (n >= 0 || n === -E.ERESTARTNOHAND) {
    const r = store(f, set, n >= 0);
    if (r < 0) n = r;
  }
  waits.release(f);
  return n;
}

/** ppoll(2): as poll, with a timespec that receives the time left. First the timeout (EFAULT, EINVAL), then the mask's size (EINVAL). */
function ppoll(waits: PollWaits, f: Frame): number {
  if (f.why === Why.FIRST) {
    if (f.argU64(2) !== 0) {
      const at = structAt(f, 2, 16);
      if (at < 0) return at;
      const ns = readTimespec(f.view, at);
      if (Number.isNaN(ns)) return -E.EINVAL;
      f.deadlineNs = ns === 0 ? 0 : nowNs() + ns;
    }
    if (f.argU64(3) !== 0 && f.argU64(4) !== SIGSET_BYTES) return -E.EINVAL;
  }
  const deadlineNs = f.deadlineNs;
  const n = poll(waits, f);
  if (n === Ret.BLOCKED || deadlineNs === Infinity || deadlineNs === 0) return n;
  writeTimespec(host.scratchView, host.STRUCT, Math.max(0, deadlineNs - nowNs()));
  const r = f.copyOut(f.argU64(2), host.STRUCT, 16);
  // Without the time left a restart would wait too long.
  return r < 0 && n === -E.ERESTARTNOHAND ? -E.EINTR : n;
}

export function installPollCalls(ep: Endpoint, waits: PollWaits): void {
  ep.handle(NR.NR_poll, (f) => {
    if (f.why === Why.FIRST) {
      const ms = f.argInt(2);
      f.deadlineNs = ms < 0 ? Infinity : ms === 0 ? 0 : nowNs() + ms * 1e6;
    }
    return poll(waits, f);
  });
  ep.handle(NR.NR_ppoll, (f) => ppoll(waits, f));
}
