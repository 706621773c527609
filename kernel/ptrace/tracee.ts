/**
 * Who traces whom, and what state a tracee is in (ptrace(2); decision 0013).
 *
 *              NR_PTRACE_STOP, if it is one                PTRACE_LISTEN
 *   RUNNING ───────────────────────────────► STOPPED ───────────────────► LISTENING
 *      ▲  ◄──────────────────────────────────   │   ◄───────────────────────  │ SIGCONT, PTRACE_INTERRUPT: stops anew
 *      │     CONT, SYSCALL, SINGLESTEP, DETACH  │                             │
 *      └── any ──► DEAD: kept until the tracer has waited for it ◄────────────┘
 *
 * Owned here: a Tracee per traced task, listed with its tracer's Proc and found by task row; the table's tracer, tracer_pid and trace_stop; slot.traced, by which the stub
 * knows that it has to ask. While a tracee is stopped its request is parked on `queue`; `resume` is what it is answered. A leader whose tracer is not its parent
 * is no zombie for the parent before the tracer has waited for it (Proc.hidden).
 */
import { Cap, credCapable } from '../../shared/creds.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { TaskState, TgState } from '../../shared/tasks.js';
import { WaitQueue } from '../../shared/wait.js';
import { Clone, type Embryo } from '../embryos.js';
import { type Kernel, type Proc, SIGCHLD } from '../proc.js';
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, noStopSignals, sigchldIgnored, sigchldUnheard, tellParent } from '../task-end.js';

export const enum State { RUNNING, STOPPED, LISTENING, DEAD }
/** PTRACE_EVENT_*. The option that asks for event n is bit n. */
export const enum Event { FORK = 1, VFORK = 2, CLONE = 3, EXEC = 4, VFORK_DONE = 5, EXIT = 6, STOP = 128 }
export const O_TRACESYSGOOD = 1, O_EXITKILL = 0x100000;
export const SIGTRAP = 5, SIGSTOP = 19, SIGKILL = 9;
export const CLD_TRAPPED = 4;
const SI_USER = 0, SI_KERNEL = 0x80;

export class Tracee {
  state = State.RUNNING;
  options = 0;
  /** PTSTOP_* of the stop that it is in; 0 = none. */
  kind = 0;
  /** What the tracer sees as si_status: signal, and event in the second byte. Of a DEAD one: the wait(2) status word. */
  code = 0;
  /** No wait has told of it yet. */
  waitable = false;
  /** PTRACE_GETEVENTMSG. */
  message = 0;
  /** Where its ptstop is in its memory. */
  at = 0;
  /** Answer to the stop, -1 = none yet. */
  resume = -1;
  /** PT_* that it goes on by. */
  mode = 0;
  /** It has not reported its first stop. */
  newborn = false;
  /** PTRACE_INTERRUPT that has not become a stop. */
  interrupt = false;
  /** Its process has stopped, which it has not reported. */
  groupStop = false;
  /** Seized: its process has been continued since it stopped, which it has to report. */
  notify = false;
  /** It has been stopped at least once. */
  met = false;
  /** Tid before an exec that took it the leader's. */
  formerTid: number;
  readonly queue = new WaitQueue();

  constructor(readonly task: number, public tid: number, readonly proc: Proc, readonly tracer: Proc, readonly tracerTask: number, readonly seized: boolean) {
    this.formerTid = tid;
  }

  get uid(): number { return L.credUid(L.taskCred(this.task)); }
}

export class Tracing {
  private readonly byTask = new Map<number, Tracee>();
  /** Requests of untraced tasks whose process is stopped without the host's help; and of parents that wait for a vfork child. */
  readonly frozen = new WaitQueue();
  readonly vforks = new WaitQueue();

  constructor(readonly k: Kernel) {
    k.ep.on(Msg.TG_STOPPED, (m) => { this.stopped(m.w[0] as number); });
    k.ep.on(Msg.TG_CONTINUED, (m) => { this.continued(m.w[0] as number); });
  }

  of(task: number): Tracee | undefined { return this.byTask.get(task); }

  // ---- beginning and end ----

  /** `tracerTask` traces a running task from now on. */
  attach(task: number, proc: Proc, tracer: Proc, tracerTask: number, seized: boolean, options: number): Tracee {
    const t = new Tracee(task, L.taskTid(task), proc, tracer, tracerTask, seized);
    t.options = options;
    this.byTask.set(task, t);
    tracer.tracees.push(t);
    tracer.tellChildless(false);
    L.setTaskTracer(task, tracer.tg);
    L.setTaskTracerPid(task, L.taskTid(tracerTask));
    this.go(t, 0);
    return t;
  }

  /** Have the stub ask (PT_TRACED) and go on by these PT_*. */
  go(t: Tracee, mode: number): void {
    t.mode = mode;
    native.slotStore(L.taskSlot(t.task), L.SLOT_TRACED, L.PT_TRACED | mode);
  }

  private forget(t: Tracee): void {
    if (this.byTask.get(t.task) === t) this.byTask.delete(t.task);
    const list = t.tracer.tracees;
    const i = list.indexOf(t);
    if (i >= 0) list.splice(i, 1);
    L.setTaskTracer(t.task, 0);
    L.setTaskTracerPid(t.task, 0);
    L.setTaskTraceStop(t.task, 0);
  }

  /** The task is nobody's any more and goes on, with this signal if it is about to get one. */
  detach(t: Tracee, signo: number): void {
    if (t.state === State.DEAD) { this.consumed(t); return; }
    const { state } = t;
    this.forget(t);
    native.slotStore(L.taskSlot(t.task), L.SLOT_TRACED, 0);
    if (state !== State.RUNNING) this.answer(t, t.kind === L.PTSTOP_SIGNAL ? signo : 0);
    // A process that is stopped stays so.
    if (L.tgStopped(t.proc.tg) !== 0) this.trap(t.task);
  }

  /** The tracer has waited for a dead one. */
  consumed(t: Tracee): void {
    this.forget(t);
    const { proc } = t;
    if (proc.hidden !== t) {
      if (--proc.ghosts === 0 && proc.hidden === undefined && proc.ended) proc.parent?.waiters.wakeAll();
      if (proc.ghosts === 0) proc.hidden?.tracer.waiters.wakeAll();
      return;
    }
    proc.hidden = undefined;
    if (L.tgState(proc.tg) === TgState.ZOMBIE && this.k.procs[proc.tg] === proc) tellParent(this.k, proc);
  }

  // ---- stops ----

  /** Answer the stop that it is in. */
  private answer(t: Tracee, ret: number): void {
    t.state = State.RUNNING;
    t.waitable = false;
    t.kind = 0;
    L.setTaskTraceStop(t.task, 0);
    t.resume = ret;
    t.queue.wakeAll();
  }

  /** PTRACE_CONT and its kin. */
  resume(t: Tracee, signo: number, mode: number): void {
    const { kind } = t;
    let ret = kind === L.PTSTOP_SIGNAL ? signo : 0;
    if (signo !== 0 && (kind === L.PTSTOP_ENTRY || kind === L.PTSTOP_EXIT || kind === L.PTSTOP_STEP)) {
      this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [t.task, signo, SI_KERNEL, 0, 0]);
      ret = L.PTSTOP_FETCH;
    }
    this.go(t, mode);
    this.answer(t, ret);
    if (t.notify) t.interrupt = true;
    if (t.interrupt) this.trap(t.task);
  }

  /** It is stopped from now on: its tracer is told. */
  stop(t: Tracee, kind: number, at: number, code: number, message: number): void {
    t.state = State.STOPPED;
    t.met = true;
    t.kind = kind;
    t.at = at;
    t.message = message;
    t.resume = -1;
    if (kind === L.PTSTOP_TRAP) t.notify = false;
    L.setTaskTraceStop(t.task, 1);
    this.report(t, code);
  }

  private report(t: Tracee, code: number): void {
    t.code = code;
    t.waitable = true;
    if (!noStopSignals(t.tracer)) this.tellTracer(t, CLD_TRAPPED, code & 0x7f);
    t.tracer.waiters.wakeAll();
  }

  private tellTracer(t: Tracee, cld: number, status: number): void {
    const { tracer } = t;
    if (L.tgState(tracer.tg) !== TgState.RUNNING || sigchldUnheard(tracer)) return;
    this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [tracer.tg, SIGCHLD, cld, t.tid, t.uid, status, 0]);
  }

  /** Have a task come here as soon as it can. */
  trap(task: number): void { this.k.ep.send(L.SRV_SIGNAL, Msg.TRACE_TRAP, [task]); }

  interrupt(t: Tracee): void {
    t.interrupt = true;
    if (t.state === State.LISTENING) { t.interrupt = false; this.again(t); } else if (t.state === State.RUNNING) this.trap(t.task);
  }

  /** PTRACE_LISTEN: it stays where it is, but tells of what happens to its process. */
  listen(t: Tracee): void {
    t.state = State.LISTENING;
    t.waitable = false;
    if (t.notify) this.again(t);
  }

  /** A listening tracee stops anew, where it is. */
  private again(t: Tracee): void {
    t.notify = false;
    t.state = State.STOPPED;
    this.report(t, this.trapCode(t));
  }

  /** Code of a stop that no signal brought. */
  trapCode(t: Tracee): number {
    const signo = L.tgStopped(t.proc.tg);
    return t.seized ? (signo !== 0 ? signo : SIGTRAP) | (Event.STOP << 8) : signo;
  }

  private each(tg: number, then: (t: Tracee) => void): void {
    for (const t of [...this.byTask.values()]) if (t.proc.tg === tg && this.k.procs[tg] === t.proc) then(t);
  }

  private stopped(tg: number): void { this.each(tg, (t) => { t.groupStop = true; }); }

  private continued(tg: number): void {
    this.frozen.wakeAll();
    this.each(tg, (t) => {
      t.groupStop = false;
      if (!t.seized) return;
      if (t.state === State.LISTENING) this.again(t);
      else if (t.state === State.STOPPED) t.notify = true;
      else this.interrupt(t);
    });
  }

  /** Does the tracer of p's leader hear of its stops in its parent's place, being the same process? */
  isParents(p: Proc): boolean {
    const t = this.byTask.get(L.tgLeader(p.tg));
    return t !== undefined && t.tracer === p.parent;
  }

  /** May a task's exec give it more rights? Of a tracee only if its tracer could have them anyway. execve(2). */
  mayGain(task: number): boolean {
    const t = this.byTask.get(task);
    return t === undefined || credCapable(L.taskCred(t.tracerTask), Cap.SYS_PTRACE);
  }

  // ---- life of tasks ----

  /** A child is known, and runs nothing of the program yet: its parent's tracer may want it. */
  onChild(e: Embryo, by: number): void {
    const parent = this.byTask.get(e.parentTask === 0 ? by : e.parentTask === e.task ? by : e.parentTask);
    if (parent === undefined || parent.state === State.DEAD || (e.flags & Clone.UNTRACED) !== 0) return;
    const exitSignal = e.proc === undefined ? 0 : L.tgExitSignal(e.proc.tg);
    const event = (e.flags & Clone.VFORK) !== 0 ? Event.VFORK : exitSignal === SIGCHLD ? Event.FORK : Event.CLONE;
    if ((e.flags & Clone.PTRACE) === 0 && (parent.options & (1 << event)) === 0) return;
    const t = this.attach(e.task, e.proc ?? e.creator, parent.tracer, parent.tracerTask, parent.seized, parent.options);
    t.newborn = true;
    // A parent that was seized in the middle of its clone: its child does not look by itself.
    if (!parent.met) this.trap(e.task);
  }

  /** A tracee's new program is certain; `tid` is what its number was. */
  onExec(task: number, tid: number): void {
    this.vforks.wakeAll();
    const t = this.byTask.get(task);
    if (t === undefined) return;
    t.formerTid = tid;
    t.tid = L.taskTid(task);
    this.go(t, t.mode);
    if (t.seized || (t.options & (1 << Event.EXEC)) !== 0) return;
    this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [task, SIGTRAP, SI_USER, t.proc.pid, t.uid]);
  }

  /** A task has ended while its process lives; its exit status word. */
  onTaskEnd(task: number, status: number): void {
    const t = this.byTask.get(task);
    if (t !== undefined && L.tgLeader(t.proc.tg) !== task) this.died(t, status, true);
    this.orphan((x) => x.tracerTask === task);
  }

  /** A process has ended: its tasks are dead, and those that it traced are free. */
  onGroupEnd(p: Proc, status: number): void {
    p.ended = true;
    this.vforks.wakeAll();
    if (this.byTask.size === 0 && p.tracees.length === 0) return;
    this.each(p.tg, (t) => {
      if (L.tgLeader(p.tg) !== t.task) { this.died(t, status, true); return; }
      if (t.tracer === p.parent) { this.forget(t); return; }
      this.died(t, status, false);
      p.hidden = t;
    });
    this.orphan((x) => x.tracer === p);
  }

  private orphan(whose: (t: Tracee) => boolean): void {
    const all = [...this.byTask.values()].filter(whose);
    for (const t of all) {
      if ((t.options & O_EXITKILL) !== 0 && t.state !== State.DEAD) this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [t.proc.tg, SIGKILL, SI_KERNEL, 0, 0]);
      this.detach(t, 0);
    }
  }

  private died(t: Tracee, status: number, now: boolean): void {
    // The row may be another's before the tracer looks; it is found through its tracer from now on.
    if (now) this.byTask.delete(t.task);
    if (now) t.proc.ghosts++;
    t.state = State.DEAD;
    t.kind = 0;
    t.code = status;
    t.waitable = false;
    L.setTaskTraceStop(t.task, 0);
    if (now) this.showDead(t);
  }

  private showDead(t: Tracee): void {
    t.waitable = true;
    const status = t.code;
    const core = (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
    this.tellTracer(t, (status & 0x7f) === 0 ? CLD_EXITED : core, (status & 0x7f) === 0 ? status >> 8 : status & 0x7f);
    if (sigchldIgnored(t.tracer)) this.consumed(t);
    t.tracer.waiters.wakeAll();
  }

  /** A zombie that its parent must not see yet: its tracer comes first. */
  hides(p: Proc): boolean {
    const t = p.hidden;
    if (t === undefined) return false;
    if (!t.waitable) this.showDead(t);
    return p.hidden !== undefined;
  }
}

/** Is the row still that task's, and alive? */
export const running = (t: Tracee): boolean => L.taskState(t.task) === TaskState.RUNNING && L.taskTid(t.task) === t.tid;
