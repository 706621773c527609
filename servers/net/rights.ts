/**
 * Descriptors in flight (SCM_RIGHTS). What travels is not host fds but tickets.
 *
 * A message that carries guest fds carries one host fd instead: the write end of a fresh pipe, the ticket. Its inode number (pipes share one file system) names the list of
 * OFDs, each of which the message holds a reference of. The receiver's ticket leads back to the same OFDs, whatever server owns them, with or
 * without a host fd. Only messages hold the write end; so when it has been received, or the message was thrown away (socket closed, datagram
 * dropped, read without control data, garbage-collected cycle), the read end that we keep reports hang-up, and the references are dropped. MSG_PEEK finds
 * the same ticket again.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import { filesOf } from '../../shared/fdcalls.js';
import { fdLookup, ofdRef, ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as host from '../../shared/host.js';
import { inodeOf } from './hostcalls.js';

const EPOLLHUP = 16;
/** Tickets looked at in one sweep; the watch finds the others. */
const SWEEP_MAX = 4096;

interface Ticket { readonly ino: number; readonly readEnd: number; token: number; readonly rows: readonly number[] }

export class Rights {
  private readonly byIno = new Map<number, Ticket>();

  constructor(private readonly ep: Endpoint) {}

  get inFlight(): number { return this.byIno.size; }

  /** OFD rows of guest fds, or -EBADF. */
  static rowsOf(f: Frame, fds: readonly number[]): number[] | number {
    const files = filesOf(f);
    const rows: number[] = [];
    for (const fd of fds) {
      const row = fdLookup(files, fd);
      if (row < 0) return -E.EBADF;
      rows.push(row);
    }
    return rows;
  }

  /** A ticket for these OFDs: the host fd to send. The sender closes it after the send, sent or not. -errno. */
  issue(rows: readonly number[]): number {
    const r = host.pipe2(0);
    if (r < 0) return r;
    const readEnd = host.scratchView.getInt32(host.STRUCT, true);
    const writeEnd = host.scratchView.getInt32(host.STRUCT + 4, true);
    const ino = inodeOf(readEnd);
    const ticket: Ticket = { ino, readEnd, token: -1, rows: rows.slice() };
    // Hang-up is all that can come: nobody writes. It is reported once, and ends the watch.
    ticket.token = this.ep.watch(readEnd, EPOLLHUP, () => { this.retire(ticket); });
    if (ino < 0 || ticket.token < 0) {
      host.close(readEnd);
      host.close(writeEnd);
      return ino < 0 ? ino : ticket.token;
    }
    for (const row of rows) ofdRef(row);
    this.byIno.set(ino, ticket);
    return writeEnd;
  }

  /** OFD rows of a received host fd, each with a reference for the caller; empty for an fd that is no ticket. Closes the fd. */
  redeem(fd: number): readonly number[] {
    const ticket = this.byIno.get(inodeOf(fd));
    if (ticket !== undefined) for (const row of ticket.rows) ofdRef(row);
    host.close(fd);
    return ticket?.rows ?? [];
  }

  /** Retire every ticket whose message is gone by now, without waiting for the watch to say so. True when there was one. */
  sweep(): boolean {
    const list = [...this.byIno.values()].slice(0, SWEEP_MAX);
    list.forEach((t, i) => {
      host.scratchView.setInt32(host.DATA + 8 * i, t.readEnd, true);
      host.scratchView.setInt32(host.DATA + 8 * i + 4, 0, true);
    });
    if (list.length === 0 || host.pollNow(host.DATA, list.length) <= 0) return false;
    // Taken before retiring, which uses scratch.
    const gone = list.filter((_t, i) => (host.scratchView.getUint16(host.DATA + 8 * i + 6, true) & EPOLLHUP) !== 0);
    for (const t of gone) this.retire(t);
    return gone.length > 0;
  }

  private retire(t: Ticket): void {
    if (this.byIno.get(t.ino) !== t) return;
    this.byIno.delete(t.ino);
    this.ep.unwatch(t.token, t.readEnd);
    host.close(t.readEnd);
    for (const row of t.rows) ofdUnref(this.ep, row);
  }
}
