/**
 * Host system calls for carrick's own unix sockets, over this worker's scratch: the control socket of a container, which `carrick exec` passes its
 * standard input, output and error through (SCM_RIGHTS; unix(7)). Numbers >= 0 or -errno, as everywhere in host.ts.
 *
 *   STRUCT + 0     sockaddr_un, ucred
 *   STRUCT + 256   msghdr, iovec, control message
 *   DATA           the bytes
 */
import { E } from './errno.js';
import * as host from './host.js';
import { native } from './native.js';

const enum H { socket = 41, connect = 42, sendmsg = 46, recvmsg = 47, bind = 49, listen = 50, getsockopt = 55, accept4 = 288 }
const AF_UNIX = 1, SOCK_STREAM = 1, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1, SCM_RIGHTS = 1, SO_PEERCRED = 17;
const MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;
/** sizeof(sun_path). */
const PATH_MAX = 108;
/** Most fds in one message here. */
const FDS_MAX = 8;
const O_PATH = 0o10000000, O_DIRECTORY = 0o200000;

const ADDR = host.STRUCT;
const HDR = host.STRUCT + 256;
const IOV = HDR + 64;
const CMSG = IOV + 16;
/** struct cmsghdr. */
const CMSG_HDR = 16;

function setPtr(at: number, off: number): void {
  const a = native.scratchAddress() + off;
  host.scratchView.setUint32(at, a >>> 0, true);
  host.scratchView.setUint32(at + 4, Math.floor(a / 4294967296), true);
}

function setU64(at: number, n: number): void {
  host.scratchView.setUint32(at, n, true);
  host.scratchView.setUint32(at + 4, 0, true);
}

/** sockaddr_un of NAME in the directory `dirfd`, whose own path may be longer than sun_path: by way of /proc. Its length, or -ENAMETOOLONG. */
function putAddress(dirfd: number, name: string): number {
  const path = `/proc/self/fd/${dirfd}/${name}`;
  if (path.length >= PATH_MAX) return -E.ENAMETOOLONG;
  host.scratchView.setUint16(ADDR, AF_UNIX, true);
  host.scratch.latin1Write(path, ADDR + 2);
  host.scratch[ADDR + 2 + path.length] = 0;
  return path.length + 3;
}

function openDir(dir: string): number { return host.openat(host.AT_FDCWD, dir, O_PATH | O_DIRECTORY); }

function withAddress(dir: string, name: string, use: (len: number) => number): number {
  const dirfd = openDir(dir);
  if (dirfd < 0) return dirfd;
  const len = putAddress(dirfd, name);
  const r = len < 0 ? len : use(len);
  host.close(dirfd);
  return r;
}

/** A listening non-blocking stream socket dir/name that only this user may connect to; made anew. */
export function listenAt(dir: string, name: string): number {
  const fd = native.sys(H.socket, 0, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  const path = `${dir}/${name}`;
  host.unlinkat(host.AT_FDCWD, path, 0);
  let r = withAddress(dir, name, (len) => native.sys(H.bind, 0b10, fd, ADDR, len));
  if (r >= 0) r = host.fchmodat(host.AT_FDCWD, path, 0o600);
  if (r >= 0) r = native.sys(H.listen, 0, fd, 16);
  if (r >= 0) return fd;
  host.close(fd);
  return r;
}

/** A connection to dir/name, blocking. -ENOENT, -ECONNREFUSED: nobody is there. */
export function connectTo(dir: string, name: string): number {
  const fd = native.sys(H.socket, 0, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  const r = withAddress(dir, name, (len) => native.sys(H.connect, 0b10, fd, ADDR, len));
  if (r >= 0) return fd;
  host.close(fd);
  return r;
}

/** Next waiting connection, non-blocking, or -EAGAIN. */
export function accept(fd: number): number { return native.sys(H.accept4, 0, fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); }

/** User at the other end, or -errno. socket(7), SO_PEERCRED. */
export function peerUid(fd: number): number {
  host.scratchView.setInt32(ADDR + 16, 12, true);
  const r = native.sys(H.getsockopt, 0b11000, fd, SOL_SOCKET, SO_PEERCRED, ADDR, ADDR + 16);
  return r < 0 ? r : host.scratchView.getUint32(ADDR + 4, true);
}

function putHeader(len: number, control: number): void {
  host.scratch.fill(0, HDR, HDR + 56);
  setPtr(IOV, host.DATA);
  setU64(IOV + 8, len);
  setPtr(HDR + 16, IOV);
  setU64(HDR + 24, 1);
  if (control === 0) return;
  setPtr(HDR + 32, CMSG);
  setU64(HDR + 40, control);
}

/** Send bytes (latin1) and, with the first of them, fds. How many bytes went, or -errno; never SIGPIPE. */
export function sendWith(fd: number, bytes: string, fds: readonly number[] = []): number {
  const n = Math.min(bytes.length, host.DATA_BYTES);
  host.scratch.latin1Write(bytes.slice(0, n), host.DATA);
  putHeader(n, fds.length === 0 ? 0 : CMSG_HDR + 4 * fds.length);
  setU64(CMSG, CMSG_HDR + 4 * fds.length);
  host.scratchView.setInt32(CMSG + 8, SOL_SOCKET, true);
  host.scratchView.setInt32(CMSG + 12, SCM_RIGHTS, true);
  fds.forEach((f, i) => { host.scratchView.setInt32(CMSG + CMSG_HDR + 4 * i, f, true); });
  return native.sys(H.sendmsg, 0b10, fd, HDR, MSG_NOSIGNAL);
}

/** Receive up to `max` bytes to DATA; fds that came along are appended to `fds`, the caller's to close. 0 = end of file. */
export function receiveWith(fd: number, max: number, fds: number[]): number {
  putHeader(Math.min(max, host.DATA_BYTES), CMSG_HDR + 4 * FDS_MAX);
  const n = native.sys(H.recvmsg, 0b10, fd, HDR, MSG_CMSG_CLOEXEC);
  if (n < 0) return n;
  const { scratchView: v } = host;
  if (v.getUint32(HDR + 40, true) >= CMSG_HDR && v.getInt32(CMSG + 8, true) === SOL_SOCKET && v.getInt32(CMSG + 12, true) === SCM_RIGHTS) {
    const count = Math.min(FDS_MAX, Math.floor((v.getUint32(CMSG, true) - CMSG_HDR) / 4));
    for (let i = 0; i < count; i++) fds.push(v.getInt32(CMSG + CMSG_HDR + 4 * i, true));
  }
  return n;
}
