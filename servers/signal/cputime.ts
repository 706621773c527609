/** CPU clocks of guest processes, asked from the host. Source: clock_getres(2), clock_getcpuclockid(3). */
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { STRUCT, scratchView } from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { readTimespec } from '../../shared/clock.js';

const CPUCLOCK_VIRT = 1;
const CPUCLOCK_SCHED = 2;
const PER_THREAD = 4;

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

/** CPU time of one task, ns; 0 when it is gone. */
export function taskCpuTimeNs(task: number): number {
  const tid = native.hostTid(L.taskTg(task), L.taskSlot(task), L.taskTid(task));
  if (tid <= 0) return 0;
  const ns = hostClock((~tid << 3) | PER_THREAD | CPUCLOCK_SCHED);
  return ns < 0 ? 0 : ns;
}
