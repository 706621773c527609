/**
 * mount(2), umount2(2).
 *
 * Supported: tmpfs, proc, sysfs, MS_BIND (one directory or file of the tree at another place), MS_REMOUNT of the flags; propagation changes are accepted, since there is one
 * mount namespace. Everything else is -ENODEV.
 * Errors: -EPERM without CAP_SYS_ADMIN; walk errors; -ENOTDIR, -EINVAL, -EBUSY. Source: man-pages 6.9 mount(2), umount(2).
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { CAP_SYS_ADMIN, hasCap } from '../dac.js';
import type { Path} from '../inode.js';
import { type Caller, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, S_IFDIR, type SuperBlock } from '../inode.js';
import { LayeredSuper } from '../layered/super.js';
import { mountAt, mountsChanged, unmount } from '../mounts.js';
import { Walk } from '../namei.js';
import { ProcFs } from '../procfs/proc-fs.js';
import { SysFs } from '../sysfs/sysfs.js';
import { $nd, $nd2, AT_FDCWD, callerOf, walkAt, walkInode } from './args.js';

const MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_REMOUNT = 32, MS_BIND = 4096, MS_MOVE = 8192, MS_UNBINDABLE = 1 << 17, MS_PRIVATE = 1 << 18, MS_SLAVE = 1 << 19, MS_SHARED = 1 << 20;
const MNT_FORCE = 1, MNT_DETACH = 2, MNT_EXPIRE = 4, UMOUNT_NOFOLLOW = 8;

/** MNT_* of MS_*: they happen to be the same bits. */
export function mountFlags(ms: number): number {
  return ((ms & MS_RDONLY) !== 0 ? MNT_RDONLY : 0) | ((ms & MS_NOSUID) !== 0 ? MNT_NOSUID : 0) | ((ms & MS_NODEV) !== 0 ? MNT_NODEV : 0) | ((ms & MS_NOEXEC) !== 0 ? MNT_NOEXEC : 0);
}

/** A number of bytes with k, m, g or %, as tmpfs(5) takes it; 0 = none, NaN = bad. */
export function parseSize(text: string): number {
  const m = /^(\d+)([kmgt%]?)$/i.exec(text);
  if (m === null) return NaN;
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }[(m[2] as string).toLowerCase()];
  return unit === undefined ? 0 : Number(m[1]) * unit;
}

/** tmpfs with the options of mount(8): size, mode, uid, gid. -EINVAL unknown ones. */
function mountTmpfs(options: string): SuperBlock | number {
  let size = 0, mode = 0o1777, uid = 0, gid = 0;
  for (const o of options.split(',')) {
    const eq = o.indexOf('=');
    const key = eq < 0 ? o : o.slice(0, eq), value = eq < 0 ? '' : o.slice(eq + 1);
    switch (key) {
      case '': case 'nr_inodes': case 'nr_blocks': case 'huge': case 'inode64': case 'inode32': break;
      case 'size': size = parseSize(value); break;
      case 'mode': mode = parseInt(value, 8); break;
      case 'uid': uid = Number(value); break;
      case 'gid': gid = Number(value); break;
      default: return -E.EINVAL;
    }
  }
  if ([size, mode, uid, gid].some(Number.isNaN)) return -E.EINVAL;
  const sb = new LayeredSuper('tmpfs', undefined, S_IFDIR | (mode & 0o7777), size);
  sb.source = 'tmpfs';
  sb.root.uid = uid;
  sb.root.gid = gid;
  return sb;
}

function newSuper(type: string, source: string, options: string): SuperBlock | number {
  let sb: SuperBlock | number;
  switch (type) {
    case 'tmpfs': case 'ramfs': sb = mountTmpfs(options); break;
    case 'proc': sb = new ProcFs(); break;
    case 'sysfs': sb = new SysFs(); break;
    default: return -E.ENODEV;
  }
  if (typeof sb !== 'number' && source !== '') sb.source = source;
  return sb;
}

/** String argument that may be NULL. */
function optional(f: Frame, arg: number): string | number { return f.argU64(arg) === 0 ? '' : f.str(arg); }

function bind(f: Frame, c: Caller, at: Path, source: string, flags: number): number {
  const r = walkAt(f, c, $nd2, AT_FDCWD, source, Walk.FOLLOW);
  if (r < 0) return r;
  if ($nd2.ofd !== 0) return -E.EINVAL;
  if ($nd2.inode.isDir !== at.inode.isDir) return -E.ENOTDIR;
  mountAt($nd2.mnt.sb, $nd2.dentry, at, $nd2.mnt.flags | mountFlags(flags));
  return 0;
}

function sys_mount(f: Frame): number {
  const flags = f.argU32(3);
  const source = optional(f, 0), type = optional(f, 2), data = optional(f, 4);
  if (typeof source === 'number') return source;
  if (typeof type === 'number') return type;
  if (typeof data === 'number') return data;
  const c = callerOf(f);
  const r = walkInode(f, c, $nd, AT_FDCWD, 1, Walk.FOLLOW);
  if (r < 0) return r;
  if (!hasCap(c.cred, CAP_SYS_ADMIN)) return -E.EPERM;
  if ($nd.ofd !== 0) return -E.EINVAL;
  const at = $nd.path;
  if ((flags & MS_REMOUNT) !== 0) {
    if (at.dentry !== at.mnt.root) return -E.EINVAL;
    at.mnt.flags = mountFlags(flags);
    mountsChanged();
    return 0;
  }
  if ((flags & MS_BIND) !== 0) return bind(f, c, at, source, flags);
  if ((flags & (MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED)) !== 0) return at.dentry === at.mnt.root ? 0 : -E.EINVAL;
  if ((flags & MS_MOVE) !== 0) return -E.EINVAL;
  const sb = newSuper(type, source, data);
  if (typeof sb === 'number') return sb;
  if (!at.inode.isDir) return -E.ENOTDIR;
  mountAt(sb, undefined, at, mountFlags(flags));
  return 0;
}

function sys_umount2(f: Frame): number {
  const flags = f.argU32(1);
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -E.EINVAL;
  const c = callerOf(f);
  const r = walkInode(f, c, $nd, AT_FDCWD, 0, (flags & UMOUNT_NOFOLLOW) !== 0 ? 0 : Walk.FOLLOW);
  if (r < 0) return r;
  if (!hasCap(c.cred, CAP_SYS_ADMIN)) return -E.EPERM;
  return unmount($nd.path, (flags & MNT_DETACH) !== 0);
}

export function installMount(ep: Endpoint): void {
  ep.handle(NR.NR_mount, sys_mount);
  ep.handle(NR.NR_umount2, sys_umount2);
}
