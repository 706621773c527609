/** Time stamps: now, on inodes, and handed to the host. */
import { scratchView as v, STRUCT } from '../../../shared/host.js';
import { touched, waysChanged } from '../answers.js';
import type { Inode, SetAttr } from '../inode.js';

/** tv_nsec values of utimensat(2). */
export const UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe;
/** Two timespecs in scratch for utimensat; above what other host calls use. */
export const TIMES = STRUCT + 512;

let base = 0;
let offset = 0;
/** CLOCK_REALTIME now: seconds and nanoseconds. Steps of the host's clock are noticed within a second. */
export const now = { sec: 0, nsec: 0 };

/** Refill `now` and return it. Borrowed. */
export function readClock(): typeof now {
  // Date.now() is the true clock to the millisecond; hrtime gives what is below it. They are tied together anew when they drift apart.
  const t = process.hrtime();
  const mono = t[0] * 1e9 + t[1];
  const ms = Date.now();
  const guess = (mono - base) / 1e6 + offset;
  if (guess < ms || guess >= ms + 1) { base = mono; offset = ms; }
  const ns = offset * 1e6 % 1e9 + (mono - base);
  now.sec = Math.floor(offset / 1000) + Math.floor(ns / 1e9);
  now.nsec = Math.floor(ns % 1e9);
  return now;
}

/** Content changed: mtime and ctime are now. */
export function touchModified(i: Inode): void {
  touched(i);
  const t = readClock();
  i.mtime = i.ctime = t.sec;
  i.mtimeNsec = i.ctimeNsec = t.nsec;
}

export function touchChanged(i: Inode): void {
  touched(i);
  const t = readClock();
  i.ctime = t.sec;
  i.ctimeNsec = t.nsec;
}

/** Birth: all four. */
export function touchBorn(i: Inode): void {
  touchModified(i);
  i.btimeKnown = true;
  i.atime = i.btime = i.mtime;
  i.atimeNsec = i.btimeNsec = i.mtimeNsec;
}

/** Apply the fields of a SetAttr that need no host: mode bits, owner, times. */
export function applyAttr(i: Inode, a: SetAttr): void {
  touched(i);
  // Rights on directories decide about what is below; the owner of a link, who may follow it.
  if ((i.isDir || i.isLink) && (a.mode !== undefined || a.uid !== undefined || a.gid !== undefined)) waysChanged();
  if (a.mode !== undefined) i.mode = (i.mode & ~0o7777) | (a.mode & 0o7777);
  if (a.uid !== undefined) i.uid = a.uid;
  if (a.gid !== undefined) i.gid = a.gid;
  if (a.atime !== undefined) { i.atime = a.atime; i.atimeNsec = a.atimeNsec ?? 0; }
  if (a.mtime !== undefined) { i.mtime = a.mtime; i.mtimeNsec = a.mtimeNsec ?? 0; }
  i.ctime = a.ctime;
  i.ctimeNsec = a.ctimeNsec;
}

function put(off: number, sec: number | undefined, nsec: number | undefined): void {
  if (sec === undefined) {
    v.setUint32(off, 0, true);
    v.setUint32(off + 4, 0, true);
    v.setUint32(off + 8, UTIME_OMIT, true);
  } else {
    v.setUint32(off, sec >>> 0, true);
    v.setInt32(off + 4, Math.floor(sec / 4294967296), true);
    v.setUint32(off + 8, nsec ?? 0, true);
  }
  v.setUint32(off + 12, 0, true);
}

/** Put the times of a SetAttr at TIMES, what it leaves alone as UTIME_OMIT; false when it sets none. */
export function encodeTimes(a: SetAttr): boolean {
  put(TIMES, a.atime, a.atimeNsec);
  put(TIMES + 16, a.mtime, a.mtimeNsec);
  return a.atime !== undefined || a.mtime !== undefined;
}

/** The inode's own atime and mtime at TIMES. */
export function encodeInodeTimes(i: Inode): void {
  put(TIMES, i.atime, i.atimeNsec);
  put(TIMES + 16, i.mtime, i.mtimeNsec);
}
