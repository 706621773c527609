/**
 * What a guest may ask the host by netlink: questions only. Pure. carrick may run as root on the host, so nothing that changes links, addresses or routes, or
 * destroys sockets, may pass, whatever the host would allow. rtnetlink(7): message types come in fours, NEW, DEL, GET, SET, from RTM_BASE 16.
 * sock_diag(7): SOCK_DIAG_BY_FAMILY and its two predecessors ask.
 */
import { E } from '../../shared/errno.js';

export const NETLINK_ROUTE = 0, NETLINK_SOCK_DIAG = 4;

const NLMSG_HDR = 16;
const NLMSG_MIN_TYPE = 16;
const GET = 2;
/** TCPDIAG_GETSOCK, DCCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY. */
const DIAG_QUESTIONS: ReadonlySet<number> = new Set([18, 19, 20]);

const isQuestion = (protocol: number, type: number): boolean => (protocol === NETLINK_SOCK_DIAG ? DIAG_QUESTIONS.has(type) : (type & 3) === GET);

/** 0 when every message of the `len` bytes at `off` is a question or a control message; -EPERM otherwise. */
export function checkNetlink(b: Buffer, off: number, len: number, protocol: number): number {
  let at = 0;
  while (at + NLMSG_HDR <= len) {
    const n = b.readUInt32LE(off + at);
    const type = b.readUInt16LE(off + at + 4);
    if (type >= NLMSG_MIN_TYPE && !isQuestion(protocol, type)) return -E.EPERM;
    if (n < NLMSG_HDR) return 0; // the host stops here too
    at += (n + 3) & ~3;
  }
  return 0;
}
