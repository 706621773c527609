/**
 * The kernel worker's own half of tasks and thread groups; the other half, which every server reads, are the tables.
 *
 *   Proc (one per tg row) ── mm: Mm (area, counted) ── area in native
 *      │ children, parent          │
 *      └ waiters: wait4 parked     └ slots and pctx of its users
 *
 * Life of a row:  FREE ──clone──► EMBRYO ──NR_CLONE_COMMIT──► RUNNING ──pidfd readable──► ZOMBIE ──wait4 / ignored SIGCHLD──► FREE
 *                                   └── host clone failed ──► FREE
 *
 * Only the kernel worker writes these tables and maps, so nothing here locks.
 */
import type { Endpoint } from '../shared/endpoint.js';
import { filesUnref } from '../shared/fdtable.js';
import * as L from '../shared/gen/layout.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import { TaskState, TgState } from '../shared/tasks.js';
import { WaitQueue } from '../shared/wait.js';
import { CredRows } from './cred-rows.js';
import type { Embryo } from './embryos.js';
import { KeptPrograms } from './exec/kept.js';
import type { Tracee, Tracing } from './ptrace/tracee.js';
import { RowPool } from './rows.js';

/** An address space: its area in native and how many thread groups use it (more than one while a CLONE_VM child lives). */
export class Mm {
  users = 1;
  constructor(readonly area: number) {}
}

/** Slot and pctx in an area that a program left behind by exec; see Proc.left. */
export interface Leftover {
  readonly mm: Mm;
  readonly pctx: number;
  readonly slots: readonly number[];
}

export interface CpuTimes { utimeNs: number; stimeNs: number }

export class Proc {
  pid = 0;
  parent: Proc | undefined;
  readonly children: Proc[] = [];
  /** Task row of the parent's thread that made it, for PR_SET_PDEATHSIG. */
  creator = 0;
  /** Whose child it is on the host: its zombie there is that process's to reap. Its own parent but for CLONE_PARENT and orphans. */
  hostParent: Proc | undefined;
  /** Pids of its children on the host whose zombies nobody has asked it to reap yet. */
  readonly reaps: number[] = [];
  /** The process of `carrick exec` that it descends from, itself included: on the host, without a pid namespace, the leader of its group. */
  root: Proc | undefined;
  /** Such a process is carrick's own child: its host pid, and how many living processes have it as their root. */
  joined: { readonly hostPid: number; members: number } | undefined;
  /** Told of its end, as its parent would be: wait(2) status word. */
  onEnd: ((status: number) => void) | undefined;
  /** OFDs of pidfds that stand for it. */
  readonly pidfds = new Set<number>();
  /** Status word announced by exit_group, a fatal signal or NR_FATAL; -1 = none yet. */
  announced = -1;
  /** Status of a leader that left by exit(2) before its group. */
  leaderStatus = 0;
  /** Parked wait4 and waitid of this process's threads. */
  readonly waiters = new WaitQueue();
  /** A stop that no wait has reported yet: its signal, 0 = none. */
  stopReport = 0;
  /** A continuation that no wait has reported yet. */
  contReport = false;
  /** Watch token of its pidfd, -1 = none. */
  token = -1;
  /**
   * What the program before the last exec left in its area. The answer to execve goes to the old slot, so that can be freed only when the process has
   * been heard of again: at its next exec, or its death.
   */
  left: Leftover | undefined;
  /** It runs a program that the stub was told to map (true after the first exec). */
  freshProgram = false;
  /** CPU time, taken when it died. */
  readonly cpu: CpuTimes = { utimeNs: 0, stimeNs: 0 };
  /** Tasks that its threads trace, and those that have died and that it has not waited for. */
  readonly tracees: Tracee[] = [];
  /** Its leader as a tracee whose death the tracer has to hear of before the parent does. */
  hidden: Tracee | undefined;
  /** Dead threads of it that their tracers have not waited for. */
  ghosts = 0;
  /** The host says that it is dead. */
  ended = false;
  /** It has called exit_group; the host has yet to take it apart. */
  leaving = false;
  /** It has ended for its parent before it has for the host: what is to be done then. */
  remains: (() => void) | undefined;
  personality = 0;
  /** Made by a vfork that a spare is for: when it leaves its parent's memory, the parent's next is prepared. */
  vforked = false;
  /** A fork child, a vfork child and a thread that are prepared for it, in its pctx (armed) or not; see spares.ts. */
  spareFork: Embryo | undefined;
  spareVfork: Embryo | undefined;
  spareThread: Embryo | undefined;
  /** carrick's end of its control socket; native owns it once bound. */
  ctl = -1;

  constructor(readonly tg: number, public mm: Mm) {}

  /** Tell its stub whether it has somebody to wait for (pctx.childless): at once when it gets somebody, and when it has waited for the last. */
  tellChildless(yes: boolean): void { native.pctxStore(this.mm.area, L.tgPctx(this.tg), L.PCTX_CHILDLESS, yes ? 1 : 0); }

  /** Nobody else runs in its memory; a vfork child that is only prepared does not. */
  get aloneInMm(): boolean { return this.mm.users === (this.spareVfork === undefined ? 1 : 2); }
}

/** Kernel state shared by all handlers of this worker. */
export class Kernel {
  readonly procs: Array<Proc | undefined> = [];
  readonly byPid = new Map<number, Proc>();
  readonly byTid = new Map<number, number>();
  readonly tasks = new RowPool(L.TASK_ROWS, (top) => L.setMetaTopTask(1, top));
  readonly tgs = new RowPool(L.TG_ROWS, (top) => L.setMetaTopTg(1, top));
  readonly creds = new CredRows();
  /** Tasks per real uid, for RLIMIT_NPROC. */
  private readonly nproc = new Map<number, number>();
  /** PR_SET_TIMERSLACK per task row, ns. */
  readonly timerSlack = new Float64Array(L.TASK_ROWS).fill(50000);
  /** PR_SET_PDEATHSIG per task row; 0 = none. */
  readonly pdeathsig = new Uint8Array(L.TASK_ROWS);
  /** Who traces whom. Set by installPtrace. */
  trace!: Tracing;
  init: Proc | undefined;
  serial = 0;
  /** Processes are found by their numbers, so children need not send their pidfds (PF_NUMBERED). Known when the first process is there. */
  numbered = false;
  /** Children that are prepared and not asked for, in all (spares.ts). */
  spares = 0;
  /** Told when a thread group, or by exec its program, has ended, before its area is given up. Set by clone. */
  onGroupEnd: (p: Proc) => void = () => undefined;
  /** Told who gets a dead process's children. Set by clone. */
  onOrphans: (p: Proc, heir: Proc) => void = () => undefined;
  /** Told when a child has been committed, before its parent is. Set by spares. */
  onBirth: (e: Embryo, task: number) => void = () => undefined;
  /** Told when a process makes the host's clone for a spare that is a process. Set by spares. */
  onBegin: (e: Embryo, task: number) => void = () => undefined;
  /** Told when RLIMIT_NPROC, or the user that it counts for, has changed. Set by spares. */
  onNproc: (tg: number) => void = () => undefined;

  /** Programs that were executed before. */
  readonly programs: KeptPrograms;

  constructor(readonly ep: Endpoint) { this.programs = new KeptPrograms(ep, this.creds); }

  procOf(tg: number): Proc {
    const p = this.procs[tg];
    if (p === undefined) throw new Error(`tg row ${tg} has no process`);
    return p;
  }

  /** New thread group row in state EMBRYO, or undefined when the table is full. */
  allocProc(mm: Mm): Proc | undefined {
    const tg = this.tgs.alloc();
    if (tg === 0) return undefined;
    L.clearTg(tg);
    L.setTgPidfd(tg, -1);
    L.setTgState(tg, TgState.EMBRYO);
    const p = new Proc(tg, mm);
    this.procs[tg] = p;
    return p;
  }

  /** Give the row back; the process is in no list any more. */
  freeProc(p: Proc): void {
    // The number may be another's soon.
    for (const o of p.pidfds) L.setOfdObj(o, 0);
    p.pidfds.clear();
    L.setTgState(p.tg, TgState.FREE);
    this.procs[p.tg] = undefined;
    if (this.byPid.get(p.pid) === p) this.byPid.delete(p.pid);
    if (p.remains === undefined) this.tgs.free(p.tg);
  }

  /** What was left of a process that has ended early is gone: its row may be another's, if nobody has to wait for it any more. */
  freeEarly(p: Proc): void {
    p.remains = undefined;
    if (this.procs[p.tg] !== p) this.tgs.free(p.tg);
  }

  allocTask(tg: number): number {
    const row = this.tasks.alloc();
    if (row === 0) return 0;
    L.clearTask(row);
    L.setTaskTg(row, tg);
    L.setTaskState(row, TaskState.EMBRYO);
    this.pdeathsig[row] = 0;
    return row;
  }

  freeTask(task: number): void {
    const tid = L.taskTid(task);
    L.setTaskState(task, TaskState.FREE);
    if (this.byTid.get(tid) === task) this.byTid.delete(tid);
    this.tasks.free(task);
  }

  nprocOf(uid: number): number { return this.nproc.get(uid) ?? 0; }
  nprocAdd(uid: number, n: number): void {
    const now = this.nprocOf(uid) + n;
    if (now === 0) this.nproc.delete(uid); else this.nproc.set(uid, now);
  }

  /** Drop what a task holds but its credentials: file table and fs_struct. */
  dropTaskObjects(task: number): void {
    const files = L.taskFiles(task);
    if (files !== 0) { L.setTaskFiles(task, 0); filesUnref(this.ep, files); }
    const fs = L.taskFs(task);
    if (fs !== 0) { L.setTaskFs(task, 0); this.ep.quiet(L.SRV_VFS, Msg.FS_DROP, [fs]); }
  }

  dropTaskCred(task: number): void {
    const cred = L.taskCred(task);
    if (cred === 0) return;
    this.nprocAdd(L.credUid(cred), -1);
    L.setTaskCred(task, 0);
    this.creds.unref(cred);
  }

  /** A process leaves its address space; the last one frees the area, others only their slots and pctx. */
  leaveMm(mm: Mm, pctx: number, slots: readonly number[]): void {
    if (L.metaTrace(1) !== 0) this.countRewriting(mm.area, pctx);
    if (--mm.users === 0) { native.areaFree(mm.area); return; }
    for (const slotId of slots) {
      // Nobody runs on it any more, whatever its state word says; see slotFree.
      native.slotStore(slotId, L.SLOT_STATE, L.SLOT_DEAD);
      native.slotFree(mm.area, slotId & (L.SLOT_MAX - 1));
    }
    native.pctxFree(mm.area, pctx);
  }

  /** For trace -c: what a process has counted, modulo 2^32. */
  private countRewriting(area: number, pctx: number): void {
    const word = (off: number): number => native.pctxLoad(area, pctx, off) >>> 0;
    const words = [word(L.PCTX_RW_CALLS), word(L.PCTX_RW_TRAPS), word(L.PCTX_RW_SITES), word(L.PCTX_RW_FIXUPS)];
    for (let i = 0; i < L.RW_REASONS; i++) words.push(word(L.PCTX_RW_DECLINED + 4 * i));
    this.ep.countRewriting(words);
  }

  /** Free what the program before the last exec left. */
  freeLeftover(p: Proc): void {
    const l = p.left;
    if (l === undefined) return;
    p.left = undefined;
    this.leaveMm(l.mm, l.pctx, l.slots);
  }

  /**
   * An end (TASK_GONE, TG_GONE), to every server and to this one, whose endpoint drops its own parked requests by it. Only the servers in `now`
   * (bits SRV_*) are woken for it. A server that is just parking a request of the dead is awake, so it hears of the end before it sleeps.
   */
  tellEnd(kind: number, words: readonly number[], now: number): void {
    for (let s = 0; s < L.SRV_COUNT; s++) {
      this.ep.quiet(s, kind, words);
      if ((now & (1 << s)) !== 0) this.ep.nudge(s);
    }
  }
}

/** si_code of signals that the kernel sends by itself. sigaction(2). */
export const SI_KERNEL = 0x80;
export const SIGHUP = 1, SIGKILL = 9, SIGSEGV = 11, SIGCHLD = 17, SIGCONT = 18;

export function setComm(task: number, name: string): void {
  const b = L.taskU8();
  const at = L.TASK_COMM_BYTE(task);
  for (let i = 0; i < 16; i++) b[at + i] = i < 15 && i < name.length ? name.charCodeAt(i) : 0;
}
