/**
 * Mutex on one word of a SharedArrayBuffer, for the workers of one process (Atomics.wait; a host futex neither wakes it nor is woken).
 * States: 0 free, 1 held, 2 held and somebody sleeps. Not recursive, not fair.
 */

export function lock(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, 0, 1) === 0) return;
  // From here on the word says 2 while we wait, so that the holder knows to notify.
  while (Atomics.exchange(words, at, 2) !== 0) Atomics.wait(words, at, 2);
}

export function tryLock(words: Int32Array, at: number): boolean {
  return Atomics.compareExchange(words, at, 0, 1) === 0;
}

export function unlock(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, 0) === 2) Atomics.notify(words, at, 1);
}
