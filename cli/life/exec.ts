/**
 * `carrick exec`: one more process in a running container, with this process's own standard input, output and error, or with a terminal of its own that is
 * relayed to them. Everything is done by the carrick that runs the container; here we only wait, hand signals on, and end as it ended.
 */
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { posix } from 'node:path';
import type { ControlReply, ExecRequest } from '../../shared/control-wire.js';
import { lookupEnv, toText } from '../bytes.js';
import { FORWARDED, exitStatus, startFailure } from '../container.js';
import { EXIT_SIGNAL, Failure } from '../failure.js';
import { envFlags } from '../env-file.js';
import { type Caller, mergeEnv, parseUser } from '../run-options.js';
import { RawTerminal, windowSize } from '../terminal.js';
import { Client } from './client.js';
import { findRunning } from './lookup.js';

export interface ExecFlags {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly detach?: boolean;
  readonly envFile?: readonly string[];
}

/** A second Ctrl-C within this time ends it at once. ms. */
const IMPATIENCE_MS = 2000;

export function execRequest(flags: ExecFlags, argv: readonly string[], caller: Caller): ExecRequest {
  if (argv.length === 0 || argv[0] === '') throw new Failure('no command to run');
  if (flags.workdir !== undefined && !flags.workdir.startsWith('/')) throw new Failure(`bad --workdir "${toText(flags.workdir)}": it must be absolute`);
  const term = flags.tty === true ? [`TERM=${lookupEnv(caller.env, 'TERM') ?? 'xterm'}`] : [];
  const { user, uid, gid } = flags.user === undefined ? { user: '', uid: 0, gid: 0 } : parseUser(flags.user);
  return {
    op: 'exec', argv, env: mergeEnv(term, envFlags(flags), caller.env), cwd: flags.workdir === undefined ? '' : posix.normalize(flags.workdir),
    user: user === '' ? undefined : { text: user, uid, gid },
    // Without a terminal input is the caller's own, as with run.
    tty: flags.tty === true, interactive: flags.interactive === true || flags.tty !== true, rows: caller.rows, cols: caller.cols, detach: flags.detach === true,
  };
}

/** Its exit status. */
export async function execCommand(ref: string, flags: ExecFlags, operands: readonly string[], caller: Caller): Promise<number> {
  const argv = operands[0] === '--' ? operands.slice(1) : operands;
  const request = execRequest(flags, argv, caller);
  if (request.detach) return detached(ref, request);
  const client = Client.open(findRunning(ref), request, [0, 1, 2]);
  const terminal = new RawTerminal();
  let interruptMs = -Infinity;
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const now = performance.now();
      // Closing the connection kills it.
      if (signal === 'SIGINT' && now - interruptMs < IMPATIENCE_MS) { client.close(); return; }
      if (signal === 'SIGINT') interruptMs = now;
      client.send({ op: 'signal', signo: constants.signals[signal] });
    });
  }
  if (request.tty) {
    process.on('SIGWINCH', () => { client.send({ op: 'resize', ...windowSize() }); });
    process.on('exit', () => { terminal.restore(); });
    terminal.enter(request.interactive);
  }
  const replies = await client.untilEnd();
  terminal.restore();
  const last = replies?.at(-1);
  if (last?.event === 'exited') return exitStatus(last.status);
  if (last?.event === 'failed') throw startFailure(last.errno, last.message, { argv });
  // The container has ended under it, or the second Ctrl-C.
  return EXIT_SIGNAL + constants.signals.SIGKILL;
}

/** exec -d: 0 once it runs, with nothing to read and nobody to read what it writes. */
async function detached(ref: string, request: ExecRequest): Promise<number> {
  const nowhere = openSync('/dev/null', 'r+');
  const client = Client.open(findRunning(ref), request, [nowhere, nowhere, nowhere]);
  const reply = await new Promise<ControlReply | undefined>((done) => { client.onReply = done; });
  client.close();
  closeSync(nowhere);
  if (reply?.event === 'failed') throw startFailure(reply.errno, reply.message, request);
  if (reply === undefined) throw new Failure(`container ${ref} has ended`);
  return 0;
}
