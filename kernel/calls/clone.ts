/**
 * clone, fork, vfork, clone3 and the stub's NR_CLONE_COMMIT (docs/internals.md §4).
 *
 *   parent's request ─► check ─► allocate: task, (tg, file table, fs id, area, pctx, control socket), slot ─► cloneplan, state EMBRYO
 *   stub: host clone ─► NR_CLONE_COMMIT(embryo, pid) ─► RUNNING          fork, thread: posted by the parent, vfork-like: by the child
 *                    └► NR_CLONE_COMMIT(embryo, -errno) ─► undone
 *
 * The slot of a fork child or thread is bound only at commit: until then native ignores its requests, so no server ever sees a task without a
 * tid. A request that came too early is still POSTED, and its doorbell is rung again.
 */
import { E } from '../../shared/errno.js';
import { Cap, capable } from '../../shared/creds.js';
import { filesCopy } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { CTL_CLONE } from '../../shared/grant.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { nowNs } from '../../shared/clock.js';
import { TaskState, TgState } from '../../shared/tasks.js';
import { type Kernel, Mm, type Proc, SIGCHLD, SIGKILL } from '../proc.js';
import { endGroup } from '../task-end.js';
import { installPidfd, pidfdForChild } from './pidfd.js';

const CSIGNAL = 0xff;
const CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800, CLONE_PIDFD = 0x1000, CLONE_VFORK = 0x4000;
const CLONE_PARENT = 0x8000, CLONE_THREAD = 0x10000, CLONE_NEWNS = 0x20000, CLONE_SYSVSEM = 0x40000, CLONE_SETTLS = 0x80000;
const CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_CLEARTID = 0x200000, CLONE_DETACHED = 0x400000, CLONE_CHILD_SETTID = 0x1000000;
const CLONE_NEWCGROUP = 0x2000000, CLONE_NEWUTS = 0x4000000, CLONE_NEWIPC = 0x8000000, CLONE_NEWUSER = 0x10000000, CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000, CLONE_NEWTIME = 0x80;
const CLONE_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
/** Bits of the upper half, clone3 only. */
const CLONE_CLEAR_SIGHAND_HI = 1, CLONE_INTO_CGROUP_HI = 2;
/** What the host's clone is asked for as well: it acts on the guest's memory. */
const HOST_FLAGS = CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT;
const HOST_THREAD_FLAGS = CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;

const RLIMIT_NPROC = 6;
/** Scratch for the fds of a control message; see grant.ts. */
const FDS = host.STRUCT + 1024;
const EPOLLIN = 1, EPOLLHUP = 16;
/** EXE_SET of a fork child: path, argv and environment are its parent's. */
const SAME_AS_PARENT = -1;

interface CloneArgs {
  flags: number;
  clearSighand: boolean;
  exitSignal: number;
  /** Guest address for CLONE_PIDFD. */
  pidfdAddr: number;
}

/** What a commit or its failure has to know of an embryo; by task row. */
interface Embryo {
  readonly task: number;
  /** The new process, or undefined for a thread. */
  readonly proc: Proc | undefined;
  readonly parent: Proc;
  readonly parentTask: number;
  readonly flags: number;
  readonly pidfdAddr: number;
  readonly creator: Proc;
  /** Watch token of the control socket once the parent is dead; -1 = none. */
  token: number;
}
const embryos = new Map<number, Embryo>();
/** Pidfds that arrived before their commit (two threads fork at once), by pid. */
const earlyPidfds = new Map<number, number>();

/** Checks in Linux's order (copy_process): EINVAL for combinations that make no sense, EPERM for namespaces without privilege. */
export function checkFlags(k: Kernel, f: Frame, flags: number): number {
  if ((flags & CLONE_FS) !== 0 && (flags & (CLONE_NEWNS | CLONE_NEWUSER)) !== 0) return -E.EINVAL;
  if ((flags & CLONE_THREAD) !== 0 && (flags & CLONE_SIGHAND) === 0) return -E.EINVAL;
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return -E.EINVAL;
  if ((flags & CLONE_PARENT) !== 0 && k.procOf(f.tg).parent === undefined) return -E.EINVAL;
  if ((flags & CLONE_THREAD) !== 0 && (flags & (CLONE_NEWUSER | CLONE_NEWPID)) !== 0) return -E.EINVAL;
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_DETACHED) !== 0) return -E.EINVAL;
  // FIXME: Linux makes a thread pidfd (6.9); here only processes have pidfds.
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_THREAD) !== 0) return -E.EINVAL;
  // Namespaces inside a container are not there, whatever the caller's capabilities.
  if ((flags & CLONE_NAMESPACES) !== 0) return -E.EPERM;
  return 0;
}

function readLegacy(f: Frame, out: CloneArgs): number {
  const flags = f.argU32(0);
  out.flags = (flags & ~CSIGNAL) >>> 0;
  out.exitSignal = flags & CSIGNAL;
  out.pidfdAddr = f.argU64(2);
  // Both store through the same pointer.
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0) return -E.EINVAL;
  return 0;
}

const CLONE_ARGS_SIZE_VER0 = 64, CLONE_ARGS_SIZE_VER2 = 88;

/** struct clone_args: flags 0, pidfd 8, child_tid 16, parent_tid 24, exit_signal 32, stack 40, stack_size 48, tls 56, set_tid 64, set_tid_size 72, cgroup 80. */
function readClone3(f: Frame, out: CloneArgs): number {
  const size = f.argU64(1);
  if (size > 4096) return -E.E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -E.EINVAL;
  const at = f.inOff(0);
  if (at < 0) return at;
  const word = (off: number): number => off + 8 > size ? 0 : f.view.getUint32(at + off, true) + f.view.getUint32(at + off + 4, true) * 4294967296;
  for (let i = CLONE_ARGS_SIZE_VER2; i < size; i++) if (f.bytes[at + i] !== 0) return -E.E2BIG;
  const hi = f.view.getUint32(at + 4, true);
  const lo = f.view.getUint32(at, true);
  if ((hi & ~(CLONE_CLEAR_SIGHAND_HI | CLONE_INTO_CGROUP_HI)) !== 0) return -E.EINVAL;
  const exitSignal = word(32);
  if (word(72) > 32 || (word(64) === 0) !== (word(72) === 0)) return -E.EINVAL;
  if (exitSignal > CSIGNAL || exitSignal > 64) return -E.EINVAL;
  if ((lo & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) !== 0) return -E.EINVAL;
  if ((lo & CLONE_SIGHAND) !== 0 && (hi & CLONE_CLEAR_SIGHAND_HI) !== 0) return -E.EINVAL;
  if ((lo & (CLONE_THREAD | CLONE_PARENT)) !== 0 && exitSignal !== 0) return -E.EINVAL;
  if ((word(40) === 0) !== (word(48) === 0)) return -E.EINVAL;
  if ((lo & CLONE_NEWTIME) !== 0) return -E.EPERM;
  // FIXME: Linux opens the cgroup; there are no cgroups here.
  if ((hi & CLONE_INTO_CGROUP_HI) !== 0) return -E.EBADF;
  // Choosing pids needs CAP_CHECKPOINT_RESTORE over a pid namespace of one's own.
  if (word(72) !== 0) return -E.EPERM;
  out.flags = lo;
  out.clearSighand = (hi & CLONE_CLEAR_SIGHAND_HI) !== 0;
  out.exitSignal = exitSignal;
  out.pidfdAddr = word(8);
  return 0;
}

/** clone(2). Errors: EINVAL, EPERM (flags), EAGAIN (RLIMIT_NPROC, tables or slots full), ENOMEM. */
function sys_clone(k: Kernel, f: Frame, read: (f: Frame, out: CloneArgs) => number): number {
  const a: CloneArgs = { flags: 0, clearSighand: false, exitSignal: 0, pidfdAddr: 0 };
  let r = read(f, a);
  if (r < 0) return r;
  r = checkFlags(k, f, a.flags);
  if (r < 0) return r;
  const uid = L.credUid(L.taskCred(f.task));
  if (k.nprocOf(uid) >= L.tgRlimCur(f.tg, RLIMIT_NPROC) && uid !== 0 && !capable(f.task, Cap.SYS_RESOURCE) && !capable(f.task, Cap.SYS_ADMIN)) return -E.EAGAIN;
  return (a.flags & CLONE_THREAD) !== 0 ? makeThread(k, f, a) : makeProcess(k, f, a);
}

/** A task row like the caller's; credentials are shared and counted. */
function copyTask(k: Kernel, f: Frame, tg: number): number {
  const task = k.allocTask(tg);
  if (task === 0) return 0;
  const from = f.task;
  L.setTaskCred(task, L.taskCred(from));
  k.creds.ref(L.taskCred(from));
  k.nprocAdd(L.credUid(L.taskCred(from)), 1);
  L.setTaskNice(task, L.taskNice(from));
  L.setTaskPolicy(task, L.taskPolicy(from));
  L.setTaskRtPriority(task, L.taskRtPriority(from));
  L.setTaskStartNs(task, nowNs());
  k.timerSlack[task] = k.timerSlack[from] as number;
  const b = L.taskU8();
  b.copyWithin(L.TASK_COMM_BYTE(task), L.TASK_COMM_BYTE(from), L.TASK_COMM_BYTE(from) + 16);
  return task;
}

/** File table and fs_struct of the child: shared or copied. False when the tables are full. */
function copyObjects(k: Kernel, f: Frame, task: number, flags: number): boolean {
  const files = L.taskFiles(f.task);
  if ((flags & CLONE_FILES) !== 0) {
    L.setFilesRef(files, L.filesRef(files) + 1);
    L.setTaskFiles(task, files);
  } else {
    const copy = filesCopy(files);
    if (copy === 0) return false;
    L.setTaskFiles(task, copy);
  }
  const fs = L.taskFs(f.task);
  const to = (flags & CLONE_FS) !== 0 ? fs : Atomics.add(L.metaI32(), L.META_NEXT_FS_AT(1), 1) + 1;
  k.ep.quiet(L.SRV_VFS, Msg.FS_CLONE, [fs, to]);
  L.setTaskFs(task, to);
  return true;
}

/**
 * A child blocks what its parent blocks from the moment it can be sent signals, which may be before its stub has run. The stub writes the same again.
 */
function inheritMask(f: Frame, slotId: number): void {
  for (const at of [L.SLOT_SIGMASK, L.SLOT_SIGMASK + 4]) native.slotStore(slotId, at, native.slotLoad(f.slot, at));
}

function reply(f: Frame, e: Embryo, slot: number, pctx: number, newArea: number, flags: number, exitSignal: number): number {
  const v = f.view;
  const at = f.payload;
  f.bytes.fill(0, at, at + L.CLONEPLAN_SIZE);
  v.setUint32(at + L.CLONEPLAN_SLOT, slot, true);
  v.setUint32(at + L.CLONEPLAN_PCTX, pctx, true);
  v.setUint32(at + L.CLONEPLAN_NEW_AREA, newArea, true);
  v.setUint32(at + L.CLONEPLAN_FLAGS, flags >>> 0, true);
  v.setUint32(at + L.CLONEPLAN_EMBRYO, e.task, true);
  v.setUint32(at + L.CLONEPLAN_EXIT_SIGNAL, exitSignal, true);
  f.replyBytes = L.CLONEPLAN_SIZE;
  f.setReplyFlag(L.RF_CLONE);
  embryos.set(e.task, e);
  return 0;
}

function makeThread(k: Kernel, f: Frame, a: CloneArgs): number {
  const p = k.procOf(f.tg);
  const task = copyTask(k, f, f.tg);
  if (task === 0) return -E.EAGAIN;
  const slot = native.slotAlloc(p.mm.area, -1);
  if (slot < 0 || !copyObjects(k, f, task, a.flags)) {
    if (slot >= 0) native.slotFree(p.mm.area, slot);
    k.dropTaskCred(task);
    k.freeTask(task);
    return -E.EAGAIN;
  }
  const pctx = L.tgPctx(f.tg);
  L.setTaskSlot(task, p.mm.area * L.SLOT_MAX + slot);
  native.slotStore(L.taskSlot(task), L.SLOT_PCTX, pctx);
  inheritMask(f, L.taskSlot(task));
  const e: Embryo = { task, proc: undefined, parent: p, parentTask: f.task, flags: a.flags, pidfdAddr: 0, creator: p, token: -1 };
  return reply(f, e, slot, pctx, 0, a.flags & (HOST_FLAGS | HOST_THREAD_FLAGS), 0);
}

/** Limits, ids and habits that a child process inherits. fork(2), and the tables of credentials(7), getrlimit(2). */
function inherit(from: Proc, to: Proc): void {
  const a = from.tg;
  const b = to.tg;
  for (let i = 0; i < 16; i++) { L.setTgRlimCur(b, i, L.tgRlimCur(a, i)); L.setTgRlimMax(b, i, L.tgRlimMax(a, i)); }
  L.setTgPgid(b, L.tgPgid(a));
  L.setTgSid(b, L.tgSid(a));
  L.setTgCtty(b, L.tgCtty(a));
  L.setTgNoNewPrivs(b, L.tgNoNewPrivs(a));
  L.setTgDumpable(b, L.tgDumpable(a));
  L.setTgExe(b, L.tgExe(a));
  L.setTgProg(b, L.tgProg(a));
  L.setTgArgStart(b, L.tgArgStart(a)); L.setTgArgEnd(b, L.tgArgEnd(a)); L.setTgEnvStart(b, L.tgEnvStart(a)); L.setTgEnvEnd(b, L.tgEnvEnd(a));
  L.setTgStartNs(b, nowNs());
  to.personality = from.personality;
}

/** Area, pctx, slot and control socket of a child process. Slot index, or -errno with nothing left behind. */
function makePlace(f: Frame, p: Proc, child: Proc, shareMm: boolean, clearSighand: boolean): number {
  const area = child.mm.area;
  const pctx = native.pctxAlloc(area);
  if (pctx < 0) return -E.EAGAIN;
  // A fork child goes on in the copy of its parent's stub stack, so its slot must have the same index.
  const slot = native.slotAlloc(area, shareMm ? -1 : f.slot & (L.SLOT_MAX - 1));
  const ctl = slot < 0 ? -1 : native.ctlPair();
  if (ctl < 0) {
    if (slot >= 0) native.slotFree(area, slot);
    native.pctxFree(area, pctx);
    return slot < 0 ? -E.EAGAIN : ctl;
  }
  const guestCtl = native.lastFd();
  // A fork child must not post before its commit: no server could read its memory. The stub sleeps on this word; see admit.
  if (!shareMm) native.slotStore(area * L.SLOT_MAX + slot, L.SLOT_BORN, 0);
  native.pctxInit(area, pctx, p.mm.area, L.tgPctx(p.tg), clearSighand ? 1 : 0);
  L.setTgArea(child.tg, area);
  L.setTgPctx(child.tg, pctx);
  child.ctl = ctl;
  native.procBind(child.tg, -1, ctl, area, pctx);
  const v = host.scratchView;
  let n = 0;
  if (!shareMm) v.setInt32(FDS + 4 * n++, native.areaFd(area), true);
  v.setInt32(FDS + 4 * n++, guestCtl, true);
  const sent = native.ctlSend(p.tg, CTL_CLONE, n, FDS, 0, 0);
  host.close(guestCtl);
  if (sent <= 0) {
    native.procFree(child.tg);
    native.slotFree(area, slot);
    native.pctxFree(area, pctx);
    return sent < 0 ? sent : -E.EAGAIN;
  }
  f.setCtlNeed(sent);
  return slot;
}

function makeProcess(k: Kernel, f: Frame, a: CloneArgs): number {
  const caller = k.procOf(f.tg);
  const shareMm = (a.flags & CLONE_VM) !== 0;
  const area = shareMm ? caller.mm.area : native.areaAlloc();
  if (area < 0) return -E.ENOMEM;
  const mm = shareMm ? caller.mm : new Mm(area);
  if (shareMm) mm.users++;
  const child = k.allocProc(mm);
  const task = child === undefined ? 0 : copyTask(k, f, child.tg);
  const dropMm = (): void => { if (--mm.users === 0) native.areaFree(area); };
  if (child === undefined || task === 0) {
    if (child !== undefined) k.freeProc(child);
    dropMm();
    return -E.EAGAIN;
  }
  const slot = makePlace(f, caller, child, shareMm, a.clearSighand);
  if (slot < 0 || !copyObjects(k, f, task, a.flags)) {
    if (slot >= 0) { native.procFree(child.tg); native.slotFree(area, slot); native.pctxFree(area, L.tgPctx(child.tg)); }
    k.dropTaskCred(task);
    k.freeTask(task);
    k.freeProc(child);
    dropMm();
    return slot < 0 ? slot : -E.ENOMEM;
  }
  const pctx = L.tgPctx(child.tg);
  const slotId = area * L.SLOT_MAX + slot;
  inherit(caller, child);
  L.setTaskSlot(task, slotId);
  native.slotStore(slotId, L.SLOT_PCTX, pctx);
  inheritMask(f, slotId);
  if ((a.flags & CLONE_FILES) !== 0) unshareGrants(f.tg, child.tg, L.taskFiles(task));
  const parent = (a.flags & CLONE_PARENT) !== 0 ? caller.parent ?? caller : caller;
  const exitSignal = (a.flags & CLONE_PARENT) !== 0 ? L.tgExitSignal(caller.tg) : a.exitSignal;
  L.setTgExitSignal(child.tg, exitSignal);
  L.setTgLeader(child.tg, task);
  if (shareMm) {
    // The child posts the commit itself, so its slot must be known already.
    native.slotBind(slotId, task, child.tg);
    caller.embryos++;
  }
  const e: Embryo = { task, proc: child, parent, parentTask: f.task, flags: a.flags, pidfdAddr: a.pidfdAddr, creator: caller, token: -1 };
  return reply(f, e, slot, pctx, shareMm ? 2 : 1, a.flags & HOST_FLAGS, exitSignal === SIGCHLD ? SIGCHLD : 0);
}

/**
 * CLONE_FILES between processes: each has its own host fd table, so nothing may be granted from here on.
 * FIXME: host fds that were granted before stay open in both until they end; Linux has one table.
 */
function unshareGrants(a: number, b: number, files: number): void {
  L.setFilesSharedUnlike(files, 1);
  const top = Math.min(L.filesTop(files), L.HINT_FDS);
  for (let fd = 0; fd < top; fd++) {
    for (const tg of [a, b]) native.hintSet(tg, fd, native.hintGet(tg, fd) & L.HINT_OWNER);
  }
}

// ---- commit ----

/** The pidfd of process pid, from the control socket of tg: host fd or -errno. */
function receivePidfd(tg: number, pid: number): number {
  const early = earlyPidfds.get(pid);
  if (early !== undefined) { earlyPidfds.delete(pid); return early; }
  for (;;) {
    const fd = native.ctlReceiveFd(tg);
    if (fd < 0) return fd;
    const is = native.pidfdGuestPid(fd);
    // One that has been reaped already tells no number; the guest's word has to do.
    if (is === pid || is <= 0) return fd;
    const old = earlyPidfds.get(is);
    if (old !== undefined) host.close(old);
    earlyPidfds.set(is, fd);
  }
}

/** NR_CLONE_COMMIT(embryo, pid or -errno). 0; -EINVAL for a number that is no embryo of the caller's; -EAGAIN when the child cannot be watched. */
function commit(k: Kernel, f: Frame): number {
  const e = embryos.get(f.argU32(0));
  const pid = f.argOff(1);
  if (e === undefined || (f.task !== e.parentTask && f.task !== e.task)) return -E.EINVAL;
  embryos.delete(e.task);
  unwatchEmbryo(k, e);
  if (e.proc !== undefined && (e.flags & CLONE_VM) !== 0) { e.creator.embryos--; e.creator.waiters.wakeAll(); }
  if (pid <= 0) { undo(k, e); return 0; }
  if (e.proc === undefined) { commitThread(k, e, pid); return 0; }
  return commitProcess(k, f, e, e.proc, pid);
}

function undo(k: Kernel, e: Embryo): void {
  const slotId = L.taskSlot(e.task);
  native.slotBind(slotId, 0, 0);
  k.dropTaskObjects(e.task);
  k.dropTaskCred(e.task);
  if (e.proc === undefined) native.slotFree(e.parent.mm.area, slotId & (L.SLOT_MAX - 1));
  else {
    native.procFree(e.proc.tg);
    k.leaveMm(e.proc.mm, L.tgPctx(e.proc.tg), [slotId]);
    k.freeProc(e.proc);
  }
  k.freeTask(e.task);
}

/** Make the task visible, then let its requests in. */
function publish(k: Kernel, task: number, tid: number, tg: number): void {
  const slotId = L.taskSlot(task);
  L.setTaskTid(task, tid);
  k.byTid.set(tid, task);
  native.slotStore(slotId, L.SLOT_TID, tid);
  L.setTgNtasks(tg, L.tgNtasks(tg) + 1);
  L.setTaskState(task, TaskState.RUNNING);
}

function admit(task: number, tg: number): void {
  const slotId = L.taskSlot(task);
  native.slotBind(slotId, task, tg);
  native.slotWake(slotId, L.SLOT_BORN, 1);
  // What it posted before was ignored, be it the exit of a thread that is dead by now. The word is the guest's, so look before using it.
  const state = native.slotLoad(slotId, L.SLOT_STATE);
  if (state !== L.SLOT_POSTED && state !== L.SLOT_DEAD) return;
  const srv = native.slotLoad(slotId, L.SLOT_SERVER);
  if (srv < L.SRV_COUNT) native.ringDoorbell(srv, slotId);
}

function commitThread(k: Kernel, e: Embryo, tid: number): void {
  publish(k, e.task, tid, e.parent.tg);
  admit(e.task, e.parent.tg);
}

function commitProcess(k: Kernel, f: Frame, e: Embryo, child: Proc, pid: number): number {
  const shared = (e.flags & CLONE_VM) !== 0;
  const pidfd = receivePidfd(shared ? child.tg : f.tg, pid);
  if (pidfd < 0) { undo(k, e); return -E.EAGAIN; }
  const tg = child.tg;
  const parent = L.tgState(e.parent.tg) === TgState.RUNNING && k.procs[e.parent.tg] === e.parent ? e.parent : k.init ?? e.parent;
  child.pid = pid;
  native.procBind(tg, pidfd, child.ctl, L.tgArea(tg), L.tgPctx(tg));
  native.pctxStore(L.tgArea(tg), L.tgPctx(tg), L.PCTX_TGID, pid);
  L.setTgPidfd(tg, pidfd);
  L.setTgTgid(tg, pid);
  L.setTgParent(tg, parent.tg);
  L.setTgPpid(tg, parent.pid);
  child.parent = parent;
  child.hostParent = (e.flags & CLONE_PARENT) !== 0 ? e.creator.hostParent : e.creator;
  child.root = e.creator.root;
  if (child.root?.joined !== undefined) child.root.joined.members++;
  child.creator = parent === e.creator ? e.parentTask : L.tgLeader(parent.tg);
  parent.children.push(child);
  k.byPid.set(pid, child);
  L.setMetaForks(1, L.metaForks(1) + 1);
  publish(k, e.task, pid, tg);
  L.setTgState(tg, TgState.RUNNING);
  k.ep.quiet(L.SRV_SIGNAL, Msg.SIG_FORK, [e.creator.tg, tg]);
  if (L.tgExe(tg) !== 0) k.ep.quiet(L.SRV_VFS, Msg.EXE_SET, [tg, L.tgExe(tg), SAME_AS_PARENT]);
  if (!shared) admit(e.task, tg);
  child.token = k.ep.watch(pidfd, EPOLLIN, () => { endGroup(k, child); });
  if (child.token < 0) { child.announced = SIGKILL; native.killProcess(tg, SIGKILL); endGroup(k, child); return -E.EAGAIN; }
  if (k.init !== undefined && L.tgState(k.init.tg) !== TgState.RUNNING) native.killProcess(tg, SIGKILL);
  if ((e.flags & CLONE_PIDFD) !== 0) pidfdForChild(k, e.creator.tg, e.parentTask, child, e.pidfdAddr);
  return 0;
}

/**
 * A parent that died between clone and commit: its threads to be are gone with it, its fork children will never be committed. Such a child may have
 * been born on the host: it sleeps on SLOT_BORN, is told to end, and its area is kept until it has. A CLONE_VM child commits itself, if it was born.
 * Whether there is anybody tells the guest's end of the control socket, which only the parent and the child ever had: it hangs up with the last of them.
 */
function dropEmbryosOf(k: Kernel, p: Proc): void {
  for (const e of [...embryos.values()]) {
    if (e.creator !== p) continue;
    const slotId = L.taskSlot(e.task);
    if (e.proc === undefined) { embryos.delete(e.task); undo(k, e); continue; }
    if ((e.flags & CLONE_VM) === 0) {
      embryos.delete(e.task);
      native.slotBind(slotId, 0, 0);
      k.dropTaskObjects(e.task);
      native.slotWake(slotId, L.SLOT_BORN, L.BORN_NEVER);
    }
    e.token = k.ep.watch(e.proc.ctl, EPOLLHUP, () => {
      unwatchEmbryo(k, e);
      embryos.delete(e.task);
      undo(k, e);
    });
  }
}

function unwatchEmbryo(k: Kernel, e: Embryo): void {
  if (e.token >= 0 && e.proc !== undefined) k.ep.unwatch(e.token, e.proc.ctl);
  e.token = -1;
}

export function installClone(k: Kernel): void {
  const fork: CloneArgs = { flags: 0, clearSighand: false, exitSignal: SIGCHLD, pidfdAddr: 0 };
  k.ep.handle(NR.NR_clone, (f) => sys_clone(k, f, readLegacy));
  k.ep.handle(NR.NR_clone3, (f) => sys_clone(k, f, readClone3));
  k.ep.handle(NR.NR_fork, (f) => sys_clone(k, f, (_f, out) => { Object.assign(out, fork); return 0; }));
  k.ep.handle(NR.NR_vfork, (f) => sys_clone(k, f, (_f, out) => { Object.assign(out, fork, { flags: CLONE_VM | CLONE_VFORK }); return 0; }));
  k.ep.handle(L.NR_CLONE_COMMIT, (f) => commit(k, f));
  k.onGroupEnd = (p): void => { dropEmbryosOf(k, p); };
  installPidfd(k);
}
