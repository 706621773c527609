/** What /sys shows of memory nodes on hosts that show none themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuMask, nodeMeminfo, numbersOf } from './sysfs.js';

test('lists of CPUs and nodes', () => {
  assert.deepEqual(numbersOf('0-2,5\n'), [0, 1, 2, 5]);
  assert.deepEqual(numbersOf('7'), [7]);
  assert.deepEqual(numbersOf('\n'), []);
});

test('masks of CPUs', () => {
  assert.equal(cpuMask('0-1\n'), '3\n');
  assert.equal(cpuMask('0-31'), 'ffffffff\n');
  assert.equal(cpuMask('1,33'), '2,00000002\n');
});

test('the memory of the one node is the machine\'s', () => {
  assert.equal(nodeMeminfo(0, 'MemTotal:    1000 kB\nMemFree:      400 kB\n'), 'Node 0 MemTotal:           1000 kB\nNode 0 MemFree:             400 kB\nNode 0 MemUsed:             600 kB\n');
});
