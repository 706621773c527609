/** The worker rings: order, wrapping, overflow and the sleeper's last look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { native } from './native.js';
import { RingPort, allocRings } from './rings.js';

let rung: number[] = [];
Object.assign(native, { ringDoorbell: (srv: number) => { rung.push(srv); return 0; } });

test('messages arrive in order with words and bytes, over many wraps', () => {
  const set = allocRings();
  const a = new RingPort(0, set);
  const b = new RingPort(1, set);
  let next = 0;
  for (let round = 0; round < 400; round++) {
    for (let i = 0; i < 7; i++) a.send(1, 5, [round * 7 + i, -1, 2 ** 40], 'x'.repeat((round * 13 + i * 101) % 3000));
    b.drain((m) => {
      assert.equal(m.from, 0);
      assert.equal(m.kind, 5);
      assert.equal(m.w[0], next);
      assert.equal(m.w[2], 2 ** 40);
      assert.equal(m.w[3], 0);
      assert.equal(m.text.length, ((Math.floor(next / 7)) * 13 + (next % 7) * 101) % 3000);
      next++;
    });
  }
  assert.equal(next, 2800);
});

test('a full ring keeps messages for later, in order', () => {
  const set = allocRings();
  const a = new RingPort(0, set);
  const b = new RingPort(1, set);
  for (let i = 0; i < 500; i++) a.send(1, 9, [i], 'y'.repeat(1000));
  assert.equal(a.flush(), false);
  const seen: number[] = [];
  while (seen.length < 500) {
    b.drain((m) => { seen.push(m.w[0] as number); });
    a.flush();
  }
  assert.deepEqual(seen, Array.from({ length: 500 }, (_, i) => i));
});

test('only a sleeper is rung, and a message before the last look keeps it awake', () => {
  const set = allocRings();
  const a = new RingPort(0, set);
  const b = new RingPort(1, set);
  rung = [];
  a.send(1, 1, [1]);
  assert.deepEqual(rung, []);
  assert.equal(b.prepareSleep(), true);
  b.drain(() => undefined);
  assert.equal(b.prepareSleep(), false);
  a.send(1, 1, [2]);
  assert.deepEqual(rung, [1]);
  b.awake();
  a.send(1, 1, [3]);
  assert.deepEqual(rung, [1]);
});

test('a quiet message wakes no sleeper, but keeps its place, and a filling ring is not left waiting', () => {
  const set = allocRings();
  const a = new RingPort(0, set);
  const b = new RingPort(1, set);
  rung = [];
  assert.equal(b.prepareSleep(), false);
  a.quiet(1, 1, [1]);
  assert.deepEqual(rung, []);
  a.send(1, 1, [2]);
  assert.deepEqual(rung, [1]);
  const seen: number[] = [];
  b.drain((m) => { seen.push(m.w[0] as number); });
  assert.deepEqual(seen, [1, 2]);
  // Nobody can miss it by going to sleep.
  b.awake();
  a.quiet(1, 1, [3]);
  assert.equal(b.prepareSleep(), true);
  b.drain(() => undefined);
  assert.equal(b.prepareSleep(), false);
  rung = [];
  for (let i = 0; i < 1000 && rung.length === 0; i++) a.quiet(1, 1, [i]);
  assert.deepEqual(rung, [1]);
  rung = [];
  b.drain(() => undefined);
  a.quiet(1, 1, [4]);
  a.nudge(1);
  assert.deepEqual(rung, [1]);
});

test('a server that has not been started is a sleeper to everybody, and is told nothing quietly until somebody needs it', () => {
  const set = allocRings([1]);
  const a = new RingPort(0, set);
  assert.deepEqual([a.isUnborn(0), a.isUnborn(1)], [false, true]);
  rung = [];
  a.quiet(1, 1, [1]);
  assert.deepEqual(rung, []);
  for (let i = 0; i < 1000; i++) a.quiet(1, 1, [i]);
  assert.deepEqual(rung, []);
  a.send(1, 1, [2]);
  assert.deepEqual(rung, [1]);
  assert.equal(a.isUnborn(1), false);
  a.quiet(1, 1, [2.5]);
  const b = new RingPort(1, set);
  // It looks before it sleeps for the first time.
  a.send(1, 1, [3]);
  assert.deepEqual(rung, [1]);
  assert.equal(b.prepareSleep(), true);
  const seen: number[] = [];
  b.drain((m) => { seen.push(m.w[0] as number); });
  assert.deepEqual(seen, [2, 2.5, 3]);
});

test('a message that could never fit is a bug', () => {
  const a = new RingPort(0, allocRings());
  assert.throws(() => { for (let i = 0; i < 3; i++) a.send(1, 1, [], 'z'.repeat(100000)); }, /does not fit/);
});
