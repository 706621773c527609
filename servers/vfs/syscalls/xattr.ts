/**
 * setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l and f forms.
 *
 * Namespaces, xattr(7): user.* on regular files and directories only, by file permission (sticky directories: the owner); trusted.* needs
 * CAP_SYS_ADMIN and is invisible without; security.* may be read by all, written with CAP_SYS_ADMIN (capability: CAP_SETFCAP); system.* (ACLs) is not supported.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { DATA, scratch } from '../../../shared/host.js';
import { CAP_SETFCAP, CAP_SYS_ADMIN, hasCap, isOwner, mayWriteMount, permission } from '../dac.js';
import { type Caller, type Inode, MAY_READ, MAY_WRITE, type Mount, S_ISVTX } from '../inode.js';
import { IN_ATTRIB, tellChange } from '../inotify/watch.js';
import { Walk } from '../namei.js';
import { $nd, AT_FDCWD, callerOf, onInode, walkInode } from './args.js';
import { writeOut } from './stat.js';

/** linux/limits.h. */
const XATTR_NAME_MAX = 255, XATTR_SIZE_MAX = 65536;

/** Name of argument 1: -ERANGE too long or empty, -EOPNOTSUPP without a known namespace. */
function nameArg(f: Frame): string | number {
  const name = f.str(1);
  if (typeof name === 'number') return name === -E.ENAMETOOLONG ? -E.ERANGE : name;
  if (name.length === 0 || name.length > XATTR_NAME_MAX) return -E.ERANGE;
  return name;
}

const NAMESPACE = /^(user|trusted|security|system)\.(.+)$/s;

function mayAccess(c: Caller, inode: Inode, name: string, write: boolean): number {
  const m = NAMESPACE.exec(name);
  if (m === null) return -E.EOPNOTSUPP;
  switch (m[1]) {
    case 'user':
      if (!inode.isReg && !inode.isDir) return write ? -E.EPERM : -E.ENODATA;
      if (write && inode.isDir && (inode.mode & S_ISVTX) !== 0 && !isOwner(c, inode)) return -E.EPERM;
      return permission(c, inode, write ? MAY_WRITE : MAY_READ);
    case 'trusted':
      if (!hasCap(c.cred, CAP_SYS_ADMIN)) return write ? -E.EPERM : -E.ENODATA;
      return 0;
    case 'security':
      if (write && !hasCap(c.cred, m[2] === 'capability' ? CAP_SETFCAP : CAP_SYS_ADMIN)) return -E.EPERM;
      return 0;
    default:
      // An object without an ACL says so; setting one is refused.
      return write || !/^posix_acl_(access|default)$/.test(m[2] as string) ? -E.EOPNOTSUPP : -E.ENODATA;
  }
}

/** setxattr(2): -EINVAL flags; -E2BIG; -EROFS; namespace rules; -EEXIST, -ENODATA by the flags. */
function set(f: Frame, c: Caller, mnt: Mount, inode: Inode): number {
  const flags = f.argInt(4), size = f.argU64(3);
  if ((flags & ~3) !== 0) return -E.EINVAL;
  const name = nameArg(f);
  if (typeof name === 'number') return name;
  if (size > XATTR_SIZE_MAX) return -E.E2BIG;
  const value = valueArg(f, size);
  if (typeof value === 'number') return value;
  const r = mayWriteMount(mnt);
  if (r < 0) return r;
  const p = mayAccess(c, inode, name, true);
  return p < 0 ? p : inode.setxattr(name, value, flags);
}

function valueArg(f: Frame, size: number): string | number {
  if (size === 0) return '';
  const o = f.inOff(2);
  if (o >= 0) return f.bytes.latin1Slice(o, o + size);
  if (f.argLen(2) !== L.ARG_ELSEWHERE) return o;
  const r = f.copyIn(f.argU64(2), DATA, size);
  return r < 0 ? r : scratch.latin1Slice(DATA, DATA + size);
}

/** Bytes into out argument `arg` whose room is argument arg + 1; room 0 asks for the length only. -ERANGE. */
function answer(f: Frame, arg: number, text: string): number {
  const size = f.argU64(arg + 1);
  if (size === 0) return text.length;
  if (text.length > size) return -E.ERANGE;
  const o = f.outOff(arg);
  if (o < 0) return f.argLen(arg) === L.ARG_ELSEWHERE ? writeOut(f, f.argU64(arg), text) : text.length === 0 ? 0 : o;
  f.bytes.latin1Write(text, o);
  f.setOut(arg, text.length);
  return text.length;
}

function get(f: Frame, c: Caller, _mnt: Mount, inode: Inode): number {
  const name = nameArg(f);
  if (typeof name === 'number') return name;
  const p = mayAccess(c, inode, name, false);
  if (p < 0) return p;
  const v = inode.getxattr(name);
  return typeof v === 'number' ? v : answer(f, 2, v);
}

function list(f: Frame, c: Caller, _mnt: Mount, inode: Inode): number {
  const names = inode.listxattr();
  if (typeof names === 'number') return names;
  const trusted = hasCap(c.cred, CAP_SYS_ADMIN);
  let text = '';
  for (const n of names) if (trusted || !n.startsWith('trusted.')) text += `${n}\0`;
  return answer(f, 1, text);
}

function remove(f: Frame, c: Caller, mnt: Mount, inode: Inode): number {
  const name = nameArg(f);
  if (typeof name === 'number') return name;
  const r = mayWriteMount(mnt);
  if (r < 0) return r;
  const p = mayAccess(c, inode, name, true);
  return p < 0 ? p : inode.removexattr(name);
}

type Op = (f: Frame, c: Caller, mnt: Mount, inode: Inode) => number;

function byPath(op: Op, flags: number, event = 0): (f: Frame) => number {
  return (f) => {
    const c = callerOf(f);
    const r = walkInode(f, c, $nd, AT_FDCWD, 0, flags);
    if (r < 0) return r;
    const d = $nd.dentry, n = op(f, c, $nd.mnt, $nd.inode);
    return event === 0 ? n : tellChange(n, d, event);
  };
}

export function installXattr(ep: Endpoint): void {
  ep.handle(NR.NR_setxattr, byPath(set, Walk.FOLLOW, IN_ATTRIB));
  ep.handle(NR.NR_lsetxattr, byPath(set, 0, IN_ATTRIB));
  ep.handle(NR.NR_fsetxattr, onInode(set, IN_ATTRIB));
  ep.handle(NR.NR_getxattr, byPath(get, Walk.FOLLOW));
  ep.handle(NR.NR_lgetxattr, byPath(get, 0));
  ep.handle(NR.NR_fgetxattr, onInode(get));
  ep.handle(NR.NR_listxattr, byPath(list, Walk.FOLLOW));
  ep.handle(NR.NR_llistxattr, byPath(list, 0));
  ep.handle(NR.NR_flistxattr, onInode(list));
  ep.handle(NR.NR_removexattr, byPath(remove, Walk.FOLLOW, IN_ATTRIB));
  ep.handle(NR.NR_lremovexattr, byPath(remove, 0, IN_ATTRIB));
  ep.handle(NR.NR_fremovexattr, onInode(remove, IN_ATTRIB));
}
