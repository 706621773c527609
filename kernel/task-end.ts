/**
 * The end of tasks and thread groups (docs/internals.md §5).
 *
 *   task:  exit(2) ─────┐
 *          exec sibling ┼─► endTask: TASK_GONE to all servers; file table, fs_struct, credentials dropped; row free (a leader's stays, DEAD)
 *          group death ─┘
 *   group: pidfd readable ─► endGroup: TG_GONE, tasks, native side ─► reparent children ─► orphaned groups, session ─► zombie
 *                            ─► SIGCHLD to the parent, wake its wait4 ─► reap: by wait4, or at once when SIGCHLD is ignored
 *          exit_group, and the parent waits ─► the same at once (endEarly); what is left goes when the pidfd is readable
 *
 * TG_GONE is sent before the file table is dropped, so that servers have forgotten a dead task's parked requests when the last reference to an
 * object goes. Nothing but the pidfd makes a group die here, or its own exit_group if its parent is just waiting: a status that was announced before is only remembered.
 */
import { takeReleased } from '../shared/fdtable.js';
import type { Frame } from '../shared/frame.js';
import * as L from '../shared/gen/layout.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import { TaskState, TgState, eachTaskOf, pgrpOrphaned } from '../shared/tasks.js';
import { tellKin } from './calls/pgrp.js';
import { cpuTimesOf, hostStatus } from './cpu-times.js';
import { type Kernel, type Proc, SIGCHLD, SIGCONT, SIGHUP, SIGKILL, SIGSEGV } from './proc.js';

export const CLD_EXITED = 1, CLD_KILLED = 2, CLD_DUMPED = 3, CLD_STOPPED = 5, CLD_CONTINUED = 6;
/** wait(2) status word of a process whose stub gave up: lib.c, die(). */
const STUB_GAVE_UP = 125 << 8;
const SIG_IGN = 1;
/** In pctx.exit_word: exit_group was called with the status below. */
const EXITED = 0x100;
const SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2;

/** How the container is told that its first process has ended. Set by main. */
let onInitExit: (status: number) => void = () => undefined;
export function setInitExit(h: (status: number) => void): void { onInitExit = h; }

/** Bit of the server that holds a task's parked request. */
function parkedAt(task: number): number {
  const srv = L.taskParked(task) - 1;
  return srv < 0 ? 0 : 1 << srv;
}

/** Servers that must act on a group's end at once: those where its tasks are parked, vfs if others may be waiting for its locks, its terminal or for its program to be closed, ipc for its semaphores. */
function concerned(tg: number): number {
  let mask = L.tgLocks(tg) !== 0 || L.tgCtty(tg) !== 0 || L.metaWatching(1) !== 0 ? 1 << L.SRV_VFS : 0;
  if (L.tgSysv(tg) !== 0) mask |= 1 << L.SRV_IPC;
  eachTaskOf(tg, (t) => { mask |= parkedAt(t); });
  return mask;
}

/** A task has ended or is being ended while its group lives; its slot is the caller's business. */
export function endTask(k: Kernel, task: number, status = 0): void {
  k.trace.onTaskEnd(task, status);
  k.tellEnd(Msg.TASK_GONE, [task, L.taskSlot(task)], parkedAt(task));
  dropTask(k, task);
}

function dropTask(k: Kernel, task: number): void {
  const tg = L.taskTg(task);
  parentDeathSignals(k, k.procOf(tg), task);
  k.dropTaskObjects(task);
  L.setTgNtasks(tg, L.tgNtasks(tg) - 1);
  if (L.tgLeader(tg) === task) { L.setTaskState(task, TaskState.DEAD); return; }
  k.dropTaskCred(task);
  k.freeTask(task);
}

/** PR_SET_PDEATHSIG, which each thread of a child sets for itself, of the children that this thread made. prctl(2): the "parent" is the thread. */
function parentDeathSignals(k: Kernel, p: Proc, task: number): void {
  for (const c of p.children) {
    if (c.creator !== task) continue;
    c.creator = L.tgLeader(p.tg);
    if (L.tgState(c.tg) !== TgState.RUNNING) continue;
    eachTaskOf(c.tg, (t) => {
      const signo = k.pdeathsig[t] as number;
      if (signo !== 0) k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [c.tg, signo, 0, p.pid, L.credUid(L.taskCred(task))]);
    });
  }
}

/** The pidfd says that the process is gone. */
export function endGroup(k: Kernel, p: Proc): void {
  if (p.remains !== undefined) k.ep.later(p.remains); else if (L.tgState(p.tg) === TgState.RUNNING) end(k, p, false);
}

/**
 * May a wait of `parent` find that p has ended, though the host is still taking it apart? If nobody else can tell: its parent reaps it on the host before the wait
 * returns, and so hears of its end not before its descriptors are closed there. Not what others may see first: stops, a tracer, threads, memory that is shared. Nor one
 * whose stub waits for the answer to its exit_group, as it does for `carrick trace`: that would not reach it.
 */
export function mayEndEarly(k: Kernel, p: Proc, parent: Proc): boolean {
  const { tg } = p;
  const leader = L.tgLeader(tg);
  return p.leaving && hasLeft(p) && p.remains === undefined && L.tgState(tg) === TgState.RUNNING && L.tgNtasks(tg) === 1 && p.aloneInMm && p !== k.init && p.joined === undefined
    && L.taskTracer(leader) === 0 && p.hidden === undefined && p.ghosts === 0 && hostParentOf(k, p) === parent;
}

/** Such a process ends now, for a wait that will reap it. That it does end nobody has to believe its stub. */
export function endEarly(k: Kernel, p: Proc): void {
  native.killProcess(p.tg, SIGKILL);
  end(k, p, true);
}

/** Has its stub written down a status of exit_group? */
export function hasLeft(p: Proc): boolean { return (native.pctxLoad(p.mm.area, L.tgPctx(p.tg), L.PCTX_EXIT_WORD) & EXITED) !== 0; }

/** It says that it has called exit_group. */
export function leaves(p: Proc): void {
  p.leaving = true;
  p.parent?.waiters.wakeAll();
}

function end(k: Kernel, p: Proc, early: boolean): void {
  const tg = p.tg;
  const hostPid = native.hostPid(tg);
  const status = statusOf(p, hostPid);
  cpuTimesOf(hostPid, p.cpu);
  k.trace.onGroupEnd(p, status);
  k.tellEnd(Msg.TG_GONE, [tg, p.pid], concerned(tg));
  takeReleased();
  endTasks(k, p, early);
  L.setTgExitStatus(tg, status);
  if (p === k.init) { becomeZombie(k, p); return; }
  // What it held open is closed before anybody can wait for it: whoever does may rely on seeing the end of a pipe.
  // All that a server owns before it has been started is a socket that the container was given, whose other end nobody in here holds.
  k.ep.fence(k.ep.born(takeReleased()), () => { becomeZombie(k, p); });
}

/** What is left of it in native and on the host, which nobody waits for. Before its rows, which rest for a while, can be another's. */
function freeRemains(k: Kernel, p: Proc, pctx: number, slots: readonly number[]): void {
  const { tg } = p;
  if (p.token >= 0) k.ep.unwatch(p.token, L.tgPidfd(tg));
  p.token = -1;
  k.onGroupEnd(p);
  k.freeLeftover(p);
  // First: a server that has not heard of its end yet must not write to an area that is another's by now.
  native.procFree(tg);
  k.leaveMm(p.mm, pctx, slots);
  L.setTgPidfd(tg, -1);
  leaveRoot(p);
  if (p.remains !== undefined) k.freeEarly(p);
}

/**
 * The host's zombie of a process of `carrick exec` is carrick's to reap. Without a pid namespace its pid is the number of a group that has to be killed when
 * the container ends, and must not become another's while anybody is in it (guard.cc).
 */
export function leaveRoot(p: Proc): void {
  const { root } = p;
  const joined = root?.joined;
  if (root === undefined || joined === undefined) return;
  joined.members--;
  if (L.metaPidns(1) !== 0 ? p === root : joined.members === 0) native.reapSpawned(joined.hostPid);
}

/** Its end becomes visible. */
function becomeZombie(k: Kernel, p: Proc): void {
  const tg = p.tg;
  L.setTgState(tg, TgState.ZOMBIE);
  if (L.tgSessionLeader(tg) !== 0 && L.tgCtty(tg) !== 0) k.ep.send(L.SRV_VFS, Msg.TTY_HANGUP, [tg, L.tgCtty(tg)]);
  if (p === k.init) {
    killAll(k);
    onInitExit(L.tgExitStatus(tg));
    return;
  }
  reparent(k, p);
  if (p.parent !== undefined) hangUpOrphans(k, L.tgPgid(tg), L.tgSid(tg), p.parent, tg);
  tellParent(k, p);
  if (p.onEnd === undefined) return;
  const status = L.tgExitStatus(tg);
  reap(k, p);
  p.onEnd(status);
}

/** Its wait(2) status word: as announced by others, or as the stub left it at exit_group or in the last thread's exit, or as the host says. */
function statusOf(p: Proc, hostPid: number): number {
  if (p.announced >= 0) return p.announced;
  const word = native.pctxLoad(p.mm.area, L.tgPctx(p.tg), L.PCTX_EXIT_WORD);
  if ((word & EXITED) !== 0) return (word & 0xff) << 8;
  const left = leftByExit(p);
  return left >= 0 ? left : unannounced(p, hostPid);
}

/** Have its last threads gone by exit(2)? Then their requests, which nobody waits for, may still be unread. The leader's status word, or -1. */
function leftByExit(p: Proc): number {
  let status = p.leaderStatus;
  eachTaskOf(p.tg, (t) => {
    const slot = L.taskSlot(t);
    if (native.slotLoad(slot, L.SLOT_STATE) !== L.SLOT_DEAD) { status = -1; return true; }
    if (t === L.tgLeader(p.tg)) status = (native.slotLoad(slot, L.SLOT_ARGS) & 0xff) << 8;
    return false;
  });
  return status;
}

/**
 * Status of a process that nobody had announced dead: killed on the host, by a signal that says how (SIGKILL from outside or for want of memory, SIGSYS for a
 * call that the filter forbids, a fault in the stub); or the stub gave up. When it did so in the middle of an exec plan, a mapping
 * had failed, which on Linux is SIGSEGV.
 */
function unannounced(p: Proc, hostPid: number): number {
  const word = hostStatus(hostPid);
  if ((word & 0x7f) !== 0) return word & 0x7f;
  const leader = L.tgLeader(p.tg);
  const inExec = p.freshProgram && L.taskState(leader) === TaskState.RUNNING && native.slotLoad(L.taskSlot(leader), L.SLOT_SEQ) === 0;
  return inExec && word === STUB_GAVE_UP ? SIGSEGV : SIGKILL;
}

/** Every task of a dead group, and its place in the area. The leader's row and credentials stay until the zombie is reaped. */
function endTasks(k: Kernel, p: Proc, early: boolean): void {
  const slots: number[] = [];
  const tasks: number[] = [];
  eachTaskOf(p.tg, (t) => { tasks.push(t); });
  for (const t of tasks) {
    slots.push(L.taskSlot(t));
    native.slotBind(L.taskSlot(t), 0, 0);
    // Of a task's parked requests TG_GONE has told; but signal keeps what is pending by task.
    k.ep.quiet(L.SRV_SIGNAL, Msg.TASK_GONE, [t, L.taskSlot(t)]);
    dropTask(k, t);
  }
  const pctx = L.tgPctx(p.tg);
  const free = (): void => { freeRemains(k, p, pctx, slots); };
  if (early) p.remains = free; else if (p === k.init) free(); else k.ep.later(free);
}

/** Children go to the nearest living ancestor that is a subreaper, else to the first process. */
function reparent(k: Kernel, p: Proc): void {
  let heir = p.parent;
  while (heir !== undefined && heir !== k.init && (L.tgSubreaper(heir.tg) === 0 || L.tgState(heir.tg) !== TgState.RUNNING)) heir = heir.parent;
  heir ??= k.init;
  if (heir === undefined) return;
  k.onOrphans(p, heir);
  for (const c of p.children.splice(0)) {
    c.parent = heir;
    c.creator = L.tgLeader(heir.tg);
    heir.children.push(c);
    heir.tellChildless(false);
    L.setTgParent(c.tg, heir.tg);
    L.setTgPpid(c.tg, heir.pid);
    L.setTgExitSignal(c.tg, SIGCHLD);
    tellKin(c.tg);
    if (L.tgState(c.tg) === TgState.ZOMBIE) tellParent(k, c);
    else hangUpOrphans(k, L.tgPgid(c.tg), L.tgSid(c.tg), p, 0);
  }
}

/**
 * A group that has just become orphaned and has stopped members gets SIGHUP and SIGCONT. POSIX _exit(), credentials(7).
 * link: the process whose going away or whose child's going away cut the group off.
 */
function hangUpOrphans(k: Kernel, pgid: number, sid: number, link: Proc, except: number): void {
  if (L.tgPgid(link.tg) === pgid || L.tgSid(link.tg) !== sid) return;
  if (!pgrpOrphaned(pgid, except) || !hasStopped(k, pgid)) return;
  k.ep.send(L.SRV_SIGNAL, Msg.SIG_PGRP, [pgid, SIGHUP, 0x80, 0, 0]);
  k.ep.send(L.SRV_SIGNAL, Msg.SIG_PGRP, [pgid, SIGCONT, 0x80, 0, 0]);
}

function hasStopped(k: Kernel, pgid: number): boolean {
  for (const p of k.byPid.values()) if (L.tgPgid(p.tg) === pgid && L.tgState(p.tg) === TgState.RUNNING && L.tgStopped(p.tg) !== 0) return true;
  return false;
}

/** Flags of the parent's SIGCHLD disposition: does it want to know of stops, does it want zombies? */
export function sigchldIgnored(parent: Proc): boolean {
  const at = 8 * (SIGCHLD - 1);
  const area = parent.mm.area;
  const ix = L.tgPctx(parent.tg);
  const handler = native.pctxLoad(area, ix, L.PCTX_SA_HANDLER + at);
  const high = native.pctxLoad(area, ix, L.PCTX_SA_HANDLER + at + 4);
  return (handler === SIG_IGN && high === 0) || (native.pctxLoad(area, ix, L.PCTX_SA_FLAGS + at) & SA_NOCLDWAIT) !== 0;
}

/**
 * Would the process notice a SIGCHLD: is there a handler, or does the asking task block it? On Linux it is pending before a wait can return; here the signal
 * server may not have got to it yet, so the answer to the wait then has to say that it is on its way (RF_SIGNAL).
 */
export function hearsSigchld(p: Proc, slotId: number): boolean {
  const at = L.PCTX_SA_HANDLER + 8 * (SIGCHLD - 1);
  const ix = L.tgPctx(p.tg);
  return native.pctxLoad(p.mm.area, ix, at) > SIG_IGN || native.pctxLoad(p.mm.area, ix, at + 4) !== 0
    || (native.slotLoad(slotId, L.SLOT_SIGMASK) & (1 << (SIGCHLD - 1))) !== 0;
}

/** Would SIGCHLD change nothing for this process: not caught, blocked by no thread (a blocked one would stay pending), seen by no tracer? signal(7) */
export function sigchldUnheard(parent: Proc): boolean {
  let heard = false;
  eachTaskOf(parent.tg, (t) => heard = L.taskTracer(t) !== 0 || hearsSigchld(parent, L.taskSlot(t)));
  return !heard;
}

export function noStopSignals(parent: Proc): boolean {
  return (native.pctxLoad(parent.mm.area, L.tgPctx(parent.tg), L.PCTX_SA_FLAGS + 8 * (SIGCHLD - 1)) & SA_NOCLDSTOP) !== 0;
}

function sendSigchld(k: Kernel, parent: Proc, child: Proc, status: number, code: number, signo: number): void {
  const uid = L.credUid(L.taskCred(L.tgLeader(child.tg)));
  k.ep.send(L.SRV_SIGNAL, Msg.SIG_CHILD, [parent.tg, child.tg, status, uid, child.cpu.utimeNs, child.cpu.stimeNs, code, signo]);
}

/** A zombie's parent hears of it; one that ignores SIGCHLD never sees it. */
export function tellParent(k: Kernel, p: Proc): void {
  const parent = p.parent;
  if (k.trace.hides(p) || parent === undefined || L.tgState(parent.tg) !== TgState.RUNNING) return;
  const status = L.tgExitStatus(p.tg);
  const signo = L.tgExitSignal(p.tg);
  if (signo !== 0 && !(signo === SIGCHLD && sigchldUnheard(parent))) sendSigchld(k, parent, p, status, (status & 0x7f) === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED, signo);
  if (signo === SIGCHLD && sigchldIgnored(parent)) reap(k, p);
  parent.waiters.wakeAll();
}

/** Stopped or continued, as signal says. */
export function childChanged(k: Kernel, p: Proc, stopSignal: number): void {
  const parent = p.parent;
  // Its parent sees the stops of a tracee instead.
  if (k.trace.isParents(p)) return;
  if (stopSignal !== 0) { p.stopReport = stopSignal; p.contReport = false; } else { p.contReport = true; p.stopReport = 0; }
  if (parent === undefined || L.tgState(parent.tg) !== TgState.RUNNING) return;
  if (!noStopSignals(parent)) {
    sendSigchld(k, parent, p, stopSignal !== 0 ? (stopSignal << 8) | 0x7f : 0xffff, stopSignal !== 0 ? CLD_STOPPED : CLD_CONTINUED, SIGCHLD);
  }
  parent.waiters.wakeAll();
}

/** Whose zombie it is on the host: that of the process that made it, or, when that is dead, of the first process (of a pid namespace's init). */
function hostParentOf(k: Kernel, p: Proc): Proc | undefined {
  const h = p.hostParent;
  return h !== undefined && k.procs[h.tg] === h && L.tgState(h.tg) === TgState.RUNNING ? h : k.init;
}

/**
 * The zombie goes: its time is added to the parent's, its rows are free. `by` is the answer of a wait that found it. The host's zombie goes with
 * an answer to its parent there: this one, or any later one (rideReaps).
 */
export function reap(k: Kernel, p: Proc, by?: Frame): void {
  const parent = p.parent;
  const h = p.joined === undefined ? hostParentOf(k, p) : undefined;
  if (by !== undefined && h?.tg === by.tg) by.setReap(p.pid, p.remains !== undefined); else h?.reaps.push(p.pid);
  if (parent !== undefined) {
    const i = parent.children.indexOf(p);
    if (i >= 0) parent.children.splice(i, 1);
    L.setTgCutimeNs(parent.tg, L.tgCutimeNs(parent.tg) + p.cpu.utimeNs + L.tgCutimeNs(p.tg));
    L.setTgCstimeNs(parent.tg, L.tgCstimeNs(parent.tg) + p.cpu.stimeNs + L.tgCstimeNs(p.tg));
  }
  const leader = L.tgLeader(p.tg);
  k.dropTaskCred(leader);
  k.freeTask(leader);
  k.freeProc(p);
}

/** Let an answer carry the pid of a zombie that its process has to reap on the host. Requests of the stub's own take no such thing. */
export function rideReaps(k: Kernel, f: Frame): void {
  const p = k.procs[f.tg];
  if (p === undefined || p.reaps.length === 0 || f.nr >= L.NR_CLONE_COMMIT || (f.rflags & L.RF_REAP) !== 0) return;
  f.setReap(p.reaps.shift() as number, false);
}

/** SIGKILL to every process of the container. */
export function killAll(k: Kernel): void {
  for (const p of k.byPid.values()) if (L.tgState(p.tg) === TgState.RUNNING) native.killProcess(p.tg, SIGKILL);
}
