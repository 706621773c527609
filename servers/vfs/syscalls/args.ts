/** What the path calls share: the caller, the start of a walk, AT_* flags. */
import { E } from '../../../shared/errno.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { fileOf } from '../file.js';
import { changeableOfd, pathOfOfd } from '../foreign.js';
import { fsGet } from '../fs-struct.js';
import type { Caller, Inode, Mount, Path } from '../inode.js';
import { tellChange } from '../inotify/watch.js';
import { Nameidata, walk, Walk } from '../namei.js';

export const AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_EACCESS = 0x200, AT_SYMLINK_FOLLOW = 0x400, AT_NO_AUTOMOUNT = 0x800, AT_EMPTY_PATH = 0x1000,
  AT_STATX_SYNC_TYPE = 0x6000;

const $caller: { task: number; tg: number; cred: number; real: boolean; fs: Caller['fs'] | undefined } = { task: 0, tg: 0, cred: 0, real: false, fs: undefined };

/** On whose behalf a request runs. Borrowed until the next call. */
export function callerOf(f: Frame): Caller {
  const fs = fsGet(L.taskFs(f.task));
  if (fs === undefined) throw new Error(`task row ${f.task} has no fs_struct ${L.taskFs(f.task)}`);
  $caller.task = f.task;
  $caller.tg = f.tg;
  $caller.cred = L.taskCred(f.task);
  $caller.real = false;
  $caller.fs = fs;
  return $caller as Caller;
}

/** Two walks' worth of state for the calls; nothing here survives a request. */
export const $nd: Nameidata = new Nameidata();
export const $nd2: Nameidata = new Nameidata();

/**
 * Walk a path argument from dirfd. With Walk.EMPTY an empty path is dirfd's own object; if that is another server's, nd.ofd names it.
 * EBADF, ENOTDIR (dirfd is no directory), and what walk says.
 */
export function walkAt(f: Frame, c: Caller, nd: Nameidata, dirfd: number, path: string, flags: number): number {
  let start: Path | undefined;
  nd.reset();
  if (path.length === 0 && (flags & Walk.EMPTY) === 0) return -E.ENOENT;
  // An absolute path needs no dirfd, unless dirfd is to be its root.
  if ((path.charCodeAt(0) !== 47 || (flags & Walk.IN_ROOT) !== 0) && dirfd !== AT_FDCWD) {
    const o = fdLookup(L.taskFiles(f.task), dirfd);
    if (o < 0) return o;
    const file = L.ofdOwner(o) === L.SRV_VFS ? fileOf(o) : undefined;
    if (file === undefined) {
      if (path.length > 0) return -E.ENOTDIR;
      nd.ofd = o;
      return 0;
    }
    start = file.path;
  }
  return walk(nd, c, start, path, flags);
}

/** walkAt for string argument `arg`. */
export function walkArg(f: Frame, c: Caller, nd: Nameidata, dirfd: number, arg: number, flags: number): number {
  const path = f.str(arg);
  return typeof path === 'number' ? path : walkAt(f, c, nd, dirfd, path, flags);
}

/** A walk that ends at an inode whatever it leads to: an object of another server (/proc/self/fd of a pipe) becomes its nameless place; nd.ofd tells. */
export function walkInode(f: Frame, c: Caller, nd: Nameidata, dirfd: number, arg: number, flags: number): number {
  const r = walkArg(f, c, nd, dirfd, arg, flags);
  if (r < 0 || nd.ofd === 0) return r;
  if ((flags & Walk.DIRECTORY) !== 0) return -E.ENOTDIR;
  const p = pathOfOfd(nd.ofd, c.cred);
  if (typeof p === 'number') return p;
  nd.mnt = p.mnt;
  nd.dentry = p.dentry;
  return 0;
}

/** Handler of an fd call on attributes, for OFDs of any server. -EBADF: not open, or O_PATH. event: IN_* to tell when it succeeds, 0 = none. */
export function onInode(h: (f: Frame, c: Caller, mnt: Mount, inode: Inode) => number, event = 0): (f: Frame) => number {
  return (f) => {
    const o = fdLookup(L.taskFiles(f.task), f.argInt(0));
    if (o < 0) return o;
    const c = callerOf(f);
    const p = changeableOfd(o, c.cred);
    if (typeof p === 'number') return p;
    // The place is borrowed; the dentry is not.
    const d = p.dentry, r = h(f, c, p.mnt, p.inode);
    return event === 0 ? r : tellChange(r, d, event);
  };
}

/** Walk flags for "follow unless AT_SYMLINK_NOFOLLOW" and AT_EMPTY_PATH. */
export function atWalk(flags: number): number {
  return ((flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : Walk.FOLLOW) | ((flags & AT_EMPTY_PATH) !== 0 ? Walk.EMPTY : 0);
}
