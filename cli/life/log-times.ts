/**
 * When what is in a container's log was written. The guest writes to the log itself, with nobody between, so that it is as fast as with a file; the process that runs the container looks
 * at the log's size whenever it grows, and notes:
 *
 *   log.times   records of 16 bytes, little-endian: f64 milliseconds since 1970, f64 size of the log then. Neither ever decreases. Writer: run-detached.
 *
 * A byte was written no later than the first record that holds it says, and after the record before. Looks are TICK_MS apart at least, so a busy log costs next to nothing. What no
 * record holds yet (it was just written, or carrick was killed) has the time of the file's last change.
 */
import { closeSync, fstatSync, openSync, readFileSync, statSync, watch, writeSync, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

/** The log: standard output and error of a container of run -d, or its terminal's output. */
export const LOG = 'log';
const FILE = 'log.times';
const RECORD_BYTES = 16;
/** Shortest time between two looks, and so the precision of what is noted. ms. */
const TICK_MS = 5;

/** Notes the times, in the process that runs the container. */
export class LogClock {
  private readonly log: string;
  private readonly fd: number;
  private readonly watcher: FSWatcher;
  private readonly record = Buffer.alloc(RECORD_BYTES);
  private timer: NodeJS.Timeout | undefined;
  private size: number;
  private ms: number;

  constructor(dir: string) {
    this.log = join(dir, LOG);
    this.fd = openSync(join(dir, FILE), 'a', 0o600);
    const before = readTimes(dir).at(-1);
    this.size = before?.size ?? 0;
    this.ms = before?.ms ?? 0;
    this.watcher = watch(this.log, { persistent: false }, () => { this.timer ??= setTimeout(() => { this.look(); }, TICK_MS).unref(); });
    this.look();
  }

  private look(): void {
    this.timer = undefined;
    const { size, mtimeMs } = statSync(this.log, { throwIfNoEntry: false }) ?? { size: this.size, mtimeMs: this.ms };
    if (size <= this.size) return;
    this.size = size;
    // A clock that was set back must not make the log's times go back.
    this.ms = Math.max(this.ms, mtimeMs);
    this.record.writeDoubleLE(this.ms, 0);
    this.record.writeDoubleLE(size, 8);
    writeSync(this.fd, this.record);
  }

  /** The container has ended: nothing is written any more. */
  stop(): void {
    this.watcher.close();
    clearTimeout(this.timer);
    this.look();
    closeSync(this.fd);
  }
}

export interface LogTime { readonly ms: number; readonly size: number }

/** The records so far, oldest first. A container of an older version has none. */
function readTimes(dir: string): LogTime[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(dir, FILE));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return [];
  }
  const times: LogTime[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) times.push({ ms: bytes.readDoubleLE(at), size: bytes.readDoubleLE(at + 8) });
  return times;
}

/** First index of an ordered list for which `holds`, else its length. */
function firstOf(list: readonly LogTime[], holds: (t: LogTime) => boolean): number {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle] as LogTime)) high = middle; else low = middle + 1;
  }
  return low;
}

/** Asks for the times, in any process. */
export class LogTimes {
  private times: LogTime[];

  /** log: the open log. */
  constructor(private readonly dir: string, private readonly log: number) { this.times = readTimes(dir); }

  /** When the byte at `offset` was written, ms since 1970. */
  at(offset: number): number {
    if (offset >= (this.times.at(-1)?.size ?? 0)) this.times = readTimes(this.dir);
    const found = this.times[firstOf(this.times, (t) => t.size > offset)];
    return found === undefined ? fstatSync(this.log).mtimeMs : found.ms;
  }

  /** Offset of the first byte that was written at `ms` or later, the log's size if there is none. */
  from(ms: number): number {
    const i = firstOf(this.times, (t) => t.ms >= ms);
    const before = i === 0 ? 0 : (this.times[i - 1] as LogTime).size;
    if (i < this.times.length) return before;
    const { size, mtimeMs } = fstatSync(this.log);
    return mtimeMs >= ms ? before : size;
  }
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
