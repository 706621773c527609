/**
 * Process groups and sessions: setpgid, getpgid, getpgrp, setsid, getsid; and the plain ids. credentials(7), setpgid(2), setsid(2).
 *
 * A process asks for its own parent, group and session without a trip: tellKin leaves them in its pctx. They change by others too (setpgid by the parent, the
 * parent's death), and always here in the kernel, which tells before it answers or announces what changed them: who knows of the change finds it told.
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { native } from '../../shared/native.js';
import { TgState, pgrpExists, tgByPid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';

/** Tell a running process its parent, group and session, each plus 1. What does not run yet, or no longer, has no pctx that may be written. */
export function tellKin(tg: number): void {
  if (L.tgState(tg) !== TgState.RUNNING) return;
  const area = L.tgArea(tg), ix = L.tgPctx(tg);
  native.pctxStore(area, ix, L.PCTX_PPID, L.tgPpid(tg) + 1);
  native.pctxStore(area, ix, L.PCTX_PGID, L.tgPgid(tg) + 1);
  native.pctxStore(area, ix, L.PCTX_SID, L.tgSid(tg) + 1);
}

/**
 * setpgid(2), in Linux's order of checks:
 *   -EINVAL  pgid < 0
 *   -ESRCH   pid is neither the caller nor a child of it
 *   -EPERM   a child in another session
 *   -EACCES  a child that has called execve
 *   -EPERM   a session leader; or pgid names no group of the caller's session
 */
export function setpgid(callerTg: number, pidArg: number, pgidArg: number): number {
  const pid = pidArg === 0 ? L.tgTgid(callerTg) : pidArg;
  const pgid = pgidArg === 0 ? pid : pgidArg;
  if (pgid < 0) return -E.EINVAL;
  const tg = tgByPid(pid);
  if (tg === 0) return -E.ESRCH;
  if (L.tgParent(tg) === callerTg) {
    if (L.tgSid(tg) !== L.tgSid(callerTg)) return -E.EPERM;
    if (L.tgDidExec(tg) !== 0) return -E.EACCES;
  } else if (tg !== callerTg) return -E.ESRCH;
  if (L.tgSessionLeader(tg) !== 0) return -E.EPERM;
  if (pgid !== pid && !pgrpExists(pgid, L.tgSid(callerTg))) return -E.EPERM;
  L.setTgPgid(tg, pgid);
  tellKin(tg);
  return 0;
}

/** getpgid(2), getsid(2): ESRCH. Zombies have both. */
function idOf(f: Frame, pid: number, get: (tg: number) => number): number {
  const tg = pid === 0 ? f.tg : tgByPid(pid);
  return tg === 0 ? -E.ESRCH : get(tg);
}

/** setsid(2). EPERM: the caller leads a process group (its own, or one left with its number). */
export function setsid(tg: number): number {
  const pid = L.tgTgid(tg);
  if (L.tgSessionLeader(tg) !== 0 || pgrpExists(pid)) return -E.EPERM;
  L.setTgSid(tg, pid);
  L.setTgPgid(tg, pid);
  L.setTgSessionLeader(tg, 1);
  // A new session has no controlling terminal. vfs writes this word only for session leaders that open one.
  L.setTgCtty(tg, 0);
  tellKin(tg);
  return pid;
}

/** getppid(2): 0 for the first process. */
const sys_getppid = (f: Frame): number => (L.tgState(f.tg) === TgState.RUNNING ? L.tgPpid(f.tg) : 0);

export function installPgrp(k: Kernel): void {
  k.ep.handle(NR.NR_setpgid, (f) => setpgid(f.tg, f.argInt(0), f.argInt(1)));
  k.ep.handle(NR.NR_getpgid, (f) => idOf(f, f.argInt(0), L.tgPgid));
  k.ep.handle(NR.NR_getpgrp, (f) => L.tgPgid(f.tg));
  k.ep.handle(NR.NR_setsid, (f) => setsid(f.tg));
  k.ep.handle(NR.NR_getsid, (f) => idOf(f, f.argInt(0), L.tgSid));
  k.ep.handle(NR.NR_getppid, sys_getppid);
  k.ep.handle(NR.NR_getpid, (f) => L.tgTgid(f.tg));
  k.ep.handle(NR.NR_gettid, (f) => L.taskTid(f.task));
}
