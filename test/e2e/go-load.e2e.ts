/**
 * The Go runtime's own tests. One run of these builds what they build from nothing, with an empty build cache; it leaves its cache to one run after it, and
 * to eight at once, which take all that the machine has: other tests, with limits of time of their own, do not run beside this file.
 */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { unlikeHost } from '../../ltp/many.js';
import type { Program } from '../../ltp/suite.js';
import { GO } from '../../ltp/suites/go.js';
import { scratchDir } from './harness.js';

describe('the runtime\'s tests end as on the host', () => {
  const cache = scratchDir('gocache');
  const changes = { env: { GOCACHE: cache }, volumes: [`${cache}:${cache}`] };
  let runtime: Program;
  before(async () => {
    chmodSync(cache, 0o777);
    const [found] = await GO.programs('smoke', (name) => name === 'runtime');
    assert.ok(found !== undefined);
    runtime = found;
  });
  it('with an empty build cache', async () => { assert.deepEqual(await unlikeHost('go', runtime, { times: 1, jobs: 1, firstJob: 20, changes }), []); });
  it('again', async () => { assert.deepEqual(await unlikeHost('go', runtime, { times: 1, jobs: 1, firstJob: 20, changes }), []); });
  it('eight at once', async () => { assert.deepEqual(await unlikeHost('go', runtime, { times: 8, jobs: 8, firstJob: 20, changes: { ...changes, timeoutMs: 8 * runtime.timeoutMs } }), []); });
});
