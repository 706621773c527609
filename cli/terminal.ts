/**
 * The caller's terminal while a guest has a pty of its own (-t): raw, so that every key reaches the guest's line discipline, and put
 * back on every way out. Node itself restores the mode when the process dies of a signal it can see.
 */
import { ReadStream, isatty } from 'node:tty';

export interface WindowSize { readonly rows: number; readonly cols: number }

/** Size of the caller's window; 0 × 0, as a new pty has it, when there is none. */
export function windowSize(): WindowSize {
  // Asked by number first: Node makes a pipe or socket non-blocking as soon as its stream is touched, and the guest writes to the same description.
  if (isatty(1)) return { rows: process.stdout.rows, cols: process.stdout.columns };
  if (isatty(2)) return { rows: process.stderr.rows, cols: process.stderr.columns };
  return { rows: 0, cols: 0 };
}

export class RawTerminal {
  private input: ReadStream | undefined;

  /** Enter raw mode; nothing happens when input is no terminal. */
  enter(): void {
    if (!isatty(0)) return;
    this.input = new ReadStream(0);
    this.input.setRawMode(true);
    // vfs reads the terminal, not this stream: it only carries the mode.
    this.input.pause();
    this.input.unref();
  }

  restore(): void {
    const input = this.input;
    this.input = undefined;
    try {
      input?.setRawMode(false);
    } catch (error) {
      // A terminal that has gone away (EIO) has no mode to restore.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
}
