/**
 * CPU time and memory of guest processes, as the host counts them.
 *
 * A process's CPU clocks (clock_getcpuclockid(3)) can be read by anybody who knows its pid, also of a zombie: SCHED is exact, VIRT and PROF are sampled by
 * the tick; like the host's own getrusage, the exact sum is divided in the sampled proportion, and neither part ever becomes less (cputime_adjust() of the host's kernel): before the first tick all of
 * it is user time, and the first tick may have met the system.
 */
import * as host from '../shared/host.js';
import { native } from '../shared/native.js';
import type { CpuTimes } from './proc.js';

const NR_clock_gettime = 228;
const PROF = 0, VIRT = 1, SCHED = 2;

function clock(pid: number, which: number): number {
  if (native.sys(NR_clock_gettime, 0b10, (~pid << 3) | which, host.STRUCT) < 0) return 0;
  const v = host.scratchView;
  return (v.getUint32(host.STRUCT, true) + v.getUint32(host.STRUCT + 4, true) * 4294967296) * 1e9 + v.getUint32(host.STRUCT + 8, true);
}

/** `total` ns divided as `user` is to `both`, into `was`, what was said before. Pure. */
export function divide(total: number, user: number, both: number, was: CpuTimes): void {
  if (total <= was.utimeNs + was.stimeNs) return;
  const system = both > 0 ? total - Math.round(total * Math.min(1, user / both)) : 0;
  was.stimeNs = Math.max(system, was.stimeNs);
  if (total - was.stimeNs >= was.utimeNs) was.utimeNs = total - was.stimeNs;
  else was.stimeNs = total - was.utimeNs;
}

/** Of a host process, with the threads that have ended: brings up to date what was said of it before. Nothing changes for one that is not there. */
export function cpuTimesOf(hostPid: number, was: CpuTimes): void {
  if (hostPid > 0) divide(clock(hostPid, SCHED), clock(hostPid, VIRT), clock(hostPid, PROF), was);
}

export interface Counts { minflt: number; majflt: number; maxrssKib: number; nvcsw: number; nivcsw: number }

/** Page faults, context switches and largest resident set, from /proc. */
export function countsOf(hostPid: number, hostTid: number, out: Counts): void {
  out.minflt = out.majflt = out.maxrssKib = out.nvcsw = out.nivcsw = 0;
  if (hostPid <= 0) return;
  const dir = hostTid > 0 ? `/proc/${hostPid}/task/${hostTid}` : `/proc/${hostPid}`;
  const stat = host.readSmallFile(host.AT_FDCWD, `${dir}/stat`);
  if (typeof stat === 'string') {
    // The name in parentheses may contain anything; fields count from behind it (field 3 first).
    const w = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    out.minflt = Number(w[7]);
    out.majflt = Number(w[9]);
  }
  const status = host.readSmallFile(host.AT_FDCWD, `${dir}/status`);
  if (typeof status !== 'string') return;
  out.maxrssKib = field(status, 'VmHWM');
  out.nvcsw = field(status, 'voluntary_ctxt_switches');
  out.nivcsw = field(status, 'nonvoluntary_ctxt_switches');
}

function field(text: string, name: string): number {
  const at = text.indexOf(`\n${name}:`);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length + 2), 10);
}

/** wait(2) status word of a host process that has ended and was not reaped yet: proc_pid_stat(5), field 52. 0 when it cannot be told. */
export function hostStatus(hostPid: number): number {
  if (hostPid <= 0) return 0;
  const stat = host.readSmallFile(host.AT_FDCWD, `/proc/${hostPid}/stat`);
  return typeof stat === 'string' ? Number(stat.slice(stat.lastIndexOf(')') + 2).trim().split(' ')[49] ?? 0) : 0;
}
