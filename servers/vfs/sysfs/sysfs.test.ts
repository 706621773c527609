/** What /sys shows of CPUs and memory nodes on hosts that show none themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuMask, nodeMeminfo, numbersOf, plainTopology } from './cpus.js';

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

test('a topology has all of its files, or lscpu takes what is not there for what is', () => {
  const files = new Map(plainTopology(1, '0-2\n'));
  for (const set of ['thread_siblings', 'core_cpus']) assert.deepEqual([files.get(set), files.get(`${set}_list`)], ['2\n', '1\n'], set);
  for (const set of ['core_siblings', 'die_cpus', 'package_cpus']) assert.deepEqual([files.get(set), files.get(`${set}_list`)], ['7\n', '0-2\n'], set);
  assert.deepEqual([files.get('core_id'), files.get('die_id'), files.get('physical_package_id')], ['1\n', '0\n', '0\n']);
});

test('the memory of the one node is the machine\'s', () => {
  assert.equal(nodeMeminfo(0, 'MemTotal:    1000 kB\nMemFree:      400 kB\n'), 'Node 0 MemTotal:           1000 kB\nNode 0 MemFree:             400 kB\nNode 0 MemUsed:             600 kB\n');
});
