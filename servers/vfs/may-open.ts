/** May this be opened so? The checks of open(2) on what a walk has found: its type, the caller's rights, the mount. Source: open(2). */
import { E } from '../../shared/errno.js';
import { isOwner, mayWriteMount, permission } from './dac.js';
import { O_ACCMODE, O_CREAT, O_DIRECTORY, O_NOATIME, O_RDONLY, O_TRUNC, O_WRONLY } from './file.js';
import { type Caller, type Inode, MAY_READ, MAY_WRITE, MNT_NODEV, type Path, S_IFBLK, S_IFCHR } from './inode.js';

export const O_TMPFILE_BIT = 0o20000000;

/** Bits of MAY_* that the access mode asks for. */
function accessMask(flags: number): number {
  const acc = flags & O_ACCMODE;
  return (acc === O_WRONLY ? MAY_WRITE : acc === O_RDONLY ? MAY_READ : MAY_READ | MAY_WRITE) | ((flags & O_TRUNC) !== 0 ? MAY_WRITE : 0);
}

/** Flags against the type of what was found. 0 or -errno. */
export function checkType(inode: Inode, flags: number, path: Path): number {
  if (inode.isLink) return -E.ELOOP;
  if (inode.isDir) return (flags & (O_CREAT | O_TRUNC)) !== 0 || (flags & O_ACCMODE) !== O_RDONLY ? -E.EISDIR : 0;
  if ((flags & O_DIRECTORY) !== 0 && (flags & O_TMPFILE_BIT) === 0) return -E.ENOTDIR;
  const type = inode.type;
  if ((type === S_IFCHR || type === S_IFBLK) && (path.mnt.flags & MNT_NODEV) !== 0) return -E.EACCES;
  return 0;
}

export function checkAccess(c: Caller, path: Path, flags: number): number {
  const inode = path.inode;
  const mask = accessMask(flags);
  const r = permission(c, inode, mask);
  if (r < 0) return r;
  if ((flags & O_NOATIME) !== 0 && !isOwner(c, inode)) return -E.EPERM;
  if ((mask & MAY_WRITE) === 0 || !inode.isReg) return 0;
  if (inode.execs > 0) return -E.ETXTBSY;
  return mayWriteMount(path.mnt);
}
