/** From a path back to its name: getcwd(2), /proc/PID/{cwd,root,exe,fd}, /proc/PID/mounts. */
import type { Dentry, Mount, Path } from './inode.js';

/** Where the name leads up to. */
export const enum Reach { ROOT = 0, OUTSIDE = 1, NAMELESS = 2 }

let $reach = Reach.ROOT;
/** How the last absolutePath ended: at the given root, outside of it (chroot left it behind, detached mount), or at an object without a name. */
export const lastReach = (): Reach => $reach;

/**
 * Name of a path as seen from `root`: "/usr/bin". Objects without a place give their own name ("/memfd:x"). ` (deleted)` is appended for
 * an unlinked file when `mark` is set.
 */
export function absolutePath(path: Path, root: Path | undefined, mark = false): string {
  let d: Dentry = path.dentry;
  let m: Mount = path.mnt;
  const parts: string[] = [];
  $reach = Reach.ROOT;
  for (;;) {
    if (root !== undefined && d === root.dentry && m === root.mnt) break;
    if (d === m.root || d.parent === undefined) {
      if (m.parent !== undefined && m.mountpoint !== undefined) {
        d = m.mountpoint;
        m = m.parent;
        continue;
      }
      if (d.name !== '') { parts.push(d.name); $reach = Reach.NAMELESS; }
      else if (root !== undefined) $reach = Reach.OUTSIDE;
      break;
    }
    parts.push(d.name);
    d = d.parent;
  }
  const name = `/${parts.reverse().join('/')}`;
  return mark && path.dentry.deleted ? `${name} (deleted)` : name;
}

/** Is the path, or a directory above it, unlinked? getcwd then says ENOENT. */
export const isDeleted = (path: Path): boolean => path.dentry.deleted;
