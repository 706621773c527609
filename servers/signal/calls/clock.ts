/**
 * Clocks and sleeps, when the stub does not answer them itself (CARRICK_FASTPATH=0), and the settable ones, which no guest may set.
 * CPU clocks are those of the host process behind the guest's. Source: clock_gettime(2), clock_nanosleep(2), nanosleep(2).
 */
import { nowNs, readTimespec, realtimeNs, writeTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { STRUCT, scratch } from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { WaitQueue, Why } from '../../../shared/wait.js';
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_TAI, guestClock } from '../clocks.js';
import { cpuTimeNs } from '../cputime.js';

const sleepers = new WaitQueue();
const TIMER_ABSTIME = 1;
/** Clocks that Linux can sleep on; the others are EOPNOTSUPP. */
const SLEEPABLE: readonly number[] = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_BOOTTIME, CLOCK_TAI];

/** A guest's clock now, ns, or -EINVAL. */
function clockNs(f: Frame, id: number): number {
  const clock = guestClock(f, id);
  return typeof clock === 'number' ? clock : clock.now();
}

function outTimespec(f: Frame, arg: number, ns: number): number {
  const out = f.outOff(arg);
  if (out < 0) return out;
  writeTimespec(f.view, out, ns);
  f.setOut(arg, 16);
  return 0;
}

function sys_clock_gettime(f: Frame): number {
  const ns = clockNs(f, f.argInt(0));
  return ns < 0 ? ns : outTimespec(f, 1, ns);
}

function sys_clock_getres(f: Frame): number {
  const id = f.argInt(0);
  if (id < 0 && clockNs(f, id) < 0) return -E.EINVAL;
  const r = native.sys(NR.NR_clock_getres, 0b10, id < 0 ? CLOCK_PROCESS_CPUTIME_ID : id, STRUCT);
  if (r < 0 || f.argU64(1) === 0) return r;
  const out = f.outOff(1);
  if (out < 0) return out;
  scratch.copy(f.bytes, out, STRUCT, STRUCT + 16);
  f.setOut(1, 16);
  return 0;
}

/** Sleep until the deadline; at an interruption store what is left (relative sleeps only). p[0] = deadline. */
function sleep(ep: Endpoint, f: Frame, remArg: number): number {
  if (f.why === Why.SIGNAL) {
    if (remArg >= 0 && f.argU64(remArg) !== 0) {
      const r = outTimespec(f, remArg, Math.max(0, f.deadlineNs - nowNs()));
      if (r < 0) return r;
    }
    return remArg >= 0 ? -E.EINTR : -E.ERESTARTNOHAND;
  }
  if (f.why === Why.TIMEOUT || f.deadlineNs <= nowNs()) return 0;
  return ep.park(f, sleepers);
}

function sys_nanosleep(ep: Endpoint, f: Frame): number {
  if (f.why === Why.FIRST) {
    const at = f.inOff(0);
    if (at < 0) return at;
    const ns = readTimespec(f.view, at);
    if (Number.isNaN(ns)) return -E.EINVAL;
    f.deadlineNs = nowNs() + ns;
  }
  return sleep(ep, f, 1);
}

function sys_clock_nanosleep(ep: Endpoint, f: Frame): number {
  const id = f.argInt(0);
  const abs = (f.argInt(1) & TIMER_ABSTIME) !== 0;
  if (f.why === Why.FIRST) {
    if (!SLEEPABLE.includes(id)) return id < 0 || id > CLOCK_TAI || id === 10 ? -E.EINVAL : -E.EOPNOTSUPP;
    const at = f.inOff(2);
    if (at < 0) return at;
    const ns = readTimespec(f.view, at);
    if (Number.isNaN(ns)) return -E.EINVAL;
    const base = id === CLOCK_REALTIME || id === CLOCK_TAI ? realtimeNs() : id === CLOCK_PROCESS_CPUTIME_ID ? cpuTimeNs(f.tg) : nowNs();
    f.deadlineNs = nowNs() + (abs ? Math.max(0, ns - base) : ns);
  }
  return sleep(ep, f, abs ? -1 : 3);
}

function sys_gettimeofday(f: Frame): number {
  const r = native.sys(NR.NR_gettimeofday, 0b11, STRUCT, STRUCT + 16);
  if (r < 0) return r;
  for (let i = 0; i < 2; i++) {
    if (f.argU64(i) === 0) continue;
    const out = f.outOff(i);
    if (out < 0) return out;
    const n = i === 0 ? 16 : 8;
    scratch.copy(f.bytes, out, STRUCT + 16 * i, STRUCT + 16 * i + n);
    f.setOut(i, n);
  }
  return 0;
}

function sys_time(f: Frame): number {
  const sec = Math.floor(realtimeNs() / 1e9);
  if (f.argU64(0) !== 0) {
    const out = f.outOff(0);
    if (out < 0) return out;
    f.view.setUint32(out, sec >>> 0, true);
    f.view.setUint32(out + 4, Math.floor(sec / 4294967296), true);
    f.setOut(0, 8);
  }
  return sec;
}

export function installClock(ep: Endpoint): void {
  ep.handle(NR.NR_clock_gettime, sys_clock_gettime);
  ep.handle(NR.NR_clock_getres, sys_clock_getres);
  ep.handle(NR.NR_nanosleep, (f) => sys_nanosleep(ep, f));
  ep.handle(NR.NR_clock_nanosleep, (f) => sys_clock_nanosleep(ep, f));
  ep.handle(NR.NR_gettimeofday, sys_gettimeofday);
  ep.handle(NR.NR_time, sys_time);
  ep.handle(NR.NR_clock_settime, (f) => (f.argInt(0) === CLOCK_REALTIME ? -E.EPERM : -E.EINVAL));
  ep.handle(NR.NR_settimeofday, () => -E.EPERM);
}
