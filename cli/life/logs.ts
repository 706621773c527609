/** `carrick logs`: what a container of `run -d` has written, and writes. */
import { closeSync, existsSync, fstatSync, openSync, readSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlReply } from '../../shared/control-wire.js';
import { toText } from '../bytes.js';
import { type State, directoryOf } from '../container-dir.js';
import { Failure } from '../failure.js';
import { Client } from './client.js';
import { LOG, LogTimes, parseTime } from './log-times.js';
import { find } from './lookup.js';

const CHUNK = 65536;
const LF = 10;

/** Offset at which the last `lines` lines before `size` begin. A last line without its end counts. */
export function tailOffset(fd: number, size: number, lines: number): number {
  if (lines === 0) return size;
  const buffer = Buffer.alloc(CHUNK);
  let found = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - CHUNK);
    const n = readSync(fd, buffer, 0, end - start, start);
    for (let i = n - 1; i >= 0; i--) {
      // The last byte of all ends the last line; it begins none.
      if (buffer[i] === LF && start + i < size - 1 && ++found === lines) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

/** Offset of the first line that begins at `offset` or later, at most `size`. */
export function lineOffset(fd: number, offset: number, size: number): number {
  if (offset === 0) return 0;
  const buffer = Buffer.alloc(CHUNK);
  for (let at = offset - 1; at < size;) {
    const n = readSync(fd, buffer, 0, CHUNK, at), end = buffer.subarray(0, n).indexOf(LF);
    if (end >= 0) return Math.min(at + end + 1, size);
    if (n === 0) break;
    at += n;
  }
  return size;
}

function writeAll(bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      // A pipe that its reader has made non-blocking; there is nothing better to do than to try again.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

/** A container's log, read from an offset on and written to standard output. */
export class LogReader {
  private readonly path: string;
  readonly fd: number;
  private readonly buffer = Buffer.alloc(CHUNK);
  /** Where the next byte to show is. */
  at = 0;
  private lineBegins = true;

  /** stamps: each line begins with its time. */
  constructor(private readonly state: State, private readonly stamps = false) {
    this.path = join(directoryOf(state), LOG);
    if (!existsSync(this.path)) throw new Failure(`container ${state.name} has no log; only those of run -d have one`);
    this.fd = openSync(this.path, 'r');
  }

  get size(): number { return fstatSync(this.fd).size; }

  times(): LogTimes { return new LogTimes(directoryOf(this.state), this.fd); }

  /** Show what there is, up to the offset `end`. */
  show(end = Infinity): void {
    const times = this.stamps ? this.times() : undefined;
    while (this.at < end) {
      const n = readSync(this.fd, this.buffer, 0, Math.min(CHUNK, end - this.at), this.at);
      if (n === 0) return;
      const bytes = this.buffer.subarray(0, n);
      writeAll(times === undefined ? bytes : this.stamped(bytes, times));
      this.at += n;
    }
  }

  private stamped(bytes: Buffer, times: LogTimes): Buffer {
    const parts: Buffer[] = [];
    for (let begin = 0; begin < bytes.length;) {
      const lf = bytes.indexOf(LF, begin), end = lf < 0 ? bytes.length : lf + 1;
      if (this.lineBegins) parts.push(Buffer.from(`${new Date(times.at(this.at + begin)).toISOString()} `));
      parts.push(bytes.subarray(begin, end));
      this.lineBegins = lf >= 0;
      begin = end;
    }
    return Buffer.concat(parts);
  }

  /** Show what is written until the container, which the client waits for, has ended; what it said. */
  async follow(client: Client): Promise<ControlReply[]> {
    const watcher = watch(this.path, () => { this.show(); });
    // What came before the watch began to watch.
    this.show();
    const replies = await client.untilEnd();
    watcher.close();
    this.show();
    return replies ?? [];
  }

  close(): void { closeSync(this.fd); }
}

export interface LogFlags { readonly follow?: boolean; readonly tail?: number; readonly since?: string; readonly until?: string; readonly timestamps?: boolean }

function timeOf(flag: string, text: string): number {
  const ms = parseTime(text, Date.now());
  if (Number.isNaN(ms)) throw new Failure(`bad --${flag} "${toText(text)}"; write a time (2026-01-31T12:00:00Z), seconds since 1970, or how long ago (10m)`);
  return ms;
}

export async function logsCommand(ref: string, flags: LogFlags): Promise<void> {
  if (flags.until !== undefined && flags.follow === true) throw new Failure('--until shows the past, -f what is to come; leave one out');
  const state = find(ref);
  const log = new LogReader(state, flags.timestamps === true), { size } = log;
  const end = flags.until === undefined ? size : Math.min(size, lineOffset(log.fd, log.times().from(timeOf('until', flags.until) + 1), size));
  const begin = flags.since === undefined ? 0 : lineOffset(log.fd, log.times().from(timeOf('since', flags.since)), size);
  log.at = Math.max(begin, flags.tail === undefined ? 0 : tailOffset(log.fd, end, flags.tail));
  log.show(end);
  const client = flags.follow === true && state.status === 'running' ? Client.tryOpen(state, { op: 'wait' }) : undefined;
  if (client !== undefined) await log.follow(client);
  log.close();
}
