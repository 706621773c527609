/**
 * open(2), openat(2), openat2(2), creat(2).
 *
 * Order: flags; room for a descriptor (EMFILE); walk; creation; type (ELOOP, EISDIR, ENOTDIR, ENXIO); permission; read-only mount; ETXTBSY; truncation; the file system's own open;
 * the descriptor. A FIFO and a terminal may park the request; what was done before is then not done again (fifo.ts) or is idempotent.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup, fdRoom, nofile, Ofd, ofdRef } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { grantFds } from '../../../shared/grant.js';
import { openedAgain } from '../again.js';
import { answerOpen } from '../answers.js';
import { CAP_FSETID, hasCap, killPriv, mayCreate, mayWriteMount, permission } from '../dac.js';
import { dinstantiate } from '../dcache.js';
import { O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOFOLLOW, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY, type File, fileOf } from '../file.js';
import { fifoOpen, fifoResume, isFifoOpen } from '../fifo.js';
import { readClock } from '../host/times.js';
import type { Path} from '../inode.js';
import { type Caller, Dentry, type Inode, MAY_EXEC, MAY_WRITE, S_IFIFO, S_IFREG, S_IFSOCK } from '../inode.js';
import { IN_MODIFY, IN_OPEN, tellCreated, tellDentry } from '../inotify/watch.js';
import { tellListing } from '../listings.js';
import { crossMounts } from '../mounts.js';
import { followLast, Last, lookupLast, type Nameidata, Walk } from '../namei.js';
import { checkAccess, checkType, O_TMPFILE_BIT } from '../may-open.js';
import { grantOpened, installFile, installOfd, openedBits } from '../open-file.js';
import { DirFile, PathFile } from '../path-file.js';
import { notThere, startOpened } from '../start-names.js';
import { $nd, AT_FDCWD, callerOf, walkAt } from './args.js';
import { umaskOf } from '../umask.js';

/** Every flag open(2) knows; openat ignores others, openat2 refuses them. */
const VALID = O_ACCMODE | O_CREAT | O_EXCL | 0o400 | O_TRUNC | 0o2000 | 0o4000 | 0o10000 | 0o4010000 | 0o20000 | 0o40000 | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC
  | O_PATH | O_TMPFILE;
const PATH_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const S_IALLUGO = 0o7777;
/** Times that a name which was not there is found to be there after all, by one call. */
const RACES_MAX = 40;
/** RESOLVE_* of openat2(2). */
const RESOLVE_ALL = 0x1f, RESOLVE_CACHED = 0x20;

/** Check and normalise flags and mode: the flags, or -EINVAL. */
function checkFlags(flags: number, mode: number): number {
  if ((flags & O_PATH) !== 0) return flags & PATH_FLAGS;
  if ((flags & O_TMPFILE_BIT) !== 0) {
    if ((flags & O_TMPFILE) !== O_TMPFILE || (flags & O_CREAT) !== 0 || (flags & O_ACCMODE) === O_RDONLY) return -E.EINVAL;
  } else if ((flags & O_CREAT) === 0 && mode !== 0) return -E.EINVAL;
  if ((flags & (O_CREAT | O_DIRECTORY)) === (O_CREAT | O_DIRECTORY)) return -E.EINVAL;
  return flags | O_LARGEFILE;
}

/** The common part. `flags` checked; `resolve`: Walk bits. Returns an fd, -errno or Ret.BLOCKED. */
function doOpen(f: Frame, dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
  // Linux takes the descriptor first, so that a full table creates and truncates nothing.
  const room = fdRoom(L.taskFiles(f.task), nofile(f.tg));
  if (room < 0) return room;
  const c = callerOf(f);
  if ((flags & O_TMPFILE_BIT) !== 0) return openTmpfile(f, c, dirfd, path, flags, mode, resolve);
  if ((flags & O_CREAT) !== 0) return openCreate(f, c, dirfd, path, flags, mode, resolve);
  const w = ((flags & O_NOFOLLOW) !== 0 ? 0 : Walk.FOLLOW) | ((flags & O_DIRECTORY) !== 0 ? Walk.DIRECTORY : 0);
  const r = walkAt(f, c, $nd, dirfd, path, w | resolve);
  if (r >= 0) {
    const fd = openFound(f, c, $nd, flags, false);
    if (fd >= 0 && resolve === 0) {
      startOpened(f, c, path, flags, fd);
      openedAgain(f, c, path, flags);
      if ((flags & O_DIRECTORY) !== 0) tellListing(f, c, fd);
    }
    return fd;
  }
  return notThere(f, c, $nd, path, (flags & O_NOFOLLOW) === 0, r);
}

/** With O_CREAT: find the last component, following links to where the file is or would be. */
function openCreate(f: Frame, c: Caller, dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
  const nd = $nd;
  let r = walkAt(f, c, nd, dirfd, path, Walk.PARENT | resolve);
  for (let races = 0; ;) {
    if (r < 0) return r;
    if (nd.lastType !== Last.NORM) return (flags & O_EXCL) !== 0 ? -E.EEXIST : -E.EISDIR;
    if (nd.slash) return -E.EISDIR;
    const d = lookupLast(nd, c);
    if (typeof d === 'number') return d;
    if (d.inode === undefined) {
      const fd = createAt(f, c, nd, d, flags, mode);
      // In a volume others on the host may have made it since it was looked up: then it is opened.
      if (fd !== -E.EEXIST || (flags & O_EXCL) !== 0 || ++races > RACES_MAX) return fd;
      continue;
    }
    if ((flags & O_EXCL) !== 0) return -E.EEXIST;
    if (!d.inode.isLink) {
      const top = crossMounts(nd.mnt, d);
      if (top !== undefined) nd.mnt = top.mnt;
      nd.dentry = top?.dentry ?? d;
      return openFound(f, c, nd, flags, false);
    }
    if ((flags & O_NOFOLLOW) !== 0) return -E.ELOOP;
    r = followLast(nd, c, d.inode, resolve);
    if (r === 1) return openFound(f, c, nd, flags, false);
  }
}

function createAt(f: Frame, c: Caller, nd: Nameidata, d: Dentry, flags: number, mode: number): number {
  const dir = nd.inode;
  let r = mayWriteMount(nd.mnt);
  if (r < 0) return r;
  r = mayCreate(c, dir);
  if (r < 0) return r;
  const n = dir.create(c, nd.last, S_IFREG | (mode & S_IALLUGO & ~umaskOf(c)));
  if (typeof n === 'number') return n;
  dinstantiate(d, n);
  tellCreated(d);
  nd.dentry = d;
  return openFound(f, c, nd, flags & ~O_TRUNC, true);
}

function openTmpfile(f: Frame, c: Caller, dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
  let r = walkAt(f, c, $nd, dirfd, path, Walk.FOLLOW | Walk.DIRECTORY | resolve);
  if (r < 0) return r;
  if ($nd.ofd !== 0) return -E.ENOTDIR;
  r = mayWriteMount($nd.mnt);
  if (r < 0) return r;
  const dir = $nd.inode;
  r = permission(c, dir, MAY_WRITE | MAY_EXEC);
  if (r < 0) return r;
  const n = dir.tmpfile(c, S_IFREG | (mode & S_IALLUGO & ~umaskOf(c)));
  if (typeof n === 'number') return n;
  const d = new Dentry(`#${n.ino}`, $nd.dentry, n);
  d.deleted = true;
  $nd.dentry = d;
  return openFound(f, c, $nd, flags, true);
}

/** Open what nd stands on. `created`: just made by this call, so its mode does not bind its maker. */
function openFound(f: Frame, c: Caller, nd: Nameidata, flags: number, created: boolean): number {
  const cloexec = (flags & O_CLOEXEC) !== 0;
  if (nd.ofd !== 0) return openOfd(f, nd.ofd, flags, cloexec);
  const path = nd.path;
  const inode = path.inode;
  if ((flags & O_PATH) !== 0) return opened(f, path, installFile(f, new PathFile(path, flags), cloexec), cloexec);
  let r = checkType(inode, flags, path);
  if (r < 0) return r;
  if (!created) {
    r = checkAccess(c, path, flags);
    if (r < 0) return r;
  }
  if (inode.isDir) {
    r = inode.mayList();
    return r < 0 ? r : opened(f, path, installFile(f, new DirFile(path, flags), cloexec), cloexec);
  }
  if (inode.type === S_IFIFO) return fifoOpen(f, path, flags, cloexec);
  if (inode.type === S_IFSOCK) return -E.ENXIO;
  if ((flags & O_TRUNC) !== 0 && inode.isReg) {
    r = truncateForOpen(c, inode);
    if (r < 0) return r;
  }
  const file: File | number = inode.open(c, path, flags);
  if (typeof file === 'number') return file;
  const fd = opened(f, path, installFile(f, file, cloexec), cloexec);
  if (fd >= 0 && (flags & O_TRUNC) !== 0 && inode.isReg) tellDentry(path.dentry, IN_MODIFY);
  return fd;
}

/** Programs ask for the attributes of what they have just opened: fd, which is returned, comes with what they may remember of it. */
function opened(f: Frame, path: Path, fd: number, cloexec: boolean): number {
  if (fd < 0) return fd;
  const file = fdLookup(L.taskFiles(f.task), fd);
  if (file <= 0) return fd;
  if (L.ofdKind(file) !== Ofd.PATH) tellDentry(path.dentry, IN_OPEN);
  const open = fileOf(file), bits = openedBits(path, file, cloexec);
  if ((bits & L.OPENED_LATE) !== 0) L.setOfdLate(file, 1);
  answerOpen(f, fd, path.inode, path.mnt.id, open?.live === true, bits, L.ofdFlags(file));
  if (open !== undefined) grantOpened(f, fd, open);
  return fd;
}

function truncateForOpen(c: Caller, inode: Inode): number {
  const t = readClock();
  const mode = hasCap(c.cred, CAP_FSETID) ? inode.mode : killPriv(inode.mode);
  return inode.setattr(c, { size: 0, ctime: t.sec, ctimeNsec: t.nsec, ...(mode !== inode.mode ? { mode } : {}) });
}

/** Objects that have no open operation of their own. */
const UNOPENABLE: ReadonlySet<number> = new Set([Ofd.SOCKET, Ofd.EVENTFD, Ofd.EPOLL, Ofd.SIGNALFD, Ofd.TIMERFD, Ofd.INOTIFY]);

/** A magic link led to an object without a path (pipe, terminal of the host): one more descriptor of the same open file. Linux makes a new description for pipes. ENXIO: sockets, eventfds.... */
function openOfd(f: Frame, ofd: number, flags: number, cloexec: boolean): number {
  if (UNOPENABLE.has(L.ofdKind(ofd)) && (flags & O_PATH) === 0) return -E.ENXIO;
  if ((flags & O_PATH) === 0) {
    const have = L.ofdFlags(ofd) & O_ACCMODE, want = flags & O_ACCMODE;
    if (have !== want && have !== 2) return -E.EACCES;
  }
  ofdRef(ofd);
  const fd = installOfd(f, ofd, cloexec);
  if (fd >= 0) grantFds(f, [fd], [ofd], cloexec);
  return fd;
}

function openArgs(f: Frame, dirfd: number, arg: number, flags: number, mode: number): number {
  if (isFifoOpen(f)) return fifoResume(f);
  const path = f.str(arg);
  if (typeof path === 'number') return path;
  // The old calls ignore unknown flags, and a mode that nothing asks for.
  const known = flags & VALID;
  const ok = checkFlags(known, (known & (O_CREAT | O_TMPFILE_BIT)) !== 0 ? mode & S_IALLUGO : 0);
  return ok < 0 ? ok : doOpen(f, dirfd, path, ok, mode, 0);
}

/**
 * openat2(2) - open with extended resolution.
 *
 * Errors beyond openat's: -EINVAL size below 24, unknown flags, mode or resolve bits; -E2BIG size above what is known with non-zero bytes there;
 * -EAGAIN RESOLVE_CACHED (nothing here can tell cheaply); -EXDEV, -ELOOP by the resolve bits. Source: man-pages 6.9 openat2(2).
 */
function sys_openat2(f: Frame): number {
  if (isFifoOpen(f)) return fifoResume(f);
  const size = f.argU64(3);
  if (size < 24) return -E.EINVAL;
  if (size > 4096) return -E.E2BIG;
  const at = f.inOff(2);
  if (at < 0) return at;
  for (let i = 24; i < size; i++) if (f.bytes[at + i] !== 0) return -E.E2BIG;
  const flags = f.view.getUint32(at, true), flagsHi = f.view.getUint32(at + 4, true);
  const mode = f.view.getUint32(at + 8, true), modeHi = f.view.getUint32(at + 12, true);
  const resolve = f.view.getUint32(at + 16, true), resolveHi = f.view.getUint32(at + 20, true);
  if (flagsHi !== 0 || (flags & ~VALID) !== 0 || modeHi !== 0 || (mode & ~S_IALLUGO) !== 0) return -E.EINVAL;
  if (resolveHi !== 0 || (resolve & ~(RESOLVE_ALL | RESOLVE_CACHED)) !== 0 || (resolve & 0x18) === 0x18) return -E.EINVAL;
  if ((flags & O_PATH) !== 0 && ((flags & ~PATH_FLAGS) !== 0 || mode !== 0)) return -E.EINVAL;
  const ok = checkFlags(flags, mode);
  if (ok < 0) return ok;
  if ((resolve & RESOLVE_CACHED) !== 0) return -E.EAGAIN;
  const path = f.str(1);
  if (typeof path === 'number') return path;
  return doOpen(f, f.argInt(0), path, ok, mode, resolve << 8);
}

export function installOpen(ep: Endpoint): void {
  ep.handle(NR.NR_open, (f) => openArgs(f, AT_FDCWD, 0, f.argInt(1), f.argU32(2)));
  ep.handle(NR.NR_openat, (f) => openArgs(f, f.argInt(0), 1, f.argInt(2), f.argU32(3)));
  ep.handle(NR.NR_creat, (f) => openArgs(f, AT_FDCWD, 0, O_CREAT | O_WRONLY | O_TRUNC, f.argU32(1)));
  ep.handle(NR.NR_openat2, sys_openat2);
}
