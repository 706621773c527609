/** `carrick logs`: what a container of `run -d` has written. */
import { closeSync, existsSync, fstatSync, openSync, readSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import { directoryOf } from '../container-dir.js';
import { Failure } from '../failure.js';
import { Client } from './client.js';
import { LOG } from './detach.js';
import { find } from './lookup.js';

const CHUNK = 65536;
const LF = 10;

/** Offset at which the last `lines` lines begin. A last line without its end counts. */
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

/** Copy from `at` to the end; the new end. */
function copyFrom(fd: number, at: number): number {
  const buffer = Buffer.alloc(CHUNK);
  for (;;) {
    const n = readSync(fd, buffer, 0, CHUNK, at);
    if (n === 0) return at;
    writeAll(buffer.subarray(0, n));
    at += n;
  }
}

export async function logsCommand(ref: string, flags: { follow?: boolean; lines?: number }): Promise<void> {
  const state = find(ref);
  const path = join(directoryOf(state), LOG);
  if (!existsSync(path)) throw new Failure(`container ${ref} has no log; only those of run -d have one`);
  const fd = openSync(path, 'r');
  let at = copyFrom(fd, flags.lines === undefined ? 0 : tailOffset(fd, fstatSync(fd).size, flags.lines));
  const client = flags.follow === true && state.status === 'running' ? Client.tryOpen(state, { op: 'wait' }) : undefined;
  if (client !== undefined) {
    const watcher = watch(path, () => { at = copyFrom(fd, at); });
    await client.untilEnd();
    watcher.close();
    copyFrom(fd, at);
  }
  closeSync(fd);
}
