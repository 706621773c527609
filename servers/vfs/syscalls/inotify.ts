/** inotify_init(2), inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2). */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { permission } from '../dac.js';
import { fileOf, O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../file.js';
import { Cache, type Dentry, MAY_READ, S_IFIFO } from '../inode.js';
import { Inotify } from '../inotify/instance.js';
import { IN_ACCESS, IN_ALL_EVENTS, IN_ATTRIB, IN_DELETE_SELF, IN_EXCL_UNLINK, IN_MODIFY, IN_MOVE_SELF, IN_ONESHOT, tellDentry } from '../inotify/watch.js';
import { Walk } from '../namei.js';
import { installFile } from '../open-file.js';
import { $nd, AT_FDCWD, callerOf, walkArg } from './args.js';

const IN_ONLYDIR = 0x01000000, IN_DONT_FOLLOW = 0x02000000, IN_MASK_CREATE = 0x10000000, IN_MASK_ADD = 0x20000000;
/** What a mask may have: events, IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED, IN_ISDIR and the flags. */
const KNOWN = IN_ALL_EVENTS | 0x2000 | 0x4000 | 0x8000 | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | 0x40000000 | IN_ONESHOT;
/** What a watch keeps of it. */
const KEPT = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;

/** inotify_init1(2): -EINVAL flags; -EMFILE too many instances of the user, or descriptors; -ENFILE. */
function init(f: Frame, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -E.EINVAL;
  const uid = L.credUid(L.taskCred(f.task));
  if (!Inotify.mayMake(uid)) return -E.EMFILE;
  return installFile(f, new Inotify(O_RDONLY | (flags & O_NONBLOCK), uid), (flags & O_CLOEXEC) !== 0);
}

/** The instance behind a descriptor: -EBADF, -EINVAL. */
function instanceOf(f: Frame): Inotify | number {
  const o = fdLookup(L.taskFiles(f.task), f.argInt(0));
  if (o < 0) return o;
  const file = L.ofdOwner(o) === L.SRV_VFS ? fileOf(o) : undefined;
  return file instanceof Inotify ? file : -E.EINVAL;
}

/** Would the events come? Not where every look at a name makes a new inode (/proc), and not those of a FIFO's data, which ipc alone sees. */
function canWatch(d: Dentry, mask: number): boolean {
  if ((d.parent ?? d).inode?.cache === Cache.NEVER) return false;
  return d.inode?.type !== S_IFIFO || (mask & IN_ALL_EVENTS & ~(IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)) === 0;
}

/**
 * inotify_add_watch(2) - add a watch, or change one.
 *
 *   int inotify_add_watch(int fd, const char *pathname, uint32_t mask);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  unknown bits, or none; -EBADF; -EINVAL IN_MASK_ADD with IN_MASK_CREATE, or fd is no instance
 *   walk errors (-ENOTDIR with IN_ONLYDIR); -EACCES not readable; -EEXIST IN_MASK_CREATE and it is watched; -ENOSPC too many watches of the user
 * Source: man-pages 6.9 inotify_add_watch(2), fs/notify/inotify. Deviations: -ENOSPC also for what cannot be watched here: files of /proc, data of FIFOs.
 */
function addWatch(f: Frame): number {
  const mask = f.argU32(2);
  if ((mask & ~KNOWN) !== 0 || (mask & KNOWN) === 0) return -E.EINVAL;
  const o = fdLookup(L.taskFiles(f.task), f.argInt(0));
  if (o < 0) return o;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -E.EINVAL;
  const instance = instanceOf(f);
  if (typeof instance === 'number') return instance;
  const c = callerOf(f);
  let r = walkArg(f, c, $nd, AT_FDCWD, 1, ((mask & IN_DONT_FOLLOW) !== 0 ? 0 : Walk.FOLLOW) | ((mask & IN_ONLYDIR) !== 0 ? Walk.DIRECTORY : 0));
  if (r < 0) return r;
  if ($nd.ofd !== 0) return -E.ENOSPC;
  const d = $nd.dentry;
  r = permission(c, $nd.inode, MAY_READ);
  if (r < 0) return r;
  const have = instance.watchOf($nd.inode);
  const kept = mask & KEPT;
  if (have !== undefined) {
    if ((mask & IN_MASK_CREATE) !== 0) return -E.EEXIST;
    instance.change(have, (mask & IN_MASK_ADD) !== 0 ? have.mask | kept : kept);
    return have.wd;
  }
  return canWatch(d, mask) ? instance.add(d, kept) : -E.ENOSPC;
}

/** inotify_rm_watch(2): -EBADF; -EINVAL fd is no instance, or has no such watch. */
function rmWatch(f: Frame): number {
  const instance = instanceOf(f);
  return typeof instance === 'number' ? instance : instance.remove(f.argInt(1));
}

export function installInotify(ep: Endpoint): void {
  ep.handle(NR.NR_inotify_init, (f) => init(f, 0));
  ep.handle(NR.NR_inotify_init1, (f) => init(f, f.argInt(0)));
  ep.handle(NR.NR_inotify_add_watch, addWatch);
  ep.handle(NR.NR_inotify_rm_watch, rmWatch);
  ep.on(Msg.DATA_MOVED, (m) => {
    const file = fileOf(m.w[0] as number);
    if (file !== undefined) tellDentry(file.path.dentry, m.w[1] === 1 ? IN_MODIFY : IN_ACCESS);
  });
}
