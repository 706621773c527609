/**
 * The tree of mounts. A mount hangs on a dentry of its parent mount (`parent.children`); `dentry.mounted` says that it is worth looking.
 * Mounts stack: the last one on a dentry is mounted on the root of the one before.
 */
import { E } from '../../shared/errno.js';
import { waysChanged } from './answers.js';
import { dget, dput, rootDentry } from './dcache.js';
import { type Dentry, type Inode, Mount, Path, type SuperBlock } from './inode.js';
import { tellUnmounted } from './inotify/watch.js';

const all = new Set<Mount>();

/** Every mount, in the order in which they were made. */
export const mounts = (): Iterable<Mount> => all;

/** Bumped at every change; /proc/PID/mounts polls. */
export let mountGeneration = 0;

/** Also when the flags of a mount change. */
export function mountsChanged(): void {
  mountGeneration++;
  waysChanged();
}

export function mountRoot(sb: SuperBlock, flags: number): Mount {
  const mnt = new Mount(sb, rootDentry(sb.root), undefined, undefined, flags);
  all.add(mnt);
  mountsChanged();
  return mnt;
}

/** The topmost mount on (mnt, dentry): its root, or the place itself. */
export function crossMounts(mnt: Mount, dentry: Dentry): Path | undefined {
  let m = mnt, d = dentry, crossed = false;
  while (d.mounted > 0) {
    const on = m.children.get(d);
    if (on === undefined) break;
    m = on;
    d = on.root;
    crossed = true;
  }
  return crossed ? new Path(m, d) : undefined;
}

/** Mount a superblock, or (bind) a dentry of one, at a place. A file goes on a file, a directory on a directory (checked by the caller). */
export function mountAt(sb: SuperBlock, root: Dentry | undefined, at: Path, flags: number): Mount {
  const top = crossMounts(at.mnt, at.dentry) ?? at;
  const r = root ?? rootDentry(sb.root);
  if (root !== undefined) dget(root);
  const mnt = new Mount(sb, r, top.mnt, top.dentry, flags);
  dget(top.dentry);
  top.dentry.mounted++;
  top.mnt.children.set(top.dentry, mnt);
  all.add(mnt);
  mountsChanged();
  return mnt;
}

/** umount(2): -EINVAL not a mount's root or the root mount, -EBUSY in use. */
export function unmount(at: Path, detach: boolean): number {
  const mnt = at.mnt;
  if (at.dentry !== mnt.root || mnt.parent === undefined || mnt.mountpoint === undefined) return -E.EINVAL;
  if (!detach && (mnt.count > 0 || mnt.children.size > 0)) return -E.EBUSY;
  for (const below of [...mnt.children.values()]) unmount(new Path(below, below.root), true);
  mnt.parent.children.delete(mnt.mountpoint);
  mnt.mountpoint.mounted--;
  dput(mnt.mountpoint);
  dput(mnt.root);
  all.delete(mnt);
  mountsChanged();
  if (![...all].some((other) => other.sb === mnt.sb)) tellUnmounted(mnt.sb);
  return 0;
}

/** A mount that is nowhere in the tree, for objects without a name (memfd, stdio). */
export function privateMount(sb: SuperBlock, inode: Inode): Mount { return new Mount(sb, rootDentry(inode), undefined, undefined, 0); }
