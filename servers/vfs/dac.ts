/**
 * Discretionary access control: mode bits, capabilities, sticky directories, set-id rules. carrick decides for itself; the host's own
 * checks (as the user who runs carrick) come on top where host files are opened.
 *
 * Credential row 0 stands for carrick itself (boot) and may do everything. Sources: path_resolution(7), capabilities(7), inode(7).
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { type Caller, type Inode, MAY_EXEC, MAY_READ, MAY_WRITE, MNT_RDONLY, type Mount, S_IFDIR, S_ISGID, S_ISUID, S_ISVTX } from './inode.js';

/** capabilities(7), linux/capability.h. */
export const CAP_CHOWN = 0, CAP_DAC_OVERRIDE = 1, CAP_DAC_READ_SEARCH = 2, CAP_FOWNER = 3, CAP_FSETID = 4, CAP_SYS_CHROOT = 18, CAP_SYS_ADMIN = 21, CAP_SYS_RESOURCE = 24,
  CAP_MKNOD = 27, CAP_SETFCAP = 31;

export function hasCap(cred: number, cap: number): boolean {
  return cred === 0 || (L.credCapEff(cred, cap >> 5) >>> (cap & 31) & 1) === 1;
}

export const fsuidOf = (cred: number): number => (cred === 0 ? 0 : L.credFsuid(cred));
export const fsgidOf = (cred: number): number => (cred === 0 ? 0 : L.credFsgid(cred));

/** Is gid the file system gid or one of the supplementary groups? */
export function inGroup(cred: number, gid: number): boolean {
  if (cred === 0) return gid === 0;
  if (L.credFsgid(cred) === gid) return true;
  const n = L.credNgroups(cred);
  for (let i = 0; i < n; i++) if (L.credGroups(cred, i) === gid) return true;
  return false;
}

/** The mode-bits rule. uid and gid: with which the class is chosen. */
function modeAllows(inode: Inode, uid: number, group: boolean, mask: number): boolean {
  const m = inode.mode;
  const bits = inode.uid === uid ? m >> 6 : group ? m >> 3 : m;
  return (mask & ~bits & 7) === 0;
}

/** Capabilities that count for access(2): those that the real user could have. access(2). */
const hasRealCap = (cred: number, cap: number): boolean => L.credUid(cred) === 0 && (L.credCapPerm(cred, cap >> 5) >>> (cap & 31) & 1) === 1;

function inRealGroup(cred: number, gid: number): boolean {
  if (L.credGid(cred) === gid) return true;
  const n = L.credNgroups(cred);
  for (let i = 0; i < n; i++) if (L.credGroups(cred, i) === gid) return true;
  return false;
}

function overridden(c: Caller, inode: Inode, mask: number): boolean {
  const has = c.real === true ? hasRealCap : hasCap;
  const { cred } = c;
  if (inode.isDir) {
    if ((mask & MAY_WRITE) === 0 && has(cred, CAP_DAC_READ_SEARCH)) return true;
    return has(cred, CAP_DAC_OVERRIDE);
  }
  if (mask === MAY_READ && has(cred, CAP_DAC_READ_SEARCH)) return true;
  return ((mask & MAY_EXEC) === 0 || (inode.mode & 0o111) !== 0) && has(cred, CAP_DAC_OVERRIDE);
}

/** May the caller do `mask` (MAY_*) to the inode? 0 or -EACCES (or what the file system itself says). */
export function permission(c: Caller, inode: Inode, mask: number): number {
  if (mask === 0 || c.cred === 0) return 0;
  const own = inode.permission(c, mask);
  if (own !== 1) return own;
  const real = c.real === true;
  const uid = real ? L.credUid(c.cred) : L.credFsuid(c.cred);
  if (modeAllows(inode, uid, inode.uid !== uid && (real ? inRealGroup : inGroup)(c.cred, inode.gid), mask)) return 0;
  return overridden(c, inode, mask) ? 0 : -E.EACCES;
}

/** -EROFS when a change through this mount is refused. */
export const mayWriteMount = (mnt: Mount): number => ((mnt.flags & MNT_RDONLY) !== 0 ? -E.EROFS : 0);

/** May a name be made in dir? The mount was checked. */
export const mayCreate = (c: Caller, dir: Inode): number => (dir.nlink === 0 ? -E.ENOENT : permission(c, dir, MAY_WRITE | MAY_EXEC));

/** May `victim`'s name be taken out of dir? wantDir: rmdir, or rename onto a directory. EACCES, EPERM (sticky), ENOTDIR, EISDIR. */
export function mayDelete(c: Caller, dir: Inode, victim: Inode, wantDir: boolean): number {
  const r = permission(c, dir, MAY_WRITE | MAY_EXEC);
  if (r < 0) return r;
  if (isSticky(c, dir, victim)) return -E.EPERM;
  if (wantDir) return victim.isDir ? 0 : -E.ENOTDIR;
  return victim.isDir ? -E.EISDIR : 0;
}

function isSticky(c: Caller, dir: Inode, victim: Inode): boolean {
  if ((dir.mode & S_ISVTX) === 0) return false;
  const uid = fsuidOf(c.cred);
  return victim.uid !== uid && dir.uid !== uid && !hasCap(c.cred, CAP_FOWNER);
}

/** Owner of the inode, or privileged: chmod, utimes with explicit times, O_NOATIME, F_NOTIFY. */
export const isOwner = (c: Caller, inode: Inode): boolean => fsuidOf(c.cred) === inode.uid || hasCap(c.cred, CAP_FOWNER);

export interface NewOwner { uid: number; gid: number; mode: number }
const $owner: NewOwner = { uid: 0, gid: 0, mode: 0 };

/** Owner and mode of a new inode in dir: set-group-id directories hand their group on. Borrowed result. inode(7). */
export function newOwner(c: Caller, dir: Inode, mode: number): NewOwner {
  $owner.uid = fsuidOf(c.cred);
  $owner.gid = fsgidOf(c.cred);
  $owner.mode = mode;
  if ((dir.mode & S_ISGID) !== 0) {
    $owner.gid = dir.gid;
    if ((mode & 0o170000) === S_IFDIR) $owner.mode |= S_ISGID;
    else if ((mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010) && !inGroup(c.cred, dir.gid) && !hasCap(c.cred, CAP_FSETID)) $owner.mode &= ~S_ISGID;
  }
  return $owner;
}

/** The set-id bits that writing, truncating or giving away a file takes off it: its new mode. */
export function killPriv(mode: number): number {
  let m = mode & ~S_ISUID;
  if ((m & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) m &= ~S_ISGID;
  return m;
}
