/**
 * eventfd objects: host eventfds, granted. This module makes them, and answers for guests without the grant.
 *
 * The host fd blocks unless the guest asked for O_NONBLOCK, and an eventfd cannot be opened a second time. So a served read asks the host not to wait
 * (RWF_NOWAIT). A served write has no such flag: it looks at the counter first, and only writes what fits. A guest that fills the counter
 * by itself in between, which takes 2^64, would hold up this server of its own container.
 *
 * Waits (B5): readers wait for a non-zero counter (host watch on host_fd), writers, whom no readiness tells of room for what they write, by the clock; a signal,
 * the task's death.
 * Source: eventfd(2).
 */
import { nowNs } from '../../shared/clock.js';
import { E, Ret } from '../../shared/errno.js';
import { Ofd, ofdAlloc, ofdFree } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { EPOLLIN } from '../../shared/hostwatch.js';
import { gather, scatter } from '../../shared/iobuf.js';
import { Why } from '../../shared/wait.js';
import { O_NONBLOCK, O_RDWR } from './abi.js';
import { statAnonymous } from './anon.js';
import { readNow } from './hostcalls.js';
import { setOps } from './ops.js';
import type { Readiness } from './ready.js';
import { U64 } from './u64.js';

/** How long a writer that finds no room waits before it looks again. */
const RETRY_NS = 5e6;

export class EventFds {
  private readonly count = new U64();

  constructor(private readonly ready: Readiness) {
    setOps(Ofd.EVENTFD, {
      read: (f, ofd, len, nowait) => this.read(f, ofd, len, nowait),
      write: (f, ofd, len, nowait) => this.write(f, ofd, len, nowait),
      fstat: (_f, _ofd, bytes, off) => statAnonymous(bytes, off),
      release: (ofd) => {
        host.close(L.ofdHostFd(ofd));
        ofdFree(ofd);
      },
      noopSeek: true,
    });
  }

  /** A new eventfd with the given counter; flags as eventfd2(2) has them, without EFD_CLOEXEC: OFD row or -ENFILE. */
  create(init: number, flags: number): number {
    const fd = host.eventfd(init, flags);
    if (fd < 0) return fd === -E.EMFILE ? -E.ENFILE : fd;
    const row = ofdAlloc(L.SRV_IPC, Ofd.EVENTFD, 0, O_RDWR | (flags & O_NONBLOCK), fd);
    if (row < 0) {
      host.close(fd);
      return row;
    }
    L.setOfdPollable(row, 1);
    L.setOfdGrantable(row, L.HINT_READ | L.HINT_WRITE);
    return row;
  }

  /** -EINVAL (less than 8 bytes), -EAGAIN. */
  private read(f: Frame, ofd: number, len: number, nowait: boolean): number {
    if (len < 8) return -E.EINVAL;
    const r = readNow(L.ofdHostFd(ofd), host.DATA);
    if (r === -E.EAGAIN) return mayWait(f, ofd, nowait) || this.ready.park(f, ofd, EPOLLIN);
    return r < 0 ? r : scatter(f, 8);
  }

  /** -EINVAL (less than 8 bytes, or the value 2^64-1), -EAGAIN, -EFAULT. */
  private write(f: Frame, ofd: number, len: number, nowait: boolean): number {
    if (len < 8) return -E.EINVAL;
    const got = gather(f, 0, 8);
    if (got < 8) return got < 0 ? got : -E.EFAULT;
    const lo = host.scratchView.getUint32(host.DATA, true);
    const hi = host.scratchView.getUint32(host.DATA + 4, true);
    if (lo === 0xffffffff && hi === 0xffffffff) return -E.EINVAL;
    const fd = L.ofdHostFd(ofd);
    if (!counter(fd, this.count)) return -E.EIO;
    if (!this.count.addBelowMax(lo, hi)) {
      f.deadlineNs = nowNs() + RETRY_NS;
      return mayWait(f, ofd, nowait) || Ret.BLOCKED;
    }
    host.scratchView.setUint32(host.STRUCT, lo, true);
    host.scratchView.setUint32(host.STRUCT + 4, hi, true);
    return host.write(fd, host.STRUCT, 8);
  }
}

/** 0 = the call may wait; else its answer. */
function mayWait(f: Frame, ofd: number, nowait: boolean): number {
  if (nowait || (L.ofdFlags(ofd) & O_NONBLOCK) !== 0) return -E.EAGAIN;
  return f.why === Why.SIGNAL ? -E.ERESTARTSYS : 0;
}

/** The counter of a host eventfd, from proc(5), fdinfo: false when it cannot be read. */
function counter(fd: number, to: U64): boolean {
  const text = host.readSmallFile(host.AT_FDCWD, `/proc/self/fdinfo/${fd}`);
  const m = typeof text === 'string' ? /eventfd-count:\s*([0-9a-f]+)/.exec(text) : null;
  if (m === null) return false;
  const hex = (m[1] as string).padStart(16, '0');
  to.set(parseInt(hex.slice(8), 16), parseInt(hex.slice(0, 8), 16));
  return true;
}
