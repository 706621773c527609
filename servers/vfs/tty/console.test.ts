/** The console's relay, with a fake host: input is what reads return, output what writes took. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { BootData } from '../../../shared/boot.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { TimerHeap } from '../../../shared/wait.js';
import { openConsole, type Console } from './console.js';
import { ptys } from './pty.js';

/** Results of the next reads of the input: text, or -errno; empty text = end of file. Then EAGAIN. */
let reads: Array<string | number> = [];
let written = '';
/** How many bytes the output takes before EAGAIN; negative: that errno. */
let room = Infinity;
let watched = new Map<number, () => void>();
let refuseWatch = false;
/** What waits for the signal server; size of the caller's window, none = it is no terminal. */
let fenced: Array<() => void> = [];
let size: readonly [number, number] | undefined;
const timers = new TimerHeap();

const ep = {
  timers,
  send: () => undefined,
  watch: (fd: number, _events: number, h: () => void): number => { if (refuseWatch && fd === 10) return -E.EPERM; watched.set(fd, h); return fd; },
  unwatch: (_token: number, fd: number): void => { watched.delete(fd); },
  fence: (_mask: number, then: () => void): void => { fenced.push(then); },
} as unknown as Endpoint;

/** read 0, write 1, poll 7, ioctl 16 (TIOCGWINSZ); statx fails, so that the given fds are used themselves. */
native.sys = (nr: number, _mask: number, a0 = 0, a1 = 0, a2 = 0): number => {
  if (nr === 0) {
    const r = a0 === 10 ? reads.shift() ?? -E.EAGAIN : -E.EBADF;
    return typeof r === 'number' ? r : host.scratch.latin1Write(r.slice(0, a2), a1);
  }
  if (nr === 1) {
    if (room < 0) return room;
    const n = Math.min(a2, room);
    if (n === 0) return -E.EAGAIN;
    room -= n;
    written += host.scratch.latin1Slice(a1, a1 + n);
    return n;
  }
  if (nr === 16 && a0 === 11 && a1 === 0x5413 && size !== undefined) {
    host.scratchView.setUint16(a2, size[0], true);
    host.scratchView.setUint16(a2 + 2, size[1], true);
    return 0;
  }
  return nr === 7 ? 1 : -E.ENOSYS;
};

const spec = { stdio: [10, 11, 12], rows: 24, cols: 80, tty: true };
let con: Console;
const turn = (): void => { timers.expire(Infinity); };
function slaveWrite(s: string): number { const b = Buffer.from(s, 'latin1'); return con.pty.ldisc.write(b, 0, b.length); }
function slaveRead(): string { const b = Buffer.alloc(8192); const n = con.pty.ldisc.inputAvailable() ? con.pty.ldisc.read(b, 0, 8192) : 0; con.pty.feed(); return b.latin1Slice(0, n); }

beforeEach(() => {
  L.attachTables(L.allocTables());
  ptys.clear();
  timers.expire(Infinity);
  reads = [];
  written = '';
  room = Infinity;
  watched = new Map();
  refuseWatch = false;
  fenced = [];
  size = undefined;
  con = openConsole(ep, { spec } as unknown as BootData);
});

describe('console', () => {
  it('is pty 0 with the caller\'s window', () => {
    assert.equal(con.pty.index, 0);
    assert.deepEqual(con.pty.winsize.slice(0, 2), [24, 80]);
    con.resize(30, 100);
    assert.deepEqual(con.pty.winsize.slice(0, 2), [30, 100]);
  });
  it('tells of a new size of the window before what was typed after it, once', () => {
    size = [24, 80];
    reads = ['a\r'];
    watched.get(10)?.();
    assert.equal(slaveRead(), 'a\n');
    size = [20, 60];
    reads = ['b\r'];
    watched.get(10)?.();
    assert.deepEqual([...con.pty.winsize.slice(0, 2)], [20, 60]);
    assert.deepEqual([slaveRead(), watched.has(10)], ['', false], 'the signal comes first');
    fenced.shift()?.();
    // The guest gives its terminal a size of its own: that stays.
    con.pty.resize(5, 5, 0, 0);
    watched.get(10)?.();
    assert.equal(slaveRead(), 'b\n');
    assert.deepEqual([...con.pty.winsize.slice(0, 2)], [5, 5]);
  });
  it('reads nothing until the guest was told of a new size, whoever said it first', () => {
    const gone = watched.get(10);
    con.resize(30, 100);
    con.resize(31, 100);
    reads = ['a\r'];
    con.pty.onInputRoom?.();
    // What was ready before the resize, in the same turn.
    gone?.();
    assert.deepEqual([watched.has(10), slaveRead()], [false, '']);
    fenced.shift()?.();
    assert.equal(watched.has(10), false, 'the second one is still to be told');
    fenced.shift()?.();
    watched.get(10)?.();
    assert.equal(slaveRead(), 'a\n');
    con.resize(31, 100);
    assert.deepEqual([watched.has(10), fenced.length], [true, 0], 'no news');
  });
  it('types what the host reads, shows echo and output at the end of the turn', () => {
    reads = ['ls\r'];
    watched.get(10)?.();
    assert.equal(written, '');
    turn();
    assert.equal(written, 'ls\r\n');
    assert.equal(slaveRead(), 'ls\n');
    slaveWrite('a\n');
    turn();
    assert.equal(written, 'ls\r\na\r\n');
  });
  it('a slow host gets the rest when epoll says so, and is asked only then', () => {
    room = 2;
    slaveWrite('abcdef');
    turn();
    assert.equal(written, 'ab');
    assert.ok(watched.has(11));
    room = Infinity;
    watched.get(11)?.();
    assert.equal(written, 'abcdef');
    assert.equal(watched.has(11), false);
  });
  it('input that has no room is not watched, and is again after a read', () => {
    con.pty.ldisc.setTermios({ ...con.pty.ldisc.termios, lflag: 0, iflag: 0 });
    reads = ['x'.repeat(4096), 'x'.repeat(4096), 'x'.repeat(4096)];
    for (let i = 0; i < 5; i++) watched.get(10)?.();
    assert.equal(watched.has(10), false);
    slaveRead();
    assert.equal(watched.has(10), true);
  });
  it('a piped input that has ended leaves an end for every reader, behind what was unfinished', () => {
    reads = ['half', ''];
    watched.get(10)?.();
    assert.equal(con.pty.inputIsOver, false);
    watched.get(10)?.();
    assert.equal(watched.has(10), false);
    assert.equal(slaveRead(), 'half');
    assert.equal(con.pty.ldisc.inputAvailable(), false);
    assert.equal(con.pty.inputIsOver, true);
    assert.equal(con.pty.slaveReady() & 1, 1);
  });
  it('such an end lasts when the guest changes to raw mode', () => {
    con.pty.ldisc.setTermios({ ...con.pty.ldisc.termios, lflag: 0, iflag: 0 });
    reads = ['x', ''];
    watched.get(10)?.();
    watched.get(10)?.();
    assert.equal(slaveRead(), 'x');
    assert.equal(con.pty.inputIsOver, true);
    assert.equal(con.pty.slaveReady() & 1, 1);
  });
  it('a hung-up terminal hangs up the guest', () => {
    con.pty.session = 5;
    reads = [-E.EIO];
    watched.get(10)?.();
    assert.equal(con.pty.session, 0);
  });
  it('a host that reads no more hangs up too, and output is swallowed', () => {
    con.pty.session = 5;
    room = -E.EPIPE;
    slaveWrite('abc');
    turn();
    assert.equal(con.pty.session, 0);
    assert.equal(con.pty.ldisc.out.size, 0);
  });
  it('a file as input is read as the guest takes it', () => {
    refuseWatch = true;
    ptys.clear();
    reads = ['one\n', ''];
    con = openConsole(ep, { spec } as unknown as BootData);
    turn();
    assert.equal(slaveRead(), 'one\n');
    turn();
    assert.equal(con.pty.inputIsOver, true);
  });
  it('flush writes out what is left', () => {
    slaveWrite('bye');
    con.flush();
    assert.equal(written, 'bye');
  });
});
