/**
 * Taking signals: the stub's NR_SIG_FETCH and NR_SIG_ENACT, and the calls that wait for one: rt_sigsuspend, pause, rt_sigtimedwait, rt_sigpending.
 * The masks are swapped by the stub before it posts (docs/internals.md §6). Source: sigsuspend(2), sigtimedwait(2), sigpending(2).
 */
import { nowNs, readTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { taskByTid } from '../../../shared/tasks.js';
import { WaitQueue, Why } from '../../../shared/wait.js';
import type { Delivery } from '../delivery.js';
import { writeSiginfo } from '../siginfo.js';

/** Tasks that sleep until any signal is delivered; nobody wakes it but a cancel. */
const never = new WaitQueue();

/** NR_SIG_FETCH: the next signal whose handler must run, as a `sigdelivery` at payload offset 0. */
function sigFetch(d: Delivery, f: Frame): number {
  const s = d.next(f.tg, f.task);
  // A process that is being killed gets no answer: its stub must not run one more guest instruction.
  if (s === 'dead') return Ret.BLOCKED;
  const at = f.payload;
  f.bytes.fill(0, at, at + L.SIGDELIVERY_SIZE);
  f.replyBytes = L.SIGDELIVERY_SIZE;
  if (s === undefined) return 0;
  if (s === 'trap') { f.bytes.writeUInt32LE(L.SIGACT_TRAP, at + L.SIGDELIVERY_ACTION); return 0; }
  f.bytes.writeInt32LE(s.signo, at + L.SIGDELIVERY_SIGNO);
  writeSiginfo(f.bytes, at + L.SIGDELIVERY_INFO, s);
  return 0;
}

/** rt_sigsuspend(2), pause(2): until a handler has run. */
function sleepForSignal(ep: Endpoint, f: Frame): number {
  if (f.why === Why.SIGNAL) return -E.ERESTARTNOHAND;
  return ep.park(f, never);
}

/** rt_sigtimedwait(2). EAGAIN (timeout), EINTR, EINVAL. */
function sys_rt_sigtimedwait(ep: Endpoint, d: Delivery, f: Frame): number {
  const set = f.inOff(0);
  if (set < 0) return set;
  if (f.argU64(3) !== 8) return -E.EINVAL;
  if (f.why === Why.FIRST && f.argU64(2) !== 0) {
    const t = f.inOff(2);
    if (t < 0) return t;
    const ns = readTimespec(f.view, t);
    if (Number.isNaN(ns)) return -E.EINVAL;
    f.deadlineNs = nowNs() + ns;
  }
  const s = d.take(f.tg, f.task, f.bytes.readUInt32LE(set), f.bytes.readUInt32LE(set + 4));
  if (s !== undefined) {
    if (f.argU64(1) !== 0) {
      const out = f.outOff(1);
      if (out < 0) return out;
      writeSiginfo(f.bytes, out, s);
      f.setOut(1, 128);
    }
    return s.signo;
  }
  if (f.why === Why.SIGNAL) return -E.EINTR;
  if (f.why === Why.TIMEOUT || f.deadlineNs <= nowNs()) return -E.EAGAIN;
  return ep.park(f, d.group(f.tg).waiters);
}

/** rt_sigpending(2), when the stub's fast path is off. */
function sys_rt_sigpending(d: Delivery, f: Frame): number {
  if (f.argU64(1) > 8) return -E.EINVAL;
  const out = f.outOff(0);
  if (out < 0) return out;
  f.bytes.writeUInt32LE((d.pendingLo(f.tg, f.task) & native.slotLoad(f.slot, L.SLOT_SIGMASK)) >>> 0, out);
  f.bytes.writeUInt32LE((d.pendingHi(f.tg, f.task) & native.slotLoad(f.slot, L.SLOT_SIGMASK + 4)) >>> 0, out + 4);
  f.setOut(0, f.argU64(1));
  return 0;
}

const PEEKSIGINFO_SHARED = 1;

/**
 * ptrace(PTRACE_PEEKSIGINFO, pid, args, siginfos), which the kernel server leaves to this one when the tracee is stopped: what is pending for the task, or (SHARED) for its
 * process. args: off u64, flags u32, nr i32. How many were copied; EFAULT, EINVAL (flags, nr). ptrace(2).
 */
function peekSiginfo(d: Delivery, f: Frame): number {
  const at = host.DATA;
  if (f.copyIn(f.argU64(2), at, 16) < 0) return -E.EFAULT;
  const v = host.scratchView;
  const off = v.getUint32(at, true) + v.getUint32(at + 4, true) * 4294967296;
  const flags = v.getUint32(at + 8, true);
  const nr = v.getInt32(at + 12, true);
  if ((flags & ~PEEKSIGINFO_SHARED) !== 0 || nr < 0) return -E.EINVAL;
  const task = taskByTid(f.argInt(1));
  for (let i = 0; i < nr; i++) {
    const s = task === 0 ? undefined : d.peek(task, (flags & PEEKSIGINFO_SHARED) !== 0, off + i);
    if (s === undefined) return i;
    writeSiginfo(host.scratch, at, s);
    if (f.copyOut(f.argU64(3) + i * L.SIGINFO_SIZE, at, L.SIGINFO_SIZE) < 0) return i > 0 ? i : -E.EFAULT;
  }
  return nr;
}

export function installWait(ep: Endpoint, d: Delivery): void {
  ep.handle(L.NR_SIG_FLUSH, (f) => { d.flushIgnored(f.tg, f.argInt(0)); return 0; });
  ep.handle(L.NR_SIG_FETCH, (f) => {
    const r = sigFetch(d, f);
    return r === Ret.BLOCKED ? ep.park(f, never) : r;
  });
  ep.handle(L.NR_SIG_ENACT, (f) => (d.enact(f.tg, f.argInt(0)) === 'dead' ? ep.park(f, never) : 0));
  ep.handle(NR.NR_ptrace, (f) => peekSiginfo(d, f));
  ep.handle(NR.NR_rt_sigsuspend, (f) => sleepForSignal(ep, f));
  ep.handle(NR.NR_pause, (f) => sleepForSignal(ep, f));
  ep.handle(NR.NR_rt_sigtimedwait, (f) => sys_rt_sigtimedwait(ep, d, f));
  ep.handle(NR.NR_rt_sigpending, (f) => sys_rt_sigpending(d, f));
}
