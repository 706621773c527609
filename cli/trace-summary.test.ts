/** `carrick trace -c`: the table of calls, and what it says of call sites. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STAT_REWRITE, STAT_ROWS } from '../shared/endpoint.js';
import { SRV_COUNT, SRV_KERNEL, SRV_VFS } from '../shared/gen/layout.js';
import { NR_openat, NR_read } from '../shared/gen/syscalls.js';
import { formatRewriting, formatSummary, summaryRows } from './trace-summary.js';

const COUNTS = 3;
const empty = (): Float64Array => new Float64Array((SRV_COUNT + 1) * STAT_ROWS * COUNTS);

/** Counts with calls of (server, number, calls, errors, ns). */
function counted(...calls: ReadonlyArray<readonly [number, number, number, number, number]>): Float64Array {
  const stats = empty();
  for (const [srv, nr, ...numbers] of calls) stats.set(numbers, (srv * STAT_ROWS + nr) * COUNTS);
  return stats;
}

/** Words of STAT_REWRITE: thunks, traps, sites, middles, and the sites declined by reason. */
function rewriting(...words: readonly number[]): string {
  const stats = empty();
  stats.set(words, (SRV_COUNT * STAT_ROWS + STAT_REWRITE) * COUNTS);
  return formatRewriting(stats);
}

test('calls by total time, the stub\'s own behind them without times, and none of its requests', () => {
  const rows = summaryRows(counted([SRV_VFS, NR_openat, 2, 1, 3_000_000], [SRV_KERNEL, NR_read, 1, 0, 9_000_000], [SRV_COUNT, NR_read, 50, 2, 0], [SRV_KERNEL, 1000, 7, 0, 99_000_000]));
  assert.deepEqual(rows.map((row) => [row.server, row.name, row.calls, row.errors]), [['kernel', 'read', 1, 0], ['vfs', 'openat', 2, 1], ['stub', 'read', 50, 2]]);
  const lines = formatSummary(rows).split('\n').map((line) => line.trim().split(/\s+/));
  assert.deepEqual(lines[2], ['75.00', '0.009000', '9000', '1', 'kernel', 'read']);
  assert.deepEqual(lines[3], ['25.00', '0.003000', '1500', '2', '1', 'vfs', 'openat']);
  assert.deepEqual(lines[4], ['0.00', '0.000000', '50', '2', 'stub', 'read']);
  assert.deepEqual(lines[5], ['100.00', '0.012000', '53', '3', 'total']);
});

test('no call at all', () => {
  assert.match(formatSummary(summaryRows(empty())), /^100\.00 +0\.000000 +0 +total$/m);
  assert.equal(rewriting(), '\n0 call sites rewritten: 0 calls came by them, 0 trapped (0.0 % without a trap), 0 came to their middle\n');
});

test('what became of call sites: the share without a trap, and why others stayed', () => {
  assert.equal(rewriting(300, 100, 12, 1), '\n12 call sites rewritten: 300 calls came by them, 100 trapped (75.0 % without a trap), 1 came to their middle\n');
  const lines = rewriting(0, 8, 0, 0, 1, 0, 3, 0, 0, 5).split('\n');
  assert.match(lines[1] ?? '', /^0 call sites rewritten: 0 calls came by them, 8 trapped \(0\.0 %/);
  assert.deepEqual(lines.slice(2), ['not rewritten: 1 calls from code that is in no file or may be written', 'not rewritten: 3 sites without room for a thunk', 'not rewritten: 5 sites entered in their middle', '']);
});
