/**
 * Named pipes: the meeting point of those who open them. vfs finds the inode and asks here (Msg.PEER_CALL); it gets an OFD of ours back.
 *
 * A FIFO that somebody has open, or waits to open, is a host FIFO without a name, held by an O_PATH descriptor, which counts neither as reader nor as writer.
 * Every opener gets a description of its own, reopened through /proc/self/fd, so the host counts readers and writers, end of file and EPIPE for us. (An
 * anonymous pipe would do but for one thing: a reader of a FIFO that nobody has written to since is not told of a hang-up.)
 * Waiting for the other side is done here, by fifo(7): a waiting opener counts already (it has its description), as on Linux; the host is always
 * opened without waiting.
 *
 *   op 1, open    wait until the other side was opened since  ──► PEER_REPLY [slot, ofd row]
 *   op 2, cancel  the waiting open was interrupted or its task died: undone, no reply. Unknown slots are ignored: the
 *                 reply is on its way, and vfs drops the OFD it gets.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E } from '../../shared/errno.js';
import { Ofd } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import type { Message } from '../../shared/rings.js';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from './abi.js';
import type { Pipes } from './pipe.js';

const F_SETFL = 4;
const S_IFIFO = 0o010000;

export const enum PeerOp { OPEN = 1, CANCEL = 2 }

interface Waiting {
  readonly slot: number;
  /** Who asked (the server to answer). */
  readonly from: number;
  readonly hostFd: number;
  readonly flags: number;
  readonly task: number;
}

/** What the meeting rules need of a FIFO; pure, tested by itself. */
export class FifoState {
  readers = 0;
  writers = 0;

  /** Does an open with these flags fail at once? -ENXIO: nobody reads. fifo(7). */
  refuse(flags: number): number {
    return (flags & O_ACCMODE) === O_WRONLY && (flags & O_NONBLOCK) !== 0 && this.readers === 0 ? -E.ENXIO : 0;
  }

  count(flags: number, by: number): void {
    const mode = flags & O_ACCMODE;
    if (mode !== O_WRONLY) this.readers += by;
    if (mode !== O_RDONLY) this.writers += by;
  }

  /** Must this opener, already counted, wait for the other side? */
  mustWait(flags: number): boolean {
    const mode = flags & O_ACCMODE;
    if (mode === O_RDWR) return false;
    if (mode === O_RDONLY) return (flags & O_NONBLOCK) === 0 && this.writers === 0;
    return this.readers === 0;
  }

  get unused(): boolean { return this.readers === 0 && this.writers === 0; }
}

class Fifo {
  readonly state = new FifoState();
  waiting: Waiting[] = [];
  constructor(readonly key: number, readonly anchor: number) {}
}

/** A host description for an opener, made without waiting: the host fd or -errno. */
function openEnd(fifo: Fifo, flags: number): number {
  const path = `/proc/self/fd/${fifo.anchor}`;
  const mode = flags & O_ACCMODE;
  // A writer needs a reader to be there, if only for the moment.
  const stand = mode === O_WRONLY && fifo.state.readers === 0 ? host.openat(host.AT_FDCWD, path, O_RDWR | O_NONBLOCK) : -1;
  const fd = host.openat(host.AT_FDCWD, path, mode | O_NONBLOCK | (flags & O_DIRECT));
  if (stand >= 0) host.close(stand);
  if (fd >= 0 && (flags & O_NONBLOCK) === 0) host.fcntl(fd, F_SETFL, flags & O_DIRECT);
  return fd;
}

export class Fifos {
  private readonly byKey = new Map<number, Fifo>();
  private made = 0;

  /** dir: host directory for the moment in which a FIFO has a name; latin1. */
  constructor(private readonly ep: Endpoint, private readonly pipes: Pipes, private readonly dir: string) {
    ep.on(Msg.PEER_CALL, (m) => { this.call(m); });
  }

  private call(m: Message): void {
    const slot = m.w[0] as number;
    const op = m.w[1] as number;
    if (op === PeerOp.CANCEL) { this.cancel(slot); return; }
    if (op !== PeerOp.OPEN) { this.ep.send(m.from, Msg.PEER_REPLY, [slot, -E.ENOSYS]); return; }
    const r = this.open(m.from, slot, m.w[2] as number, m.w[3] as number, m.w[4] as number);
    if (r < 0) this.ep.send(m.from, Msg.PEER_REPLY, [slot, r]);
  }

  private lookup(key: number): Fifo | number {
    const have = this.byKey.get(key);
    if (have !== undefined) return have;
    const path = `${this.dir}/fifo-${this.made++}`;
    const r = host.mknodat(host.AT_FDCWD, path, S_IFIFO | 0o600, 0);
    if (r < 0) return r;
    const anchor = host.openat(host.AT_FDCWD, path, O_PATH);
    host.unlinkat(host.AT_FDCWD, path, 0);
    if (anchor < 0) return anchor;
    const fifo = new Fifo(key, anchor);
    this.byKey.set(key, fifo);
    return fifo;
  }

  /** 0 when answered or waiting; -errno to answer with. */
  private open(from: number, slot: number, key: number, flags: number, task: number): number {
    const fifo = this.lookup(key);
    if (typeof fifo === 'number') return fifo;
    let r = fifo.state.refuse(flags);
    if (r === 0) r = openEnd(fifo, flags);
    if (r < 0) { this.tidy(fifo); return r; }
    fifo.state.count(flags, 1);
    const w: Waiting = { slot, from, hostFd: r, flags, task };
    // Whoever waited for this side goes on, even if this opener closes again at once: opening counted, not being open.
    const woken = fifo.waiting;
    fifo.waiting = [];
    for (const other of woken) if (fifo.state.mustWait(other.flags)) fifo.waiting.push(other); else this.finish(fifo, other);
    if (fifo.state.mustWait(flags)) fifo.waiting.push(w); else this.finish(fifo, w);
    return 0;
  }

  private finish(fifo: Fifo, w: Waiting): void {
    const cred = L.taskCred(w.task);
    const shown = w.flags & ~(0o100 | 0o200 | 0o400 | 0o1000 | 0o2000000); // creation flags and O_CLOEXEC are not status flags
    const row = this.pipes.adopt(Ofd.FIFO, w.hostFd, shown, L.credFsuid(cred), L.credFsgid(cred), () => { this.closed(fifo, w.flags); });
    if (row < 0) this.closed(fifo, w.flags);
    this.ep.send(w.from, Msg.PEER_REPLY, [w.slot, row]);
  }

  private cancel(slot: number): void {
    for (const fifo of this.byKey.values()) {
      const ix = fifo.waiting.findIndex((w) => w.slot === slot);
      if (ix < 0) continue;
      const w = fifo.waiting.splice(ix, 1)[0] as Waiting;
      host.close(w.hostFd);
      this.closed(fifo, w.flags);
      return;
    }
  }

  private closed(fifo: Fifo, flags: number): void {
    fifo.state.count(flags, -1);
    this.tidy(fifo);
  }

  private tidy(fifo: Fifo): void {
    if (!fifo.state.unused || this.byKey.get(fifo.key) !== fifo) return;
    this.byKey.delete(fifo.key);
    host.close(fifo.anchor);
  }
}
