/**
 * clone, fork, vfork, clone3: the request (docs/internals.md §4).
 *
 *   parent's request ─► check ─► allocate: task, (tg, file table, fs id, area, pctx, control socket), slot ─► cloneplan, state EMBRYO
 *   stub: host clone ─► NR_CLONE_COMMIT: embryos.ts
 *
 * Plain forks and threads of a process that has made one before come without a request: spares.ts.
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { Clone, type Embryo, addEmbryo, adoptEmbryos, allocChild, allocThread, begin, commit, dropEmbryosOf, fill, undo, whenBorn } from '../embryos.js';
import { type Kernel, SIGCHLD } from '../proc.js';
import { installSpares, nprocFull, vforkOver } from '../spares.js';
import { installPidfd } from './pidfd.js';

const CSIGNAL = 0xff;
const NAMESPACES = Clone.NEWNS | Clone.NEWCGROUP | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWUSER | Clone.NEWPID | Clone.NEWNET;
/** Bits of the upper half, clone3 only. */
const CLONE_CLEAR_SIGHAND_HI = 1, CLONE_INTO_CGROUP_HI = 2;
/** What the host's clone is asked for as well: it acts on the guest's memory. */
const HOST_FLAGS = Clone.VM | Clone.VFORK | Clone.SETTLS | Clone.PARENT_SETTID | Clone.CHILD_SETTID | Clone.CHILD_CLEARTID | Clone.PARENT;
const HOST_THREAD_FLAGS = Clone.THREAD | Clone.SIGHAND | Clone.FS | Clone.FILES | Clone.SYSVSEM;

interface CloneArgs {
  flags: number;
  clearSighand: boolean;
  exitSignal: number;
  /** Guest address for CLONE_PIDFD. */
  pidfdAddr: number;
}


/** Checks in Linux's order (copy_process): EINVAL for combinations that make no sense, EPERM for namespaces without privilege. */
export function checkFlags(k: Kernel, f: Frame, flags: number): number {
  if ((flags & Clone.FS) !== 0 && (flags & (Clone.NEWNS | Clone.NEWUSER)) !== 0) return -E.EINVAL;
  if ((flags & Clone.THREAD) !== 0 && (flags & Clone.SIGHAND) === 0) return -E.EINVAL;
  if ((flags & Clone.SIGHAND) !== 0 && (flags & Clone.VM) === 0) return -E.EINVAL;
  if ((flags & Clone.PARENT) !== 0 && k.procOf(f.tg).parent === undefined) return -E.EINVAL;
  if ((flags & Clone.THREAD) !== 0 && (flags & (Clone.NEWUSER | Clone.NEWPID)) !== 0) return -E.EINVAL;
  if ((flags & Clone.PIDFD) !== 0 && (flags & Clone.DETACHED) !== 0) return -E.EINVAL;
  // As Linux before 6.9: only processes have pidfds.
  if ((flags & Clone.PIDFD) !== 0 && (flags & Clone.THREAD) !== 0) return -E.EINVAL;
  // Namespaces inside a container are not there, whatever the caller's capabilities.
  if ((flags & NAMESPACES) !== 0) return -E.EPERM;
  return 0;
}

function readLegacy(f: Frame, out: CloneArgs): number {
  const flags = f.argU32(0);
  out.flags = (flags & ~CSIGNAL) >>> 0;
  out.exitSignal = flags & CSIGNAL;
  out.pidfdAddr = f.argU64(2);
  // Both store through the same pointer.
  if ((flags & Clone.PIDFD) !== 0 && (flags & Clone.PARENT_SETTID) !== 0) return -E.EINVAL;
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
  if ((lo & (Clone.DETACHED | (CSIGNAL & ~Clone.NEWTIME))) !== 0) return -E.EINVAL;
  if ((lo & Clone.SIGHAND) !== 0 && (hi & CLONE_CLEAR_SIGHAND_HI) !== 0) return -E.EINVAL;
  if ((lo & (Clone.THREAD | Clone.PARENT)) !== 0 && exitSignal !== 0) return -E.EINVAL;
  if ((word(40) === 0) !== (word(48) === 0)) return -E.EINVAL;
  if ((lo & Clone.NEWTIME) !== 0) return -E.EPERM;
  // There are no cgroups here, so no descriptor is one's directory.
  if ((hi & CLONE_INTO_CGROUP_HI) !== 0) return -E.EBADF;
  // Choosing pids needs CAP_CHECKPOINT_RESTORE over a pid namespace of one's own.
  if (word(72) !== 0) return -E.EPERM;
  out.flags = lo;
  out.clearSighand = (hi & CLONE_CLEAR_SIGHAND_HI) !== 0;
  out.exitSignal = exitSignal;
  out.pidfdAddr = word(8);
  return 0;
}


/** clone(2). Errors: EINVAL, EPERM (flags), EAGAIN (RLIMIT_NPROC, tables or slots full), EFAULT (CLONE_PIDFD), ENOMEM. */
function sys_clone(k: Kernel, f: Frame, read: (f: Frame, out: CloneArgs) => number): number {
  const a: CloneArgs = { flags: 0, clearSighand: false, exitSignal: 0, pidfdAddr: 0 };
  let r = read(f, a);
  if (r < 0) return r;
  r = checkFlags(k, f, a.flags);
  if (r < 0) return r;
  if (nprocFull(k, f.task)) return -E.EAGAIN;
  if ((a.flags & Clone.PIDFD) !== 0) {
    // The number is stored when the child is there, too late to fail: whether it can be is seen now.
    host.scratchView.setInt32(host.STRUCT, -1, true);
    r = f.copyOut(a.pidfdAddr, host.STRUCT, 4);
    if (r < 0) return r;
  }
  return (a.flags & Clone.THREAD) !== 0 ? makeThread(k, f, a) : makeProcess(k, f, a);
}

interface Plan { readonly newArea: number; readonly flags: number; readonly exitSignal: number; readonly clearSighand: boolean }

function reply(f: Frame, e: Embryo, p: Plan): number {
  const v = f.view;
  const at = f.payload;
  f.bytes.fill(0, at, at + L.CLONEPLAN_SIZE);
  v.setUint32(at + L.CLONEPLAN_SLOT, L.taskSlot(e.task) % L.SLOT_MAX, true);
  v.setUint32(at + L.CLONEPLAN_PCTX, L.tgPctx(L.taskTg(e.task)), true);
  v.setUint32(at + L.CLONEPLAN_NEW_AREA, p.newArea, true);
  v.setUint32(at + L.CLONEPLAN_FLAGS, p.flags >>> 0, true);
  v.setUint32(at + L.CLONEPLAN_EMBRYO, e.task, true);
  v.setUint32(at + L.CLONEPLAN_EXIT_SIGNAL, p.exitSignal, true);
  v.setUint32(at + L.CLONEPLAN_CLEAR_SIGHAND, p.clearSighand ? 1 : 0, true);
  f.replyBytes = L.CLONEPLAN_SIZE;
  f.setReplyFlag(L.RF_CLONE);
  return 0;
}

function makeThread(k: Kernel, f: Frame, a: CloneArgs): number {
  L.setMetaBirths(1, 1);
  const p = k.procOf(f.tg);
  const task = allocThread(k, f.tg, p.mm.area);
  if (task === 0) return -E.EAGAIN;
  const e: Embryo = { task, proc: undefined, parent: p, parentTask: f.task, flags: a.flags, pidfdAddr: 0, creator: p, token: -1, armed: false, filled: false };
  if (!fill(k, e, f.task, 0)) { undo(k, e); return -E.EAGAIN; }
  native.slotStore(L.taskSlot(task), L.SLOT_PCTX, L.tgPctx(f.tg));
  addEmbryo(k, e);
  return reply(f, e, { newArea: 0, flags: a.flags & (HOST_FLAGS | HOST_THREAD_FLAGS), exitSignal: 0, clearSighand: false });
}

function makeProcess(k: Kernel, f: Frame, a: CloneArgs): number {
  const caller = k.procOf(f.tg);
  const shareMm = (a.flags & Clone.VM) !== 0;
  const child = allocChild(k, caller, shareMm ? caller.mm : undefined, f.slot % L.SLOT_MAX);
  if (typeof child === 'number') return child;
  const { proc, task, ctlNeed } = child;
  const parent = (a.flags & Clone.PARENT) !== 0 ? caller.parent ?? caller : caller;
  const exitSignal = (a.flags & Clone.PARENT) !== 0 ? L.tgExitSignal(caller.tg) : a.exitSignal;
  const e: Embryo = { task, proc, parent, parentTask: f.task, flags: a.flags, pidfdAddr: a.pidfdAddr, creator: caller, token: -1, armed: false, filled: false };
  if (!fill(k, e, f.task, exitSignal)) { undo(k, e); return -E.ENOMEM; }
  if (!addEmbryo(k, e)) return -E.EAGAIN;
  f.setCtlNeed(ctlNeed);
  if (shareMm) {
    // Beside its parent's; a copying child's stub copies its own.
    native.pctxInit(proc.mm.area, L.tgPctx(proc.tg), caller.mm.area, L.tgPctx(caller.tg), a.clearSighand ? 1 : 0);
  }
  if ((a.flags & Clone.FILES) !== 0) unshareGrants(f.tg, shareMm ? proc.tg : f.tg, L.taskFiles(task));
  return reply(f, e, { newArea: shareMm ? 2 : 1, flags: a.flags & HOST_FLAGS, exitSignal: exitSignal === SIGCHLD ? SIGCHLD : 0, clearSighand: a.clearSighand });
}

/**
 * CLONE_FILES between processes: each has its own host fd table, so nothing may be granted from here on.
 * Host fds that were granted before stay open in both until they end: what one closes the other's host still holds, which only who waits for the end of a pipe could tell.
 */
function unshareGrants(a: number, b: number, files: number): void {
  L.setFilesSharedUnlike(files, 1);
  const top = Math.min(L.filesTop(files), L.HINT_FDS);
  for (let fd = 0; fd < top; fd++) {
    for (const tg of [a, b]) native.hintSet(tg, fd, native.hintGet(tg, fd) & L.HINT_OWNER);
  }
}

export function installClone(k: Kernel): void {
  const fork: CloneArgs = { flags: 0, clearSighand: false, exitSignal: SIGCHLD, pidfdAddr: 0 };
  k.ep.handle(NR.NR_clone, (f) => sys_clone(k, f, readLegacy));
  k.ep.handle(NR.NR_clone3, (f) => sys_clone(k, f, readClone3));
  k.ep.handle(NR.NR_fork, (f) => sys_clone(k, f, (_f, out) => { Object.assign(out, fork); return 0; }));
  k.ep.handle(NR.NR_vfork, (f) => sys_clone(k, f, (_f, out) => { Object.assign(out, fork, { flags: Clone.VM | Clone.VFORK }); return 0; }));
  k.ep.handle(L.NR_CLONE_BEGIN, (f) => begin(k, f));
  k.ep.handle(L.NR_CLONE_COMMIT, (f) => commit(k, f));
  k.onGroupEnd = (p): void => {
    dropEmbryosOf(k, p);
    vforkOver(k, p);
  };
  k.onOrphans = adoptEmbryos;
  k.ep.catchUp = whenBorn;
  installSpares(k);
  installPidfd(k);
}
