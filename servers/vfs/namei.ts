/**
 * Path walk: from a byte string to a place in the tree of mounts. path_resolution(7), openat2(2).
 *
 * `walk` works on a Nameidata, which the caller owns (rename needs two). A symlink's target is put before what is left of
 * the path and the loop goes on, so there is no recursion. With Walk.PARENT the last component is not looked up: its parent directory, name and
 * kind come back instead, and whoever creates or removes looks it up with `lookupLast`.
 *
 * Search permission is asked for in every directory that is walked through, the start included.
 */
import { E } from '../../shared/errno.js';
import { fsuidOf, permission } from './dac.js';
import { dlookup } from './dcache.js';
import { type Caller, type Dentry, type Inode, MAY_EXEC, type Mount, Path, S_ISVTX } from './inode.js';
import { crossMounts } from './mounts.js';

/** linux/limits.h. */
export const PATH_MAX = 4096, NAME_MAX = 255;
/** Symlinks in one walk. path_resolution(7). */
const MAX_LINKS = 40;
const SLASH = 47;

export const enum Walk {
  /** Follow a symlink in the last component. */
  FOLLOW = 1,
  /** Stop before the last component. */
  PARENT = 2,
  /** The result must be a directory. */
  DIRECTORY = 4,
  /** An empty path means the start itself (AT_EMPTY_PATH). */
  EMPTY = 8,
  /** RESOLVE_* of openat2(2), shifted by 8. */
  NO_XDEV = 0x100, NO_MAGICLINKS = 0x200, NO_SYMLINKS = 0x400, BENEATH = 0x800, IN_ROOT = 0x1000,
}

export const enum Last { NORM = 0, ROOT = 1, DOT = 2, DOTDOT = 3 }

export class Nameidata {
  mnt!: Mount;
  /** The result; with PARENT the directory that holds `last`. */
  dentry!: Dentry;
  last = '';
  lastType = Last.ROOT;
  /** The path ended in a slash. */
  slash = false;
  /** A magic link led to an object without a path: its OFD row. 0 = no. */
  ofd = 0;
  /** Symlinks followed; kept over the walks of one open. */
  links = 0;
  /** Every directory that was looked into is settled: what was found may be remembered (answers.ts). */
  settled = false;
  /** With ENOENT: the negative dentry at which the walk ended, if that was why. */
  absent: Dentry | undefined = undefined;
  /** Where '..' ends and absolute paths begin. */
  rootMnt!: Mount;
  rootDentry!: Dentry;

  /** Before a walk that belongs to no other. */
  reset(): void {
    this.links = 0;
    this.settled = false;
    this.absent = undefined;
  }

  get path(): Path { return new Path(this.mnt, this.dentry); }
  get inode(): Inode { return this.dentry.inode as Inode; }
}

/** Step to the parent, out of mounts and never above the walk's root. */
function dotdot(nd: Nameidata, flags: number): number {
  for (;;) {
    if (nd.dentry === nd.rootDentry && nd.mnt === nd.rootMnt) return (flags & Walk.BENEATH) !== 0 ? -E.EXDEV : 0;
    if (nd.dentry !== nd.mnt.root) {
      const up = nd.dentry.parent;
      if (up !== undefined) nd.dentry = up;
      break;
    }
    if (nd.mnt.parent === undefined || nd.mnt.mountpoint === undefined) return 0;
    if ((flags & Walk.NO_XDEV) !== 0) return -E.EXDEV;
    nd.dentry = nd.mnt.mountpoint;
    nd.mnt = nd.mnt.parent;
  }
  return cross(nd, flags);
}

function cross(nd: Nameidata, flags: number): number {
  if (nd.dentry.mounted === 0) return 0;
  const to = crossMounts(nd.mnt, nd.dentry);
  if (to === undefined) return 0;
  if ((flags & Walk.NO_XDEV) !== 0) return -E.EXDEV;
  nd.mnt = to.mnt;
  nd.dentry = to.dentry;
  return 0;
}

/** protected_symlinks (proc_sys_fs(5)): in sticky world-writable directories only one's own or the directory owner's links are followed. */
function mayFollow(c: Caller, dir: Inode, link: Inode): boolean {
  if ((dir.mode & (S_ISVTX | 0o002)) !== (S_ISVTX | 0o002)) return true;
  return link.uid === fsuidOf(c.cred) || link.uid === dir.uid;
}

/**
 * Walk `path` from `start` (the working directory when undefined); absolute paths start at the root.
 * ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG; EXDEV (openat2); and what file systems say.
 */
export function walk(nd: Nameidata, c: Caller, start: Path | undefined, path: string, flags: number): number {
  const from = start ?? c.fs.cwd;
  nd.last = '';
  nd.lastType = Last.ROOT;
  nd.slash = false;
  nd.ofd = 0;
  nd.settled = true;
  nd.absent = undefined;
  if (path.length === 0 && (flags & Walk.EMPTY) === 0) return -E.ENOENT;
  if (path.length >= PATH_MAX) return -E.ENAMETOOLONG;
  const scoped = (flags & (Walk.BENEATH | Walk.IN_ROOT)) !== 0;
  nd.rootMnt = scoped ? from.mnt : c.fs.root.mnt;
  nd.rootDentry = scoped ? from.dentry : c.fs.root.dentry;
  nd.mnt = from.mnt;
  nd.dentry = from.dentry;
  if (path.charCodeAt(0) === SLASH) {
    const r = toRoot(nd, flags);
    if (r < 0) return r;
  }
  return components(nd, c, path, flags);
}

/** An absolute path, or link target, begins. */
function toRoot(nd: Nameidata, flags: number): number {
  if ((flags & Walk.BENEATH) !== 0) return -E.EXDEV;
  if ((flags & Walk.NO_XDEV) !== 0 && nd.mnt !== nd.rootMnt) return -E.EXDEV;
  nd.mnt = nd.rootMnt;
  nd.dentry = nd.rootDentry;
  return 0;
}

function lastTypeOf(name: string): Last {
  return name === '.' ? Last.DOT : name === '..' ? Last.DOTDOT : Last.NORM;
}

function components(nd: Nameidata, c: Caller, whole: string, flags: number): number {
  let path = whole;
  let i = 0;
  for (;;) {
    while (path.charCodeAt(i) === SLASH) i++;
    if (i >= path.length) {
      if ((flags & Walk.DIRECTORY) !== 0 && !nd.inode.isDir) return -E.ENOTDIR;
      return 0;
    }
    const dir = nd.dentry.inode as Inode;
    if (!dir.isDir) return -E.ENOTDIR;
    const x = permission(c, dir, MAY_EXEC);
    if (x < 0) return x;
    let end = path.indexOf('/', i);
    if (end < 0) end = path.length;
    const name = path.slice(i, end);
    let next = end;
    while (path.charCodeAt(next) === SLASH) next++;
    const isLast = next >= path.length;
    const slash = isLast && end < path.length;
    const type = lastTypeOf(name);
    if (isLast) {
      nd.last = name;
      nd.lastType = type;
      nd.slash = slash;
      if ((flags & Walk.PARENT) !== 0) return name.length > NAME_MAX ? -E.ENAMETOOLONG : 0;
    }
    i = next;
    if (type === Last.DOT) continue;
    if (type === Last.DOTDOT) {
      const r = dotdot(nd, flags);
      if (r < 0) return r;
      continue;
    }
    if (name.length > NAME_MAX) return -E.ENAMETOOLONG;
    const d = dlookup(c, nd.dentry, name);
    if (!dir.sb.isSettled) nd.settled = false;
    if (typeof d === 'number') return d;
    const inode = d.inode;
    if (inode === undefined) {
      if (nd.settled) nd.absent = d;
      return -E.ENOENT;
    }
    if (inode.isLink && (!isLast || slash || (flags & Walk.FOLLOW) !== 0)) {
      const r = follow(nd, c, inode, isLast, flags);
      if (typeof r === 'number') {
        if (r < 0) return r;
        if (nd.ofd !== 0) return isLast && !slash ? 0 : -E.ENOTDIR;
        continue;
      }
      // What is left of the path, its slash included, comes after the target.
      path = r + path.slice(end);
      if (path.length >= PATH_MAX) return -E.ENAMETOOLONG;
      i = 0;
      if (path.charCodeAt(0) === SLASH) {
        const a = toRoot(nd, flags);
        if (a < 0) return a;
      }
      continue;
    }
    nd.dentry = d;
    const m = cross(nd, flags);
    if (m < 0) return m;
    if (slash && !nd.inode.isDir) return -E.ENOTDIR;
  }
}

/** Follow the link `inode`, which is in directory nd.dentry: the target as a string, or 0 when nd has jumped (or nd.ofd is set), or -errno. */
function follow(nd: Nameidata, c: Caller, inode: Inode, isLast: boolean, flags: number): string | number {
  if ((flags & Walk.NO_SYMLINKS) !== 0 || ++nd.links > MAX_LINKS) return -E.ELOOP;
  if (isLast && !mayFollow(c, nd.inode, inode)) return -E.EACCES;
  const t = inode.getLink(c);
  if (typeof t === 'number') return t;
  if (typeof t === 'string') return t.length === 0 ? -E.ENOENT : t;
  if ((flags & Walk.NO_MAGICLINKS) !== 0) return -E.ELOOP;
  if ((flags & (Walk.BENEATH | Walk.IN_ROOT)) !== 0) return -E.EXDEV;
  if (t instanceof Path) {
    if ((flags & Walk.NO_XDEV) !== 0 && t.mnt !== nd.mnt) return -E.EXDEV;
    nd.mnt = t.mnt;
    nd.dentry = t.dentry;
  } else {
    nd.ofd = t.ofd;
  }
  return 0;
}

/** Look up the last component after a walk with PARENT: its dentry (maybe negative, mounts not crossed), or -errno. */
export function lookupLast(nd: Nameidata, c: Caller): Dentry | number {
  return dlookup(c, nd.dentry, nd.last);
}

/**
 * One step of opening with a name that may have to be created: nd stands in the parent after PARENT, `link` is its last
 * component. Walks to the parent of the link's target. 0; 1 when a magic link has led straight to an object (nd.dentry or nd.ofd); -errno.
 */
export function followLast(nd: Nameidata, c: Caller, link: Inode, flags: number): number {
  const slash = nd.slash;
  const r = follow(nd, c, link, true, flags);
  if (typeof r === 'number') return r < 0 ? r : 1;
  nd.last = '';
  nd.lastType = Last.ROOT;
  nd.slash = false;
  if (r.charCodeAt(0) === SLASH) {
    const a = toRoot(nd, flags);
    if (a < 0) return a;
  }
  return components(nd, c, slash ? `${r}/` : r, flags | Walk.PARENT);
}
