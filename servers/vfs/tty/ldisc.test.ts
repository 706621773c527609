/** The line discipline alone: editing, echo, signals, flow control, output processing; then sessions recorded from the host kernel. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INPUT_MAX, Ldisc, OUTPUT_LIMIT, Pkt } from './ldisc.js';
import { RECORDED } from './ldisc-recorded.js';
import { I, L, O, type Termios, V, decodeTermios, defaultTermios } from './termios.js';

class Bench {
  readonly signals: number[] = [];
  readonly packets: number[] = [];
  readonly ld: Ldisc;
  private readonly buf = Buffer.alloc(65536);

  constructor(change: (t: Termios) => void = () => undefined) {
    const t = defaultTermios();
    change(t);
    this.ld = new Ldisc(t, { signal: (s) => { this.signals.push(s); }, inputReady: () => undefined, outputReady: () => undefined, packet: (b) => { this.packets.push(b); } });
  }

  /** Typed at the master; bytes taken. */
  type(s: string): number { const b = Buffer.from(s, 'latin1'); return this.ld.receive(b, 0, b.length); }
  /** Written by the slave; bytes taken. */
  write(s: string): number { const b = Buffer.from(s, 'latin1'); return this.ld.write(b, 0, b.length); }
  /** What the slave reads; undefined = it would wait. */
  read(len = 4096): string | undefined { return this.ld.inputAvailable() ? this.buf.latin1Slice(0, this.ld.read(this.buf, 0, len)) : undefined; }
  /** What the master sees. */
  shown(): string { const s = this.buf.latin1Slice(0, this.ld.out.take(this.buf, 0, 65536)); this.ld.outputTaken(); return s; }
  set(change: (t: Termios) => void): void { const t = { ...this.ld.termios, cc: Uint8Array.from(this.ld.termios.cc) }; change(t); this.ld.setTermios(t); }
}

const raw = (t: Termios): void => { t.lflag = 0; t.iflag = 0; };

describe('canonical input', () => {
  it('gives a line only when it is finished, one line per read', () => {
    const b = new Bench();
    b.type('ab');
    assert.equal(b.read(), undefined);
    b.type('c\rxy\n');
    assert.equal(b.read(), 'abc\n');
    assert.equal(b.read(), 'xy\n');
    assert.equal(b.read(), undefined);
    assert.equal(b.shown(), 'abc\r\nxy\r\n');
  });
  it('leaves the rest of a line to the next read', () => {
    const b = new Bench();
    b.type('hello\n');
    assert.equal(b.read(2), 'he');
    assert.equal(b.read(3), 'llo');
    assert.equal(b.read(9), '\n');
  });
  it('VEOF ends a line without a byte, and on an empty line reads as 0', () => {
    const b = new Bench();
    b.type('abc\x04');
    assert.equal(b.read(), 'abc');
    assert.equal(b.read(), undefined);
    b.type('\x04');
    assert.equal(b.read(), '');
    assert.equal(b.read(), undefined);
  });
  it('VEOF right behind an exact read is not a second end of file', () => {
    const b = new Bench();
    b.type('abc\x04');
    assert.equal(b.read(3), 'abc');
    assert.equal(b.read(3), undefined);
  });
  it('VERASE takes a character, shown as backspace space backspace; two columns for a control character', () => {
    const b = new Bench();
    b.type('ab\x7f\x01\x7f\x7f\x7f');
    assert.equal(b.shown(), 'ab\b \b^A\b \b\b \b\b \b');
    b.type('z\n');
    assert.equal(b.read(), 'z\n');
  });
  it('VERASE without ECHOE shows the character itself', () => {
    const b = new Bench((t) => { t.lflag &= ~L.ECHOE; });
    b.type('ab\x7f');
    assert.equal(b.shown(), 'ab^?');
  });
  it('VERASE takes a whole UTF-8 character with IUTF8, a byte without', () => {
    const u = new Bench((t) => { t.iflag |= I.IUTF8; });
    u.type('\xc3\xa9\x7fx\n');
    assert.equal(u.read(), 'x\n');
    assert.equal(u.shown(), '\xc3\xa9\b \bx\r\n');
    const p = new Bench();
    p.type('\xc3\xa9\x7fx\n');
    assert.equal(p.read(), '\xc3x\n');
  });
  it('VERASE of a tab goes back as far as the tab went', () => {
    const b = new Bench();
    b.write('$ ');
    b.type('abc\t\x7f');
    // "$ abc" ends in column 5: the tab was 3 wide.
    assert.equal(b.shown(), '$ abc\t\b\b\b');
  });
  it('VWERASE takes the word and the space behind it', () => {
    const b = new Bench();
    b.type('one two_3  \x17\n');
    assert.equal(b.read(), 'one \n');
  });
  it('VKILL: shown as erased, as ^U and newline (ECHOK), or as ^U', () => {
    const erased = new Bench();
    erased.type('ab\x15c\n');
    assert.equal(erased.shown(), 'ab\b \b\b \bc\r\n');
    assert.equal(erased.read(), 'c\n');
    const echok = new Bench((t) => { t.lflag &= ~L.ECHOKE; });
    echok.type('ab\x15');
    assert.equal(echok.shown(), 'ab^U\r\n');
    const plain = new Bench((t) => { t.lflag &= ~(L.ECHOKE | L.ECHOK); });
    plain.type('ab\x15');
    assert.equal(plain.shown(), 'ab^U');
  });
  it('VREPRINT shows the line again', () => {
    const b = new Bench();
    b.type('ab\x12');
    assert.equal(b.shown(), 'ab^R\r\nab');
  });
  it('VLNEXT takes away the meaning of the next byte', () => {
    const b = new Bench();
    b.type('a\x16\x03\x16\n\n');
    assert.deepEqual(b.signals, []);
    assert.equal(b.read(), 'a\x03\n\n');
    assert.equal(b.shown(), 'a^\b^C^\b^J\r\n');
  });
  it('VEOL and VEOL2 end lines and are read', () => {
    const b = new Bench((t) => { t.cc[V.EOL] = 0x3b; t.cc[V.EOL2] = 0x21; });
    b.type('a;b!');
    assert.equal(b.read(), 'a;');
    assert.equal(b.read(), 'b!');
  });
  it('without IEXTEN the extended characters are ordinary', () => {
    const b = new Bench((t) => { t.lflag &= ~L.IEXTEN; });
    b.type('a b\x17\x16\n');
    assert.equal(b.read(), 'a b\x17\x16\n');
  });
  it('a disabled control character (0) matches nothing', () => {
    const b = new Bench((t) => { t.cc[V.EOF] = 0; });
    b.type('a\0\n');
    assert.equal(b.read(), 'a\0\n');
  });
  it('holds 4095 bytes and a terminator; what is more replaces the last byte', () => {
    const b = new Bench((t) => { t.lflag &= ~L.ECHO; });
    assert.equal(b.type('x'.repeat(5000)), 5000);
    b.type('\n');
    const line = b.read(8192) as string;
    assert.equal(line.length, INPUT_MAX);
    assert.equal(line, `${'x'.repeat(4095)}\n`);
  });
  it('takes no more when full lines wait, and goes on after a read', () => {
    const b = new Bench((t) => { t.lflag &= ~L.ECHO; });
    b.type('first\n');
    const took = b.type('y'.repeat(5000));
    assert.equal(took, 4095 - 6);
    assert.equal(b.read(), 'first\n');
    assert.ok(b.type('z') === 1);
  });
  it('FIONREAD counts finished lines, without VEOF', () => {
    const b = new Bench();
    b.type('ab\ncd\x04ef');
    assert.equal(b.ld.inputSize, 5);
  });
});

describe('input translation', () => {
  it('ICRNL, INLCR, IGNCR', () => {
    const inl = new Bench((t) => { t.iflag = I.INLCR; t.lflag = 0; });
    inl.type('a\nb\r');
    assert.equal(inl.read(), 'a\rb\r');
    const ign = new Bench((t) => { t.iflag = I.IGNCR | I.ICRNL; t.lflag = 0; });
    ign.type('a\r\nb');
    assert.equal(ign.read(), 'a\nb');
  });
  it('ISTRIP, IUCLC (with IEXTEN), PARMRK doubling', () => {
    const s = new Bench((t) => { t.iflag = I.ISTRIP; t.lflag = 0; });
    s.type('\xe1');
    assert.equal(s.read(), 'a');
    const u = new Bench((t) => { t.iflag = I.IUCLC; t.lflag = L.IEXTEN; });
    u.type('AbC');
    assert.equal(u.read(), 'abc');
    const p = new Bench((t) => { t.iflag = I.PARMRK; t.lflag = 0; });
    p.type('\xff');
    assert.equal(p.read(), '\xff\xff');
  });
  it('raw: nothing is special, nothing echoed', () => {
    const b = new Bench(raw);
    b.type('\x03\x04\x7f\r\n');
    assert.equal(b.read(), '\x03\x04\x7f\r\n');
    assert.deepEqual(b.signals, []);
    assert.equal(b.shown(), '');
  });
});

describe('echo', () => {
  it('ECHO off shows nothing, but ECHONL the newline', () => {
    const b = new Bench((t) => { t.lflag = (t.lflag & ~L.ECHO) | L.ECHONL; });
    b.type('pw\n');
    assert.equal(b.shown(), '\r\n');
  });
  it('without ECHOCTL control characters are shown as they are', () => {
    const b = new Bench((t) => { t.lflag &= ~L.ECHOCTL; });
    b.type('\x01');
    assert.equal(b.shown(), '\x01');
  });
  it('ECHOPRT shows erased characters between \\ and /', () => {
    const b = new Bench((t) => { t.lflag |= L.ECHOPRT; });
    b.type('ab\x7f\x7fc');
    assert.equal(b.shown(), 'ab\\ba/c');
  });
});

describe('signals', () => {
  it('VINTR, VQUIT, VSUSP signal, are shown, and drop what was typed', () => {
    const b = new Bench();
    b.type('half\n');
    b.shown();
    b.type('x\x03');
    b.type('\x1c\x1a');
    assert.deepEqual(b.signals, [2, 3, 20]);
    assert.equal(b.read(), undefined);
    assert.match(b.shown(), /\^C.*\^Z$/);
  });
  it('NOFLSH keeps input', () => {
    const b = new Bench((t) => { t.lflag |= L.NOFLSH; });
    b.type('ab\x03c\n');
    assert.deepEqual(b.signals, [2]);
    assert.equal(b.read(), 'abc\n');
  });
  it('without ISIG they are bytes', () => {
    const b = new Bench((t) => { t.lflag &= ~L.ISIG; });
    b.type('\x03\n');
    assert.deepEqual(b.signals, []);
    assert.equal(b.read(), '\x03\n');
  });
  it('a signal flushes output only beyond what the master already holds', () => {
    const b = new Bench();
    b.write('o'.repeat(6000));
    b.type('\x03');
    const s = b.shown();
    assert.equal(s.length, 4096 + 2);
    assert.ok(s.endsWith('^C'));
  });
});

describe('flow control', () => {
  it('VSTOP stops output and echo, VSTART lets both go on', () => {
    const b = new Bench();
    b.type('\x13ab');
    assert.equal(b.write('out'), 0);
    assert.equal(b.ld.canWrite, false);
    assert.equal(b.shown(), '');
    b.type('\x11');
    assert.equal(b.shown(), 'ab');
    assert.equal(b.write('out'), 3);
  });
  it('any byte restarts with IXANY', () => {
    const b = new Bench((t) => { t.iflag |= I.IXANY; });
    b.type('\x13');
    assert.ok(b.ld.stopped);
    b.type('x');
    assert.ok(!b.ld.stopped);
  });
  it('what tcflow stopped VSTART does not start', () => {
    const b = new Bench();
    b.ld.stop(true);
    b.type('\x11');
    assert.ok(b.ld.stopped);
    b.ld.start(true);
    assert.ok(!b.ld.stopped);
  });
  it('turning IXON off restarts', () => {
    const b = new Bench();
    b.type('\x13');
    b.set((t) => { t.iflag &= ~I.IXON; });
    assert.ok(!b.ld.stopped);
  });
  it('is reported to packet mode', () => {
    const b = new Bench();
    b.type('\x13\x11');
    assert.deepEqual(b.packets, [Pkt.STOP, Pkt.START]);
  });
});

describe('output', () => {
  const out = (change: (t: Termios) => void, s: string): string => { const b = new Bench(change); b.write(s); return b.shown(); };
  it('ONLCR, OCRNL, ONOCR, ONLRET, OLCUC, XTABS', () => {
    assert.equal(out(() => undefined, 'a\nb'), 'a\r\nb');
    assert.equal(out((t) => { t.oflag = O.OPOST | O.OCRNL; }, 'a\r'), 'a\n');
    assert.equal(out((t) => { t.oflag = O.OPOST | O.ONOCR; }, '\ra\r\r'), 'a\r');
    assert.equal(out((t) => { t.oflag = O.OPOST | O.ONLRET | O.ONOCR; }, 'a\n\rb'), 'a\nb');
    assert.equal(out((t) => { t.oflag = O.OPOST | O.OLCUC; }, 'aB1'), 'AB1');
    assert.equal(out((t) => { t.oflag = O.OPOST | O.XTABS; }, 'ab\tc'), 'ab      c');
  });
  it('without OPOST bytes pass', () => { assert.equal(out((t) => { t.oflag = O.ONLCR | O.OLCUC; }, 'a\n'), 'a\n'); });
  it('takes no more than its limit until the master reads', () => {
    const b = new Bench();
    const n = b.write('x'.repeat(20000));
    assert.equal(n, OUTPUT_LIMIT);
    assert.equal(b.write('y'), 0);
    b.shown();
    assert.equal(b.write('y'), 1);
  });
});

describe('settings', () => {
  it('switching to canonical makes one line of what is there', () => {
    const b = new Bench(raw);
    b.type('abc');
    b.set((t) => { t.lflag |= L.ICANON; });
    assert.equal(b.read(), 'abc');
    assert.equal(b.read(), undefined);
  });
  it('switching to raw makes an unfinished line readable', () => {
    const b = new Bench();
    b.type('abc');
    assert.equal(b.read(), undefined);
    b.set(raw);
    assert.equal(b.read(), 'abc');
  });
  it('VMIN counts in noncanonical mode only', () => {
    const b = new Bench(raw);
    b.type('ab');
    assert.equal(b.ld.inputAvailable(3), false);
    assert.equal(b.ld.inputAvailable(2), true);
  });
});

describe('as the host kernel does', () => {
  RECORDED.forEach((ops, i) => {
    it(`recorded session ${i}`, () => {
      const b = new Bench();
      ops.forEach((op, at) => {
        const where = `step ${at}: ${op[0]}`;
        switch (op[0]) {
          case 'set': {
            const u = Uint8Array.from(Buffer.from(op[1], 'latin1'));
            b.ld.setTermios(decodeTermios(new DataView(u.buffer), 0, b.ld.termios, false));
            break;
          }
          case 'm': b.type(op[1]); break;
          case 's': assert.equal(b.write(op[1]), op[2], where); break;
          case 'r': {
            const canon = (b.ld.termios.lflag & L.ICANON) !== 0;
            assert.equal(b.read(op[1]) ?? (canon ? -11 : ''), op[2], where);
            break;
          }
          case 'o': assert.equal(b.shown(), op[1], where); break;
          case 'n': assert.equal(b.ld.inputSize, op[1], where); break;
        }
      });
    });
  });
});
