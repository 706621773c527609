/** The ipc server through its endpoint: pipes, eventfd, poll, select, epoll, as a guest sees them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { E } from '../../shared/errno.js';
import { fdInstall, fdRemove, Ofd, ofdAlloc, ofdUnref } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { messagesTo, MiniGuest, PARKED, setUpServer } from '../../shared/testing/mini-guest.js';
import { installIpc } from './server.js';

const rig = setUpServer(L.SRV_IPC);
const scratch = mkdtempSync(join(tmpdir(), 'carrick-ipc-'));
process.on('exit', () => { rmSync(scratch, { recursive: true, force: true }); });
installIpc(rig.ep, scratch);
const g = new MiniGuest(rig);
const g2 = new MiniGuest(rig, g);

const BUF = 0, FDS = 4096, EV = 8192, TMO = 12288;
const O_NONBLOCK = 0o4000;
const POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32;
const ADD = 1, DEL = 2, MOD = 3;
const EPOLLET = 0x80000000, EPOLLONESHOT = 0x40000000;

const hostFds = (): number => { let n = 0; for (let fd = 0; fd < 1024; fd++) if (host.fcntl(fd, 1) >= 0) n++; return n; };
const before = hostFds();

function pipe(flags = 0): [number, number] {
  assert.equal(g.call(NR.NR_pipe2, g.ptr(FDS), flags), 0);
  return [g.mem.readInt32LE(FDS), g.mem.readInt32LE(FDS + 4)];
}
function write(fd: number, text: string): number | typeof PARKED {
  g.mem.latin1Write(text, BUF);
  return g.call(NR.NR_write, fd, g.ptr(BUF), text.length);
}
function read(fd: number, n = 4096): string | number {
  const r = g.call(NR.NR_read, fd, g.ptr(BUF), n);
  return typeof r === 'number' && r >= 0 ? g.mem.latin1Slice(BUF, BUF + r) : r as number;
}
const close = (...fds: number[]): void => { for (const fd of fds) assert.equal(g.call(NR.NR_close, fd), 0); rig.ep.turn(false); rig.ep.turn(false); };
function pollfds(...list: Array<[number, number]>): void {
  list.forEach(([fd, events], i) => { g.mem.writeInt32LE(fd, FDS + 8 * i); g.mem.writeInt32LE(events, FDS + 8 * i + 4); });
}
const revents = (i: number): number => g.mem.readUInt16LE(FDS + 8 * i + 6);
function ctl(ep: number, op: number, fd: number, events = 0, data = fd): number | typeof PARKED {
  g.mem.writeUInt32LE(events >>> 0, TMO);
  g.mem.writeUInt32LE(data, TMO + 4);
  g.mem.writeUInt32LE(0xabcd, TMO + 8);
  return g.call(NR.NR_epoll_ctl, ep, op, fd, g.ptr(TMO));
}
/** Events as [data, mask] pairs; a number for an error. */
function events(ep: number, max = 16, timeout = 0): Array<[number, number]> | number | typeof PARKED {
  const n = g.call(NR.NR_epoll_wait, ep, g.ptr(EV), max, timeout);
  return typeof n === 'number' && n >= 0 ? listed(n) : n;
}
const listed = (n: number): Array<[number, number]> => Array.from({ length: n }, (_, i) => {
  assert.equal(g.mem.readUInt32LE(EV + 12 * i + 8), 0xabcd);
  return [g.mem.readUInt32LE(EV + 12 * i + 4), g.mem.readUInt32LE(EV + 12 * i)];
});
const eventfd = (init = 0, flags = 0): number => g.call(NR.NR_eventfd2, init, flags) as number;
function add(fd: number, value: number): number | typeof PARKED {
  g.mem.writeBigUInt64LE(BigInt(value), BUF);
  return g.call(NR.NR_write, fd, g.ptr(BUF), 8);
}
function take(fd: number): number | typeof PARKED {
  const r = g.call(NR.NR_read, fd, g.ptr(BUF), 8);
  return r === 8 ? Number(g.mem.readBigUInt64LE(BUF)) : r;
}
const epoll = (): number => g.call(NR.NR_epoll_create1, 0) as number;

afterEach(() => {
  g.abandon();
  g2.abandon();
  for (let fd = 0; fd < 64; fd++) g.call(NR.NR_close, fd);
  rig.ep.turn(false);
  rig.ep.turn(false);
  messagesTo(rig, L.SRV_SIGNAL);
  assert.equal(hostFds(), before, 'host fds are left open');
});

test('pipe: bytes, end of file, EPIPE with SIGPIPE', () => {
  const [r, w] = pipe();
  assert.deepEqual([r, w], [0, 1]);
  assert.equal(write(w, 'hello'), 5);
  assert.equal(read(r, 3), 'hel');
  assert.equal(read(r), 'lo');
  assert.equal(read(w), -E.EBADF);
  assert.equal(write(r, 'x'), -E.EBADF);
  close(w);
  assert.equal(read(r), '');
  close(r);
  const [r2, w2] = pipe();
  close(r2);
  assert.equal(write(w2, 'x'), -E.EPIPE);
  assert.equal(g.rflags & L.RF_SIGNAL, L.RF_SIGNAL);
  const sent = messagesTo(rig, L.SRV_SIGNAL).filter((m) => m.kind === Msg.SIG_TASK);
  assert.deepEqual(sent.map((m) => m.w.slice(0, 2)), [[g.task, 13]]);
});

test('pipe2: unknown flags, NULL leaves no fd, fds are the lowest free', () => {
  assert.equal(g.call(NR.NR_pipe2, g.ptr(FDS), 1), -E.EINVAL);
  assert.equal(g.call(NR.NR_pipe2, 0, 0), -E.EFAULT);
  rig.ep.turn(false);
  rig.ep.turn(false);
  assert.equal(hostFds(), before);
  assert.deepEqual(pipe(O_NONBLOCK), [0, 1]);
  assert.equal(g.call(NR.NR_fcntl, 0, 3), O_NONBLOCK);
  assert.equal(g.call(NR.NR_fcntl, 1, 3), O_NONBLOCK | 1);
  assert.equal(read(0), -E.EAGAIN);
  assert.equal(g.call(NR.NR_lseek, 0, 0, 0), -E.ESPIPE);
});

test('pipe2 at the limit of fds leaves none open', () => {
  L.setTgRlimCur(g.tg, 7, 1);
  try {
    assert.equal(g.call(NR.NR_pipe2, g.ptr(FDS), 0), -E.EMFILE);
  } finally {
    L.setTgRlimCur(g.tg, 7, 1024);
  }
  assert.equal(g.call(NR.NR_close, 0), -E.EBADF);
});

test('a read waits for data, a signal ends it, another thread\'s close does not', () => {
  const [r, w] = pipe();
  assert.equal(read(r), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTSYS);
  assert.equal(g2.call(NR.NR_read, r, g2.ptr(BUF + 64), 10), PARKED);
  close(r);
  assert.equal(write(w, 'late'), 4);
  assert.equal(g2.settle(), 4);
  assert.equal(g.mem.latin1Slice(BUF + 64, BUF + 68), 'late');
  assert.equal(write(w, 'x'), -E.EPIPE);
});

test('a blocking write waits until all is written; a signal then tells how much was', () => {
  const [r, w] = pipe();
  assert.equal(g.call(NR.NR_fcntl, w, 1031, 4096), 4096);
  assert.equal(g.call(NR.NR_fcntl, w, 1032), 4096);
  assert.equal(g2.call(NR.NR_write, w, g2.ptr(16384), 10000), PARKED);
  assert.equal((read(r) as string).length, 4096);
  assert.equal(g2.settle(), PARKED);
  assert.equal(g2.interrupt(), 8192);
  assert.equal((read(r) as string).length, 4096);
  assert.equal(g2.call(NR.NR_write, w, g2.ptr(16384), 30000), PARKED);
  let got = 0;
  while (got < 30000) { got += (read(r) as string).length; g2.settle(); }
  assert.equal(got, 30000);
});

test('readv, writev, FIONREAD, fstat, ioctl on a pipe', () => {
  const [r, w] = pipe();
  g.mem.latin1Write('abcdef', BUF);
  g.mem.writeBigUInt64LE(BigInt(g.ptr(BUF)), FDS);
  g.mem.writeBigUInt64LE(2n, FDS + 8);
  g.mem.writeBigUInt64LE(BigInt(g.ptr(BUF + 2)), FDS + 16);
  g.mem.writeBigUInt64LE(4n, FDS + 24);
  assert.equal(g.call(NR.NR_writev, w, g.ptr(FDS), 2), 6);
  assert.equal(g.call(NR.NR_ioctl, r, 0x541b, g.ptr(EV)), 0);
  assert.equal(g.mem.readInt32LE(EV), 6);
  g.mem.fill(0, BUF, BUF + 6);
  assert.equal(g.call(NR.NR_readv, r, g.ptr(FDS), 2), 6);
  assert.equal(g.mem.latin1Slice(BUF, BUF + 6), 'abcdef');
  assert.equal(g.call(NR.NR_readv, r, g.ptr(FDS), 1025), -E.EINVAL);
  assert.equal(g.call(NR.NR_ioctl, r, 0x5401, g.ptr(EV)), -E.ENOTTY);
  assert.equal(g.call(NR.NR_fstat, r, g.ptr(EV)), 0);
  assert.equal(g.mem.readUInt32LE(EV + 24), 0o010600);
  g.mem.writeInt32LE(1, EV);
  assert.equal(g.call(NR.NR_ioctl, r, 0x5421, g.ptr(EV)), 0);
  assert.equal(read(r), -E.EAGAIN);
});

test('packets stay apart with O_DIRECT', () => {
  const [r, w] = pipe(0o40000);
  write(w, 'ab');
  write(w, 'cd');
  assert.equal(read(r), 'ab');
  assert.equal(read(r), 'cd');
});

test('eventfd: counter, semaphore, waits, EINVAL', () => {
  const fd = eventfd(3);
  assert.equal(take(fd), 3);
  assert.equal(take(fd), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTSYS);
  assert.equal(add(fd, 5), 8);
  assert.equal(take(fd), 5);
  assert.equal(g.call(NR.NR_read, fd, g.ptr(BUF), 7), -E.EINVAL);
  g.mem.fill(255, BUF, BUF + 8);
  assert.equal(g.call(NR.NR_write, fd, g.ptr(BUF), 8), -E.EINVAL);
  g.mem[BUF] = 254;
  assert.equal(g.call(NR.NR_write, fd, g.ptr(BUF), 8), 8);
  pollfds([fd, POLLIN | POLLOUT]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, 0), 1);
  assert.equal(revents(0), POLLIN);
  const sem = eventfd(2, 1 | O_NONBLOCK);
  assert.deepEqual([take(sem), take(sem), take(sem)], [1, 1, -E.EAGAIN]);
  assert.equal(g.call(NR.NR_eventfd2, 0, 2), -E.EINVAL);
  assert.equal(g.call(NR.NR_lseek, sem, 0, 0), 0);
});

test('a blocked eventfd writer goes on when there is room', () => {
  const fd = eventfd(1);
  g.mem.fill(255, BUF, BUF + 8);
  g.mem[BUF] = 254;
  assert.equal(g2.call(NR.NR_write, fd, g2.ptr(BUF), 8), PARKED);
  assert.equal(g.call(NR.NR_read, fd, g.ptr(BUF + 64), 8), 8);
  assert.equal(g2.await(), 8);
});

test('poll: masks, POLLNVAL, negative fds, POLLHUP, timeouts', () => {
  const [r, w] = pipe();
  const e = eventfd(0);
  pollfds([r, POLLIN], [w, POLLOUT], [-1, POLLIN], [50, POLLIN], [e, POLLIN]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 5, -1), 2);
  assert.deepEqual([0, 1, 2, 3, 4].map(revents), [0, POLLOUT, 0, POLLNVAL, 0]);
  pollfds([r, POLLIN], [e, POLLIN]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 2, 0), 0);
  assert.equal(g.over(g.call(NR.NR_poll, g.ptr(FDS), 2, 60)), 0);
  assert.equal(g.over(g.call(NR.NR_poll, 0, 0, 60)), 0);
  close(w);
  pollfds([r, POLLIN]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, -1), 1);
  assert.equal(revents(0), POLLHUP);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1025, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_poll, 0, 1, 0), -E.EFAULT);
});

test('poll waits for a pipe, an eventfd, a signal; the OFDs live as long', () => {
  const [r, w] = pipe();
  const e = eventfd(0);
  pollfds([r, POLLIN], [e, POLLIN]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 2, -1), PARKED);
  assert.equal(g2.call(NR.NR_write, w, g2.ptr(BUF), 1), 1);
  assert.equal(g.settle(), 1);
  assert.deepEqual([revents(0), revents(1)], [POLLIN, 0]);
  read(r);
  pollfds([r, POLLIN], [e, POLLIN]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 2, 60000), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTNOHAND);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 2, -1), PARKED);
  assert.equal(g2.call(NR.NR_close, r), 0);
  assert.equal(g.settle(), PARKED);
  g2.mem.writeBigUInt64LE(7n, BUF);
  assert.equal(g2.call(NR.NR_write, e, g2.ptr(BUF), 8), 8);
  assert.equal(g.settle(), 1);
  assert.deepEqual([revents(0), revents(1)], [0, POLLIN]);
});

test('poll of more fds than a payload holds', () => {
  const e = eventfd(0);
  for (let i = 0; i < 1000; i++) { g.mem.writeInt32LE(e, 16384 + 8 * i); g.mem.writeInt32LE(POLLOUT, 16384 + 8 * i + 4); }
  L.setTgRlimCur(g.tg, 7, 4096);
  for (let i = 1000; i < 3000; i++) { g.mem.writeInt32LE(-1, 16384 + 8 * i); g.mem.writeInt32LE(0xffff0001 | 0, 16384 + 8 * i + 4); }
  assert.equal(g.call(NR.NR_poll, g.ptr(16384), 3000, -1), 1000);
  L.setTgRlimCur(g.tg, 7, 1024);
  assert.equal(g.mem.readUInt16LE(16384 + 8 * 999 + 6), POLLOUT);
  assert.equal(g.mem.readUInt16LE(16384 + 8 * 2999 + 6), 0);
});

test('regular files are always ready for poll, and EPERM for epoll', () => {
  const row = ofdAlloc(L.SRV_VFS, Ofd.REGULAR, 1, 2);
  const fd = fdInstall(g.files, row, false, 1024);
  pollfds([fd, POLLIN | POLLOUT]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, -1), 1);
  assert.equal(revents(0), POLLIN | POLLOUT);
  const ep = epoll();
  assert.equal(ctl(ep, ADD, fd, POLLIN), -E.EPERM);
  ofdUnref(rig.ep, fdRemove(g.files, fd, 0));
});

test('ppoll writes the time left and checks its arguments', () => {
  const [r] = pipe();
  const tmo = (s: bigint, ns: bigint): void => { g.mem.writeBigInt64LE(s, TMO); g.mem.writeBigInt64LE(ns, TMO + 8); };
  pollfds([r, POLLIN]);
  tmo(0n, 1000000n);
  assert.equal(g.over(g.call(NR.NR_ppoll, g.ptr(FDS), 1, g.ptr(TMO), 0, 0)), 0);
  assert.equal(g.mem.readBigInt64LE(TMO + 8), 0n);
  tmo(100n, 0n);
  assert.equal(g.call(NR.NR_ppoll, g.ptr(FDS), 1, g.ptr(TMO), 0, 0), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTNOHAND);
  assert.equal(g.mem.readBigInt64LE(TMO), 99n);
  tmo(0n, 1000000000n);
  assert.equal(g.call(NR.NR_ppoll, g.ptr(FDS), 1, g.ptr(TMO), 0, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_ppoll, g.ptr(FDS), 1, 0, g.ptr(BUF), 4), -E.EINVAL);
});

test('select: sets, EBADF, time left', () => {
  const [r, w] = pipe();
  const e = eventfd(0);
  const set = (off: number, ...fds: number[]): void => { g.mem.fill(0, off, off + 128); for (const fd of fds) g.mem[off + (fd >> 3)]! |= 1 << (fd & 7); };
  const tv = (s: bigint, us: bigint): void => { g.mem.writeBigInt64LE(s, TMO); g.mem.writeBigInt64LE(us, TMO + 8); };
  set(BUF, r, e);
  set(BUF + 128, w, e);
  tv(5n, 0n);
  assert.equal(g.call(NR.NR_select, e + 1, g.ptr(BUF), g.ptr(BUF + 128), 0, g.ptr(TMO)), 2);
  assert.deepEqual([g.mem[BUF], g.mem[BUF + 128]], [0, (1 << w) | (1 << e)]);
  assert.equal(g.mem.readBigInt64LE(TMO), 4n);
  set(BUF, r);
  tv(0n, 0n);
  assert.equal(g.call(NR.NR_select, e + 1, g.ptr(BUF), 0, 0, g.ptr(TMO)), 0);
  set(BUF, r);
  assert.equal(g.call(NR.NR_select, e + 1, g.ptr(BUF), 0, 0, 0), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTNOHAND);
  assert.equal(g.mem[BUF], 1 << r);
  assert.equal(g.call(NR.NR_select, e + 1, g.ptr(BUF), 0, 0, 0), PARKED);
  g2.call(NR.NR_write, w, g2.ptr(BUF + 512), 1);
  assert.equal(g.settle(), 1);
  set(BUF, 40);
  assert.equal(g.call(NR.NR_select, 41, g.ptr(BUF), 0, 0, 0), -E.EBADF);
  assert.equal(g.call(NR.NR_select, -1, 0, 0, 0, 0), -E.EINVAL);
});

test('select on the exceptional set does not spin on a hung-up pipe', () => {
  const [r, w] = pipe();
  close(w);
  g.mem.fill(0, BUF, BUF + 8);
  g.mem[BUF] = 1 << r;
  assert.equal(g.call(NR.NR_select, r + 1, 0, 0, g.ptr(BUF), 0), PARKED);
  assert.equal(g.settle(), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTNOHAND);
});

test('epoll: errors of epoll_create and epoll_ctl', () => {
  assert.equal(g.call(NR.NR_epoll_create, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_epoll_create1, 1), -E.EINVAL);
  const ep = epoll();
  const [r, w] = pipe();
  assert.equal(g.call(NR.NR_epoll_ctl, ep, ADD, r, 0), -E.EFAULT);
  assert.equal(ctl(60, ADD, r), -E.EBADF);
  assert.equal(ctl(ep, ADD, 60), -E.EBADF);
  assert.equal(ctl(r, ADD, w), -E.EINVAL);
  assert.equal(ctl(ep, ADD, ep), -E.EINVAL);
  assert.equal(ctl(ep, 9, r), -E.EINVAL);
  assert.equal(ctl(ep, MOD, r), -E.ENOENT);
  assert.equal(ctl(ep, DEL, r), -E.ENOENT);
  assert.equal(ctl(ep, ADD, r, POLLIN), 0);
  assert.equal(ctl(ep, ADD, r, POLLIN), -E.EEXIST);
  assert.equal(g.call(NR.NR_epoll_ctl, ep, DEL, r, 0), 0);
  assert.equal(g.call(NR.NR_epoll_wait, ep, g.ptr(EV), 0, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_epoll_wait, r, g.ptr(EV), 1, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_epoll_wait, 60, g.ptr(EV), 1, 0), -E.EBADF);
  assert.equal(g.call(NR.NR_read, ep, g.ptr(BUF), 8), -E.EINVAL);
});

for (const kind of ['pipe', 'eventfd'] as const) {
  const make = (): [number, number] => { if (kind === 'pipe') return pipe(O_NONBLOCK); const e = eventfd(0, O_NONBLOCK); return [e, e]; };
  const fill = (fd: number): void => { assert.equal(add(fd, 1), 8); };
  const drain = (fd: number): void => { assert.equal(g.call(NR.NR_read, fd, g.ptr(BUF), 8), 8); };

  test(`epoll: level-triggered ${kind}`, () => {
    const ep = epoll();
    const [r, w] = make();
    assert.equal(ctl(ep, ADD, r, POLLIN), 0);
    assert.deepEqual(events(ep), []);
    fill(w);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    drain(r);
    assert.deepEqual(events(ep), []);
    assert.equal(events(ep, 16, -1), PARKED);
    g2.mem.writeBigUInt64LE(1n, BUF + 256);
    g2.call(NR.NR_write, w, g2.ptr(BUF + 256), 8);
    assert.equal(g.settle(), 1);
    assert.deepEqual(listed(1), [[r, POLLIN]]);
    assert.equal(ctl(ep, MOD, r, 0, 77), 0);
    assert.deepEqual(events(ep), []);
    assert.equal(ctl(ep, MOD, r, POLLIN, 77), 0);
    assert.deepEqual(events(ep), [[77, POLLIN]]);
  });

  test(`epoll: edge-triggered ${kind}`, () => {
    const ep = epoll();
    const [r, w] = make();
    assert.equal(ctl(ep, ADD, r, POLLIN | EPOLLET), 0);
    fill(w);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    assert.deepEqual(events(ep), []);
    fill(w);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    assert.deepEqual(events(ep), []);
    assert.equal(events(ep, 16, -1), PARKED);
    assert.equal(g.settle(), PARKED);
    assert.equal(g.interrupt(), -E.EINTR);
  });

  test(`epoll: one-shot ${kind}`, () => {
    const ep = epoll();
    const [r, w] = make();
    assert.equal(ctl(ep, ADD, r, (POLLIN | EPOLLONESHOT) >>> 0), 0);
    fill(w);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    fill(w);
    assert.deepEqual(events(ep), []);
    assert.equal(ctl(ep, MOD, r, (POLLIN | EPOLLONESHOT) >>> 0), 0);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    assert.deepEqual(events(ep), []);
  });

  test(`epoll: a closed ${kind} leaves the interest list, a duplicate keeps it`, () => {
    const ep = epoll();
    const [r, w] = make();
    fill(w);
    const copy = g.call(NR.NR_dup, r) as number;
    assert.equal(ctl(ep, ADD, r, POLLIN), 0);
    assert.equal(ctl(ep, ADD, copy, POLLIN), 0);
    assert.deepEqual((events(ep) as Array<[number, number]>).sort(), [[r, POLLIN], [copy, POLLIN]]);
    assert.equal(ctl(ep, DEL, copy), 0);
    close(r);
    assert.deepEqual(events(ep), [[r, POLLIN]]);
    close(copy);
    if (kind === 'pipe') close(w);
    assert.deepEqual(events(ep), []);
    // The numbers come back for another file: nothing of the old one is left.
    const [r2] = make();
    assert.equal(ctl(ep, ADD, r2, POLLIN), 0);
  });

  test(`epoll: nested, polled, ELOOP with ${kind}`, () => {
    const outer = epoll();
    const inner = epoll();
    const [r, w] = make();
    assert.equal(ctl(inner, ADD, r, POLLIN), 0);
    assert.equal(ctl(outer, ADD, inner, POLLIN), 0);
    assert.equal(ctl(inner, ADD, outer, POLLIN), -E.ELOOP);
    pollfds([outer, POLLIN]);
    assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, 0), 0);
    assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, -1), PARKED);
    g2.mem.writeBigUInt64LE(1n, BUF + 256);
    g2.call(NR.NR_write, w, g2.ptr(BUF + 256), 8);
    assert.equal(g.settle(), 1);
    assert.equal(revents(0), POLLIN);
    assert.deepEqual(events(outer), [[inner, POLLIN]]);
    assert.deepEqual(events(inner), [[r, POLLIN]]);
    drain(r);
    assert.deepEqual(events(outer), []);
  });
}

test('epoll: hang-up is reported unasked, and two waiters of one event are both woken', () => {
  const ep = epoll();
  const [r, w] = pipe();
  assert.equal(ctl(ep, ADD, r, 0), 0);
  assert.equal(g2.call(NR.NR_epoll_wait, ep, g2.ptr(EV + 1024), 4, -1), PARKED);
  assert.equal(events(ep, 4, -1), PARKED);
  assert.equal(new MiniGuest(rig, g).call(NR.NR_close, w), 0);
  assert.equal(g.settle(), 1);
  assert.equal(g2.settle(), 1);
  assert.deepEqual(listed(1), [[r, POLLHUP]]);
  assert.equal(g.call(NR.NR_epoll_wait, ep, 0, 4, 0), -E.EFAULT);
});

test('epoll: one event at a time reaches every ready member, soft and host', () => {
  const ep = epoll();
  const [r, w] = pipe();
  const e = eventfd(1);
  const e2 = eventfd(1);
  write(w, 'x');
  for (const fd of [r, e, e2]) assert.equal(ctl(ep, ADD, fd, POLLIN), 0);
  const seen = new Set<number>();
  for (let i = 0; i < 9; i++) for (const [fd] of events(ep, 1) as Array<[number, number]>) seen.add(fd);
  assert.deepEqual([...seen].sort(), [r, e, e2].sort());
});

test('epoll_pwait2 and the wait for a deadline', () => {
  const ep = epoll();
  g.mem.writeBigInt64LE(0n, TMO);
  g.mem.writeBigInt64LE(500000n, TMO + 8);
  assert.equal(g.over(g.call(NR.NR_epoll_pwait2, ep, g.ptr(EV), 4, g.ptr(TMO), 0, 8)), 0);
  g.mem.writeBigInt64LE(-1n, TMO);
  assert.equal(g.call(NR.NR_epoll_pwait2, ep, g.ptr(EV), 4, g.ptr(TMO), 0, 8), -E.EINVAL);
  assert.equal(g.call(NR.NR_epoll_pwait, ep, g.ptr(EV), 4, 0, g.ptr(BUF), 4), -E.EINVAL);
});

test('an OFD of another server: READY messages wake polls and epolls, release forgets it', () => {
  const row = ofdAlloc(L.SRV_SIGNAL, Ofd.SIGNALFD, 5, 0);
  const fd = fdInstall(g.files, row, false, 1024);
  const ep = epoll();
  assert.equal(ctl(ep, ADD, fd, POLLIN), 0);
  assert.equal(L.ofdWatched(row), 1);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL).map((m) => [m.kind, m.w[0], m.w[1]]), [[Msg.WATCH, row, 1]]);
  pollfds([fd, POLLIN]);
  assert.equal(g2.call(NR.NR_poll, g2.ptr(FDS), 1, -1), PARKED);
  assert.equal(events(ep, 4, -1), PARKED);
  Atomics.store(L.ofdI32(), L.OFD_READY_AT(row), POLLIN);
  rig.ep.send(L.SRV_IPC, Msg.READY, [row, POLLIN]);
  assert.equal(g.settle(), 1);
  assert.equal(g2.settle(), 1);
  assert.deepEqual(listed(1), [[fd, POLLIN]]);
  ofdUnref(rig.ep, fdRemove(g.files, fd, 0));
  assert.deepEqual(events(ep), []);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL).filter((m) => m.kind === Msg.RELEASE).map((m) => m.w[0]), [row]);
});

test('FIFO: openers wait for each other; ENXIO; end of file; cancel', () => {
  const replies = (): number[][] => messagesTo(rig, L.SRV_VFS).filter((m) => m.kind === Msg.PEER_REPLY).map((m) => m.w.slice(0, 2));
  const open = (slot: number, key: number, flags: number): void => { rig.ep.send(L.SRV_IPC, Msg.PEER_CALL, [slot, 1, key, flags, g.task]); rig.ep.turn(false); };
  const got = (): number[][] => {
    // Replies go to whoever asked: in this test, the server itself.
    const list = seen.slice();
    seen.length = 0;
    return list;
  };
  const seen: number[][] = [];
  rig.ep.on(Msg.PEER_REPLY, (m) => { seen.push([m.w[0] as number, m.w[1] as number]); });
  const settle = (): void => { rig.ep.turn(false); rig.ep.turn(false); };
  open(1, 900, 1 | O_NONBLOCK); settle();
  assert.deepEqual(got(), [[1, -E.ENXIO]]);
  open(2, 900, 0); settle();
  assert.deepEqual(got(), []);
  open(3, 900, 1); settle();
  const both = new Map(got().map(([s, row]) => [s, row]));
  const r = fdInstall(g.files, both.get(2) as number, false, 1024);
  const w = fdInstall(g.files, both.get(3) as number, false, 1024);
  assert.equal(write(w, 'via fifo'), 8);
  assert.equal(read(r), 'via fifo');
  close(w);
  assert.equal(read(r), '');
  close(r);
  open(4, 900, 1); settle();
  rig.ep.send(L.SRV_IPC, Msg.PEER_CALL, [4, 2]); settle();
  open(5, 900, 1 | O_NONBLOCK); settle();
  assert.deepEqual(got(), [[5, -E.ENXIO]]);
  assert.deepEqual(replies(), []);
});

test('splice and tee between pipes', () => {
  const [r, w] = pipe();
  const [r2, w2] = pipe();
  write(w, 'spliced');
  assert.equal(g.call(NR.NR_tee, r, w2, 100, 0), 7);
  assert.equal(read(r2), 'spliced');
  assert.equal(g.call(NR.NR_splice, r, 0, w2, 0, 3, 0), 3);
  assert.equal(read(r2), 'spl');
  assert.equal(read(r), 'iced');
  assert.equal(g.call(NR.NR_splice, r, 0, w2, 0, 3, 2), -E.EAGAIN);
  assert.equal(g2.call(NR.NR_splice, r, 0, w2, 0, 3, 0), PARKED);
  write(w, 'xy');
  assert.equal(g2.settle(), 2);
  assert.equal(g.call(NR.NR_splice, r, g.ptr(BUF), w2, 0, 3, 0), -E.ESPIPE);
});

test('poll reports errors of a write end without readers', () => {
  const [r, w] = pipe();
  close(r);
  pollfds([w, POLLOUT]);
  assert.equal(g.call(NR.NR_poll, g.ptr(FDS), 1, 0), 1);
  assert.equal(revents(0) & POLLERR, POLLERR);
});
