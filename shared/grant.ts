/**
 * Telling a guest about a new fd: its hint byte and, where it pays, the grant of the host fd behind it (docs/internals.md §7).
 *
 * A grant is a message on the process's control socket; the reply names how many messages the stub must have read first, so the fd is in place when the
 * guest learns its number. Everything here is an optimisation: when a grant cannot be sent the hint only names the owner.
 */
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import { STRUCT, scratchView } from './host.js';
import { native } from './native.js';

export const CTL_GRANT = 1;
export const CTL_EXEC = 2;
export const CTL_CLONE = 3;
export const CTL_IMAGES = 4;
export const CTL_MMAP = 5;
export const CTL_PIDFD = 6;
export const CTL_AHEAD = 7;
/** Host fds in one CTL_AHEAD. */
export const AHEAD_FDS = 8;

/** Scratch space for the three int32 arrays of a control message. */
const FDS = STRUCT + 1024;
const NUMS = FDS + 64;
const CLOEXEC = NUMS + 64;

/** May this OFD's host fd be given to that task under this fd number? */
export function mayGrant(task: number, tg: number, fd: number, ofd: number): boolean {
  return L.metaNogrants(1) === 0 && fd < L.metaFdrBase(1) && L.ofdGrantable(ofd) !== 0 && L.ofdHostFd(ofd) >= 0
    && L.filesSharedUnlike(L.taskFiles(task)) === 0 && tg !== 0;
}

/** Hint without a grant: just the owner. */
export function announceFd(f: Frame, fd: number, ofd: number): void {
  native.hintSet(f.tg, fd, L.ofdOwner(ofd) + 1);
}

/** Announce up to four new fds of one reply, granting what may be granted. */
export function grantFds(f: Frame, fds: readonly number[], ofds: readonly number[], cloexec: boolean): void {
  let n = 0;
  for (let i = 0; i < fds.length; i++) {
    const fd = fds[i] as number;
    const o = ofds[i] as number;
    if (!mayGrant(f.task, f.tg, fd, o)) continue;
    scratchView.setInt32(FDS + 4 * n, L.ofdHostFd(o), true);
    scratchView.setInt32(NUMS + 4 * n, fd, true);
    scratchView.setInt32(CLOEXEC + 4 * n, cloexec ? 1 : 0, true);
    n++;
  }
  const sent = n > 0 ? native.ctlSend(f.tg, CTL_GRANT, n, FDS, NUMS, CLOEXEC) : -1;
  if (sent > 0) {
    f.setCtlNeed(sent);
    f.setReplyFlag(L.RF_GRANT);
  }
  for (let i = 0; i < fds.length; i++) {
    const fd = fds[i] as number;
    const o = ofds[i] as number;
    const granted = sent > 0 && mayGrant(f.task, f.tg, fd, o);
    if (granted) L.setOfdGiven(o, 1);
    native.hintSet(f.tg, fd, (L.ofdOwner(o) + 1) | (granted ? L.ofdGrantable(o) | L.HINT_GRANTED : 0));
  }
}

/** Send host fds of files that were opened ahead, at most AHEAD_FDS: the message's number, or -errno. */
export function sendAhead(tg: number, fds: readonly number[]): number {
  fds.forEach((fd, i) => { scratchView.setInt32(FDS + 4 * i, fd, true); });
  return native.ctlSend(tg, CTL_AHEAD, fds.length, FDS, 0, 0);
}

/**
 * Send what a program is told before it asks (CTL_START): `len` bytes of text in scratch at textOff, and at most START_FDS host fds. area, pctx: the program's. Positive, or -errno: -ESTALE when the
 * process has another program by now.
 */
export function sendStart(tg: number, area: number, pctx: number, fds: readonly number[], textOff: number, len: number): number {
  fds.forEach((fd, i) => { scratchView.setInt32(FDS + 4 * i, fd, true); });
  return native.ctlStart(tg, area, pctx, fds.length, FDS, textOff, len);
}

/** Send one host fd for a single use (mmap of a file without a grant). Sets the reply flag; -errno when it cannot be sent. */
export function sendMmapFd(f: Frame, hostFd: number): number {
  scratchView.setInt32(FDS, hostFd, true);
  const sent = native.ctlSend(f.tg, CTL_MMAP, 1, FDS, 0, 0);
  if (sent <= 0) return sent;
  f.setCtlNeed(sent);
  f.setReplyFlag(L.RF_MMAP_FD);
  return 0;
}
