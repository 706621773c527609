import assert from 'node:assert/strict';
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogClock, LogTimes, parseTime } from './log-times.js';
import { lineOffset } from './logs.js';

test('a clock notes when a log grew; what it was not told of has the file\'s time', () => {
  const dir = mkdtempSync(join(tmpdir(), 'carrick-clock-')), log = join(dir, 'log');
  const grow = (text: string, seconds: number): void => { appendFileSync(log, text); utimesSync(log, seconds, seconds); };
  try {
    writeFileSync(log, '');
    // Each clock looks when it begins and when it is stopped: as with a container that is started again.
    grow('one\n', 1000);
    let clock = new LogClock(dir);
    grow('two\n', 2000);
    clock.stop();
    // The host's clock was set back: the log's does not go back.
    grow('three\n', 1500);
    clock = new LogClock(dir);
    clock.stop();
    grow('four\n', 3000);
    const fd = openSync(log, 'r'), times = new LogTimes(dir, fd);
    assert.deepEqual([0, 3, 4, 7, 8, 14].map((at) => times.at(at)), [1000e3, 1000e3, 2000e3, 2000e3, 2000e3, 3000e3]);
    assert.deepEqual([0, 1000e3, 1001e3, 2000e3, 2001e3, 3000e3, 3001e3].map((ms) => times.from(ms)), [0, 0, 4, 4, 14, 14, 19]);
    assert.deepEqual([0, 1, 4, 5, 15, 19].map((at) => lineOffset(fd, at, 19)), [0, 4, 4, 8, 19, 19]);
    closeSync(fd);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('times as docker takes them', () => {
  const now = Date.parse('2026-05-01T12:00:00Z');
  assert.equal(parseTime('2026-05-01T11:00:00Z', now), now - 3600e3);
  assert.equal(parseTime('2026-05-01T11:00:00.25+01:00', now), now - 7200e3 + 250);
  assert.equal(parseTime('2026-05-01', now), new Date(2026, 4, 1).getTime());
  assert.equal(parseTime('1777636800.5', now), 1777636800500);
  assert.deepEqual(['10m', '1h30m', '1.5s', '20ms'].map((text) => now - parseTime(text, now)), [600e3, 5400e3, 1500, 20]);
  for (const bad of ['', 'now', '5 m', '2026-13-01', '10x']) assert.ok(Number.isNaN(parseTime(bad, now)), bad);
});
