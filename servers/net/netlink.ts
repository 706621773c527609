/**
 * What a guest may ask the host's routing tables: questions only. Pure. carrick may run as root on the host, so nothing that changes links, addresses or routes
 * may pass, whatever the host would allow. rtnetlink(7): message types come in fours, NEW, DEL, GET, SET, from RTM_BASE 16.
 */
import { E } from '../../shared/errno.js';

const NLMSG_HDR = 16;
const NLMSG_MIN_TYPE = 16;
const GET = 2;

/** 0 when every message of the `len` bytes at `off` is a question or a control message; -EPERM otherwise. */
export function checkNetlink(b: Buffer, off: number, len: number): number {
  let at = 0;
  while (at + NLMSG_HDR <= len) {
    const n = b.readUInt32LE(off + at);
    const type = b.readUInt16LE(off + at + 4);
    if (type >= NLMSG_MIN_TYPE && (type & 3) !== GET) return -E.EPERM;
    if (n < NLMSG_HDR) return 0; // the host stops here too
    at += (n + 3) & ~3;
  }
  return 0;
}
