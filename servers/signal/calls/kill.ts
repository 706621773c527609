/** Sending: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, and the stub's NR_SIG_RAISE. Source: kill(2), tgkill(2), rt_sigqueueinfo(2). */
import { E } from '../../../shared/errno.js';
import { maySignal } from '../../../shared/creds.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { eachTg, taskByTid, tgByPid } from '../../../shared/tasks.js';
import { type Delivery, validSignal } from '../delivery.js';
import { SI_TKILL, SI_USER, type SigInfo, userInfo } from '../siginfo.js';
import { SIGCONT } from '../sigset.js';

/** May the caller signal this thread group? SIGCONT is free within the session. */
export function mayKill(f: Frame, tg: number, signo: number): boolean {
  return maySignal(L.taskCred(f.task), L.taskCred(L.tgLeader(tg))) || (signo === SIGCONT && L.tgSid(tg) === L.tgSid(f.tg));
}

export const sender = (f: Frame, signo: number, code: number): SigInfo => userInfo(signo, code, L.tgTgid(f.tg), L.credUid(L.taskCred(f.task)));

/** kill(2), in Linux's order: ESRCH, EINVAL, EPERM (no target may be signalled). */
function sys_kill(d: Delivery, f: Frame): number {
  const pid = f.argInt(0);
  const signo = f.argInt(1);
  if (pid > 0) {
    const tg = tgByPid(pid) || L.taskTg(taskByTid(pid));
    if (tg === 0) return -E.ESRCH;
    if (!validSignal(signo)) return -E.EINVAL;
    return mayKill(f, tg, signo) ? d.sendTg(tg, sender(f, signo, SI_USER)) : -E.EPERM;
  }
  if (pid === -2147483648) return -E.ESRCH;
  const pgid = pid === 0 ? L.tgPgid(f.tg) : -pid;
  let seen = 0;
  let done = 0;
  d.together(() => {
    eachTg((tg) => {
      if (pid === -1 ? tg === f.tg || tg === L.metaInitTg(1) : L.tgPgid(tg) !== pgid) return;
      seen++;
      if (!validSignal(signo) || !mayKill(f, tg, signo)) return;
      done++;
      d.sendTg(tg, sender(f, signo, SI_USER));
    });
  });
  if (seen === 0) return -E.ESRCH;
  if (!validSignal(signo)) return -E.EINVAL;
  return done > 0 ? 0 : -E.EPERM;
}

/** tkill(2), tgkill(2). EINVAL (tid or tgid <= 0), ESRCH, EPERM. */
function tgkill(d: Delivery, f: Frame, tgid: number, tid: number, signo: number): number {
  if (tid <= 0 || (tgid <= 0 && tgid !== -1)) return -E.EINVAL;
  const task = taskByTid(tid);
  if (task === 0 || (tgid !== -1 && L.tgTgid(L.taskTg(task)) !== tgid)) return -E.ESRCH;
  if (!validSignal(signo)) return -E.EINVAL;
  if (!mayKill(f, L.taskTg(task), signo)) return -E.EPERM;
  return d.sendTask(task, sender(f, signo, SI_TKILL));
}

/** The caller's siginfo, kept as bytes; -EFAULT, or -EPERM for a code that only the kernel may claim. */
export function queuedInfo(f: Frame, arg: number, signo: number, self: boolean): SigInfo | number {
  const off = f.inOff(arg);
  if (off < 0) return off;
  const raw = Buffer.from(f.bytes.subarray(off, off + 128));
  const code = raw.readInt32LE(8);
  if ((code >= 0 || code === SI_TKILL) && !self) return -E.EPERM;
  raw.writeInt32LE(signo, 0);
  return { signo, code, pid: raw.readInt32LE(16), uid: raw.readUInt32LE(20), lo: raw.readUInt32LE(24), hi: raw.readUInt32LE(28), overrun: 0, utime: 0, stime: 0, raw };
}

/** rt_sigqueueinfo(2). EINVAL, EPERM, ESRCH, EAGAIN (RLIMIT_SIGPENDING). */
function sys_rt_sigqueueinfo(d: Delivery, f: Frame): number {
  const pid = f.argInt(0);
  const signo = f.argInt(1);
  const s = queuedInfo(f, 2, signo, pid === L.tgTgid(f.tg));
  if (typeof s === 'number') return s;
  if (!validSignal(signo)) return -E.EINVAL;
  const tg = tgByPid(pid);
  if (tg === 0) return -E.ESRCH;
  return mayKill(f, tg, signo) ? d.sendTg(tg, s) : -E.EPERM;
}

function sys_rt_tgsigqueueinfo(d: Delivery, f: Frame): number {
  const tgid = f.argInt(0);
  const tid = f.argInt(1);
  const signo = f.argInt(2);
  if (tgid <= 0 || tid <= 0) return -E.EINVAL;
  const s = queuedInfo(f, 3, signo, tgid === L.tgTgid(f.tg));
  if (typeof s === 'number') return s;
  if (!validSignal(signo)) return -E.EINVAL;
  const task = taskByTid(tid);
  if (task === 0 || L.tgTgid(L.taskTg(task)) !== tgid) return -E.ESRCH;
  return mayKill(f, L.taskTg(task), signo) ? d.sendTask(task, s) : -E.EPERM;
}

export function installKill(ep: Endpoint, d: Delivery): void {
  ep.handle(NR.NR_kill, (f) => sys_kill(d, f));
  ep.handle(NR.NR_tkill, (f) => tgkill(d, f, -1, f.argInt(0), f.argInt(1)));
  ep.handle(NR.NR_tgkill, (f) => (f.argInt(0) <= 0 ? -E.EINVAL : tgkill(d, f, f.argInt(0), f.argInt(1), f.argInt(2))));
  ep.handle(NR.NR_rt_sigqueueinfo, (f) => sys_rt_sigqueueinfo(d, f));
  ep.handle(NR.NR_rt_tgsigqueueinfo, (f) => sys_rt_tgsigqueueinfo(d, f));
  ep.handle(L.NR_SIG_RAISE, (f) => d.raise(f.task, f.argInt(0)));
}

