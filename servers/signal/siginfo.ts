/** siginfo_t as the signal server keeps it, and its 128-byte form for guests. Source: sigaction(2), asm-generic/siginfo.h. */
import * as L from '../../shared/gen/layout.js';

export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_TKILL = -6;

export interface SigInfo {
  readonly signo: number;
  readonly code: number;
  /** Sender, or the child of SIGCHLD; timer id for SI_TIMER. */
  pid: number;
  uid: number;
  /** si_value as two u32, or si_status for SIGCHLD in lo. */
  readonly lo: number;
  readonly hi: number;
  /** SI_TIMER: overruns at delivery. */
  overrun: number;
  /** SIGCHLD: clock ticks. */
  readonly utime: number;
  readonly stime: number;
  /** rt_sigqueueinfo: the caller's bytes, kept as they are. */
  readonly raw: Buffer | undefined;
}

export function userInfo(signo: number, code: number, pid: number, uid: number, lo = 0, hi = 0): SigInfo {
  return { signo, code, pid, uid, lo, hi, overrun: 0, utime: 0, stime: 0, raw: undefined };
}

export function childInfo(signo: number, code: number, pid: number, uid: number, status: number, utime: number, stime: number): SigInfo {
  return { signo, code, pid, uid, lo: status, hi: 0, overrun: 0, utime, stime, raw: undefined };
}

const SIGCHLD = 17;

/** Write the 128 bytes of a siginfo_t at `off`. */
export function writeSiginfo(buf: Buffer, off: number, s: SigInfo): void {
  buf.fill(0, off, off + L.SIGINFO_SIZE);
  if (s.raw !== undefined) { s.raw.copy(buf, off); return; }
  buf.writeInt32LE(s.signo, off);
  buf.writeInt32LE(s.code, off + 8);
  if (s.code === SI_TIMER) {
    buf.writeInt32LE(s.pid, off + 16);
    buf.writeInt32LE(s.overrun, off + 20);
    buf.writeUInt32LE(s.lo >>> 0, off + 24);
    buf.writeUInt32LE(s.hi >>> 0, off + 28);
    return;
  }
  buf.writeInt32LE(s.pid, off + 16);
  buf.writeUInt32LE(s.uid >>> 0, off + 20);
  if (s.signo === SIGCHLD && s.code > 0 && s.code < 7) {
    buf.writeInt32LE(s.lo | 0, off + 24);
    buf.writeUInt32LE(s.utime >>> 0, off + 32);
    buf.writeUInt32LE(s.stime >>> 0, off + 40);
    return;
  }
  buf.writeUInt32LE(s.lo >>> 0, off + 24);
  buf.writeUInt32LE(s.hi >>> 0, off + 28);
}

/** signalfd_siginfo, 128 bytes. Source: signalfd(2). */
export function writeSignalfdInfo(buf: Buffer, off: number, s: SigInfo): void {
  buf.fill(0, off, off + L.SIGINFO_SIZE);
  buf.writeUInt32LE(s.signo, off);
  buf.writeInt32LE(s.code, off + 8);
  if (s.code === SI_TIMER) {
    buf.writeUInt32LE(s.pid >>> 0, off + 24);
    buf.writeUInt32LE(s.overrun >>> 0, off + 32);
  } else {
    buf.writeUInt32LE(s.pid >>> 0, off + 12);
    buf.writeUInt32LE(s.uid >>> 0, off + 16);
  }
  if (s.signo === SIGCHLD && s.code > 0) {
    buf.writeInt32LE(s.lo | 0, off + 40);
    buf.writeUInt32LE(s.utime >>> 0, off + 56);
    buf.writeUInt32LE(s.stime >>> 0, off + 64);
  } else {
    buf.writeInt32LE(s.lo | 0, off + 44);
    buf.writeUInt32LE(s.lo >>> 0, off + 48);
    buf.writeUInt32LE(s.hi >>> 0, off + 52);
  }
}
