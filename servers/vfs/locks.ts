/**
 * Advisory locks: flock(2), POSIX record locks and OFD locks (fcntl(2)), all kept on the inode.
 *
 * flock locks belong to an OFD. Record locks belong to a thread group (POSIX) or an OFD; both kinds conflict with each other, never with flock. A waiter parks on the
 * inode's queue and tries again from the start when any lock on the inode goes; it keeps its place in no queue order, as Linux gives no guarantee either.
 *
 * Deadlock: a POSIX waiter notes whom it waits for; a chain that leads back to itself is EDEADLK. OFD locks take no part (fcntl(2)).
 *
 * POSIX locks of a process end when it closes any descriptor of the file (close hook), or ends (TG_GONE); all locks of an OFD, and POSIX
 * locks that were set through it, end when it is released.
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { WaitQueue } from '../../shared/wait.js';
import type { File } from './file.js';
import type { Inode } from './inode.js';

export const F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
export const LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;

export interface RecordLock {
  /** F_RDLCK or F_WRLCK. */
  type: number;
  /** First byte, and the byte after the last (Infinity: to the end of the file, however it grows). */
  start: number;
  end: number;
  /** Thread group row (POSIX) or 0. */
  readonly tg: number;
  /** OFD row: owner (OFD lock), or through which it was set (POSIX). */
  readonly ofd: number;
  /** l_pid: guest pid, -1 for OFD locks. */
  readonly pid: number;
}

export class LockTable {
  records: RecordLock[] = [];
  /** OFD row → LOCK_SH or LOCK_EX. */
  readonly flocks = new Map<number, number>();
  readonly queue = new WaitQueue();
}

/** Tables with POSIX locks of a thread group, for TG_GONE and the deadlock search. */
const byTg = new Map<number, Set<LockTable>>();
/** Whom a thread group waits for: rows. */
const waitsFor = new Map<number, number>();

function tableOf(inode: Inode): LockTable {
  if (!(inode.locks instanceof LockTable)) inode.locks = new LockTable();
  return inode.locks as LockTable;
}

const tableIfAny = (inode: Inode): LockTable | undefined => (inode.locks instanceof LockTable ? inode.locks : undefined);

const sameOwner = (a: RecordLock, b: RecordLock): boolean => a.tg === b.tg && (a.tg !== 0 || a.ofd === b.ofd);
const overlap = (a: RecordLock, b: RecordLock): boolean => a.start < b.end && b.start < a.end;

function conflict(t: LockTable, want: RecordLock): RecordLock | undefined {
  for (const l of t.records) {
    if (!sameOwner(l, want) && overlap(l, want) && (l.type === F_WRLCK || want.type === F_WRLCK)) return l;
  }
  return undefined;
}

/** F_GETLK: the first lock that would refuse `want`. */
export function getLock(inode: Inode, want: RecordLock): RecordLock | undefined {
  const t = tableIfAny(inode);
  return t === undefined ? undefined : conflict(t, want);
}

/** Cut the owner's locks out of a range, keeping what lies outside. */
function cut(t: LockTable, r: RecordLock): void {
  const out: RecordLock[] = [];
  for (const l of t.records) {
    if (!sameOwner(l, r) || !overlap(l, r)) { out.push(l); continue; }
    if (l.start < r.start) out.push({ ...l, end: r.start });
    if (l.end > r.end) out.push({ ...l, start: r.end });
  }
  t.records = out;
}

/**
 * Join with the owner's neighbours of the same type. Locks of one owner stand together, by their start: F_GETLK tells the first that conflicts, and on Linux
 * that is the lowest of the owner who came first.
 */
function join(t: LockTable, r: RecordLock): void {
  const out: RecordLock[] = [];
  for (const l of t.records) {
    if (sameOwner(l, r) && l.type === r.type && l.start <= r.end && r.start <= l.end) {
      r.start = Math.min(r.start, l.start);
      r.end = Math.max(r.end, l.end);
    } else out.push(l);
  }
  const above = out.findIndex((l) => sameOwner(l, r) && l.start > r.start);
  const last = above < 0 ? out.findLastIndex((l) => sameOwner(l, r)) : -1;
  out.splice(above >= 0 ? above : last >= 0 ? last + 1 : out.length, 0, r);
  t.records = out;
}

function deadlocks(waiter: number, owner: number): boolean {
  let at = owner;
  for (let i = 0; i < 64 && at !== 0; i++) {
    if (at === waiter) return true;
    at = waitsFor.get(at) ?? 0;
  }
  return false;
}

/**
 * F_SETLK, F_SETLKW and their OFD forms. `type` may be F_UNLCK. Returns 0, -EAGAIN (conflict), or with `wait`: Ret.BLOCKED after `park` was called, -EDEADLK.
 */
export function setLock(inode: Inode, want: RecordLock, wait: boolean, park: (q: WaitQueue) => number): number {
  const t = tableOf(inode);
  if (want.tg !== 0) waitsFor.delete(want.tg);
  if (want.type === F_UNLCK) {
    cut(t, want);
    t.queue.wakeAll();
    return 0;
  }
  const c = conflict(t, want);
  if (c !== undefined) {
    if (!wait) return -E.EAGAIN;
    if (want.tg !== 0 && c.tg !== 0) {
      if (deadlocks(want.tg, c.tg)) return -E.EDEADLK;
      waitsFor.set(want.tg, c.tg);
    }
    return park(t.queue);
  }
  const before = t.records;
  cut(t, want);
  join(t, want);
  if (want.tg !== 0) {
    let s = byTg.get(want.tg);
    if (s === undefined) { byTg.set(want.tg, s = new Set()); L.setTgLocks(want.tg, 1); }
    s.add(t);
  }
  // A write lock turned into a read lock lets readers in.
  if (before.length > 0 && want.type === F_RDLCK) t.queue.wakeAll();
  return 0;
}

/** A wait for a record lock is over without the lock (signal). */
export function stopWaiting(tg: number): void { waitsFor.delete(tg); }

/** flock(2): op LOCK_SH, LOCK_EX or LOCK_UN. 0, -EWOULDBLOCK, or Ret.BLOCKED after park. */
export function setFlock(inode: Inode, ofd: number, op: number, wait: boolean, park: (q: WaitQueue) => number): number {
  const t = tableOf(inode);
  const have = t.flocks.get(ofd);
  if (op === LOCK_UN) {
    if (t.flocks.delete(ofd)) t.queue.wakeAll();
    return 0;
  }
  if (have === op) return 0;
  // A conversion gives the old lock up first: it is not atomic (flock(2)).
  if (have !== undefined) { t.flocks.delete(ofd); t.queue.wakeAll(); }
  for (const other of t.flocks.values()) {
    if (op === LOCK_EX || other === LOCK_EX) return wait ? park(t.queue) : -E.EAGAIN;
  }
  t.flocks.set(ofd, op);
  return 0;
}

function dropWhere(t: LockTable, which: (l: RecordLock) => boolean): void {
  const n = t.records.length;
  if (n === 0) return;
  t.records = t.records.filter((l) => !which(l));
  if (t.records.length !== n) t.queue.wakeAll();
}

/** A descriptor of the file was closed by a process: its POSIX locks on the file go. */
export function dropPosixLocks(inode: Inode, tg: number): void {
  const t = tableIfAny(inode);
  if (t !== undefined) dropWhere(t, (l) => l.tg === tg);
}

/** The OFD is gone. */
export function dropFileLocks(file: File): void {
  const t = tableIfAny(file.inode);
  if (t === undefined) return;
  dropWhere(t, (l) => l.ofd === file.ofd);
  if (t.flocks.delete(file.ofd)) t.queue.wakeAll();
}

/** A process has ended. */
export function dropTgLocks(tg: number): void {
  waitsFor.delete(tg);
  const tables = byTg.get(tg);
  if (tables === undefined) return;
  byTg.delete(tg);
  for (const t of tables) dropWhere(t, (l) => l.tg === tg);
}

/** For tests and /proc/locks: the locks of an inode. */
export const recordLocks = (inode: Inode): readonly RecordLock[] => tableIfAny(inode)?.records ?? [];
