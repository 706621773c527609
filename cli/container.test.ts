import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { RunSpec } from '../shared/spec.js';
import { exitStatus, startFailure } from './container.js';
import { formatSummary, summaryRows } from './trace-summary.js';
import { STAT_ROWS } from '../shared/endpoint.js';
import { SRV_COUNT } from '../shared/gen/layout.js';

test('exit status: exits and signals, as a shell gives them', () => {
  assert.deepEqual([0, 0x0100, 0xff00, 9, 15, 11 | 0x80].map(exitStatus), [0, 1, 255, 137, 143, 139]);
});

test('start failures: 127 not found, 126 not executable, 125 ours', () => {
  const { ENOENT, EACCES, ENOEXEC, ENOMEM } = constants.errno;
  const status = (program: string, errno: number, message: string): number => startFailure(errno, message, { argv: [program] } as unknown as RunSpec).status;
  assert.equal(status('nosuch', ENOENT, 'exec'), 127);
  assert.equal(status('/no/such', ENOENT, 'exec: no such file'), 127);
  assert.equal(status('/etc/passwd', EACCES, ''), 126);
  assert.equal(status('/bin/x', ENOEXEC, 'exec'), 126);
  assert.equal(status('/bin/x', ENOMEM, 'exec'), 125);
  assert.equal(status('/bin/x', ENOENT, 'no user "bob" in /etc/passwd'), 125);
});

test('trace summary: sorted by time, with errors and a total', () => {
  const stats = new Float64Array((SRV_COUNT + 1) * STAT_ROWS * 3);
  stats.set([4, 1, 8000], (1 * STAT_ROWS + 0) * 3);      // vfs: read
  stats.set([2, 0, 92000], (0 * STAT_ROWS + 59) * 3);    // kernel: execve
  stats.set([9, 0, 5], (4 * STAT_ROWS + 1001) * 3);      // the stub's own request
  const rows = summaryRows(stats);
  assert.deepEqual(rows.map((row) => [row.name, row.server, row.calls]), [['execve', 'kernel', 2], ['read', 'vfs', 4]]);
  const lines = formatSummary(rows).split('\n');
  assert.match(lines[2] ?? '', /92\.00 +0\.000092 +46 +2 +kernel +execve/);
  assert.match(lines[4] ?? '', /100\.00 +0\.000100 +6 +1 +total/);
});
