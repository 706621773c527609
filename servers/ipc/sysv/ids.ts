/**
 * System V IPC objects by id and by key, and who may do what to them: what shared memory, semaphores and message queues have in common.
 *
 * An id is (sequence number << 15) | index. Indices are given out in turn, so that an id does not come back soon; the sequence number grows when the turn
 * begins anew. The commands *_STAT count through indices. All three tables are the container's own: it is its own IPC namespace.
 * Sources: sysvipc(7), ipc/util.c behaviour.
 */
import { Cap, capable, inGroup } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, IPC_NOWAIT = 0o4000;
export const IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3;
export const S_IRUGO = 0o444, S_IWUGO = 0o222, S_IXUGO = 0o111;

const INDEX_BITS = 15;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** Sequence numbers: what is left of an int. */
const SEQ_MAX = 2 ** 31 / 2 ** INDEX_BITS;
/** Indices are given out in turn among at least that many. RADIX_TREE_MAP_SIZE. */
const MIN_CYCLE = 64;

/** Seconds of CLOCK_REALTIME, as the times of the objects are. */
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** struct kern_ipc_perm. */
export class IpcPerm {
  id = -1;
  seq = 0;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  mode: number;
  ctime = nowSeconds();
  constructor(f: Frame, public key: number, flags: number) {
    const cred = L.taskCred(f.task);
    this.uid = this.cuid = L.credEuid(cred);
    this.gid = this.cgid = L.credEgid(cred);
    this.mode = flags & 0o777;
  }
}

/** May the caller do what the bits of `flags` (those of owner, group and others are one) ask for? 0 or -EACCES. ipc(2), ipcperms. */
export function mayIpc(f: Frame, o: IpcPerm, flags: number): number {
  const cred = L.taskCred(f.task);
  const asked = (flags >> 6) | (flags >> 3) | flags;
  const euid = L.credEuid(cred);
  let granted = o.mode;
  if (euid === o.cuid || euid === o.uid) granted >>= 6;
  else if (inGroup(cred, o.cgid) || inGroup(cred, o.gid)) granted >>= 3;
  return (asked & ~granted & 7) !== 0 && !capable(f.task, Cap.IPC_OWNER) ? -E.EACCES : 0;
}

/** May the caller change or remove it? 0 or -EPERM. */
export function ownsIpc(f: Frame, o: IpcPerm): number {
  const euid = L.credEuid(L.taskCred(f.task));
  return euid === o.cuid || euid === o.uid || capable(f.task, Cap.SYS_ADMIN) ? 0 : -E.EPERM;
}

/** Store struct ipc64_perm. */
export const PERM_BYTES = 48;
export function storePerm(v: DataView, at: number, o: IpcPerm): void {
  v.setInt32(at, o.key, true);
  v.setUint32(at + 4, o.uid, true);
  v.setUint32(at + 8, o.gid, true);
  v.setUint32(at + 12, o.cuid, true);
  v.setUint32(at + 16, o.cgid, true);
  v.setUint32(at + 20, o.mode, true);
  v.setUint16(at + 24, o.seq & 0xffff, true);
}

/** IPC_SET: owner, group and mode from struct ipc64_perm. 0, or -EINVAL for ids that are none. */
export function setPerm(v: DataView, at: number, o: IpcPerm): number {
  const uid = v.getUint32(at + 4, true), gid = v.getUint32(at + 8, true);
  if (uid === 0xffffffff || gid === 0xffffffff) return -E.EINVAL;
  o.uid = uid;
  o.gid = gid;
  o.mode = (o.mode & ~0o777) | (v.getUint32(at + 20, true) & 0o777);
  return 0;
}

/** Store a 64-bit number that may be beyond 2^53. */
export function storeU64(v: DataView, at: number, n: number): void {
  v.setUint32(at, n >>> 0, true);
  v.setUint32(at + 4, Math.min(0xffffffff, Math.floor(n / 4294967296)), true);
}

export class IpcIds<T extends IpcPerm> {
  private readonly byIx: Array<T | undefined> = [];
  private readonly byKey = new Map<number, T>();
  private lastIx = -1;
  private seq = 0;
  inUse = 0;

  constructor(private readonly max: number) {}

  /** The id that the next object gets, or -ENOSPC. */
  get next(): number {
    if (this.inUse >= this.max) return -E.ENOSPC;
    const cycle = Math.min(this.max, Math.max(MIN_CYCLE, Math.floor((this.inUse * 3) / 2)));
    let ix = (this.lastIx + 1) % cycle;
    while (this.byIx[ix] !== undefined) ix = (ix + 1) % cycle;
    return (ix <= this.lastIx ? (this.seq + 1) % SEQ_MAX : this.seq) * (INDEX_MASK + 1) + ix;
  }

  /** Give an object its id and key: the id, or -ENOSPC. */
  add(o: T): number {
    const id = this.next;
    if (id < 0) return id;
    this.lastIx = id & INDEX_MASK;
    this.seq = id >> INDEX_BITS;
    this.byIx[this.lastIx] = o;
    this.inUse++;
    o.seq = this.seq;
    o.id = id;
    if (o.key !== IPC_PRIVATE) this.byKey.set(o.key, o);
    return o.id;
  }

  remove(o: T): void {
    this.byIx[o.id & INDEX_MASK] = undefined;
    this.inUse--;
    this.dropKey(o);
  }

  /** It is not to be found by its key any more. */
  dropKey(o: T): void {
    if (o.key !== IPC_PRIVATE) this.byKey.delete(o.key);
    o.key = IPC_PRIVATE;
  }

  lookup(id: number): T | undefined {
    const o = id < 0 ? undefined : this.byIx[id & INDEX_MASK];
    return o?.id === id ? o : undefined;
  }

  /** By index, as the *_STAT commands count. */
  at(ix: number): T | undefined { return ix < 0 ? undefined : this.byIx[ix & INDEX_MASK]; }

  /** Highest index in use; 0 when there is none. */
  get top(): number {
    for (let ix = this.byIx.length - 1; ix > 0; ix--) if (this.byIx[ix] !== undefined) return ix;
    return 0;
  }

  /** All, by index; a list of the caller's own. */
  all(): T[] { return this.byIx.filter((o) => o !== undefined); }

  /**
   * The *get calls: the id of the object with this key, or of a new one.
   * make: a new object, or -errno. fits: 0, or -errno when the one that is there is too small for what was asked.
   * -ENOENT none and no IPC_CREAT; -EEXIST with IPC_EXCL; -EACCES.
   */
  get(f: Frame, key: number, flags: number, make: () => T | number, fits: (o: T) => number): number {
    const have = key === IPC_PRIVATE ? undefined : this.byKey.get(key);
    if (have !== undefined) {
      if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return -E.EEXIST;
      const r = fits(have) || mayIpc(f, have, flags);
      return r < 0 ? r : have.id;
    }
    if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -E.ENOENT;
    const o = make();
    return typeof o === 'number' ? o : o.id;
  }
}
