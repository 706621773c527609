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
 *
 * What the table allows, a file that others than this container can open (Inode.outside) must allow as well: outer-locks.ts.
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { WaitQueue } from '../../shared/wait.js';
import type { File } from './file.js';
import type { Inode } from './inode.js';
import { OuterRecords, Retry } from './outer-locks.js';

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
  /** For a file that others can open. */
  readonly outer: OuterRecords | undefined;
  private readonly retry = new Retry(this.queue);
  constructor(outside: boolean) { this.outer = outside ? new OuterRecords() : undefined; }

  /** What the host said to a lock that the table allows: what the call says. */
  outcome(r: number, wait: boolean, park: (q: WaitQueue) => number): number {
    if (r !== -E.EAGAIN) this.retry.reset();
    if (r !== -E.EAGAIN || !wait) return r;
    this.retry.later();
    return park(this.queue);
  }
}

/** What locks are set by: an open file, of which they need only this. */
export type Lockable = Pick<File, 'inode' | 'ofd' | 'hostFd'>;

/** Tables with POSIX locks of a thread group, for TG_GONE and the deadlock search. */
const byTg = new Map<number, Set<LockTable>>();
/** Whom a thread group waits for: rows. */
const waitsFor = new Map<number, number>();

function tableOf(inode: Inode): LockTable {
  if (!(inode.locks instanceof LockTable)) inode.locks = new LockTable(inode.outside);
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

/** F_GETLK: the first lock that would refuse `want`. pid 0: somebody outside has it. */
export function getLock(file: Lockable, want: RecordLock): RecordLock | undefined {
  const t = file.inode.outside ? tableOf(file.inode) : tableIfAny(file.inode);
  if (t === undefined) return undefined;
  const own = conflict(t, want);
  if (own !== undefined || want.type === F_UNLCK) return own;
  const outer = t.outer?.conflict(want, file.hostFd);
  return outer === undefined ? undefined : { ...outer, tg: 0, ofd: 0, pid: 0 };
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
 * F_SETLK, F_SETLKW and their OFD forms. `type` may be F_UNLCK. Returns 0, -EAGAIN (conflict), or with `wait`: Ret.BLOCKED after `park` was called, -EDEADLK; -ENOLCK: the host cannot.
 */
export function setLock(file: Lockable, want: RecordLock, wait: boolean, park: (q: WaitQueue) => number): number {
  const t = tableOf(file.inode);
  if (want.tg !== 0) waitsFor.delete(want.tg);
  if (want.type === F_UNLCK) {
    cut(t, want);
    t.outer?.release(want, t.records);
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
  const r = t.outer === undefined ? 0 : t.outcome(t.outer.hold(want, file.hostFd, t.records), wait, park);
  if (r !== 0) return r;
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

/** Let go of an OFD's flock lock, if it has one. */
function dropFlock(t: LockTable, file: Lockable): void {
  if (!t.flocks.delete(file.ofd)) return;
  if (t.outer !== undefined) host.flock(file.hostFd, LOCK_UN);
  t.queue.wakeAll();
}

/** flock(2): op LOCK_SH, LOCK_EX or LOCK_UN. 0, -EWOULDBLOCK, or Ret.BLOCKED after park. */
export function setFlock(file: Lockable, op: number, wait: boolean, park: (q: WaitQueue) => number): number {
  const t = tableOf(file.inode);
  if (t.flocks.get(file.ofd) === op) return 0;
  // A conversion gives the old lock up first: it is not atomic (flock(2)).
  dropFlock(t, file);
  if (op === LOCK_UN) return 0;
  for (const other of t.flocks.values()) {
    if (op === LOCK_EX || other === LOCK_EX) return wait ? park(t.queue) : -E.EAGAIN;
  }
  const r = t.outer === undefined ? 0 : t.outcome(host.flock(file.hostFd, op | LOCK_NB), wait, park);
  if (r === 0) t.flocks.set(file.ofd, op);
  return r;
}

function dropWhere(t: LockTable, which: (l: RecordLock) => boolean): void {
  const gone = t.records.filter(which);
  if (gone.length === 0) return;
  t.records = t.records.filter((l) => !which(l));
  for (const l of gone) t.outer?.release(l, t.records);
  t.queue.wakeAll();
}

/** A descriptor of the file was closed by a process: its POSIX locks on the file go. */
export function dropPosixLocks(inode: Inode, tg: number): void {
  const t = tableIfAny(inode);
  if (t !== undefined) dropWhere(t, (l) => l.tg === tg);
}

/** The OFD is gone. */
export function dropFileLocks(file: Lockable): void {
  const t = tableIfAny(file.inode);
  if (t === undefined) return;
  dropWhere(t, (l) => l.ofd === file.ofd);
  dropFlock(t, file);
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
