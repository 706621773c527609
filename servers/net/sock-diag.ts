/**
 * NETLINK_SOCK_DIAG, which ss(8) reads: the host answers about all its sockets, and what reaches the guest is about the container's own, with the
 * guest's owners and AF_UNIX names. Such a socket is never granted. Only questions may be sent (netlink.ts): the same protocol destroys sockets.
 *
 * A datagram of the host's may have nothing left in it: then the next one is read. So each is taken whole, whatever room the guest has, filtered, and cut
 * afterwards. Sources: sock_diag(7), linux/inet_diag.h, linux/unix_diag.h, linux/netlink_diag.h, linux/packet_diag.h.
 */
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { IO_MAX } from '../../shared/iobuf.js';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, MSG_PEEK, MSG_TRUNC } from './abi.js';
import * as h from './hostcalls.js';
import { byInode } from './proc-net.js';
import type { Sock, Socks } from './sock.js';

const NLMSG_HDR = 16, NLMSG_ERROR = 2, NLM_F_MULTI = 2, NLMSG_MIN_TYPE = 16;
/** Offsets in the answers, after struct nlmsghdr. inet_diag_msg: idiag_uid, idiag_inode. */
const INET_UID = 64, INET_INODE = 68, INET_BYTES = 72;
const UNIX_INODE = 4, UNIX_BYTES = 16, UNIX_DIAG_NAME = 0, UNIX_DIAG_UID = 7;
const NETLINK_INODE = 16, PACKET_INODE = 4;
const RTA_HDR = 4;
const align = (n: number): number => (n + 3) & ~3;

interface Own { readonly uid: number }
export interface Naming {
  readonly own: ReadonlyMap<number, Own>;
  /** Connections without a socket are ours too. */
  readonly orphans: boolean;
  /** sun_path of the host to the guest's, both latin1 with a leading NUL when abstract; '' = none. */
  readonly nameOf: (path: string) => string;
}

/** Attributes of a unix_diag_msg with the guest's name and owner. */
function unixAttributes(b: Buffer, from: number, end: number, own: Own, nameOf: Naming['nameOf']): Buffer[] {
  const out: Buffer[] = [];
  for (let at = from; at + RTA_HDR <= end;) {
    const len = b.readUInt16LE(at), type = b.readUInt16LE(at + 2);
    if (len < RTA_HDR || at + len > end) break;
    let data = b.subarray(at + RTA_HDR, at + len);
    at += align(len);
    if (type === UNIX_DIAG_NAME) data = Buffer.from(nameOf(data.latin1Slice()), 'latin1');
    else if (type === UNIX_DIAG_UID && data.length === 4) { data = Buffer.alloc(4); data.writeUInt32LE(own.uid); }
    if (type === UNIX_DIAG_NAME && data.length === 0) continue;
    const attr = Buffer.alloc(align(RTA_HDR + data.length));
    attr.writeUInt16LE(RTA_HDR + data.length, 0);
    attr.writeUInt16LE(type, 2);
    data.copy(attr, RTA_HDR);
    out.push(attr);
  }
  return out;
}

/** -ENOENT in answer to a question about one socket that is not ours. */
function notFound(message: Buffer): Buffer {
  const out = Buffer.alloc(NLMSG_HDR + 4 + NLMSG_HDR);
  message.copy(out, 0, 0, NLMSG_HDR);
  out.writeUInt32LE(out.length, 0);
  out.writeUInt16LE(NLMSG_ERROR, 4);
  out.writeUInt16LE(0, 6);
  out.writeInt32LE(-E.ENOENT, NLMSG_HDR);
  return out;
}

/** One message as the guest may see it: itself (changed in place), another, or undefined. */
function shown(m: Buffer, n: Naming): Buffer | undefined {
  if (m.readUInt16LE(4) < NLMSG_MIN_TYPE || m.length <= NLMSG_HDR) return m;
  const body = m.subarray(NLMSG_HDR);
  const family = body[0];
  const at = family === AF_INET || family === AF_INET6 ? INET_INODE : family === AF_UNIX ? UNIX_INODE : family === AF_NETLINK ? NETLINK_INODE : family === AF_PACKET ? PACKET_INODE : -1;
  const ino = at >= 0 && body.length >= at + 4 ? body.readUInt32LE(at) : -1;
  const own = n.own.get(ino);
  if (own === undefined) {
    if (ino === 0 && n.orphans && at === INET_INODE) return m;
    return (m.readUInt16LE(6) & NLM_F_MULTI) !== 0 ? undefined : notFound(m);
  }
  if (at === INET_INODE && body.length >= INET_BYTES) body.writeUInt32LE(own.uid, INET_UID);
  if (family !== AF_UNIX || body.length < UNIX_BYTES) return m;
  const out = Buffer.concat([m.subarray(0, NLMSG_HDR + UNIX_BYTES), ...unixAttributes(m, NLMSG_HDR + UNIX_BYTES, m.length, own, n.nameOf)]);
  out.writeUInt32LE(out.length, 0);
  return out;
}

/** What a guest may see of a datagram of the host's. Empty when nothing is left. Pure; changes `b`. */
export function filterDiag(b: Buffer, n: Naming): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at + NLMSG_HDR <= b.length;) {
    const len = b.readUInt32LE(at);
    if (len < NLMSG_HDR || at + len > b.length) break;
    const m = shown(b.subarray(at, at + len), n);
    at += align(len);
    if (m === undefined) continue;
    kept.push(m);
    if (m.length % 4 !== 0) kept.push(Buffer.alloc(align(m.length) - m.length));
  }
  return Buffer.concat(kept);
}

/** recvmsg(2) on such a socket, as hostcalls' recvmsg: up to `room` bytes at DATA; with MSG_TRUNC the whole length. */
export function receiveDiag(socks: Socks, s: Sock, room: number, ctrlRoom: number, flags: number): number {
  const naming: Naming = { own: byInode(socks), orphans: socks.network.hasNamespace, nameOf: (path) => socks.names.guestPath(path) };
  for (;;) {
    const n = h.recvmsg(s.hostFd, IO_MAX, ctrlRoom, flags & ~MSG_TRUNC);
    if (n <= 0) return n;
    const left = filterDiag(Buffer.from(host.scratch.subarray(host.DATA, host.DATA + n)), naming);
    if (left.length === 0) {
      // Looked at only: take it away, or it would be there for ever.
      if ((flags & MSG_PEEK) !== 0) h.recvmsg(s.hostFd, IO_MAX, 0, flags & ~(MSG_PEEK | MSG_TRUNC));
      continue;
    }
    left.copy(host.scratch, host.DATA, 0, Math.min(left.length, room));
    if (left.length > room) h.addFlags(MSG_TRUNC);
    return (flags & MSG_TRUNC) !== 0 ? left.length : Math.min(left.length, room);
  }
}
