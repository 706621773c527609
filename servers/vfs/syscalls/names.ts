/** Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir, and their *at forms. rename is in rename.ts. */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { CAP_DAC_READ_SEARCH, CAP_MKNOD, hasCap, isOwner, mayCreate, mayDelete, mayWriteMount, permission } from '../dac.js';
import { ddelete, dinstantiate } from '../dcache.js';
import { fileOf } from '../file.js';
import { type Caller, type Dentry, type Inode, MAY_READ, MAY_WRITE, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, S_ISGID, S_ISUID, S_ISVTX } from '../inode.js';
import { IN_ATTRIB, IN_DELETE, tellCreated, tellInode, tellName } from '../inotify/watch.js';
import { Last, lookupLast, type Nameidata, PATH_MAX, Walk } from '../namei.js';
import { $nd, $nd2, AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, callerOf, walkArg, walkAt } from './args.js';
import { umaskOf } from '../umask.js';

/**
 * The place for a new name: walks to the parent and looks the name up. Returns its negative dentry, or -errno: -EEXIST; -ENOENT for a
 * trailing slash on what will be no directory; -EROFS; then the parent's permission.
 */
export function newName(f: Frame, c: Caller, nd: Nameidata, dirfd: number, arg: number, isDir: boolean): Dentry | number {
  const r = walkArg(f, c, nd, dirfd, arg, Walk.PARENT);
  return r < 0 ? r : newLast(c, nd, isDir);
}

/** The same after the walk to the parent. */
export function newLast(c: Caller, nd: Nameidata, isDir: boolean): Dentry | number {
  if (nd.lastType !== Last.NORM) return -E.EEXIST;
  const d = lookupLast(nd, c);
  if (typeof d === 'number') return d;
  if (d.inode !== undefined) return -E.EEXIST;
  if (nd.slash && !isDir) return -E.ENOENT;
  let r = mayWriteMount(nd.mnt);
  if (r < 0) return r;
  r = mayCreate(c, nd.inode);
  return r < 0 ? r : d;
}

function settle(d: Dentry, n: Inode | number): number {
  if (typeof n === 'number') return n;
  dinstantiate(d, n);
  tellCreated(d);
  return 0;
}

/** mkdir(2), mkdirat(2). Mode bits that count: rwx and sticky. */
function mkdirAt(f: Frame, dirfd: number, arg: number, mode: number): number {
  const c = callerOf(f);
  const d = newName(f, c, $nd, dirfd, arg, true);
  if (typeof d === 'number') return d;
  return settle(d, $nd.inode.mkdir(c, $nd.last, S_IFDIR | (mode & (0o777 | S_ISVTX) & ~umaskOf(c))));
}

/**
 * mknod(2), mknodat(2).
 * Errors: -EPERM a directory, or a device without CAP_MKNOD; -EINVAL unknown type; then as for every new name.
 * Deviation: Linux lets everybody make a whiteout (device 0,0); here it is a device.
 */
function mknodAt(f: Frame, dirfd: number, arg: number): number {
  const mode = f.argU32(arg + 1);
  const dev = f.argU32(arg + 2);
  const type = mode & S_IFMT;
  const c = callerOf(f);
  if (type === S_IFDIR) return -E.EPERM;
  if (type !== 0 && type !== S_IFREG && type !== S_IFIFO && type !== S_IFSOCK && type !== S_IFCHR && type !== S_IFBLK) return -E.EINVAL;
  const d = newName(f, c, $nd, dirfd, arg, false);
  if (typeof d === 'number') return d;
  const device = type === S_IFCHR || type === S_IFBLK;
  if (device && !hasCap(c.cred, CAP_MKNOD)) return -E.EPERM;
  const perm = mode & 0o7777 & ~umaskOf(c);
  const dir = $nd.inode;
  if (type === 0 || type === S_IFREG) return settle(d, dir.create(c, $nd.last, S_IFREG | perm));
  return settle(d, dir.mknod(c, $nd.last, type | perm, device ? dev : 0));
}

/** symlink(2), symlinkat(2). -ENOENT empty target. */
function symlinkAt(f: Frame, targetArg: number, dirfd: number, arg: number): number {
  const target = f.str(targetArg);
  if (typeof target === 'number') return target;
  if (target.length === 0) return -E.ENOENT;
  if (target.length >= PATH_MAX) return -E.ENAMETOOLONG;
  const c = callerOf(f);
  const d = newName(f, c, $nd, dirfd, arg, false);
  return typeof d === 'number' ? d : settle(d, $nd.inode.symlink(c, $nd.last, target));
}

/** protected_hardlinks (proc_sys_fs(5)): others' files may be linked only when they are safe and the caller may read and write them. */
function mayLink(c: Caller, inode: Inode): boolean {
  if (isOwner(c, inode)) return true;
  if (!inode.isReg || (inode.mode & S_ISUID) !== 0 || (inode.mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) return false;
  return permission(c, inode, MAY_READ | MAY_WRITE) === 0;
}

/**
 * link(2), linkat(2).
 * Errors: -EINVAL flags; walk errors of both; -EEXIST; -EXDEV another mount; -EPERM a directory, or somebody else's file; -ENOENT an unlinked
 * file that was not made with O_TMPFILE; -EROFS; -EACCES.
 */
function linkAt(f: Frame, olddirfd: number, oldArg: number, newdirfd: number, newArg: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -E.EINVAL;
  const c = callerOf(f);
  const path = f.str(oldArg);
  if (typeof path === 'number') return path;
  if (path === '' && (flags & AT_EMPTY_PATH) !== 0 && !hasCap(c.cred, CAP_DAC_READ_SEARCH)) return -E.ENOENT;
  const r = walkAt(f, c, $nd, olddirfd, path, ((flags & AT_SYMLINK_FOLLOW) !== 0 ? Walk.FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? Walk.EMPTY : 0));
  if (r < 0) return r;
  if ($nd.ofd !== 0) return -E.EXDEV;
  const target = $nd.inode;
  const d = newName(f, c, $nd2, newdirfd, newArg, false);
  if (typeof d === 'number') return d;
  if ($nd.mnt !== $nd2.mnt) return -E.EXDEV;
  if (!mayLink(c, target)) return -E.EPERM;
  if (target.isDir) return -E.EPERM;
  if (target.nlink === 0 && !isTmpfile(f, olddirfd, path, target)) return -E.ENOENT;
  const n = $nd2.inode.link(c, $nd2.last, target);
  if (n < 0) return n;
  dinstantiate(d, target);
  tellInode(target, IN_ATTRIB);
  tellCreated(d);
  return 0;
}

const O_TMPFILE_BIT = 0o20000000, O_EXCL = 0o200;

/** Was the nameless file made with O_TMPFILE, without O_EXCL? It may be reached by its fd or by /proc/self/fd. */
function isTmpfile(f: Frame, dirfd: number, path: string, target: Inode): boolean {
  let fd = dirfd;
  const m = /^\/proc\/(?:self|thread-self|\d+)\/fd\/(\d+)$/.exec(path);
  if (m !== null) fd = Number(m[1]);
  const o = fdLookup(L.taskFiles(f.task), fd);
  if (o < 0 || L.ofdOwner(o) !== L.SRV_VFS) return false;
  const file = fileOf(o);
  return file !== undefined && file.inode === target && (file.openFlags & (O_TMPFILE_BIT | O_EXCL)) === O_TMPFILE_BIT;
}

/**
 * unlink(2), rmdir(2), unlinkat(2).
 * Errors: rmdir -EINVAL '.', -ENOTEMPTY '..', -EBUSY '/' or a mount point; unlink -EISDIR of those; -EROFS; -ENOENT; -ENOTDIR, -EISDIR (and
 * for a trailing slash); permission of the parent (-EACCES), sticky (-EPERM); -ENOTEMPTY.
 */
function removeAt(f: Frame, dirfd: number, arg: number, dir: boolean): number {
  const c = callerOf(f);
  let r = walkArg(f, c, $nd, dirfd, arg, Walk.PARENT);
  if (r < 0) return r;
  if ($nd.lastType !== Last.NORM) {
    if (!dir) return -E.EISDIR;
    return $nd.lastType === Last.DOT ? -E.EINVAL : $nd.lastType === Last.DOTDOT ? -E.ENOTEMPTY : -E.EBUSY;
  }
  r = mayWriteMount($nd.mnt);
  if (r < 0) return r;
  const d = lookupLast($nd, c);
  if (typeof d === 'number') return d;
  const victim = d.inode;
  if (victim === undefined) return -E.ENOENT;
  if (!dir && $nd.slash) return victim.isDir ? -E.EISDIR : -E.ENOTDIR;
  r = mayDelete(c, $nd.inode, victim, dir);
  if (r < 0) return r;
  if (d.mounted > 0) return -E.EBUSY;
  r = dir ? $nd.inode.rmdir(c, $nd.last, victim) : $nd.inode.unlink(c, $nd.last, victim);
  if (r < 0) return r;
  if (!dir) tellInode(victim, IN_ATTRIB);
  const parent = $nd.inode, name = d.name;
  ddelete(d);
  tellName(parent, name, IN_DELETE, dir);
  return 0;
}

function sys_unlinkat(f: Frame): number {
  const flags = f.argInt(2);
  if ((flags & ~AT_REMOVEDIR) !== 0) return -E.EINVAL;
  return removeAt(f, f.argInt(0), 1, flags !== 0);
}

export function installNames(ep: Endpoint): void {
  ep.handle(NR.NR_mkdir, (f) => mkdirAt(f, AT_FDCWD, 0, f.argU32(1)));
  ep.handle(NR.NR_mkdirat, (f) => mkdirAt(f, f.argInt(0), 1, f.argU32(2)));
  ep.handle(NR.NR_mknod, (f) => mknodAt(f, AT_FDCWD, 0));
  ep.handle(NR.NR_mknodat, (f) => mknodAt(f, f.argInt(0), 1));
  ep.handle(NR.NR_symlink, (f) => symlinkAt(f, 0, AT_FDCWD, 1));
  ep.handle(NR.NR_symlinkat, (f) => symlinkAt(f, 0, f.argInt(1), 2));
  ep.handle(NR.NR_link, (f) => linkAt(f, AT_FDCWD, 0, AT_FDCWD, 1, 0));
  ep.handle(NR.NR_linkat, (f) => linkAt(f, f.argInt(0), 1, f.argInt(2), 3, f.argInt(4)));
  ep.handle(NR.NR_unlink, (f) => removeAt(f, AT_FDCWD, 0, false));
  ep.handle(NR.NR_rmdir, (f) => removeAt(f, AT_FDCWD, 0, true));
  ep.handle(NR.NR_unlinkat, sys_unlinkat);
  // File handles: no file system here can make one (name_to_handle_at(2)), so none can be opened.
  ep.handle(NR.NR_name_to_handle_at, () => -E.EOPNOTSUPP);
}
