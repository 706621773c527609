/** stat(2), lstat, fstat, newfstatat, statx(2), statfs(2), fstatfs(2), access(2), faccessat, faccessat2, readlink(2), readlinkat. */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { answerFound, answerOpen, statxMask } from '../answers.js';
import { fileOf } from '../file.js';
import { InternalSuper, pathOfOfd } from '../foreign.js';
import { DATA, scratch } from '../../../shared/host.js';
import { devMajor, devMinor, type Inode, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, type Mount, type StatFs } from '../inode.js';
import { Walk } from '../namei.js';
import { countUse } from '../open-file.js';
import { mayAccess } from '../may-access.js';
import { tellSiblings } from '../siblings.js';
import { askedBy, notThere, startQuestion } from '../start-names.js';
import { $nd, AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, atWalk, callerOf, walkAt, walkInode } from './args.js';

/** struct stat and struct statx, bytes. asm/stat.h, linux/stat.h. */
const STAT_SIZE = 144, STATX_SIZE = 256;
const STATX_RESERVED = 0x80000000;

/** Attributes of any open file description, brought up to date. Borrowed. */
function inodeOfOfd(f: Frame, ofd: number): Inode | number {
  const p = pathOfOfd(ofd, L.taskCred(f.task));
  if (typeof p === 'number') return p;
  $nd.mnt = p.mnt;
  const r = p.inode.refresh();
  return r < 0 ? r : p.inode;
}

// ---- encoding ----

function putU64(v: DataView, off: number, n: number): void {
  v.setUint32(off, n >>> 0, true);
  v.setUint32(off + 4, Math.floor(n / 4294967296) >>> 0, true);
}

function putTime(v: DataView, off: number, sec: number, nsec: number): void {
  putU64(v, off, sec);
  putU64(v, off + 8, nsec);
}

/** struct stat into out argument `arg`. 0 or -EFAULT. */
function putStat(f: Frame, arg: number, i: Inode): number {
  const o = f.outOff(arg);
  if (o < 0) return o;
  const v = f.view;
  putU64(v, o, i.dev);
  putU64(v, o + 8, i.ino);
  putU64(v, o + 16, i.nlink);
  v.setUint32(o + 24, i.mode, true);
  v.setUint32(o + 28, i.uid, true);
  v.setUint32(o + 32, i.gid, true);
  v.setUint32(o + 36, 0, true);
  putU64(v, o + 40, i.rdev);
  putU64(v, o + 48, i.size);
  putU64(v, o + 56, i.blksize);
  putU64(v, o + 64, i.blocks);
  putTime(v, o + 72, i.atime, i.atimeNsec);
  putTime(v, o + 88, i.mtime, i.mtimeNsec);
  putTime(v, o + 104, i.ctime, i.ctimeNsec);
  f.bytes.fill(0, o + 120, o + STAT_SIZE);
  f.setOut(arg, STAT_SIZE);
  return 0;
}

function putTimestamp(v: DataView, off: number, sec: number, nsec: number): void {
  putU64(v, off, sec);
  v.setUint32(off + 8, nsec, true);
}

function putStatx(f: Frame, arg: number, i: Inode, mntId: number): number {
  const o = f.outOff(arg);
  if (o < 0) return o;
  const v = f.view;
  f.bytes.fill(0, o, o + STATX_SIZE);
  v.setUint32(o, statxMask(i), true);
  v.setUint32(o + 4, i.blksize, true);
  v.setUint32(o + 16, i.nlink, true);
  v.setUint32(o + 20, i.uid, true);
  v.setUint32(o + 24, i.gid, true);
  v.setUint16(o + 28, i.mode, true);
  putU64(v, o + 32, i.ino);
  putU64(v, o + 40, i.size);
  putU64(v, o + 48, i.blocks);
  putTimestamp(v, o + 64, i.atime, i.atimeNsec);
  putTimestamp(v, o + 80, i.btime, i.btimeNsec);
  putTimestamp(v, o + 96, i.ctime, i.ctimeNsec);
  putTimestamp(v, o + 112, i.mtime, i.mtimeNsec);
  v.setUint32(o + 128, devMajor(i.rdev), true);
  v.setUint32(o + 132, devMinor(i.rdev), true);
  v.setUint32(o + 136, devMajor(i.dev), true);
  v.setUint32(o + 140, devMinor(i.dev), true);
  putU64(v, o + 144, mntId);
  f.setOut(arg, STATX_SIZE);
  return 0;
}

// ---- calls ----

/** Attributes of what is open at fd, brought up to date, which the caller may remember. Borrowed. */
function statOfFd(f: Frame, fd: number): Inode | number {
  const o = fdLookup(L.taskFiles(f.task), fd);
  if (o < 0) return o;
  const i = inodeOfOfd(f, o);
  if (typeof i === 'number') return i;
  const file = L.ofdOwner(o) === L.SRV_VFS ? fileOf(o) : undefined;
  // With a grant of its own the process asks the host.
  if (file?.live === true && f.answerOff(L.ANSWER_SIZE) >= 0) countUse(f, fd, file);
  answerOpen(f, fd, i, $nd.mnt.id, file?.live === true);
  return i;
}

/** The inode that a path call means, brought up to date. Borrowed. */
function statTarget(f: Frame, dirfd: number, arg: number, flags: number): Inode | number {
  const c = callerOf(f);
  // A NULL path with AT_EMPTY_PATH means an empty one (Linux 6.11).
  const empty = (flags & AT_EMPTY_PATH) !== 0 && f.argU64(arg) === 0;
  const path = empty ? '' : f.str(arg);
  if (typeof path === 'number') return path;
  if (path === '' && (flags & AT_EMPTY_PATH) !== 0 && dirfd !== AT_FDCWD) {
    return statOfFd(f, dirfd);
  }
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const r = walkAt(f, c, $nd, dirfd, path, atWalk(flags));
  if (r < 0) return notThere(f, c, $nd, path, follow, r);
  if ($nd.ofd !== 0) return inodeOfOfd(f, $nd.ofd);
  const inode = $nd.inode;
  const s = inode.refresh();
  if (s < 0) return s;
  if ($nd.settled) {
    answerFound(f, $nd.dentry, inode, $nd.mnt.id);
    tellSiblings(f, c, $nd, follow);
    startQuestion(f, c, path, askedBy(follow));
  }
  return inode;
}

/**
 * stat(2), lstat(2), newfstatat(2).
 * Errors: -EINVAL flags; walk errors; -EFAULT buffer. Source: man-pages 6.9 stat(2).
 */
function statAt(f: Frame, dirfd: number, arg: number, buf: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  const i = statTarget(f, dirfd, arg, flags);
  return typeof i === 'number' ? i : putStat(f, buf, i);
}

/** fstat(2), of whatever OFD: other servers forward theirs here, so that fstat and newfstatat(fd, "") agree. EBADF, EFAULT. */
function sys_fstat(f: Frame): number {
  const i = statOfFd(f, f.argInt(0));
  return typeof i === 'number' ? i : putStat(f, 1, i);
}

/** statx(2). -EINVAL: unknown flags, both sync types, reserved mask bit. Everything known is always filled in. */
function sys_statx(f: Frame): number {
  const flags = f.argInt(2);
  if ((f.argU32(3) & STATX_RESERVED) !== 0) return -E.EINVAL;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0 || (flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -E.EINVAL;
  const i = statTarget(f, f.argInt(0), 1, flags);
  return typeof i === 'number' ? i : putStatx(f, 4, i, $nd.mnt.id);
}

const $fs: StatFs = { type: 0, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 };
/** ST_* of statfs(2). */
const ST_RDONLY = 1, ST_NOSUID = 2, ST_NODEV = 4, ST_NOEXEC = 8, ST_VALID = 0x20, ST_RELATIME = 0x1000;

/** struct statfs (120 bytes) into out argument 1. */
function putStatFs(f: Frame, mnt: Mount): number {
  $fs.type = $fs.blocks = $fs.bfree = $fs.bavail = $fs.files = $fs.ffree = 0;
  $fs.bsize = 4096;
  $fs.namelen = 255;
  const r = mnt.sb.statfs($fs);
  if (r < 0) return r;
  const o = f.outOff(1);
  if (o < 0) return o;
  const v = f.view;
  f.bytes.fill(0, o, o + 120);
  putU64(v, o, $fs.type);
  putU64(v, o + 8, $fs.bsize);
  putU64(v, o + 16, $fs.blocks);
  putU64(v, o + 24, $fs.bfree);
  putU64(v, o + 32, $fs.bavail);
  putU64(v, o + 40, $fs.files);
  putU64(v, o + 48, $fs.ffree);
  const internal = mnt.sb instanceof InternalSuper;
  if (!internal) v.setUint32(o + 56, mnt.sb.dev, true);
  putU64(v, o + 64, $fs.namelen);
  putU64(v, o + 72, $fs.bsize);
  const m = mnt.flags;
  putU64(v, o + 80, ST_VALID | (internal ? 0 : ST_RELATIME) | ((m & MNT_RDONLY) !== 0 ? ST_RDONLY : 0) | ((m & MNT_NOSUID) !== 0 ? ST_NOSUID : 0) | ((m & MNT_NODEV) !== 0 ? ST_NODEV : 0)
    | ((m & MNT_NOEXEC) !== 0 ? ST_NOEXEC : 0));
  f.setOut(1, 120);
  return 0;
}

function sys_statfs(f: Frame): number {
  const r = walkInode(f, callerOf(f), $nd, AT_FDCWD, 0, Walk.FOLLOW);
  return r < 0 ? r : putStatFs(f, $nd.mnt);
}

/** fstatfs(2), of whatever OFD. EBADF, EFAULT. */
function sys_fstatfs(f: Frame): number {
  const o = fdLookup(L.taskFiles(f.task), f.argInt(0));
  if (o < 0) return o;
  const p = pathOfOfd(o, L.taskCred(f.task));
  return typeof p === 'number' ? p : putStatFs(f, p.mnt);
}

/**
 * access(2), faccessat(2), faccessat2(2): may the *real* user do it?
 * Errors: -EINVAL mode or flags; walk errors; mayAccess's. Source: man-pages 6.9 access(2).
 */
function accessAt(f: Frame, dirfd: number, arg: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  const path = f.str(arg);
  if (typeof path === 'number') return path;
  const c = callerOf(f);
  // The walk goes by the real ids too.
  c.real = (flags & AT_EACCESS) === 0;
  const r = walkAt(f, c, $nd, dirfd, path, atWalk(flags));
  if (r < 0) {
    c.real = false;
    return notThere(f, c, $nd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0, r);
  }
  if ($nd.ofd !== 0) return 0;
  const inode = $nd.inode, p = mayAccess(c, $nd.path, mode);
  c.real = false;
  if (p < 0) return p;
  if ($nd.settled && inode.refresh() === 0) {
    answerFound(f, $nd.dentry, inode, $nd.mnt.id);
    if ((flags & ~AT_EACCESS) === 0) startQuestion(f, c, path, mode === 0 ? L.ASK_FOLLOW : L.ASK_ACCESS + mode + (flags !== 0 ? L.ASK_EFFECTIVE : 0));
  }
  return 0;
}

/** readlink(2), readlinkat(2): -EINVAL bufsiz <= 0 or not a symlink; -ENOENT for an empty path on something that is no symlink. */
function readlinkAt(f: Frame, dirfd: number, arg: number, buf: number): number {
  const size = f.argInt(buf + 1);
  if (size <= 0) return -E.EINVAL;
  const c = callerOf(f);
  const path = f.str(arg);
  if (typeof path === 'number') return path;
  const r = walkAt(f, c, $nd, dirfd, path, dirfd === AT_FDCWD ? 0 : Walk.EMPTY);
  if (r < 0) return notThere(f, c, $nd, path, false, r);
  if ($nd.ofd !== 0) return -E.ENOENT;
  const inode = $nd.inode;
  const remember = $nd.settled && inode.refresh() === 0;
  if (!inode.isLink) {
    if (remember) answerFound(f, $nd.dentry, inode, $nd.mnt.id);
    startQuestion(f, c, path, askedBy(false));
    return path === '' ? -E.ENOENT : -E.EINVAL;
  }
  const t = inode.readlink(c);
  if (typeof t === 'number') return t;
  if (remember) {
    answerFound(f, $nd.dentry, inode, $nd.mnt.id, t);
    startQuestion(f, c, path, askedBy(false));
  }
  const n = Math.min(size, t.length);
  const o = f.outOff(buf);
  if (o >= 0) {
    f.bytes.latin1Write(t, o, n);
    f.setOut(buf, n);
    return n;
  }
  if (f.argLen(buf) !== L.ARG_ELSEWHERE) return o;
  return writeOut(f, f.argU64(buf), t.slice(0, n));
}

/** A latin1 string to guest memory: its length or -EFAULT. */
export function writeOut(f: Frame, addr: number, text: string): number {
  scratch.latin1Write(text, DATA);
  return f.copyOut(addr, DATA, text.length);
}

export function installStat(ep: Endpoint): void {
  ep.handle(NR.NR_stat, (f) => statAt(f, AT_FDCWD, 0, 1, 0));
  ep.handle(NR.NR_lstat, (f) => statAt(f, AT_FDCWD, 0, 1, AT_SYMLINK_NOFOLLOW));
  ep.handle(NR.NR_newfstatat, (f) => statAt(f, f.argInt(0), 1, 2, f.argInt(3)));
  ep.handle(NR.NR_fstat, sys_fstat);
  ep.handle(NR.NR_statx, sys_statx);
  ep.handle(NR.NR_statfs, sys_statfs);
  ep.handle(NR.NR_fstatfs, sys_fstatfs);
  ep.handle(NR.NR_access, (f) => accessAt(f, AT_FDCWD, 0, f.argInt(1), 0));
  ep.handle(NR.NR_faccessat, (f) => accessAt(f, f.argInt(0), 1, f.argInt(2), 0));
  ep.handle(NR.NR_faccessat2, (f) => accessAt(f, f.argInt(0), 1, f.argInt(2), f.argInt(3)));
  ep.handle(NR.NR_readlink, (f) => readlinkAt(f, AT_FDCWD, 0, 1));
  ep.handle(NR.NR_readlinkat, (f) => readlinkAt(f, f.argInt(0), 1, 2));
}
