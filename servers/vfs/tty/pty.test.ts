/** Ptys without a guest: files, blocking, hang-up, job control and ioctls, on real tables with an endpoint that only records. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { DATA, scratch } from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { TaskState, TgState } from '../../../shared/tasks.js';
import { Timer, type WaitQueue, Why } from '../../../shared/wait.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, O_NONBLOCK, O_RDWR, O_WRONLY } from '../file.js';
import type { Path } from '../inode.js';
import { leaderExited, takeOnOpen, tgGone } from './job.js';
import { MasterFile, SlaveFile, openSlave } from './pty-file.js';
import { type Pty, ptyAlloc, ptys } from './pty.js';
import { L as Lf, O as Of, V } from './termios.js';

const TCGETS = 0x5401, TCSETS = 0x5402, TCFLSH = 0x540b, TIOCEXCL = 0x540c, TIOCSCTTY = 0x540e, TIOCGPGRP = 0x540f, TIOCSPGRP = 0x5410, TIOCSTI = 0x5412, TIOCGWINSZ = 0x5413,
  TIOCSWINSZ = 0x5414, FIONREAD = 0x541b, TIOCPKT = 0x5420, TIOCNOTTY = 0x5422, TIOCGSID = 0x5429, TIOCGPTN = 0x80045430, TIOCSPTLCK = 0x40045431;
const SIGHUP = 1, SIGINT = 2, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22, SIGWINCH = 28;
const NOWHERE = undefined as unknown as Path;

interface Sent { readonly kind: number; readonly words: readonly number[] }
let sent: Sent[] = [];
const guest = Buffer.alloc(4096);
/** Signal dispositions and masks that the fake addon tells: [ignored, blocked] by tg row. */
let ignored = new Set<number>();
let blockedMask = 0;

const ep = {
  srv: L.SRV_VFS,
  send: (_to: number, kind: number, words: readonly number[]): void => { sent.push({ kind, words: [...words] }); },
  park: (f: Frame, q: WaitQueue): number => { q.add(f); f.queues.push(q); return Ret.BLOCKED; },
} as unknown as Endpoint;

Object.assign(native, {
  slotLoad: (_slot: number, off: number): number => (off === L.SLOT_SIGMASK ? blockedMask : 0),
  pctxLoad: (area: number, _ix: number, _off: number): number => (ignored.has(area) ? 1 : 0),
  readMemory: (_tg: number, addr: number, off: number, len: number): number => { if (addr === 0) return -E.EFAULT; guest.copy(scratch, off, addr, addr + len); return len; },
  writeMemory: (_tg: number, addr: number, off: number, len: number): number => { if (addr === 0) return -E.EFAULT; scratch.copy(guest, addr, off, off + len); return len; },
});

function frame(tg: number): Frame {
  const buf = Buffer.alloc(L.SLOT_STRIDE);
  const u32 = new Uint32Array(buf.buffer, buf.byteOffset, L.SLOT_STRIDE / 4);
  const f = new Frame(0, u32, buf, new DataView(buf.buffer, buf.byteOffset), (fr, why) => { fr.why = why; }, (fire) => new Timer(fire));
  f.tg = tg;
  f.task = tg;
  return f;
}

/** Processes: 1 shell (leader of session 10), 2 its foreground job (group 20), 3 a background job (30), 4 a process of another session. */
function process(row: number, pid: number, ppid: number, parent: number, pgid: number, sid: number): void {
  L.setTgTgid(row, pid); L.setTgPpid(row, ppid); L.setTgParent(row, parent); L.setTgPgid(row, pgid); L.setTgSid(row, sid);
  L.setTgArea(row, row); L.setTgPctx(row, 0); L.setTgCtty(row, 0); L.setTgLeader(row, row); L.setTgState(row, TgState.RUNNING);
  L.setTaskTid(row, pid); L.setTaskTg(row, row); L.setTaskCred(row, 1); L.setTaskState(row, TaskState.RUNNING);
}

let pty: Pty;
let master: MasterFile;

beforeEach(() => {
  L.attachTables(L.allocTables());
  L.setMetaTopTg(1, 6);
  L.setMetaTopTask(1, 6);
  process(1, 10, 1, 5, 10, 10);
  process(2, 20, 10, 1, 20, 10);
  process(3, 30, 10, 1, 30, 10);
  process(4, 40, 1, 5, 40, 40);
  process(5, 1, 0, 0, 1, 1);
  ptys.clear();
  sent = [];
  ignored = new Set();
  blockedMask = 0;
  pty = ptyAlloc(ep, 1000) as Pty;
  pty.locked = false;
  master = new MasterFile(NOWHERE, O_RDWR, pty);
});

/** The shell takes the terminal and puts group 20 in the foreground; 2 and 3 have inherited it. */
function asTerminal(): SlaveFile {
  const s = new SlaveFile(NOWHERE, O_RDWR, pty);
  takeOnOpen(1, pty, true);
  L.setTgCtty(2, 1);
  L.setTgCtty(3, 1);
  pty.pgrp = 20;
  sent = [];
  return s;
}

function put(s: string): number { return scratch.latin1Write(s, DATA); }
const write = (file: { write(f: Frame, o: number, n: number, p: number): number }, s: string, f = frame(2)): number => { put(s); return file.write(f, DATA, s.length, -1); };
function read(file: { read(f: Frame, o: number, n: number, p: number): number }, len = 4096, f = frame(2)): string | number {
  const n = file.read(f, DATA, len, -1);
  return n < 0 ? n : scratch.latin1Slice(DATA, DATA + n);
}
const signals = (): string[] => sent.filter((m) => m.kind === Msg.SIG_PGRP || m.kind === Msg.SIG_TG).map((m) => `${m.kind === Msg.SIG_PGRP ? 'pgrp' : 'tg'} ${m.words[0] as number} ${m.words[1] as number}`);
const int = (at = 64): number => guest.readInt32LE(at);
function withInt(v: number): number { guest.writeInt32LE(v, 64); return 64; }
function settings(change: (t: Pty['ldisc']['termios']) => void): void { const t = { ...pty.ldisc.termios, cc: Uint8Array.from(pty.ldisc.termios.cc) }; change(t); pty.ldisc.setTermios(t); }

describe('a pair', () => {
  it('carries bytes both ways, with echo', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    assert.equal(write(master, 'hi\n'), 3);
    assert.equal(read(s), 'hi\n');
    assert.equal(read(master), 'hi\r\n');
    assert.equal(write(s, 'out\n'), 4);
    assert.equal(read(master), 'out\r\n');
  });
  it('gives the lowest free index, and again after the master closed', () => {
    const b = ptyAlloc(ep, 0) as Pty;
    assert.equal(b.index, 1);
    master.release();
    assert.equal((ptyAlloc(ep, 0) as Pty).index, 0);
  });
  it('a locked slave cannot be opened: EIO; an exclusive one only with privilege: EBUSY', () => {
    pty.locked = true;
    assert.equal(openSlave(NOWHERE, O_RDWR, pty, true), -E.EIO);
    pty.locked = false;
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    s.ioctl(frame(2), TIOCEXCL, 0);
    assert.equal(openSlave(NOWHERE, O_RDWR, pty, false), -E.EBUSY);
    assert.ok(openSlave(NOWHERE, O_RDWR, pty, true) instanceof SlaveFile);
  });
  it('a slave reader waits, is woken by a line, and reads it', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    const f = frame(2);
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    write(master, 'x');
    f.why = Why.FIRST;
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    write(master, '\n');
    assert.equal(f.why, Why.WOKEN);
    assert.equal(read(s, 10, f), 'x\n');
  });
  it('a signal interrupts a waiting read: ERESTARTSYS; O_NONBLOCK: EAGAIN', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    const f = frame(2);
    f.why = Why.SIGNAL;
    assert.equal(read(s, 10, f), -E.ERESTARTSYS);
    assert.equal(read(new SlaveFile(NOWHERE, O_RDWR | O_NONBLOCK, pty)), -E.EAGAIN);
  });
  it('a write that does not fit waits and then goes on where it was', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    settings((t) => { t.oflag = 0; });
    const f = frame(2);
    const text = 'ab'.repeat(10000);
    assert.equal(write(s, text, f), Ret.BLOCKED);
    let got = '';
    for (let r = read(master, 4096, frame(1)); typeof r === 'string'; r = read(master, 4096, frame(1))) {
      got += r;
      if (got.length === text.length) break;
      if (f.why === Why.WOKEN) { f.why = Why.FIRST; put(text); const w = s.write(f, DATA, text.length, -1); if (w !== Ret.BLOCKED) assert.equal(w, text.length); }
    }
    assert.equal(got, text);
  });
  it('an interrupted write tells what was taken', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    settings((t) => { t.oflag = 0; });
    const f = frame(2);
    const text = 'x'.repeat(20000);
    assert.equal(write(s, text, f), Ret.BLOCKED);
    f.why = Why.SIGNAL;
    put(text);
    const n = s.write(f, DATA, text.length, -1);
    assert.ok(n > 8192 && n < 20000, String(n));
  });
  it('the master can write ahead of the reader, up to a limit', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    settings((t) => { t.lflag = 0; });
    const m = new MasterFile(NOWHERE, O_RDWR | O_NONBLOCK, pty);
    const n = write(m, 'z'.repeat(20000));
    assert.equal(n, 4095 + 8192);
    assert.equal(write(m, 'z'), -E.EAGAIN);
    assert.equal((read(s, 4096) as string).length, 4095);
    assert.ok(write(m, 'z') === 1);
  });
});

describe('end of one side', () => {
  it('the master reads what is left, then EIO once the last slave has closed; a new slave heals it', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    write(s, 'last');
    s.release();
    assert.equal(pty.masterReady() & (EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
    assert.equal(read(master), 'last');
    assert.equal(read(master), -E.EIO);
    new SlaveFile(NOWHERE, O_RDWR, pty);
    assert.equal(read(master), Ret.BLOCKED);
  });
  it('before any slave was opened the master just waits', () => { assert.equal(read(master), Ret.BLOCKED); });
  it('the master closed: slaves read 0, write EIO, poll says hang-up; no new slave', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    const waiting = frame(2);
    assert.equal(read(s, 10, waiting), Ret.BLOCKED);
    master.release();
    assert.equal(waiting.why, Why.WOKEN);
    assert.equal(read(s), '');
    assert.equal(write(s, 'x'), -E.EIO);
    assert.equal(s.ready & (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP), EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
    assert.equal(s.ioctl(frame(2), TCGETS, 64), -E.EIO);
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, 64), -E.ENOTTY);
    assert.equal(openSlave(NOWHERE, O_RDWR, pty, true), -E.EIO);
    assert.equal(ptys.has(0), false);
  });
  it('and the session hears of it: leader at once, foreground group when the leader is gone', () => {
    asTerminal();
    master.release();
    assert.deepEqual(signals(), [`tg 1 ${SIGHUP}`, `tg 1 ${SIGCONT}`]);
    assert.equal(L.tgCtty(2), 0);
    sent = [];
    tgGone(ep, 1);
    assert.deepEqual(signals(), [`pgrp 20 ${SIGHUP}`, `pgrp 20 ${SIGCONT}`]);
  });
  it('an exiting leader takes the terminal from its session and hangs up the foreground', () => {
    const s = asTerminal();
    leaderExited(ep, pty);
    assert.deepEqual(signals(), [`pgrp 20 ${SIGHUP}`]);
    assert.equal(pty.session, 0);
    assert.equal(L.tgCtty(3), 0);
    assert.equal(s.hungUp, false);
  });
});

describe('VMIN and VTIME', () => {
  const raw = (min: number, time: number): SlaveFile => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    settings((t) => { t.lflag = 0; t.iflag = 0; t.cc[V.MIN] = min; t.cc[V.TIME] = time; });
    return s;
  };
  it('MIN 0, TIME 0: whatever is there, at once', () => {
    const s = raw(0, 0);
    assert.equal(read(s), '');
    write(master, 'ab');
    assert.equal(read(s), 'ab');
  });
  it('MIN 3, TIME 0: waits for three, or for as many as are asked for', () => {
    const s = raw(3, 0);
    write(master, 'ab');
    assert.equal(read(s), Ret.BLOCKED);
    assert.equal(read(s, 2), 'ab');
    write(master, 'cde');
    assert.equal(read(s), 'cde');
  });
  it('MIN 0, TIME 1: one timer for the read', () => {
    const s = raw(0, 1);
    const f = frame(2);
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    const first = f.deadlineNs;
    assert.ok(first < Infinity);
    f.why = Why.WOKEN;
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    assert.equal(f.deadlineNs, first);
    f.why = Why.TIMEOUT;
    assert.equal(read(s, 10, f), '');
  });
  it('MIN 3, TIME 1: the timer starts with the first byte and anew with each', () => {
    const s = raw(3, 1);
    const f = frame(2);
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    assert.equal(f.deadlineNs, Infinity);
    write(master, 'a');
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    const first = f.deadlineNs;
    assert.ok(first < Infinity);
    write(master, 'b');
    assert.equal(read(s, 10, f), Ret.BLOCKED);
    assert.ok(f.deadlineNs > first);
    f.why = Why.TIMEOUT;
    assert.equal(read(s, 10, f), 'ab');
  });
  it('a signal after some bytes gives those', () => {
    const s = raw(3, 0);
    write(master, 'a');
    const f = frame(2);
    f.why = Why.SIGNAL;
    assert.equal(read(s, 10, f), 'a');
  });
});

describe('controlling terminal', () => {
  it('is taken by a session leader without one, at open for reading', () => {
    takeOnOpen(2, pty, true);
    assert.equal(L.tgCtty(2), 0);
    takeOnOpen(1, pty, false);
    assert.equal(L.tgCtty(1), 0);
    takeOnOpen(1, pty, true);
    assert.deepEqual([L.tgCtty(1), pty.session, pty.pgrp], [1, 10, 10]);
    takeOnOpen(4, pty, true);
    assert.deepEqual([L.tgCtty(4), pty.session], [0, 10]);
  });
  it('TIOCSCTTY: EPERM for others than leaders, and for a terminal that is taken unless stolen', () => {
    const s = asTerminal();
    assert.equal(s.ioctl(frame(2), TIOCSCTTY, 0), -E.EPERM);
    assert.equal(s.ioctl(frame(1), TIOCSCTTY, 0), 0);
    assert.equal(s.ioctl(frame(4), TIOCSCTTY, 0), -E.EPERM);
    assert.equal(s.ioctl(frame(4), TIOCSCTTY, 1), -E.EPERM);
    L.setCredCapEff(1, 0, 1 << 21);
    assert.equal(s.ioctl(frame(4), TIOCSCTTY, 1), 0);
    assert.deepEqual([pty.session, L.tgCtty(1), L.tgCtty(2), L.tgCtty(4)], [40, 0, 0, 1]);
  });
  it('TIOCSCTTY through a write-only file needs privilege', () => {
    const s = new SlaveFile(NOWHERE, O_WRONLY, pty);
    assert.equal(s.ioctl(frame(1), TIOCSCTTY, 0), -E.EPERM);
  });
  it('TIOCNOTTY: one process leaves, or the whole session with its leader', () => {
    const s = asTerminal();
    assert.equal(s.ioctl(frame(4), TIOCNOTTY, 0), -E.ENOTTY);
    assert.equal(s.ioctl(frame(3), TIOCNOTTY, 0), 0);
    assert.deepEqual([L.tgCtty(3), L.tgCtty(2), signals().length], [0, 1, 0]);
    assert.equal(s.ioctl(frame(1), TIOCNOTTY, 0), 0);
    assert.deepEqual(signals(), [`pgrp 20 ${SIGHUP}`, `pgrp 20 ${SIGCONT}`]);
    assert.deepEqual([L.tgCtty(2), pty.session, pty.pgrp], [0, 0, 0]);
  });
  it('TIOCGPGRP, TIOCGSID: ENOTTY on somebody else\'s terminal', () => {
    const s = asTerminal();
    assert.equal(s.ioctl(frame(2), TIOCGPGRP, 64), 0);
    assert.equal(int(), 20);
    assert.equal(s.ioctl(frame(2), TIOCGSID, 64), 0);
    assert.equal(int(), 10);
    assert.equal(s.ioctl(frame(4), TIOCGPGRP, 64), -E.ENOTTY);
    assert.equal(s.ioctl(frame(4), TIOCGSID, 64), -E.ENOTTY);
    assert.equal(master.ioctl(frame(4), TIOCGPGRP, 64), 0);
  });
  it('TIOCSPGRP: EFAULT, ENOTTY, EINVAL, ESRCH, EPERM, then it counts', () => {
    const s = asTerminal();
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, 0), -E.EFAULT);
    assert.equal(s.ioctl(frame(4), TIOCSPGRP, withInt(40)), -E.ENOTTY);
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, withInt(-1)), -E.EINVAL);
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, withInt(999)), -E.ESRCH);
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, withInt(40)), -E.EPERM);
    assert.equal(pty.pgrp, 20);
    assert.equal(s.ioctl(frame(2), TIOCSPGRP, withInt(30)), 0);
    assert.equal(pty.pgrp, 30);
  });
});

describe('background', () => {
  it('reading sends SIGTTIN to the group and restarts the call; the foreground is not asked', () => {
    const s = asTerminal();
    write(master, 'line\n');
    const f = frame(3);
    assert.equal(read(s, 10, f), -E.ERESTARTSYS);
    assert.deepEqual(signals(), [`pgrp 30 ${SIGTTIN}`]);
    assert.equal(f.rflags & L.RF_SIGNAL, L.RF_SIGNAL);
    assert.equal(read(s, 10, frame(2)), 'line\n');
  });
  it('reading is EIO when SIGTTIN is ignored or blocked, or the group is orphaned', () => {
    const s = asTerminal();
    ignored.add(3);
    assert.equal(read(s, 10, frame(3)), -E.EIO);
    ignored.clear();
    blockedMask = 1 << (SIGTTIN - 1);
    assert.equal(read(s, 10, frame(3)), -E.EIO);
    blockedMask = 0;
    L.setTgParent(3, 5);
    assert.equal(read(s, 10, frame(3)), -E.EIO);
    assert.deepEqual(signals(), []);
  });
  it('writing is free, unless TOSTOP: then SIGTTOU, or free again when that is ignored, EIO when orphaned', () => {
    const s = asTerminal();
    assert.equal(write(s, 'x', frame(3)), 1);
    settings((t) => { t.lflag |= Lf.TOSTOP; });
    assert.equal(write(s, 'x', frame(3)), -E.ERESTARTSYS);
    assert.deepEqual(signals(), [`pgrp 30 ${SIGTTOU}`]);
    ignored.add(3);
    assert.equal(write(s, 'x', frame(3)), 1);
    ignored.clear();
    L.setTgParent(3, 5);
    assert.equal(write(s, 'x', frame(3)), -E.EIO);
  });
  it('changing settings or flushing sends SIGTTOU whatever TOSTOP says; reading settings does not', () => {
    const s = asTerminal();
    assert.equal(s.ioctl(frame(3), TCGETS, 64), 0);
    assert.equal(s.ioctl(frame(3), TCSETS, 64), -E.ERESTARTSYS);
    assert.equal(s.ioctl(frame(3), TCFLSH, 0), -E.ERESTARTSYS);
    assert.equal(s.ioctl(frame(3), TIOCSPGRP, withInt(30)), -E.ERESTARTSYS);
    assert.equal(signals().length, 3);
    assert.equal(pty.pgrp, 20);
    ignored.add(3);
    assert.equal(s.ioctl(frame(3), TIOCSPGRP, withInt(30)), 0);
  });
  it('an orphaned group setting the foreground gets ENOTTY', () => {
    const s = asTerminal();
    L.setTgParent(3, 5);
    assert.equal(s.ioctl(frame(3), TIOCSPGRP, withInt(30)), -E.ENOTTY);
  });
});

describe('ioctl', () => {
  it('VINTR goes to the foreground group', () => {
    asTerminal();
    write(master, '\x03');
    assert.deepEqual(signals(), [`pgrp 20 ${SIGINT}`]);
  });
  it('settings go round by either end; a pty stays CS8', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    assert.equal(s.ioctl(frame(4), TCGETS, 64), 0);
    guest.writeUInt32LE(Of.OPOST, 68);
    guest.writeUInt32LE(0o17, 72);
    assert.equal(master.ioctl(frame(4), TCSETS, 64), 0);
    assert.equal(s.ioctl(frame(4), TCGETS, 256), 0);
    assert.equal(guest.readUInt32LE(260), Of.OPOST);
    assert.equal(guest.readUInt32LE(264), 0o17 | 0o60 | 0o200);
    assert.equal(s.ioctl(frame(4), TCGETS, 0), -E.EFAULT);
    assert.equal(s.ioctl(frame(4), 0x54ff, 64), -E.ENOTTY);
  });
  it('a new window size signals the foreground, the same one does not', () => {
    const s = asTerminal();
    guest.fill(0, 64, 72);
    guest.writeUInt16LE(24, 64);
    guest.writeUInt16LE(80, 66);
    assert.equal(master.ioctl(frame(4), TIOCSWINSZ, 64), 0);
    assert.equal(master.ioctl(frame(4), TIOCSWINSZ, 64), 0);
    assert.deepEqual(signals(), [`pgrp 20 ${SIGWINCH}`]);
    assert.equal(s.ioctl(frame(2), TIOCGWINSZ, 128), 0);
    assert.deepEqual([guest.readUInt16LE(128), guest.readUInt16LE(130)], [24, 80]);
  });
  it('TIOCGPTN, TIOCSPTLCK on the master only', () => {
    const s = new SlaveFile(NOWHERE, O_RDWR, pty);
    assert.equal(master.ioctl(frame(4), TIOCGPTN, 64), 0);
    assert.equal(int(), 0);
    assert.equal(s.ioctl(frame(4), TIOCGPTN, 64), -E.ENOTTY);
    assert.equal(master.ioctl(frame(4), TIOCSPTLCK, withInt(1)), 0);
    assert.equal(pty.locked, true);
  });
  it('FIONREAD, TCFLSH, TIOCSTI', () => {
    const s = asTerminal();
    write(master, 'ab\n');
    assert.equal(s.ioctl(frame(2), FIONREAD, 64), 0);
    assert.equal(int(), 3);
    assert.equal(s.ioctl(frame(2), TCFLSH, 3), -E.EINVAL);
    assert.equal(s.ioctl(frame(2), TCFLSH, 0), 0);
    assert.equal(read(s), Ret.BLOCKED);
    guest[64] = 10;
    assert.equal(s.ioctl(frame(4), TIOCSTI, 64), -E.EPERM);
    assert.equal(s.ioctl(frame(2), TIOCSTI, 64), 0);
    assert.equal(read(s), '\n');
  });
  it('packet mode: a status byte before data, events alone', () => {
    const s = asTerminal();
    master.ioctl(frame(4), TIOCPKT, withInt(1));
    write(s, 'x');
    assert.equal(read(master), '\0x');
    write(master, '\x13');
    assert.equal(pty.masterReady() & EPOLLPRI, EPOLLPRI);
    assert.equal(read(master), '\x04');
    write(master, '\x11');
    assert.equal(read(master), '\x08');
    s.ioctl(frame(2), TCFLSH, 0);
    assert.equal(read(master), '\x01');
    settings((t) => { t.iflag = 0; });
    assert.equal(read(master), Ret.BLOCKED);
    s.ioctl(frame(2), TCGETS, 64);
    guest.writeUInt32LE(0o2000, 64);
    s.ioctl(frame(2), TCSETS, 64);
    assert.equal(read(master), '\x20');
  });
});
