/** What statx(2) on the host says, decoded from scratch into one borrowed record. */
import * as host from '../../../shared/host.js';
import { scratchView as v, STRUCT } from '../../../shared/host.js';
import { makeDev, type Inode } from '../inode.js';

export interface HostStat {
  mode: number; nlink: number; uid: number; gid: number; ino: number; size: number; blocks: number; blksize: number; rdev: number; dev: number;
  atime: number; atimeNsec: number; btime: number; btimeNsec: number; btimeKnown: boolean; ctime: number; ctimeNsec: number; mtime: number; mtimeNsec: number;
}

/** Result of the last hostStat. Borrowed: copy before the next call. */
export const $st: HostStat = {
  mode: 0, nlink: 0, uid: 0, gid: 0, ino: 0, size: 0, blocks: 0, blksize: 0, rdev: 0, dev: 0,
  atime: 0, atimeNsec: 0, btime: 0, btimeNsec: 0, btimeKnown: false, ctime: 0, ctimeNsec: 0, mtime: 0, mtimeNsec: 0,
};

const u32 = (off: number): number => v.getUint32(STRUCT + off, true);
const u64 = (off: number): number => u32(off) + u32(off + 4) * 4294967296;
const s64 = (off: number): number => u32(off) + v.getInt32(STRUCT + off + 4, true) * 4294967296;

/** Inode numbers are 64 bits on the host and exact to 53 here; the rare longer ones (overlayfs xino) are folded, which keeps them distinct enough. */
function inoAt(off: number): number {
  const hi = u32(off + 4);
  return u32(off) + ((hi & 0x1fffff) ^ (hi >>> 21)) * 4294967296;
}

/** statx(2) of a name in a directory, symlinks not followed; an empty name with `flags` AT_EMPTY_PATH: of the fd. 0 or -errno. */
export function hostStat(dirfd: number, name: string, flags = host.AT_SYMLINK_NOFOLLOW): number {
  const r = host.statx(dirfd, name, flags);
  if (r < 0) return r;
  $st.btimeKnown = (u32(0) & host.STATX_BTIME) !== 0;
  $st.blksize = u32(4);
  $st.nlink = u32(16);
  $st.uid = u32(20);
  $st.gid = u32(24);
  $st.mode = v.getUint16(STRUCT + 28, true);
  $st.ino = inoAt(32);
  $st.size = u64(40);
  $st.blocks = u64(48);
  $st.atime = s64(64); $st.atimeNsec = u32(72);
  $st.btime = s64(80); $st.btimeNsec = u32(88);
  $st.ctime = s64(96); $st.ctimeNsec = u32(104);
  $st.mtime = s64(112); $st.mtimeNsec = u32(120);
  $st.rdev = makeDev(u32(128), u32(132));
  $st.dev = makeDev(u32(136), u32(140));
  return 0;
}

/** Stat of an open fd (O_PATH too). */
export const hostStatFd = (fd: number): number => hostStat(fd, '', host.AT_EMPTY_PATH);

/** Take everything over but device and type-independent identity (dev is the inode's own business). */
export function fillInode(i: Inode): void {
  i.mode = $st.mode;
  i.nlink = $st.nlink;
  i.uid = $st.uid;
  i.gid = $st.gid;
  i.ino = $st.ino;
  i.rdev = $st.rdev;
  i.btimeKnown = $st.btimeKnown;
  i.btime = $st.btime; i.btimeNsec = $st.btimeNsec;
  i.ctime = $st.ctime; i.ctimeNsec = $st.ctimeNsec;
  fillData(i);
}

/** Only what belongs to the contents: size, blocks, access and modification time. */
export function fillData(i: Inode): void {
  i.size = $st.size;
  i.blocks = $st.blocks;
  i.blksize = $st.blksize;
  i.atime = $st.atime; i.atimeNsec = $st.atimeNsec;
  i.mtime = $st.mtime; i.mtimeNsec = $st.mtimeNsec;
}
