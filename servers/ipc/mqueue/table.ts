/**
 * The queues of the container by name, their descriptors, and what a user may have of them.
 *
 * A queue lives while it has a name or is open. Readiness is published for every open file description of it (ready.ts). RLIMIT_MSGQUEUE counts, by user, what Linux would
 * take for queues of these sizes. Sources: mq_overview(7), getrlimit(2), ipc/mqueue.c behaviour.
 */
import { Cap, capable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import { Ofd, ofdAlloc, ofdFree } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { scatter } from '../../../shared/iobuf.js';
import { MQ_MSG_DEFAULT, MQ_MSG_HARD, MQ_MSG_MAX, MQ_QUEUES_MAX, MQ_SIZE_DEFAULT, MQ_SIZE_HARD, MQ_SIZE_MAX } from '../../../shared/ipc-limits.js';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '../../../shared/hostwatch.js';
import { setOps } from '../ops.js';
import type { Readiness } from '../ready.js';
import { Slab } from '../slab.js';
import { STAT_BYTES } from '../hostcalls.js';
import { MqQueue } from './queue.js';

const RLIMIT_MSGQUEUE = 12;
const NAME_MAX = 255;
/** sizeof(struct msg_msg), struct posix_msg_tree_node; MQ_PRIO_MAX. */
const MSG_BYTES = 48, NODE_BYTES = 48;
export const PRIO_MAX = 32768;
/** st_size of a queue, st_mode, device and what its status reads as. */
const FILE_SIZE = 80, S_IFREG = 0o100000, MQUEUE_DEV = 19;

/** What a queue of such a size counts. */
const charge = (maxMessages: number, maxBytes: number): number => maxMessages * (MSG_BYTES + maxBytes) + Math.min(maxMessages, PRIO_MAX) * NODE_BYTES;

/** An open description: its queue, and how far its status was read. */
interface Open { readonly queue: MqQueue; pos: number }

export class MqTable {
  private readonly byName = new Map<string, MqQueue>();
  private readonly opens = new Slab<Open>();
  private readonly charged = new Map<number, number>();
  private count = 0;
  private nextIno = 2;

  constructor(private readonly ready: Readiness) {
    setOps(Ofd.MQUEUE, {
      read: (f, ofd, len) => this.read(f, ofd, len),
      fstat: (_f, ofd, bytes, off) => this.fstat(ofd, bytes, off),
      release: (ofd, obj) => { this.release(ofd, obj); },
      noopSeek: true,
    });
  }

  lookup(name: string): MqQueue | undefined { return this.byName.get(name); }

  queueOf(ofd: number): MqQueue | undefined { return this.opens.get(L.ofdObj(ofd))?.queue; }

  /** A name as the call has it, without the library's slash: 0, -ENOENT (none), -EACCES (not one name), -ENAMETOOLONG. */
  checkName(name: string): number {
    if (name === '') return -E.ENOENT;
    if (name.includes('/') || name === '.' || name === '..') return -E.EACCES;
    return name.length > NAME_MAX ? -E.ENAMETOOLONG : 0;
  }

  /**
   * A new queue. maxMessages < 0: by default. -ENOSPC too many, -EINVAL sizes, -EMFILE RLIMIT_MSGQUEUE.
   */
  create(f: Frame, name: string, mode: number, maxMessages: number | undefined, maxBytes: number | undefined): MqQueue | number {
    const powerful = capable(f.task, Cap.SYS_RESOURCE);
    if (this.count >= MQ_QUEUES_MAX && !powerful) return -E.ENOSPC;
    const n = maxMessages ?? MQ_MSG_DEFAULT, size = maxBytes ?? MQ_SIZE_DEFAULT;
    if (n <= 0 || size <= 0 || n > (powerful ? MQ_MSG_HARD : MQ_MSG_MAX) || size > (powerful ? MQ_SIZE_HARD : MQ_SIZE_MAX)) return -E.EINVAL;
    const cred = L.taskCred(f.task);
    const uid = L.credFsuid(cred);
    const payer = L.credUid(cred);
    const total = (this.charged.get(payer) ?? 0) + charge(n, size);
    if (total > L.tgRlimCur(f.tg, RLIMIT_MSGQUEUE)) return -E.EMFILE;
    this.charged.set(payer, total);
    const q = new MqQueue(this.nextIno++, mode & 0o7777, uid, L.credFsgid(cred), n, size, (changed) => { this.publish(changed); });
    this.payers.set(q, payer);
    this.count++;
    this.byName.set(name, q);
    return q;
  }

  private readonly payers = new Map<MqQueue, number>();

  /** mq_unlink. */
  unlink(name: string, q: MqQueue): void {
    this.byName.delete(name);
    q.named = false;
    this.end(q);
  }

  private end(q: MqQueue): void {
    if (q.named || q.opens.size > 0) return;
    this.count--;
    const payer = this.payers.get(q) as number;
    this.payers.delete(q);
    const left = (this.charged.get(payer) ?? 0) - charge(q.maxMessages, q.maxBytes);
    if (left > 0) this.charged.set(payer, left); else this.charged.delete(payer);
  }

  /** An open description of a queue: OFD row or -ENFILE. flags as F_GETFL shows them. */
  open(q: MqQueue, flags: number): number {
    const obj = this.opens.add({ queue: q, pos: 0 });
    const row = ofdAlloc(L.SRV_IPC, Ofd.MQUEUE, obj, flags);
    if (row < 0) { this.opens.remove(obj); return row; }
    q.opens.add(row);
    Atomics.store(L.ofdI32(), L.OFD_READY_AT(row), readiness(q));
    return row;
  }

  private release(ofd: number, obj: number): void {
    const open = this.opens.remove(obj);
    if (open !== undefined) {
      const q = open.queue;
      q.opens.delete(ofd);
      if (q.notify?.ofd === ofd) q.unregister();
      this.end(q);
    }
    ofdFree(ofd);
  }

  private publish(q: MqQueue): void {
    const mask = readiness(q);
    for (const row of q.opens) this.ready.publish(row, mask);
  }

  /** The process has closed a descriptor, or is gone: its registration ends. */
  forget(q: MqQueue, tg: number): void { if (q.notify?.tg === tg) q.unregister(); }

  gone(tg: number): void { for (const q of this.payers.keys()) this.forget(q, tg); }

  /** read(2): what there is, in one line. */
  private read(f: Frame, ofd: number, len: number): number {
    const open = this.opens.get(L.ofdObj(ofd));
    if (open === undefined) return -E.EBADF;
    const { queue: q } = open;
    const pad = (n: number, width: number): string => String(n).padEnd(width);
    const text = `QSIZE:${pad(q.bytes, 10)} NOTIFY:${pad(q.notify?.how ?? 0, 5)} SIGNO:${pad(q.notify?.signo ?? 0, 5)} NOTIFY_PID:${pad(q.notify?.pid ?? 0, 6)}\n`;
    const part = text.slice(open.pos, open.pos + len);
    host.scratch.latin1Write(part, host.DATA);
    const n = part.length === 0 ? 0 : scatter(f, part.length);
    if (n > 0) open.pos += n;
    return n;
  }

  private fstat(ofd: number, bytes: Buffer, off: number): number {
    const q = this.queueOf(ofd);
    if (q === undefined) return -E.EBADF;
    bytes.fill(0, off, off + STAT_BYTES);
    bytes.writeUInt32LE(MQUEUE_DEV, off);
    bytes.writeUInt32LE(q.ino, off + 8);
    bytes.writeUInt32LE(q.named ? 1 : 0, off + 16);
    bytes.writeUInt32LE(S_IFREG | q.mode, off + 24);
    bytes.writeUInt32LE(q.uid, off + 28);
    bytes.writeUInt32LE(q.gid, off + 32);
    bytes.writeUInt32LE(FILE_SIZE, off + 48);
    bytes.writeUInt32LE(4096, off + 56);
    for (const at of [72, 88, 104]) bytes.writeUInt32LE(q.born, off + at);
    return 0;
  }
}

/** mqueue_poll_file: whatever the description was opened for. */
const readiness = (q: MqQueue): number => (q.messages.length > 0 ? EPOLLIN | EPOLLRDNORM : 0) | (q.full ? 0 : EPOLLOUT | EPOLLWRNORM);
