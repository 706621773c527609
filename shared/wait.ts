/**
 * Parking: wait queues and deadlines of one server (ARCHITECTURE D4).
 *
 * A handler that must wait puts its frame on one or more queues and returns Ret.BLOCKED; the endpoint keeps the frame until a queue wakes
 * it, its deadline passes, a signal cancels it or its task dies. It is then taken off every queue and dispatched again from the start
 * with `f.why` set. Everything here runs on the server's own thread; there is nothing to lock. Waking only lists the frame; the
 * dispatch happens in the endpoint's loop, so a waker never re-enters a handler.
 */

export const enum Why { FIRST = 0, WOKEN = 1, TIMEOUT = 2, SIGNAL = 3 }

/** What can wait: a frame, or a server's own object with a wake callback (poll watches). */
export interface Waiter {
  /** Called once the waiter has been taken off the queue that woke it. Must not call handlers. */
  onWake(queue: WaitQueue): void;
}

export class WaitQueue {
  private waiters: Waiter[] = [];

  get size(): number { return this.waiters.length; }

  add(w: Waiter): void { this.waiters.push(w); }

  remove(w: Waiter): void {
    const i = this.waiters.indexOf(w);
    if (i >= 0) this.waiters.splice(i, 1);
  }

  /** Wake every waiter, first come first. */
  wakeAll(): void {
    if (this.waiters.length === 0) return;
    const list = this.waiters;
    this.waiters = [];
    for (const w of list) w.onWake(this);
  }

  /** Wake the first waiter only; false when nobody waits. */
  wakeOne(): boolean {
    const w = this.waiters.shift();
    if (w === undefined) return false;
    w.onWake(this);
    return true;
  }
}

/** A timer on CLOCK_MONOTONIC. `at` < 0 = not armed. */
export class Timer {
  at = -1;
  /** Position in the heap, -1 = not there. Owned by TimerHeap. */
  ix = -1;
  constructor(readonly fire: () => void) {}
}

/** Binary heap of armed timers. */
export class TimerHeap {
  private readonly heap: Timer[] = [];

  /** Earliest deadline, ns; Infinity when none. */
  next(): number { return this.heap.length > 0 ? (this.heap[0] as Timer).at : Infinity; }

  arm(t: Timer, atNs: number): void {
    if (t.ix >= 0) this.disarm(t);
    t.at = atNs;
    t.ix = this.heap.length;
    this.heap.push(t);
    this.up(t.ix);
  }

  disarm(t: Timer): void {
    const i = t.ix;
    if (i < 0) return;
    const last = this.heap.pop() as Timer;
    t.ix = -1;
    t.at = -1;
    if (last === t) return;
    this.heap[i] = last;
    last.ix = i;
    this.up(i);
    this.down(last.ix);
  }

  /** Fire every timer whose deadline has passed. */
  expire(nowNs: number): number {
    let n = 0;
    while (this.heap.length > 0 && (this.heap[0] as Timer).at <= nowNs) {
      const t = this.heap[0] as Timer;
      this.disarm(t);
      t.fire();
      n++;
    }
    return n;
  }

  private up(i: number): void {
    const h = this.heap;
    const t = h[i] as Timer;
    while (i > 0) {
      const p = (i - 1) >> 1;
      const q = h[p] as Timer;
      if (q.at <= t.at) break;
      h[i] = q; q.ix = i;
      i = p;
    }
    h[i] = t; t.ix = i;
  }

  private down(i: number): void {
    const h = this.heap;
    const t = h[i] as Timer;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= h.length) break;
      if (c + 1 < h.length && (h[c + 1] as Timer).at < (h[c] as Timer).at) c++;
      const q = h[c] as Timer;
      if (q.at >= t.at) break;
      h[i] = q; q.ix = i;
      i = c;
    }
    h[i] = t; t.ix = i;
  }
}
