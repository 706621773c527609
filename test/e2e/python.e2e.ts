/** Python: the page's commands, and CPython's tests of processes. */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { unlikeHost } from '../../ltp/many.js';
import { CPYTHON } from '../../ltp/suites/cpython.js';
import { runPage } from './doc-commands.js';

test('docs/workloads/python.md', () => { runPage('docs/workloads/python.md'); });
test('docs/workloads/python.md, as an ordinary user', { skip: process.getuid?.() !== 0 && 'runs as one already' }, () => { runPage('docs/workloads/python.md', { ordinary: true }); });

// Side by side, since they wait much more than they compute.
describe('CPython\'s tests end as on the host', { concurrency: true }, () => {
  ['test_multiprocessing_spawn', 'test_multiprocessing_fork', 'test_subprocess'].forEach((name, i) => {
    it(name, async () => {
      const [program] = await CPYTHON.programs('full', (wanted) => wanted === name);
      assert.ok(program !== undefined);
      // The limit is against hangs: a machine that does other things as well may take several times as long as one that does not.
      assert.deepEqual(await unlikeHost('cpython', program, { times: 1, jobs: 1, firstJob: 30 + i, changes: { timeoutMs: 4 * program.timeoutMs } }), []);
    });
  });
});
