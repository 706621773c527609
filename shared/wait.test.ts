import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timer, TimerHeap, WaitQueue, type Waiter } from './wait.js';

test('timers fire in order of their deadlines, and disarmed ones never', () => {
  const heap = new TimerHeap();
  const fired: number[] = [];
  const timers = Array.from({ length: 200 }, (_, i) => new Timer(() => { fired.push(i); }));
  timers.forEach((t, i) => { heap.arm(t, (i * 7919) % 1000); });
  for (let i = 0; i < 200; i += 3) heap.disarm(timers[i] as Timer);
  heap.arm(timers[1] as Timer, 5000);
  const expected = timers.map((_t, i) => i).filter((i) => i % 3 !== 0 && i !== 1).sort((a, b) => ((a * 7919) % 1000) - ((b * 7919) % 1000));
  assert.equal(heap.expire(1000), expected.length);
  assert.deepEqual(fired.map((i) => (i * 7919) % 1000), expected.map((i) => (i * 7919) % 1000));
  assert.equal(heap.next(), 5000);
});

test('a queue wakes first come first, once', () => {
  const q = new WaitQueue();
  const woken: string[] = [];
  const waiter = (name: string): Waiter => ({ onWake: () => { woken.push(name); } });
  const [a, b, c] = [waiter('a'), waiter('b'), waiter('c')];
  q.add(a); q.add(b); q.add(c);
  q.remove(b);
  assert.ok(q.wakeOne());
  q.wakeAll();
  assert.ok(!q.wakeOne());
  assert.deepEqual(woken, ['a', 'c']);
});
