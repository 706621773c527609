import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayTell, pollEvent } from './async.js';

test('si_code and si_band: input counts most, an end before urgent data, room last', () => {
  assert.deepEqual(pollEvent(1 | 4 | 16), { code: 1, band: 0x41 });
  assert.deepEqual(pollEvent(4 | 16), { code: 6, band: 0x18 });
  assert.deepEqual(pollEvent(2 | 4), { code: 5, band: 0x82 });
  assert.deepEqual(pollEvent(4), { code: 2, band: 0x104 });
});

test('whom an owner may be: root\'s anybody, else one of the same ids', () => {
  assert.ok(mayTell(5, 0, 7, 8));
  assert.ok(mayTell(5, 6, 5, 8) && mayTell(5, 6, 7, 5) && mayTell(5, 6, 6, 8) && mayTell(5, 6, 7, 6));
  assert.ok(!mayTell(5, 6, 7, 8) && !mayTell(0, 6, 7, 8));
});
