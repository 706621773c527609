/** CPU clocks of guest processes, asked from the host. Source: clock_getres(2), clock_getcpuclockid(3). */
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { STRUCT, scratchView } from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { readTimespec } from '../../shared/clock.js';
import { type ThreadTimes, threadTimes } from '../../shared/thread-time.js';

const CPUCLOCK_VIRT = 1;
const CPUCLOCK_SCHED = 2;

/** Read a host clock: ns, or -errno. */
export function hostClock(id: number): number {
  const r = native.sys(NR.NR_clock_gettime, 0b10, id, STRUCT);
  return r < 0 ? r : readTimespec(scratchView, STRUCT);
}

/** CPU time of a thread group, ns (user time only when `virt`); 0 when it is gone. */
export function cpuTimeNs(tg: number, virt = false): number {
  const pid = native.hostPid(tg);
  if (pid <= 0) return 0;
  const ns = hostClock((~pid << 3) | (virt ? CPUCLOCK_VIRT : CPUCLOCK_SCHED));
  return ns < 0 ? 0 : ns;
}

const $times: ThreadTimes = { utimeNs: 0, stimeNs: 0 };

/** CPU time of one task, ns (user time only when `virt`); 0 when it is gone. */
export function taskCpuTimeNs(task: number, virt = false): number {
  const tg = L.taskTg(task);
  threadTimes(native.hostPid(tg), native.hostTid(tg, L.taskSlot(task), L.taskTid(task)), $times);
  return virt ? $times.utimeNs : $times.utimeNs + $times.stimeNs;
}
