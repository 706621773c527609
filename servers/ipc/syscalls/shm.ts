/** shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { Cap, capable } from '../../../shared/creds.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { sendMmapFd } from '../../../shared/grant.js';
import * as host from '../../../shared/host.js';
import { SHMMNI } from '../../../shared/ipc-limits.js';
import { IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, mayIpc, nowSeconds, ownsIpc, S_IRUGO, S_IWUGO, S_IXUGO, setPerm, storePerm, storeU64 } from '../sysv/ids.js';
import { attachmentsOf, detaching, PAGE, type Segment, SHM_LOCKED, type Shms } from '../sysv/shm.js';

const SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15;
const SHM_RDONLY = 0o10000, SHM_RND = 0o20000, SHM_REMAP = 0o40000, SHM_EXEC = 0o100000;
/** sizeof(struct shmid64_ds), struct shminfo64, struct shm_info. */
const SHMID_BYTES = 112, SHMINFO_BYTES = 72, SHM_INFO_BYTES = 48;
const RLIMIT_MEMLOCK = 8;
/** Most pieces of a segment that one answer to shmdt names: what fits a payload. */
const PIECES_MAX = 512;

const v = host.scratchView;

/**
 * shmget(2) - get a segment.
 *
 *   int shmget(key_t key, size_t size, int shmflg);
 *
 * Errors, in Linux's order of checks:
 *   -EEXIST  it exists, IPC_CREAT and IPC_EXCL; -EINVAL it is smaller; -EACCES
 *   -ENOENT  it does not exist, no IPC_CREAT; -EINVAL size; -ENOSPC limits; -ENOMEM; SHM_HUGETLB: -EINVAL no such size of pages, -EPERM, -ENOMEM
 * Source: man-pages 6.9 shmget(2), ipc/shm.c. Deviations: none.
 */
function shmget(shms: Shms, f: Frame): number {
  const key = f.argInt(0), size = f.argU64(1), flags = f.argInt(2);
  return shms.ids.get(f, key, flags, () => shms.make(f, key, size, flags), (seg) => (size > seg.size ? -E.EINVAL : 0));
}

/** Is the address one at which a segment can be attached? The stub does the same to it. */
function addressOk(addr: number, flags: number): boolean {
  if (addr === 0) return (flags & SHM_REMAP) === 0;
  if (addr % PAGE === 0) return true;
  return (flags & SHM_RND) !== 0 && !(addr < PAGE && (flags & SHM_REMAP) !== 0);
}

/**
 * shmat(2) - attach a segment. The answer is the bytes to map, with the fd to map them from (RF_MMAP_FD); the stub makes it an address.
 *
 *   void *shmat(int shmid, const void *shmaddr, int shmflg);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  shmid < 0, shmaddr; no such segment; -EACCES
 *   -EINVAL  something is mapped there, no SHM_REMAP (the stub's); -ENOMEM
 * Source: man-pages 6.9 shmop(2), ipc/shm.c. Deviations: shm_atime and shm_lpid are set before the mapping is made, which may fail.
 */
function shmat(shms: Shms, f: Frame): number {
  const id = f.argInt(0), flags = f.argInt(2);
  if (id < 0 || !addressOk(f.argU64(1), flags)) return -E.EINVAL;
  const seg = shms.lookup(id);
  if (seg === undefined) return -E.EINVAL;
  const write = (flags & SHM_RDONLY) === 0;
  let r = mayIpc(f, seg, S_IRUGO | (write ? S_IWUGO : 0) | ((flags & SHM_EXEC) !== 0 ? S_IXUGO : 0));
  if (r < 0) return r;
  const fd = shms.fdFor(seg, write);
  if (fd < 0) return -E.ENOMEM;
  r = sendMmapFd(f, fd);
  if (!write) host.close(fd);
  if (r < 0) return -E.ENOMEM;
  shms.attach(f, seg);
  return seg.bytes;
}

/**
 * shmdt(2) - detach a segment. The answer is the number of pieces to be unmapped, which the stub does (RF_PIECES).
 *
 *   int shmdt(const void *shmaddr);
 *
 * -EINVAL: no segment was attached at shmaddr. Source: man-pages 6.9 shmop(2), ipc/shm.c. Deviations: none.
 */
function shmdt(shms: Shms, f: Frame): number {
  const addr = f.argU64(0);
  if (addr % PAGE !== 0) return -E.EINVAL;
  const all = attachmentsOf(f.tg);
  const pieces = detaching(all, addr, (ino) => shms.bytesOf(ino)).slice(0, PIECES_MAX);
  const first = pieces[0];
  const seg = first === undefined ? undefined : shms.byIno(first.ino);
  if (first === undefined || seg === undefined) return -E.EINVAL;
  pieces.forEach((p, i) => {
    storeU64(f.view, f.payload + 16 * i, p.start);
    storeU64(f.view, f.payload + 16 * i + 8, p.end - p.start);
  });
  f.replyBytes = 16 * pieces.length;
  f.setReplyFlag(L.RF_PIECES);
  seg.detached(L.tgTgid(f.tg));
  if (all.filter((a) => a.ino === seg.ino).length === pieces.length) seg.users.delete(f.tg);
  // The pieces are mapped still; whoever asks for a removed segment looks again.
  shms.reapLater();
  return pieces.length;
}

/** IPC_STAT, SHM_STAT, SHM_STAT_ANY: 0, or the id of the segment with that index. */
function stat(shms: Shms, f: Frame, cmd: number): number {
  const seg = cmd === IPC_STAT ? shms.lookup(f.argInt(0)) : shms.at(f.argInt(0));
  if (seg === undefined) return -E.EINVAL;
  let r = cmd === SHM_STAT_ANY ? 0 : mayIpc(f, seg, S_IRUGO);
  if (r < 0) return r;
  const count = shms.attached().get(seg.ino) ?? 0;
  const at = host.STRUCT;
  host.scratch.fill(0, at, at + SHMID_BYTES);
  storePerm(v, at, seg);
  storeU64(v, at + 48, seg.size);
  v.setUint32(at + 56, seg.atime, true);
  v.setUint32(at + 64, seg.dtime, true);
  v.setUint32(at + 72, seg.ctime, true);
  v.setInt32(at + 80, seg.cpid, true);
  v.setInt32(at + 84, seg.lpid, true);
  v.setUint32(at + 88, count, true);
  r = f.copyOut(f.argU64(2), at, SHMID_BYTES);
  return r < 0 ? r : cmd === IPC_STAT ? 0 : seg.id;
}

/** SHMMAX, SHMALL: 2^64 - 2^24 - 1. */
function storeMax(at: number): void {
  v.setUint32(at, 0xfeffffff, true);
  v.setUint32(at + 4, 0xffffffff, true);
}

/** IPC_INFO: limits. The highest index. */
function limits(shms: Shms, f: Frame): number {
  const at = host.STRUCT;
  host.scratch.fill(0, at, at + SHMINFO_BYTES);
  storeMax(at);
  v.setUint32(at + 8, 1, true);
  v.setUint32(at + 16, SHMMNI, true);
  v.setUint32(at + 24, SHMMNI, true);
  storeMax(at + 32);
  const r = f.copyOut(f.argU64(2), at, SHMINFO_BYTES);
  return r < 0 ? r : shms.ids.top;
}

/** SHM_INFO: what is in use. The highest index. */
function usage(shms: Shms, f: Frame): number {
  let resident = 0;
  for (const seg of shms.ids.all()) resident += shms.resident(seg);
  const at = host.STRUCT;
  host.scratch.fill(0, at, at + SHM_INFO_BYTES);
  v.setInt32(at, shms.ids.inUse, true);
  storeU64(v, at + 8, shms.pages);
  storeU64(v, at + 16, resident);
  const r = f.copyOut(f.argU64(2), at, SHM_INFO_BYTES);
  return r < 0 ? r : shms.ids.top;
}

/** IPC_SET, IPC_RMID. */
function change(shms: Shms, f: Frame, cmd: number): number {
  if (cmd === IPC_SET) {
    const r = f.copyIn(f.argU64(2), host.STRUCT, SHMID_BYTES);
    if (r < 0) return r;
  }
  const wanted = Buffer.from(host.scratch.subarray(host.STRUCT, host.STRUCT + SHMID_BYTES));
  const seg = shms.lookup(f.argInt(0));
  if (seg === undefined) return -E.EINVAL;
  let r = ownsIpc(f, seg);
  if (r < 0) return r;
  if (cmd === IPC_RMID) { shms.remove(seg); return 0; }
  r = setPerm(new DataView(wanted.buffer, wanted.byteOffset, wanted.length), 0, seg);
  if (r === 0) seg.ctime = nowSeconds();
  return r;
}

/** SHM_LOCK, SHM_UNLOCK: the flag. Whether a memfd's pages are swapped is the host's. */
function lockPages(f: Frame, seg: Segment, on: boolean): number {
  if (!capable(f.task, Cap.IPC_LOCK)) {
    const euid = L.credEuid(L.taskCred(f.task));
    if (euid !== seg.uid && euid !== seg.cuid) return -E.EPERM;
    if (on && L.tgRlimCur(f.tg, RLIMIT_MEMLOCK) === 0) return -E.EPERM;
  }
  seg.mode = on ? seg.mode | SHM_LOCKED : seg.mode & ~SHM_LOCKED;
  return 0;
}

/** shmctl(2): -EINVAL (shmid, op), -EFAULT, -EACCES, -EPERM. Source: man-pages 6.9 shmctl(2), ipc/shm.c. Deviations: SHM_LOCK sets its flag only. */
function shmctl(shms: Shms, f: Frame): number {
  const cmd = f.argInt(1);
  if (f.argInt(0) < 0) return -E.EINVAL;
  switch (cmd) {
    case IPC_INFO: return limits(shms, f);
    case SHM_INFO: return usage(shms, f);
    case IPC_STAT: case SHM_STAT: case SHM_STAT_ANY: return stat(shms, f, cmd);
    case IPC_SET: case IPC_RMID: return change(shms, f, cmd);
    case SHM_LOCK: case SHM_UNLOCK: {
      const seg = shms.lookup(f.argInt(0));
      return seg === undefined ? -E.EINVAL : lockPages(f, seg, cmd === SHM_LOCK);
    }
    default: return -E.EINVAL;
  }
}

export function installShmCalls(ep: Endpoint, shms: Shms): void {
  ep.handle(NR.NR_shmget, (f) => shmget(shms, f));
  ep.handle(NR.NR_shmat, (f) => shmat(shms, f));
  ep.handle(NR.NR_shmdt, (f) => shmdt(shms, f));
  ep.handle(NR.NR_shmctl, (f) => shmctl(shms, f));
}
