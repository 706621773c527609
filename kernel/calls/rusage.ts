/** getrusage, times, and the rusage of wait4: what the host says of the process (cpu-times.ts). */
import { nowNs } from '../../shared/clock.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { native } from '../../shared/native.js';
import { threadTimes } from '../../shared/thread-time.js';
import { type Counts, countsOf, cpuTimesOf } from '../cpu-times.js';
import type { CpuTimes, Kernel, Proc } from '../proc.js';

const RUSAGE_BYTES = 144;
const RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1;
/** sysconf(_SC_CLK_TCK) is 100. */
const TICK_NS = 1e7;

const $cpu: CpuTimes = { utimeNs: 0, stimeNs: 0 };
const $counts: Counts = { minflt: 0, majflt: 0, maxrssKib: 0, nvcsw: 0, nivcsw: 0 };

function putTime(f: Frame, at: number, ns: number): void {
  const us = Math.floor(ns / 1000);
  f.view.setUint32(at, Math.floor(us / 1e6), true);
  f.view.setUint32(at + 4, 0, true);
  f.view.setUint32(at + 8, us % 1e6, true);
  f.view.setUint32(at + 12, 0, true);
}

/** struct rusage: ru_utime 0, ru_stime 16, ru_maxrss 32, ru_minflt 64, ru_majflt 72, ru_nvcsw 128, ru_nivcsw 136. */
function put(f: Frame, arg: number, utimeNs: number, stimeNs: number, c: Counts | undefined): number {
  const at = f.outOff(arg);
  if (at < 0) return at;
  f.bytes.fill(0, at, at + RUSAGE_BYTES);
  putTime(f, at, utimeNs);
  putTime(f, at + 16, stimeNs);
  if (c !== undefined) {
    f.view.setUint32(at + 32, c.maxrssKib, true);
    f.view.setUint32(at + 64, c.minflt, true);
    f.view.setUint32(at + 72, c.majflt, true);
    f.view.setUint32(at + 128, c.nvcsw, true);
    f.view.setUint32(at + 136, c.nivcsw, true);
  }
  f.setOut(arg, RUSAGE_BYTES);
  return 0;
}

/** The rusage of a child that is being waited for; nothing when the guest did not ask. Its own children's time is part of it. */
export function putRusage(f: Frame, arg: number, c: Proc): void {
  if (f.argU64(arg) === 0) return;
  if (L.tgPidfd(c.tg) >= 0) cpuTimesOf(native.hostPid(c.tg), c.cpu);
  put(f, arg, c.cpu.utimeNs + L.tgCutimeNs(c.tg), c.cpu.stimeNs + L.tgCstimeNs(c.tg), undefined);
}

/** getrusage(2). EINVAL (who), EFAULT. Deviation: RUSAGE_CHILDREN counts time only. */
function sys_getrusage(k: Kernel, f: Frame): number {
  switch (f.argInt(0)) {
    case RUSAGE_SELF: {
      const pid = native.hostPid(f.tg), { cpu } = k.procOf(f.tg);
      cpuTimesOf(pid, cpu);
      countsOf(pid, 0, $counts);
      return put(f, 1, cpu.utimeNs, cpu.stimeNs, $counts);
    }
    case RUSAGE_THREAD: {
      const tid = native.hostTid(f.tg, f.slot, L.taskTid(f.task));
      threadTimes(native.hostPid(f.tg), tid, $cpu);
      countsOf(native.hostPid(f.tg), tid, $counts);
      return put(f, 1, $cpu.utimeNs, $cpu.stimeNs, $counts);
    }
    case RUSAGE_CHILDREN: return put(f, 1, L.tgCutimeNs(f.tg), L.tgCstimeNs(f.tg), undefined);
    default: return -E.EINVAL;
  }
}

/** times(2): ticks of 1/100 s; returns the ticks since boot of CLOCK_MONOTONIC. EFAULT. */
function sys_times(k: Kernel, f: Frame): number {
  const ticks = Math.floor(nowNs() / TICK_NS);
  if (f.argU64(0) === 0) return ticks;
  const at = f.outOff(0);
  if (at < 0) return at;
  const { cpu } = k.procOf(f.tg);
  cpuTimesOf(native.hostPid(f.tg), cpu);
  const values = [cpu.utimeNs, cpu.stimeNs, L.tgCutimeNs(f.tg), L.tgCstimeNs(f.tg)];
  values.forEach((ns, i) => {
    f.view.setUint32(at + 8 * i, Math.floor(ns / TICK_NS), true);
    f.view.setUint32(at + 8 * i + 4, 0, true);
  });
  f.setOut(0, 32);
  return ticks;
}

export function installRusage(k: Kernel): void {
  k.ep.handle(NR.NR_getrusage, (f) => sys_getrusage(k, f));
  k.ep.handle(NR.NR_times, (f) => sys_times(k, f));
}
