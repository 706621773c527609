/**
 * NR_PTRACE_STOP(ptstop, kind, what, message): a traced task is at a place where it may have to stop. The answer is the signal to deliver (PTSTOP_SIGNAL,
 * PTSTOP_TRAP), 0 = none, with PTSTOP_FETCH if one was sent that must be fetched.
 *
 *   f.p[0]: ASKED ─► (EVENT of a clone: until the child is known; VFORKED: until it has a memory of its own) ─► HELD, woken by the tracer
 *                 └► FROZEN: not traced, but its process is stopped; woken by SIGCONT
 *
 * Death alone interrupts any of these waits, as on Linux.
 */
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { TgState } from '../../shared/tasks.js';
import { expecting } from '../embryos.js';
import type { Kernel, Proc } from '../proc.js';
import { Event, O_TRACESYSGOOD, SIGSTOP, SIGTRAP, Tracee, type Tracing } from './tracee.js';

const enum Phase { ASKED, HELD, FROZEN }
/** PTRACE_EVENTMSG_SYSCALL_ENTRY, _EXIT. */
const MSG_ENTRY = 1, MSG_EXIT = 2;

/** Write a siginfo of kill(2) into a stopped task's ptstop. */
export function putUserInfo(t: Tracee, signo: number, pid: number, uid: number): void {
  const v = host.scratchView;
  host.scratch.fill(0, host.DATA, host.DATA + L.SIGINFO_SIZE);
  v.setInt32(host.DATA, signo, true);
  v.setInt32(host.DATA + 16, pid, true);
  v.setUint32(host.DATA + 20, uid, true);
  native.writeMemory(t.proc.tg, t.at + L.PTSTOP_INFO, host.DATA, L.SIGINFO_SIZE);
}

/** The child's program runs in the memory that its parent waits for. */
function borrows(k: Kernel, parent: Proc, pid: number): boolean {
  const c = k.byPid.get(pid);
  return c === undefined ? expecting(parent) : !c.ended && L.tgState(c.tg) === TgState.RUNNING && c.mm === parent.mm;
}

function hold(k: Kernel, f: Frame, t: Tracee, kind: number, code: number, message: number): number {
  k.trace.stop(t, kind, f.argU64(0), code, message);
  f.p[0] = Phase.HELD;
  f.obj = t;
  return k.ep.park(f, t.queue);
}

/** A place that no signal brought it to: its first stop, PTRACE_INTERRUPT, or its process has stopped. */
function trapped(k: Kernel, f: Frame, t: Tracee): number {
  if (t.newborn) {
    t.newborn = false;
    if (t.seized) { t.interrupt = false; return hold(k, f, t, L.PTSTOP_TRAP, k.trace.trapCode(t), 0); }
    const r = hold(k, f, t, L.PTSTOP_SIGNAL, SIGSTOP, 0);
    putUserInfo(t, SIGSTOP, 0, 0);
    return r;
  }
  const grouped = t.groupStop && L.tgStopped(f.tg) !== 0;
  if (!grouped && !t.interrupt) return 0;
  t.groupStop = false;
  t.interrupt = false;
  return hold(k, f, t, L.PTSTOP_TRAP, k.trace.trapCode(t), 0);
}

function event(k: Kernel, f: Frame, t: Tracee, which: number, message: number): number {
  if ((t.options & (1 << which)) === 0) return 0;
  const p = k.procOf(f.tg);
  if (which <= Event.CLONE && !k.byTid.has(message) && expecting(p)) return k.ep.park(f, p.waiters);
  return hold(k, f, t, L.PTSTOP_EVENT, SIGTRAP | (which << 8), which === Event.EXEC ? t.formerTid : message);
}

function asked(k: Kernel, f: Frame): number {
  const tracing: Tracing = k.trace;
  const t = tracing.of(f.task);
  const kind = f.argInt(1);
  const what = f.argInt(2);
  if (kind === L.PTSTOP_VFORKED && borrows(k, k.procOf(f.tg), f.argU32(3))) return k.ep.park(f, tracing.vforks);
  if (t === undefined) {
    if (kind === L.PTSTOP_SIGNAL) return what;
    if (kind !== L.PTSTOP_TRAP || L.tgStopped(f.tg) === 0) return 0;
    f.p[0] = Phase.FROZEN;
    return k.ep.park(f, tracing.frozen);
  }
  const good = (t.options & O_TRACESYSGOOD) !== 0 ? SIGTRAP | 0x80 : SIGTRAP;
  switch (kind) {
    case L.PTSTOP_ENTRY: return hold(k, f, t, kind, good, MSG_ENTRY);
    case L.PTSTOP_EXIT: return hold(k, f, t, kind, good, MSG_EXIT);
    case L.PTSTOP_SIGNAL: return hold(k, f, t, kind, what, 0);
    case L.PTSTOP_STEP: return hold(k, f, t, kind, SIGTRAP, 0);
    case L.PTSTOP_TRAP: return trapped(k, f, t);
    case L.PTSTOP_EVENT: case L.PTSTOP_VFORKED: return event(k, f, t, what, f.argU32(3));
    default: return 0;
  }
}

function ptraceStop(k: Kernel, f: Frame): number {
  if (f.p[0] === Phase.HELD && f.obj instanceof Tracee) {
    const t = f.obj;
    if (t.resume < 0) return k.ep.park(f, t.queue);
    const ret = t.resume;
    t.resume = -1;
    return ret;
  }
  if (f.p[0] === Phase.FROZEN && L.tgStopped(f.tg) === 0) return 0;
  return asked(k, f);
}

export function installStops(k: Kernel): void {
  k.ep.handle(L.NR_PTRACE_STOP, (f) => ptraceStop(k, f));
}
