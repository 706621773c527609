import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../shared/gen/layout.js';
import * as NR from '../shared/gen/syscalls.js';
import { native } from '../shared/native.js';
import { addProc, makeWorld, taskOf } from './testing.js';
import { Watchdog } from './watchdog.js';

const SECOND = 1e9;

test('a parked request is overdue unless it waits by nature, and is told of once', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 10 }));
  L.setMetaTopTask(1, t + 1);
  const dog = new Watchdog(2 * SECOND);
  const park = (nr: number, at: number): void => { L.setTaskParked(t, 1 + L.SRV_VFS); L.setTaskNr(t, nr); L.setTaskParkedNs(t, at); };
  park(NR.NR_read, SECOND);
  assert.equal(dog.look(100 * SECOND), false, 'waits by nature');
  park(NR.NR_stat, 100 * SECOND);
  assert.equal(dog.look(101 * SECOND), false);
  assert.equal(dog.look(103 * SECOND), true);
  assert.equal(dog.look(104 * SECOND), false);
  park(NR.NR_stat, 104 * SECOND);
  assert.equal(dog.look(107 * SECOND), true);
});

test('a request that stays on its way is overdue, whatever it asks for', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 10 }));
  L.setMetaTopTask(1, t + 1);
  const words = new Map<number, number>([[L.SLOT_STATE, L.SLOT_POSTED], [L.SLOT_SEQ, 5], [L.SLOT_NR, NR.NR_read], [L.SLOT_SERVER, L.SRV_IPC]]);
  native.slotLoad = (_slot, off): number => words.get(off) ?? 0;
  const dog = new Watchdog(2 * SECOND);
  assert.equal(dog.look(10 * SECOND), false);
  words.set(L.SLOT_SEQ, 6);
  assert.equal(dog.look(13 * SECOND), false);
  assert.equal(dog.look(15 * SECOND), true);
  words.set(L.SLOT_STATE, L.SLOT_READY);
  assert.equal(dog.look(19 * SECOND), false);
});

test('tasks that stay the same are told of once, whatever they do', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 10 }));
  L.setMetaTopTask(1, t + 1);
  const dog = new Watchdog(2 * SECOND);
  assert.deepEqual([1, 10, 11, 12, 30].map((s) => dog.look(s * SECOND)), [false, false, true, false, false]);
  L.setTaskTid(t, 11);
  assert.deepEqual([31, 40, 41, 42].map((s) => dog.look(s * SECOND)), [false, false, true, false]);
});
