/**
 * Finding requests that hang: CARRICK_WATCHDOG=SECONDS.
 *
 * Every request of a guest is either parked, which its server writes into the task's row, or on its way: posted, and not yet taken, or being answered. A
 * request that waits by nature (read, poll, wait4, ...) may be parked for ever. Any other that is older than SECONDS, and any that is on its way
 * that long, means that something is wrong: every task is then printed with what it waits for. Each such request is told of once.
 *
 * What hangs need not hang in a request: a lock of the program's own, a wake-up that went astray on the host, two that answer each other for ever. So the same is printed, once,
 * when no task has begun or ended for STILL times as long.
 */
import { nowNs } from '../shared/clock.js';
import type { Endpoint } from '../shared/endpoint.js';
import * as L from '../shared/gen/layout.js';
import * as NR from '../shared/gen/syscalls.js';
import * as host from '../shared/host.js';
import { logLine } from '../shared/log.js';
import { native } from '../shared/native.js';
import { SERVER_NAMES } from '../shared/server-names.js';
import { TaskState, taskName } from '../shared/tasks.js';
import { Timer } from '../shared/wait.js';

/** Calls that may wait as long as it takes: for data, time, children, signals, locks, or (open) the other end of a FIFO. */
const PATIENT: ReadonlySet<number> = new Set([
  NR.NR_read, NR.NR_readv, NR.NR_pread64, NR.NR_preadv, NR.NR_preadv2, NR.NR_write, NR.NR_writev, NR.NR_pwrite64, NR.NR_pwritev, NR.NR_pwritev2, NR.NR_sendfile, NR.NR_splice, NR.NR_tee,
  NR.NR_poll, NR.NR_ppoll, NR.NR_select, NR.NR_pselect6, NR.NR_epoll_wait, NR.NR_epoll_pwait, NR.NR_epoll_pwait2,
  NR.NR_wait4, NR.NR_waitid, NR.NR_pause, NR.NR_rt_sigsuspend, NR.NR_rt_sigtimedwait, NR.NR_nanosleep, NR.NR_clock_nanosleep,
  NR.NR_accept, NR.NR_accept4, NR.NR_connect, NR.NR_recvfrom, NR.NR_recvmsg, NR.NR_recvmmsg, NR.NR_sendto, NR.NR_sendmsg, NR.NR_sendmmsg,
  NR.NR_flock, NR.NR_fcntl, NR.NR_open, NR.NR_openat, NR.NR_openat2, NR.NR_creat, NR.NR_ioctl, NR.NR_semop, NR.NR_semtimedop, NR.NR_msgsnd, NR.NR_msgrcv,
  NR.NR_mq_timedsend, NR.NR_mq_timedreceive,
]);

/** How many times the limit the tasks may stay the same before they are told of. */
const STILL = 5;

const nameOf = (nr: number): string => NR.SYSCALL_NAMES[nr] ?? String(nr);

/** Every task and what it waits for, from the shared table and the slots. */
export function dump(): void {
  const now = nowNs();
  const top = L.metaTopTask(1);
  for (let t = 1; t < top; t++) if (L.taskState(t) !== TaskState.FREE) logLine(describe(t, now));
}

/** What the host says of a task: its state, ticks of processor time, and the call of the host that it is in, its number and arguments. proc_pid_stat(5), proc_pid_syscall(5). */
function onHost(t: number): string {
  const tid = native.hostTid(L.taskTg(t), L.taskSlot(t), L.taskTid(t));
  const stat = tid > 0 ? host.readSmallFile(host.AT_FDCWD, `/proc/${tid}/stat`) : -1;
  if (typeof stat === 'number') return '';
  const f = stat.slice(stat.lastIndexOf(')') + 2).split(' '), call = host.readSmallFile(host.AT_FDCWD, `/proc/${tid}/syscall`);
  return `, on the host ${f[0] ?? '?'}, ${Number(f[11]) + Number(f[12])} ticks, ${typeof call === 'number' ? '?' : call.trim()}`;
}

function describe(t: number, now: number): string {
  const parked = L.taskParked(t);
  const slot = L.taskSlot(t);
  let what = 'runs';
  if (parked !== 0) what = `waits in ${nameOf(L.taskNr(t))}, server ${SERVER_NAMES[parked - 1] ?? '?'}, for ${((now - L.taskParkedNs(t)) / 1e6).toFixed(0)} ms`;
  else if (native.slotLoad(slot, L.SLOT_STATE) === L.SLOT_POSTED) what = `has posted ${nameOf(native.slotLoad(slot, L.SLOT_NR))} to ${SERVER_NAMES[native.slotLoad(slot, L.SLOT_SERVER)] ?? '?'}`;
  return `task ${L.taskTid(t)} (process ${L.tgTgid(L.taskTg(t))}, ${taskName(t)}, state ${L.taskState(t)}): ${what}${onHost(t)}`;
}

export class Watchdog {
  /** Per task row: the request seen last that was on its way (whose, and its number), and since when. */
  private readonly seq = new Float64Array(L.TASK_ROWS).fill(-1);
  private readonly since = new Float64Array(L.TASK_ROWS);
  /** Per task row: parked_ns or since of what was told already. */
  private readonly told = new Float64Array(L.TASK_ROWS);

  /** A sum over the tasks that run, since when it is the same, and whether that was told. */
  private tasks = 0;
  private same = 0;
  private still = false;

  constructor(private readonly limitNs: number) {}

  /** Has no task begun or ended for so long? True once. */
  private standsStill(now: number): boolean {
    let sum = L.metaForks(1);
    const top = L.metaTopTask(1);
    for (let t = 1; t < top; t++) if (L.taskState(t) === TaskState.RUNNING) sum = (Math.imul(sum, 31) + L.taskTid(t)) | 0;
    if (sum !== this.tasks || this.same === 0) {
      this.tasks = sum;
      this.same = now;
      this.still = false;
    }
    if (this.still || now - this.same < STILL * this.limitNs) return false;
    this.still = true;
    logLine(`watchdog: no task has begun or ended for ${((now - this.same) / 1e9).toFixed(0)} s; all tasks:`);
    return true;
  }

  /** Age of a request that should not be that old, ns; 0 = all is well with this task. */
  private overdue(t: number, now: number): number {
    let began: number;
    if (L.taskParked(t) !== 0) {
      if (PATIENT.has(L.taskNr(t))) return 0;
      began = L.taskParkedNs(t);
    } else {
      const slot = L.taskSlot(t);
      if (native.slotLoad(slot, L.SLOT_STATE) !== L.SLOT_POSTED) { this.seq[t] = -1; return 0; }
      // Rows are used again, and a slot's requests are counted from its first on.
      const seq = L.taskTid(t) * 4294967296 + native.slotLoad(slot, L.SLOT_SEQ);
      if (this.seq[t] !== seq) { this.seq[t] = seq; this.since[t] = now; }
      began = this.since[t] as number;
    }
    if (now - began < this.limitNs || this.told[t] === began) return 0;
    this.told[t] = began;
    return now - began;
  }

  /** Look at every task once; true when something was found, which has been printed. */
  look(now: number): boolean {
    let found = false;
    const top = L.metaTopTask(1);
    for (let t = 1; t < top; t++) {
      if (L.taskState(t) !== TaskState.RUNNING) continue;
      const age = this.overdue(t, now);
      if (age === 0) continue;
      found = true;
      logLine(`watchdog: task ${L.taskTid(t)} has waited ${(age / 1e9).toFixed(1)} s for an answer; all tasks:`);
    }
    if (this.standsStill(now)) found = true;
    if (found) dump();
    return found;
  }
}

/** Start it if the environment asks for it; a value that is no positive number is ignored. */
export function startWatchdog(ep: Endpoint): void {
  const limitNs = Number(process.env['CARRICK_WATCHDOG'] ?? 0) * 1e9;
  if (!(limitNs > 0)) return;
  const dog = new Watchdog(limitNs);
  const timer = new Timer(() => {
    const now = nowNs();
    dog.look(now);
    ep.timers.arm(timer, now + limitNs / 2);
  });
  ep.timers.arm(timer, nowNs() + limitNs);
}
