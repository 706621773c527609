/**
 * The first line of a script: "#!interpreter [argument]". execve(2), "Interpreter scripts"; limits as observed on Linux 5.1 and newer.
 */
import { E } from '../../shared/errno.js';

/** Bytes of a file that decide what it is. */
export const HEAD_BYTES = 256;

export interface Script {
  readonly interpreter: string;
  /** Everything after the interpreter, blanks inside kept; undefined = no argument. */
  readonly argument: string | undefined;
}

const TAB = 9, NEWLINE = 10, SPACE = 32;
const isBlank = (c: number): boolean => c === SPACE || c === TAB;

/** First index in from..last (inclusive) that is no blank, or -1. */
function skipBlanks(b: Buffer, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (!isBlank(b[i] as number)) return i;
  return -1;
}

/** First index in from..last (inclusive) that is a blank or NUL, or -1. */
function findEnd(b: Buffer, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (isBlank(b[i] as number) || b[i] === 0) return i;
  return -1;
}

/**
 * head: the first HEAD_BYTES of the file, zero padded. undefined when it is no script; -ENOEXEC for a line that names no
 * interpreter, or whose interpreter does not fit.
 */
export function parseScript(head: Buffer): Script | number | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const last = HEAD_BYTES - 1;
  // The newline counts only before a NUL: strnchr stops there.
  let end = -1;
  for (let i = 0; i <= last; i++) {
    if (head[i] === NEWLINE) { end = i; break; }
    if (head[i] === 0) break;
  }
  if (end < 0) {
    const name = skipBlanks(head, 2, last);
    if (name < 0) return -E.ENOEXEC;
    // Without a blank or NUL after it the path may have been cut off.
    if (findEnd(head, name, last) < 0) return -E.ENOEXEC;
    end = last;
  }
  while (isBlank(head[end - 1] as number)) end--;
  const name = skipBlanks(head, 2, end);
  if (name < 0 || name === end) return -E.ENOEXEC;
  const sep = findEnd(head, name, end);
  let argument: string | undefined;
  if (sep >= 0 && head[sep] !== 0) {
    const arg = skipBlanks(head, sep, end);
    if (arg >= 0 && arg < end) argument = cString(head, arg, end);
  }
  const interpreter = cString(head, name, sep >= 0 && sep < end ? sep : end);
  return { interpreter, argument };
}

function cString(b: Buffer, from: number, to: number): string {
  const nul = b.indexOf(0, from);
  return b.latin1Slice(from, nul >= 0 && nul < to ? nul : to);
}
