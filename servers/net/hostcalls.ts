/**
 * Host socket calls, over this worker's scratch. x86-64 numbers. None of them blocks: receiving and sending are always MSG_DONTWAIT, connecting sockets are
 * made non-blocking first, listening ones asked whether they are readable.
 *
 * Scratch between STRUCT and DATA, as used here (grant.ts has STRUCT + 1024 .. + 1216):
 *   STRUCT + 0      small results     + 2048 msghdr, iovec     + 4096 socket address     + 8192 control data for the host, 16 KiB
 *   + 24576 guest's msghdr and control data, 16 KiB
 */
import { DATA, pollNow, scratchView, STRUCT } from '../../shared/host.js';
import { EPOLLIN } from '../../shared/hostwatch.js';
import { native } from '../../shared/native.js';
import { MSG_DONTWAIT, MSG_NOSIGNAL } from './abi.js';

const enum H {
  fcntl = 72, socket = 41, connect = 42, sendmsg = 46, recvmsg = 47, shutdown = 48, bind = 49, listen = 50, getsockname = 51, getpeername = 52,
  socketpair = 53, setsockopt = 54, getsockopt = 55, accept4 = 288, fstat = 5,
}

const MSGHDR = STRUCT + 2048;
const IOV = MSGHDR + 64;
/** The socket address of the current call. */
export const NAME = STRUCT + 4096;
/** Control data for, or from, the host. */
export const CTRL = STRUCT + 8192;
export const CTRL_MAX = 16384;
/** What was read from the guest, or is being built for it: msghdr, then control data. */
export const GUEST_HDR = STRUCT + 24576;
export const GUEST_CTRL = GUEST_HDR + 256;
export const GUEST_CTRL_MAX = 16384;

const F_GETFL = 3, F_SETFL = 4, O_NONBLOCK = 0o4000;

let base = 0;
/** Remember where scratch is: msghdr and iovec hold addresses. */
export function initSockets(): void { base = native.scratchAddress(); }

function address(at: number, off: number): void {
  const a = off < 0 ? 0 : base + off;
  scratchView.setUint32(at, a >>> 0, true);
  scratchView.setUint32(at + 4, Math.floor(a / 4294967296), true);
}

/** SOCK_CLOEXEC is always added. */
export const socket = (domain: number, type: number, protocol: number): number => native.sys(H.socket, 0, domain, type | 0o2000000, protocol);
/** Two sockets as int32 at STRUCT. */
export const socketpair = (domain: number, type: number, protocol: number): number => native.sys(H.socketpair, 0b1000, domain, type | 0o2000000, protocol, STRUCT);
/** bind, connect: address of len bytes at NAME. */
export const bind = (fd: number, len: number): number => native.sys(H.bind, 0b10, fd, NAME, len);
export const connect = (fd: number, len: number): number => native.sys(H.connect, 0b10, fd, NAME, len);
export const listen = (fd: number, backlog: number): number => native.sys(H.listen, 0, fd, backlog);
export const shutdown = (fd: number, how: number): number => native.sys(H.shutdown, 0, fd, how);

/** Length of the address at NAME after accept, getsockname, getpeername, recv. */
export let nameLen = 0;
const LEN = STRUCT + 512;

function named(r: number): number {
  nameLen = scratchView.getUint32(LEN, true);
  return r;
}

function roomForName(): void { scratchView.setUint32(LEN, 128, true); }

/** accept4: the peer's address is at NAME, nameLen bytes. */
export function accept(fd: number, flags: number): number {
  roomForName();
  return named(native.sys(H.accept4, 0b110, fd, NAME, LEN, flags | 0o2000000));
}
export function getsockname(fd: number): number {
  roomForName();
  return named(native.sys(H.getsockname, 0b110, fd, NAME, LEN));
}
export function getpeername(fd: number): number {
  roomForName();
  return named(native.sys(H.getpeername, 0b110, fd, NAME, LEN));
}

/** Value of `len` bytes at DATA. */
export const setsockopt = (fd: number, level: number, opt: number, len: number): number => native.sys(H.setsockopt, 0b1000, fd, level, opt, DATA, len);
/** Value to DATA; returns its length or -errno. */
export function getsockopt(fd: number, level: number, opt: number, len: number): number {
  scratchView.setUint32(LEN, len, true);
  const r = native.sys(H.getsockopt, 0b11000, fd, level, opt, DATA, LEN);
  return r < 0 ? r : scratchView.getUint32(LEN, true);
}

/** Fill the host's msghdr: `len` bytes at DATA, an address of nameBytes at NAME, control data of ctrlBytes at CTRL. */
function message(len: number, nameBytes: number, ctrlBytes: number): void {
  address(IOV, DATA);
  scratchView.setUint32(IOV + 8, len, true);
  scratchView.setUint32(IOV + 12, 0, true);
  address(MSGHDR, nameBytes > 0 ? NAME : -1);
  scratchView.setUint32(MSGHDR + 8, nameBytes, true);
  address(MSGHDR + 16, IOV);
  scratchView.setUint32(MSGHDR + 24, 1, true);
  scratchView.setUint32(MSGHDR + 28, 0, true);
  address(MSGHDR + 32, ctrlBytes > 0 ? CTRL : -1);
  scratchView.setUint32(MSGHDR + 40, ctrlBytes, true);
  scratchView.setUint32(MSGHDR + 44, 0, true);
  scratchView.setUint32(MSGHDR + 48, 0, true);
}

export function sendmsg(fd: number, len: number, nameBytes: number, ctrlBytes: number, flags: number): number {
  message(len, nameBytes, ctrlBytes);
  return native.sys(H.sendmsg, 0b10, fd, MSGHDR, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** msg_flags and control bytes after recvmsg. */
export let gotFlags = 0;
export let gotCtrl = 0;

/** More msg_flags for the guest. */
export function addFlags(flags: number): void { gotFlags |= flags; }

export function recvmsg(fd: number, len: number, ctrlRoom: number, flags: number): number {
  message(len, 128, ctrlRoom);
  const r = native.sys(H.recvmsg, 0b10, fd, MSGHDR, flags | MSG_DONTWAIT);
  if (r < 0) return r;
  nameLen = scratchView.getUint32(MSGHDR + 8, true);
  gotCtrl = scratchView.getUint32(MSGHDR + 40, true);
  gotFlags = scratchView.getUint32(MSGHDR + 48, true);
  return r;
}

/** Is there something to accept (or an error to be told)? */
export function readable(fd: number): boolean {
  scratchView.setInt32(DATA, fd, true);
  scratchView.setInt32(DATA + 4, EPOLLIN, true);
  return pollNow(DATA, 1) !== 0;
}

/** Make a host fd non-blocking, so that connect returns; its old flags. */
export function unblock(fd: number): number {
  const flags = native.sys(H.fcntl, 0, fd, F_GETFL, 0);
  if (flags >= 0 && (flags & O_NONBLOCK) === 0) native.sys(H.fcntl, 0, fd, F_SETFL, flags | O_NONBLOCK);
  return flags;
}
export function restoreFlags(fd: number, flags: number): void {
  if (flags >= 0 && (flags & O_NONBLOCK) === 0) native.sys(H.fcntl, 0, fd, F_SETFL, flags);
}

/** sizeof(struct stat) on x86-64. */
export const STAT_BYTES = 144;
export const fstat = (fd: number): number => native.sys(H.fstat, 0b10, fd, STRUCT);

/** st_ino of a host fd, or -errno. */
export function inodeOf(fd: number): number {
  const r = fstat(fd);
  return r < 0 ? r : scratchView.getUint32(STRUCT + 8, true) + scratchView.getUint32(STRUCT + 12, true) * 4294967296;
}
