/** access(2): the checks on what a walk has found. */
import { E } from '../../shared/errno.js';
import { permission } from './dac.js';
import { type Caller, MAY_EXEC, MAY_READ, MAY_WRITE, MNT_NOEXEC, MNT_RDONLY, type Path, S_IFDIR, S_IFLNK, S_IFREG } from './inode.js';

/** May the caller (c.real: its real user) do what `mode` (R_OK, W_OK, X_OK) says? 0; -EACCES; -EROFS writing to a read-only mount. Source: man-pages 6.9 access(2). */
export function mayAccess(c: Caller, at: Path, mode: number): number {
  const { inode, mnt } = at, { type } = inode;
  const mask = ((mode & 4) !== 0 ? MAY_READ : 0) | ((mode & 2) !== 0 ? MAY_WRITE : 0) | ((mode & 1) !== 0 ? MAY_EXEC : 0);
  if ((mask & MAY_EXEC) !== 0 && inode.isReg && (mnt.flags & MNT_NOEXEC) !== 0) return -E.EACCES;
  const p = permission(c, inode, mask);
  if (p < 0) return p;
  const onDisk = type === S_IFREG || type === S_IFDIR || type === S_IFLNK;
  return (mask & MAY_WRITE) !== 0 && onDisk && (mnt.flags & MNT_RDONLY) !== 0 ? -E.EROFS : 0;
}
