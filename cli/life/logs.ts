/** `carrick logs`: what a container of `run -d` has written, and writes: its standard output to ours, its standard error to ours. */
import { type FSWatcher, existsSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlReply } from '../../shared/control-wire.js';
import { toText } from '../bytes.js';
import { type State, directoryOf } from '../container-dir.js';
import { Failure, Unread } from '../failure.js';
import { Client } from './client.js';
import { LOGS, LogFiles, type Piece, parseTime } from './log-times.js';
import { find } from './lookup.js';

const CHUNK = 65536;
const LF = 10;
/** Longest setTimeout(3). ms. */
const TIMER_MAX_MS = 2 ** 31 - 1;

type Read = (stream: number, begin: number, length: number) => Buffer;

/** Offset of the first line of a stream that begins at `offset` or later, at most `end`. */
function nextLine(read: Read, stream: number, offset: number, end: number): number {
  if (offset === 0) return 0;
  for (let at = offset - 1; at < end; at += CHUNK) {
    const lf = read(stream, at, Math.min(CHUNK, end - at)).indexOf(LF);
    if (lf >= 0) return at + lf + 1;
  }
  return end;
}

/** A piece without what lies before `begin` or after `end`, or nothing. */
function clip(p: Piece, begin: number, end: number): Piece[] {
  const clipped = { ...p, begin: Math.max(p.begin, begin), end: Math.min(p.end, end) };
  return clipped.begin < clipped.end ? [clipped] : [];
}

/** The pieces without the lines that were begun before `ms`. */
export function since(pieces: readonly Piece[], read: Read, ms: number): Piece[] {
  const begins = LOGS.map((_, stream) => {
    const own = pieces.filter((p) => p.stream === stream), first = own.find((p) => p.ms >= ms);
    return first === undefined ? Infinity : nextLine(read, stream, first.begin, own.at(-1)?.end ?? 0);
  });
  return pieces.flatMap((p) => clip(p, begins[p.stream] ?? 0, Infinity));
}

/** The pieces without the lines that were begun after `ms`, a time as -t shows it: a whole number. */
export function until(pieces: readonly Piece[], read: Read, ms: number): Piece[] {
  const ends = LOGS.map((_, stream) => {
    const own = pieces.filter((p) => p.stream === stream), late = own.find((p) => p.ms >= ms + 1);
    return late === undefined ? Infinity : nextLine(read, stream, late.begin, own.at(-1)?.end ?? 0);
  });
  return pieces.flatMap((p) => clip(p, 0, ends[p.stream] ?? 0));
}

/** The last `lines` lines of the pieces; a last line without its end counts. */
export function tail(pieces: readonly Piece[], read: Read, lines: number): Piece[] {
  const kept: Piece[] = [];
  // Where the shown part of each stream begins, as far as that is known by now.
  const begins = LOGS.map(() => Infinity);
  let found = 0;
  for (let i = pieces.length - 1; i >= 0 && found < lines; i--) {
    const p = pieces[i] as Piece;
    for (let end = p.end; end > p.begin && found < lines;) {
      const from = Math.max(p.begin, end - CHUNK);
      // With the byte before, which says whether a line begins at `from`.
      const bytes = read(p.stream, Math.max(0, from - 1), end - Math.max(0, from - 1));
      for (let at = end - 1; at >= from && found < lines; at--) {
        if (at === 0 || bytes[at - 1 - Math.max(0, from - 1)] === LF) { found++; begins[p.stream] = at; }
      }
      end = from;
    }
  }
  for (const p of pieces) kept.push(...clip(p, begins[p.stream] ?? 0, Infinity));
  return kept;
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      // A pipe that its reader has made non-blocking; there is nothing better to do than to try again.
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (error.code === 'EPIPE') throw new Unread(error);
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

/** A container's log, read piece by piece and written to our standard output and error. */
export class LogReader {
  private readonly dir: string;
  private readonly files: LogFiles;
  private readonly lineBegins = LOGS.map(() => true);
  readonly read: Read = (stream, begin, length) => this.files.read(stream, begin, length);

  /** stamps: each line begins with its time. */
  constructor(state: State, private readonly stamps = false) {
    this.dir = directoryOf(state);
    if (!existsSync(join(this.dir, LOGS[1]))) throw new Failure(`container ${state.name} has no log; only those of run -d have one`);
    this.files = new LogFiles(this.dir);
  }

  /** What has come since it was asked last. */
  more(): Piece[] { return this.files.more(); }

  show(pieces: readonly Piece[]): void {
    for (const { stream, begin, end, ms } of pieces) {
      for (let at = begin; at < end; at += CHUNK) {
        const bytes = this.read(stream, at, Math.min(CHUNK, end - at));
        writeAll(1 + stream, this.stamps ? this.stamped(stream, bytes, ms) : bytes);
      }
    }
  }

  private stamped(stream: number, bytes: Buffer, ms: number): Buffer {
    const parts: Buffer[] = [], stamp = Buffer.from(`${new Date(ms).toISOString()} `);
    for (let begin = 0; begin < bytes.length;) {
      const lf = bytes.indexOf(LF, begin), end = lf < 0 ? bytes.length : lf + 1;
      if (this.lineBegins[stream] === true) parts.push(stamp);
      parts.push(bytes.subarray(begin, end));
      this.lineBegins[stream] = lf >= 0;
      begin = end;
    }
    return Buffer.concat(parts);
  }

  /** Show what is written until the container, which the client waits for, has ended, or the clock shows `lastMs`; what it said. */
  async follow(client: Client, lastMs = Infinity): Promise<ControlReply[]> {
    let failed: unknown;
    const show = (): void => {
      if (failed !== undefined) return;
      // A watcher's callback has nobody above it who would report this.
      try { this.show(this.more().filter((p) => p.ms < lastMs + 1)); } catch (error) { failed = error; client.close(); }
    };
    const watchers = LOGS.flatMap((name) => this.watched(join(this.dir, name), show));
    // What came before the watch began to watch.
    show();
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      const left = lastMs - Date.now();
      if (left < 0) client.close();
      else if (left < Infinity) timer = setTimeout(wait, Math.min(left + 1, TIMER_MAX_MS));
    };
    wait();
    const replies = await client.untilEnd();
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
    show();
    if (failed !== undefined) throw failed;
    return replies ?? [];
  }

  /** Nothing to watch is no failure: with --rm the container's directory may be gone by now, and all that was written is in the open files. */
  private watched(path: string, show: () => void): FSWatcher[] {
    try {
      return [watch(path, show)];
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      return [];
    }
  }

  close(): void { this.files.close(); }
}

export interface LogFlags { readonly follow?: boolean; readonly tail?: number; readonly since?: string; readonly until?: string; readonly timestamps?: boolean }

function timeOf(flag: string, text: string): number {
  const ms = parseTime(text, Date.now());
  if (Number.isNaN(ms)) throw new Failure(`bad --${flag} "${toText(text)}"; write a time (2026-01-31T12:00:00Z), seconds since 1970, or how long ago (10m)`);
  return ms;
}

export async function logsCommand(ref: string, flags: LogFlags): Promise<void> {
  const state = find(ref), lastMs = flags.until === undefined ? Infinity : timeOf('until', flags.until);
  const log = new LogReader(state, flags.timestamps === true);
  let pieces = log.more();
  if (flags.until !== undefined) pieces = until(pieces, log.read, lastMs);
  if (flags.since !== undefined) pieces = since(pieces, log.read, timeOf('since', flags.since));
  if (flags.tail !== undefined) pieces = tail(pieces, log.read, flags.tail);
  log.show(pieces);
  const client = flags.follow === true && state.status === 'running' && lastMs > Date.now() ? Client.tryOpen(state, { op: 'wait' }) : undefined;
  if (client !== undefined) await log.follow(client, lastMs);
  log.close();
}
