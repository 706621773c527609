/**
 * The caller's terminal while a guest has a pty of its own (-t): raw, so that every key reaches the guest's line discipline and every byte of its output reaches
 * the terminal as it is. Put back on every way out.
 *
 * Not Node's setRawMode: that one goes on turning newlines into carriage return and newline, and full-screen programs move the cursor straight down by a newline.
 */
import { isatty } from 'node:tty';
import * as host from '../shared/host.js';

export interface WindowSize { readonly rows: number; readonly cols: number }

/** ioctl_tty(2). */
const TCGETS = 0x5401, TCSETS = 0x5402;
/** struct termios of the kernel: c_iflag, c_oflag, c_cflag, c_lflag, c_line and c_cc[19]. */
const TERMIOS_BYTES = 36;
const IFLAG = 0, OFLAG = 4, CFLAG = 8, LFLAG = 12, CC = 17;
const VTIME = 5, VMIN = 6;
/** What cfmakeraw(3) clears: IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON; OPOST; ECHO ECHONL ICANON ISIG IEXTEN; CSIZE PARENB. */
const RAW_IFLAG = 0o2753, OPOST = 1, RAW_LFLAG = 0o100113, RAW_CFLAG = 0o460, CS8 = 0o60;

/** Size of the caller's window; 0 × 0, as a new pty has it, when there is none. */
export function windowSize(): WindowSize {
  // Asked by number first: Node makes a pipe or socket non-blocking as soon as its stream is touched, and the guest writes to the same description.
  if (isatty(1)) return { rows: process.stdout.rows, cols: process.stdout.columns };
  if (isatty(2)) return { rows: process.stderr.rows, cols: process.stderr.columns };
  return { rows: 0, cols: 0 };
}

export class RawTerminal {
  /** termios as it was; undefined while it is so. */
  private saved: Buffer | undefined;

  /** Enter raw mode; with `keys` false only the output is raw, and the caller's Ctrl-C goes on being his. Nothing happens when input is no terminal. Needs the addon. */
  enter(keys: boolean): void {
    if (host.ioctlPtr(0, TCGETS, host.STRUCT) < 0) return;
    const termios = host.scratch.subarray(host.STRUCT, host.STRUCT + TERMIOS_BYTES);
    const clear = (at: number, bits: number): void => { termios.writeUInt32LE((termios.readUInt32LE(at) & ~bits) >>> 0, at); };
    this.saved = Buffer.from(termios);
    clear(OFLAG, OPOST);
    if (keys) {
      clear(IFLAG, RAW_IFLAG);
      clear(LFLAG, RAW_LFLAG);
      clear(CFLAG, RAW_CFLAG);
      termios.writeUInt32LE((termios.readUInt32LE(CFLAG) | CS8) >>> 0, CFLAG);
      termios[CC + VMIN] = 1;
      termios[CC + VTIME] = 0;
    }
    host.ioctlPtr(0, TCSETS, host.STRUCT);
  }

  /** A terminal that has gone away (EIO) has no mode to restore. */
  restore(): void {
    if (this.saved === undefined) return;
    this.saved.copy(host.scratch, host.STRUCT);
    this.saved = undefined;
    host.ioctlPtr(0, TCSETS, host.STRUCT);
  }
}
