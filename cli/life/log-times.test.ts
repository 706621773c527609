import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LOGS, LogClock, LogFiles, type Piece, parseTime } from './log-times.js';
import { since, tail, until } from './logs.js';

/** A log whose files grow when we say so. */
class Log {
  readonly dir = mkdtempSync(join(tmpdir(), 'carrick-log-'));
  readonly files: LogFiles;

  constructor() {
    for (const name of [...LOGS, 'log.index']) writeFileSync(join(this.dir, name), '');
    this.files = new LogFiles(this.dir);
  }

  grow(stream: 0 | 1, text: string, seconds: number): void {
    const file = join(this.dir, LOGS[stream]);
    appendFileSync(file, text);
    utimesSync(file, seconds, seconds);
  }

  /** A container is started, and ends. A clock looks at both. */
  start(): void { new LogClock(this.dir).stop(); }

  readonly read = (stream: number, begin: number, length: number): Buffer => this.files.read(stream, begin, length);

  text(pieces: readonly Piece[]): string { return pieces.map((p) => this.read(p.stream, p.begin, p.end - p.begin).toString()).join(''); }
  all(): Piece[] { const files = new LogFiles(this.dir), pieces = files.more(); files.close(); return pieces; }
  remove(): void { this.files.close(); rmSync(this.dir, { recursive: true }); }
}

test('a clock notes when and in what order the files grew; what it was not told of has the file\'s time', () => {
  const log = new Log();
  try {
    log.grow(0, 'one\n', 1000);
    log.start();
    log.grow(1, 'two\n', 2000);
    assert.deepEqual(log.files.more(), [{ stream: 0, begin: 0, end: 4, ms: 1000e3 }, { stream: 1, begin: 0, end: 4, ms: 2000e3 }]);
    assert.deepEqual(log.files.more(), [], 'once is enough, also when it is noted later');
    log.start();
    assert.deepEqual(log.files.more(), []);
    // The host's clock was set back: the log's does not go back.
    log.grow(0, 'three\n', 1500);
    log.start();
    // Both in one tick: by the files' times.
    log.grow(0, 'five\n', 4000);
    log.grow(1, 'four\n', 3000);
    assert.deepEqual(log.files.more().map(({ stream, begin, ms }) => [stream, begin, ms]), [[0, 4, 2000e3], [1, 4, 3000e3], [0, 10, 4000e3]]);
    log.start();
    assert.equal(log.text(log.all()), 'one\ntwo\nthree\nfour\nfive\n');
  } finally {
    log.remove();
  }
});

test('parts of a log: lines by when they were begun, the last ones', () => {
  const log = new Log();
  try {
    [[0, 'a\nb'], [1, 'E\n'], [0, 'b\n'], [1, 'F'], [0, 'c\n'], [1, 'F\nG']].forEach(([stream, text], i) => { log.grow(stream as 0 | 1, text as string, 1000 * (i + 1)); log.start(); });
    const all = log.all();
    assert.equal(log.text(all), 'a\nbE\nb\nFc\nF\nG');
    assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 9].map((n) => log.text(tail(all, log.read, n))), ['', 'G', 'c\nG', 'Fc\nF\nG', 'E\nFc\nF\nG', 'bE\nb\nFc\nF\nG', log.text(all), log.text(all)]);
    assert.deepEqual([0, 1000e3, 1001e3, 2001e3, 3001e3, 6000e3, 6001e3].map((ms) => log.text(since(all, log.read, ms))), [log.text(all), log.text(all), 'E\nFc\nF\nG', 'Fc\nF\nG', 'Fc\nF\nG', 'G', '']);
    assert.deepEqual([999e3, 1000e3, 2000e3, 4000e3, 9000e3].map((ms) => log.text(until(all, log.read, ms))), ['', 'a\nbb\n', 'a\nbE\nb\n', 'a\nbE\nb\nFF\n', log.text(all)]);
    const long = `${'x'.repeat(70_000)}\n`;
    log.grow(0, long + long, 7000);
    assert.equal(log.text(tail(log.all(), log.read, 1)), long);
    assert.equal(log.text(since(log.all(), log.read, 7000e3)), long + long);
  } finally {
    log.remove();
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
