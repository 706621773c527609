/** Processor time is exact in sum, sampled in its parts, and goes back in neither. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divide } from './cpu-times.js';

test('user and system time', () => {
  const t = { utimeNs: 0, stimeNs: 0 };
  const after = (total: number, user: number, both: number): number[] => { divide(total, user, both, t); return [t.utimeNs, t.stimeNs]; };
  assert.deepEqual(after(1000, 0, 0), [1000, 0], 'no tick yet');
  assert.deepEqual(after(1200, 0, 4), [1000, 200], 'the first tick met the system');
  assert.deepEqual(after(4000, 4, 8), [2000, 2000]);
  assert.deepEqual(after(5000, 12, 16), [3000, 2000], 'in proportion, but no less system time than before');
  assert.deepEqual(after(5000, 0, 20), [3000, 2000], 'nothing has passed');
  assert.deepEqual(after(6000, 0, 20), [3000, 3000]);
});
