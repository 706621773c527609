/**
 * sendfile(2) and copy_file_range(2): data from one file to another without passing through the guest.
 *
 * The source of both is a regular file of ours. Targets are regular files, or with sendfile anything that has a host fd: pipes and sockets of other
 * servers are written without ever blocking here; when they are full the request parks on their host fd.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { fdLookup } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { DATA } from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { Why } from '../../../shared/wait.js';
import { hostWatches } from '../anon.js';
import { EPOLLOUT, type File, fileOf, O_ACCMODE, O_APPEND, O_NONBLOCK, vfsEndpoint } from '../file.js';
import { IN_ACCESS, IN_MODIFY, tellMoved } from '../inotify/watch.js';
import { tryWrite } from '../host/try-io.js';

const PIECE = 1 << 20;
const SEEK_SET = 0, SEEK_CUR = 1;
const MAX_RW_COUNT = 0x7ffff000;
const SIGPIPE = 13;

/** Optional loff_t argument: undefined = NULL; -errno on failure. */
function offArg(f: Frame, arg: number): number | undefined {
  if (f.argU64(arg) === 0) return undefined;
  const o = f.inOff(arg);
  if (o < 0) return o;
  const n = f.view.getUint32(o, true) + f.view.getInt32(o + 4, true) * 4294967296;
  return n < 0 ? -E.EINVAL : n;
}

function putOff(f: Frame, arg: number, n: number): void {
  const o = f.outOff(arg);
  f.view.setUint32(o, n >>> 0, true);
  f.view.setInt32(o + 4, Math.floor(n / 4294967296), true);
  f.setOut(arg, 8);
}

/** A regular file of ours behind fd, for reading or writing; -EBADF, or `wrong` for other objects. */
function regular(f: Frame, fd: number, wrong: number): File | number {
  const o = fdLookup(L.taskFiles(f.task), fd);
  if (o < 0) return o;
  const file = L.ofdOwner(o) === L.SRV_VFS ? fileOf(o) : undefined;
  if (file === undefined) return wrong;
  return file;
}

/** Move up to len bytes; positions < 0 use and move the files' own offsets. Bytes, or -errno if none. */
function pump(f: Frame, from: File, fromPos: number, to: (off: number, len: number, done: number) => number, len: number): number {
  let done = 0;
  while (done < len) {
    const n = from.read(f, DATA, Math.min(PIECE, len - done), fromPos + done);
    if (n < 0) return done > 0 ? done : n;
    if (n === 0) break;
    for (let put = 0; put < n;) {
      const w = to(DATA + put, n - put, done);
      if (w <= 0) return done > 0 ? done : w;
      put += w;
      done += w;
    }
  }
  return done;
}

/**
 * sendfile(2).
 * Errors: -EBADF; -EINVAL in_fd cannot be read at a position, or out_fd is open with O_APPEND; -ESPIPE offset given for a file without one; -EAGAIN;
 * -EPIPE. Source: man-pages 6.9 sendfile(2).
 */
function sys_sendfile(f: Frame): number {
  const offset = offArg(f, 2);
  if (offset !== undefined && offset < 0) return offset;
  const from = regular(f, f.argInt(1), -E.EINVAL);
  if (typeof from === 'number') return from;
  if (!from.readable) return -E.EBADF;
  if (from.inode.isDir || !from.seekable) return offset === undefined ? -E.EINVAL : -E.ESPIPE;
  const o = fdLookup(L.taskFiles(f.task), f.argInt(0));
  if (o < 0) return o;
  if ((L.ofdFlags(o) & O_ACCMODE) === 0) return -E.EBADF;
  const len = Math.min(f.argU64(3), MAX_RW_COUNT);
  if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
  const start = offset ?? from.seek(0, SEEK_CUR);
  // The offset is stored back even if nothing moved: memory that cannot be written is EFAULT.
  if (offset !== undefined) putOff(f, 2, start);
  if (len === 0) return 0;
  const to = L.ofdOwner(o) === L.SRV_VFS ? fileOf(o) : undefined;
  if (to !== undefined && (to.flags & O_APPEND) !== 0 && to.inode.isReg) return -E.EINVAL;
  if (to === undefined && L.ofdHostFd(o) < 0) return -E.EINVAL;
  const n = pump(f, from, start, to !== undefined ? (off, k) => to.write(f, off, k, -1) : (off, k) => tryWrite(L.ofdHostFd(o), off, k), len);
  if (n === -E.EAGAIN && to === undefined && (L.ofdFlags(o) & O_NONBLOCK) === 0) return hostWatches().park(f, o, L.ofdHostFd(o), EPOLLOUT);
  if (n === -E.EPIPE) {
    vfsEndpoint().send(L.SRV_SIGNAL, Msg.SIG_TASK, [f.task, SIGPIPE, 0, L.tgTgid(f.tg), 0]);
    f.setReplyFlag(L.RF_SIGNAL);
  }
  if (n <= 0) return n;
  tellMoved(from, n, IN_ACCESS);
  if (to !== undefined) tellMoved(to, n, IN_MODIFY);
  if (offset === undefined) from.seek(start + n, SEEK_SET);
  else putOff(f, 2, start + n);
  return n;
}

/**
 * copy_file_range(2).
 * Errors: -EINVAL flags, not regular, overlapping ranges of one file; -EBADF modes, or out open with O_APPEND; -EISDIR; -EXDEV other servers' objects.
 */
function sys_copy_file_range(f: Frame): number {
  if (f.argU32(5) !== 0) return -E.EINVAL;
  const from = regular(f, f.argInt(0), -E.EINVAL);
  if (typeof from === 'number') return from;
  const to = regular(f, f.argInt(2), -E.EINVAL);
  if (typeof to === 'number') return to;
  const inOff = offArg(f, 1);
  if (inOff !== undefined && inOff < 0) return inOff;
  const outOff = offArg(f, 3);
  if (outOff !== undefined && outOff < 0) return outOff;
  if (from.inode.isDir || to.inode.isDir) return -E.EISDIR;
  if (!from.inode.isReg || !to.inode.isReg) return -E.EINVAL;
  if (!from.readable || !to.writable || (to.flags & O_APPEND) !== 0) return -E.EBADF;
  const len = Math.min(f.argU64(4), MAX_RW_COUNT);
  const a = inOff ?? from.seek(0, SEEK_CUR), b = outOff ?? to.seek(0, SEEK_CUR);
  if (from.inode === to.inode && a < b + len && b < a + len) return -E.EINVAL;
  const n = pump(f, from, a, (off, k, done) => to.write(f, off, k, b + done), len);
  if (n <= 0) return n;
  tellMoved(from, n, IN_ACCESS);
  tellMoved(to, n, IN_MODIFY);
  if (inOff === undefined) from.seek(a + n, SEEK_SET); else putOff(f, 1, a + n);
  if (outOff === undefined) to.seek(b + n, SEEK_SET); else putOff(f, 3, b + n);
  return n;
}

export function installCopy(ep: Endpoint): void {
  ep.handle(NR.NR_sendfile, sys_sendfile);
  ep.handle(NR.NR_copy_file_range, sys_copy_file_range);
}
