/**
 * System V semaphores: the arrays, what an operation does to them, who waits, and what is undone when a process ends.
 *
 * A call's operations are done all or none. Who cannot go on is put at the end of the array's queue; after every change those who wait for zero are looked at
 * first, then the others in the order in which they came, from the start again after one whose operations were several. Operations are done for who waits by
 * whoever made them possible, so nobody else gets in between; `Sleeper.status` then holds the call's answer.
 *
 * SEM_UNDO: per array and process, what is added to each value when the process ends, whatever it dies of (TG_GONE). `tg.sysv` makes the kernel
 * wake this server for it. Threads share a process's adjustments; children have none. Sources: semop(2), semctl(2), ipc/sem.c behaviour.
 */
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import { SEMMNI, SEMVMX } from '../../../shared/ipc-limits.js';
import { IPC_NOWAIT, IpcIds, IpcPerm, nowSeconds } from './ids.js';

export const SEM_UNDO = 0x1000;
/** The operations of a call block. */
const BLOCKED = 1;
/** Sleeper.status while it waits. */
export const WAITING = 1;

/** One operation: struct sembuf. */
export interface Sop { readonly num: number; readonly op: number; readonly flags: number }

export class SemArray extends IpcPerm {
  readonly values: Int32Array;
  readonly pids: Int32Array;
  otime = 0;
  /** Who waits, in order. */
  pending: Sleeper[] = [];
  /** Adjustments by tg row. */
  readonly undo = new Map<number, Int32Array>();
  constructor(f: Frame, key: number, flags: number, readonly nsems: number) {
    super(f, key, flags);
    this.values = new Int32Array(nsems);
    this.pids = new Int32Array(nsems);
  }
}

/** A call of semop that waits, or may come to. */
export class Sleeper {
  /** WAITING, or the call's answer. */
  status = WAITING;
  /** Operation that blocks it. */
  blocking = 0;
  /** Does it change values (or only wait for zero)? */
  readonly alter: boolean;
  readonly undoes: boolean;
  constructor(readonly array: SemArray, readonly sops: readonly Sop[], readonly tg: number, readonly pid: number, readonly wake: () => void) {
    this.alter = sops.some((s) => s.op !== 0);
    this.undoes = sops.some((s) => (s.flags & SEM_UNDO) !== 0);
  }
}

export class Sems {
  readonly ids = new IpcIds<SemArray>(SEMMNI);
  /** Semaphores of all arrays. */
  used = 0;

  /** onUndo: the process has adjustments now. */
  constructor(private readonly onUndo: (tg: number) => void = () => undefined) {}

  /** Its adjustments of an array, made when they are first needed. */
  private undoOf(a: SemArray, tg: number): Int32Array {
    let un = a.undo.get(tg);
    if (un === undefined) {
      un = new Int32Array(a.nsems);
      a.undo.set(tg, un);
      this.onUndo(tg);
    }
    return un;
  }

  /** Do all operations or none: 0, BLOCKED, -EAGAIN (IPC_NOWAIT), -ERANGE. */
  private perform(s: Sleeper): number {
    const a = s.array;
    const un = s.undoes ? this.undoOf(a, s.tg) : undefined;
    let r = 0;
    let i = 0;
    for (; i < s.sops.length && r === 0; i++) {
      const { num, op, flags } = s.sops[i] as Sop;
      const value = a.values[num] as number;
      if ((op === 0 && value !== 0) || value + op < 0) {
        s.blocking = i;
        r = (flags & IPC_NOWAIT) !== 0 ? -E.EAGAIN : BLOCKED;
      } else if (value + op > SEMVMX || ((flags & SEM_UNDO) !== 0 && !adjust(un as Int32Array, num, op))) {
        r = -E.ERANGE;
      } else {
        a.values[num] = value + op;
      }
    }
    if (r === 0) {
      for (const sop of s.sops) a.pids[sop.num] = s.pid;
      a.otime = nowSeconds();
      return 0;
    }
    for (i -= 2; i >= 0; i--) {
      const { num, op, flags } = s.sops[i] as Sop;
      a.values[num] = (a.values[num] as number) - op;
      if ((flags & SEM_UNDO) !== 0) (un as Int32Array)[num] = ((un as Int32Array)[num] as number) + op;
    }
    return r;
  }

  /** A call's operations: its answer, or WAITING with the sleeper on the array's queue. */
  operate(s: Sleeper): number {
    const r = this.perform(s);
    if (r === BLOCKED) s.array.pending.push(s);
    else if (r === 0 && s.alter) this.update(s.array);
    return r === BLOCKED ? WAITING : r;
  }

  /** Who waited gives up. */
  leave(s: Sleeper): void {
    const ix = s.array.pending.indexOf(s);
    if (ix >= 0) s.array.pending.splice(ix, 1);
  }

  private complete(s: Sleeper, status: number): void {
    this.leave(s);
    s.status = status;
    s.wake();
  }

  /** Values have changed: let go on who can. */
  update(a: SemArray): void {
    this.wakeZero(a);
    let complex = a.pending.some(isComplex);
    for (let i = 0; i < a.pending.length;) {
      const s = a.pending[i] as Sleeper;
      const r = s.alter ? this.perform(s) : BLOCKED;
      if (r === BLOCKED) { i++; continue; }
      this.complete(s, r);
      if (r < 0) continue;
      const left = a.pending.length;
      this.wakeZero(a);
      // A single operation that waited was a decrement: nobody before it in the queue can have waited for that, but several at once may have.
      if (!complex && a.pending.length === left) continue;
      complex = a.pending.some(isComplex);
      i = 0;
    }
  }

  /** Those who change nothing: each is looked at once. */
  private wakeZero(a: SemArray): void {
    for (const s of a.pending.filter((p) => !p.alter)) {
      const r = this.perform(s);
      if (r !== BLOCKED) this.complete(s, r);
    }
  }

  /** IPC_RMID: who waits gets EIDRM. */
  destroy(a: SemArray): void {
    this.ids.remove(a);
    this.used -= a.nsems;
    for (const s of a.pending.splice(0)) this.complete(s, -E.EIDRM);
  }

  /** GETNCNT, GETZCNT: calls that wait for a semaphore to grow, or to become zero. */
  waiting(a: SemArray, num: number, zero: boolean): number {
    let n = 0;
    for (const s of a.pending) {
      const b = s.sops[s.blocking] as Sop;
      if (b.num === num && (b.op === 0) === zero) n++;
    }
    return n;
  }

  /** A process has ended: its adjustments are made. Values stay within 0 and SEMVMX. */
  gone(tg: number, pid: number): void {
    for (const a of this.ids.all()) {
      const un = a.undo.get(tg);
      if (un === undefined) continue;
      a.undo.delete(tg);
      for (let num = 0; num < a.nsems; num++) {
        const by = un[num] as number;
        if (by === 0) continue;
        a.values[num] = Math.min(SEMVMX, Math.max(0, (a.values[num] as number) + by));
        a.pids[num] = pid;
      }
      this.update(a);
    }
  }
}

const isComplex = (s: Sleeper): boolean => s.alter && s.sops.length > 1;

/** Note what undoes an operation: false when that would be out of range. */
function adjust(un: Int32Array, num: number, op: number): boolean {
  const by = (un[num] as number) - op;
  if (by < -SEMVMX - 1 || by > SEMVMX) return false;
  un[num] = by;
  return true;
}
