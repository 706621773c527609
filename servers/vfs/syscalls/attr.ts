/** chmod(2), chown(2), utimensat(2), truncate(2) and their families; fallocate(2). */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd } from '../../../shared/held.js';
import { Msg } from '../../../shared/messages.js';
import { CAP_CHOWN, CAP_FSETID, fsuidOf, hasCap, inGroup, isOwner, killPriv, mayWriteMount, permission } from '../dac.js';
import { O_PATH, fileOf, vfsEndpoint } from '../file.js';
import { changeableOfd, mayChange } from '../foreign.js';
import { readClock, UTIME_NOW, UTIME_OMIT } from '../host/times.js';
import { type Caller, type Dentry, type Inode, MAY_WRITE, type Mount, S_ISGID, type SetAttr } from '../inode.js';
import { IN_ACCESS, IN_ATTRIB, IN_MODIFY, tellChange } from '../inotify/watch.js';
import { Walk } from '../namei.js';
import { $nd, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, atWalk, callerOf, onInode, walkInode } from './args.js';

const RLIMIT_FSIZE = 1, SIGXFSZ = 25;
const NONE = 0xffffffff;

/** A SetAttr whose ctime is now. */
function attrNow(): SetAttr {
  const t = readClock();
  return { ctime: t.sec, ctimeNsec: t.nsec };
}

// ---- mode ----

/** -EROFS; -EPERM not the owner. Set-group-id is silently dropped for who is not in the group (chmod(2)). */
function chmodInode(c: Caller, mnt: Mount, inode: Inode, mode: number): number {
  const r = mayWriteMount(mnt) || mayChange(inode);
  if (r < 0) return r;
  if (!isOwner(c, inode)) return -E.EPERM;
  let m = mode & 0o7777;
  if ((m & S_ISGID) !== 0 && !inGroup(c.cred, inode.gid) && !hasCap(c.cred, CAP_FSETID)) m &= ~S_ISGID;
  return inode.setattr(c, { ...attrNow(), mode: m });
}

/** fchmodat2(2): -EINVAL flags; -EOPNOTSUPP a symlink itself. */
function chmodAt(f: Frame, dirfd: number, arg: number, mode: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  const c = callerOf(f);
  const r = walkInode(f, c, $nd, dirfd, arg, atWalk(flags));
  if (r < 0) return r;
  return $nd.inode.isLink ? -E.EOPNOTSUPP : tellChange(chmodInode(c, $nd.mnt, $nd.inode, mode), $nd.dentry, IN_ATTRIB);
}

// ---- owner ----

/** chown(2): -EPERM unless CAP_CHOWN, or the owner gives it to a group of his. -1 leaves an id. Set-id bits go (not of directories). */
function chownInode(c: Caller, mnt: Mount, inode: Inode, uid: number, gid: number): number {
  const r = mayWriteMount(mnt) || mayChange(inode);
  if (r < 0) return r;
  const owner = fsuidOf(c.cred) === inode.uid;
  const cap = hasCap(c.cred, CAP_CHOWN);
  if (uid !== NONE && !cap && !(owner && uid === inode.uid)) return -E.EPERM;
  if (gid !== NONE && !cap && !(owner && (gid === inode.gid || inGroup(c.cred, gid)))) return -E.EPERM;
  const a = attrNow();
  if (uid !== NONE) a.uid = uid;
  if (gid !== NONE) a.gid = gid;
  if (!inode.isDir && !inode.isLink) {
    const mode = killPriv(inode.mode);
    if (mode !== inode.mode) a.mode = mode & 0o7777;
  }
  return inode.setattr(c, a);
}

function chownAt(f: Frame, dirfd: number, arg: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  const c = callerOf(f);
  const r = walkInode(f, c, $nd, dirfd, arg, atWalk(flags));
  return r < 0 ? r : tellChange(chownInode(c, $nd.mnt, $nd.inode, f.argU32(arg + 1), f.argU32(arg + 2)), $nd.dentry, IN_ATTRIB);
}

// ---- times ----

/** Times as asked: seconds, nanoseconds (or UTIME_*) for access and modification. */
interface Times { asec: number; ansec: number; msec: number; mnsec: number }
const $times: Times = { asec: 0, ansec: 0, msec: 0, mnsec: 0 };

function s64(f: Frame, off: number): number { return f.view.getUint32(off, true) + f.view.getInt32(off + 4, true) * 4294967296; }

/** Two timespecs (unit 1) or timevals (1000 ns) in argument `arg`; NULL = now. 0 or -errno. */
function readTimes(f: Frame, arg: number, unit: number): number {
  const t = $times;
  if (f.argU64(arg) === 0) {
    t.asec = t.msec = 0;
    t.ansec = t.mnsec = UTIME_NOW;
    return 0;
  }
  const o = f.inOff(arg);
  if (o < 0) return o;
  t.asec = s64(f, o);
  t.ansec = s64(f, o + 8);
  t.msec = s64(f, o + 16);
  t.mnsec = s64(f, o + 24);
  if (unit === 1000) {
    if (t.ansec < 0 || t.ansec > 999999 || t.mnsec < 0 || t.mnsec > 999999) return -E.EINVAL;
    t.ansec *= 1000;
    t.mnsec *= 1000;
    return 0;
  }
  const bad = (n: number): boolean => (n < 0 || n > 999999999) && n !== UTIME_NOW && n !== UTIME_OMIT;
  return bad(t.ansec) || bad(t.mnsec) ? -E.EINVAL : 0;
}

/** utimensat(2) on an inode: -EACCES now without write permission or ownership; -EPERM other times without ownership; -EROFS. */
function setTimes(c: Caller, mnt: Mount, inode: Inode): number {
  const t = $times;
  if (t.ansec === UTIME_OMIT && t.mnsec === UTIME_OMIT) return 0;
  let r = mayWriteMount(mnt);
  if (r < 0) return r;
  if (!isOwner(c, inode)) {
    if (t.ansec !== UTIME_NOW || t.mnsec !== UTIME_NOW) return -E.EPERM;
    r = permission(c, inode, MAY_WRITE);
    if (r < 0) return r;
  }
  const a = attrNow();
  if (t.ansec !== UTIME_OMIT) {
    a.atime = t.ansec === UTIME_NOW ? a.ctime : t.asec;
    a.atimeNsec = t.ansec === UTIME_NOW ? a.ctimeNsec : t.ansec;
  }
  if (t.mnsec !== UTIME_OMIT) {
    a.mtime = t.mnsec === UTIME_NOW ? a.ctime : t.msec;
    a.mtimeNsec = t.mnsec === UTIME_NOW ? a.ctimeNsec : t.mnsec;
  }
  return inode.setattr(c, a);
}

/** The times in $times were set, if r is 0: one of them alone counts as an access or a change. */
function tellTimes(r: number, d: Dentry): number {
  const a = $times.ansec !== UTIME_OMIT, m = $times.mnsec !== UTIME_OMIT;
  return a || m ? tellChange(r, d, a && m ? IN_ATTRIB : a ? IN_ACCESS : IN_MODIFY) : r;
}

/** The path forms; a NULL path means the fd itself (utimensat, futimesat). */
function timesAt(f: Frame, dirfd: number, arg: number, flags: number): number {
  const c = callerOf(f);
  if (f.argU64(arg) === 0 && dirfd !== AT_FDCWD) {
    if ((flags & ~AT_EMPTY_PATH) !== 0) return -E.EINVAL;
    const o = fdLookup(L.taskFiles(f.task), dirfd);
    if (o < 0) return o;
    const p = changeableOfd(o, c.cred);
    return typeof p === 'number' ? p : tellTimes(setTimes(c, p.mnt, p.inode), p.dentry);
  }
  const r = walkInode(f, c, $nd, dirfd, arg, atWalk(flags));
  return r < 0 ? r : tellTimes(setTimes(c, $nd.mnt, $nd.inode), $nd.dentry);
}

function sys_utimensat(f: Frame): number {
  const flags = f.argInt(3);
  const r = readTimes(f, 2, 1);
  if (r < 0) return r;
  // Nothing to do: Linux does not even look at the path.
  if ($times.ansec === UTIME_OMIT && $times.mnsec === UTIME_OMIT) return 0;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  return timesAt(f, f.argInt(0), 1, flags);
}

/** utime(2): struct utimbuf, whole seconds. */
function sys_utime(f: Frame): number {
  const t = $times;
  if (f.argU64(1) === 0) {
    t.ansec = t.mnsec = UTIME_NOW;
  } else {
    const o = f.inOff(1);
    if (o < 0) return o;
    t.asec = s64(f, o);
    t.msec = s64(f, o + 8);
    t.ansec = t.mnsec = 0;
  }
  return timesAt(f, AT_FDCWD, 0, 0);
}

function timevals(f: Frame, dirfd: number, arg: number): number {
  const r = readTimes(f, arg + 1, 1000);
  return r < 0 ? r : timesAt(f, dirfd, arg, 0);
}

// ---- size ----

/** RLIMIT_FSIZE for a new length: 0, or -EFBIG with SIGXFSZ sent. */
function checkFsize(f: Frame, length: number): number {
  if (length <= L.tgRlimCur(f.tg, RLIMIT_FSIZE)) return 0;
  vfsEndpoint().send(L.SRV_SIGNAL, Msg.SIG_TASK, [f.task, SIGXFSZ, 0, L.tgTgid(f.tg), 0]);
  f.setReplyFlag(L.RF_SIGNAL);
  return -E.EFBIG;
}

function setSize(f: Frame, c: Caller, inode: Inode, length: number): number {
  inode.refresh();
  if (length > inode.size) {
    const r = checkFsize(f, length);
    if (r < 0) return r;
  }
  const a = attrNow();
  a.size = length;
  a.mtime = a.ctime;
  a.mtimeNsec = a.ctimeNsec;
  if (!hasCap(c.cred, CAP_FSETID)) {
    const mode = killPriv(inode.mode);
    if (mode !== inode.mode) a.mode = mode & 0o7777;
  }
  return inode.setattr(c, a);
}

/** truncate(2): -EINVAL negative; walk errors; -EISDIR; -EINVAL not regular; -EACCES; -EROFS; -ETXTBSY; -EFBIG. */
function sys_truncate(f: Frame): number {
  const length = f.argOff(1);
  if (length < 0) return -E.EINVAL;
  const c = callerOf(f);
  let r = walkInode(f, c, $nd, AT_FDCWD, 0, Walk.FOLLOW);
  if (r < 0) return r;
  const inode = $nd.inode;
  if (inode.isDir) return -E.EISDIR;
  if (!inode.isReg) return -E.EINVAL;
  r = mayWriteMount($nd.mnt);
  if (r < 0) return r;
  r = permission(c, inode, MAY_WRITE);
  if (r < 0) return r;
  return inode.execs > 0 ? -E.ETXTBSY : tellChange(setSize(f, c, inode, length), $nd.dentry, IN_MODIFY);
}

/** ftruncate(2): -EINVAL negative, not regular, or not open for writing. */
function sys_ftruncate(f: Frame, ofd: number): number {
  const length = f.argOff(1);
  if (length < 0) return -E.EINVAL;
  const file = fileOf(ofd);
  if (file === undefined || (file.openFlags & O_PATH) !== 0) return -E.EBADF;
  if (!file.writable || !file.inode.isReg) return -E.EINVAL;
  return tellChange(setSize(f, callerOf(f), file.inode, length), file.path.dentry, IN_MODIFY);
}

/** fallocate(2): -EBADF; -EINVAL range; -EFBIG; -ENODEV not regular; what the host's file system says of the mode (-EOPNOTSUPP). */
function sys_fallocate(f: Frame, ofd: number): number {
  const file = fileOf(ofd);
  if (file === undefined) return -E.EBADF;
  const mode = f.argInt(1), off = f.argOff(2), len = f.argOff(3);
  if (off < 0 || len <= 0) return -E.EINVAL;
  if (!file.writable) return -E.EBADF;
  if (file.inode.isDir) return -E.EISDIR;
  if (!file.inode.isReg) return -E.ENODEV;
  if (off + len >= 2 ** 63) return -E.EFBIG;
  file.inode.refresh();
  if (off + len > file.inode.size && (mode & 1) === 0) {
    const r = checkFsize(f, off + len);
    if (r < 0) return r;
  }
  return tellChange(file.fallocate(mode, off, len), file.path.dentry, IN_MODIFY);
}

export function installAttr(ep: Endpoint): void {
  ep.handle(NR.NR_chmod, (f) => chmodAt(f, AT_FDCWD, 0, f.argU32(1), 0));
  ep.handle(NR.NR_fchmodat, (f) => chmodAt(f, f.argInt(0), 1, f.argU32(2), 0));
  ep.handle(NR.NR_fchmodat2, (f) => chmodAt(f, f.argInt(0), 1, f.argU32(2), f.argInt(3)));
  ep.handle(NR.NR_fchmod, onInode((f, c, mnt, i) => chmodInode(c, mnt, i, f.argU32(1)), IN_ATTRIB));
  ep.handle(NR.NR_chown, (f) => chownAt(f, AT_FDCWD, 0, 0));
  ep.handle(NR.NR_lchown, (f) => chownAt(f, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW));
  ep.handle(NR.NR_fchownat, (f) => chownAt(f, f.argInt(0), 1, f.argInt(4)));
  ep.handle(NR.NR_fchown, onInode((f, c, mnt, i) => chownInode(c, mnt, i, f.argU32(1), f.argU32(2)), IN_ATTRIB));
  ep.handle(NR.NR_utimensat, sys_utimensat);
  ep.handle(NR.NR_utime, sys_utime);
  ep.handle(NR.NR_utimes, (f) => timevals(f, AT_FDCWD, 0));
  ep.handle(NR.NR_futimesat, (f) => timevals(f, f.argInt(0), 1));
  ep.handle(NR.NR_truncate, sys_truncate);
  ep.handle(NR.NR_ftruncate, onOfd(ep, sys_ftruncate));
  ep.handle(NR.NR_fallocate, onOfd(ep, sys_fallocate));
}
