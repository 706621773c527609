/**
 * eventfd objects: a 64-bit counter, all of it here. No host fd: readiness is ofd.ready, and the fd is never granted (an eventfd cannot be opened
 * again, so a served read could not be kept from blocking).
 *
 * Waits (B5): readers wait for a non-zero counter, writers for room; woken by the other side, a signal, the task's death.
 * Source: eventfd(2); fs/eventfd.c for what poll reports.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import { Ofd, ofdAlloc, ofdFree } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { DATA, scratchView } from '../../shared/host.js';
import { EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '../../shared/hostwatch.js';
import { gather, scatter } from '../../shared/iobuf.js';
import { WaitQueue, Why } from '../../shared/wait.js';
import { O_NONBLOCK, O_RDWR } from './abi.js';
import { statAnonymous } from './anon.js';
import { setOps } from './ops.js';
import type { Readiness } from './ready.js';
import { Slab } from './slab.js';
import { U64 } from './u64.js';

class EventFd {
  readonly count = new U64();
  readonly readers = new WaitQueue();
  readonly writers = new WaitQueue();
  constructor(readonly semaphore: boolean) {}
}

export class EventFds {
  private readonly objects = new Slab<EventFd>();

  constructor(private readonly ep: Endpoint, private readonly ready: Readiness) {
    setOps(Ofd.EVENTFD, {
      read: (f, ofd, len, nowait) => this.read(f, ofd, len, nowait),
      write: (f, ofd, len, nowait) => this.write(f, ofd, len, nowait),
      fstat: (_f, _ofd, bytes, off) => statAnonymous(bytes, off),
      release: (ofd, obj) => { this.objects.remove(obj); ofdFree(ofd); },
      noopSeek: true,
    });
  }

  /** A new eventfd with the given counter: OFD row or -ENFILE. */
  create(init: number, semaphore: boolean, flags: number): number {
    const e = new EventFd(semaphore);
    e.count.set(init, 0);
    const obj = this.objects.add(e);
    const row = ofdAlloc(L.SRV_IPC, Ofd.EVENTFD, obj, O_RDWR | flags);
    if (row < 0) this.objects.remove(obj); else this.ready.publish(row, mask(e));
    return row;
  }

  /** -EINVAL (less than 8 bytes), -EAGAIN. */
  private read(f: Frame, ofd: number, len: number, nowait: boolean): number {
    const e = this.objects.get(L.ofdObj(ofd));
    if (e === undefined) return -E.EBADF;
    if (len < 8) return -E.EINVAL;
    if (e.count.isZero) {
      if (nowait || (L.ofdFlags(ofd) & O_NONBLOCK) !== 0) return -E.EAGAIN;
      if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
      return this.ep.park(f, e.readers);
    }
    scratchView.setUint32(DATA, e.semaphore ? 1 : e.count.lo, true);
    scratchView.setUint32(DATA + 4, e.semaphore ? 0 : e.count.hi, true);
    if (e.semaphore) e.count.decrement(); else e.count.set(0, 0);
    e.writers.wakeAll();
    this.ready.publish(ofd, mask(e));
    return scatter(f, 8);
  }

  /** -EINVAL (less than 8 bytes, or the value 2^64-1), -EAGAIN, -EFAULT. */
  private write(f: Frame, ofd: number, len: number, nowait: boolean): number {
    const e = this.objects.get(L.ofdObj(ofd));
    if (e === undefined) return -E.EBADF;
    if (len < 8) return -E.EINVAL;
    const got = gather(f, 0, 8);
    if (got < 8) return got < 0 ? got : -E.EFAULT;
    const lo = scratchView.getUint32(DATA, true);
    const hi = scratchView.getUint32(DATA + 4, true);
    if (lo === 0xffffffff && hi === 0xffffffff) return -E.EINVAL;
    if (!e.count.addBelowMax(lo, hi)) {
      if (nowait || (L.ofdFlags(ofd) & O_NONBLOCK) !== 0) return -E.EAGAIN;
      if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
      return this.ep.park(f, e.writers);
    }
    e.readers.wakeAll();
    this.ready.publish(ofd, mask(e));
    return 8;
  }
}

function mask(e: EventFd): number {
  return (e.count.isZero ? 0 : EPOLLIN | EPOLLRDNORM) | (e.count.isMax ? EPOLLERR : 0) | (e.count.isFull ? 0 : EPOLLOUT | EPOLLWRNORM);
}
