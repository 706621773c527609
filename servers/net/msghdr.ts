/** struct msghdr in guest memory: 56 bytes. recvmsg(2). */
import type { Frame } from '../../shared/frame.js';
import * as host from '../../shared/host.js';
import { GUEST_HDR } from './hostcalls.js';

const MSGHDR_BYTES = 56;
/** struct mmsghdr: a msghdr, then the message's length. */
export const MMSGHDR_BYTES = 64;

export interface MsgHdr { at: number; name: number; nameLen: number; iov: number; iovLen: number; control: number; controlLen: number }

const u64 = (off: number): number => host.scratchView.getUint32(GUEST_HDR + off, true) + host.scratchView.getUint32(GUEST_HDR + off + 4, true) * 4294967296;

/** One at a time: the header of the call under way. */
export const hdr: MsgHdr = { at: 0, name: 0, nameLen: 0, iov: 0, iovLen: 0, control: 0, controlLen: 0 };

/** Read the header at guest address `at` into `hdr`: 0 or -EFAULT. */
export function readHdr(f: Frame, at: number): number {
  const r = f.copyIn(at, GUEST_HDR, MSGHDR_BYTES);
  if (r < 0) return r;
  hdr.at = at;
  hdr.name = u64(0);
  hdr.nameLen = host.scratchView.getInt32(GUEST_HDR + 8, true);
  hdr.iov = u64(16);
  hdr.iovLen = u64(24);
  hdr.control = u64(32);
  hdr.controlLen = u64(40);
  return 0;
}

/** Write back what recvmsg changes: name length (if there was room for a name), control length, flags. 0 or -EFAULT. */
export function writeHdr(f: Frame, nameLen: number, controlLen: number, flags: number): number {
  const v = host.scratchView;
  let r = 0;
  if (hdr.name !== 0) {
    v.setUint32(host.STRUCT, nameLen, true);
    r = f.copyOut(hdr.at + 8, host.STRUCT, 4);
    if (r < 0) return r;
  }
  v.setUint32(host.STRUCT, controlLen, true);
  v.setUint32(host.STRUCT + 4, 0, true);
  v.setUint32(host.STRUCT + 8, flags, true);
  r = f.copyOut(hdr.at + 40, host.STRUCT, 12);
  return r < 0 ? r : 0;
}
