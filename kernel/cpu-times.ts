/**
 * CPU time and memory of guest processes, as the host counts them.
 *
 * A process's CPU clocks (clock_getcpuclockid(3)) can be read by anybody who knows its pid, also of a zombie: SCHED is exact, VIRT and PROF are sampled by
 * the tick; like the host's own getrusage, the exact sum is divided in the sampled proportion.
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

function split(pid: number, out: CpuTimes): void {
  const total = clock(pid, SCHED);
  const user = clock(pid, VIRT);
  const both = clock(pid, PROF);
  out.utimeNs = both > 0 ? Math.round(total * Math.min(1, user / both)) : total;
  out.stimeNs = total - out.utimeNs;
}

/** Of a host process, with the threads that have ended. Zero for one that is not there. */
export function cpuTimesOf(hostPid: number, out: CpuTimes): void {
  if (hostPid > 0) split(hostPid, out);
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
