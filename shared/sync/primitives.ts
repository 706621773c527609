/**
 * Semaphore, Condition, Barrier and Once on words of a SharedArrayBuffer, for the workers of one process. Each takes a view and the index of its
 * first word, so that they can live inside any table. They sleep with Atomics.wait: a host futex neither wakes them nor is woken by them.
 * None may be used on the syscall path of a server, which never sleeps but in its endpoint.
 */
import { lock, unlock } from './mutex.js';

/** Counting semaphore, one word: the count. */
export class Semaphore {
  constructor(private readonly words: Int32Array, private readonly at: number) {}

  /** Take one; sleeps while the count is 0. False when timeoutMs passed first. */
  acquire(timeoutMs = Infinity): boolean {
    const end = timeoutMs === Infinity ? Infinity : performance.now() + timeoutMs;
    for (;;) {
      if (this.tryAcquire()) return true;
      const left = end === Infinity ? undefined : end - performance.now();
      if (left !== undefined && left <= 0) return false;
      Atomics.wait(this.words, this.at, 0, left);
    }
  }

  tryAcquire(): boolean {
    for (;;) {
      const v = Atomics.load(this.words, this.at);
      if (v <= 0) return false;
      if (Atomics.compareExchange(this.words, this.at, v, v - 1) === v) return true;
    }
  }

  release(n = 1): void {
    Atomics.add(this.words, this.at, n);
    Atomics.notify(this.words, this.at, n);
  }
}

/** Condition variable, one word: a generation. Used with a Mutex word of the same view. */
export class Condition {
  constructor(private readonly words: Int32Array, private readonly at: number, private readonly mutexAt: number) {}

  /** Release the mutex, sleep until signalled (or timeoutMs), take it again. False on timeout. May wake spuriously: loop on your condition. */
  wait(timeoutMs = Infinity): boolean {
    const seen = Atomics.load(this.words, this.at);
    unlock(this.words, this.mutexAt);
    // A signal between the unlock and here changes the word, and wait returns "not-equal".
    const r = Atomics.wait(this.words, this.at, seen, timeoutMs === Infinity ? undefined : timeoutMs);
    lock(this.words, this.mutexAt);
    return r !== 'timed-out';
  }

  signal(): void {
    Atomics.add(this.words, this.at, 1);
    Atomics.notify(this.words, this.at, 1);
  }

  broadcast(): void {
    Atomics.add(this.words, this.at, 1);
    Atomics.notify(this.words, this.at);
  }
}

/** Barrier for `parties`, two words: arrived, generation. Reusable. */
export class Barrier {
  constructor(private readonly words: Int32Array, private readonly at: number, private readonly parties: number) {}

  /** Wait for the others. True for exactly one of the parties of each round. */
  wait(): boolean {
    const gen = Atomics.load(this.words, this.at + 1);
    if (Atomics.add(this.words, this.at, 1) + 1 === this.parties) {
      Atomics.store(this.words, this.at, 0);
      Atomics.add(this.words, this.at + 1, 1);
      Atomics.notify(this.words, this.at + 1);
      return true;
    }
    while (Atomics.load(this.words, this.at + 1) === gen) Atomics.wait(this.words, this.at + 1, gen);
    return false;
  }
}

/** One-time initialisation, one word: 0 not begun, 1 under way, 2 done. */
export class Once {
  constructor(private readonly words: Int32Array, private readonly at: number) {}

  /** Run `init` in the first caller; everyone returns after it has finished. A throwing init leaves it for the next caller. */
  run(init: () => void): void {
    for (;;) {
      const s = Atomics.compareExchange(this.words, this.at, 0, 1);
      if (s === 2) return;
      if (s === 1) { Atomics.wait(this.words, this.at, 1); continue; }
      let done = 0;
      try {
        init();
        done = 2;
      } finally {
        Atomics.store(this.words, this.at, done);
        Atomics.notify(this.words, this.at);
      }
      return;
    }
  }
}
