/** Python: the page's commands, and CPython's tests of processes again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alike } from '../../ltp/many.js';
import { CPYTHON } from '../../ltp/suites/cpython.js';
import { runPage } from './doc-commands.js';

test('docs/workloads/python.md', () => { runPage('docs/workloads/python.md'); });
test('docs/workloads/python.md, as an ordinary user', { skip: process.getuid?.() !== 0 && 'runs as one already' }, () => { runPage('docs/workloads/python.md', { ordinary: true }); });

for (const name of ['test_subprocess', 'test_multiprocessing_fork', 'test_multiprocessing_spawn']) {
  test(`${name} 10 times in a row: all runs alike`, async () => {
    const [program] = await CPYTHON.programs('smoke', (wanted) => wanted === name);
    assert.ok(program !== undefined);
    // The limit is against hangs: a machine that does other things as well may take several times as long as one that does not.
    assert.deepEqual(await alike({ ...program, timeoutMs: 4 * program.timeoutMs }, 10, 1), []);
  });
}
