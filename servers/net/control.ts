/**
 * Control data of messages: the guest's cmsg list to what the host may see, and back. Pure parsing and building; cmsg(3).
 *
 * struct cmsghdr { size_t len; int level; int type; } data, padded to 8. len counts header and data without the padding.
 */
import { E } from '../../shared/errno.js';
import { SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET } from './abi.js';

export const CMSG_HDR = 16;
export const cmsgSpace = (data: number): number => CMSG_HDR + ((data + 7) & ~7);

export interface Outgoing {
  /** Guest fds of SCM_RIGHTS, in order. */
  readonly fds: number[];
  /** SCM_CREDENTIALS: pid, uid, gid. */
  cred: { pid: number; uid: number; gid: number } | undefined;
  /** Bytes written to the host's control buffer: everything else, as it was. */
  bytes: number;
}

/** Read `len` bytes of guest control data at `from`; what goes to the host as it is goes to `to`. -EINVAL. */
export function parseControl(b: Buffer, from: number, len: number, to: number): Outgoing | number {
  const out: Outgoing = { fds: [], cred: undefined, bytes: 0 };
  let at = 0;
  while (at + CMSG_HDR <= len) {
    const n = b.readUInt32LE(from + at);
    if (b.readUInt32LE(from + at + 4) !== 0 || n < CMSG_HDR || at + n > len) return -E.EINVAL;
    const level = b.readInt32LE(from + at + 8);
    const type = b.readInt32LE(from + at + 12);
    const data = from + at + CMSG_HDR;
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      for (let i = 0; i + 4 <= n - CMSG_HDR; i += 4) out.fds.push(b.readInt32LE(data + i));
      if (out.fds.length > SCM_MAX_FD) return -E.EINVAL;
    } else if (level === SOL_SOCKET && type === SCM_CREDENTIALS) {
      if (n !== CMSG_HDR + 12) return -E.EINVAL;
      out.cred = { pid: b.readInt32LE(data), uid: b.readUInt32LE(data + 4), gid: b.readUInt32LE(data + 8) };
    } else {
      b.copy(b, to + out.bytes, from + at, from + at + n);
      out.bytes += cmsgSpace(n - CMSG_HDR);
    }
    at += cmsgSpace(n - CMSG_HDR);
  }
  return out;
}

/** Write a header; returns the offset of its data. */
export function putHeader(b: Buffer, at: number, dataBytes: number, level: number, type: number): number {
  b.writeUInt32LE(CMSG_HDR + dataBytes, at);
  b.writeUInt32LE(0, at + 4);
  b.writeInt32LE(level, at + 8);
  b.writeInt32LE(type, at + 12);
  return at + CMSG_HDR;
}

/** One cmsg of received control data. */
export interface Cmsg { level: number; type: number; data: number; bytes: number }

/** Call back for each cmsg of `len` bytes at `from`. The record is reused. */
export function eachCmsg(b: Buffer, from: number, len: number, cb: (c: Cmsg) => void): void {
  const c: Cmsg = { level: 0, type: 0, data: 0, bytes: 0 };
  let at = 0;
  while (at + CMSG_HDR <= len) {
    const n = b.readUInt32LE(from + at);
    if (n < CMSG_HDR || at + n > len) return;
    c.level = b.readInt32LE(from + at + 8);
    c.type = b.readInt32LE(from + at + 12);
    c.data = from + at + CMSG_HDR;
    c.bytes = n - CMSG_HDR;
    cb(c);
    at += cmsgSpace(n - CMSG_HDR);
  }
}
