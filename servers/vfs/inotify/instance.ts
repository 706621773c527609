/**
 * An inotify instance: an open file with a queue of events and the watches that fill it. inotify(7).
 *
 * Events are read whole. One that is the same as the last in the queue is dropped; a full queue gets one IN_Q_OVERFLOW. Waits (B5): a reader for an event, a
 * signal, death of the task. Instances and watches are counted by user.
 */
import { E } from '../../../shared/errno.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { WaitQueue } from '../../../shared/wait.js';
import { InternalSuper } from '../foreign.js';
import { EPOLLIN, EPOLLRDNORM, File, vfsEndpoint } from '../file.js';
import { type Dentry, type Inode, Path } from '../inode.js';
import { privateMount } from '../mounts.js';
import { addWatch, dropWatch, IN_IGNORED, IN_Q_OVERFLOW, removeWatch, setMask, type Watch, type WatchGroup } from './watch.js';

/** Limits, as /proc/sys/fs/inotify shows them where the host has none of its own. */
const MAX_QUEUED = 16384, MAX_INSTANCES = 128, MAX_WATCHES = 65536;
const FIONREAD = 0x541b;
const ANON_INODE_FS_MAGIC = 0x09041934;
/** struct inotify_event without its name, whose room is a multiple of it. */
const EVENT_BYTES = 16;

interface Event { readonly wd: number; readonly mask: number; readonly cookie: number; readonly name: string }

const nameRoom = (e: Event): number => (e.name === '' ? 0 : Math.ceil((e.name.length + 1) / EVENT_BYTES) * EVENT_BYTES);

/** Instances and watches by user. */
const instances = new Map<number, number>();
const watches = new Map<number, number>();

function count(map: Map<number, number>, uid: number, by: number): void {
  const n = (map.get(uid) ?? 0) + by;
  if (n > 0) map.set(uid, n); else map.delete(uid);
}

let place: Path | undefined;
/** They all share one inode of a file system of the kernel's own. */
function anonPlace(): Path {
  if (place === undefined) {
    const sb = new InternalSuper('anon_inodefs', ANON_INODE_FS_MAGIC);
    sb.root.mode = 0o600;
    const mnt = privateMount(sb, sb.root);
    place = new Path(mnt, mnt.root);
  }
  return place;
}

export class Inotify extends File implements WatchGroup {
  private queue: Event[] = [];
  private readonly readers = new WaitQueue();
  private readonly byWd = new Map<number, Watch>();
  private lastWd = 0;

  constructor(flags: number, private readonly uid: number) {
    super(Ofd.INOTIFY, anonPlace(), flags);
    this.ready = 0;
    count(instances, uid, 1);
  }

  /** May the user have one more instance? */
  static mayMake(uid: number): boolean { return (instances.get(uid) ?? 0) < MAX_INSTANCES; }

  /** The watches, for /proc/PID/fdinfo. */
  get list(): readonly Watch[] { return [...this.byWd.values()]; }

  push(wd: number, mask: number, cookie: number, name: string): void {
    const last = this.queue[this.queue.length - 1];
    if (last !== undefined && last.wd === wd && last.mask === mask && last.name === name && mask !== IN_IGNORED) return;
    if (this.queue.length >= MAX_QUEUED) {
      if (last?.mask === IN_Q_OVERFLOW) return;
      this.queue.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
    } else {
      this.queue.push({ wd, mask, cookie, name });
    }
    this.publish(EPOLLIN | EPOLLRDNORM);
    this.readers.wakeAll();
  }

  /** Every event is told to who watches, also when the mask stays the same: edges. */
  private publish(mask: number): void {
    this.ready = mask;
    if (this.ofd === 0) return;
    Atomics.store(L.ofdI32(), L.OFD_READY_AT(this.ofd), mask);
    if (Atomics.load(L.ofdI32(), L.OFD_WATCHED_AT(this.ofd)) > 0) vfsEndpoint().send(L.SRV_IPC, Msg.READY, [this.ofd, mask]);
  }

  forget(w: Watch): void {
    this.byWd.delete(w.wd);
    count(watches, this.uid, -1);
  }

  /** The instance's watch of an inode. */
  watchOf(inode: Inode): Watch | undefined { return inode.marks?.watches.find((w) => w.group === this); }

  /** A new watch: its number, or -ENOSPC. */
  add(d: Dentry, mask: number): number {
    if ((watches.get(this.uid) ?? 0) >= MAX_WATCHES) return -E.ENOSPC;
    count(watches, this.uid, 1);
    do this.lastWd = this.lastWd >= 0x7fffffff ? 1 : this.lastWd + 1; while (this.byWd.has(this.lastWd));
    this.byWd.set(this.lastWd, addWatch(this, this.lastWd, d, mask));
    return this.lastWd;
  }

  change(w: Watch, mask: number): void { setMask(w, mask); }

  /** 0, or -EINVAL when there is no such watch. */
  remove(wd: number): number {
    const w = this.byWd.get(wd);
    if (w === undefined) return -E.EINVAL;
    removeWatch(w);
    return 0;
  }

  /** As many events as fit: bytes; -EINVAL when the first does not. */
  override read(f: Frame, off: number, len: number, _pos: number): number {
    if (this.queue.length === 0) return this.nonblock ? -E.EAGAIN : vfsEndpoint().park(f, this.readers);
    let at = 0;
    let taken = 0;
    for (const e of this.queue) {
      const room = nameRoom(e);
      if (at + EVENT_BYTES + room > len) break;
      const v = host.scratchView, to = off + at;
      v.setInt32(to, e.wd, true);
      v.setUint32(to + 4, e.mask >>> 0, true);
      v.setUint32(to + 8, e.cookie, true);
      v.setUint32(to + 12, room, true);
      host.scratch.fill(0, to + EVENT_BYTES, to + EVENT_BYTES + room);
      host.scratch.latin1Write(e.name, to + EVENT_BYTES);
      at += EVENT_BYTES + room;
      taken++;
    }
    if (taken === 0) return -E.EINVAL;
    this.queue = this.queue.slice(taken);
    if (this.queue.length === 0) this.publish(0);
    return at;
  }

  /** Since Linux 6.12 such files ignore a seek instead of refusing it. */
  override seek(): number { return 0; }

  override ioctl(f: Frame, request: number, arg: number): number {
    if (request !== FIONREAD) return -E.ENOTTY;
    let n = 0;
    for (const e of this.queue) n += EVENT_BYTES + nameRoom(e);
    host.scratchView.setInt32(host.STRUCT, n, true);
    return Math.min(0, f.copyOut(arg, host.STRUCT, 4));
  }

  override release(): void {
    for (const w of this.byWd.values()) dropWatch(w);
    count(watches, this.uid, -this.byWd.size);
    count(instances, this.uid, -1);
    this.byWd.clear();
  }
}
