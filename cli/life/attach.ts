/**
 * `carrick attach`: a container in the background as if it ran here, as long as it lives or until the detach keys.
 *
 *   our standard input ──(detach keys taken out)──► the directory's FIFO (run -d -i) ──► first program, or the keys of its terminal
 *   our standard output and error ◄── the log, from now on ◄── what it writes
 *   signals, window size ──► control socket
 *
 * The container does not know that it is attached to; several may be at the same time, and all see and may write everything. Its input never ends: the end of ours is not handed on, as with
 * docker, because the next one to attach may have more.
 */
import { constants as fsConstants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { isatty } from 'node:tty';
import { toText } from '../bytes.js';
import { type State, directoryOf } from '../container-dir.js';
import { FORWARDED, exitStatus } from '../container.js';
import { EXIT_SIGNAL, Failure, complain } from '../failure.js';
import { RawTerminal, windowSize } from '../terminal.js';
import { Client } from './client.js';
import { LogReader } from './logs.js';
import { find, findRunning } from './lookup.js';

export interface AttachFlags { readonly sigProxy: boolean; readonly stdin: boolean; readonly detachKeys: string }

/** A FIFO of the directory: the container's standard input, with -i. */
export const STDIN = 'stdin';

const NAMED_KEYS: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, '_': 31 };

/** "ctrl-p,ctrl-q", "a,b" as bytes; '' = none. */
export function parseKeys(text: string): Buffer {
  const bytes = text === '' ? [] : text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control !== undefined) return NAMED_KEYS[control] ?? control.charCodeAt(0) - 96;
    if (!/^[\x20-\x7e]$/.test(key)) throw new Failure(`bad --detach-keys "${toText(text)}"; write keys like ctrl-p,ctrl-q or a,b`);
    return key.charCodeAt(0);
  });
  return Buffer.from(bytes);
}

/** Passes keys on until the detach keys have come, one after the other; a beginning of them that something else follows is passed on then. */
export class DetachKeys extends Transform {
  private matched = 0;
  constructor(private readonly keys: Buffer, private readonly detach: () => void) { super(); }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.keys[this.matched]) {
        if (++this.matched === this.keys.length) { this.push(Buffer.from(out)); this.detach(); done(); return; }
        continue;
      }
      out.push(...this.keys.subarray(0, this.matched));
      this.matched = byte === this.keys[0] ? 1 : 0;
      if (this.matched === 0) out.push(byte);
    }
    this.push(Buffer.from(out));
    done();
  }
}

/** Not waiting for a reader: without one there is nobody to hand it to. */
function openInput(state: State): number {
  try {
    return openSync(join(directoryOf(state), STDIN), fsConstants.O_WRONLY | fsConstants.O_NONBLOCK);
  } catch (error) {
    throw new Failure(`container ${state.name} reads no input of attach: it is ending, or runs in the foreground (start -a); leave it alone with --no-stdin`, undefined, { cause: error });
  }
}

/** Our input to the container's, when that has one; lenient: or has had one, and has ended. */
function handInput(state: State, keys: Buffer, lenient: boolean, detach: () => void): void {
  if (state.config?.interactive !== true) return;
  let fd: number;
  try {
    fd = openInput(state);
  } catch (error) {
    if (lenient && error instanceof Failure) return;
    throw error;
  }
  const fifo = new Socket({ fd, readable: false, writable: true });
  fifo.on('error', () => undefined);
  const source = keys.length === 0 ? process.stdin : process.stdin.pipe(new DetachKeys(keys, detach));
  source.pipe(fifo, { end: false });
}

/** Its exit status, or 0 when the detach keys ended the watching. */
export async function attachCommand(ref: string, flags: AttachFlags): Promise<number> {
  const state = findRunning(ref), log = new LogReader(state);
  // Before the container knows of us: what it writes from then on is shown.
  log.more();
  return beAt(state, log, flags);
}

/**
 * Be at a container, and show what its log has from here on. Its exit status, or 0 when the detach keys ended the watching. ended: it was just started by us, and this is the status of the process that
 * runs it; it may have ended, and be gone, by now.
 */
export async function beAt(state: State, log: LogReader, flags: AttachFlags, ended?: () => Promise<number>): Promise<number> {
  const tty = state.config?.tty === true, keys = parseKeys(flags.detachKeys);
  const client = ended === undefined ? Client.open(state, { op: 'wait' }) : Client.tryOpen(state, { op: 'wait' });
  const terminal = new RawTerminal(), ownKeys = tty && isatty(0);
  let detached = false;
  if (flags.sigProxy) for (const signal of FORWARDED) process.on(signal, () => { client?.send({ op: 'signal', signo: constants.signals[signal] }); });
  if (flags.stdin) handInput(state, ownKeys ? keys : Buffer.alloc(0), ended !== undefined, () => { detached = true; client?.close(); });
  if (ownKeys) {
    process.on('SIGWINCH', () => { client?.send({ op: 'resize', ...windowSize() }); });
    process.on('exit', () => { terminal.restore(); });
    terminal.enter(flags.stdin && state.config.interactive);
    const { rows, cols } = windowSize();
    // A program that draws draws anew for a new size, so it is given one in any case, unless it has just been started with this one.
    if (ended === undefined) client?.send({ op: 'resize', rows: rows + 1, cols });
    client?.send({ op: 'resize', rows, cols });
  }
  const replies = client === undefined ? [] : await log.follow(client);
  // Not reached: it has ended, or is about to.
  const status = client === undefined ? await ended?.() : undefined;
  log.show(log.more());
  log.close();
  terminal.restore();
  if (detached) { complain('read escape sequence\n'); return 0; }
  const last = replies.findLast((reply) => reply.event === 'exited');
  if (last?.event === 'exited') return exitStatus(last.status);
  return status ?? await ended?.() ?? find(state.id).exitStatus ?? EXIT_SIGNAL + constants.signals.SIGKILL;
}
