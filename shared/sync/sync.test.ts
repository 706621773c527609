/** Race tests of the primitives: real workers, the same words, invariants that a lost update or a lost wake-up would break (or hang on). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { lock, tryLock, unlock } from './mutex.js';
import { Barrier, Condition, Once, Semaphore } from './primitives.js';

interface Job { readonly name: string; readonly sab: SharedArrayBuffer; readonly me: number; readonly rounds: number }

// Words: 0 mutex, 1 condition, 2 semaphore, 3-4 barrier, 5 once, 8.. data.
const JOBS: Record<string, (w: Int32Array, me: number, rounds: number) => void> = {
  mutex: (w, _me, rounds) => {
    for (let i = 0; i < rounds; i++) {
      lock(w, 0);
      // Not atomic on purpose: two holders would lose an update.
      w[8] = (w[8] as number) + 1;
      unlock(w, 0);
    }
  },
  semaphore: (w, _me, rounds) => {
    const s = new Semaphore(w, 2);
    for (let i = 0; i < rounds; i++) {
      s.acquire();
      const inside = Atomics.add(w, 8, 1) + 1;
      if (inside > 2) Atomics.store(w, 9, 1);
      Atomics.sub(w, 8, 1);
      s.release();
    }
    Atomics.add(w, 10, 1);
  },
  condition: (w, me, rounds) => {
    // Even workers put, odd ones take, a buffer of one.
    const c = new Condition(w, 1, 0);
    for (let i = 0; i < rounds; i++) {
      lock(w, 0);
      while (w[8] !== (me % 2 === 0 ? 0 : 1)) c.wait();
      w[8] = me % 2 === 0 ? 1 : 0;
      w[9] = (w[9] as number) + 1;
      c.broadcast();
      unlock(w, 0);
    }
  },
  barrier: (w, me, rounds) => {
    const b = new Barrier(w, 3, 3);
    for (let i = 1; i <= rounds; i++) {
      Atomics.store(w, 8 + me, i);
      if (b.wait()) Atomics.add(w, 12, 1);
      // Everyone has stored round i by now, and nobody can be two rounds ahead.
      for (let k = 0; k < 3; k++) if (Atomics.load(w, 8 + k) < i) Atomics.store(w, 13, 1);
      b.wait();
    }
  },
  once: (w) => {
    new Once(w, 5).run(() => {
      Atomics.add(w, 8, 1);
      for (let i = 0; i < 1e5; i++) Atomics.add(w, 9, 1);
    });
    if (Atomics.load(w, 9) !== 1e5) Atomics.store(w, 10, 1);
  },
};

function race(name: string, workers: number, rounds: number, prepare: (w: Int32Array) => void = () => undefined): Promise<Int32Array> {
  const sab = new SharedArrayBuffer(256);
  const words = new Int32Array(sab);
  prepare(words);
  return Promise.all(Array.from({ length: workers }, (_, me) => new Promise<void>((resolve, reject) => {
    const w = new Worker(fileURLToPath(import.meta.url), { workerData: { name, sab, me, rounds } satisfies Job });
    w.once('error', reject);
    w.once('exit', (code) => { if (code === 0) resolve(); else reject(new Error(`worker ended with ${code}`)); });
  }))).then(() => words);
}

if (!isMainThread && workerData !== null && typeof workerData === 'object' && 'name' in workerData) {
  const job = workerData as Job;
  (JOBS[job.name] as (w: Int32Array, me: number, rounds: number) => void)(new Int32Array(job.sab), job.me, job.rounds);
} else {
  test('mutex: no update is lost', async () => {
    const w = await race('mutex', 4, 20000);
    assert.equal(w[8], 80000);
    assert.equal(w[0], 0);
    assert.ok(tryLock(w, 0));
    assert.ok(!tryLock(w, 0));
  });
  test('semaphore: never more inside than its count', async () => {
    const w = await race('semaphore', 4, 5000, (x) => { x[2] = 2; });
    assert.equal(w[9], 0);
    assert.equal(w[10], 4);
    assert.equal(w[2], 2);
    assert.equal(new Semaphore(new Int32Array(new SharedArrayBuffer(4)), 0).acquire(1), false);
  });
  test('condition: a buffer of one is handed over without loss', async () => {
    const w = await race('condition', 4, 1000);
    assert.equal(w[9], 4000);
    assert.equal(w[8], 0);
  });
  test('barrier: nobody passes early, one leader a round', async () => {
    const w = await race('barrier', 3, 1000);
    assert.equal(w[12], 1000);
    assert.equal(w[13], 0);
  });
  test('once: runs once and everyone waits for it', async () => {
    const w = await race('once', 4, 1);
    assert.equal(w[8], 1);
    assert.equal(w[10], 0);
  });
}
