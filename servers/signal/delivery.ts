/**
 * Delivery decisions: who gets a signal, and what happens.
 *
 * Owns the pending queues and tg.stopped. Reads, in guest-shared memory, dispositions (pctx.sa_*) and masks (slot.sigmask): words the guest may
 * change at any time; a stale read only means what Linux's own race would mean. Order when a signal is made pending: queue, publish the
 * bit, look who does not block it, kick; the stub changes its mask, then checks the bit, as it does after every call and in the kick handler, so one of the two sees the other. Death: the kernel is told
 * the status first, then the host kills, so the pidfd's news finds the status there.
 *
 * The container's first process is not immune to signals without a handler: its users expect `kill -9 $$` to end it.
 */
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { eachTaskOf, eachTg, pgrpOrphaned } from '../../shared/tasks.js';
import { WaitQueue } from '../../shared/wait.js';
import { Pending } from './pending.js';
import { SI_KERNEL, type SigInfo, userInfo } from './siginfo.js';
import { Action, NSIG, SIGCHLD, SIGCONT, SIGKILL, SIGPROF, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGVTALRM, bitLo, defaultAction, firstOf, has } from './sigset.js';

const SIG_DFL = 0;
const SIG_IGN = 1;
const TASK_RUNNING = 2;
const TG_EMBRYO = 1;
const TG_ZOMBIE = 3;

/** A signalfd or sigwait that looks at a thread group's pending signals. */
export interface PendingWatcher { pendingChanged(tg: number): void }

/** tgid, tid: whose it is; 0 = not born yet. A row outlives its process. */
interface Group { tgid: number; readonly pending: Pending; readonly waiters: WaitQueue; readonly watchers: Set<PendingWatcher> }
interface Own { readonly tid: number; readonly tgid: number; readonly pending: Pending }

export class Delivery {
  private readonly groups = new Map<number, Group>();
  private readonly tasks = new Map<number, Own>();
  /** While a signal goes to several processes: those that the host has yet to end. */
  private dying: number[] | undefined;

  constructor(readonly ep: Endpoint) {
    ep.on(Msg.TG_GONE, (m) => { this.groups.delete(m.w[0] as number); });
    ep.on(Msg.TASK_GONE, (m) => { this.tasks.delete(m.w[0] as number); });
    ep.on(Msg.TRACE_TRAP, (m) => { this.trap(m.w[0] as number); });
    ep.on(Msg.SIG_EXEC, (m) => { this.republish(m.w[0] as number); });
  }

  /**
   * What is pending for the process that has the row now. Something may still be sent to one whose end has been announced (TG_GONE) until it is a zombie: that must
   * never reach the next process of the row.
   */
  private known(tg: number): Group | undefined {
    const g = this.groups.get(tg);
    if (g === undefined) return undefined;
    const tgid = L.tgTgid(tg);
    if (g.tgid === 0) g.tgid = tgid;
    if (g.tgid === tgid) return g;
    this.groups.delete(tg);
    return undefined;
  }

  /** The same of a task. One that calls execve becomes the leader, and keeps what is pending for it. */
  private own(task: number): Pending | undefined {
    const own = this.tasks.get(task);
    if (own === undefined) return undefined;
    const tid = L.taskTid(task);
    if (own.tid === tid || (own.tgid === tid && tid === L.tgTgid(L.taskTg(task)))) return own.pending;
    this.tasks.delete(task);
    return undefined;
  }

  group(tg: number): Group {
    let g = this.known(tg);
    if (g === undefined) {
      const pending = new Pending((p) => { publish(p, ofProcess(tg)); });
      g = { tgid: L.tgTgid(tg), pending, waiters: new WaitQueue(), watchers: new Set() };
      this.groups.set(tg, g);
    }
    return g;
  }

  taskPending(task: number): Pending {
    let p = this.own(task);
    if (p === undefined) {
      p = new Pending((q) => { publish(q, ofTask(task)); });
      this.tasks.set(task, { tid: L.taskTid(task), tgid: L.tgTgid(L.taskTg(task)), pending: p });
    }
    return p;
  }

  private republish(tg: number): void {
    this.known(tg)?.pending.republish();
    eachTaskOf(tg, (t) => { this.own(t)?.republish(); });
  }

  // ---- sending ----

  /** Send to a thread group; unless it blocks it, task `prefer` takes it, and nobody else. 0, or -EAGAIN when its queue is full. */
  sendTg(tg: number, s: SigInfo, prefer = 0): number {
    if (L.tgState(tg) === 0 || L.tgState(tg) === TG_ZOMBIE || s.signo === 0) return 0;
    return this.send(tg, 0, s, prefer);
  }

  /** Send to one task. */
  sendTask(task: number, s: SigInfo): number {
    if (L.taskState(task) !== TASK_RUNNING || s.signo === 0) return 0;
    return this.send(L.taskTg(task), task, s);
  }

  /** Send to every process of a process group; the number of processes. */
  sendPgrp(pgid: number, s: SigInfo): number {
    let n = 0;
    this.together(() => {
      eachTg((tg) => { if (L.tgPgid(tg) === pgid && L.tgState(tg) !== TG_ZOMBIE) { n++; this.sendTg(tg, { ...s }); } });
    });
    return n;
  }

  /**
   * Send to several processes at once: those that die of it are all announced before the host ends the first. Else one that reads from another could see the end
   * of its input, and exit by itself with a status of its own, before its turn comes.
   */
  together(send: () => void): void {
    const dying: number[] = [];
    this.dying = dying;
    try { send(); } finally {
      this.dying = undefined;
      for (const tg of dying) native.killProcess(tg, SIGKILL);
    }
  }

  private send(tg: number, task: number, s: SigInfo, prefer = 0): number {
    const signo = s.signo;
    if (signo === SIGKILL) { this.kill(tg, SIGKILL); return 0; }
    if (L.tgState(tg) === TG_EMBRYO && L.tgTgid(tg) === 0) { this.queue(tg, task, s); return 0; }
    if (signo === SIGCONT) this.resume(tg);
    else if (defaultAction(signo) === Action.STOP) { this.group(tg).pending.flush(SIGCONT); }
    const target = this.taker(tg, task, signo, prefer);
    const handler = disposition(tg, signo);
    // A tracer sees every signal first, and decides.
    const traced = target !== 0 && L.taskTracer(target) !== 0;
    if (target !== 0 && !traced && ignored(handler, signo)) return 0;
    if (target !== 0 && !traced && handler === SIG_DFL && L.tgStopped(tg) === 0) {
      const act = defaultAction(signo);
      if (act === Action.TERM) { this.kill(tg, signo); return 0; }
      if (act === Action.STOP) { this.stop(tg, signo); return 0; }
    }
    if (handler === SIG_IGN && signo === SIGCHLD && target === 0 && task === 0 && !anyBlocks(tg, signo)) return 0;
    if (signo >= 32 && s.code === -1 && this.group(tg).pending.size >= L.tgRlimCur(tg, 11)) return -E.EAGAIN;
    // What a thread's own work has caused is its own: a profiler is told where the time went by who runs its handler.
    this.queue(tg, prefer !== 0 && target === prefer ? prefer : task, s);
    // Asked again now that the bit is published: a thread that has unblocked the signal since may have looked for the bit before, and sleep.
    const taker = this.taker(tg, task, signo, prefer);
    if (taker !== 0 && (L.taskTracer(taker) !== 0 || L.tgStopped(tg) === 0)) kick(taker);
    return 0;
  }

  /** Who takes a signal for a process, or for one task: 0 = it is blocked there. */
  private taker(tg: number, task: number, signo: number, prefer: number): number {
    if (task === 0) return this.pick(tg, signo, prefer);
    return unblocked(task, signo) ? task : 0;
  }

  private queue(tg: number, task: number, s: SigInfo): void {
    const g = this.group(tg);
    if (!(task !== 0 ? this.taskPending(task) : g.pending).add(s)) return;
    g.waiters.wakeAll();
    for (const w of g.watchers) w.pendingChanged(tg);
  }

  /** The task that takes a process-directed signal: `prefer` or the leader if it can, else any that does not block it; 0 = all block it. */
  private pick(tg: number, signo: number, prefer: number): number {
    if (prefer !== 0 && L.taskTg(prefer) === tg && L.taskState(prefer) === TASK_RUNNING && unblocked(prefer, signo)) return prefer;
    const leader = L.tgLeader(tg);
    if (L.taskState(leader) === TASK_RUNNING && unblocked(leader, signo)) return leader;
    let found = 0;
    eachTaskOf(tg, (t) => { if (found === 0 && L.taskState(t) === TASK_RUNNING && unblocked(t, signo)) found = t; });
    return found;
  }

  /** Death by signal: status to the kernel first, then the host. */
  kill(tg: number, signo: number): void {
    this.ep.send(L.SRV_KERNEL, Msg.FATAL, [tg, signo]);
    if (this.dying !== undefined) this.dying.push(tg); else native.killProcess(tg, SIGKILL);
  }

  private stop(tg: number, signo: number): void {
    if (signo !== SIGSTOP && (signo === SIGTSTP || signo === SIGTTIN || signo === SIGTTOU) && pgrpOrphaned(L.tgPgid(tg))) return;
    const traced = hasTraced(tg);
    if (L.tgStopped(tg) !== 0 && !traced) return;
    L.setTgStopped(tg, signo);
    if (traced) this.trapAll(tg); else native.killProcess(tg, SIGSTOP);
    this.ep.send(L.SRV_KERNEL, Msg.TG_STOPPED, [tg, signo]);
  }

  /** Have a task come to the kernel. One that the host has stopped cannot: then its whole process waits there instead. */
  private trap(task: number): void {
    if (L.taskState(task) !== TASK_RUNNING) return;
    const tg = L.taskTg(task);
    if (L.tgStopped(tg) === 0) { this.trapTask(task); return; }
    this.trapAll(tg);
    native.killProcess(tg, SIGCONT);
  }

  private trapTask(task: number): void {
    this.taskPending(task).setTrap(true);
    kick(task);
  }

  private trapAll(tg: number): void { eachTaskOf(tg, (t) => { this.trapTask(t); }); }

  /** What a signal does that its tracer has let pass, when there is no handler. 'dead': the process is being killed. */
  enact(tg: number, signo: number): 'dead' | undefined {
    const handler = disposition(tg, signo);
    if (signo < 1 || signo > NSIG || handler !== SIG_DFL || ignored(handler, signo)) return undefined;
    if (defaultAction(signo) === Action.STOP) { this.stop(tg, signo); return undefined; }
    this.kill(tg, signo);
    return 'dead';
  }

  private resume(tg: number): void {
    const g = this.known(tg);
    if (g !== undefined) for (const stop of [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]) g.pending.flush(stop);
    if (L.tgStopped(tg) === 0) return;
    L.setTgStopped(tg, 0);
    native.killProcess(tg, SIGCONT);
    this.ep.send(L.SRV_KERNEL, Msg.TG_CONTINUED, [tg]);
    eachTaskOf(tg, (t) => { if (native.sigDeliverable(L.taskSlot(t)) === 1) kick(t); });
  }

  // ---- taking ----

  /** Union of what is pending for a task: low and high word. */
  pendingLo(tg: number, task: number): number { return ((this.known(tg)?.pending.lo ?? 0) | (this.own(task)?.lo ?? 0)) >>> 0; }
  pendingHi(tg: number, task: number): number { return ((this.known(tg)?.pending.hi ?? 0) | (this.own(task)?.hi ?? 0)) >>> 0; }

  /** Take the first pending signal in a set, the task's own before the process's; undefined = none. */
  take(tg: number, task: number, lo: number, hi: number): SigInfo | undefined {
    const own = this.own(task);
    const all = this.known(tg)?.pending;
    const signo = firstOf((this.pendingLo(tg, task) & lo) >>> 0, (this.pendingHi(tg, task) & hi) >>> 0);
    if (signo === 0) return undefined;
    const s = own?.take(signo) ?? all?.take(signo);
    const g = this.known(tg);
    if (g !== undefined) for (const w of g.watchers) w.pendingChanged(tg);
    return s;
  }

  /** Entry i of what is pending for a task alone, or (shared) for its process. */
  peek(task: number, shared: boolean, i: number): SigInfo | undefined { return (shared ? this.known(L.taskTg(task))?.pending : this.own(task))?.at(i); }

  /**
   * The next signal whose handler the task must run, enacting defaults on the way: undefined when nothing is left, 'dead' when the process is being killed,
   * 'trap' when the task shall go to the kernel. A traced task gets every signal, whatever its disposition.
   */
  next(tg: number, task: number): SigInfo | 'dead' | 'trap' | undefined {
    const slot = L.taskSlot(task);
    const own = this.own(task);
    if (own?.trap === true) { own.setTrap(false); return 'trap'; }
    for (;;) {
      const lo = ~native.slotLoad(slot, L.SLOT_SIGMASK) >>> 0;
      const hi = ~native.slotLoad(slot, L.SLOT_SIGMASK + 4) >>> 0;
      const s = this.take(tg, task, lo, hi);
      if (s === undefined) {
        this.agree(tg, task);
        return undefined;
      }
      if (L.taskTracer(task) !== 0) return s;
      const handler = disposition(tg, s.signo);
      if (ignored(handler, s.signo)) continue;
      if (handler !== SIG_DFL) return s;
      if (defaultAction(s.signo) === Action.STOP) { this.stop(tg, s.signo); return undefined; }
      this.kill(tg, s.signo);
      return 'dead';
    }
  }

  /**
   * Nothing is left for a task that has asked: publish what is pending again. A signal for a thread that was just ending may have been published where another was about to begin, whose row and
   * place are the same; it would ask for that signal for ever.
   */
  private agree(tg: number, task: number): void {
    publish(this.own(task) ?? NOTHING, ofTask(task));
    publish(this.known(tg)?.pending ?? NOTHING, ofProcess(tg));
  }

  /** The disposition of signo has become "ignore": it is pending nowhere in the process any more. */
  flushIgnored(tg: number, signo: number): void {
    if (signo < 1 || signo > NSIG || !ignored(disposition(tg, signo), signo)) return;
    this.known(tg)?.pending.flush(signo);
    eachTaskOf(tg, (t) => { this.own(t)?.flush(signo); });
  }

  /** A fault or kernel-made signal for a task of its own doing. That of a timer of its process is the process's, but the task's to take if it can. */
  raise(task: number, signo: number): number {
    const tg = L.taskTg(task);
    if (signo === SIGPROF || signo === SIGVTALRM) return this.sendTg(tg, userInfo(signo, SI_KERNEL, 0, 0), task);
    return this.sendTask(task, userInfo(signo, signo === 13 ? 0 : SI_KERNEL, signo === 13 ? L.tgTgid(tg) : 0, signo === 13 ? L.credUid(L.taskCred(task)) : 0));
  }
}

/** Disposition of a signal: SIG_DFL 0, SIG_IGN 1, anything else = a handler (2). */
function disposition(tg: number, signo: number): number {
  const area = L.tgArea(tg);
  const ix = L.tgPctx(tg);
  const off = L.PCTX_SA_HANDLER + 8 * (signo - 1);
  const lo = native.pctxLoad(area, ix, off);
  const hi = native.pctxLoad(area, ix, off + 4);
  return hi === 0 && lo <= 1 ? lo : 2;
}

function ignored(handler: number, signo: number): boolean {
  if (handler === SIG_IGN) return true;
  if (handler !== SIG_DFL) return false;
  const act = defaultAction(signo);
  return act === Action.IGNORE || act === Action.CONT;
}

/** True when the task's mask lets signo through. */
function unblocked(task: number, signo: number): boolean {
  const slot = L.taskSlot(task);
  return !has(native.slotLoad(slot, L.SLOT_SIGMASK), native.slotLoad(slot, L.SLOT_SIGMASK + 4), signo);
}

function hasTraced(tg: number): boolean {
  let traced = false;
  eachTaskOf(tg, (t) => traced = L.taskTracer(t) !== 0);
  return traced;
}

function anyBlocks(tg: number, signo: number): boolean {
  let blocks = false;
  eachTaskOf(tg, (t) => { if (!unblocked(t, signo)) blocks = true; });
  return blocks;
}

/** Have a task look at what is published, unless it is just asking for it: then it is told with the answer, or looks after it. */
function kick(task: number): void {
  const slot = L.taskSlot(task);
  const asks = native.slotLoad(slot, L.SLOT_STATE) === L.SLOT_POSTED && native.slotLoad(slot, L.SLOT_NR) === L.NR_SIG_FETCH;
  if (!asks) native.kickTask(L.taskTg(task), slot, L.taskTid(task));
}

/** Sets (on 1) or clears published bits. */
type Pend = (on: number, lo: number, hi: number) => void;
const ofProcess = (tg: number): Pend => (on, lo, hi) => { native.pendProc(tg, on, lo, hi); };
const ofTask = (task: number): Pend => (on, lo, hi) => { native.pendTask(L.taskTg(task), task, L.taskSlot(task), on, lo, hi); };
const NOTHING = new Pending(() => undefined);

/** pend: of whose it is. One that has ended meanwhile, or does not run yet, has no place: nothing is published (SIG_EXEC does it later). */
function publish(p: Pending, pend: Pend): void {
  const lo = p.trap ? (p.lo | bitLo(SIGSTOP)) >>> 0 : p.lo;
  pend(1, lo, p.hi);
  pend(0, ~lo >>> 0, ~p.hi >>> 0);
}

export const validSignal = (signo: number): boolean => signo >= 0 && signo <= NSIG;
