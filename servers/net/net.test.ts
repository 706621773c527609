/** The net server through its endpoint: sockets as a guest sees them. Real host sockets, on the loopback and in this container's names only. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { E } from '../../shared/errno.js';
import { fdInstall, fdLookup, fdRemove, Ofd, ofdAlloc, ofdUnref } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { RingPort } from '../../shared/rings.js';
import { messagesTo, MiniGuest, PARKED, setUpServer } from '../../shared/testing/mini-guest.js';
import { installNet } from './server.js';

const rig = setUpServer(L.SRV_NET);
installNet(rig.ep, `test${process.pid}`, 'host');
const g = new MiniGuest(rig);
const g2 = new MiniGuest(rig, g);
L.setCredEuid(1, 1000);
L.setCredEgid(1, 1001);
L.setCredUid(1, 1000);

const BUF = 0, SV = 4096, ADDR = 8192, LEN = 12288, HDR = 16384, IOV = 20480, CTRL = 24576, OUT = 32768;
const AF_UNIX = 1, AF_INET = 2, STREAM = 1, DGRAM = 2, SEQPACKET = 5, NONBLOCK = 0o4000, CLOEXEC = 0o2000000;
const MSG_PEEK = 2, MSG_DONTWAIT = 0x40, MSG_WAITALL = 0x100, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;

const hostFds = (): number => { let n = 0; for (let fd = 0; fd < 1024; fd++) if (host.fcntl(fd, 1) >= 0) n++; return n; };
const before = hostFds();
/** Stands in for vfs: socket inodes by path. A parked call that asked for one is answered and settled. */
const inodes = new Map<string, number>();
const vfs = new RingPort(L.SRV_VFS, rig.rings);
function named(nr: number, ...args: number[]): number | typeof PARKED {
  const r = g.call(nr, ...args);
  if (r !== PARKED) return r;
  vfs.drain((m) => {
    assert.equal(m.kind, Msg.UNIX_NAME);
    const have = inodes.get(m.text);
    const made = m.w[1] === 1 && have === undefined ? inodes.size + 1 : 0;
    if (made > 0) inodes.set(m.text, made);
    vfs.send(L.SRV_NET, Msg.UNIX_NAMED, [m.w[0] as number, made > 0 ? made : m.w[1] === 1 ? -E.EADDRINUSE : have ?? -E.ENOENT]);
  });
  return g.await();
}
const settle = (): void => { for (let i = 0; i < 4; i++) rig.ep.turn(false); };

function pair(type = STREAM): [number, number] {
  assert.equal(g.call(NR.NR_socketpair, AF_UNIX, type, 0, g.ptr(SV)), 0);
  return [g.mem.readInt32LE(SV), g.mem.readInt32LE(SV + 4)];
}
function send(fd: number, text: string, flags = 0, who = g): number | typeof PARKED {
  who.mem.latin1Write(text, BUF);
  return who.call(NR.NR_sendto, fd, who.ptr(BUF), text.length, flags, 0, 0);
}
function recv(fd: number, n = 4096, flags = 0): string | number {
  const r = g.call(NR.NR_recvfrom, fd, g.ptr(OUT), n, flags, 0, 0);
  return typeof r === 'number' && r >= 0 ? g.mem.latin1Slice(OUT, OUT + r) : r as number;
}
function unix(path: string): number {
  g.mem.writeUInt16LE(AF_UNIX, ADDR);
  g.mem.latin1Write(path, ADDR + 2);
  return 2 + path.length;
}
function name(nr: number, fd: number, room = 128): string | number {
  g.mem.writeUInt32LE(room, LEN);
  const r = g.call(nr, fd, g.ptr(ADDR), g.ptr(LEN)) as number;
  return r < 0 ? r : g.mem.latin1Slice(ADDR + 2, ADDR + g.mem.readUInt32LE(LEN));
}
function msg(text: number, ctrlLen: number): number {
  g.mem.fill(0, HDR, HDR + 56);
  g.mem.writeBigUInt64LE(BigInt(g.ptr(IOV)), HDR + 16);
  g.mem.writeBigUInt64LE(1n, HDR + 24);
  g.mem.writeBigUInt64LE(BigInt(g.ptr(OUT)), IOV);
  g.mem.writeBigUInt64LE(BigInt(text), IOV + 8);
  if (ctrlLen > 0) {
    g.mem.writeBigUInt64LE(BigInt(g.ptr(CTRL)), HDR + 32);
    g.mem.writeBigUInt64LE(BigInt(ctrlLen), HDR + 40);
  }
  return g.ptr(HDR);
}
function sendFds(sock: number, fds: number[]): number | typeof PARKED {
  g.mem.latin1Write('x', OUT);
  const n = 16 + 4 * fds.length;
  g.mem.writeBigUInt64LE(BigInt(n), CTRL);
  g.mem.writeInt32LE(1, CTRL + 8);
  g.mem.writeInt32LE(1, CTRL + 12);
  fds.forEach((fd, i) => { g.mem.writeInt32LE(fd, CTRL + 16 + 4 * i); });
  return g.call(NR.NR_sendmsg, sock, msg(1, n), 0);
}
function recvFds(sock: number, room = 1024, flags = 0): { n: number; fds: number[]; flags: number } {
  const n = g.call(NR.NR_recvmsg, sock, msg(100, room), flags) as number;
  const got = n < 0 ? 0 : Number(g.mem.readBigUInt64LE(HDR + 40));
  const fds: number[] = [];
  if (got >= 16 && g.mem.readInt32LE(CTRL + 12) === 1) for (let at = 16; at < Number(g.mem.readBigUInt64LE(CTRL)); at += 4) fds.push(g.mem.readInt32LE(CTRL + at));
  return { n, fds, flags: g.mem.readInt32LE(HDR + 48) };
}
function cred(fd: number): number[] | number {
  g.mem.writeUInt32LE(12, LEN);
  const r = g.call(NR.NR_getsockopt, fd, 1, 17, g.ptr(OUT), g.ptr(LEN)) as number;
  return r < 0 ? r : [0, 4, 8].map((o) => g.mem.readInt32LE(OUT + o));
}

afterEach(() => {
  g.abandon();
  g2.abandon();
  for (let fd = 0; fd < 64; fd++) g.call(NR.NR_close, fd);
  settle();
  messagesTo(rig, L.SRV_SIGNAL);
  messagesTo(rig, L.SRV_IPC);
  assert.equal(hostFds(), before, 'host fds are left open');
});

test('socket: families, types, flags', () => {
  assert.equal(g.call(NR.NR_socket, 99, STREAM, 0), -E.EAFNOSUPPORT);
  assert.equal(g.call(NR.NR_socket, AF_UNIX, 11, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_socket, AF_UNIX, STREAM | 0o200, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_socket, 38, STREAM, 0), -E.EAFNOSUPPORT);
  assert.equal(g.call(NR.NR_socket, 17, 3, 0), -E.EPERM);
  assert.equal(g.call(NR.NR_socket, AF_INET, 3, 1), -E.EPERM);
  const fd = g.call(NR.NR_socket, AF_UNIX, STREAM | NONBLOCK | CLOEXEC, 0) as number;
  assert.equal(fd, 0);
  assert.equal(g.call(NR.NR_fcntl, fd, 3), 2 | NONBLOCK);
  assert.equal(g.call(NR.NR_fcntl, fd, 1), 1);
});

test('socketpair: bytes both ways, end of file, EPIPE, no fd left after EFAULT', () => {
  assert.equal(g.call(NR.NR_socketpair, AF_UNIX, STREAM, 0, 0), -E.EFAULT);
  assert.equal(g.call(NR.NR_socketpair, AF_INET, STREAM, 0, g.ptr(SV)), -E.EOPNOTSUPP);
  const [a, b] = pair();
  assert.equal(send(a, 'hello'), 5);
  assert.equal(recv(b, 3, MSG_PEEK), 'hel');
  assert.equal(recv(b, 3), 'hel');
  g.mem.latin1Write('back', BUF);
  assert.equal(g.call(NR.NR_write, b, g.ptr(BUF), 4), 4);
  assert.equal(g.call(NR.NR_read, a, g.ptr(OUT), 10), 4);
  assert.equal(recv(b), 'lo');
  assert.deepEqual(cred(a), [L.tgTgid(g.tg), 1000, 1001]);
  assert.equal(g.call(NR.NR_shutdown, a, 1), 0);
  assert.equal(recv(b), '');
  assert.equal(send(a, 'x', MSG_NOSIGNAL), -E.EPIPE);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL).filter((m) => m.kind === Msg.SIG_TASK), []);
  assert.equal(send(a, 'x'), -E.EPIPE);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL).filter((m) => m.kind === Msg.SIG_TASK).map((m) => m.w.slice(0, 2)), [[g.task, 13]]);
});

test('a receive waits, a signal interrupts it, SO_RCVTIMEO ends it', () => {
  const [a, b] = pair();
  assert.equal(recv(a, 10, MSG_DONTWAIT), -E.EAGAIN);
  assert.equal(recv(a, 10), PARKED);
  assert.equal(g.interrupt(), -E.ERESTARTSYS);
  assert.equal(recv(a, 10), PARKED);
  assert.equal(send(b, 'late', 0, g2), 4);
  assert.equal(g.settle(), 4);
  g.mem.fill(0, BUF, BUF + 16);
  g.mem.writeBigUInt64LE(2000n, BUF + 8);
  assert.equal(g.call(NR.NR_setsockopt, a, 1, 20, g.ptr(BUF), 16), 0);
  // On a busy machine the two milliseconds may be over before it would park.
  const limited = recv(a, 10);
  assert.equal(limited === PARKED ? g.await() : limited, -E.EAGAIN);
  g.mem.writeBigUInt64LE(100n, BUF);
  assert.equal(g.call(NR.NR_setsockopt, a, 1, 20, g.ptr(BUF), 16), 0);
  assert.equal(recv(a, 10), PARKED);
  assert.equal(g.interrupt(), -E.EINTR);
});

test('MSG_WAITALL collects; a blocking send of much data waits for room', () => {
  const [a, b] = pair();
  assert.equal(recv(a, 6, MSG_WAITALL), PARKED);
  assert.equal(send(b, 'abc', 0, g2), 3);
  assert.equal(g.settle(), PARKED);
  assert.equal(send(b, 'def', 0, g2), 3);
  assert.equal(g.settle(), 6);
  assert.equal(g.mem.latin1Slice(OUT, OUT + 6), 'abcdef');
  g.mem.writeInt32LE(4096, BUF);
  assert.equal(g.call(NR.NR_setsockopt, b, 1, 7, g.ptr(BUF), 4), 0);
  assert.equal(g2.call(NR.NR_write, b, g2.ptr(0), 60000), PARKED);
  let got = 0;
  for (let i = 0; i < 100 && got < 60000; i++) { got += (recv(a, 8192, MSG_DONTWAIT) as string).length || 0; settle(); }
  assert.equal(got, 60000);
  assert.equal(g2.settle(), 60000);
});

test('AF_UNIX: abstract and path names, accept, credentials, names that are gone', () => {
  for (const path of ['\0name', '/run/x.sock']) {
    const srv = g.call(NR.NR_socket, AF_UNIX, STREAM, 0) as number;
    assert.equal(named(NR.NR_bind, srv, g.ptr(ADDR), unix(path)), 0);
    assert.equal(g.call(NR.NR_bind, srv, g.ptr(ADDR), unix('\0other')), -E.EINVAL);
    assert.equal(g.call(NR.NR_listen, srv, 5), 0);
    assert.equal(name(NR.NR_getsockname, srv), path.startsWith('\0') ? path : `${path}\0`);
    assert.equal(g2.call(NR.NR_accept, srv, 0, 0), PARKED);
    const cl = g.call(NR.NR_socket, AF_UNIX, STREAM, 0) as number;
    assert.equal(named(NR.NR_connect, cl, g.ptr(ADDR), unix(path)), 0);
    const conn = g2.settle() as number;
    assert.ok(conn >= 0);
    assert.deepEqual([cred(conn), cred(cl)], [[L.tgTgid(g.tg), 1000, 1001], [L.tgTgid(g.tg), 1000, 1001]]);
    assert.deepEqual(cred(srv), [0, -1, -1]);
    assert.equal(name(NR.NR_getpeername, cl), path.startsWith('\0') ? path : `${path}\0`);
    assert.equal(name(NR.NR_getpeername, conn), '');
    assert.equal(send(cl, 'hi'), 2);
    assert.equal(recv(conn), 'hi');
    const dup = g.call(NR.NR_socket, AF_UNIX, STREAM, 0) as number;
    assert.equal(named(NR.NR_bind, dup, g.ptr(ADDR), unix(path)), -E.EADDRINUSE);
    for (const fd of [srv, cl, conn]) assert.equal(g.call(NR.NR_close, fd), 0);
    settle();
    assert.equal(named(NR.NR_connect, dup, g.ptr(ADDR), unix(path)), -E.ECONNREFUSED);
  }
  const lost = g.call(NR.NR_socket, AF_UNIX, STREAM, 0) as number;
  assert.equal(named(NR.NR_connect, lost, g.ptr(ADDR), unix('/no/such')), -E.ENOENT);
});

test('AF_UNIX datagrams: source names, autobind, a full receiver', () => {
  const a = g.call(NR.NR_socket, AF_UNIX, DGRAM, 0) as number;
  const b = g.call(NR.NR_socket, AF_UNIX, DGRAM, 0) as number;
  assert.equal(g.call(NR.NR_bind, a, g.ptr(ADDR), unix('\0dst')), 0);
  assert.equal(g.call(NR.NR_bind, b, g.ptr(ADDR), 2), 0);
  const auto = name(NR.NR_getsockname, b) as string;
  assert.match(auto, /^\0[0-9a-f]{5}$/);
  g.mem.latin1Write('data', BUF);
  assert.equal(g.call(NR.NR_sendto, b, g.ptr(BUF), 4, 0, g.ptr(ADDR), unix('\0dst')), 4);
  g.mem.writeUInt32LE(100, LEN);
  assert.equal(g.call(NR.NR_recvfrom, a, g.ptr(OUT), 100, 0, g.ptr(ADDR), g.ptr(LEN)), 4);
  assert.equal(g.mem.latin1Slice(ADDR + 2, ADDR + g.mem.readUInt32LE(LEN)), auto);
  let r: number | typeof PARKED = 4;
  for (let i = 0; i < 2000 && r === 4; i++) r = g.call(NR.NR_sendto, b, g.ptr(BUF), 4, 0, g.ptr(ADDR), unix('\0dst'));
  assert.equal(r, PARKED);
  assert.equal(g2.call(NR.NR_recvfrom, a, g2.ptr(OUT), 100, 0, 0, 0), 4);
  assert.equal(g.await(), 4);
});

test('SCM_RIGHTS: any server\'s OFD travels, lives in flight, and dies with the message', () => {
  const [a, b] = pair();
  const row = ofdAlloc(L.SRV_IPC, Ofd.EVENTFD, 3, 2);
  const fd = fdInstall(g.files, row, false, 1024);
  assert.equal(sendFds(a, [fd, a]), 1);
  assert.equal(L.ofdRef(row), 2);
  ofdUnref(rig.ep, fdRemove(g.files, fd, 0));
  assert.equal(L.ofdRef(row), 1);
  const peek = recvFds(b, 1024, MSG_PEEK);
  assert.equal(peek.fds.length, 2);
  assert.equal(L.ofdRef(row), 2);
  const got = recvFds(b, 1024, MSG_CMSG_CLOEXEC);
  assert.equal(got.n, 1);
  assert.deepEqual(got.fds.map((x) => fdLookup(g.files, x)), [row, fdLookup(g.files, a)]);
  settle();
  assert.equal(L.ofdRef(row), 2);
  assert.equal(g.call(NR.NR_fcntl, got.fds[0] as number, 1), 1);
  for (const x of [peek.fds[0], got.fds[0]]) ofdUnref(rig.ep, fdRemove(g.files, x as number, 0));
  assert.deepEqual(messagesTo(rig, L.SRV_IPC).filter((m) => m.kind === Msg.RELEASE).map((m) => m.w[0]), [row]);
  // Thrown away with the queue: the socket that was in flight is released too.
  const [c, d] = pair();
  assert.equal(sendFds(a, [c, d]), 1);
  const rowC = fdLookup(g.files, c);
  for (const x of [c, d]) assert.equal(g.call(NR.NR_close, x), 0);
  assert.equal(L.ofdRef(rowC), 1);
  for (const x of [...got.fds.slice(1), ...peek.fds.slice(1), a, b]) assert.equal(g.call(NR.NR_close, x), 0);
  settle();
  settle();
  assert.equal(L.ofdRef(rowC), 0);
});

test('SCM_RIGHTS: the close that throws a message away is answered when the owners have closed what was in it', () => {
  const ipc = new RingPort(L.SRV_IPC, rig.rings);
  const [a, b] = pair();
  const row = ofdAlloc(L.SRV_IPC, Ofd.PIPE_W, 7, 1);
  const fd = fdInstall(g.files, row, false, 1024);
  // In the queue of a socket that is itself in the queue of another: two rounds.
  const [c, d] = pair();
  assert.equal(sendFds(c, [fd]), 1);
  ofdUnref(rig.ep, fdRemove(g.files, fd, 0));
  assert.equal(sendFds(a, [d]), 1);
  assert.equal(g.call(NR.NR_close, d), 0);
  assert.equal(g.call(NR.NR_close, c), 0);
  assert.equal(g.call(NR.NR_close, b), PARKED);
  const order: number[] = [];
  let fence = 0;
  ipc.drain((m) => {
    order.push(m.kind);
    if (m.kind === Msg.FENCE) fence = m.w[0] as number; else assert.equal(m.w[0], row);
  });
  assert.deepEqual(order, [Msg.RELEASE, Msg.FENCE]);
  ipc.send(L.SRV_NET, Msg.FENCED, [fence]);
  assert.equal(g.settle(), 0);
  assert.equal(g.call(NR.NR_close, a), 0);
});

test('SCM_RIGHTS: EBADF, no room (MSG_CTRUNC), read throws fds away', () => {
  const [a, b] = pair(SEQPACKET);
  assert.equal(sendFds(a, [63]), -E.EBADF);
  assert.equal(sendFds(a, [a, b]), 1);
  const got = recvFds(b, 20);
  assert.equal(got.fds.length, 1);
  assert.equal(got.flags & 8, 8);
  assert.equal(sendFds(a, [a]), 1);
  const ref = L.ofdRef(fdLookup(g.files, a));
  assert.equal(g.call(NR.NR_read, b, g.ptr(OUT), 10), 1);
  settle();
  assert.equal(L.ofdRef(fdLookup(g.files, a)), ref - 1);
});

test('TCP on the loopback: blocking connect and accept, refused, names, sendmmsg and recvmmsg by UDP', () => {
  const inet = (port: number): number => { g.mem.fill(0, ADDR, ADDR + 16); g.mem.writeUInt16LE(AF_INET, ADDR); g.mem.writeUInt16BE(port, ADDR + 2); g.mem.writeUInt32BE(0x7f000001, ADDR + 4); return 16; };
  const port = (fd: number): number => { name(NR.NR_getsockname, fd); return g.mem.readUInt16BE(ADDR + 2); };
  const srv = g.call(NR.NR_socket, AF_INET, STREAM, 0) as number;
  assert.equal(g.call(NR.NR_bind, srv, g.ptr(ADDR), inet(0)), 0);
  assert.equal(g.call(NR.NR_listen, srv, 5), 0);
  const p = port(srv);
  const cl = g.call(NR.NR_socket, AF_INET, STREAM, 0) as number;
  const r = g.call(NR.NR_connect, cl, g.ptr(ADDR), inet(p));
  assert.equal(g.over(r), 0);
  assert.equal(g.call(NR.NR_fcntl, cl, 3), 2);
  assert.equal(host.fcntl(L.ofdHostFd(fdLookup(g.files, cl)), 3) & NONBLOCK, 0, 'the host socket blocks as before');
  g.mem.writeUInt32LE(16, LEN);
  const a0 = g.call(NR.NR_accept4, srv, g.ptr(ADDR), g.ptr(LEN), NONBLOCK);
  const conn = g.over(a0);
  assert.equal(g.mem.readUInt16LE(ADDR), AF_INET);
  assert.equal(recv(conn, 5), -E.EAGAIN);
  assert.equal(send(cl, 'tcp'), 3);
  assert.equal(g.call(NR.NR_close, srv), 0);
  settle();
  const again = g.call(NR.NR_socket, AF_INET, STREAM, 0) as number;
  const refused = g.call(NR.NR_connect, again, g.ptr(ADDR), inet(p));
  assert.equal(g.over(refused), -E.ECONNREFUSED);
  assert.equal(g.call(NR.NR_getpeername, again, g.ptr(ADDR), g.ptr(LEN)), -E.ENOTCONN);

  const u = g.call(NR.NR_socket, AF_INET, DGRAM, 0) as number;
  assert.equal(g.call(NR.NR_bind, u, g.ptr(ADDR), inet(0)), 0);
  assert.equal(g.call(NR.NR_connect, u, g.ptr(ADDR), inet(port(u))), 0);
  g.mem.fill(0, HDR, HDR + 128);
  for (let i = 0; i < 2; i++) {
    g.mem.writeBigUInt64LE(BigInt(g.ptr(IOV + 16 * i)), HDR + 64 * i + 16);
    g.mem.writeBigUInt64LE(1n, HDR + 64 * i + 24);
    g.mem.writeBigUInt64LE(BigInt(g.ptr(OUT + 100 * i)), IOV + 16 * i);
    g.mem.writeBigUInt64LE(BigInt(3 + i), IOV + 16 * i + 8);
  }
  g.mem.latin1Write('one', OUT);
  g.mem.latin1Write('four', OUT + 100);
  assert.equal(g.call(NR.NR_sendmmsg, u, g.ptr(HDR), 2, 0), 2);
  assert.deepEqual([g.mem.readUInt32LE(HDR + 56), g.mem.readUInt32LE(HDR + 120)], [3, 4]);
  g.mem.fill(0, OUT, OUT + 200);
  assert.equal(g.call(NR.NR_recvmmsg, u, g.ptr(HDR), 2, 0x10000, 0), 2);
  assert.equal(g.mem.latin1Slice(OUT, OUT + 3) + g.mem.latin1Slice(OUT + 100, OUT + 104), 'onefour');
});

test('options: values pass, pointers and administration do not', () => {
  const s = g.call(NR.NR_socket, AF_INET, STREAM, 0) as number;
  g.mem.writeInt32LE(1, BUF);
  assert.equal(g.call(NR.NR_setsockopt, s, 6, 1, g.ptr(BUF), 4), 0);
  g.mem.writeUInt32LE(4, LEN);
  assert.equal(g.call(NR.NR_getsockopt, s, 6, 1, g.ptr(OUT), g.ptr(LEN)), 0);
  assert.equal(g.mem.readInt32LE(OUT), 1);
  assert.equal(g.call(NR.NR_setsockopt, s, 1, 26, g.ptr(BUF), 16), -E.ENOPROTOOPT);
  assert.equal(g.call(NR.NR_setsockopt, s, 1, 36, g.ptr(BUF), 4), -E.EPERM);
  assert.equal(g.call(NR.NR_setsockopt, s, 0, 64, g.ptr(BUF), 4), -E.ENOPROTOOPT);
  assert.equal(g.call(NR.NR_setsockopt, s, 1, 2, 0, 4), -E.EFAULT);
  assert.equal(g.call(NR.NR_setsockopt, s, 1, 2, g.ptr(BUF), -1), -E.EINVAL);
});

test('netlink: questions are answered, changes are EPERM, the fd is not granted for writing', () => {
  const s = g.call(NR.NR_socket, 16, 3, 0) as number;
  const row = fdLookup(g.files, s);
  assert.equal(L.ofdGrantable(row) & L.HINT_WRITE, 0);
  const ask = (type: number): number | typeof PARKED => {
    g.mem.fill(0, BUF, BUF + 20);
    g.mem.writeUInt32LE(20, BUF);
    g.mem.writeUInt16LE(type, BUF + 4);
    g.mem.writeUInt16LE(0x301, BUF + 6);
    return g.call(NR.NR_sendto, s, g.ptr(BUF), 20, 0, 0, 0);
  };
  assert.equal(ask(18), 20);
  assert.ok((g.call(NR.NR_recvfrom, s, g.ptr(OUT), 16000, 0, 0, 0) as number) > 0);
  assert.equal(ask(16), -E.EPERM);
  assert.equal(ask(19), -E.EPERM);
});

test('ioctl and fstat; calls on what is no socket', () => {
  const [a, b] = pair();
  send(a, 'abc');
  assert.equal(g.call(NR.NR_ioctl, b, 0x541b, g.ptr(OUT)), 0);
  assert.equal(g.mem.readInt32LE(OUT), 3);
  assert.equal(g.call(NR.NR_ioctl, b, 0x8914, g.ptr(OUT)), -E.EPERM);
  assert.equal(g.call(NR.NR_ioctl, b, 0x5401, g.ptr(OUT)), -E.ENOTTY);
  assert.equal(g.call(NR.NR_fstat, b, g.ptr(OUT)), 0);
  assert.equal(g.mem.readUInt32LE(OUT + 24) & 0o170000, 0o140000);
  const s = g.call(NR.NR_socket, AF_INET, DGRAM, 0) as number;
  g.mem.writeInt32LE(4096, BUF);
  g.mem.writeBigUInt64LE(BigInt(g.ptr(OUT)), BUF + 8);
  assert.equal(g.call(NR.NR_ioctl, s, 0x8912, g.ptr(BUF)), 0);
  assert.equal(g.mem.readInt32LE(BUF) % 40, 0);
  assert.equal(g.call(NR.NR_lseek, a, 0, 0), -E.ESPIPE);
  assert.equal(g.call(NR.NR_sendto, 60, g.ptr(BUF), 1, 0, 0, 0), -E.EBADF);
});
