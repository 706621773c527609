/**
 * An epoll instance: who is watched, and who is ready.
 *
 *   members that are grants ──guest's epoll_ctl──┐
 *   HOST items ─────────────our epoll_ctl────────┼──► a host epoll set (hostFd), granted to the guest
 *   SOFT items ──► ready list here ──► bell ─────┘    readable when, and only when, this instance has events
 *
 * Members whose truth is a pollable host fd live in a host epoll set: level and edge triggering, one-shot, exclusive wake-ups, nesting and
 * its limits, the end of a member with its last descriptor are the host's own. A guest that has the member as a grant adds it by itself, under its own fd
 * number (native/stub/epoll.c), and we never hear of it; we add the others, under our fd numbers, and know only those. All carry the guest's data.
 *
 * Items whose readiness their owner keeps (SOFT) are listed here when ready, and a host eventfd, the bell, is readable in the host set while the list is
 * not empty. So the host fd tells the whole truth: poll of an epoll fd, nested epolls and waiting need nothing else. A guest that waits in the
 * host and finds the bell asks us. The bell is told by its data and mask, and by being rung: a member that looks the same is only
 * taken for it while it is.
 */
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { EPOLL_ALWAYS, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP } from './abi.js';
import { BELL_HI, BELL_LO } from '../../shared/gen/layout.js';
import { EVENT_BYTES, type HostEpoll } from './hostcalls.js';
import type { ReadyListener } from './ready.js';

const EPOLLIN = 1;
/** Bits of epoll_event.events that are no readiness: flags. */
const FLAGS = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
/** Items of one instance: rows and guest fds are below 2^16, so the key is exact. */
const key = (row: number, fd: number): number => row * 65536 + fd;

/** What an epoll set needs of the rest of the server; an interface for the tests. */
export interface EpollEnv {
  readonly host: HostEpoll;
  listen(row: number, l: ReadyListener): void;
  unlisten(row: number, l: ReadyListener): void;
  /** Readiness of a SOFT OFD now. */
  readiness(row: number): number;
  dup(fd: number): number;
  close(fd: number): void;
  /** A counter that is readable while not zero. */
  newBell(): number;
  ring(bell: number): void;
  silence(bell: number): void;
}

export class EpollItem implements ReadyListener {
  /** In the ready list of its set; SOFT only. */
  listed = false;
  /** EPOLLONESHOT has fired: silent until EPOLL_CTL_MOD. SOFT only. */
  spent = false;

  constructor(
    private readonly set: EpollSet, readonly row: number, readonly fd: number,
    /** Host fd in the host set; -1 = SOFT. */
    readonly hostFd: number,
    /** hostFd is a duplicate of ours (the same OFD watched twice). */
    readonly duplicate: boolean,
    public events: number, public dataLo: number, public dataHi: number,
  ) {}

  onReady(mask: number): void { this.set.softEvent(this, mask); }
  onGone(): void { this.set.remove(this); }
}

export class EpollSet {
  private readonly items = new Map<number, EpollItem>();
  private readonly byHostFd = new Map<number, EpollItem>();
  private list: EpollItem[] = [];
  private bell = -1;
  private rung = false;
  /** With room for one event only, soft and host items take turns. */
  private softTurn = false;

  /** hostFd: the host epoll set, owned by the caller. */
  constructor(private readonly env: EpollEnv, readonly hostFd: number) {}

  get size(): number { return this.items.size; }

  /** EPOLL_CTL_ADD. hostFd -1 = SOFT. -EEXIST; from the host: -EPERM, -ELOOP, -EINVAL (too deep), -ENOSPC, -ENOMEM. */
  add(row: number, fd: number, hostFd: number, events: number, dataLo: number, dataHi: number): number {
    if (this.items.has(key(row, fd))) return -E.EEXIST;
    let watched = hostFd;
    let duplicate = false;
    if (hostFd >= 0) {
      const there = this.byHostFd.get(hostFd);
      if (there !== undefined && there.row === row) {
        // The host keys on (file, fd number), the guest on (file, its own fd number): give the second one a number of its own.
        watched = this.env.dup(hostFd);
        if (watched < 0) return watched;
        duplicate = true;
      }
    }
    const item = new EpollItem(this, row, fd, watched, duplicate, events, dataLo, dataHi);
    if (watched >= 0) {
      const r = this.env.host.ctl(this.hostFd, EPOLL_CTL_ADD, watched, events, dataLo, dataHi);
      if (r < 0) {
        if (duplicate) this.env.close(watched);
        return r;
      }
      this.byHostFd.set(watched, item);
    }
    this.items.set(key(row, fd), item);
    this.env.listen(row, item);
    if (watched < 0) this.softEvent(item, this.env.readiness(row));
    return 0;
  }

  /** EPOLL_CTL_MOD. -ENOENT; -EINVAL for an item added with EPOLLEXCLUSIVE. */
  modify(row: number, fd: number, events: number, dataLo: number, dataHi: number): number {
    const item = this.items.get(key(row, fd));
    if (item === undefined) return -E.ENOENT;
    if ((item.events & EPOLLEXCLUSIVE) !== 0) return -E.EINVAL;
    if (item.hostFd >= 0) {
      const r = this.env.host.ctl(this.hostFd, EPOLL_CTL_MOD, item.hostFd, events, dataLo, dataHi);
      if (r < 0) return r;
    }
    item.events = events;
    item.dataLo = dataLo;
    item.dataHi = dataHi;
    item.spent = false;
    if (item.hostFd < 0) this.softEvent(item, this.env.readiness(row));
    return 0;
  }

  /** EPOLL_CTL_DEL. -ENOENT. */
  delete(row: number, fd: number): number {
    const item = this.items.get(key(row, fd));
    if (item === undefined) return -E.ENOENT;
    this.remove(item);
    return 0;
  }

  /** Forget an item: deleted, or its OFD is gone. */
  remove(item: EpollItem): void {
    if (!this.items.delete(key(item.row, item.fd))) return;
    this.env.unlisten(item.row, item);
    if (item.hostFd >= 0) {
      if (this.byHostFd.get(item.hostFd) === item) {
        this.byHostFd.delete(item.hostFd);
        this.env.host.ctl(this.hostFd, EPOLL_CTL_DEL, item.hostFd, 0, 0, 0);
      }
      if (item.duplicate) this.env.close(item.hostFd);
    } else {
      this.unlist(item);
      this.syncBell();
    }
  }

  /** A SOFT item's owner reports: mask is its whole readiness. */
  softEvent(item: EpollItem, mask: number): void {
    const on = !item.spent && (mask & (item.events | EPOLL_ALWAYS) & ~FLAGS) !== 0;
    if (on && !item.listed) {
      item.listed = true;
      this.list.push(item);
    } else if (!on) {
      this.unlist(item);
    }
    this.syncBell();
  }

  private unlist(item: EpollItem): void {
    if (!item.listed) return;
    item.listed = false;
    this.list.splice(this.list.indexOf(item), 1);
  }

  /** The bell rings while the list holds something. */
  private syncBell(): void {
    const want = this.list.length > 0;
    if (want === this.rung) return;
    if (want && this.bell < 0) {
      this.bell = this.env.newBell();
      if (this.bell < 0) return; // out of host fds: waiters hear of it at their next look
      this.env.host.ctl(this.hostFd, EPOLL_CTL_ADD, this.bell, EPOLLIN, BELL_LO, BELL_HI);
    }
    if (want) this.env.ring(this.bell); else this.env.silence(this.bell);
    this.rung = want;
  }

  /**
   * Up to `max` events, packed as struct epoll_event at scratch DATA. The number of events, or -errno from the host.
   */
  collect(max: number): number {
    const rung = this.rung;
    const soft = this.list.length > 0;
    if (soft && max === 1) {
      this.softTurn = !this.softTurn;
      const n = this.softTurn ? this.takeSoft(0, 1) : 0;
      this.syncBell();
      if (n > 0) return n;
    }
    // One place is kept for soft items, so that busy members of the host's set cannot keep them out.
    const got = this.env.host.wait(this.hostFd, host.DATA, soft && max > 1 ? max - 1 : max);
    if (got < 0) return got;
    let n = 0;
    for (let i = 0; i < got; i++) {
      const at = host.DATA + i * EVENT_BYTES;
      const events = host.scratchView.getUint32(at, true);
      const lo = host.scratchView.getUint32(at + 4, true);
      const hi = host.scratchView.getUint32(at + 8, true);
      if (rung && lo === BELL_LO && hi === BELL_HI && events === EPOLLIN) continue;
      this.emit(n++, events, lo, hi);
    }
    n += this.takeSoft(n, max);
    this.syncBell();
    return n;
  }

  private emit(ix: number, events: number, lo: number, hi: number): void {
    const at = host.DATA + ix * EVENT_BYTES;
    host.scratchView.setUint32(at, events, true);
    host.scratchView.setUint32(at + 4, lo, true);
    host.scratchView.setUint32(at + 8, hi, true);
  }

  /** Events of SOFT items from position `from`: how many. Level-triggered ones go to the list's end, for fairness. */
  private takeSoft(from: number, max: number): number {
    if (this.list.length === 0) return 0;
    const list = this.list;
    const kept: EpollItem[] = [];
    let n = 0;
    let i = 0;
    for (; i < list.length && from + n < max; i++) {
      const item = list[i] as EpollItem;
      item.listed = false;
      const mask = this.env.readiness(item.row) & (item.events | EPOLL_ALWAYS) & ~FLAGS;
      if (mask === 0) continue;
      this.emit(from + n, mask, item.dataLo, item.dataHi);
      n++;
      if ((item.events & EPOLLONESHOT) !== 0) { item.spent = true; continue; }
      if ((item.events & EPOLLET) !== 0) continue;
      item.listed = true;
      kept.push(item);
    }
    this.list = list.slice(i).concat(kept);
    return n;
  }

  /** The instance is released: let go of everything but hostFd. */
  close(): void {
    for (const item of [...this.items.values()]) this.remove(item);
    if (this.bell >= 0) this.env.close(this.bell);
    this.bell = -1;
  }
}
