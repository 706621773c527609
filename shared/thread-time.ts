/**
 * CPU time of one host thread. The CPU clock of a single thread can be read by its own process only (clock_getcpuclockid(3) names processes), so /proc is
 * asked: schedstat counts ns, up to the moment the thread was last scheduled out, which for one that waits for an answer is now.
 */
import * as host from './host.js';

/** Ticks per second of times in /proc/PID/stat: USER_HZ, the same on every Linux. */
const USER_HZ = 100;

export interface ThreadTimes { utimeNs: number; stimeNs: number }

/** User and system time of a thread; zero for one that is not there. The exact sum is divided as the ticks say, like the host's own getrusage does. */
export function threadTimes(hostPid: number, hostTid: number, out: ThreadTimes): void {
  out.utimeNs = out.stimeNs = 0;
  if (hostPid <= 0 || hostTid <= 0) return;
  const dir = `/proc/${hostPid}/task/${hostTid}`;
  const stat = host.readSmallFile(host.AT_FDCWD, `${dir}/stat`);
  if (typeof stat !== 'string') return;
  // Fields count from behind the name in parentheses, which may hold anything: utime is field 14, the first here is 3. proc_pid_stat(5)
  const w = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const utime = Number(w[11]);
  const stime = Number(w[12]);
  const exact = host.readSmallFile(host.AT_FDCWD, `${dir}/schedstat`);
  const total = typeof exact === 'string' ? Number.parseInt(exact, 10) : (utime + stime) * (1e9 / USER_HZ);
  out.utimeNs = utime + stime > 0 ? Math.round(total * utime / (utime + stime)) : total;
  out.stimeNs = total - out.utimeNs;
}
