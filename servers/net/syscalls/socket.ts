/** socket(2), socketpair(2), shutdown(2), listen(2), bind(2), connect(2), accept(2), accept4(2), getsockname(2), getpeername(2). */
import { Cap, capable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdInstall, fdRemove, nofile, ofdUnref } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { grantFds } from '../../../shared/grant.js';
import * as host from '../../../shared/host.js';
import { EPOLLIN, EPOLLOUT } from '../../../shared/hostwatch.js';
import { structRoom } from '../../../shared/iobuf.js';
import {
  AF_INET, AF_INET6, AF_MAX, AF_NETLINK, AF_PACKET, AF_UNIX, CAP_NET_RAW, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_MAX, SOCK_NONBLOCK, SOCK_RAW, SOCK_TYPE_MASK,
  SOCKADDR_IN, SOCKADDR_IN6,
} from '../abi.js';
import * as addr from '../address.js';
import * as h from '../hostcalls.js';
import { onSocket } from '../on-socket.js';
import { type Sock, type Socks, ucredOf } from '../sock.js';
import { NETLINK_ROUTE, NETLINK_SOCK_DIAG } from '../netlink.js';
import { confineBinding, isPrivilegedPort } from '../network.js';
import { NAME_BIND } from '../path-names.js';
import { UnixNames } from '../unix-names.js';

/** Connections. net/core/somaxconn was this for decades. */
const BACKLOG_MIN = 128;

/** May the guest make such a socket? 0, or the errno an unprivileged program gets. */
function mayCreate(f: Frame, domain: number, type: number, protocol: number): number {
  if (domain < 0 || domain >= AF_MAX) return -E.EAFNOSUPPORT;
  if (type < 0 || type >= SOCK_MAX) return -E.EINVAL;
  switch (domain) {
    case AF_UNIX: return 0;
    case AF_INET:
    case AF_INET6:
      return type === SOCK_RAW && (L.credCapEff(L.taskCred(f.task), 0) & (1 << CAP_NET_RAW)) === 0 ? -E.EPERM : 0;
    // Only what asks about routes and sockets, and of that only questions (netlink.ts): answers come from the host's own tables.
    case AF_NETLINK: return protocol === NETLINK_ROUTE || protocol === NETLINK_SOCK_DIAG ? 0 : -E.EPROTONOSUPPORT;
    case AF_PACKET: return -E.EPERM;
    default: return -E.EAFNOSUPPORT;
  }
}

/** Install and grant a new socket: fd, or -EMFILE, -ENFILE (the OFD is given up). */
function publish(socks: Socks, f: Frame, row: number, cloexec: boolean): number {
  const fd = fdInstall(filesOf(f), row, cloexec, nofile(f.tg));
  if (fd < 0) ofdUnref(socks.ep, row); else grantFds(f, [fd], [row], cloexec);
  return fd;
}

/**
 * socket(2). Errors in order: -EINVAL (flags), -EAFNOSUPPORT, -EINVAL (type), -EPERM, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EMFILE, -ENFILE.
 * Source: man-pages 6.9 socket(2). Deviations: families other than unix, inet, inet6 and netlink (routes, sockets) are unknown.
 */
function socket(socks: Socks, f: Frame): number {
  const domain = f.argInt(0);
  const type = f.argInt(1) & SOCK_TYPE_MASK;
  const flags = f.argInt(1) & ~SOCK_TYPE_MASK;
  const protocol = f.argInt(2);
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -E.EINVAL;
  const may = mayCreate(f, domain, type, protocol);
  if (may < 0) return may;
  const fd = socks.network.socket(domain, type | (flags & SOCK_NONBLOCK), protocol);
  if (fd < 0) return fd === -E.EMFILE ? -E.ENFILE : fd;
  // unix(7): SOCK_RAW means SOCK_DGRAM there.
  const row = socks.adopt(f, domain, domain === AF_UNIX && type === SOCK_RAW ? SOCK_DGRAM : type, protocol, fd, (flags & SOCK_NONBLOCK) !== 0);
  return row < 0 ? row : publish(socks, f, row, (flags & SOCK_CLOEXEC) !== 0);
}

/** socketpair(2). Errors as socket, -EOPNOTSUPP (not AF_UNIX), -EFAULT (sv is NULL; nothing is left open). */
function socketpair(socks: Socks, f: Frame): number {
  const domain = f.argInt(0);
  const type = f.argInt(1) & SOCK_TYPE_MASK;
  const flags = f.argInt(1) & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -E.EINVAL;
  const may = mayCreate(f, domain, type, f.argInt(2));
  if (may < 0) return may;
  const out = structRoom(f, 3, 8);
  if (out < 0) return out;
  const r = h.socketpair(domain, type | (flags & SOCK_NONBLOCK), f.argInt(2));
  if (r < 0) return r === -E.EMFILE ? -E.ENFILE : r;
  const nonblock = (flags & SOCK_NONBLOCK) !== 0;
  const hostA = host.scratchView.getInt32(host.STRUCT, true);
  const hostB = host.scratchView.getInt32(host.STRUCT + 4, true);
  const kind = type === SOCK_RAW ? SOCK_DGRAM : type;
  const a = socks.adopt(f, domain, kind, 0, hostA, nonblock);
  if (a < 0) { host.close(hostB); return a; }
  const b = socks.adopt(f, domain, kind, 0, hostB, nonblock);
  if (b < 0) { ofdUnref(socks.ep, a); return b; }
  (socks.of(a) as Sock).peer = (socks.of(b) as Sock).peer = ucredOf(f);
  return publishPair(socks, f, a, b, (flags & SOCK_CLOEXEC) !== 0, out);
}

function publishPair(socks: Socks, f: Frame, a: number, b: number, cloexec: boolean, out: number): number {
  const files = filesOf(f);
  const fdA = fdInstall(files, a, cloexec, nofile(f.tg));
  const fdB = fdA < 0 ? fdA : fdInstall(files, b, cloexec, nofile(f.tg));
  if (fdB < 0) {
    if (fdA >= 0) fdRemove(files, fdA, 0);
    ofdUnref(socks.ep, a);
    ofdUnref(socks.ep, b);
    return fdB;
  }
  f.bytes.writeInt32LE(fdA, out);
  f.bytes.writeInt32LE(fdB, out + 4);
  f.setOut(3, 8);
  grantFds(f, [fdA, fdB], [a, b], cloexec);
  return 0;
}

/** bind(2). -EINVAL (address length, already bound), -EFAULT, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES; a path name: as mknod(2). */
function bind(socks: Socks, f: Frame, ofd: number, s: Sock): number {
  const len = addr.addressArg(f, 1, f.argInt(2));
  if (len < 0) return len;
  if (s.domain !== AF_UNIX) {
    // carrick may be root where its guest is not.
    if (isPrivilegedPort(host.scratch, h.NAME, len, socks.network.unprivilegedPorts) && !capable(f.task, Cap.NET_BIND_SERVICE)) return -E.EACCES;
    const may = socks.network.confined ? confineBinding(host.scratch, h.NAME, len) : 0;
    return may < 0 ? may : h.bind(s.hostFd, len);
  }
  const path = UnixNames.parse(host.scratch, h.NAME, len);
  if (typeof path === 'number') return path;
  if (s.name !== undefined) return path === '' ? 0 : -E.EINVAL;
  const isPath = path !== '' && path.charCodeAt(0) !== 0;
  const inode = isPath ? socks.paths.ask(f, NAME_BIND, path) : 0;
  if (inode < 0) return inode;
  const name = isPath ? socks.names.add(path, ofd, UnixNames.pathKey(inode)) : socks.names.add(path === '' ? socks.names.autoName() : path, ofd);
  if (typeof name === 'number') return name;
  const r = h.bind(s.hostFd, UnixNames.write(host.scratch, h.NAME, name.hostPath));
  if (r < 0) socks.names.remove(name); else s.name = name;
  return r;
}

/** A socket that was never bound would listen on all addresses. One that was refuses, which is as well. */
function bindLoopback(s: Sock): void {
  const len = s.domain === AF_INET ? SOCKADDR_IN : s.domain === AF_INET6 ? SOCKADDR_IN6 : 0;
  if (len === 0) return;
  host.scratch.fill(0, h.NAME, h.NAME + len);
  host.scratch.writeUInt16LE(s.domain, h.NAME);
  confineBinding(host.scratch, h.NAME, len);
  h.bind(s.hostFd, len);
}

/**
 * Length of the host's queue of connections. A short one (http.server asks for 5) that is just long enough for a program that accepts in microseconds overflows
 * when each accept takes carrick a few times as long, and a connection that finds it full waits a second and more for TCP to try again. 0 and 1 stay:
 * who asks for those means to see it full.
 */
const backlog = (s: Sock, asked: number): number => (s.domain === AF_UNIX || asked < 2 ? asked : Math.max(asked, BACKLOG_MIN));

/** listen(2). -EINVAL, -EOPNOTSUPP, -EADDRINUSE: the host's. Deviations: see backlog. */
function listen(socks: Socks, f: Frame, s: Sock): number {
  if (socks.network.confined) bindLoopback(s);
  const r = h.listen(s.hostFd, backlog(s, f.argInt(1)));
  if (r === 0) s.listener = ucredOf(f);
  return r;
}

/**
 * connect(2). A blocking connect parks until the host has a result, then asks again; interrupted, it goes on by itself (-EINTR or restart), as on Linux.
 * Errors: -EINVAL, -EFAULT, -ECONNREFUSED, -ENOENT (no such AF_UNIX path), -EINPROGRESS, -EALREADY, -EISCONN, -ETIMEDOUT, ... the host's.
 */
function connect(socks: Socks, f: Frame, ofd: number, s: Sock): number {
  let len = addr.addressArg(f, 1, f.argInt(2));
  if (len >= 0) len = addr.toHost(f, socks, s, len, true);
  if (len < 0) return len;
  const flags = h.unblock(s.hostFd);
  const r = h.connect(s.hostFd, len);
  h.restoreFlags(s.hostFd, flags);
  if (s.domain === AF_UNIX) return connected(socks, f, ofd, s, r);
  if (r !== -E.EINPROGRESS && r !== -E.EALREADY) return r;
  const w = socks.waitFor(f, ofd, s, EPOLLOUT, SO_SNDTIMEO, false);
  // Non-blocking, or SO_SNDTIMEO is over: what the host said; the connection goes on.
  return w === -E.EAGAIN ? r : w;
}

/** AF_UNIX: note who meets whom, for SO_PEERCRED; a full backlog is waited for by the clock, no readiness tells of it. */
function connected(socks: Socks, f: Frame, ofd: number, s: Sock, r: number): number {
  if (r === -E.EAGAIN) {
    const may = socks.mayWait(f, ofd, s, SO_SNDTIMEO, false);
    return may < 0 ? may : socks.retryLater(f);
  }
  if (r !== 0 || s.type === SOCK_DGRAM || addr.destination === undefined) return r;
  const peer = socks.of(addr.destination.ofd);
  if (peer !== undefined) {
    s.peer = peer.listener;
    peer.pending.push(ucredOf(f));
  }
  return 0;
}

/**
 * accept4(2). -EINVAL (flags, not listening), -EOPNOTSUPP, -EAGAIN, -EMFILE, -EFAULT (the connection is closed).
 * Wakers: a connection, SO_RCVTIMEO, a signal.
 */
function accept(socks: Socks, f: Frame, ofd: number, s: Sock, flags: number): number {
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -E.EINVAL;
  // The host fd has the guest's O_NONBLOCK, so look first. What is there stays there: on Linux a connection leaves the queue only by accept, and only we accept.
  const ready = s.listener === undefined || h.readable(s.hostFd);
  const fd = ready ? h.accept(s.hostFd, flags & SOCK_NONBLOCK) : -E.EAGAIN;
  if (fd === -E.EAGAIN) return socks.waitFor(f, ofd, s, EPOLLIN, SO_RCVTIMEO, false);
  if (fd < 0) return fd === -E.EMFILE ? -E.ENFILE : fd;
  const len = addr.toGuest(socks.names, s.domain);
  const peer = s.pending.shift();
  const row = socks.adopt(f, s.domain, s.type, s.protocol, fd, (flags & SOCK_NONBLOCK) !== 0);
  if (row < 0) return row;
  (socks.of(row) as Sock).peer = peer;
  const r = addr.putAddress(f, f.argU64(1), f.argU64(2), len);
  if (r < 0) { ofdUnref(socks.ep, row); return r; }
  return publish(socks, f, row, (flags & SOCK_CLOEXEC) !== 0);
}

/** getsockname(2), getpeername(2). -ENOTCONN, -EFAULT, -EINVAL. */
function nameOf(socks: Socks, f: Frame, s: Sock, r: number): number {
  return r < 0 ? r : putName(f, addr.toGuest(socks.names, s.domain));
}

function putName(f: Frame, len: number): number {
  return f.argU64(1) === 0 ? -E.EFAULT : addr.putAddress(f, f.argU64(1), f.argU64(2), len);
}

/** shutdown(2). -EINVAL, -ENOTCONN. */
const shutdown = (f: Frame, s: Sock): number => h.shutdown(s.hostFd, f.argInt(1));

export function installSocketCalls(socks: Socks): void {
  const { ep } = socks;
  const on = (nr: number, call: (f: Frame, ofd: number, s: Sock) => number): void => { ep.handle(nr, onSocket(socks, call)); };
  ep.handle(NR.NR_socket, (f) => socket(socks, f));
  ep.handle(NR.NR_socketpair, (f) => socketpair(socks, f));
  on(NR.NR_bind, (f, ofd, s) => bind(socks, f, ofd, s));
  on(NR.NR_listen, (f, _ofd, s) => listen(socks, f, s));
  on(NR.NR_connect, (f, ofd, s) => connect(socks, f, ofd, s));
  on(NR.NR_accept, (f, ofd, s) => accept(socks, f, ofd, s, 0));
  on(NR.NR_accept4, (f, ofd, s) => accept(socks, f, ofd, s, f.argInt(3)));
  on(NR.NR_getsockname, (f, _ofd, s) => nameOf(socks, f, s, h.getsockname(s.hostFd)));
  on(NR.NR_getpeername, (f, _ofd, s) => nameOf(socks, f, s, h.getpeername(s.hostFd)));
  on(NR.NR_shutdown, (f, _ofd, s) => shutdown(f, s));
}
