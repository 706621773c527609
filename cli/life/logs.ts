/** `carrick logs` and `attach`: what a container of `run -d` has written, and writes. */
import { closeSync, existsSync, fstatSync, openSync, readSync, watch, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { ControlReply } from '../../shared/control-wire.js';
import { type State, directoryOf } from '../container-dir.js';
import { exitStatus } from '../container.js';
import { EXIT_SIGNAL, Failure } from '../failure.js';
import { Client } from './client.js';
import { LOG } from './detach.js';
import { FORWARDED } from './exec.js';
import { find, findRunning } from './lookup.js';

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

function openLog(state: State): { fd: number; path: string } {
  const path = join(directoryOf(state), LOG);
  if (!existsSync(path)) throw new Failure(`container ${state.name} has no log; only those of run -d have one`);
  return { fd: openSync(path, 'r'), path };
}

/** Copy the log from `at` on until the container, which the client waits for, has ended; what it said. */
async function follow(client: Client, { fd, path }: { fd: number; path: string }, at: number): Promise<ControlReply[]> {
  const watcher = watch(path, () => { at = copyFrom(fd, at); });
  // What came before the watch began to watch.
  at = copyFrom(fd, at);
  const replies = await client.untilEnd();
  watcher.close();
  copyFrom(fd, at);
  return replies ?? [];
}

/** A container in the background as if it ran here: what it writes from now on, signals to its first program (`signals`), and its exit status. It has no input. */
export async function attachCommand(ref: string, signals: boolean): Promise<number> {
  const state = findRunning(ref);
  const log = openLog(state);
  // Before the container knows of us: what it writes from then on is shown.
  const from = fstatSync(log.fd).size;
  const client = Client.open(state, { op: 'wait' });
  if (signals) for (const signal of FORWARDED) process.on(signal, () => { client.send({ op: 'signal', signo: constants.signals[signal] }); });
  const replies = await follow(client, log, from);
  closeSync(log.fd);
  const last = replies.findLast((reply) => reply.event === 'exited');
  return last?.event === 'exited' ? exitStatus(last.status) : find(state.id).exitStatus ?? EXIT_SIGNAL + constants.signals.SIGKILL;
}

export async function logsCommand(ref: string, flags: { follow?: boolean; lines?: number }): Promise<void> {
  const state = find(ref);
  const log = openLog(state), { fd } = log;
  const at = copyFrom(fd, flags.lines === undefined ? 0 : tailOffset(fd, fstatSync(fd).size, flags.lines));
  const client = flags.follow === true && state.status === 'running' ? Client.tryOpen(state, { op: 'wait' }) : undefined;
  if (client !== undefined) await follow(client, log, at);
  closeSync(fd);
}
