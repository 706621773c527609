/** sendto(2), sendmsg(2), sendmmsg(2), write(2) and writev(2) on sockets. */
import { E, Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { EPOLLOUT } from '../../../shared/hostwatch.js';
import { gather, planBuffer, planIovec, planIovecAt } from '../../../shared/iobuf.js';
import {
  AF_NETLINK, AF_UNIX, MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_ZEROCOPY, SCM_RIGHTS, SO_SNDTIMEO, SOCK_STREAM, SOCKADDR_MAX, SOL_SOCKET,
} from '../abi.js';
import * as addr from '../address.js';
import { CMSG_HDR, cmsgSpace, parseControl, putHeader } from '../control.js';
import * as h from '../hostcalls.js';
import { hdr, MMSGHDR_BYTES, readHdr } from '../msghdr.js';
import { checkNetlink } from '../netlink.js';
import { onSocket } from '../on-socket.js';
import { Rights } from '../rights.js';
import { P_DONE, P_IDLE, type Sock, type Socks, ucredOf } from '../sock.js';

/** Room for SCM_RIGHTS of one ticket. */
const TICKET_BYTES = cmsgSpace(4);
/** Messages that sendmmsg has sent. Index in Frame.p. */
const P_COUNT = 4;
/** UIO_MAXIOV: longer vectors are cut. */
const VLEN_MAX = 1024;

export class Sending {
  constructor(private readonly socks: Socks, private readonly rights: Rights) {}

  /**
   * Send the planned span of `len` bytes. nameBytes: of the destination at NAME (guest form). ctrlBytes: for the host at CTRL. rows: OFDs to pass.
   * Bytes, Ret.BLOCKED, or -errno: -EPIPE with SIGPIPE (streams, without MSG_NOSIGNAL), -EAGAIN, -EMSGSIZE, -ENOTCONN, -EDESTADDRREQ, ... the host's.
   */
  send(f: Frame, ofd: number, s: Sock, len: number, nameBytes: number, ctrlBytes: number, rows: readonly number[], flags: number): number {
    const nameHost = nameBytes > 0 ? addr.toHost(f, this.socks, s, nameBytes, false) : 0;
    if (nameHost < 0) return nameHost;
    const stream = s.type === SOCK_STREAM;
    let done = f.p[P_DONE] as number;
    for (;;) {
      const n = gather(f, done, len - done);
      if (n < 0) return done > 0 ? this.end(f, done) : n;
      // A datagram goes whole or not at all.
      if (!stream && n < len) return len > n && n > 0 ? -E.EMSGSIZE : -E.EFAULT;
      const r = this.once(s, n, nameHost, ctrlBytes, done === 0 ? rows : [], flags);
      if (r === -E.EAGAIN) break;
      if (r === -E.EPIPE && stream && (flags & MSG_NOSIGNAL) === 0) this.socks.raiseSigpipe(f);
      if (r < 0) return done > 0 ? this.end(f, done) : r;
      done += r;
      f.p[P_DONE] = done;
      f.p[P_IDLE] = 0;
      if (!stream || done >= len) return this.end(f, done);
    }
    const w = this.wait(f, ofd, s, nameBytes, (flags & MSG_DONTWAIT) !== 0);
    return w < 0 && w !== Ret.BLOCKED && done > 0 ? this.end(f, done) : w;
  }

  /** The next message of the same call starts from nothing. */
  private end(f: Frame, done: number): number {
    f.p[P_DONE] = 0;
    this.socks.paths.forget(f);
    return done;
  }

  private wait(f: Frame, ofd: number, s: Sock, nameBytes: number, nowait: boolean): number {
    // A full AF_UNIX datagram receiver does not show in the sender's own readiness, unless they are connected.
    if (s.domain !== AF_UNIX || nameBytes === 0) return this.socks.waitFor(f, ofd, s, EPOLLOUT, SO_SNDTIMEO, nowait);
    const may = this.socks.mayWait(f, ofd, s, SO_SNDTIMEO, nowait);
    return may < 0 ? may : this.socks.retryLater(f);
  }

  private once(s: Sock, n: number, nameBytes: number, ctrlBytes: number, rows: readonly number[], flags: number): number {
    if (s.domain === AF_NETLINK) {
      const r = checkNetlink(host.scratch, host.DATA, n, s.protocol);
      if (r < 0) return r;
    }
    const keep = flags & ~(MSG_ZEROCOPY | MSG_CMSG_CLOEXEC);
    if (rows.length === 0) return h.sendmsg(s.hostFd, n, nameBytes, ctrlBytes, keep);
    const ticket = this.rights.issue(rows);
    if (ticket < 0) return ticket;
    const data = putHeader(host.scratch, h.CTRL + ctrlBytes, 4, SOL_SOCKET, SCM_RIGHTS);
    host.scratch.writeInt32LE(ticket, data);
    const r = h.sendmsg(s.hostFd, n, nameBytes, ctrlBytes + CMSG_HDR + 4, keep);
    host.close(ticket);
    return r;
  }

  /** One msghdr at guest address `at`. Errors in order: -EFAULT, -EINVAL, -EMSGSIZE (iovlen), -ENOBUFS, -EBADF (SCM_RIGHTS), -EPERM (SCM_CREDENTIALS). */
  sendOne(f: Frame, ofd: number, s: Sock, at: number, flags: number): number {
    let r = readHdr(f, at);
    if (r < 0) return r;
    if (hdr.nameLen < 0) return -E.EINVAL;
    const nameLen = hdr.name === 0 ? 0 : Math.min(hdr.nameLen, SOCKADDR_MAX);
    const len = planIovecAt(f, hdr.iov, hdr.iovLen);
    if (len < 0) return len;
    let rows: readonly number[] = [];
    let ctrlBytes = 0;
    if (hdr.controlLen > 0) {
      if (hdr.controlLen > h.GUEST_CTRL_MAX - TICKET_BYTES) return -E.ENOBUFS;
      r = f.copyIn(hdr.control, h.GUEST_CTRL, hdr.controlLen);
      if (r < 0) return r;
      const out = parseControl(host.scratch, h.GUEST_CTRL, hdr.controlLen, h.CTRL);
      if (typeof out === 'number') return out;
      if (out.cred !== undefined && !mayClaim(f, out.cred)) return -E.EPERM;
      if (out.fds.length > 0) {
        if (s.domain !== AF_UNIX) return -E.EINVAL;
        const found = Rights.rowsOf(f, out.fds);
        if (typeof found === 'number') return found;
        rows = found;
      }
      ctrlBytes = out.bytes;
    }
    if (nameLen > 0) {
      r = f.copyIn(hdr.name, h.NAME, nameLen);
      if (r < 0) return r;
    }
    return this.send(f, ofd, s, len, nameLen, ctrlBytes, rows, flags);
  }
}

/** unix(7): a process may send its own ids; CAP_SETUID and friends are taken as uid 0. */
function mayClaim(f: Frame, c: { pid: number; uid: number; gid: number }): boolean {
  const cred = L.taskCred(f.task);
  if (L.credEuid(cred) === 0) return true;
  return c.pid === ucredOf(f).pid && (c.uid === L.credUid(cred) || c.uid === L.credEuid(cred) || c.uid === L.credSuid(cred))
    && (c.gid === L.credGid(cred) || c.gid === L.credEgid(cred) || c.gid === L.credSgid(cred));
}

/** sendto(2). -EFAULT, -EINVAL (addrlen), then as send. */
function sendto(sending: Sending, f: Frame, ofd: number, s: Sock): number {
  const len = planBuffer(f, 1, 2);
  if (len < 0) return len;
  const nameLen = f.argU64(4) === 0 ? 0 : addr.addressArg(f, 4, f.argInt(5));
  if (nameLen < 0) return nameLen;
  return sending.send(f, ofd, s, len, nameLen, 0, [], f.argU32(3) & ~MSG_CMSG_CLOEXEC);
}

/**
 * sendmmsg(2). The number of messages sent, or the first one's error. Blocking: waits for each in turn.
 */
function sendmmsg(sending: Sending, f: Frame, ofd: number, s: Sock): number {
  const vlen = Math.min(f.argU32(2), VLEN_MAX);
  let i = f.p[P_COUNT] as number;
  for (; i < vlen; i++) {
    const at = f.argU64(1) + i * MMSGHDR_BYTES;
    const r = sending.sendOne(f, ofd, s, at, f.argU32(3));
    f.p[P_COUNT] = i;
    if (r === Ret.BLOCKED) return r;
    if (r < 0) return i > 0 ? i : r;
    host.scratchView.setUint32(host.STRUCT, r, true);
    const w = f.copyOut(at + 56, host.STRUCT, 4);
    if (w < 0) return i > 0 ? i : w;
  }
  return i;
}

export function installSendCalls(socks: Socks, rights: Rights): void {
  const sending = new Sending(socks, rights);
  const on = (nr: number, call: (f: Frame, ofd: number, s: Sock) => number): void => { socks.ep.handle(nr, onSocket(socks, call)); };
  on(NR.NR_sendto, (f, ofd, s) => sendto(sending, f, ofd, s));
  on(NR.NR_sendmsg, (f, ofd, s) => sending.sendOne(f, ofd, s, f.argU64(1), f.argU32(2)));
  on(NR.NR_sendmmsg, (f, ofd, s) => sendmmsg(sending, f, ofd, s));
  const plain = (f: Frame, ofd: number, s: Sock, len: number): number => (len < 0 ? len : sending.send(f, ofd, s, len, 0, 0, [], 0));
  on(NR.NR_write, (f, ofd, s) => plain(f, ofd, s, planBuffer(f, 1, 2)));
  on(NR.NR_writev, (f, ofd, s) => plain(f, ofd, s, planIovec(f, 1, 2)));
}
