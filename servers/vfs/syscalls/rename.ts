/**
 * rename(2), renameat(2), renameat2(2).
 *
 * Errors, in about Linux's order: -EINVAL unknown flags, or NOREPLACE with EXCHANGE, or WHITEOUT; walk errors; -EXDEV other mount; -EBUSY (or -EEXIST with
 * NOREPLACE) for '.', '..', '/'; -EROFS; -ENOENT; -EEXIST; -ENOTDIR trailing slash on a non-directory; -EINVAL into itself; -ENOTEMPTY onto an
 * ancestor; permissions; -EISDIR, -ENOTDIR type mismatch; -EBUSY mount points. Source: man-pages 6.9 rename(2), observed on Linux 6.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { mayCreate, mayDelete, mayWriteMount, permission } from '../dac.js';
import { dexchange, dget, dmove, dput } from '../dcache.js';
import { type Caller, type Dentry, type Inode, MAY_WRITE } from '../inode.js';
import { IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF, nextCookie, tellInode, tellName } from '../inotify/watch.js';
import { Last, lookupLast, type Nameidata, Walk } from '../namei.js';
import { $nd, $nd2, AT_FDCWD, callerOf, walkArg } from './args.js';

const RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2;

/** Is `a` the dentry d or above it? */
function isAbove(a: Dentry, d: Dentry): boolean {
  for (let at: Dentry | undefined = d; at !== undefined; at = at.parent) if (at === a) return true;
  return false;
}

function renameAt(f: Frame, olddirfd: number, oldArg: number, newdirfd: number, newArg: number, flags: number): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0 || flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -E.EINVAL;
  const c = callerOf(f);
  const from = $nd, to = $nd2;
  let r = walkArg(f, c, from, olddirfd, oldArg, Walk.PARENT);
  if (r < 0) return r;
  r = walkArg(f, c, to, newdirfd, newArg, Walk.PARENT);
  if (r < 0) return r;
  if (from.mnt !== to.mnt) return -E.EXDEV;
  if (from.lastType !== Last.NORM) return -E.EBUSY;
  if (to.lastType !== Last.NORM) return (flags & RENAME_NOREPLACE) !== 0 ? -E.EEXIST : -E.EBUSY;
  r = mayWriteMount(from.mnt);
  return r < 0 ? r : renameNames(c, from, to, flags);
}

function renameNames(c: Caller, from: Nameidata, to: Nameidata, flags: number): number {
  const old = lookupLast(from, c);
  if (typeof old === 'number') return old;
  if (old.inode === undefined) return -E.ENOENT;
  const target = lookupLast(to, c);
  if (typeof target === 'number') return target;
  const over = target.inode;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if ((flags & RENAME_NOREPLACE) !== 0 && over !== undefined) return -E.EEXIST;
  if (exchange && over === undefined) return -E.ENOENT;
  if (exchange && to.slash && over?.isDir === false) return -E.ENOTDIR;
  if (!old.inode.isDir && (from.slash || (!exchange && to.slash))) return -E.ENOTDIR;
  if (isAbove(old, to.dentry)) return -E.EINVAL;
  if (over !== undefined && isAbove(target, from.dentry)) return exchange ? -E.EINVAL : -E.ENOTEMPTY;
  if (over === old.inode && !exchange) return 0;
  const r = mayRename(c, from.inode, old.inode, to.inode, over, exchange);
  if (r < 0) return r;
  if (old.mounted > 0 || target.mounted > 0) return -E.EBUSY;
  const n = from.inode.rename(c, from.last, old.inode, to.inode, to.last, over, exchange);
  if (n < 0) return n;
  // What is replaced is told of before it is gone.
  dget(target);
  if (exchange) dexchange(old, target);
  else dmove(old, to.dentry, to.last, target);
  tellRenamed(from, old, to, over, exchange);
  dput(target);
  return 0;
}

/** One name became another; with `exchange` the other way round, too. */
function tellRenamed(from: Nameidata, old: Dentry, to: Nameidata, over: Inode | undefined, exchange: boolean): void {
  const inode = old.inode as Inode;
  tellMove(from.inode, from.last, to.inode, to.last, inode, exchange ? undefined : over);
  if (exchange && over !== undefined) tellMove(to.inode, to.last, from.inode, from.last, over, undefined);
}

function tellMove(dir: Inode, name: string, newDir: Inode, newName: string, inode: Inode, over: Inode | undefined): void {
  const cookie = nextCookie();
  tellName(dir, name, IN_MOVED_FROM, inode.isDir, cookie);
  tellName(newDir, newName, IN_MOVED_TO, inode.isDir, cookie);
  if (over !== undefined) tellInode(over, IN_ATTRIB);
  tellInode(inode, IN_MOVE_SELF);
}

function mayRename(c: Caller, dir: Inode, old: Inode, newDir: Inode, over: Inode | undefined, exchange: boolean): number {
  let r = mayDelete(c, dir, old, old.isDir);
  if (r < 0) return r;
  if (over === undefined) r = mayCreate(c, newDir);
  else r = mayDelete(c, newDir, over, exchange ? over.isDir : old.isDir);
  if (r < 0 || dir === newDir) return r;
  // A directory that moves gets a new '..': it must be writable itself.
  if (old.isDir) r = permission(c, old, MAY_WRITE);
  if (r === 0 && exchange && over?.isDir === true) r = permission(c, over, MAY_WRITE);
  return r;
}

export function installRename(ep: Endpoint): void {
  ep.handle(NR.NR_rename, (f) => renameAt(f, AT_FDCWD, 0, AT_FDCWD, 1, 0));
  ep.handle(NR.NR_renameat, (f) => renameAt(f, f.argInt(0), 1, f.argInt(2), 3, 0));
  ep.handle(NR.NR_renameat2, (f) => renameAt(f, f.argInt(0), 1, f.argInt(2), 3, f.argU32(4)));
}
