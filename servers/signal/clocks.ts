/**
 * The clocks that guests name: the numbered ones, and those of a process or thread by its number, which libcs also use for the caller's own
 * (a clock id below 0: ~pid << 3 | per thread << 2 | kind). Sources: clock_gettime(2), clock_getcpuclockid(3), linux/posix-timers.h.
 */
import { nowNs, realtimeNs } from '../../shared/clock.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { taskByTid, tgByPid } from '../../shared/tasks.js';
import { cpuTimeNs, hostClock, taskCpuTimeNs } from './cputime.js';

export const CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2, CLOCK_THREAD_CPUTIME_ID = 3, CLOCK_BOOTTIME = 7, CLOCK_TAI = 11;
const CPUCLOCK_VIRT = 1, CPUCLOCK_PERTHREAD = 4;
const CLOCKFD = 3, CLOCKFD_MASK = 7;

/** A clock that a descriptor stands for (a clock device): there are none here. */
export const isDescriptorClock = (id: number): boolean => id < 0 && (id & CLOCKFD_MASK) === CLOCKFD;

export interface GuestClock {
  /** How many threads may make it go on at a time, if it counts what they compute; 0 = it goes on by itself. */
  threads(): number;
  /** ns; 0 when what it counts for is gone; -EINVAL for a number that the host does not know. */
  now(): number;
}

const nobody = (): number => 0;

function threadClock(task: number, virt: boolean): GuestClock {
  const tid = L.taskTid(task);
  // The row may be another's by then.
  return { threads: () => 1, now: () => L.taskTid(task) === tid ? taskCpuTimeNs(task, virt) : 0 };
}

function processClock(tg: number, virt: boolean): GuestClock {
  const tgid = L.tgTgid(tg);
  return { threads: () => Math.max(1, L.tgNtasks(tg)), now: () => L.tgTgid(tg) === tgid ? cpuTimeNs(tg, virt) : 0 };
}

/** A clock that names whose it is. -EINVAL: a descriptor's, nobody's, or that of a thread of another process. */
function namedClock(f: Frame, id: number): GuestClock | number {
  const pid = ~(id >> 3), kind = id & 3;
  if (kind === CLOCKFD) return -E.EINVAL;
  if ((id & CPUCLOCK_PERTHREAD) !== 0) {
    const task = pid === 0 ? f.task : taskByTid(pid);
    return task === 0 || L.taskTg(task) !== f.tg ? -E.EINVAL : threadClock(task, kind === CPUCLOCK_VIRT);
  }
  const tg = pid === 0 ? f.tg : tgByPid(pid);
  return tg === 0 ? -E.EINVAL : processClock(tg, kind === CPUCLOCK_VIRT);
}

/** The clock `id` of the caller, or -EINVAL when there is no such process or thread. */
export function guestClock(f: Frame, id: number): GuestClock | number {
  if (id < 0) return namedClock(f, id);
  switch (id) {
    case CLOCK_PROCESS_CPUTIME_ID: return processClock(f.tg, false);
    case CLOCK_THREAD_CPUTIME_ID: return threadClock(f.task, false);
    case CLOCK_REALTIME: return { threads: nobody, now: realtimeNs };
    case CLOCK_MONOTONIC: return { threads: nobody, now: nowNs };
    default: return { threads: nobody, now: () => hostClock(id) };
  }
}
