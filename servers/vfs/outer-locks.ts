/**
 * Locks on files that others than this container can open (volumes) are held on the host as well, so that other containers and the host's programs respect them, and theirs are respected.
 *
 * Record locks of all processes of the container are one owner's on the host: a descriptor of their own (F_OFD_SETLK), which no close of another gives up. What lies under it
 * is decided by the container's own table first (locks.ts): here only the sum is held. flock locks are held on the guest's open file description itself, which the host's is.
 *
 * Nothing here waits. The host tells nobody when a lock goes, so who waits for one that is held outside tries again, 1 to 64 ms apart (`Retry`).
 * Sources: fcntl_locking(2), flock(2). Deviations, and what was considered: decision 0024.
 */
import { nowNs } from '../../shared/clock.js';
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { Timer, type WaitQueue } from '../../shared/wait.js';
import { vfsEndpoint } from './file.js';

const F_WRLCK = 1, F_UNLCK = 2, F_OFD_GETLK = 36, F_OFD_SETLK = 37;
const O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_NONBLOCK = 0o4000, O_NOCTTY = 0o400;
/** struct flock, behind what the call's own uses: type 0, whence 2 (i16), start 8, len 16 (i64, 0 = to the end), pid 24. */
const FLOCK = host.STRUCT + 64;
const FIRST_NS = 1e6, MOST_NS = 64e6;

/** Bytes [start, end) of a file; end Infinity: however it grows. */
export interface Range { readonly start: number; readonly end: number }
export interface TypedRange extends Range { readonly type: number }

/** The 64-bit fields of struct flock, in scratch. */
export function put64(at: number, n: number): void {
  host.scratchView.setUint32(at, n >>> 0, true);
  host.scratchView.setInt32(at + 4, Math.floor(n / 4294967296), true);
}
export const get64 = (at: number): number => host.scratchView.getUint32(at, true) + host.scratchView.getInt32(at + 4, true) * 4294967296;

function ask(fd: number, cmd: number, r: TypedRange): number {
  const v = host.scratchView;
  host.scratch.fill(0, FLOCK, FLOCK + 32);
  v.setInt16(FLOCK, r.type, true);
  put64(FLOCK + 8, r.start);
  put64(FLOCK + 16, r.end === Infinity ? 0 : r.end - r.start);
  const e = host.fcntlLock(fd, cmd, FLOCK);
  // Linux may say either: fcntl_locking(2).
  return e === -E.EACCES ? -E.EAGAIN : e;
}

/** What is left of a range without others. */
export function without(r: Range, others: readonly Range[]): Range[] {
  let left: Range[] = [r];
  for (const o of others) {
    left = left.flatMap((l) => (o.end <= l.start || l.end <= o.start ? [l] : [{ start: l.start, end: o.start }, { start: o.end, end: l.end }].filter((p) => p.start < p.end)));
  }
  return left;
}

const openAgain = (fd: number, flags: number): number => host.openat(host.AT_FDCWD, `/proc/self/fd/${fd}`, flags | O_NONBLOCK | O_NOCTTY);

/** The record locks of a container on one file, as the host has them. */
export class OuterRecords {
  private fd = -1;
  private mode = O_RDONLY;

  /** A descriptor that locks of this type can be placed by; `via` is one of the file's. -ENOLCK. */
  private forType(type: number, via: number, held: readonly TypedRange[]): number {
    if (this.fd >= 0 && (this.mode === O_RDWR || this.mode === (type === F_WRLCK ? O_WRONLY : O_RDONLY))) return this.fd;
    const least = type === F_WRLCK ? O_WRONLY : O_RDONLY;
    // Its mode may keep carrick's user out, though the guest has it open: then the guest's description has to do.
    for (const [mode, open] of [[O_RDWR, () => openAgain(via, O_RDWR)], [least, () => openAgain(via, least)], [least, () => host.dup(via)]] as const) {
      const fd = open();
      if (fd < 0) continue;
      // What is held is held by the new one before the old one goes; both may read. Nothing else can be: else the old one would do.
      if (held.some((l) => ask(fd, F_OFD_SETLK, l) < 0)) { host.close(fd); continue; }
      this.close();
      this.fd = fd;
      this.mode = mode;
      return fd;
    }
    return -E.ENOLCK;
  }

  /** Hold a range for reading or writing, whatever was held of it. held: what is held by now. 0, -EAGAIN (somebody outside has it), -ENOLCK. */
  hold(want: TypedRange, via: number, held: readonly TypedRange[]): number {
    const fd = this.forType(want.type, via, held);
    return fd < 0 ? fd : ask(fd, F_OFD_SETLK, want);
  }

  /** A range was given up by one; held: what still is, by anybody. */
  release(r: Range, held: readonly Range[]): void {
    if (this.fd < 0) return;
    if (held.length === 0) {
      // The guest may have the description open, too (forType).
      ask(this.fd, F_OFD_SETLK, { start: 0, end: Infinity, type: F_UNLCK });
      this.close();
      return;
    }
    for (const part of without(r, held)) ask(this.fd, F_OFD_SETLK, { ...part, type: F_UNLCK });
  }

  /** The first lock outside that would refuse `want`. */
  conflict(want: TypedRange, via: number): TypedRange | undefined {
    const own = this.fd >= 0, fd = own ? this.fd : openAgain(via, O_RDONLY);
    if (fd < 0) return undefined;
    const e = ask(fd, F_OFD_GETLK, want), v = host.scratchView;
    if (!own) host.close(fd);
    const type = v.getInt16(FLOCK, true), start = get64(FLOCK + 8), len = get64(FLOCK + 16);
    return e < 0 || type === F_UNLCK ? undefined : { type, start, end: len === 0 ? Infinity : start + len };
  }

  private close(): void {
    if (this.fd >= 0) host.close(this.fd);
    this.fd = -1;
  }
}

/** Wakes a queue after a while, and later and later as long as that is in vain. */
export class Retry {
  private delay = FIRST_NS;
  private readonly timer: Timer;
  constructor(queue: WaitQueue) { this.timer = new Timer(() => { queue.wakeAll(); }); }

  later(): void {
    if (this.timer.at >= 0) return;
    vfsEndpoint().timers.arm(this.timer, nowNs() + this.delay);
    this.delay = Math.min(2 * this.delay, MOST_NS);
  }

  /** It was not in vain. */
  reset(): void { this.delay = FIRST_NS; }
}
