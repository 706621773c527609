/**
 * Waiting for host fds: one-shot watches in the worker's epoll set, one per open file description.
 *
 *   idle (registered, disarmed) ── park ──► armed for the union of what its waiters want ── event ──► idle, all waiters woken
 *
 * A watch is armed only while somebody is parked on it, so that an fd that is ready while nobody waits costs nothing. It stays registered afterwards (a
 * second wait is one EPOLL_CTL_MOD) until the OFD is released: `drop`. Arming looks at the fd's state, so an event between a failed
 * read and the arming is not lost.
 *
 * fd numbers are reused: when another server closed an OFD's host fd and its number came back under another OFD before its release was heard of
 * here, the older watch is stale. The host has forgotten it already, so its entry must not be deleted by number; `byFd` tells.
 */
import type { Endpoint } from './endpoint.js';
import type { Frame } from './frame.js';
import { WaitQueue } from './wait.js';

export const EPOLLIN = 1;
export const EPOLLPRI = 2;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
export const EPOLLRDNORM = 0x40;
export const EPOLLRDBAND = 0x80;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLRDHUP = 0x2000;
export const EPOLLONESHOT = 0x40000000;
/** What a watch may ask the host for. */
const WATCHABLE = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP;

export class HostWatch {
  readonly queue = new WaitQueue();
  /** Events it is armed for; 0 = disarmed. */
  armed = 0;
  token = -1;
  constructor(readonly row: number, readonly fd: number) {}

  fire(): void {
    this.armed = 0;
    this.queue.wakeAll();
  }
}

export class HostWatches {
  private readonly byRow = new Map<number, HostWatch>();
  private readonly byFd = new Map<number, HostWatch>();

  /** onNew: called with the OFD row when a watch is made (ipc asks to be told of the release of foreign OFDs). */
  constructor(private readonly ep: Endpoint, private readonly onNew: (row: number) => void = () => undefined) {}

  get size(): number { return this.byRow.size; }

  /**
   * Park f until one of `events` (or an error, or hang-up) may be true on the OFD's host fd. Ret.BLOCKED, or -errno when the host
   * cannot watch the fd (EPERM: a regular file, which is always ready).
   */
  park(f: Frame, row: number, fd: number, events: number): number {
    const w = this.arm(row, fd, events);
    return typeof w === 'number' ? w : this.ep.park(f, w.queue);
  }

  private arm(row: number, fd: number, events: number): HostWatch | number {
    let w = this.byRow.get(row);
    if (w !== undefined && w.fd !== fd) { this.drop(row); w = undefined; }
    const want = events & WATCHABLE;
    if (w === undefined) {
      const fresh = new HostWatch(row, fd);
      const token = this.ep.watch(fd, want | EPOLLONESHOT, () => fresh.fire());
      if (token < 0) return token;
      fresh.token = token;
      fresh.armed = want;
      this.byRow.set(row, fresh);
      this.byFd.set(fd, fresh);
      this.onNew(row);
      return fresh;
    }
    // armed === 0 with want === 0 still has to arm: POLLERR and POLLHUP are always reported.
    if (w.armed === 0 || (w.armed | want) !== w.armed) {
      w.armed |= want;
      const r = this.ep.rewatch(w.token, fd, w.armed | EPOLLONESHOT);
      if (r < 0) return r;
    }
    return w;
  }

  /** The OFD is gone, or its host fd is about to be closed: forget it and wake who waits. */
  drop(row: number): void {
    const w = this.byRow.get(row);
    if (w === undefined) return;
    this.byRow.delete(row);
    if (this.byFd.get(w.fd) === w) {
      this.byFd.delete(w.fd);
      this.ep.unwatch(w.token, w.fd);
    } else {
      this.ep.unwatch(w.token, -1);
    }
    w.queue.wakeAll();
  }
}
