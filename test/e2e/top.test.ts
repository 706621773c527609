/** `carrick top` of a busy container. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Footprint, carrick } from './harness.js';

test('processes and workers, twice; what is wrong is said in a line', (t) => {
  const footprint = new Footprint();
  const o = footprint.options;
  // Also when something below fails: it would take a processor for ever.
  t.after(() => { carrick(['rm', '-f', 'busy'], o); });
  assert.equal(carrick(['run', '-d', '--rm', '--name', 'busy', 'host', '--', 'sh', '-c', 'sleep 1000 & while :; do read line </etc/passwd || exit; done'], o).status, 0);
  const r = carrick(['top', '-d', '1', '-n', '2', 'busy'], o);
  assert.deepEqual([r.status, r.err], [0, '']);
  const second = r.out.slice(r.out.lastIndexOf('WORKER'));
  assert.ok(Number(/^vfs +[\d.]+ +(\d+) /m.exec(second)?.[1]) > 100, r.out);
  assert.match(second, /^1 +\d+ +[RS] +[\d.]+ +[\d.]+ +1 +\d+ +sh$/m);
  assert.match(second, /^\d+ +\d+ +S +0\.0 +[\d.]+ +1 +0 +sleep$/m);
  assert.equal(carrick(['rm', '-f', 'busy'], o).status, 0);
  assert.deepEqual(footprint.left(), []);
  for (const args of [['top', 'nobody'], ['top', '-d', '0', 'busy'], ['top', '-n', 'x', 'busy']]) {
    const wrong = carrick(args, o);
    assert.deepEqual([wrong.status, wrong.err.trimEnd().split('\n').length], [125, 1], wrong.err);
  }
});
