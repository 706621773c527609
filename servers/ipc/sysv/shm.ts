/**
 * System V shared memory: segments, and who has them attached.
 *
 * A segment is a host memfd, sealed to its size; the stub of who attaches it maps it (shmat) and gives it back (shmdt), so faults, forks and the end of a process
 * are the host's own business. How often a segment is attached is asked of the host when somebody wants to know: it is the number of mappings of the memfd in
 * all processes' /proc/PID/maps, which is what Linux counts, too. The memfd's name has the segment's key and id, for what vfs makes of it there. A mapping that the guest has split with mprotect counts twice there and here.
 *
 * `users` are the processes that may have it attached: shmat adds them, SHM_FORK their children, their end and execve take them away, and then set lpid and
 * dtime. A removed segment (SHM_DEST) that nobody has attached goes: looked for when a user of it ends or detaches, and whenever it is asked for.
 * Sources: shmop(2), shmctl(2), shmget(2), ipc/shm.c behaviour.
 */
import { Cap, capable, inGroup } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { SHMALL, SHMMAX, SHMMNI } from '../../../shared/ipc-limits.js';
import { native } from '../../../shared/native.js';
import { eachTg } from '../../../shared/tasks.js';
import { IpcIds, IpcPerm, nowSeconds } from './ids.js';

export const PAGE = 4096;
/** Flags in shm_perm.mode. shmctl(2). */
export const SHM_DEST = 0o1000, SHM_LOCKED = 0o2000;
const SHM_HUGETLB = 0o4000, SHM_NORESERVE = 0o10000;
const MFD_ALLOW_SEALING = 2, MFD_HUGETLB = 4;
/** The page size of huge pages in the flags: the same bits for memfd_create(2). */
const HUGE_SHIFT = 26, HUGE_MASK = 0x3f;
const F_ADD_SEALS = 1033, F_SEAL_SEAL = 1, F_SEAL_SHRINK = 2, F_SEAL_GROW = 4;
const O_RDONLY = 0;
/** Offsets in struct statx. */
const STX_BLKSIZE = 4, STX_INO = 32, STX_BLOCKS = 48;
const NR_HOST_sysinfo = 99;

export class Segment extends IpcPerm {
  atime = 0;
  dtime = 0;
  lpid = 0;
  readonly cpid: number;
  /** tg rows. */
  readonly users = new Set<number>();
  /** size: as asked for; bytes: whole pages. ino: of the memfd, on the host. */
  constructor(f: Frame, key: number, flags: number, readonly size: number, readonly bytes: number, readonly hostFd: number, readonly ino: number) {
    super(f, key, flags);
    this.cpid = L.tgTgid(f.tg);
  }

  detached(pid: number): void {
    this.lpid = pid;
    this.dtime = nowSeconds();
  }
}

/** A mapping of a segment in a process: guest addresses, and where in the segment it begins. Bytes. */
export interface Attachment { readonly start: number; readonly end: number; readonly offset: number; readonly ino: number }

const NAME = '/memfd:sysv-';
const LINE = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+) /;

/** The segments in a host process's list of mappings, by address. Pure. */
export function attachmentsIn(maps: string): Attachment[] {
  const list: Attachment[] = [];
  for (let at = maps.indexOf(NAME); at >= 0; at = maps.indexOf(NAME, at + 1)) {
    const m = LINE.exec(maps.slice(maps.lastIndexOf('\n', at) + 1, at));
    if (m !== null) list.push({ start: parseInt(m[1] as string, 16), end: parseInt(m[2] as string, 16), offset: parseInt(m[3] as string, 16), ino: Number(m[4]) });
  }
  return list;
}

/** What of the list shmdt(addr) gives back: the segment's mapping that begins at addr, and its others where they belong relative to it. Pure. */
export function detaching(list: readonly Attachment[], addr: number, sizeOf: (ino: number) => number): Attachment[] {
  const first = list.find((a) => a.start - a.offset === addr && a.start >= addr && sizeOf(a.ino) > 0);
  if (first === undefined) return [];
  const end = addr + sizeOf(first.ino);
  return list.filter((a) => a.ino === first.ino && a.start - a.offset === addr && a.end <= end);
}

/** Those of a process, from the host. */
export function attachmentsOf(tg: number): Attachment[] {
  const pid = native.hostPid(tg);
  const text = pid > 0 ? host.readSmallFile(host.AT_FDCWD, `/proc/${pid}/maps`) : '';
  return typeof text === 'number' ? [] : attachmentsIn(text);
}

/** May the caller have huge pages? CAP_IPC_LOCK, or the group of /proc/sys/vm/hugetlb_shm_group. */
function mayHuge(f: Frame): boolean {
  const group = host.readSmallFile(host.AT_FDCWD, '/proc/sys/vm/hugetlb_shm_group');
  return capable(f.task, Cap.IPC_LOCK) || inGroup(L.taskCred(f.task), typeof group === 'string' ? Number(group) : 0);
}

/** Bytes of a page of a huge memfd: st_blksize. */
const hugeUnit = (fd: number): number => (host.statx(fd, '', host.AT_EMPTY_PATH) < 0 ? PAGE : host.scratchView.getUint32(host.STRUCT + STX_BLKSIZE, true));

/** Pages of the machine and its swap: what Linux gives at most to a segment that is accounted for. */
function machineBytes(): number {
  if (native.sys(NR_HOST_sysinfo, 0b1, host.STRUCT) < 0) return Infinity;
  const word = (off: number): number => host.scratchView.getUint32(host.STRUCT + off, true) + host.scratchView.getUint32(host.STRUCT + off + 4, true) * 4294967296;
  return (word(32) + word(64)) * host.scratchView.getUint32(host.STRUCT + 104, true);
}

export class Shms {
  readonly ids = new IpcIds<Segment>(SHMMNI);
  /** Pages of all segments. */
  pages = 0;

  /** later: do something when nothing else waits. */
  constructor(private readonly later: (work: () => void) => void) {}

  /** A new segment: -EINVAL (size), -ENOSPC (limits), -ENOMEM, or what the host says of huge pages. */
  make(f: Frame, key: number, size: number, flags: number): Segment | number {
    if (size < 1 || size > SHMMAX) return -E.EINVAL;
    const pages = Math.ceil(size / PAGE);
    if (this.pages + pages > SHMALL) return -E.ENOSPC;
    const id = this.ids.next;
    if (id < 0) return id;
    const huge = (flags & SHM_HUGETLB) !== 0;
    if ((flags & SHM_NORESERVE) === 0 && !huge && size > machineBytes()) return -E.ENOMEM;
    const fd = host.memfdCreate(`sysv-${(key >>> 0).toString(16).padStart(8, '0')}-${id}`, MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | ((flags >>> HUGE_SHIFT) & HUGE_MASK) << HUGE_SHIFT : 0));
    // No such size of huge pages.
    if (huge && fd === -E.ENODEV) return -E.EINVAL;
    if (fd < 0) return fd === -E.EMFILE ? -E.ENOSPC : fd;
    if (huge && !mayHuge(f)) { host.close(fd); return -E.EPERM; }
    const unit = huge ? hugeUnit(fd) : PAGE;
    const bytes = Math.ceil(size / unit) * unit;
    let r = host.ftruncate(fd, bytes);
    // Linux reserves huge pages when the segment is made, the host those of a memfd when it is mapped.
    if (r >= 0 && huge && host.fallocate(fd, 0, 0, bytes) < 0) r = -E.ENOMEM;
    if (r >= 0) r = host.fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    if (r >= 0) r = host.statx(fd, '', host.AT_EMPTY_PATH);
    if (r < 0) { host.close(fd); return r === -E.EFBIG ? -E.ENOMEM : r; }
    const seg = new Segment(f, key, flags, size, bytes, fd, host.scratchView.getUint32(host.STRUCT + STX_INO, true));
    this.ids.add(seg);
    this.pages += pages;
    return seg;
  }

  /** By id; one that is removed and has lost its last user is no more. */
  lookup(id: number): Segment | undefined { return this.alive(this.ids.lookup(id)); }
  at(ix: number): Segment | undefined { return this.alive(this.ids.at(ix)); }

  private alive(seg: Segment | undefined): Segment | undefined {
    if (seg === undefined || (seg.mode & SHM_DEST) === 0 || this.attached().has(seg.ino)) return seg;
    this.destroy(seg);
    return undefined;
  }

  /** Mappings by inode, over all processes. Who shares memory with another (vfork) counts once. */
  attached(): Map<number, number> {
    const counts = new Map<number, number>();
    const areas = new Set<number>();
    eachTg((tg) => {
      if (areas.has(L.tgArea(tg))) return;
      areas.add(L.tgArea(tg));
      for (const a of attachmentsOf(tg)) counts.set(a.ino, (counts.get(a.ino) ?? 0) + 1);
    });
    return counts;
  }

  /** All, given what is attached: removed ones that are not go. */
  list(counts: ReadonlyMap<number, number>): Segment[] {
    for (const seg of this.ids.all()) if ((seg.mode & SHM_DEST) !== 0 && !counts.has(seg.ino)) this.destroy(seg);
    return this.ids.all();
  }

  /** Bytes of a segment by inode, 0 = none. */
  bytesOf(ino: number): number { return this.byIno(ino)?.bytes ?? 0; }

  byIno(ino: number): Segment | undefined {
    for (const seg of this.ids.all()) if (seg.ino === ino) return seg;
    return undefined;
  }

  /** Pages of it that are in memory. */
  resident(seg: Segment): number {
    if (host.statx(seg.hostFd, '', host.AT_EMPTY_PATH) < 0) return 0;
    return Math.floor(host.scratchView.getUint32(host.STRUCT + STX_BLOCKS, true) / (PAGE / 512));
  }

  /** The fd to map; borrowed if it may be written, else the caller's to close. */
  fdFor(seg: Segment, write: boolean): number { return write ? seg.hostFd : host.openat(host.AT_FDCWD, `/proc/self/fd/${seg.hostFd}`, O_RDONLY); }

  attach(f: Frame, seg: Segment): void {
    seg.users.add(f.tg);
    L.setTgSysv(f.tg, 1);
    seg.atime = nowSeconds();
    seg.lpid = L.tgTgid(f.tg);
  }

  /** shmctl IPC_RMID. */
  remove(seg: Segment): void {
    if (!this.attached().has(seg.ino)) { this.destroy(seg); return; }
    seg.mode |= SHM_DEST;
    this.ids.dropKey(seg);
  }

  private destroy(seg: Segment): void {
    this.ids.remove(seg);
    this.pages -= Math.ceil(seg.size / PAGE);
    host.close(seg.hostFd);
  }

  /** SHM_FORK. */
  forked(from: number, to: number): void { for (const seg of this.ids.all()) if (seg.users.has(from)) seg.users.add(to); }

  /** A process has ended, or is beginning another program: then its mappings are still to be seen for a moment. */
  gone(tg: number, pid: number, exec: boolean): void {
    for (const seg of this.ids.all()) {
      if (!seg.users.delete(tg)) continue;
      seg.detached(pid);
      if ((seg.mode & SHM_DEST) === 0) continue;
      if (exec && seg.users.size === 0) this.destroy(seg); else this.reapLater();
    }
  }

  private reaping = false;

  /** Let go of the memory of removed segments that nobody has any more. */
  reapLater(): void {
    if (this.reaping) return;
    this.reaping = true;
    this.later(() => {
      this.reaping = false;
      if (this.ids.all().some((seg) => (seg.mode & SHM_DEST) !== 0)) this.list(this.attached());
    });
  }
}
