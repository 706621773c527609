/**
 * Terminal settings: the flags of termios(3) that the line discipline knows, and the five shapes in which ioctl_tty(2) carries them:
 * struct termios (36 bytes, TCGETS), termios2 (44 bytes, TCGETS2) and termio (18 bytes, TCGETA). Numbers from asm-generic/termbits.h.
 */

export const enum I {
  IGNBRK = 0o1, BRKINT = 0o2, IGNPAR = 0o4, PARMRK = 0o10, INPCK = 0o20, ISTRIP = 0o40, INLCR = 0o100, IGNCR = 0o200, ICRNL = 0o400, IUCLC = 0o1000,
  IXON = 0o2000, IXANY = 0o4000, IXOFF = 0o10000, IMAXBEL = 0o20000, IUTF8 = 0o40000,
}
export const enum O {
  OPOST = 0o1, OLCUC = 0o2, ONLCR = 0o4, OCRNL = 0o10, ONOCR = 0o20, ONLRET = 0o40, TABDLY = 0o14000, XTABS = 0o14000,
}
export const enum C {
  CBAUD = 0o10017, B0 = 0, B38400 = 0o17, BOTHER = 0o10000, CSIZE = 0o60, CS8 = 0o60, CREAD = 0o200, PARENB = 0o400, CBAUDEX = 0o10000,
}
export const enum L {
  ISIG = 0o1, ICANON = 0o2, XCASE = 0o4, ECHO = 0o10, ECHOE = 0o20, ECHOK = 0o40, ECHONL = 0o100, NOFLSH = 0o200, TOSTOP = 0o400, ECHOCTL = 0o1000,
  ECHOPRT = 0o2000, ECHOKE = 0o4000, FLUSHO = 0o10000, IEXTEN = 0o100000, EXTPROC = 0o200000,
}
/** Indexes into cc. */
export const enum V {
  INTR = 0, QUIT = 1, ERASE = 2, KILL = 3, EOF = 4, TIME = 5, MIN = 6, SWTC = 7, START = 8, STOP = 9, SUSP = 10, EOL = 11, REPRINT = 12, DISCARD = 13,
  WERASE = 14, LNEXT = 15, EOL2 = 16,
}

/** Control characters that the kernel keeps. asm-generic/termbits.h, NCCS. */
const NCCS = 19;
/** Those of struct termio. NCC. */
const NCC = 8;
export const TERMIOS_BYTES = 36;
export const TERMIOS2_BYTES = 44;
export const TERMIO_BYTES = 18;

export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  readonly cc: Uint8Array;
  /** Bits per second; a pty only remembers them. */
  ispeed: number;
  ospeed: number;
}

const CC_DEFAULT = [0o3, 0o34, 0o177, 0o25, 0o4, 0, 1, 0, 0o21, 0o23, 0o32, 0, 0o22, 0o17, 0o27, 0o26, 0, 0, 0];

/** What a new pty slave has: the settings that stty(1) calls sane. */
export function defaultTermios(): Termios {
  return {
    iflag: I.ICRNL | I.IXON,
    oflag: O.OPOST | O.ONLCR,
    cflag: C.B38400 | C.CS8 | C.CREAD,
    lflag: L.ISIG | L.ICANON | L.ECHO | L.ECHOE | L.ECHOK | L.ECHOCTL | L.ECHOKE | L.IEXTEN,
    line: 0,
    cc: Uint8Array.from(CC_DEFAULT),
    ispeed: 38400,
    ospeed: 38400,
  };
}

export function copyTermios(t: Termios): Termios { return { ...t, cc: Uint8Array.from(t.cc) }; }

/** Speeds by the low bits of CBAUD, then by those with CBAUDEX. termios(3). */
const BAUD = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const BAUDEX = [0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000];
/** Shift of the input speed inside cflag; 0 there means "as the output speed". */
const IBSHIFT = 16;

function speedOf(code: number, other: number): number {
  if (code === C.BOTHER) return other;
  return ((code & C.CBAUDEX) !== 0 ? BAUDEX[code & 0o17] : BAUD[code & 0o17]) ?? 0;
}

function fixSpeeds(t: Termios, ispeed: number, ospeed: number): void {
  t.ospeed = speedOf(t.cflag & C.CBAUD, ospeed);
  const icode = (t.cflag >>> IBSHIFT) & C.CBAUD;
  t.ispeed = icode === 0 ? t.ospeed : speedOf(icode, ispeed);
}

/** A pty has no line: always eight bits, no parity, receiver on (ioctl_tty(2) reads this back). */
function fixPty(t: Termios): void { t.cflag = (t.cflag & ~(C.CSIZE | C.PARENB)) | C.CS8 | C.CREAD; }

/** Decode struct termios at off; `two` = struct termios2. */
export function decodeTermios(v: DataView, off: number, old: Termios, two: boolean): Termios {
  const t: Termios = {
    iflag: v.getUint32(off, true), oflag: v.getUint32(off + 4, true), cflag: v.getUint32(off + 8, true), lflag: v.getUint32(off + 12, true),
    line: v.getUint8(off + 16), cc: new Uint8Array(NCCS), ispeed: 0, ospeed: 0,
  };
  for (let i = 0; i < NCCS; i++) t.cc[i] = v.getUint8(off + 17 + i);
  fixSpeeds(t, two ? v.getUint32(off + 36, true) : old.ispeed, two ? v.getUint32(off + 40, true) : old.ospeed);
  fixPty(t);
  return t;
}

export function encodeTermios(t: Termios, v: DataView, off: number, two: boolean): void {
  v.setUint32(off, t.iflag, true);
  v.setUint32(off + 4, t.oflag, true);
  v.setUint32(off + 8, t.cflag, true);
  v.setUint32(off + 12, t.lflag, true);
  v.setUint8(off + 16, t.line);
  for (let i = 0; i < NCCS; i++) v.setUint8(off + 17 + i, t.cc[i] as number);
  if (!two) return;
  v.setUint32(off + 36, t.ispeed, true);
  v.setUint32(off + 40, t.ospeed, true);
}

/** Decode struct termio: the low halves of the flags and the first eight control characters; the rest stays. */
export function decodeTermio(v: DataView, off: number, old: Termios): Termios {
  const t = copyTermios(old);
  t.iflag = (old.iflag & ~0xffff) | v.getUint16(off, true);
  t.oflag = (old.oflag & ~0xffff) | v.getUint16(off + 2, true);
  t.cflag = (old.cflag & ~0xffff) | v.getUint16(off + 4, true);
  t.lflag = (old.lflag & ~0xffff) | v.getUint16(off + 6, true);
  t.line = v.getUint8(off + 8);
  for (let i = 0; i < NCC; i++) t.cc[i] = v.getUint8(off + 9 + i);
  fixSpeeds(t, old.ispeed, old.ospeed);
  fixPty(t);
  return t;
}

export function encodeTermio(t: Termios, v: DataView, off: number): void {
  v.setUint16(off, t.iflag & 0xffff, true);
  v.setUint16(off + 2, t.oflag & 0xffff, true);
  v.setUint16(off + 4, t.cflag & 0xffff, true);
  v.setUint16(off + 6, t.lflag & 0xffff, true);
  v.setUint8(off + 8, t.line);
  for (let i = 0; i < NCC; i++) v.setUint8(off + 9 + i, t.cc[i] as number);
  v.setUint8(off + 17, 0);
}
