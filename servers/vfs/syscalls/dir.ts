/** getdents(2), getdents64(2), chdir(2), fchdir(2), getcwd(2), chroot(2). */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd } from '../../../shared/held.js';
import { DATA, scratch, scratchView } from '../../../shared/host.js';
import { CAP_SYS_CHROOT, hasCap, permission } from '../dac.js';
import { direntBytes, putDirent } from '../dirent.js';
import { absolutePath, isDeleted, lastReach, Reach } from '../dpath.js';
import { rootsDiffer } from '../exec.js';
import { O_PATH, fileOf } from '../file.js';
import { MAY_EXEC } from '../inode.js';
import { IN_ACCESS, tellDentry } from '../inotify/watch.js';
import { noteReading } from '../listings.js';
import { Walk } from '../namei.js';
import { DirFile } from '../path-file.js';
import { noteListing } from '../siblings.js';
import { $nd, AT_FDCWD, callerOf, walkInode } from './args.js';

/** Longest answer to one getdents: programs ask for 32 KiB and come again. */
const MAX = 256 * 1024;

/**
 * getdents64(2), getdents(2).
 * Errors: -EBADF; -ENOTDIR; -ENOENT directory was removed; -EINVAL buffer too small for the next entry; -EFAULT. Source: man-pages 6.9.
 */
function getdents(f: Frame, ofd: number, wide: boolean): number {
  const file = fileOf(ofd);
  if (!(file instanceof DirFile)) return file === undefined || (file.openFlags & O_PATH) !== 0 ? -E.EBADF : -E.ENOTDIR;
  const c = callerOf(f);
  const elsewhere = f.argLen(1) === L.ARG_ELSEWHERE;
  const base = elsewhere ? DATA : f.outOff(1);
  const room = elsewhere ? Math.min(f.argU32(2), MAX) : Math.min(f.argU32(2), f.outCap(1));
  if (base < 0) return base;
  // A listing may use scratch, so it is taken before anything is put there.
  let e = file.peek(c);
  const start = file.pos;
  const buf = elsewhere ? scratch : f.bytes, view = elsewhere ? scratchView : f.view;
  let n = 0;
  while (e !== undefined) {
    if (typeof e === 'number') return n > 0 ? n : e;
    if (n + direntBytes(e.name.length) > room) {
      if (n === 0) return -E.EINVAL;
      break;
    }
    n += putDirent(buf, view, base + n, e, ++file.pos, wide);
    e = file.peek(c);
  }
  if (start === 0) {
    noteListing(f, file.path.dentry, file.names);
    noteReading(f, file, f.argU32(2));
  }
  if (e === undefined) f.setReplyFlag(L.RF_DIR_END);
  tellDentry(file.path.dentry, IN_ACCESS);
  if (elsewhere) {
    const r = f.copyOut(f.argU64(1), DATA, n);
    // What did not arrive is there to be read again.
    if (r < 0) file.pos = start;
    return r;
  }
  f.setOut(1, n);
  return n;
}

/** chdir(2): walk errors, -ENOTDIR, -EACCES without search permission. */
function sys_chdir(f: Frame): number {
  const c = callerOf(f);
  let r = walkInode(f, c, $nd, AT_FDCWD, 0, Walk.FOLLOW | Walk.DIRECTORY);
  if (r < 0) return r;
  r = permission(c, $nd.inode, MAY_EXEC);
  if (r < 0) return r;
  c.fs.setCwd($nd.path);
  return 0;
}

function sys_fchdir(f: Frame, ofd: number): number {
  const file = fileOf(ofd);
  if (file === undefined) return -E.EBADF;
  if (!file.inode.isDir) return -E.ENOTDIR;
  const c = callerOf(f);
  const r = permission(c, file.inode, MAY_EXEC);
  if (r < 0) return r;
  c.fs.setCwd(file.path);
  return 0;
}

/** chroot(2): as chdir, then -EPERM without CAP_SYS_CHROOT. The working directory stays. */
function sys_chroot(f: Frame): number {
  const c = callerOf(f);
  let r = walkInode(f, c, $nd, AT_FDCWD, 0, Walk.FOLLOW | Walk.DIRECTORY);
  if (r < 0) return r;
  r = permission(c, $nd.inode, MAY_EXEC);
  if (r < 0) return r;
  if (!hasCap(c.cred, CAP_SYS_CHROOT)) return -E.EPERM;
  c.fs.setRoot($nd.path);
  rootsDiffer();
  return 0;
}

/** getcwd(2), the system call: length with its NUL. -ENOENT removed; -ERANGE too small; -EFAULT. */
function sys_getcwd(f: Frame): number {
  const c = callerOf(f);
  if (isDeleted(c.fs.cwd)) return -E.ENOENT;
  let name = absolutePath(c.fs.cwd, c.fs.root);
  if (lastReach() !== Reach.ROOT) name = `(unreachable)${name}`;
  const n = name.length + 1;
  if (n > f.argU64(1)) return -E.ERANGE;
  const o = f.outOff(0);
  if (o < 0) {
    if (f.argLen(0) !== L.ARG_ELSEWHERE) return o;
    scratch.latin1Write(name, DATA);
    scratch[DATA + n - 1] = 0;
    return f.copyOut(f.argU64(0), DATA, n);
  }
  f.bytes.latin1Write(name, o);
  f.bytes[o + n - 1] = 0;
  f.setOut(0, n);
  return n;
}

export function installDir(ep: Endpoint): void {
  ep.handle(NR.NR_getdents64, onOfd(ep, (f, o) => getdents(f, o, true)));
  ep.handle(NR.NR_getdents, onOfd(ep, (f, o) => getdents(f, o, false)));
  ep.handle(NR.NR_chdir, sys_chdir);
  ep.handle(NR.NR_fchdir, onOfd(ep, sys_fchdir));
  ep.handle(NR.NR_chroot, sys_chroot);
  ep.handle(NR.NR_getcwd, sys_getcwd);
}
