/** Go: the page's commands, and the runtime's own tests again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alike } from '../../ltp/many.js';
import { GO } from '../../ltp/suites/go.js';
import { runPage } from './doc-commands.js';

test('docs/workloads/go.md', () => { runPage('docs/workloads/go.md'); });
test('docs/workloads/go.md, as an ordinary user', { skip: process.getuid?.() !== 0 && 'runs as one already' }, () => { runPage('docs/workloads/go.md', { ordinary: true }); });

test('the runtime\'s tests, 20 times in a row and 8 at once: all runs alike', async () => {
  const [runtime] = await GO.programs('smoke', (name) => name === 'runtime');
  assert.ok(runtime !== undefined);
  assert.deepEqual(await alike(runtime, 20, 1), []);
  assert.deepEqual(await alike({ ...runtime, timeoutMs: 8 * runtime.timeoutMs }, 8, 8), []);
});
