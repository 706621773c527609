/**
 * argv and envp: copied out of the guest in one go, kept as NUL-terminated strings in one buffer. execve(2), "Limits on size of arguments
 * and environment": one string at most 128 KiB with its NUL; all of them, with their pointers, a quarter of RLIMIT_STACK, at most 6 MiB,
 * at least 128 KiB (and what the plan can carry, ARG_ROOM).
 *
 * The stub sends both arrays along with the call if they fit into the slot, as nearly all do. Others are read from the guest's memory: the strings usually lie side by side in a few
 * pages, so whole pages are read and kept while one array is being copied; only a string that crosses a page's end is read by itself.
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { DATA, scratch } from '../../shared/host.js';
import { native } from '../../shared/native.js';

/** Longest string, bytes with NUL. */
export const STRING_MAX = 131072;
const ARG_MIN = 131072;
const ARG_MAX = 6 * 1024 * 1024;
/** Bytes of a plan that strings may take. */
export const ARG_ROOM = L.PLAN_MAX - 262144;
const RLIMIT_STACK = 3;
const COUNT_BYTES = 4;
const POINTERS = 512;
/** Pointers are read to the start of the data area, strings behind them. */
const TEXT = DATA + POINTERS * 8;
const PAGE = 4096;
/** Guest pages at hand: their numbers, and where each lies in scratch, a NUL behind it. Behind the longest string that TEXT may have to hold. */
const PAGES = 4;
const pageAt = (i: number): number => TEXT + STRING_MAX + i * (PAGE + 8);
const $pages = new Float64Array(PAGES);

export class Strings {
  count = 0;
  /** Bytes used in `bytes`. */
  len = 0;
  bytes: Buffer;

  constructor(room = 4096) { this.bytes = Buffer.allocUnsafe(room); }

  static of(texts: readonly string[]): Strings {
    const s = new Strings();
    for (const text of texts) s.push(text);
    return s;
  }

  /** What argument i of an execve brought along (kind strv: a count, then the strings); undefined when it has to be read from the guest. */
  static carried(f: Frame, i: number): Strings | undefined {
    const at = f.inOff(i), len = f.argLen(i) - COUNT_BYTES;
    if (at < 0 || len < 0) return undefined;
    const s = new Strings(len);
    s.count = Math.min(f.view.getUint32(at, true), len);
    s.len = f.bytes.copy(s.bytes, 0, at + COUNT_BYTES, at + COUNT_BYTES + len);
    return s;
  }

  private room(n: number): void {
    if (this.len + n <= this.bytes.length) return;
    const more = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.len + n));
    this.bytes.copy(more, 0, 0, this.len);
    this.bytes = more;
  }

  /** n bytes from scratch; the string's NUL is added. */
  pushScratch(off: number, n: number): void {
    this.room(n + 1);
    scratch.copy(this.bytes, this.len, off, off + n);
    this.bytes[this.len + n] = 0;
    this.len += n + 1;
    this.count++;
  }

  push(text: string): void {
    this.room(text.length + 1);
    this.bytes.latin1Write(text, this.len);
    this.bytes[this.len + text.length] = 0;
    this.len += text.length + 1;
    this.count++;
  }

  /** Take the first string away and put others in its place: a script's interpreter, its argument, the script. */
  replaceFirst(head: readonly string[]): void {
    const first = this.count > 0 ? this.bytes.indexOf(0) + 1 : 0;
    const rest = Buffer.from(this.bytes.subarray(first, this.len));
    const n = Math.max(0, this.count - 1);
    this.len = 0;
    this.count = 0;
    for (const s of head) this.push(s);
    this.room(rest.length);
    rest.copy(this.bytes, this.len);
    this.len += rest.length;
    this.count += n;
  }
}

/** Room for strings under a thread group's limits, bytes. */
export function argLimit(tg: number): number {
  return Math.max(Math.min(ARG_MAX, Math.floor(L.tgRlimCur(tg, RLIMIT_STACK) / 4)), ARG_MIN);
}

/** Number of pointers up to the NULL, or -EFAULT, -E2BIG. A NULL array is empty. */
export function countPointers(tg: number, addr: number): number {
  if (addr === 0) return 0;
  let n = 0;
  for (;;) {
    const got = native.readMemory(tg, addr + n * 8, DATA, POINTERS * 8);
    if (got < 8) return -E.EFAULT;
    for (let i = 0; i + 8 <= got; i += 8, n++) if (scratch.readUInt32LE(DATA + i) === 0 && scratch.readUInt32LE(DATA + i + 4) === 0) return n;
    if (n * 8 > ARG_MAX) return -E.E2BIG;
  }
}

/** Append the string at guest address p, if it lies in one page that can be read. */
function pushFromPage(tg: number, p: number, out: Strings): boolean {
  const page = Math.floor(p / PAGE);
  const at = pageAt(page % PAGES);
  if ($pages[page % PAGES] !== page) {
    $pages[page % PAGES] = -1;
    if (native.readMemory(tg, page * PAGE, at, PAGE) !== PAGE) return false;
    scratch[at + PAGE] = 0;
    $pages[page % PAGES] = page;
  }
  const from = at + p % PAGE;
  const end = scratch.indexOf(0, from);
  if (end >= at + PAGE) return false;
  out.pushScratch(from, end - from);
  return true;
}

/** Append `n` strings whose pointers are at addr. room: bytes they may take. Bytes taken, or -EFAULT, -E2BIG. */
export function readStrings(tg: number, addr: number, n: number, out: Strings, room: number): number {
  const before = out.len;
  $pages.fill(-1);
  for (let at = 0; at < n; at += POINTERS) {
    const part = Math.min(POINTERS, n - at);
    if (native.readMemory(tg, addr + at * 8, DATA, part * 8) !== part * 8) return -E.EFAULT;
    for (let i = 0; i < part; i++) {
      const p = scratch.readUInt32LE(DATA + i * 8) + scratch.readUInt32LE(DATA + i * 8 + 4) * 4294967296;
      if (p === 0) return -E.EFAULT;
      if (!pushFromPage(tg, p, out)) {
        const len = native.readString(tg, p, TEXT, STRING_MAX - 1);
        if (len === -E.ENAMETOOLONG) return -E.E2BIG;
        if (len < 0) return len;
        out.pushScratch(TEXT, len);
      }
      if (out.len - before > room) return -E.E2BIG;
    }
  }
  return out.len - before;
}
