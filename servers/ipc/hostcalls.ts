/** Host calls of this server that shared/host.ts does not have. x86-64 numbers. */
import { STRUCT, scratch, scratchView } from '../../shared/host.js';
import { native } from '../../shared/native.js';

const enum H { fstat = 5, epoll_wait = 232, epoll_ctl = 233, splice = 275, tee = 276, epoll_create1 = 291, dup3 = 292 }

/** sizeof(struct epoll_event): packed on x86-64. */
export const EVENT_BYTES = 12;

/** The host side of an epoll instance; an interface, so that tests can stand in for the host. */
export interface HostEpoll {
  create(): number;
  ctl(epfd: number, op: number, fd: number, events: number, id: number): number;
  /** Ready events, packed, at scratch `off`; never blocks. */
  wait(epfd: number, off: number, max: number): number;
  /** Make `fd` refer to the set `from`, and close `from`. */
  replace(fd: number, from: number): number;
}

export const hostEpoll: HostEpoll = {
  create: () => native.sys(H.epoll_create1, 0, 0o2000000),
  ctl: (epfd, op, fd, events, id) => {
    scratchView.setUint32(STRUCT, events >>> 0, true);
    scratchView.setUint32(STRUCT + 4, id, true);
    scratchView.setUint32(STRUCT + 8, 0, true);
    return native.sys(H.epoll_ctl, 0b1000, epfd, op, fd, STRUCT);
  },
  wait: (epfd, off, max) => native.sys(H.epoll_wait, 0b10, epfd, off, max, 0),
  replace: (fd, from) => {
    const r = native.sys(H.dup3, 0, from, fd, 0o2000000);
    if (r >= 0) native.sys(3 /* close */, 0, from);
    return r;
  },
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
