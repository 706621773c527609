/**
 * An epoll instance: who is watched, and who is ready.
 *
 *   HOST items ──► a host epoll set (hostFd) ───┐
 *   SOFT items ──► ready list here ──► bell ────┴──► hostFd is readable when, and only when, this instance has events
 *
 * Items whose truth is a pollable host fd live in a host epoll set of this instance; level and edge triggering, one-shot, exclusive wake-ups, nesting and
 * its limits are the host's own. Items whose readiness their owner keeps (SOFT) are listed here when ready, and a host eventfd, the
 * bell, is readable in the host set while the list is not empty. So the host fd tells the whole truth: poll of an epoll fd, nested
 * epolls and waiting need nothing else.
 *
 * Host events carry the item's id; ids are never reused, so that a late event cannot be taken for another item's. 0 is the bell.
 *
 * A closed fd whose file a (slow or hostile) guest still holds open stays in the host set and cannot be deleted any more; when only such
 * stale events come, the host set is built anew (`rebuild`).
 */
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { EPOLL_ALWAYS, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP } from './abi.js';
import { EVENT_BYTES, type HostEpoll } from './hostcalls.js';
import type { ReadyListener } from './ready.js';

const BELL = 0;
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
    private readonly set: EpollSet, readonly id: number, readonly row: number, readonly fd: number,
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
  private readonly byId = new Map<number, EpollItem>();
  private readonly byHostFd = new Map<number, EpollItem>();
  private list: EpollItem[] = [];
  private nextId = 1;
  private bell = -1;
  private rung = false;

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
    const item = new EpollItem(this, this.nextId, row, fd, watched, duplicate, events, dataLo, dataHi);
    if (watched >= 0) {
      const r = this.env.host.ctl(this.hostFd, EPOLL_CTL_ADD, watched, events, item.id);
      if (r < 0) {
        if (duplicate) this.env.close(watched);
        return r;
      }
      this.byHostFd.set(watched, item);
    }
    this.nextId++;
    this.items.set(key(row, fd), item);
    this.byId.set(item.id, item);
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
      const r = this.env.host.ctl(this.hostFd, EPOLL_CTL_MOD, item.hostFd, events, item.id);
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
    if (!this.byId.delete(item.id)) return;
    this.items.delete(key(item.row, item.fd));
    this.env.unlisten(item.row, item);
    if (item.hostFd >= 0) {
      if (this.byHostFd.get(item.hostFd) === item) {
        this.byHostFd.delete(item.hostFd);
        this.env.host.ctl(this.hostFd, EPOLL_CTL_DEL, item.hostFd, 0, 0);
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
      this.env.host.ctl(this.hostFd, EPOLL_CTL_ADD, this.bell, EPOLLIN, BELL);
    }
    if (want) this.env.ring(this.bell); else this.env.silence(this.bell);
    this.rung = want;
  }

  /**
   * Up to `max` events, packed as struct epoll_event at scratch DATA. The number of events, or -errno from the host.
   */
  collect(max: number): number {
    for (let round = 0; round < 3; round++) {
      const got = this.env.host.wait(this.hostFd, host.DATA, max);
      if (got < 0) return got;
      let n = 0;
      let stale = false;
      for (let i = 0; i < got; i++) {
        const at = host.DATA + i * EVENT_BYTES;
        const id = host.scratchView.getUint32(at + 4, true);
        if (id === BELL) continue;
        const item = this.byId.get(id);
        if (item === undefined) { stale = true; continue; }
        this.emit(n++, host.scratchView.getUint32(at, true), item);
      }
      n += this.takeSoft(n, max);
      this.syncBell();
      if (n > 0 || got === 0) return n;
      // Only stale events, or a bell for what is not ready any more: look again.
      if (stale) this.rebuild();
    }
    return 0;
  }

  private emit(ix: number, events: number, item: EpollItem): void {
    const at = host.DATA + ix * EVENT_BYTES;
    host.scratchView.setUint32(at, events, true);
    host.scratchView.setUint32(at + 4, item.dataLo, true);
    host.scratchView.setUint32(at + 8, item.dataHi, true);
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
      this.emit(from + n, mask, item);
      n++;
      if ((item.events & EPOLLONESHOT) !== 0) { item.spent = true; continue; }
      if ((item.events & EPOLLET) !== 0) continue;
      item.listed = true;
      kept.push(item);
    }
    this.list = list.slice(i).concat(kept);
    return n;
  }

  /** A fresh host set under the same fd number, without entries that nobody can delete. Edges are reported once more. */
  private rebuild(): void {
    const fresh = this.env.host.create();
    if (fresh < 0) return;
    for (const item of this.byHostFd.values()) if (this.byId.has(item.id)) this.env.host.ctl(fresh, EPOLL_CTL_ADD, item.hostFd, item.events, item.id);
    if (this.bell >= 0) this.env.host.ctl(fresh, EPOLL_CTL_ADD, this.bell, EPOLLIN, BELL);
    this.env.host.replace(this.hostFd, fresh);
    this.onRebuilt();
  }

  /** The host fd means another set now: who watches it must watch again. Set by the owner. */
  onRebuilt: () => void = () => undefined;

  /** The instance is released: let go of everything but hostFd. */
  close(): void {
    for (const item of [...this.byId.values()]) this.remove(item);
    if (this.bell >= 0) this.env.close(this.bell);
    this.bell = -1;
  }
}
