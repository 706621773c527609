/**
 * ptrace(2): what a tracer asks for. Its tracees' stops are in kernel/ptrace/.
 *
 *   long ptrace(op, pid, addr, data)
 *
 * Errors, in Linux's order: ESRCH (no such task; not traced by the calling thread; not stopped, for all but KILL and INTERRUPT), then by request: EPERM (TRACEME, ATTACH,
 * SEIZE: may not be traced), EIO (request; address; signal number; offset in struct user), EFAULT, EINVAL (options; register set; no siginfo), ENOSPC (debug registers).
 * Source: man-pages 6.9, arch/x86 uapi ptrace.h. Deviations: debug registers are never free; what a seccomp filter traces does not exist; a
 * tracee's PTRACE_EVENT_EXIT is not seen when SIGKILL or another thread's exit_group ends it.
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { inStub } from '../../shared/stub-range.js';
import { TaskState, TgState, taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';
import { FP_BYTES, REGS_BYTES, Reg, loadRegs, loadXstate, storeRegs, storeXstate } from '../ptrace/regs.js';
import { installStops, putUserInfo } from '../ptrace/stops.js';
import { O_EXITKILL, SIGKILL, SIGSTOP, SIGTRAP, State, type Tracee, Tracing } from '../ptrace/tracee.js';
import { mayAttach } from './pidfd.js';

const enum Op {
  TRACEME = 0, PEEKTEXT = 1, PEEKDATA = 2, PEEKUSR = 3, POKETEXT = 4, POKEDATA = 5, POKEUSR = 6, CONT = 7, KILL = 8, SINGLESTEP = 9, GETREGS = 12, SETREGS = 13,
  GETFPREGS = 14, SETFPREGS = 15, ATTACH = 16, DETACH = 17, SYSCALL = 24, ARCH_PRCTL = 30, SYSEMU = 31, SYSEMU_SINGLESTEP = 32,
  SETOPTIONS = 0x4200, GETEVENTMSG = 0x4201, GETSIGINFO = 0x4202, SETSIGINFO = 0x4203, GETREGSET = 0x4204, SETREGSET = 0x4205, SEIZE = 0x4206, INTERRUPT = 0x4207,
  LISTEN = 0x4208, PEEKSIGINFO = 0x4209, GETSIGMASK = 0x420a, SETSIGMASK = 0x420b, GET_SYSCALL_INFO = 0x420e,
}

const O_MASK = 0xff | O_EXITKILL | 0x200000, O_SUSPEND_SECCOMP = 0x200000;
const NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_X86_XSTATE = 0x202;
const ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004;
const SI_KERNEL = 0x80;
const AUDIT_ARCH_X86_64 = 0xc000003e;
/** struct user: registers, then i387, then eight debug registers. */
const USER_BYTES = 928, USER_I387 = 224, USER_DEBUGREG = 848, USER_DEBUGREG_END = 912;
const UNMASKABLE_LO = (1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1));

const validSignal = (signo: number): boolean => signo >= 0 && signo <= 64;

// ---- who may ----

/** PTRACE_TRACEME. EPERM: traced already, or nobody's child. */
function traceme(k: Kernel, f: Frame): number {
  const p = k.procOf(f.tg);
  const { parent } = p;
  if (k.trace.of(f.task) !== undefined || parent === undefined || L.tgState(parent.tg) !== TgState.RUNNING) return -E.EPERM;
  k.trace.attach(f.task, p, parent, p.creator !== 0 && L.taskTg(p.creator) === parent.tg ? p.creator : L.tgLeader(parent.tg), false, 0);
  return 0;
}

/** PTRACE_ATTACH, PTRACE_SEIZE. */
function attach(k: Kernel, f: Frame, pid: number, seize: boolean): number {
  const options = f.argU64(3);
  if (seize && (f.argU64(2) !== 0 || (options & ~O_MASK) !== 0 || options > 0xffffffff)) return -E.EIO;
  if (seize) {
    const bad = checkOptions(options);
    if (bad < 0) return bad;
  }
  const task = taskByTid(pid);
  if (task === 0) return -E.ESRCH;
  const tg = L.taskTg(task);
  if (tg === f.tg || !mayAttach(f.task, tg) || L.taskState(task) !== TaskState.RUNNING || L.tgState(tg) !== TgState.RUNNING || k.trace.of(task) !== undefined) return -E.EPERM;
  const t = k.trace.attach(task, k.procOf(tg), k.procOf(f.tg), f.task, seize, seize ? options : 0);
  if (!seize) k.ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [task, SIGSTOP, SI_KERNEL, 0, 0]);
  if (L.tgStopped(tg) !== 0) {
    t.groupStop = true;
    k.trace.trap(task);
  }
  return 0;
}

function checkOptions(options: number): number {
  if ((options & ~O_MASK) !== 0) return -E.EINVAL;
  return (options & O_SUSPEND_SECCOMP) !== 0 ? -E.EINVAL : 0;
}

// ---- memory and registers ----

const put = (f: Frame, len: number): number => (f.copyOut(f.argU64(3), host.DATA, len) < 0 ? -E.EFAULT : 0);
const get = (f: Frame, len: number): number => (f.copyIn(f.argU64(3), host.DATA, len) < 0 ? -E.EFAULT : 0);

function peek(f: Frame, t: Tracee): number {
  const at = f.argU64(2);
  if (inStub(at, 8) || native.readMemory(t.proc.tg, at, host.DATA, 8) !== 8) return -E.EIO;
  return put(f, 8);
}

function poke(f: Frame, t: Tracee): number {
  const at = f.argU64(2);
  const v = host.scratchView;
  if (inStub(at, 8)) return -E.EIO;
  v.setUint32(host.DATA, f.argU32(3), true);
  v.setUint32(host.DATA + 4, f.argHi(3), true);
  return native.pokeMemory(t.proc.tg, at, host.DATA, 8) === 8 ? 0 : -E.EIO;
}

function peekUser(f: Frame, t: Tracee): number {
  const at = f.argU64(2);
  if (at % 8 !== 0 || at >= USER_BYTES) return -E.EIO;
  if (at < REGS_BYTES) {
    const r = loadRegs(t);
    if (r < 0) return r;
    host.scratch.copyWithin(host.DATA, host.DATA + at, host.DATA + at + 8);
  } else if (at >= USER_I387 && at < USER_I387 + FP_BYTES) {
    const r = loadXstate(t);
    if (r < 0) return r;
    host.scratch.copyWithin(host.DATA, host.DATA + at - USER_I387, host.DATA + at - USER_I387 + 8);
  } else host.scratch.fill(0, host.DATA, host.DATA + 8);
  return put(f, 8);
}

function pokeUser(f: Frame, t: Tracee): number {
  const at = f.argU64(2);
  if (at % 8 !== 0 || at >= USER_BYTES) return -E.EIO;
  // As on a machine whose debug registers are all taken; clearing them is no change.
  if (at >= USER_DEBUGREG && at < USER_DEBUGREG_END) return f.argU64(3) === 0 ? 0 : -E.ENOSPC;
  if (at >= REGS_BYTES) return -E.EIO;
  const r = loadRegs(t);
  if (r < 0) return r;
  host.scratchView.setUint32(host.DATA + at, f.argU32(3), true);
  host.scratchView.setUint32(host.DATA + at + 4, f.argHi(3), true);
  return storeRegs(t);
}

/** Bytes of a register set, loaded into scratch; -EINVAL for one that is not there. */
function loadSet(t: Tracee, type: number): number {
  switch (type) {
    case NT_PRSTATUS: { const r = loadRegs(t); return r < 0 ? r : REGS_BYTES; }
    case NT_PRFPREG: { const r = loadXstate(t); if (r >= 0) host.scratch.fill(0, host.DATA + 464, host.DATA + FP_BYTES); return r < 0 ? r : FP_BYTES; }
    case NT_X86_XSTATE: return loadXstate(t);
    default: return -E.EINVAL;
  }
}

/** PTRACE_GETREGSET, PTRACE_SETREGSET: data is a struct iovec, whose length becomes what was moved. */
function regset(f: Frame, t: Tracee, set: boolean): number {
  const v = host.scratchView;
  const type = f.argU32(2);
  if (get(f, 16) < 0) return -E.EFAULT;
  const base = v.getUint32(host.DATA, true) + v.getUint32(host.DATA + 4, true) * 4294967296;
  const room = v.getUint32(host.DATA + 8, true) + v.getUint32(host.DATA + 12, true) * 4294967296;
  const size = loadSet(t, type);
  if (size < 0) return size;
  if (room % 8 !== 0) return -E.EINVAL;
  const len = Math.min(size, room);
  if (set) {
    if (type === NT_X86_XSTATE && len !== size) return -E.EFAULT;
    if (f.copyIn(base, host.DATA, len) < 0) return -E.EFAULT;
    // The rest is as loaded.
    const r = type === NT_PRSTATUS ? storeRegs(t) : storeXstate(t, type === NT_PRFPREG ? FP_BYTES : size);
    if (r < 0) return r;
  } else if (f.copyOut(base, host.DATA, len) < 0) return -E.EFAULT;
  v.setUint32(host.DATA, len, true);
  v.setUint32(host.DATA + 4, 0, true);
  return f.copyOut(f.argU64(3) + 8, host.DATA, 8) < 0 ? -E.EFAULT : 0;
}

/** PTRACE_ARCH_PRCTL: addr is where the value goes, or the value; data the operation. */
function archPrctl(f: Frame, t: Tracee): number {
  const r = loadRegs(t);
  if (r < 0) return r;
  const v = host.scratchView;
  switch (f.argInt(3)) {
    case ARCH_SET_FS:
      v.setUint32(host.DATA + 8 * Reg.FS_BASE, f.argU32(2), true);
      v.setUint32(host.DATA + 8 * Reg.FS_BASE + 4, f.argHi(2), true);
      return storeRegs(t) < 0 ? -E.EPERM : 0;
    case ARCH_GET_FS: case ARCH_GET_GS: {
      const at = host.DATA + 8 * (f.argInt(3) === ARCH_GET_FS ? Reg.FS_BASE : Reg.GS_BASE);
      return f.copyOut(f.argU64(2), at, 8) < 0 ? -E.EFAULT : 0;
    }
    default: return -E.EINVAL;
  }
}

// ---- signals and calls ----

/** Has the stop a siginfo: every one but a group stop of an attached task. */
const hasInfo = (t: Tracee): boolean => t.kind !== L.PTSTOP_TRAP || t.seized;

function getSiginfo(f: Frame, t: Tracee): number {
  if (!hasInfo(t)) return -E.EINVAL;
  const v = host.scratchView;
  if (t.kind === L.PTSTOP_SIGNAL) {
    if (native.readMemory(t.proc.tg, t.at + L.PTSTOP_INFO, host.DATA, L.SIGINFO_SIZE) !== L.SIGINFO_SIZE) return -E.EIO;
    return put(f, L.SIGINFO_SIZE);
  }
  host.scratch.fill(0, host.DATA, host.DATA + L.SIGINFO_SIZE);
  v.setInt32(host.DATA, t.kind === L.PTSTOP_TRAP ? t.code & 0x7f : SIGTRAP, true);
  v.setInt32(host.DATA + 8, t.code, true);
  v.setInt32(host.DATA + 16, t.tid, true);
  v.setUint32(host.DATA + 20, t.uid, true);
  return put(f, L.SIGINFO_SIZE);
}

function setSiginfo(f: Frame, t: Tracee): number {
  if (get(f, L.SIGINFO_SIZE) < 0) return -E.EFAULT;
  if (!hasInfo(t)) return -E.EINVAL;
  if (t.kind !== L.PTSTOP_SIGNAL) return 0;
  return native.writeMemory(t.proc.tg, t.at + L.PTSTOP_INFO, host.DATA, L.SIGINFO_SIZE) === L.SIGINFO_SIZE ? 0 : -E.EIO;
}

/** PTRACE_GETSIGMASK, PTRACE_SETSIGMASK: addr is the size of a set. */
function sigmask(f: Frame, t: Tracee, set: boolean): number {
  if (f.argU64(2) !== 8) return -E.EINVAL;
  const slot = L.taskSlot(t.task);
  const v = host.scratchView;
  const off = native.slotLoad(slot, L.SLOT_SAVED_MASK_VALID) !== 0 ? L.SLOT_SAVED_MASK : L.SLOT_SIGMASK;
  if (!set) {
    for (let i = 0; i < 2; i++) v.setUint32(host.DATA + 4 * i, native.slotLoad(slot, off + 4 * i) >>> 0, true);
    return put(f, 8);
  }
  if (get(f, 8) < 0) return -E.EFAULT;
  native.slotStore(slot, L.SLOT_SIGMASK, (v.getUint32(host.DATA, true) & ~UNMASKABLE_LO) >>> 0);
  native.slotStore(slot, L.SLOT_SIGMASK + 4, v.getUint32(host.DATA + 4, true));
  return 0;
}

/** struct ptrace_syscall_info: op 0, arch 4, ip 8, sp 16, then entry (nr, args) or exit (rval, is_error) from 24 on. Bytes that there are to tell. */
function syscallInfo(f: Frame, t: Tracee): number {
  const r = loadRegs(t);
  if (r < 0) return r;
  const s = host.scratch;
  const v = host.scratchView;
  const regs = host.DATA;
  const at = host.DATA + 512;
  const word = (reg: Reg, off: number): void => { s.copyWithin(at + off, regs + 8 * reg, regs + 8 * reg + 8); };
  const told = (t.code & 0x80) !== 0;
  const entry = told && t.kind === L.PTSTOP_ENTRY;
  const exit = told && t.kind === L.PTSTOP_EXIT;
  s.fill(0, at, at + 88);
  v.setUint8(at, entry ? 1 : exit ? 2 : 0);
  v.setUint32(at + 4, AUDIT_ARCH_X86_64, true);
  word(Reg.RIP, 8);
  word(Reg.RSP, 16);
  let len = 24;
  if (entry) {
    word(Reg.ORIG_RAX, 24);
    [Reg.RDI, Reg.RSI, Reg.RDX, Reg.R10, Reg.R8, Reg.R9].forEach((reg, i) => { word(reg, 32 + 8 * i); });
    len = 80;
  } else if (exit) {
    word(Reg.RAX, 24);
    const lo = v.getUint32(at + 24, true);
    v.setUint8(at + 32, v.getUint32(at + 28, true) === 0xffffffff && lo >= 0xfffff001 ? 1 : 0);
    len = 33;
  }
  const room = Math.min(f.argU64(2), len);
  return f.copyOut(f.argU64(3), at, room) < 0 ? -E.EFAULT : len;
}

// ---- going on ----

/** CONT and its kin, DETACH. EIO: no such signal. */
function goOn(k: Kernel, f: Frame, t: Tracee, mode: number): number {
  const signo = f.argU64(3);
  if (!validSignal(signo)) return -E.EIO;
  if (t.kind === L.PTSTOP_SIGNAL && signo !== 0 && signo !== (t.code & 0x7f)) putUserInfo(t, signo, L.tgTgid(t.tracer.tg), L.credUid(L.taskCred(f.task)));
  if (mode < 0) k.trace.detach(t, signo); else k.trace.resume(t, signo, mode);
  return 0;
}

/** EIO: it is in another stop than one of PTRACE_EVENT_STOP. */
function listen(k: Kernel, t: Tracee): number {
  if (!t.seized || t.kind !== L.PTSTOP_TRAP) return -E.EIO;
  k.trace.listen(t);
  return 0;
}

function stopped(k: Kernel, f: Frame, t: Tracee, op: number): number {
  switch (op) {
    case Op.PEEKTEXT: case Op.PEEKDATA: return peek(f, t);
    case Op.POKETEXT: case Op.POKEDATA: return poke(f, t);
    case Op.PEEKUSR: return peekUser(f, t);
    case Op.POKEUSR: return pokeUser(f, t);
    case Op.CONT: return goOn(k, f, t, 0);
    case Op.SYSCALL: return goOn(k, f, t, L.PT_SYSCALL);
    case Op.SINGLESTEP: return goOn(k, f, t, L.PT_STEP);
    case Op.SYSEMU: return goOn(k, f, t, L.PT_EMULATE);
    case Op.SYSEMU_SINGLESTEP: return goOn(k, f, t, L.PT_EMULATE | L.PT_STEP);
    case Op.DETACH: return goOn(k, f, t, -1);
    case Op.GETREGS: { const r = loadRegs(t); return r < 0 ? r : put(f, REGS_BYTES); }
    case Op.SETREGS: { const r = get(f, REGS_BYTES); return r < 0 ? r : storeRegs(t); }
    case Op.GETFPREGS: { const r = loadSet(t, NT_PRFPREG); return r < 0 ? r : put(f, FP_BYTES); }
    case Op.SETFPREGS: { const r = get(f, FP_BYTES); return r < 0 ? r : storeXstate(t, FP_BYTES); }
    case Op.GETREGSET: return regset(f, t, false);
    case Op.SETREGSET: return regset(f, t, true);
    case Op.ARCH_PRCTL: return archPrctl(f, t);
    case Op.GETSIGINFO: return getSiginfo(f, t);
    case Op.SETSIGINFO: return setSiginfo(f, t);
    case Op.PEEKSIGINFO: return k.ep.forward(f, L.SRV_SIGNAL);
    case Op.GETSIGMASK: return sigmask(f, t, false);
    case Op.SETSIGMASK: return sigmask(f, t, true);
    case Op.GET_SYSCALL_INFO: return syscallInfo(f, t);
    case Op.LISTEN: return listen(k, t);
    case Op.SETOPTIONS: {
      const bad = checkOptions(f.argU64(3) > 0xffffffff ? ~O_MASK : f.argU32(3));
      if (bad === 0) t.options = f.argU32(3);
      return bad;
    }
    case Op.GETEVENTMSG:
      host.scratchView.setUint32(host.DATA, t.message >>> 0, true);
      host.scratchView.setUint32(host.DATA + 4, 0, true);
      return put(f, 8);
    default: return -E.EIO;
  }
}

function sys_ptrace(k: Kernel, f: Frame): number {
  const op = f.argInt(0);
  const pid = f.argInt(1);
  if (op === Op.TRACEME) return traceme(k, f);
  if (op === Op.ATTACH || op === Op.SEIZE) return attach(k, f, pid, op === Op.SEIZE);
  const t = k.trace.of(taskByTid(pid));
  if (t === undefined || t.tracerTask !== f.task) return -E.ESRCH;
  if (op === Op.KILL) {
    k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [t.proc.tg, SIGKILL, SI_KERNEL, 0, 0]);
    return 0;
  }
  if (op === Op.INTERRUPT) {
    if (!t.seized) return -E.EIO;
    k.trace.interrupt(t);
    return 0;
  }
  return t.state === State.STOPPED ? stopped(k, f, t, op) : -E.ESRCH;
}

export function installPtrace(k: Kernel): void {
  k.trace = new Tracing(k);
  installStops(k);
  k.ep.handle(NR.NR_ptrace, (f) => sys_ptrace(k, f));
}
