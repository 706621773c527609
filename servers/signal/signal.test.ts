import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pending } from './pending.js';
import { childInfo, userInfo, writeSiginfo } from './siginfo.js';
import { Action, bitHi, bitLo, defaultAction, firstOf, has } from './sigset.js';

test('standard signals coalesce, real-time ones queue', () => {
  let seen = 0;
  const p = new Pending(() => { seen++; });
  assert.ok(p.add(userInfo(15, 0, 1, 0)));
  assert.ok(!p.add(userInfo(15, 0, 2, 0)));
  assert.ok(p.add(userInfo(40, -1, 1, 0, 7)));
  assert.ok(p.add(userInfo(40, -1, 1, 0, 8)));
  assert.equal(p.take(40)?.lo, 7);
  assert.ok(has(p.lo, p.hi, 40));
  assert.equal(p.take(40)?.lo, 8);
  assert.ok(!has(p.lo, p.hi, 40));
  assert.equal(p.take(40), undefined);
  assert.equal(p.take(15)?.pid, 1);
  assert.ok(seen >= 5);
});

test('one entry can be taken back: its number is pending only while another is', () => {
  const p = new Pending(() => undefined);
  const [mine, other] = [userInfo(40, -2, 1, 0), userInfo(40, -1, 1, 0)];
  p.add(mine);
  p.add(other);
  p.remove(mine);
  assert.ok(has(p.lo, p.hi, 40));
  p.remove(mine);
  assert.equal(p.size, 1);
  p.remove(other);
  assert.ok(!has(p.lo, p.hi, 40));
});

test('synchronous signals go first, then the lowest number', () => {
  assert.equal(firstOf(bitLo(1) | bitLo(11), 0), 11);
  assert.equal(firstOf(bitLo(32), bitHi(33)), 32);
  assert.equal(firstOf(0, bitHi(64)), 64);
  assert.equal(firstOf(0, 0), 0);
  for (let s = 1; s <= 64; s++) assert.ok(has(bitLo(s), bitHi(s), s), String(s));
});

test('default actions', () => {
  assert.equal(defaultAction(17), Action.IGNORE);
  assert.equal(defaultAction(18), Action.CONT);
  assert.equal(defaultAction(20), Action.STOP);
  assert.equal(defaultAction(15), Action.TERM);
  assert.equal(defaultAction(34), Action.TERM);
});

test('siginfo layouts', () => {
  const b = Buffer.alloc(128);
  writeSiginfo(b, 0, childInfo(17, 1, 42, 1000, 3, 5, 6));
  assert.deepEqual([b.readInt32LE(0), b.readInt32LE(8), b.readInt32LE(16), b.readUInt32LE(20), b.readInt32LE(24), b.readUInt32LE(32), b.readUInt32LE(40)], [17, 1, 42, 1000, 3, 5, 6]);
  writeSiginfo(b, 0, userInfo(40, -1, 9, 0, 0x11223344, 0x55667788));
  assert.equal(b.readBigUInt64LE(24), 0x5566778811223344n);
});
