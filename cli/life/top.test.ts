/** The page of `carrick top`: rates are differences of two rounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Sample, page } from './top.js';

const sample = (at: number, calls: number, cpuMs: number, requests: number): Sample => ({
  at,
  usage: { event: 'usage', servers: [{ calls, parked: 2 }], processes: [{ pid: 1, hostPid: 70, name: 'sh\x1b', tasks: 1, requests: 5 }, { pid: 9, hostPid: 79, name: 'busy', tasks: 3, requests }] },
  host: new Map([[70, { state: 'S', cpuMs: 10, rssKib: 2048 }], [79, { state: 'R', cpuMs, rssKib: 1024 }]]),
  workers: [cpuMs / 2],
});

test('the first round has no rates', () => {
  const text = page('box', sample(0, 100, 0, 0), undefined);
  assert.match(text, /^box\n\nWORKER/);
  assert.match(text, /^kernel +- +- +2 +100$/m);
  assert.match(text, /^1 +70 +S +- +2\.0 +1 +- +sh\?$/m);
});

test('later rounds do, and who used most comes first', () => {
  const text = page('box', sample(2000, 700, 1000, 50), sample(0, 100, 0, 10));
  assert.match(text, /^kernel +25\.0 +300 +2 +700$/m);
  assert.match(text, /^9 +79 +R +50\.0 +1\.0 +3 +20 +busy$/m);
  assert.ok(text.indexOf('busy') < text.indexOf('sh?'));
});

test('a process that is new since the last round has no rates yet', () => {
  const before = { ...sample(0, 100, 0, 10), usage: { ...sample(0, 100, 0, 10).usage, processes: [] }, host: new Map() };
  assert.match(page('box', sample(2000, 700, 1000, 50), before), /^9 +79 +R +- +1\.0 +3 +- +busy$/m);
});
