/**
 * The log of a container in the background: a file for its standard output (or its terminal) and one for its standard error. The guest writes to them itself, with nobody between, so that it
 * is as fast as with a file. When, and in what order, is noted by the process that runs the container, which looks at the files' sizes whenever they grow:
 *
 *   log, log.err   what was written
 *   log.index      records of 24 bytes, little-endian f64: milliseconds since 1970, size of the file then, which file (0, 1). Times never decrease, nor do a file's sizes. Writer: run-detached.
 *
 * A byte was written no later than the first record that holds it says. Looks are TICK_MS apart at least, so a busy log costs next to nothing; what goes to both files within one tick
 * is ordered by the files' last changes, as well as that can be. What no record holds yet (it was just written, or carrick was killed) comes last, with the time of its file's last change.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync, watch, writeSync, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

/** By stream: 0 is standard output, 1 standard error. */
export const LOGS = ['log', 'log.err'] as const;
const INDEX = 'log.index';
const RECORD_BYTES = 24;
/** Shortest time between two looks, and so the precision of what is noted. ms. */
const TICK_MS = 5;

/** The files are there, empty or as they were. */
export function makeLogs(dir: string): void { for (const name of [...LOGS, INDEX]) closeSync(openSync(join(dir, name), 'a', 0o600)); }

/** Bytes of one of the files, [begin, end), that were written by `ms`. */
export interface Piece { readonly stream: number; readonly begin: number; readonly end: number; readonly ms: number }

function recordsIn(bytes: Buffer): Array<{ readonly ms: number; readonly size: number; readonly stream: number }> {
  const found = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) found.push({ ms: bytes.readDoubleLE(at), size: bytes.readDoubleLE(at + 8), stream: bytes.readDoubleLE(at + 16) });
  return found;
}

/** Notes times and order, in the process that runs the container. */
export class LogClock {
  private readonly files: readonly string[];
  private readonly index: number;
  private readonly watchers: readonly FSWatcher[];
  private readonly record = Buffer.alloc(RECORD_BYTES);
  private timer: NodeJS.Timeout | undefined;
  private readonly sizes = LOGS.map(() => 0);
  private ms = 0;

  constructor(dir: string) {
    this.files = LOGS.map((name) => join(dir, name));
    this.index = openSync(join(dir, INDEX), 'a+', 0o600);
    for (const { ms, size, stream } of recordsIn(readFileSync(join(dir, INDEX)))) { this.sizes[stream] = size; this.ms = ms; }
    this.watchers = this.files.map((file) => watch(file, { persistent: false }, () => { this.timer ??= setTimeout(() => { this.look(); }, TICK_MS).unref(); }));
    this.look();
  }

  private look(): void {
    this.timer = undefined;
    const grown = this.files.map((file, stream) => ({ stream, size: 0, mtimeMs: 0, ...pick(statSync(file, { throwIfNoEntry: false })) })).filter(({ stream, size }) => size > (this.sizes[stream] ?? 0));
    for (const { stream, size, mtimeMs } of grown.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      this.sizes[stream] = size;
      // A clock that was set back must not make the log's times go back.
      this.ms = Math.max(this.ms, mtimeMs);
      [this.ms, size, stream].forEach((value, i) => this.record.writeDoubleLE(value, 8 * i));
      writeSync(this.index, this.record);
    }
  }

  /** The container has ended: nothing is written any more. */
  stop(): void {
    for (const watcher of this.watchers) watcher.close();
    clearTimeout(this.timer);
    this.look();
    closeSync(this.index);
  }
}

const pick = (stat: { readonly size: number; readonly mtimeMs: number } | undefined): { readonly size?: number; readonly mtimeMs?: number } => stat === undefined ? {} : { size: stat.size, mtimeMs: stat.mtimeMs };

/** Reads the log, in any process. */
export class LogFiles {
  private readonly fds: readonly number[];
  private readonly index: number;
  /** How far pieces have been told. */
  private indexAt = 0;
  private readonly seen = LOGS.map(() => 0);

  /** Throws as open(2) when there is no log. */
  constructor(dir: string) { [this.index, ...this.fds] = [INDEX, ...LOGS].map((name) => openSync(join(dir, name), 'r')) as [number, ...number[]]; }

  /** What has come since the last time it was asked for, in order. */
  more(): Piece[] {
    const now = this.fds.map((fd) => fstatSync(fd));
    const fresh = Buffer.alloc(fstatSync(this.index).size - this.indexAt);
    const records = recordsIn(fresh.subarray(0, readSync(this.index, fresh, 0, fresh.length, this.indexAt)));
    this.indexAt += records.length * RECORD_BYTES;
    const rest = now.map(({ size, mtimeMs: ms }, stream) => ({ stream, size, ms })).sort((a, b) => a.ms - b.ms);
    const pieces: Piece[] = [];
    for (const { stream, size, ms } of [...records, ...rest]) {
      const begin = this.seen[stream] ?? 0;
      if (size <= begin) continue;
      pieces.push({ stream, begin, end: size, ms });
      this.seen[stream] = size;
    }
    return pieces;
  }

  /** Bytes of a stream's file, at most `length`; fewer at its end. */
  read(stream: number, begin: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(this.fds[stream] ?? -1, bytes, 0, length, begin));
  }

  close(): void { for (const fd of [this.index, ...this.fds]) closeSync(fd); }
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3600_000, m: 60_000, s: 1000, ms: 1 };

/** What --since and --until take: a time (RFC 3339, seconds since 1970) or how long ago ("10m", "1h30m"). ms since 1970, NaN when it is neither. */
export function parseTime(text: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) {
    let ago = 0;
    for (const [, n = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) ago += Number(n) * (UNIT_MS[unit] ?? 0);
    return now - ago;
  }
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return Number.NaN;
  // A date alone is here, not in Greenwich.
  return Date.parse(text.includes('T') ? text : `${text}T00:00`);
}
