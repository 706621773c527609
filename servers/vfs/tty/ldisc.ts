/**
 * The terminal line discipline (N_TTY): what turns bytes typed at a terminal into what read(2) returns, and bytes written into what
 * the terminal shows. termios(3); details by observation of the host's own ptys.
 *
 *   master ──receive()──► [input 4096: edited lines | line under edit] ──read()──► slave
 *   master ◄──out queue──  echoes ◄─┘                     OPOST  ◄──write()──────  slave
 *
 * Input is a ring with absolute counters tail <= canonHead <= head. In canonical mode tail..canonHead are finished lines (readable, each
 * ending at a mark), canonHead..head is the line that VERASE and friends edit. Otherwise everything is readable and canonHead is only where the line
 * would have begun. A line holds at most 4095 bytes and its terminator: what comes after replaces its last byte until a terminator arrives.
 *
 * Echoes are not bytes but small operations, since they must wait while output is stopped (VSTOP) and depend on the column at the time
 * they are shown. The class does not block, know processes or own fds: it tells its sink what happened. Everything runs on one thread.
 */
import { ByteQueue } from './byte-queue.js';
import { I, L, O, type Termios, V, copyTermios } from './termios.js';

/** Bytes of input; a canonical line with its terminator never exceeds it. termios(3), "Canonical and noncanonical mode". */
export const INPUT_MAX = 4096;
/** Output that a slave may have waiting before its writes block: what Linux holds in the two buffers between slave and master. */
export const OUTPUT_LIMIT = 8192 + 4096;
/** Output that is already out of reach of a flush, in the master's own input buffer. */
const MASTER_BUFFER = 4096;
/** Echo operations held back at most; more are lost, as on Linux. */
const ECHO_MAX = 4096;

/** Bits of a packet-mode status byte. ioctl_tty(2), TIOCPKT. */
export const enum Pkt { FLUSHREAD = 1, FLUSHWRITE = 2, STOP = 4, START = 8, NOSTOP = 16, DOSTOP = 32, IOCTL = 64 }

export interface LdiscSink {
  /** VINTR, VQUIT or VSUSP was typed: signal the foreground process group. */
  signal(signo: number): void;
  /** There is something new to read, or a reader must look again. */
  inputReady(): void;
  /** Output was queued, or room was made. */
  outputReady(): void;
  /** Something that packet mode reports. Pkt bits. */
  packet(bits: number): void;
}

const SIGINT = 2, SIGQUIT = 3, SIGTSTP = 20;
const NL = 10, CR = 13, TAB = 9, BS = 8, SPACE = 32, CARET = 94;

/** Marks in `marks`, per input byte. */
const LINE_END = 1;
/** The byte stands for VEOF: it ends a line and is not read. */
const EOF_MARK = 2;

/** Echo operations: 0..255 a byte through output processing, 256 + c a control character as ^C, and those below. */
const ECHO_CTL = 256;
const ECHO_CANON_COL = 512;
const ECHO_BACK_COL = 513;
/** + columns before the tab since the line's start or the last tab, + 8 when a tab was there. */
const ECHO_ERASE_TAB = 1024;

const isCntrl = (c: number): boolean => c < 32 || c === 127;
const isUpper = (c: number): boolean => (c >= 0x41 && c <= 0x5a) || (c >= 0xc0 && c <= 0xde && c !== 0xd7);
const isLower = (c: number): boolean => (c >= 0x61 && c <= 0x7a) || (c >= 0xdf && c !== 0xf7);
const toLower = (c: number): number => (isUpper(c) ? c + 32 : c);
const toUpper = (c: number): number => (isLower(c) && c !== 0xdf ? c - 32 : c);
const isWord = (c: number): boolean => (c >= 0x30 && c <= 0x39) || isUpper(c) || isLower(c) || c === 0x5f;

export class Ldisc {
  /** Processed output on its way to the master. */
  readonly out = new ByteQueue(16384);
  /** Output is stopped by VSTOP (flow) or by tcflow (tco). */
  stopped = false;
  private tcoStopped = false;

  private readonly buf = new Uint8Array(INPUT_MAX);
  private readonly marks = new Uint8Array(INPUT_MAX);
  private head = 0;
  private tail = 0;
  private canonHead = 0;
  private lnext = false;
  /** Inside an ECHOPRT erasure (between \ and /). */
  private erasing = false;
  private column = 0;
  /** Column where the line under edit began. */
  private canonColumn = 0;
  private echoes: number[] = [];
  /** Bytes at the front of `out` that a flush cannot reach any more. */
  private delivered = MASTER_BUFFER;

  constructor(public termios: Termios, private readonly sink: LdiscSink) {}

  private get canonical(): boolean { return (this.termios.lflag & (L.ICANON | L.EXTPROC)) === L.ICANON; }

  // ---- input ----

  /**
   * Bytes from the master: how many were taken. Fewer than len only when the buffer is full and has something to read.
   */
  receive(src: Uint8Array, off: number, len: number): number {
    let n = 0;
    // What this very input makes us show is still on its way to the master when a signal character in it flushes output.
    this.delivered = this.out.size;
    while (n < len && this.makeRoom()) this.receiveByte(src[off + n++] as number);
    this.delivered = MASTER_BUFFER;
    this.showEchoes();
    if (n > 0) this.sink.inputReady();
    return n;
  }

  /** Room for one more byte? An endless line without terminator gives up its last byte for it. */
  private makeRoom(): boolean {
    const used = this.head - this.tail;
    const room = (this.termios.iflag & I.PARMRK) !== 0 ? Math.ceil((INPUT_MAX - used) / 3) - 1 : INPUT_MAX - used - 1;
    if (room > 0) return true;
    if ((this.termios.lflag & L.ICANON) === 0 || this.canonHead !== this.tail) return false;
    if (used >= INPUT_MAX) this.head--;
    return true;
  }

  private receiveByte(byte: number): void {
    const { iflag, lflag } = this.termios;
    let c = byte;
    if ((iflag & I.ISTRIP) !== 0) c &= 0x7f;
    if ((iflag & I.IUCLC) !== 0 && (lflag & L.IEXTEN) !== 0) c = toLower(c);
    if ((lflag & L.EXTPROC) !== 0) { this.store(c, 0); return; }
    // The byte after VLNEXT has no meaning of its own.
    if (this.lnext) { this.lnext = false; this.plain(c, false); return; }
    if (this.flowControl(c) || this.signalChar(c)) return;
    this.restartOnAny();
    let newline = false;
    if (c === CR) {
      if ((iflag & I.IGNCR) !== 0) return;
      if ((iflag & I.ICRNL) !== 0) { c = NL; newline = true; }
    } else if (c === NL && (iflag & I.INLCR) !== 0) {
      c = CR;
    }
    if ((lflag & L.ICANON) !== 0 && this.edit(c)) return;
    this.plain(c, newline);
  }

  private is(c: number, v: V): boolean { return c !== 0 && this.termios.cc[v] === c; }
  private isExt(c: number, v: V): boolean { return this.is(c, v) && (this.termios.lflag & L.IEXTEN) !== 0; }

  private flowControl(c: number): boolean {
    if ((this.termios.iflag & I.IXON) === 0) return false;
    if (this.is(c, V.START)) { this.start(false); this.showEchoes(); return true; }
    if (this.is(c, V.STOP)) { this.stop(false); return true; }
    return false;
  }

  private restartOnAny(): void {
    if (this.stopped && !this.tcoStopped && (this.termios.iflag & (I.IXON | I.IXANY)) === (I.IXON | I.IXANY)) { this.start(false); this.showEchoes(); }
  }

  private signalChar(c: number): boolean {
    const { lflag, iflag } = this.termios;
    if ((lflag & L.ISIG) === 0) return false;
    const signo = this.is(c, V.INTR) ? SIGINT : this.is(c, V.QUIT) ? SIGQUIT : this.is(c, V.SUSP) ? SIGTSTP : 0;
    if (signo === 0) return false;
    if ((lflag & L.NOFLSH) === 0) {
      this.echoes.length = 0;
      this.flushOutput();
      this.flushInput();
    }
    this.sink.signal(signo);
    if ((iflag & I.IXON) !== 0) this.start(false);
    if ((lflag & L.ECHO) !== 0) this.echo(c);
    return true;
  }

  /** A byte without special meaning: echo it and store it. newline: a CR that ICRNL turned into NL, which is shown as such and not as ^J. */
  private plain(c: number, newline: boolean): void {
    this.restartOnAny();
    if ((this.termios.lflag & L.ECHO) !== 0) {
      this.finishErasing();
      if (newline) {
        this.echoRaw(NL);
      } else {
        if (this.canonHead === this.head) this.echoRaw(ECHO_CANON_COL);
        this.echo(c);
      }
    }
    if (c === 0xff && (this.termios.iflag & I.PARMRK) !== 0) this.store(c, 0);
    this.store(c, 0);
  }

  private store(c: number, mark: number): void {
    const at = this.head++ & (INPUT_MAX - 1);
    this.buf[at] = c;
    this.marks[at] = mark;
  }

  private at(i: number): number { return this.buf[i & (INPUT_MAX - 1)] as number; }

  /** Canonical mode: editing and line ends. True when c was one of them. */
  private edit(c: number): boolean {
    const { lflag } = this.termios;
    const echo = (lflag & L.ECHO) !== 0;
    if (this.is(c, V.ERASE)) { this.erase(V.ERASE); return true; }
    if (this.is(c, V.KILL)) { this.kill(); return true; }
    if (this.isExt(c, V.WERASE)) { this.erase(V.WERASE); return true; }
    if (this.isExt(c, V.LNEXT)) {
      this.lnext = true;
      if (echo) {
        this.finishErasing();
        if ((lflag & L.ECHOCTL) !== 0) { this.echoRaw(CARET); this.echoRaw(BS); }
      }
      return true;
    }
    if (echo && this.isExt(c, V.REPRINT)) {
      this.finishErasing();
      this.echo(c);
      this.echoRaw(NL);
      for (let i = this.canonHead; i < this.head; i++) this.echo(this.at(i));
      return true;
    }
    if (c === NL) {
      if ((lflag & (L.ECHO | L.ECHONL)) !== 0) this.echoRaw(NL);
      this.endLine(NL, LINE_END);
      return true;
    }
    if (this.is(c, V.EOF)) { this.endLine(0, LINE_END | EOF_MARK); return true; }
    if (this.is(c, V.EOL) || this.isExt(c, V.EOL2)) {
      if (echo) {
        if (this.canonHead === this.head) this.echoRaw(ECHO_CANON_COL);
        this.echo(c);
      }
      if (c === 0xff && (this.termios.iflag & I.PARMRK) !== 0) this.store(c, 0);
      this.endLine(c, LINE_END);
      return true;
    }
    return false;
  }

  private endLine(c: number, mark: number): void {
    this.store(c, mark);
    this.canonHead = this.head;
  }

  private continuation(c: number): boolean { return (this.termios.iflag & I.IUTF8) !== 0 && (c & 0xc0) === 0x80; }

  /** VKILL: drop the line; shown as erased (ECHOKE), or as the character and a new line (ECHOK). */
  private kill(): void {
    if (this.head === this.canonHead) return;
    const { lflag } = this.termios;
    const visual = L.ECHO | L.ECHOK | L.ECHOKE | L.ECHOE;
    if ((lflag & visual) === visual) { this.erase(V.KILL); return; }
    this.head = this.canonHead;
    if ((lflag & L.ECHO) === 0) return;
    this.finishErasing();
    this.echo(this.termios.cc[V.KILL] as number);
    if ((lflag & L.ECHOK) !== 0) this.echoRaw(NL);
  }

  /** Take one character (VERASE), a word (VWERASE) or everything (VKILL) off the line. */
  private erase(what: V): void {
    let word = false;
    while (this.head > this.canonHead) {
      let from = this.head;
      let c: number;
      do c = this.at(--from); while (this.continuation(c) && from > this.canonHead);
      // Continuation bytes without a leading byte are no character: leave them.
      if (this.continuation(c)) break;
      if (what === V.WERASE) {
        if (isWord(c)) word = true;
        else if (word) break;
      }
      const bytes = this.head - from;
      this.head = from;
      if ((this.termios.lflag & L.ECHO) !== 0) this.echoErased(c, bytes, what);
      if (what === V.ERASE) break;
    }
    if (this.head === this.canonHead && (this.termios.lflag & L.ECHO) !== 0) this.finishErasing();
  }

  private echoErased(c: number, bytes: number, what: V): void {
    const { lflag } = this.termios;
    if ((lflag & L.ECHOPRT) !== 0) {
      if (!this.erasing) { this.echoRaw(0x5c); this.erasing = true; }
      this.echo(c);
      for (let i = 1; i < bytes; i++) { this.echoRaw(this.at(this.head + i)); this.echoRaw(ECHO_BACK_COL); }
    } else if (what === V.ERASE && (lflag & L.ECHOE) === 0) {
      this.echo(this.termios.cc[V.ERASE] as number);
    } else if (c === TAB) {
      this.echoEraseTab();
    } else {
      if (isCntrl(c) && (lflag & L.ECHOCTL) !== 0) this.rubout();
      if (!isCntrl(c) || (lflag & L.ECHOCTL) !== 0) this.rubout();
    }
  }

  private rubout(): void { this.echoRaw(BS); this.echoRaw(SPACE); this.echoRaw(BS); }

  /** How wide the erased tab was depends on what stands before it, back to the line's start or the tab before. */
  private echoEraseTab(): void {
    let cols = 0;
    let afterTab = 0;
    for (let i = this.head; i > this.canonHead;) {
      const c = this.at(--i);
      if (c === TAB) { afterTab = 8; break; }
      if (isCntrl(c)) { if ((this.termios.lflag & L.ECHOCTL) !== 0) cols += 2; }
      else if (!this.continuation(c)) cols++;
    }
    this.echoRaw(ECHO_ERASE_TAB + (cols & 7) + afterTab);
  }

  private finishErasing(): void {
    if (!this.erasing) return;
    this.echoRaw(0x2f);
    this.erasing = false;
  }

  // ---- echo ----

  private echo(c: number): void {
    this.echoRaw((this.termios.lflag & L.ECHOCTL) !== 0 && isCntrl(c) && c !== TAB ? ECHO_CTL + c : c);
  }

  private echoRaw(op: number): void { if (this.echoes.length < ECHO_MAX) this.echoes.push(op); }

  /** Show what is held back, as far as output allows. */
  private showEchoes(): void {
    if (this.stopped || this.echoes.length === 0) return;
    let i = 0;
    while (i < this.echoes.length && this.out.room >= 16) this.showEcho(this.echoes[i++] as number);
    this.echoes = i === this.echoes.length ? [] : this.echoes.slice(i);
    this.sink.outputReady();
  }

  private showEcho(op: number): void {
    if (op === 0xff) {
      // Observed: this byte is echoed as it is, even with OLCUC.
      this.out.put(op);
      this.column++;
    } else if (op < ECHO_CTL) {
      if ((this.termios.oflag & O.OPOST) !== 0) this.process(op); else this.out.put(op);
    } else if (op < ECHO_CANON_COL) {
      this.out.put(CARET);
      this.out.put((op - ECHO_CTL) ^ 0x40);
      this.column += 2;
    } else if (op === ECHO_CANON_COL) {
      this.canonColumn = this.column;
    } else if (op === ECHO_BACK_COL) {
      if (this.column > 0) this.column--;
    } else {
      let cols = op - ECHO_ERASE_TAB;
      if (cols < 8) cols += this.canonColumn; else cols -= 8;
      for (let n = 8 - (cols & 7); n > 0; n--) {
        this.out.put(BS);
        if (this.column > 0) this.column--;
      }
    }
  }

  // ---- output ----

  /** Output processing of one byte. The caller has made sure of 8 bytes of room. */
  private process(byte: number): void {
    const { oflag } = this.termios;
    let c = byte;
    switch (c) {
      case NL:
        if ((oflag & O.ONLRET) !== 0) this.column = 0;
        if ((oflag & O.ONLCR) !== 0) {
          this.column = this.canonColumn = 0;
          this.out.put(CR);
        } else {
          this.canonColumn = this.column;
        }
        break;
      case CR:
        if ((oflag & O.ONOCR) !== 0 && this.column === 0) return;
        if ((oflag & O.OCRNL) !== 0) {
          c = NL;
          if ((oflag & O.ONLRET) !== 0) this.column = this.canonColumn = 0;
        } else {
          this.column = this.canonColumn = 0;
        }
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((oflag & O.TABDLY) === O.XTABS) {
          for (let i = 0; i < spaces; i++) this.out.put(SPACE);
          return;
        }
        break;
      }
      case BS:
        if (this.column > 0) this.column--;
        break;
      default:
        if (isCntrl(c)) break;
        if ((oflag & O.OLCUC) !== 0) c = toUpper(c);
        if (!this.continuation(c)) this.column++;
    }
    this.out.put(c);
  }

  /** Bytes written by the slave: how many were taken; 0 while output is stopped or full. */
  write(src: Uint8Array, off: number, len: number): number {
    this.showEchoes();
    if (this.stopped) return 0;
    let n = 0;
    if ((this.termios.oflag & O.OPOST) === 0) {
      const room = OUTPUT_LIMIT - this.out.size;
      if (room > 0) n = this.out.putAll(src, off, Math.min(len, room));
    } else {
      while (n < len && this.out.size < OUTPUT_LIMIT) this.process(src[off + n++] as number);
    }
    if (n > 0) this.sink.outputReady();
    return n;
  }

  /** May a slave write now? Linux asks for more than a trickle of room before it says so to poll. */
  get canWrite(): boolean { return !this.stopped && this.out.size < OUTPUT_LIMIT - 256; }

  /** The master has taken output: show echoes that waited for room. */
  outputTaken(): void {
    this.showEchoes();
    this.sink.outputReady();
  }

  /** VSTOP, or tcflow(TCOOFF) with tco. */
  stop(tco: boolean): void {
    if (tco) { if (this.tcoStopped) return; this.tcoStopped = true; }
    if (this.stopped) return;
    this.stopped = true;
    this.sink.packet(Pkt.STOP);
    this.sink.outputReady();
  }

  /** VSTART, or tcflow(TCOON) with tco. What tcflow stopped only tcflow starts. Echoes held back are shown by the caller, or with the next output. */
  start(tco: boolean): void {
    if (tco) { if (!this.tcoStopped) return; this.tcoStopped = false; } else if (this.tcoStopped) { return; }
    if (!this.stopped) return;
    this.stopped = false;
    this.sink.packet(Pkt.START);
    this.sink.outputReady();
  }

  // ---- reading ----

  /** Is there something for a reader? `min`: bytes wanted in noncanonical mode. */
  inputAvailable(min = 1): boolean {
    return this.canonical ? this.canonHead !== this.tail : this.head - this.tail >= Math.max(1, min);
  }

  /** Bytes that FIONREAD reports: finished lines without their VEOF marks, or everything. */
  get inputSize(): number {
    if (!this.canonical) return this.head - this.tail;
    let n = 0;
    for (let i = this.tail; i < this.canonHead; i++) if (((this.marks[i & (INPUT_MAX - 1)] as number) & EOF_MARK) === 0) n++;
    return n;
  }

  /** Bytes in the buffer, whatever their state. */
  get buffered(): number { return this.head - this.tail; }

  /** Is a line under edit? */
  get lineStarted(): boolean { return this.head > this.canonHead; }

  /**
   * Take input: in canonical mode at most one line, 0 for VEOF on an empty one. The caller has asked inputAvailable().
   */
  read(dst: Uint8Array, off: number, len: number): number {
    if (!this.canonical) {
      const n = Math.min(len, this.head - this.tail);
      for (let i = 0; i < n; i++) dst[off + i] = this.at(this.tail + i);
      this.tail += n;
      if (this.canonHead < this.tail) this.canonHead = this.tail;
      return n;
    }
    let n = 0;
    while (this.tail < this.canonHead) {
      const mark = this.marks[this.tail & (INPUT_MAX - 1)] as number;
      // A VEOF right behind a read that got exactly what it asked for belongs to that read; else the next one would see an end of file.
      if ((mark & EOF_MARK) !== 0) { if (len > 0) this.tail++; break; }
      if (n === len) break;
      dst[off + n++] = this.at(this.tail++);
      if ((mark & LINE_END) !== 0) break;
    }
    return n;
  }

  /** Drop all input (TCIFLUSH, signals). */
  flushInput(): void {
    this.tail = this.canonHead = this.head;
    this.erasing = false;
    this.sink.packet(Pkt.FLUSHREAD);
  }

  /** Drop output that has not reached the master's own buffer (TCOFLUSH, signals). */
  flushOutput(): void {
    this.out.truncate(Math.min(MASTER_BUFFER, this.delivered));
    this.sink.packet(Pkt.FLUSHWRITE);
    this.sink.outputReady();
  }

  // ---- settings ----

  /** New settings. When canonical mode begins, what was typed before becomes one line; when it ends, everything is readable. */
  setTermios(t: Termios): void {
    const old = this.termios;
    this.termios = copyTermios(t);
    if (((old.lflag ^ t.lflag) & (L.ICANON | L.EXTPROC)) !== 0) {
      for (let i = this.tail; i < this.head; i++) this.marks[i & (INPUT_MAX - 1)] = 0;
      if ((t.lflag & L.ICANON) !== 0 && this.head > this.tail) {
        this.marks[(this.head - 1) & (INPUT_MAX - 1)] = LINE_END;
        this.canonHead = this.head;
      } else {
        this.canonHead = this.tail;
      }
      this.erasing = false;
      this.lnext = false;
    }
    if ((t.iflag & I.IXON) === 0 && (old.iflag & I.IXON) !== 0 && !this.tcoStopped) { this.start(false); this.showEchoes(); }
    this.sink.inputReady();
    this.sink.outputReady();
  }
}
