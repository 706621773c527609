/**
 * Job control as a terminal sees it: whose controlling terminal it is, which process group is in the foreground, and what happens to
 * others that touch it. credentials(7), setsid(2), ioctl_tty(2), tcsetpgrp(3), POSIX 11.1.
 *
 * A terminal knows its session and foreground group (numbers, 0 = none); a thread group knows its terminal (tg.ctty = 1 + index, written by
 * vfs; the kernel copies it at fork and clears it in setsid). A session's processes that were born before the leader took the terminal have none, as on Linux.
 */
import { Cap, capable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { eachTg, pgrpExists, pgrpOrphaned } from '../../../shared/tasks.js';

export const SIGHUP = 1, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22, SIGWINCH = 28;
/** siginfo si_code of signals that the kernel itself sends. */
const SI_KERNEL = 0x80;
const SIG_IGN = 1;

/** What job control needs of a terminal. */
export interface JobTty {
  readonly index: number;
  /** Session whose controlling terminal it is, 0 = none. */
  session: number;
  /** Foreground process group, 0 = none. */
  pgrp: number;
}

/** Foreground groups of leaders whose terminal was hung up under them: told SIGHUP, SIGCONT when the leader exits. */
const orphanedBy = new Map<number, number>();

export function signalPgrp(ep: Endpoint, pgrp: number, signo: number): void {
  if (pgrp !== 0) ep.send(L.SRV_SIGNAL, Msg.SIG_PGRP, [pgrp, signo, SI_KERNEL, 0, 0]);
}

function signalTg(ep: Endpoint, tg: number, signo: number): void {
  ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [tg, signo, SI_KERNEL, 0, 0, 0, 0, 0]);
}

/** Does the calling task ignore or block a signal? */
function ignores(f: Frame, signo: number): boolean {
  const bit = signo - 1;
  const mask = native.slotLoad(f.slot, L.SLOT_SIGMASK + (bit >> 5) * 4);
  if (((mask >>> (bit & 31)) & 1) !== 0) return true;
  return native.pctxLoad(L.tgArea(f.tg), L.tgPctx(f.tg), L.PCTX_SA_HANDLER + 8 * bit) === SIG_IGN;
}

export const hasTty = (tg: number, tty: JobTty): boolean => L.tgCtty(tg) === tty.index + 1;

/**
 * May the caller use the terminal like a foreground process? 0 = yes. Otherwise its group was sent `signo` and the call is to return
 * -ERESTARTSYS, so that it is made again when the group is continued or a handler has run; or -EIO when no signal could stop it: the group is
 * orphaned, or it ignores SIGTTIN. Whoever ignores SIGTTOU may go on.
 */
export function checkForeground(ep: Endpoint, f: Frame, tty: JobTty, signo: number): number {
  if (!hasTty(f.tg, tty)) return 0;
  const pgid = L.tgPgid(f.tg);
  if (tty.pgrp === 0 || pgid === tty.pgrp) return 0;
  if (ignores(f, signo)) return signo === SIGTTIN ? -E.EIO : 0;
  if (pgrpOrphaned(pgid)) return -E.EIO;
  signalPgrp(ep, pgid, signo);
  // The stub asks the signal server before it makes the call again, so the signal is dealt with first.
  f.setReplyFlag(L.RF_SIGNAL);
  return -E.ERESTARTSYS;
}

function take(tg: number, tty: JobTty): void {
  tty.session = L.tgSid(tg);
  tty.pgrp = L.tgPgid(tg);
  L.setTgCtty(tg, tty.index + 1);
}

const isLeader = (tg: number): boolean => L.tgSid(tg) === L.tgTgid(tg);

/** open(2) without O_NOCTTY: a session leader without a terminal takes one that is free. Only for readers: who may but write must not gain its signals. */
export function takeOnOpen(tg: number, tty: JobTty, readable: boolean): void {
  if (tg === 0 || !readable || !isLeader(tg) || L.tgCtty(tg) !== 0 || tty.session !== 0) return;
  take(tg, tty);
}

/** Give the terminal to a session at boot (`-t`). */
export function giveTo(tg: number, tty: JobTty): void { take(tg, tty); }

function clearSession(sid: number): void {
  eachTg((tg) => { if (L.tgSid(tg) === sid) L.setTgCtty(tg, 0); });
}

/** TIOCSCTTY. EPERM: no session leader, has a terminal, or the terminal is another session's and not stolen (arg 1 with CAP_SYS_ADMIN). */
export function setCtty(f: Frame, tty: JobTty, arg: number, readable: boolean): number {
  const { tg } = f;
  const leader = isLeader(tg);
  if (leader && L.tgSid(tg) === tty.session) return 0;
  if (!leader || L.tgCtty(tg) !== 0) return -E.EPERM;
  if (tty.session !== 0) {
    if (arg !== 1 || !capable(f.task, Cap.SYS_ADMIN)) return -E.EPERM;
    clearSession(tty.session);
  }
  if (!readable && !capable(f.task, Cap.SYS_ADMIN)) return -E.EPERM;
  take(tg, tty);
  return 0;
}

/** TIOCNOTTY. ENOTTY: not the caller's terminal. A leader's session loses it, with SIGHUP and SIGCONT to the foreground group. */
export function dropCtty(ep: Endpoint, f: Frame, tty: JobTty): number {
  if (!hasTty(f.tg, tty)) return -E.ENOTTY;
  if (!isLeader(f.tg)) { L.setTgCtty(f.tg, 0); return 0; }
  signalPgrp(ep, tty.pgrp, SIGHUP);
  signalPgrp(ep, tty.pgrp, SIGCONT);
  disown(tty);
  return 0;
}

function disown(tty: JobTty): void {
  const sid = tty.session;
  tty.session = 0;
  tty.pgrp = 0;
  if (sid !== 0) clearSession(sid);
}

/** The session leader has exited: SIGHUP to the foreground group; the session is without terminal. Open files stay usable, it being a pty. */
export function leaderExited(ep: Endpoint, tty: JobTty): void {
  signalPgrp(ep, tty.pgrp, SIGHUP);
  disown(tty);
}

/** The terminal has gone (master closed): SIGHUP and SIGCONT to the leader; the foreground group hears of it when the leader exits. */
export function hangUpSession(ep: Endpoint, tty: JobTty): void {
  const { session, pgrp } = tty;
  if (session !== 0) {
    eachTg((tg) => {
      if (L.tgSid(tg) !== session || L.tgTgid(tg) !== session) return;
      signalTg(ep, tg, SIGHUP);
      signalTg(ep, tg, SIGCONT);
      if (pgrp !== 0) orphanedBy.set(tg, pgrp);
    });
  }
  disown(tty);
}

/** A thread group is gone: if it was such a leader, its last foreground group hangs up too. */
export function tgGone(ep: Endpoint, tg: number): void {
  const pgrp = orphanedBy.get(tg);
  if (pgrp === undefined) return;
  orphanedBy.delete(tg);
  signalPgrp(ep, pgrp, SIGHUP);
  signalPgrp(ep, pgrp, SIGCONT);
}

/**
 * TIOCSPGRP. ENOTTY: not the caller's terminal, or an orphaned background caller; EINVAL: negative; ESRCH: no such group; EPERM: it is in
 * another session. From the background SIGTTOU as everywhere.
 */
export function setPgrp(ep: Endpoint, f: Frame, tty: JobTty, pgrp: number): number {
  const r = checkForeground(ep, f, tty, SIGTTOU);
  if (r < 0) return r === -E.EIO ? -E.ENOTTY : r;
  if (!hasTty(f.tg, tty) || tty.session !== L.tgSid(f.tg)) return -E.ENOTTY;
  if (pgrp < 0) return -E.EINVAL;
  if (!pgrpExists(pgrp)) return -E.ESRCH;
  if (!pgrpExists(pgrp, tty.session)) return -E.EPERM;
  tty.pgrp = pgrp;
  return 0;
}
