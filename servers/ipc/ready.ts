/**
 * Readiness of any open file description, and waiting for it: the ground under poll, select and epoll.
 *
 * Three classes of OFD:
 *   HOST    ofd.pollable: the host's poll on host_fd is the truth; waiting is a one-shot host watch (shared/hostwatch.ts)
 *   SOFT    the owner keeps ofd.ready; while ofd.watched is 1 it posts Msg.READY at every event (also when the mask stays the same: edges)
 *   ALWAYS  regular files and the like: always ready, and epoll refuses them
 *
 * ofd.watched is written here only: 1 from the first interest until the OFD is gone or (SOFT) an event finds nobody interested. Order
 * (STYLE B3): we store watched, then look at ready; the owner stores ready, then looks at watched. One of the two sees the other.
 *
 * The last unref of a watched OFD sends READY [row, -1] here before its owner frees the row, and rings are drained before requests: so when a
 * row or a host fd number comes back for another file, what was known of the old one is already gone.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { Ofd } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { HostWatches } from '../../shared/hostwatch.js';
import { Msg } from '../../shared/messages.js';
import { WaitQueue } from '../../shared/wait.js';
import { EPOLL_ALWAYS, POLL_DEFAULT } from './abi.js';

export const enum PollClass { ALWAYS = 0, SOFT = 1, HOST = 2 }

/** Kinds whose owner keeps ofd.ready when there is no pollable host fd. */
const SOFT_KINDS: ReadonlySet<number> = new Set([
  Ofd.TTY, Ofd.PIPE_R, Ofd.PIPE_W, Ofd.FIFO, Ofd.EPOLL, Ofd.MQUEUE, Ofd.SOCKET, Ofd.SIGNALFD, Ofd.TIMERFD, Ofd.PIDFD, Ofd.INOTIFY,
]);

export function pollClass(row: number): PollClass {
  if (L.ofdPollable(row) !== 0 && L.ofdHostFd(row) >= 0) return PollClass.HOST;
  return SOFT_KINDS.has(L.ofdKind(row)) ? PollClass.SOFT : PollClass.ALWAYS;
}

/** What wants to hear of an OFD for longer than one request: an epoll item. */
export interface ReadyListener {
  /** The owner reported an event; mask is the whole readiness. SOFT only. */
  onReady(mask: number): void;
  /** The OFD is gone. */
  onGone(): void;
}

class Interest {
  /** Parked polls; SOFT only. */
  readonly queue = new WaitQueue();
  readonly listeners: ReadyListener[] = [];
}

export class Readiness {
  private readonly interests = new Map<number, Interest>();
  readonly host: HostWatches;

  constructor(private readonly ep: Endpoint) {
    this.host = new HostWatches(ep, (row) => { this.interest(row); });
    ep.on(Msg.READY, (m) => {
      const row = m.w[0] as number;
      const mask = m.w[1] as number;
      if (mask < 0) this.gone(row); else this.event(row, mask);
    });
  }

  private interest(row: number): Interest {
    let i = this.interests.get(row);
    if (i !== undefined) return i;
    i = new Interest();
    this.interests.set(row, i);
    Atomics.store(L.ofdI32(), L.OFD_WATCHED_AT(row), 1);
    if (pollClass(row) === PollClass.SOFT && L.ofdOwner(row) !== this.ep.srv) this.ep.send(L.ofdOwner(row), Msg.WATCH, [row, 1]);
    return i;
  }

  /** Readiness of a SOFT or ALWAYS OFD, cut to what was asked for. */
  mask(row: number, events: number): number {
    const all = pollClass(row) === PollClass.SOFT ? Atomics.load(L.ofdI32(), L.OFD_READY_AT(row)) : POLL_DEFAULT;
    return all & (events | EPOLL_ALWAYS);
  }

  /** Park f until the OFD may be ready. For SOFT ones the caller looks at `mask` once more afterwards. */
  park(f: Frame, row: number, events: number): number {
    return pollClass(row) === PollClass.HOST ? this.host.park(f, row, L.ofdHostFd(row), events) : this.ep.park(f, this.interest(row).queue);
  }

  listen(row: number, l: ReadyListener): void { this.interest(row).listeners.push(l); }

  unlisten(row: number, l: ReadyListener): void {
    const list = this.interests.get(row)?.listeners;
    if (list === undefined) return;
    const ix = list.indexOf(l);
    if (ix >= 0) list.splice(ix, 1);
  }

  /** An object of this server changed: store the mask and tell who listens. */
  publish(row: number, mask: number): void {
    Atomics.store(L.ofdI32(), L.OFD_READY_AT(row), mask);
    if (L.ofdWatched(row) !== 0) this.event(row, mask);
  }

  private event(row: number, mask: number): void {
    const i = this.interests.get(row);
    if (i === undefined) return;
    if (i.queue.size === 0 && i.listeners.length === 0) { this.forget(row); return; }
    i.queue.wakeAll();
    for (const l of i.listeners) l.onReady(mask);
  }

  /** Nobody is interested in a SOFT OFD any more. compareExchange: a row that was freed meanwhile has 0 already. */
  private forget(row: number): void {
    if (pollClass(row) !== PollClass.SOFT) return;
    this.interests.delete(row);
    const was = Atomics.compareExchange(L.ofdI32(), L.OFD_WATCHED_AT(row), 1, 0);
    if (was === 1 && L.ofdOwner(row) !== this.ep.srv) this.ep.send(L.ofdOwner(row), Msg.WATCH, [row, -1]);
  }

  /** The OFD is released: drop everything known of it. */
  gone(row: number): void {
    const i = this.interests.get(row);
    if (i === undefined) return;
    this.interests.delete(row);
    for (const l of i.listeners.slice()) l.onGone();
    i.queue.wakeAll();
    this.host.drop(row);
  }
}
