/**
 * How the command says no: one line on stderr (what was wrong, with what, the mend) and an exit status. A Failure is thrown by the
 * parts that read the command line and set a container up, and is caught once, in main.ts. Anything else that is thrown is a bug.
 */
import { writeSync } from 'node:fs';
import { constants } from 'node:os';

/** Exit statuses of `carrick run` that are not the guest's own; as docker-run(1) has them. */
export const EXIT_CARRICK = 125;
export const EXIT_NOT_EXECUTABLE = 126;
export const EXIT_NOT_FOUND = 127;
/** Plus the signal's number. */
export const EXIT_SIGNAL = 128;

export class Failure extends Error {
  constructor(message: string, readonly status: number = EXIT_CARRICK, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failure';
  }
}

/** Nobody reads what is written any more (`carrick logs … | head`): the command ends as by SIGPIPE, without a word. */
export class Unread extends Failure {
  constructor(cause: Error) { super(cause.message, EXIT_SIGNAL + constants.signals.SIGPIPE, { cause }); }
}

function debugging(): boolean {
  return process.env['CARRICK_DEBUG'] === '1';
}

/** Write to stderr at once: process.exit() follows, and a pipe's buffered output would be lost. Full or closed stderr is not worth dying for. */
export function complain(text: string): void {
  try {
    writeSync(2, text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** Report whatever was thrown, as one line or, with CARRICK_DEBUG=1, with its stack; returns the exit status. */
export function report(error: unknown): number {
  if (error instanceof Unread) return error.status;
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split('\n', 1)[0] ?? '';
  const bug = error instanceof Failure ? '' : 'internal error: ';
  complain(debugging() && error instanceof Error ? `carrick: ${bug}${error.stack ?? text}\n` : `carrick: ${bug}${line}\n`);
  if (debugging() && error instanceof Error && error.cause instanceof Error) complain(`caused by: ${error.cause.stack ?? ''}\n`);
  return error instanceof Failure ? error.status : EXIT_CARRICK;
}

/** strerror-like text of a system error from node:fs, for messages. */
export function why(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT': return 'no such file or directory';
    case 'EACCES': case 'EPERM': return 'permission denied';
    case 'ENOTDIR': return 'not a directory';
    case 'ENOSPC': return 'no space left on device';
    case 'EROFS': return 'read-only file system';
    case 'ELOOP': return 'too many levels of symbolic links';
    case '': return error instanceof Error ? error.message : String(error);
    default: return code;
  }
}
