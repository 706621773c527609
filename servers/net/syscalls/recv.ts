/** recvfrom(2), recvmsg(2), recvmmsg(2), read(2) and readv(2) on sockets. */
import { nowNs, readTimespec } from '../../../shared/clock.js';
import { E, Ret } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdInstall, nofile, ofdUnref } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { announceFd, grantFds } from '../../../shared/grant.js';
import * as host from '../../../shared/host.js';
import { EPOLLIN } from '../../../shared/hostwatch.js';
import { IO_MAX, planBuffer, planIovec, planIovecAt, scatter } from '../../../shared/iobuf.js';
import { Why } from '../../../shared/wait.js';
import {
  AF_UNIX, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_WAITALL, MSG_WAITFORONE, SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SO_RCVTIMEO,
  SOCK_STREAM, SOL_SOCKET,
} from '../abi.js';
import * as addr from '../address.js';
import { CMSG_HDR, cmsgSpace, eachCmsg, putHeader } from '../control.js';
import * as h from '../hostcalls.js';
import { hdr, MMSGHDR_BYTES, readHdr, writeHdr } from '../msghdr.js';
import { onSocket } from '../on-socket.js';
import type { Rights } from '../rights.js';
import { receiveDiag } from '../sock-diag.js';
import { P_DONE, P_IDLE, type Sock, type Socks } from '../sock.js';

const P_COUNT = 4;
const P_UNTIL = 5;
const VLEN_MAX = 1024;
/** Most fds that one reply can grant; the others are served. grant.ts. */
const GRANTS_PER_REPLY = 4;

export class Receiving {
  constructor(private readonly socks: Socks, private readonly rights: Rights) {}

  /**
   * Receive into the planned span of `len` bytes. Bytes, 0 = end, Ret.BLOCKED, or -errno (-EAGAIN, -ENOTCONN, -ECONNREFUSED, ... the host's). The
   * sender's address is then at NAME, control data at CTRL. With MSG_WAITALL a stream is read until `len` bytes came.
   */
  receive(f: Frame, ofd: number, s: Sock, len: number, ctrlRoom: number, flags: number): number {
    const all = (flags & MSG_WAITALL) !== 0 && s.type === SOCK_STREAM && (flags & (MSG_PEEK | MSG_OOB)) === 0;
    let done = f.p[P_DONE] as number;
    for (;;) {
      const room = Math.min(len - done, IO_MAX);
      const n = s.isDiag ? receiveDiag(this.socks, s, room, ctrlRoom, flags & ~MSG_CMSG_CLOEXEC) : h.recvmsg(s.hostFd, room, ctrlRoom, flags & ~MSG_CMSG_CLOEXEC);
      if (n === -E.EAGAIN) break;
      if (n <= 0) return done > 0 ? this.end(f, done) : n;
      // MSG_TRUNC lets a datagram's length exceed the buffer.
      const put = scatter(f, Math.min(n, len - done, IO_MAX), done);
      if (put < 0) { this.discard(); return done > 0 ? this.end(f, done) : put; }
      if (!all) return this.end(f, n);
      done += put;
      f.p[P_DONE] = done;
      f.p[P_IDLE] = 0;
      if (done >= len || h.gotCtrl > 0) return this.end(f, done);
    }
    const nowait = (flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)) !== 0;
    const w = this.socks.waitFor(f, ofd, s, EPOLLIN, SO_RCVTIMEO, nowait);
    return w !== Ret.BLOCKED && done > 0 ? this.end(f, done) : w;
  }

  private end(f: Frame, done: number): number {
    f.p[P_DONE] = 0;
    return done;
  }

  /** Fds of a message that cannot be delivered are closed. */
  private discard(): void {
    eachCmsg(host.scratch, h.CTRL, h.gotCtrl, (c) => {
      if (c.level !== SOL_SOCKET || c.type !== SCM_RIGHTS) return;
      for (let i = 0; i + 4 <= c.bytes; i += 4) for (const row of this.rights.redeem(host.scratch.readInt32LE(c.data + i))) ofdUnref(this.socks.ep, row);
    });
  }

  /** read, recv, recvfrom: no control data; passed fds are closed, as on Linux. */
  plain(f: Frame, ofd: number, s: Sock, len: number, flags: number): number {
    if (len < 0) return len;
    return this.receive(f, ofd, s, len, 0, flags);
  }

  /** One msghdr at guest address `at`: bytes, Ret.BLOCKED, or -errno (-EFAULT, -EMSGSIZE, -EINVAL first). */
  receiveOne(f: Frame, ofd: number, s: Sock, at: number, flags: number): number {
    const r = readHdr(f, at);
    if (r < 0) return r;
    if (hdr.nameLen < 0) return -E.EINVAL;
    const len = planIovecAt(f, hdr.iov, hdr.iovLen);
    if (len < 0) return len;
    const n = this.receive(f, ofd, s, len, h.CTRL_MAX, flags);
    if (n < 0) return n;
    const nameLen = h.nameLen > 0 ? addr.toGuest(this.socks.names, s.domain) : 0;
    if (hdr.name !== 0 && nameLen > 0) {
      const e = f.copyOut(hdr.name, h.NAME, Math.min(hdr.nameLen, nameLen));
      if (e < 0) { this.discard(); return e; }
    }
    const shown = h.gotFlags & ~MSG_CMSG_CLOEXEC;
    const ctrl = this.control(f, s, (flags & MSG_CMSG_CLOEXEC) !== 0);
    const e = writeHdr(f, nameLen, ctrl.bytes, shown | (ctrl.cut ? MSG_CTRUNC : 0) | (flags & MSG_CMSG_CLOEXEC));
    return e < 0 ? e : n;
  }

  /** Control data to the guest: fds installed, credentials translated, the rest as it came. What does not fit is dropped (MSG_CTRUNC). */
  private control(f: Frame, s: Sock, cloexec: boolean): { bytes: number; cut: boolean } {
    const b = host.scratch;
    const room = Math.min(hdr.control === 0 ? 0 : hdr.controlLen, h.GUEST_CTRL_MAX);
    const out = { bytes: 0, cut: false };
    if (h.gotCtrl === 0) return out;
    const rows: number[] = [];
    eachCmsg(b, h.CTRL, h.gotCtrl, (c) => {
      if (c.level === SOL_SOCKET && c.type === SCM_RIGHTS) {
        for (let i = 0; i + 4 <= c.bytes; i += 4) rows.push(...this.rights.redeem(b.readInt32LE(c.data + i)));
        return;
      }
      if (c.level === SOL_SOCKET && c.type === SCM_CREDENTIALS && c.bytes === 12 && s.domain === AF_UNIX) this.credentials(s, c.data);
      const fits = Math.min(c.bytes, room - out.bytes - CMSG_HDR);
      if (fits < c.bytes) out.cut = true;
      if (fits < 0) return;
      const data = putHeader(b, h.GUEST_CTRL + out.bytes, fits, c.level, c.type);
      b.copy(b, data, c.data, c.data + fits);
      out.bytes = Math.min(room, out.bytes + cmsgSpace(fits));
    });
    if (rows.length > 0) this.deliverFds(f, rows, room, cloexec, out);
    if (out.bytes > 0 && f.copyOut(hdr.control, h.GUEST_CTRL, out.bytes) < 0) { out.bytes = 0; out.cut = true; }
    return out;
  }

  /** The host knows only carrick itself; the guest means the peer. */
  private credentials(s: Sock, at: number): void {
    const p = s.peer;
    host.scratch.writeInt32LE(p?.pid ?? 0, at);
    host.scratch.writeUInt32LE(p?.uid ?? 65534, at + 4);
    host.scratch.writeUInt32LE(p?.gid ?? 65534, at + 8);
  }

  /** Install received OFDs while there is room in the control buffer and the file table; the others are let go. */
  private deliverFds(f: Frame, rows: readonly number[], room: number, cloexec: boolean, out: { bytes: number; cut: boolean }): void {
    const max = Math.min(rows.length, SCM_MAX_FD, Math.max(0, Math.floor((room - out.bytes - CMSG_HDR) / 4)));
    const fds: number[] = [];
    let ix = 0;
    for (; ix < max; ix++) {
      const fd = fdInstall(filesOf(f), rows[ix] as number, cloexec, nofile(f.tg));
      if (fd < 0) break;
      fds.push(fd);
    }
    for (const row of rows.slice(ix)) { ofdUnref(this.socks.ep, row); out.cut = true; }
    if (fds.length === 0) return;
    const data = putHeader(host.scratch, h.GUEST_CTRL + out.bytes, 4 * fds.length, SOL_SOCKET, SCM_RIGHTS);
    fds.forEach((fd, i) => { host.scratch.writeInt32LE(fd, data + 4 * i); });
    out.bytes = Math.min(room, out.bytes + cmsgSpace(4 * fds.length));
    for (let i = GRANTS_PER_REPLY; i < fds.length; i++) announceFd(f, fds[i] as number, rows[i] as number);
    grantFds(f, fds.slice(0, GRANTS_PER_REPLY), rows.slice(0, GRANTS_PER_REPLY), cloexec);
  }
}

/** recvfrom(2). -EFAULT, -EINVAL, then as receive. */
function recvfrom(receiving: Receiving, socks: Socks, f: Frame, ofd: number, s: Sock): number {
  const n = receiving.plain(f, ofd, s, planBuffer(f, 1, 2), f.argU32(3) & ~MSG_CMSG_CLOEXEC);
  if (n < 0 || f.argU64(4) === 0) return n;
  const r = addr.putAddress(f, f.argU64(4), f.argU64(5), h.nameLen > 0 ? addr.toGuest(socks.names, s.domain) : 0);
  return r < 0 ? r : n;
}

/**
 * recvmmsg(2). The number of messages, or the first one's error. The timeout is looked at after each message only, as on Linux.
 */
function recvmmsg(receiving: Receiving, f: Frame, ofd: number, s: Sock): number {
  const vlen = Math.min(f.argU32(2), VLEN_MAX);
  let flags = f.argU32(3);
  if (f.why === Why.FIRST && f.argU64(4) !== 0) {
    const at = f.inOff(4);
    if (at < 0) return at;
    const ns = readTimespec(f.view, at);
    if (Number.isNaN(ns)) return -E.EINVAL;
    f.p[P_UNTIL] = nowNs() + ns;
  }
  const until = f.p[P_UNTIL] as number;
  let i = f.p[P_COUNT] as number;
  while (i < vlen) {
    if (i > 0 && (flags & MSG_WAITFORONE) !== 0) flags |= MSG_DONTWAIT;
    const at = f.argU64(1) + i * MMSGHDR_BYTES;
    const r = receiving.receiveOne(f, ofd, s, at, flags & ~MSG_WAITFORONE);
    if (r === Ret.BLOCKED) return r;
    if (r < 0) return i > 0 ? i : r;
    host.scratchView.setUint32(host.STRUCT, r, true);
    const w = f.copyOut(at + 56, host.STRUCT, 4);
    if (w < 0) return i > 0 ? i : w;
    f.p[P_COUNT] = ++i;
    if (until !== 0 && nowNs() >= until) break;
  }
  return i;
}

export function installRecvCalls(socks: Socks, rights: Rights): void {
  const receiving = new Receiving(socks, rights);
  const on = (nr: number, call: (f: Frame, ofd: number, s: Sock) => number): void => { socks.ep.handle(nr, onSocket(socks, call)); };
  on(NR.NR_recvfrom, (f, ofd, s) => recvfrom(receiving, socks, f, ofd, s));
  on(NR.NR_recvmsg, (f, ofd, s) => receiving.receiveOne(f, ofd, s, f.argU64(1), f.argU32(2)));
  on(NR.NR_recvmmsg, (f, ofd, s) => recvmmsg(receiving, f, ofd, s));
  on(NR.NR_read, (f, ofd, s) => receiving.plain(f, ofd, s, planBuffer(f, 1, 2), 0));
  on(NR.NR_readv, (f, ofd, s) => receiving.plain(f, ofd, s, planIovec(f, 1, 2), 0));
}
