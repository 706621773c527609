/**
 * Embryos: children whose rows, slot and area exist and whose host clone is still to come or to be told of.
 *
 *   allocChild / allocThread ─► (filled) ─► NR_CLONE_COMMIT(embryo, pid) ─► RUNNING       a process commits itself, a thread its maker
 *                                        └► NR_CLONE_COMMIT(embryo, -errno) ─► undone     the host refused: posted by the maker
 *                                        └► its control socket hangs up ─► undone         nobody is left who could be, or become, the child
 *
 * An embryo is filled (credentials, files, limits: what fork inherits) when its parent asks for it, or, if it was prepared before anybody asked
 * (spares.ts), when its parent says that it makes the host's clone (NR_CLONE_BEGIN), or at a thread's commit. Nothing that can fail is left for then. Who makes a process does not wait for
 * its commit; his next request does (slot.born), since it may name the child, unless it is a wait for children, which counts those that are on their way.
 *
 * No server ever sees a task without a tid. The slot of a thread is bound only at commit: until then native ignores its requests; one that came too early is
 * still POSTED, and its doorbell is rung again. From that of a process native takes nothing but its commit (slotUnborn). A child blocks every signal until its stub has
 * written its own mask, and its dispositions: whatever is sent to it before waits for it there.
 */
import { nowNs } from '../shared/clock.js';
import { E, Ret } from '../shared/errno.js';
import { filesAlloc, filesCopy } from '../shared/fdtable.js';
import type { Frame } from '../shared/frame.js';
import * as L from '../shared/gen/layout.js';
import { CTL_CLONE } from '../shared/grant.js';
import * as host from '../shared/host.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import { TaskState, TgState } from '../shared/tasks.js';
import { tellIds, tellLimits } from './calls/limits.js';
import { tellKin } from './calls/pgrp.js';
import { pidfdForChild } from './calls/pidfd.js';
import { type Kernel, Mm, type Proc, SIGCHLD, SIGKILL } from './proc.js';
import { endGroup, hasLeft, leaveRoot } from './task-end.js';

/** clone(2) flags of the lower half. */
export const enum Clone {
  NEWTIME = 0x80, PTRACE = 0x2000, UNTRACED = 0x800000, VM = 0x100, FS = 0x200, FILES = 0x400, SIGHAND = 0x800, PIDFD = 0x1000, VFORK = 0x4000, PARENT = 0x8000, THREAD = 0x10000, NEWNS = 0x20000,
  SYSVSEM = 0x40000, SETTLS = 0x80000, PARENT_SETTID = 0x100000, CHILD_CLEARTID = 0x200000, DETACHED = 0x400000, CHILD_SETTID = 0x1000000,
  NEWCGROUP = 0x2000000, NEWUTS = 0x4000000, NEWIPC = 0x8000000, NEWUSER = 0x10000000, NEWPID = 0x20000000, NEWNET = 0x40000000,
}

/** Scratch for the fds of a control message; see grant.ts. */
const FDS = host.STRUCT + 1024;
const EPOLLIN = 1, EPOLLHUP = 16;
/** EXE_SET of a fork child: path, argv and environment are its parent's. */
const SAME_AS_PARENT = -1;
/** Either half of a signal mask that blocks all, what Linux cannot block included: the task's stub has not written its own yet. */
const NOT_YET = 0xffffffff;
/** Soft limits, and the hard ones that follow them in the row. */
const LIMITS_BYTES = 2 * 16 * 8;

/** A slot or pctx that an embryo does not have (yet). */
const NONE = -1;

/** What a commit or its failure has to know. */
export interface Embryo {
  readonly task: number;
  /** The new process, or undefined for a thread. */
  readonly proc: Proc | undefined;
  /** Who makes it, and whose child it will be. */
  readonly creator: Proc;
  parent: Proc;
  /** Which thread; 0 = any of the creator's (a spare). */
  readonly parentTask: number;
  readonly flags: number;
  /** Guest address for CLONE_PIDFD. */
  readonly pidfdAddr: number;
  /** Watch token of a process's control socket; -1 = none. */
  token: number;
  /** A spare: the stub may take it, or has. */
  armed: boolean;
  /** It has what it inherits. */
  filled: boolean;
  /** Its own commit, taken before its parent's NR_CLONE_BEGIN, which was posted earlier: two slots that are watched have no order. */
  early?: Frame;
}

/** By task row. */
const embryos = new Map<number, Embryo>();
/** Who wants to know when the children that were on their way are known. */
const settling: Array<{ readonly of: Set<Embryo>; readonly then: () => void }> = [];

/** Wait for its commit. False, with nothing left of it: the host can watch no more. */
export function addEmbryo(k: Kernel, e: Embryo): boolean {
  embryos.set(e.task, e);
  if (e.proc === undefined) return true;
  L.setMetaBirths(1, 1);
  // The guest's end only the parent and the child ever have.
  e.token = k.ep.watch(e.proc.ctl, EPOLLHUP, () => { hungUp(k, e); });
  if (e.token >= 0) {
    // It posts the commit itself, so its slot is known already.
    native.slotBind(L.taskSlot(e.task), e.task, e.proc.tg);
    native.slotUnborn(L.taskSlot(e.task), 1);
    return true;
  }
  embryos.delete(e.task);
  undo(k, e);
  return false;
}

/** Nobody can commit it any more; unless a commit is still to be read that was posted before. */
function hungUp(k: Kernel, e: Embryo): void {
  unwatchEmbryo(k, e);
  k.ep.later(() => { k.ep.later(() => { if (embryos.get(e.task) === e) lose(k, e); }); });
}

/** It will not be: nobody waits for it any longer. */
function lose(k: Kernel, e: Embryo): void {
  embryos.delete(e.task);
  unwatchEmbryo(k, e);
  if (e.parentTask === 0) forgetSpare(k, e);
  if (e.early?.parked === true) k.ep.drop(e.early);
  undo(k, e);
  settled(k, e);
}

/** It is known what became of a child process: its parent's next request, and its waits, go on. */
function settled(k: Kernel, e: Embryo): void {
  if (e.proc === undefined) return;
  const maker = makerOf(k, e);
  if (maker !== 0) admit(k, L.taskSlot(maker));
  e.parent.waiters.wakeAll();
  if (settling.length === 0) return;
  for (const s of settling) s.of.delete(e);
  for (const s of settling.splice(0)) if (s.of.size === 0) s.then(); else settling.push(s);
}

/** The thread that makes a process, 0 when it is gone: its rows may be another's by now. A fork spare is for a process of one. */
function makerOf(k: Kernel, e: Embryo): number {
  const { tg } = e.creator;
  if (k.procs[tg] !== e.creator) return 0;
  const task = e.parentTask !== 0 ? e.parentTask : L.tgLeader(tg);
  return L.taskTg(task) === tg && L.taskState(task) === TaskState.RUNNING ? task : 0;
}

/** May the process have a child that is not known yet? */
export function expecting(p: Proc): boolean {
  for (const e of embryos.values()) if (e.proc !== undefined && e.filled && e.parent === p) return true;
  return false;
}

/** A process has ended: its children that are not known yet are another's. */
export function adoptEmbryos(p: Proc, heir: Proc): void {
  for (const e of embryos.values()) {
    if (e.proc === undefined || !e.filled || e.parent !== p) continue;
    e.parent = heir;
    heir.tellChildless(false);
  }
}

/** Call `then` when every child that may run by now is known. Its parent may have told others its number. */
export function whenBorn(then: () => void): void {
  const of = new Set<Embryo>();
  for (const e of embryos.values()) if (e.proc !== undefined && e.filled) of.add(e);
  if (of.size === 0) then(); else settling.push({ of, then });
}

// ---- making ----

/** A place in the area for a thread or CLONE_VM child: row and slot. Task row, or 0 when the tables or the slots are full. */
export function allocThread(k: Kernel, tg: number, area: number): number {
  const task = k.allocTask(tg);
  if (task === 0) return 0;
  const slot = native.slotAlloc(area, -1);
  if (slot < 0) { k.freeTask(task); return 0; }
  L.setTaskSlot(task, area * L.SLOT_MAX + slot);
  return task;
}

/** A child process: what there is of it, and the control message that brings its parent what it needs. */
export interface Child { readonly proc: Proc; readonly task: number; readonly ctlNeed: number }

/**
 * Rows, area (its own, or that of `mm`), pctx, slot and control socket of a child of `creator`. slot: index in a new area, which must be that of
 * the forking task: the child goes on in the copy of its stub stack. -EAGAIN, -ENOMEM or a host's errno with nothing left behind.
 */
export function allocChild(k: Kernel, creator: Proc, shared: Mm | undefined, slot: number): Child | number {
  const area = shared?.area ?? native.areaAlloc();
  if (area < 0) return -E.ENOMEM;
  const mm = shared ?? new Mm(area);
  if (shared !== undefined) mm.users++;
  const proc = k.allocProc(mm);
  const task = proc === undefined ? 0 : k.allocTask(proc.tg);
  if (proc === undefined || task === 0) {
    if (proc !== undefined) k.freeProc(proc);
    if (--mm.users === 0) native.areaFree(area);
    return -E.EAGAIN;
  }
  const ctlNeed = bindPlace(creator, proc, task, shared === undefined ? slot : -1);
  if (ctlNeed < 0) { undo(k, { task, proc, creator, parent: creator, parentTask: 0, flags: 0, pidfdAddr: 0, token: -1, armed: false, filled: false }); return ctlNeed; }
  L.setTgLeader(proc.tg, task);
  return { proc, task, ctlNeed };
}

/** pctx, slot and control socket. The number of the control message, or -errno; what there is by then is in the rows. */
function bindPlace(creator: Proc, child: Proc, task: number, wanted: number): number {
  const { area } = child.mm;
  const { tg } = child;
  L.setTgArea(tg, area);
  L.setTgPctx(tg, NONE);
  L.setTaskSlot(task, NONE);
  const pctx = native.pctxAlloc(area);
  if (pctx < 0) return -E.EAGAIN;
  L.setTgPctx(tg, pctx);
  const slot = native.slotAlloc(area, wanted);
  if (slot < 0) return -E.EAGAIN;
  const slotId = area * L.SLOT_MAX + slot;
  L.setTaskSlot(task, slotId);
  native.slotStore(slotId, L.SLOT_PCTX, pctx);
  native.slotStore(slotId, L.SLOT_SIGMASK, NOT_YET);
  native.slotStore(slotId, L.SLOT_SIGMASK + 4, NOT_YET);
  child.ctl = native.ctlPair();
  if (child.ctl < 0) return child.ctl;
  const guestCtl = native.lastFd();
  native.procBind(tg, -1, child.ctl, area, pctx);
  const v = host.scratchView;
  let n = 0;
  if (wanted >= 0) v.setInt32(FDS + 4 * n++, native.areaFd(area), true);
  v.setInt32(FDS + 4 * n++, guestCtl, true);
  const sent = native.ctlSend(creator.tg, CTL_CLONE, n, FDS, 0, 0);
  host.close(guestCtl);
  return sent > 0 ? sent : sent < 0 ? sent : -E.EAGAIN;
}

/** What the task inherits from task `from`; credentials are shared and counted. */
function fillTask(k: Kernel, task: number, from: number): void {
  const cred = L.taskCred(from);
  L.setTaskCred(task, cred);
  k.creds.ref(cred);
  k.nprocAdd(L.credUid(cred), 1);
  L.setTaskNice(task, L.taskNice(from));
  L.setTaskIoprio(task, L.taskIoprio(from));
  L.setTaskLoginUid(task, L.taskLoginUid(from));
  L.setTaskLoginSession(task, L.taskLoginSession(from));
  L.setTaskPolicy(task, L.taskPolicy(from));
  L.setTaskRtPriority(task, L.taskRtPriority(from));
  L.setTaskStartNs(task, nowNs());
  k.timerSlack[task] = k.timerSlack[from] as number;
  const b = L.taskU8();
  b.copyWithin(L.TASK_COMM_BYTE(task), L.TASK_COMM_BYTE(from), L.TASK_COMM_BYTE(from) + 16);
}

/** File table and fs_struct: shared or copied. False when the tables are full, which they are not for a task that has an empty file table already. */
function fillObjects(k: Kernel, task: number, from: number, flags: number): boolean {
  const files = L.taskFiles(from);
  if ((flags & Clone.FILES) !== 0) {
    L.setFilesRef(files, L.filesRef(files) + 1);
    L.setTaskFiles(task, files);
  } else {
    const to = L.taskFiles(task) !== 0 ? L.taskFiles(task) : filesAlloc();
    if (to === 0) return false;
    filesCopy(files, to);
    L.setTaskFiles(task, to);
  }
  const fs = L.taskFs(from);
  const to = (flags & Clone.FS) !== 0 ? fs : Atomics.add(L.metaI32(), L.META_NEXT_FS_AT(1), 1) + 1;
  k.ep.quiet(L.SRV_VFS, Msg.FS_CLONE, [fs, to]);
  L.setTaskFs(task, to);
  return true;
}

/** Limits, ids and habits that a child process inherits. fork(2), and the tables of credentials(7), getrlimit(2). */
function fillGroup(from: Proc, to: Proc): void {
  const a = from.tg;
  const b = to.tg;
  const at = L.TG_RLIM_CUR_BYTE(a);
  L.tgU8().copyWithin(L.TG_RLIM_CUR_BYTE(b), at, at + LIMITS_BYTES);
  L.setTgPgid(b, L.tgPgid(a));
  L.setTgSid(b, L.tgSid(a));
  L.setTgCtty(b, L.tgCtty(a));
  L.setTgNoNewPrivs(b, L.tgNoNewPrivs(a));
  L.setTgDumpable(b, L.tgDumpable(a));
  L.setTgOomAdj(b, L.tgOomAdj(a));
  L.setTgOomAdjMin(b, L.tgOomAdjMin(a));
  L.setTgCoreFilter(b, L.tgCoreFilter(a));
  L.setTgExe(b, L.tgExe(a));
  L.setTgProg(b, L.tgProg(a));
  L.setTgArgStart(b, L.tgArgStart(a)); L.setTgArgEnd(b, L.tgArgEnd(a)); L.setTgEnvStart(b, L.tgEnvStart(a)); L.setTgEnvEnd(b, L.tgEnvEnd(a));
  L.setTgStartNs(b, nowNs());
  to.personality = from.personality;
}

/** Give an embryo what it inherits from the thread `from` that makes it. False when the tables are full. */
export function fill(k: Kernel, e: Embryo, from: number, exitSignal: number): boolean {
  e.filled = true;
  fillTask(k, e.task, from);
  if (!fillObjects(k, e.task, from, e.flags)) return false;
  if (e.proc === undefined) return true;
  fillGroup(e.creator, e.proc);
  L.setTgExitSignal(e.proc.tg, exitSignal);
  // From now on: its maker may end before it is known.
  e.proc.root = e.creator.root;
  if (e.proc.root?.joined !== undefined) e.proc.root.joined.members++;
  if ((e.flags & Clone.VM) === 0 && L.tgSysv(e.creator.tg) !== 0) {
    L.setTgSysv(e.proc.tg, 1);
    k.ep.quiet(L.SRV_IPC, Msg.SHM_FORK, [e.creator.tg, e.proc.tg]);
  }
  return true;
}

// ---- commit ----

/** NR_CLONE_BEGIN(embryo): the caller is about to make the host's clone for this spare of its process. 0, or -EINVAL for what is none. */
export function begin(k: Kernel, f: Frame): number {
  const e = embryos.get(f.argU32(0));
  if (e?.proc === undefined || e.parentTask !== 0 || e.creator.tg !== f.tg || !e.armed || e.filled) return -E.EINVAL;
  fill(k, e, f.task, SIGCHLD);
  if ((e.flags & Clone.VM) !== 0) e.creator.spareVfork = undefined; else e.creator.spareFork = undefined;
  k.onBegin(e, f.task);
  if (e.early !== undefined) k.ep.wake(e.early); else native.expectSlot(L.taskSlot(e.task));
  return 0;
}

/** NR_CLONE_COMMIT(embryo, pid or -errno). 0; -EINVAL for a number that is no embryo of the caller's; -EAGAIN when the child cannot be watched. */
export function commit(k: Kernel, f: Frame): number {
  const e = embryos.get(f.argU32(0));
  const pid = f.argOff(1);
  if (e === undefined) return -E.EINVAL;
  const own = f.task === e.task;
  if (!own && (e.parentTask === 0 ? f.tg !== e.creator.tg || !e.armed : f.task !== e.parentTask)) return -E.EINVAL;
  if (pid <= 0) { lose(k, e); return 0; }
  // A process says so itself, a thread cannot.
  if (own !== (e.proc !== undefined)) return -E.EINVAL;
  if (own && !e.filled) { e.early = f; return Ret.BLOCKED; }
  const pidfd = e.proc === undefined ? -1 : k.numbered ? native.pidfdByNumber(pid) : native.ctlReceivePidfd(e.proc.tg, pid);
  // The child ends itself, and then its socket hangs up.
  if (e.proc !== undefined && pidfd < 0) return -E.EAGAIN;
  embryos.delete(e.task);
  unwatchEmbryo(k, e);
  if (e.parentTask === 0) forgetSpare(k, e);
  if (!e.filled) fill(k, e, f.task, 0);
  const r = e.proc === undefined ? commitThread(k, e, pid, f.task) : commitProcess(k, e, e.proc, pid, pidfd);
  settled(k, e);
  if (r === 0) k.onBirth(e, e.proc === undefined ? f.task : makerOf(k, e));
  return r;
}

/** A spare is armed, or not any more. */
export function countSpare(k: Kernel, e: Embryo, n: number): void {
  e.armed = n > 0;
  k.spares += n;
}

/** A spare is one no more. */
function forgetSpare(k: Kernel, e: Embryo): void {
  if (e.armed) countSpare(k, e, -1);
  if (e.creator.spareFork === e) e.creator.spareFork = undefined;
  if (e.creator.spareVfork === e) e.creator.spareVfork = undefined;
  if (e.creator.spareThread === e) e.creator.spareThread = undefined;
}

/** It will not be born, and nobody runs on what was made for it. */
export function undo(k: Kernel, e: Embryo): void {
  const slotId = L.taskSlot(e.task);
  if (slotId >= 0) native.slotBind(slotId, 0, 0);
  k.dropTaskObjects(e.task);
  k.dropTaskCred(e.task);
  if (e.proc === undefined) native.slotFree(Math.floor(slotId / L.SLOT_MAX), slotId % L.SLOT_MAX);
  else {
    leaveRoot(e.proc);
    if (L.tgSysv(e.proc.tg) !== 0) k.ep.quiet(L.SRV_IPC, Msg.TG_GONE, [e.proc.tg, 0]);
    native.procFree(e.proc.tg);
    k.leaveMm(e.proc.mm, L.tgPctx(e.proc.tg), slotId < 0 ? [] : [slotId]);
    k.freeProc(e.proc);
  }
  k.freeTask(e.task);
}

/** Make the task visible. */
function publish(k: Kernel, task: number, tid: number, tg: number): void {
  const slotId = L.taskSlot(task);
  L.setTaskTid(task, tid);
  k.byTid.set(tid, task);
  native.slotStore(slotId, L.SLOT_TID, tid);
  L.setTgNtasks(tg, L.tgNtasks(tg) + 1);
  L.setTaskState(task, TaskState.RUNNING);
}

/** Let a task post. */
function admit(k: Kernel, slotId: number): void {
  native.slotWake(slotId, L.SLOT_BORN, 1);
  if (k.ep.parkedFrame(slotId) !== undefined) return;
  // What it posted before was not taken, be it the exit of a thread that is dead by now. The word is the guest's, so look before using it.
  const state = native.slotLoad(slotId, L.SLOT_STATE);
  if (state !== L.SLOT_POSTED && state !== L.SLOT_DEAD) return;
  const srv = native.slotLoad(slotId, L.SLOT_SERVER);
  if (srv === L.SRV_KERNEL) native.revisitSlot(slotId); else if (srv < L.SRV_COUNT) native.ringDoorbell(srv, slotId);
}

function commitThread(k: Kernel, e: Embryo, tid: number, by: number): number {
  // Before it is known: from then on it may be sent signals. It posts nothing before it is admitted.
  native.slotBind(L.taskSlot(e.task), e.task, e.creator.tg);
  publish(k, e.task, tid, e.creator.tg);
  k.trace.onChild(e, by);
  admit(k, L.taskSlot(e.task));
  return 0;
}

function commitProcess(k: Kernel, e: Embryo, child: Proc, pid: number, pidfd: number): number {
  const tg = child.tg;
  const maker = makerOf(k, e);
  const parent = L.tgState(e.parent.tg) === TgState.RUNNING && k.procs[e.parent.tg] === e.parent ? e.parent : k.init ?? e.parent;
  child.pid = pid;
  native.procBind(tg, pidfd, child.ctl, L.tgArea(tg), L.tgPctx(tg));
  native.pctxStore(L.tgArea(tg), L.tgPctx(tg), L.PCTX_TGID, pid);
  tellLimits(tg);
  tellIds(tg, L.tgLeader(tg));
  L.setTgPidfd(tg, pidfd);
  L.setTgTgid(tg, pid);
  L.setTgParent(tg, parent.tg);
  L.setTgPpid(tg, parent.pid);
  child.parent = parent;
  child.hostParent = (e.flags & Clone.PARENT) !== 0 ? e.creator.hostParent : e.creator;
  child.creator = parent === e.creator ? maker : L.tgLeader(parent.tg);
  parent.children.push(child);
  parent.tellChildless(false);
  k.byPid.set(pid, child);
  L.setMetaForks(1, L.metaForks(1) + 1);
  publish(k, e.task, pid, tg);
  L.setTgState(tg, TgState.RUNNING);
  tellKin(tg);
  k.trace.onChild(e, maker);
  if (L.tgExe(tg) !== 0) k.ep.quiet(L.SRV_VFS, Msg.EXE_SET, [tg, L.tgExe(tg), SAME_AS_PARENT]);
  native.slotUnborn(L.taskSlot(e.task), 0);
  child.token = k.ep.watch(pidfd, EPOLLIN, () => { endGroup(k, child); });
  if (child.token < 0) { child.announced = SIGKILL; native.killProcess(tg, SIGKILL); endGroup(k, child); return -E.EAGAIN; }
  if (k.init !== undefined && L.tgState(k.init.tg) !== TgState.RUNNING) native.killProcess(tg, SIGKILL);
  if (hasLeft(child)) child.leaving = true;
  if ((e.flags & Clone.PIDFD) !== 0) pidfdForChild(k, e.creator.tg, e.parentTask, child, e.pidfdAddr);
  return 0;
}

/** The process, or the program that it ran, has ended: its threads to be are gone with it. Its children to be may live; else their control socket hangs up. */
export function dropEmbryosOf(k: Kernel, p: Proc): void {
  if (embryos.size === 0) return;
  for (const e of [...embryos.values()]) {
    if (e.creator !== p) continue;
    if (e.proc === undefined || !e.filled) lose(k, e);
    else if (e.parentTask === 0) forgetSpare(k, e);
  }
}

function unwatchEmbryo(k: Kernel, e: Embryo): void {
  if (e.token >= 0 && e.proc !== undefined) k.ep.unwatch(e.token, e.proc.ctl);
  e.token = -1;
}
