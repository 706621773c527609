/**
 * What the stub answers by itself on the fast path, for CARRICK_FASTPATH=0: clocks, sleeping, random bytes, sched_yield, getcpu. These calls carry
 * pointers, so their structures are read and written by guest memory access. clock_gettime(2), nanosleep(2), getrandom(2).
 */
import { nowNs, readTimespec, realtimeNs, writeTimespec } from '../../shared/clock.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { taskByTid, tgByPid } from '../../shared/tasks.js';
import { Why, WaitQueue } from '../../shared/wait.js';
import type { Kernel } from '../proc.js';

const NR_HOST_clock_gettime = 228, NR_HOST_clock_getres = 229, NR_HOST_getrandom = 318;
const CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2, CLOCK_THREAD_CPUTIME_ID = 3, CLOCK_BOOTTIME = 7, CLOCK_TAI = 11;
const CPUCLOCK_SCHED = 2, CPUCLOCK_PERTHREAD = 4;
const TIMER_ABSTIME = 1;
const TIMESPEC = 16;
const GRND_FLAGS = 7;

function put(f: Frame, addr: number, len: number): number {
  const r = f.copyOut(addr, host.STRUCT, len);
  return r < 0 ? r : 0;
}

/** A guest's clock id as the host must be asked: CPU-time clocks name pids. -EINVAL for a pid that is not there. */
function hostClock(f: Frame, id: number): number {
  if (id === CLOCK_PROCESS_CPUTIME_ID) return (~native.hostPid(f.tg) << 3) | CPUCLOCK_SCHED;
  if (id === CLOCK_THREAD_CPUTIME_ID) return (~native.hostTid(f.tg, f.slot, L.taskTid(f.task)) << 3) | CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD;
  if (id >= 0) return id;
  const pid = ~(id >> 3);
  if ((id & CPUCLOCK_PERTHREAD) !== 0) {
    const t = pid === 0 ? f.task : taskByTid(pid);
    if (t === 0 || L.taskTg(t) !== f.tg) return NaN;
    return (~native.hostTid(f.tg, L.taskSlot(t), L.taskTid(t)) << 3) | (id & 7);
  }
  const tg = pid === 0 ? f.tg : tgByPid(pid);
  return tg === 0 ? NaN : (~native.hostPid(tg) << 3) | (id & 7);
}

function clockCall(f: Frame, nr: number, optional: boolean): number {
  const id = hostClock(f, f.argInt(0));
  if (Number.isNaN(id)) return -E.EINVAL;
  const r = native.sys(nr, 0b10, id, host.STRUCT);
  if (r < 0) return r;
  return optional && f.argU64(1) === 0 ? 0 : put(f, f.argU64(1), TIMESPEC);
}

function sys_gettimeofday(f: Frame): number {
  const us = Math.floor(realtimeNs() / 1000);
  if (f.argU64(0) !== 0) {
    writeTimespec(host.scratchView, host.STRUCT, 0);
    host.scratchView.setUint32(host.STRUCT, Math.floor(us / 1e6) >>> 0, true);
    host.scratchView.setUint32(host.STRUCT + 8, us % 1e6, true);
    const r = put(f, f.argU64(0), 16);
    if (r < 0) return r;
  }
  if (f.argU64(1) === 0) return 0;
  host.scratch.fill(0, host.STRUCT, host.STRUCT + 8);
  return put(f, f.argU64(1), 8);
}

function sys_time(f: Frame): number {
  const now = Math.floor(realtimeNs() / 1e9);
  if (f.argU64(0) === 0) return now;
  host.scratchView.setUint32(host.STRUCT, now >>> 0, true);
  host.scratchView.setUint32(host.STRUCT + 4, Math.floor(now / 4294967296), true);
  const r = put(f, f.argU64(0), 8);
  return r < 0 ? r : now;
}

/** getcpu(2): there is no telling from outside; CPU 0 is always there. */
function sys_getcpu(f: Frame): number {
  host.scratchView.setUint32(host.STRUCT, 0, true);
  for (let i = 0; i < 2; i++) {
    if (f.argU64(i) === 0) continue;
    const r = put(f, f.argU64(i), 4);
    if (r < 0) return r;
  }
  return 0;
}

/** getrandom(2). EINVAL (flags), EFAULT. Large requests are answered in part, as Linux may. */
function sys_getrandom(f: Frame): number {
  const flags = f.argU32(2);
  // GRND_RANDOM and GRND_INSECURE together make no sense.
  if ((flags & ~GRND_FLAGS) !== 0 || (flags & 6) === 6) return -E.EINVAL;
  const len = Math.min(f.argU64(1), host.DATA_BYTES);
  if (len === 0) return 0;
  const n = native.sys(NR_HOST_getrandom, 0b1, host.DATA, len, flags | 1);
  if (n <= 0) return n;
  const r = f.copyOut(f.argU64(0), host.DATA, n);
  return r < 0 ? r : n;
}

/** Sleepers wait for nothing but time and signals. */
const never = new WaitQueue();

/**
 * nanosleep(2), clock_nanosleep(2). EFAULT, EINVAL (clock, flags, time), EINTR with the rest in `rem`.
 * Deviation: when a signal without a handler ends the sleep, a relative one starts afresh instead of going on with the rest.
 */
function sleep(k: Kernel, f: Frame, clock: number, absolute: boolean, reqArg: number): number {
  if (f.why === Why.FIRST) {
    const r = f.copyIn(f.argU64(reqArg), host.STRUCT, TIMESPEC);
    if (r < 0) return r;
    const ns = readTimespec(host.scratchView, host.STRUCT);
    if (Number.isNaN(ns)) return -E.EINVAL;
    const now = nowNs();
    const clockNow = clock === CLOCK_REALTIME || clock === CLOCK_TAI ? realtimeNs() : now;
    f.deadlineNs = absolute ? now + Math.max(0, ns - clockNow) : now + ns;
  }
  if (nowNs() >= f.deadlineNs) return 0;
  if (f.why === Why.SIGNAL) {
    const rem = f.argU64(reqArg + 1);
    if (!absolute && rem !== 0) {
      writeTimespec(host.scratchView, host.STRUCT, Math.max(0, f.deadlineNs - nowNs()));
      const r = put(f, rem, TIMESPEC);
      if (r < 0) return r;
    }
    return -E.ERESTARTNOHAND;
  }
  return k.ep.park(f, never);
}

function sys_clock_nanosleep(k: Kernel, f: Frame): number {
  const clock = f.argInt(0);
  if (clock === CLOCK_THREAD_CPUTIME_ID) return -E.EINVAL;
  if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC && clock !== CLOCK_BOOTTIME && clock !== CLOCK_TAI) return clock < 0 || clock > CLOCK_TAI ? -E.EINVAL : -E.EOPNOTSUPP;
  return sleep(k, f, clock, (f.argInt(1) & TIMER_ABSTIME) !== 0, 2);
}

export function installSlowTime(k: Kernel): void {
  const { ep } = k;
  ep.handle(NR.NR_clock_gettime, (f) => clockCall(f, NR_HOST_clock_gettime, false));
  ep.handle(NR.NR_clock_getres, (f) => clockCall(f, NR_HOST_clock_getres, true));
  ep.handle(NR.NR_gettimeofday, sys_gettimeofday);
  ep.handle(NR.NR_time, sys_time);
  ep.handle(NR.NR_getcpu, sys_getcpu);
  ep.handle(NR.NR_getrandom, sys_getrandom);
  ep.handle(NR.NR_sched_yield, () => 0);
  ep.handle(NR.NR_nanosleep, (f) => sleep(k, f, CLOCK_MONOTONIC, false, 0));
  ep.handle(NR.NR_clock_nanosleep, (f) => sys_clock_nanosleep(k, f));
}
