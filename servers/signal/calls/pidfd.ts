/** pidfd_send_signal(2). The pidfd is the kernel's object; its number (ofd.obj, 0 once the process was reaped) is all that is needed here. A directory /proc/PID is vfs's, which has left the number in ofd.proc_pid. */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { Ofd, fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { eachTg, tgByPid } from '../../../shared/tasks.js';
import { type Delivery, validSignal } from '../delivery.js';
import { SI_USER, type SigInfo } from '../siginfo.js';
import { mayKill, queuedInfo, sender } from './kill.js';

/** linux/pidfd.h: whom the signal is for, of the process that the pidfd stands for. Linux 6.9. */
const PIDFD_SIGNAL_THREAD = 1, PIDFD_SIGNAL_THREAD_GROUP = 2, PIDFD_SIGNAL_PROCESS_GROUP = 4;

/** To every member of a process group that the caller may signal: 0, -ESRCH, -EPERM (none). */
function toGroup(d: Delivery, f: Frame, pgid: number, s: SigInfo): number {
  let ret = -E.ESRCH;
  eachTg((tg) => {
    if (L.tgPgid(tg) !== pgid) return;
    if (!mayKill(f, tg, s.signo)) { if (ret === -E.ESRCH) ret = -E.EPERM; return; }
    d.sendTg(tg, { ...s });
    ret = 0;
  });
  return ret;
}

/**
 * pidfd_send_signal(2) - send a signal to a process through a file descriptor.
 *
 *   int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  unknown flags, or more than one
 *   -EBADF   not open, or neither a pidfd nor an open directory /proc/PID
 *   -EFAULT  info
 *   -EINVAL  info names another signal
 *   -EPERM   info claims what only the kernel may, and the target is not the caller
 *   -ESRCH   the process has been waited for
 *   -EINVAL  no such signal
 *   -EPERM   kill(2)'s rule
 *   -EAGAIN  RLIMIT_SIGPENDING
 * Source: man-pages 6.9, kernel/signal.c. Deviations: none.
 */
function sys_pidfd_send_signal(d: Delivery, f: Frame): number {
  const flags = f.argU32(3);
  if ((flags & ~7) !== 0 || (flags & (flags - 1)) !== 0) return -E.EINVAL;
  const o = fdLookup(filesOf(f), f.argInt(0));
  if (o < 0) return o;
  const isPidfd = L.ofdKind(o) === Ofd.PIDFD;
  if (!isPidfd && L.ofdProcPid(o) === 0) return -E.EBADF;
  const signo = f.argInt(1);
  const pid = isPidfd ? L.ofdObj(o) : L.ofdProcPid(o);
  let s = sender(f, signo, SI_USER);
  if (f.argU64(2) !== 0) {
    const named = f.inOff(2);
    if (named >= 0 && f.view.getInt32(named, true) !== signo) return -E.EINVAL;
    const given = queuedInfo(f, 2, signo, pid === L.tgTgid(f.tg));
    if (typeof given === 'number') return given;
    s = given;
  }
  if ((flags & PIDFD_SIGNAL_PROCESS_GROUP) !== 0) return validSignal(signo) ? toGroup(d, f, pid, s) : -E.EINVAL;
  const tg = tgByPid(pid);
  if (tg === 0) return -E.ESRCH;
  if (!validSignal(signo)) return -E.EINVAL;
  if (!mayKill(f, tg, signo)) return -E.EPERM;
  return (flags & PIDFD_SIGNAL_THREAD) !== 0 && (flags & PIDFD_SIGNAL_THREAD_GROUP) === 0 ? d.sendTask(L.tgLeader(tg), s) : d.sendTg(tg, s);
}

export function installPidfd(ep: Endpoint, d: Delivery): void {
  ep.handle(NR.NR_pidfd_send_signal, (f) => sys_pidfd_send_signal(d, f));
}
