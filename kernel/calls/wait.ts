/**
 * wait4, waitid.
 *
 * Parked on Proc.waiters of the caller's process: woken by a child's death, stop, continuation, commit, and by a
 * signal (-ERESTARTSYS). Children that are being made count: their parent may have the pid already.
 * Sources: wait(2), waitid(2) of man-pages 6.9. Deviations: ru_maxrss of dead children is 0 (the host has forgotten it by then);
 * of a child that has ended early (task-end.ts) the time that the host takes to take it apart is counted for nobody.
 */
import { E, Ret } from '../../shared/errno.js';
import { O_NONBLOCK } from '../../shared/fdcalls.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { TgState } from '../../shared/tasks.js';
import { Why } from '../../shared/wait.js';
import { expecting } from '../embryos.js';
import { type Kernel, type Proc, SIGCHLD, SIGCONT } from '../proc.js';
import { CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, endEarly, hearsSigchld, mayEndEarly, reap } from '../task-end.js';
import { CLD_TRAPPED, State, type Tracee } from '../ptrace/tracee.js';
import { pidfdOf } from './pidfd.js';
import { putRusage } from './rusage.js';

const WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x1000000, WNOTHREAD = 0x20000000, WALL = 0x40000000, WCLONE = 0x80000000 | 0;
const P_ALL = 0, P_PID = 1, P_PGID = 2, P_PIDFD = 3;
const INT_MIN = -0x80000000;

/** What is waited for. */
export interface WaitFor {
  /** P_ALL, P_PID, P_PGID. */
  which: number;
  id: number;
  options: number;
}

/** What was found: the child and what is to be said of it. */
export interface Found {
  child: Proc | undefined;
  /** Set when it is told as a task that the caller's process traces. */
  tracee: Tracee | undefined;
  /** CLD_*; 0 = nothing to tell yet. */
  code: number;
  /** wait(2) status word. */
  status: number;
}

function matches(c: Proc, w: WaitFor, task: number): boolean {
  if (w.which === P_PID && c.pid !== w.id) return false;
  if (w.which === P_PGID && L.tgPgid(c.tg) !== w.id) return false;
  if ((w.options & WNOTHREAD) !== 0 && c.creator !== task) return false;
  // A "clone child" is one that does not send SIGCHLD.
  return (w.options & WALL) !== 0 || (L.tgExitSignal(c.tg) !== SIGCHLD) === ((w.options & WCLONE) !== 0);
}

/** Look for a child with something to tell. Returns true when any child could be waited for at all. */
function findChild(p: Proc, w: WaitFor, task: number, out: Found): boolean {
  let any = false;
  out.child = undefined;
  out.tracee = undefined;
  out.code = 0;
  for (const c of p.children) {
    if (!matches(c, w, task)) continue;
    any = true;
    if (L.tgState(c.tg) === TgState.ZOMBIE) {
      if (c.hidden !== undefined || c.ghosts > 0) continue;
      if ((w.options & WEXITED) === 0) continue;
      const status = L.tgExitStatus(c.tg);
      out.status = status;
      out.code = codeOf(status);
    } else if (c.stopReport !== 0 && (w.options & WUNTRACED) !== 0) {
      out.status = (c.stopReport << 8) | 0x7f;
      out.code = CLD_STOPPED;
    } else if (c.contReport && (w.options & WCONTINUED) !== 0) {
      out.status = 0xffff;
      out.code = CLD_CONTINUED;
    } else continue;
    out.child = c;
    return true;
  }
  return findTracee(p, w, task, out) || any;
}

/** The same among the tasks that p's threads trace; __WCLONE and WUNTRACED make no difference to these. */
function findTracee(p: Proc, w: WaitFor, task: number, out: Found): boolean {
  let any = false;
  for (const t of p.tracees) {
    if (w.which === P_PID && t.tid !== w.id) continue;
    if (w.which === P_PGID && L.tgPgid(t.proc.tg) !== w.id) continue;
    if ((w.options & WNOTHREAD) !== 0 && t.tracerTask !== task) continue;
    any = true;
    // A dead leader comes after its threads.
    if (!t.waitable || (t.proc.hidden === t && t.proc.ghosts > 0)) continue;
    if (t.state === State.DEAD) {
      if ((w.options & WEXITED) === 0) continue;
      out.status = t.code;
      out.code = codeOf(t.code);
    } else {
      out.status = (t.code << 8) | 0x7f;
      out.code = CLD_TRAPPED;
    }
    out.child = t.proc;
    out.tracee = t;
    return true;
  }
  return any;
}

/** CLD_* of a death. */
function codeOf(status: number): number { return (status & 0x7f) === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED; }

const $found: Found = { child: undefined, tracee: undefined, code: 0, status: 0 };
const $want: WaitFor = { which: P_ALL, id: 0, options: 0 };

/** Park, or say why not: 1 = $found holds a child, 0 = WNOHANG and nothing yet, -ECHILD, -ERESTARTSYS, Ret.BLOCKED. usage: argument of the rusage asked for. */
function waitFor(k: Kernel, f: Frame, w: WaitFor, usage: number): number {
  const p = k.procOf(f.tg);
  let any = findChild(p, w, f.task, $found);
  if (any && $found.child === undefined && (w.options & (WEXITED | WNOHANG | WNOWAIT)) === WEXITED && f.argU64(usage) === 0) {
    const leaving = p.children.find((c) => c.leaving && matches(c, w, f.task) && mayEndEarly(k, c, p));
    if (leaving !== undefined) {
      endEarly(k, leaving);
      any = findChild(p, w, f.task, $found);
    }
  }
  if ($found.child !== undefined) return 1;
  if (!any && !expecting(p)) return -E.ECHILD;
  if ((w.options & WNOHANG) !== 0 && any) return 0;
  if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
  return k.ep.park(f, p.waiters);
}

/** The child has been told of: a zombie goes (with the host's zombie, by the stub), a stop is not told twice. */
function consume(k: Kernel, f: Frame, c: Proc, code: number, options: number): void {
  // A tracer hears of every signal.
  if (L.taskTracer(f.task) !== 0 || hearsSigchld(k.procOf(f.tg), f.slot)) f.setReplyFlag(L.RF_SIGNAL);
  if ((options & WNOWAIT) !== 0) return;
  const t = $found.tracee;
  if (t !== undefined) {
    if (code === CLD_TRAPPED) t.waitable = false; else k.trace.consumed(t);
    return;
  }
  if (code === CLD_STOPPED) { c.stopReport = 0; return; }
  if (code === CLD_CONTINUED) { c.contReport = false; return; }
  reap(k, c, f);
  const p = k.procOf(f.tg);
  if (p.children.length === 0 && p.tracees.length === 0 && !expecting(p)) p.tellChildless(true);
}

/** wait4(2). EINVAL (options), ESRCH (pid INT_MIN), ECHILD, EINTR. */
function sys_wait4(k: Kernel, f: Frame): number {
  const pid = f.argInt(0);
  const options = f.argInt(2);
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL)) !== 0) return -E.EINVAL;
  if (pid === INT_MIN) return -E.ESRCH;
  $want.options = options | WEXITED;
  if (pid === -1) $want.which = P_ALL;
  else if (pid > 0) { $want.which = P_PID; $want.id = pid; } else {
    // "Any child of the caller's group" means the group at the time of the call.
    if (f.why === Why.FIRST) f.p[0] = pid === 0 ? L.tgPgid(f.tg) : -pid;
    $want.which = P_PGID;
    $want.id = f.p[0] as number;
  }
  const r = waitFor(k, f, $want, 3);
  if (r !== 1) return r;
  const c = $found.child as Proc;
  const status = f.outOff(1);
  if (status >= 0) { f.view.setInt32(status, $found.status, true); f.setOut(1, 4); }
  putRusage(f, 3, c);
  const ret = $found.tracee?.tid ?? c.pid;
  consume(k, f, c, $found.code, options);
  return ret;
}

/** waitid(2): idtype and id into $want; 0 or -errno. */
function readIds(f: Frame): number {
  const id = f.argInt(1);
  switch (f.argInt(0)) {
    case P_ALL: $want.which = P_ALL; return 0;
    case P_PID: $want.which = P_PID; $want.id = id; return id <= 0 ? -E.EINVAL : 0;
    case P_PGID:
      if (id < 0) return -E.EINVAL;
      if (f.why === Why.FIRST) f.p[0] = id === 0 ? L.tgPgid(f.tg) : id;
      $want.which = P_PGID;
      $want.id = f.p[0] as number;
      return 0;
    case P_PIDFD: {
      if (id < 0) return -E.EINVAL;
      const o = pidfdOf(f, id);
      if (o < 0) return o;
      f.p[1] = (L.ofdFlags(o) & O_NONBLOCK) !== 0 ? 1 : 0;
      $want.which = P_PID;
      $want.id = L.ofdObj(o);
      return 0;
    }
    default: return -E.EINVAL;
  }
}

/** waitid(2). EINVAL (options, idtype, id), EBADF (P_PIDFD), ECHILD, EAGAIN (non-blocking pidfd), EINTR. */
function sys_waitid(k: Kernel, f: Frame): number {
  const options = f.argInt(3);
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL)) !== 0) return -E.EINVAL;
  if ((options & (WEXITED | WUNTRACED | WCONTINUED)) === 0) return -E.EINVAL;
  const bad = readIds(f);
  if (bad < 0) return bad;
  const nonblock = (f.p[1] as number) !== 0;
  $want.options = options | (nonblock ? WNOHANG : 0);
  const r = waitFor(k, f, $want, 4);
  if (r === Ret.BLOCKED || r < 0) return r;
  const info = f.outOff(2);
  if (info >= 0) { f.bytes.fill(0, info, info + 32); f.setOut(2, 32); }
  if (r === 0) return nonblock && (options & WNOHANG) === 0 ? -E.EAGAIN : 0;
  const c = $found.child as Proc;
  if (info >= 0) putInfo(f, info, c);
  putRusage(f, 4, c);
  consume(k, f, c, $found.code, options);
  return 0;
}

/** siginfo_t: si_signo 0, si_errno 4, si_code 8, si_pid 16, si_uid 20, si_status 24. */
function putInfo(f: Frame, at: number, c: Proc): void {
  const { code, status } = $found;
  const v = f.view;
  v.setInt32(at, SIGCHLD, true);
  v.setInt32(at + 8, code, true);
  v.setInt32(at + 16, $found.tracee?.tid ?? c.pid, true);
  v.setUint32(at + 20, L.credUid(L.taskCred(L.tgLeader(c.tg))), true);
  v.setInt32(at + 24, code === CLD_CONTINUED ? SIGCONT : code === CLD_TRAPPED ? status >> 8 : code === CLD_EXITED || code === CLD_STOPPED ? (status >> 8) & 0xff : status & 0x7f, true);
}

export function installWait(k: Kernel): void {
  k.ep.handle(NR.NR_wait4, (f) => sys_wait4(k, f));
  k.ep.handle(NR.NR_waitid, (f) => sys_waitid(k, f));
}
