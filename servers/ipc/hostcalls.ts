/** Host calls of this server that shared/host.ts does not have. x86-64 numbers. */
import { STRUCT, scratch, scratchView } from '../../shared/host.js';
import { native } from '../../shared/native.js';

const enum H { fstat = 5, epoll_wait = 232, epoll_ctl = 233, splice = 275, tee = 276, epoll_create1 = 291, preadv2 = 327 }

/** sizeof(struct epoll_event): packed on x86-64. */
export const EVENT_BYTES = 12;

/** The host side of an epoll instance; an interface, so that tests can stand in for the host. */
export interface HostEpoll {
  create(): number;
  /** lo, hi: the data. */
  ctl(epfd: number, op: number, fd: number, events: number, lo: number, hi: number): number;
  /** Ready events, packed, at scratch `off`; never blocks. */
  wait(epfd: number, off: number, max: number): number;
}

export const hostEpoll: HostEpoll = {
  create: () => native.sys(H.epoll_create1, 0, 0o2000000),
  ctl: (epfd, op, fd, events, lo, hi) => {
    scratchView.setUint32(STRUCT, events >>> 0, true);
    scratchView.setUint32(STRUCT + 4, lo, true);
    scratchView.setUint32(STRUCT + 8, hi, true);
    return native.sys(H.epoll_ctl, 0b1000, epfd, op, fd, STRUCT);
  },
  wait: (epfd, off, max) => native.sys(H.epoll_wait, 0b10, epfd, off, max, 0),
};

/** sizeof(struct stat) on x86-64. */
export const STAT_BYTES = 144;
export const ST_MODE = 24;
export const ST_UID = 28;
export const ST_GID = 32;

/** fstat(2) into scratch at STRUCT. */
export const fstat = (fd: number): number => native.sys(H.fstat, 0b10, fd, STRUCT);

/** Copy the struct stat at STRUCT into `bytes`. */
export const takeStat = (bytes: Buffer, off: number): void => { scratch.copy(bytes, off, STRUCT, STRUCT + STAT_BYTES); };

export const SPLICE_F_NONBLOCK = 2;
/** splice(2); offsets are scratch offsets of a 64-bit position, -1 = none. */
export function splice(from: number, fromPos: number, to: number, toPos: number, len: number, flags: number): number {
  const mask = (fromPos >= 0 ? 0b10 : 0) | (toPos >= 0 ? 0b1000 : 0);
  return native.sys(H.splice, mask, from, fromPos >= 0 ? fromPos : 0, to, toPos >= 0 ? toPos : 0, len, flags);
}
export const tee = (from: number, to: number, len: number, flags: number): number => native.sys(H.tee, 0, from, to, len, flags);

/** preadv2(2): RWF_NOWAIT. */
const RWF_NOWAIT = 8;
const IOV = STRUCT + 64;
/** Eight bytes to scratch at off, at the current position: 8, or -EAGAIN instead of waiting. */
export function readNow(fd: number, off: number): number {
  const at = native.scratchAddress() + off;
  scratchView.setUint32(IOV, at >>> 0, true);
  scratchView.setUint32(IOV + 4, Math.floor(at / 4294967296), true);
  scratchView.setUint32(IOV + 8, 8, true);
  scratchView.setUint32(IOV + 12, 0, true);
  return native.sys(H.preadv2, 0b10, fd, IOV, 1, -1, -1, RWF_NOWAIT);
}
