/**
 * A reader of tar archives: ustar, GNU (long names, base-256 numbers) and pax, as POSIX pax(1) and GNU tar's manual describe them.
 *
 * It is pushed to and calls a sink: entry() with a header, data() with its bytes, done() at its end. It never looks at the host's file system, and
 * all text stays bytes (latin1): layers carry names in any encoding and binary attribute values (security.capability), which readers
 * that decode UTF-8, as those on npm do, damage.
 *
 *   HEADER --regular--> BODY --> PADDING --> HEADER      BODY of x, g, L, K entries is kept for the next header
 *      `--two zero blocks--> END (the rest is ignored)
 *
 * Everything in an archive is untrusted: what is not understood is an ImageError, never a guess.
 */
import { ImageError, shown } from './error.js';

export type EntryType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

export interface TarEntry {
  readonly type: EntryType;
  /** latin1, as written: may be absolute, may hold "..". */
  readonly name: string;
  /** Target of a link or symlink. */
  readonly linkname: string;
  /** Permission bits, set-ids and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow. */
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNsec: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, string> | undefined;
  /** Where its data begin in the archive. */
  readonly offset: number;
}

export interface TarSink {
  entry(e: TarEntry): void;
  /** Borrowed: use before you return. */
  data(chunk: Buffer): void;
  done(): void;
}

const BLOCK = 512;
/** Most bytes of one extension header (pax, long name); Go's reader allows as much. */
const META_MAX = 1 << 20;

const TYPES: Readonly<Record<string, EntryType>> = { '0': 'file', '\0': 'file', '7': 'file', '1': 'link', '2': 'symlink', '3': 'char', '4': 'block', '5': 'dir', '6': 'fifo' };

const enum State { HEADER, BODY, META, END }

const bad = (what: string): never => { throw new ImageError(`bad archive: ${what}`); };

/** A number field: octal, or base-256 when the first bit is set. */
function numberAt(b: Buffer, at: number, len: number): number {
  const first = b[at] as number;
  if ((first & 0x80) === 0) {
    const text = b.latin1Slice(at, at + len).replace(/\0[^]*$/, '').trim();
    if (text === '') return 0;
    return /^[0-7]+$/.test(text) ? parseInt(text, 8) : bad(`"${shown(text)}" is not an octal number`);
  }
  let n = (first & 0x40) !== 0 ? (first | 0x80) - 0x100 : first & 0x3f;
  for (let i = 1; i < len; i++) n = n * 256 + (b[at + i] as number);
  return Number.isSafeInteger(n) ? n : bad('a number is too large');
}

function textAt(b: Buffer, at: number, len: number): string {
  const end = b.indexOf(0, at);
  return b.latin1Slice(at, end < 0 || end > at + len ? at + len : end);
}

/** Sum of a header's bytes, its checksum field counted as spaces; old archives summed signed bytes. */
function checksumMatches(b: Buffer): boolean {
  let unsigned = 0, signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const v = i >= 148 && i < 156 ? 32 : b[i] as number;
    unsigned += v;
    signed += v > 127 ? v - 256 : v;
  }
  const field = b.latin1Slice(148, 156).replace(/\0[^]*$/, '').trim();
  const want = /^[0-7]+$/.test(field) ? parseInt(field, 8) : -1;
  return want === unsigned || want === signed;
}

/** Records "LEN KEY=VALUE\n" into `into`; an empty value takes a key away. */
function parsePax(b: Buffer, into: Map<string, string>): void {
  let at = 0;
  while (at < b.length && b[at] !== 0) {
    const space = b.indexOf(32, at);
    const digits = space < 0 ? '' : b.latin1Slice(at, space);
    const len = /^\d{1,7}$/.test(digits) ? Number(digits) : 0;
    const end = at + len;
    const equals = b.indexOf(61, space);
    if (len < 5 || end > b.length || b[end - 1] !== 10 || equals < 0 || equals >= end) bad('a pax record is malformed');
    const key = b.latin1Slice(space + 1, equals), value = b.latin1Slice(equals + 1, end - 1);
    if (value === '' && !key.startsWith('SCHILY.xattr.')) into.delete(key); else into.set(key, value);
    at = end;
  }
}

function paxNumber(text: string): number {
  const n = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(n) ? n : bad(`the pax value "${shown(text)}" is not a number`);
}

/** "1700000000.123456789" to seconds and nanoseconds, also below zero. */
function paxTime(text: string): readonly [number, number] {
  const m = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (m === null) return bad(`the pax time "${shown(text)}" is malformed`);
  const sec = Number(m[2]), nsec = Number((m[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (m[1] === '') return [sec, nsec];
  return nsec === 0 ? [-sec, 0] : [-sec - 1, 1e9 - nsec];
}

function xattrsOf(pax: ReadonlyMap<string, string>): ReadonlyMap<string, string> | undefined {
  let all: Map<string, string> | undefined;
  for (const [key, value] of pax) {
    if (key.startsWith('SCHILY.xattr.')) (all ??= new Map()).set(key.slice(13), value);
    else if (key.startsWith('LIBARCHIVE.xattr.')) (all ??= new Map()).set(unescape(key.slice(17)), Buffer.from(value, 'base64').latin1Slice());
  }
  return all;
}

/** libarchive writes attribute names URL-encoded. */
function unescape(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

export class TarReader {
  private state = State.HEADER;
  /** Bytes of the archive that were consumed. */
  private at = 0;
  /** Bytes of body, then of padding, that are still to come. */
  private left = 0;
  private padding = 0;
  private readonly header = Buffer.alloc(BLOCK);
  private headerLen = 0;
  private zeroBlocks = 0;
  private metaType = '';
  private meta: Buffer[] = [];
  private pax = new Map<string, string>();
  private readonly globalPax = new Map<string, string>();
  private longName: string | undefined = undefined;
  private longLink: string | undefined = undefined;

  constructor(private readonly sink: TarSink) {}

  push(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length && this.state !== State.END) {
      if (this.state === State.HEADER && this.padding > 0) {
        const skip = Math.min(this.padding, chunk.length - from);
        this.padding -= skip;
        from += skip;
        this.at += skip;
      } else if (this.state === State.HEADER) {
        const n = Math.min(BLOCK - this.headerLen, chunk.length - from);
        chunk.copy(this.header, this.headerLen, from, from + n);
        this.headerLen += n;
        from += n;
        this.at += n;
        if (this.headerLen === BLOCK) { this.headerLen = 0; this.takeHeader(); }
      } else {
        const n = Math.min(this.left, chunk.length - from);
        const part = chunk.subarray(from, from + n);
        this.left -= n;
        from += n;
        this.at += n;
        // Kept past this call, so copied.
        if (this.state === State.META) this.meta.push(Buffer.from(part)); else this.sink.data(part);
        if (this.left === 0) this.endBody();
      }
    }
  }

  /** The input has ended. One zero block, or none, is accepted as an end; a cut entry is not. */
  end(): void {
    if (this.state === State.END) return;
    if (this.at > 0 && this.at < BLOCK) bad('it is no tar archive');
    if (this.state !== State.HEADER || this.headerLen > 0 || this.padding > 0) bad('it is cut short');
    if (this.longName !== undefined || this.longLink !== undefined || this.pax.size > 0) bad('it ends with an extension header');
  }

  private takeHeader(): void {
    const b = this.header;
    if (b.every((v) => v === 0)) {
      if (++this.zeroBlocks === 2) this.state = State.END;
      return;
    }
    this.zeroBlocks = 0;
    if (!checksumMatches(b)) bad(this.at === BLOCK ? 'it is no tar archive' : 'a header has a wrong checksum');
    const flag = String.fromCharCode(b[156] as number);
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      const size = numberAt(b, 124, 12);
      if (size < 0 || size > META_MAX) bad('an extension header is too large');
      this.metaType = flag;
      this.startBody(State.META, size);
      return;
    }
    this.takeEntry(b, flag);
  }

  private startBody(state: State, size: number): void {
    this.state = state;
    this.left = size;
    this.padding = (BLOCK - size % BLOCK) % BLOCK;
    if (size === 0) this.endBody();
  }

  private endBody(): void {
    const meta = this.state === State.META;
    this.state = State.HEADER;
    if (!meta) { this.sink.done(); return; }
    const b = Buffer.concat(this.meta);
    this.meta = [];
    if (this.metaType === 'x') parsePax(b, this.pax);
    else if (this.metaType === 'g') parsePax(b, this.globalPax);
    else if (this.metaType === 'L') this.longName = textAt(b, 0, b.length);
    else this.longLink = textAt(b, 0, b.length);
  }

  private takeEntry(b: Buffer, flag: string): void {
    const pax = this.globalPax.size === 0 ? this.pax : new Map([...this.globalPax, ...this.pax]);
    const number = (key: string, at: number, len: number): number => { const v = pax.get(key); return v === undefined ? numberAt(b, at, len) : paxNumber(v); };
    for (const key of pax.keys()) if (key.startsWith('GNU.sparse.')) bad('it holds sparse files in a form that is not supported; make it without --sparse');
    const name = pax.get('path') ?? this.longName ?? this.ustarName(b);
    let type: EntryType = TYPES[flag] ?? bad(flag === 'S' ? 'it holds sparse files in a form that is not supported; make it without --sparse' : `entry "${shown(name)}" has the unknown type "${shown(flag)}"`);
    // Before ustar, directories were files whose names end in a slash.
    if (flag === '\0' && name.endsWith('/')) type = 'dir';
    const mtime = pax.get('mtime');
    const [sec, nsec] = mtime === undefined ? [numberAt(b, 136, 12), 0] : paxTime(mtime);
    const size = number('size', 124, 12);
    if (size < 0) bad('a size is negative');
    const entry: TarEntry = {
      type, name, linkname: pax.get('linkpath') ?? this.longLink ?? textAt(b, 157, 100),
      mode: numberAt(b, 100, 8) & 0o7777, uid: number('uid', 108, 8), gid: number('gid', 116, 8),
      // Only files have data, whatever size another entry claims; so do Go's and GNU's readers.
      size: type === 'file' ? size : 0,
      mtime: sec, mtimeNsec: nsec,
      major: type === 'char' || type === 'block' ? numberAt(b, 329, 8) : 0, minor: type === 'char' || type === 'block' ? numberAt(b, 337, 8) : 0,
      xattrs: xattrsOf(pax), offset: this.at,
    };
    this.pax = new Map();
    this.longName = this.longLink = undefined;
    this.sink.entry(entry);
    this.startBody(State.BODY, entry.size);
  }

  /** Name of 100 bytes and, in POSIX archives ("ustar\0"; GNU's are "ustar  "), a prefix of 155. */
  private ustarName(b: Buffer): string {
    const name = textAt(b, 0, 100);
    const prefix = b.latin1Slice(257, 263) === 'ustar\0' ? textAt(b, 345, 155) : '';
    return prefix === '' ? name : `${prefix}/${name}`;
  }
}
