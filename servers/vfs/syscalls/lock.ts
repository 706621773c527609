/** flock(2), and the fcntl(2) commands that vfs owns: record locks, seals, leases. The tables are in locks.ts. */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd, settleHeld } from '../../../shared/held.js';
import * as host from '../../../shared/host.js';
import type { WaitQueue } from '../../../shared/wait.js';
import { Why } from '../../../shared/wait.js';
import { HostFdInode } from '../anon.js';
import { type File, O_PATH, fileOf, vfsEndpoint } from '../file.js';
import { F_RDLCK, F_UNLCK, F_WRLCK, getLock, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, type RecordLock, setFlock, setLock, stopWaiting } from '../locks.js';
import { get64, put64 } from '../outer-locks.js';

const F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7, F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_SETLEASE = 1024, F_GETLEASE = 1025, F_NOTIFY = 1026, F_ADD_SEALS = 1033,
  F_GET_SEALS = 1034, F_SEAL_SEAL = 1, F_GET_RW_HINT = 1035, F_SET_RW_HINT = 1036;
/** struct flock, x86-64: bytes. */
const FLOCK_SIZE = 32;
const SEEK_CUR = 1;

/** Decode struct flock at guest address `addr`; -errno. Bytes as from file start. */
function readLock(f: Frame, file: File, addr: number, ofdLock: boolean): RecordLock | number {
  const r = f.copyIn(addr, host.STRUCT, FLOCK_SIZE);
  if (r < 0) return r;
  const v = host.scratchView;
  const type = v.getInt16(host.STRUCT, true), whence = v.getInt16(host.STRUCT + 2, true);
  let start = get64(host.STRUCT + 8);
  const len = get64(host.STRUCT + 16);
  const pid = v.getInt32(host.STRUCT + 24, true);
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -E.EINVAL;
  if (ofdLock && pid !== 0) return -E.EINVAL;
  if (whence === 1) start += file.seek(0, SEEK_CUR);
  else if (whence === 2) { file.inode.refresh(); start += file.inode.size; }
  else if (whence !== 0) return -E.EINVAL;
  let end = len === 0 ? Infinity : start + len;
  if (len < 0) { end = start; start += len; }
  if (start < 0) return -E.EINVAL;
  return { type, start, end, tg: ofdLock ? 0 : f.tg, ofd: file.ofd, pid: ofdLock ? -1 : L.tgTgid(f.tg) };
}

function sys_getlk(f: Frame, file: File, ofdLock: boolean): number {
  const want = readLock(f, file, f.argU64(2), ofdLock);
  if (typeof want === 'number') return want;
  if (want.type === F_UNLCK && !ofdLock) return -E.EINVAL;
  const c = getLock(file, want);
  const v = host.scratchView;
  if (c === undefined) {
    v.setInt16(host.STRUCT, F_UNLCK, true);
  } else {
    v.setInt16(host.STRUCT, c.type, true);
    v.setInt16(host.STRUCT + 2, 0, true);
    put64(host.STRUCT + 8, c.start);
    put64(host.STRUCT + 16, c.end === Infinity ? 0 : c.end - c.start);
    v.setInt32(host.STRUCT + 24, c.pid, true);
  }
  return Math.min(0, f.copyOut(f.argU64(2), host.STRUCT, FLOCK_SIZE));
}

/** F_SETLK: -EBADF mode does not fit; -EAGAIN; -EDEADLK; -EINTR (restarts are never automatic for F_SETLKW with a handler lacking SA_RESTART). */
function sys_setlk(f: Frame, file: File, ofdLock: boolean, wait: boolean): number {
  const want = readLock(f, file, f.argU64(2), ofdLock);
  if (typeof want === 'number') return want;
  if ((want.type === F_RDLCK && !file.readable) || (want.type === F_WRLCK && !file.writable)) return -E.EBADF;
  if (f.why === Why.SIGNAL) { stopWaiting(f.tg); return -E.ERESTARTSYS; }
  if (ofdLock) L.setOfdLate(file.ofd, 0);
  const ep = vfsEndpoint();
  return settleHeld(ep, f, file.ofd, setLock(file, want, wait, (q: WaitQueue) => ep.park(f, q)));
}

/** fcntl(2) commands of this server's files; the descriptor commands were handled before (shared/fdcalls.ts). */
export function fcntlExtra(f: Frame, ofd: number, cmd: number): number {
  const file = fileOf(ofd);
  if (file === undefined) return -E.EBADF;
  switch (cmd) {
    case F_GETLK: return sys_getlk(f, file, false);
    case F_SETLK: return sys_setlk(f, file, false, false);
    case F_SETLKW: return sys_setlk(f, file, false, true);
    case F_OFD_GETLK: return sys_getlk(f, file, true);
    case F_OFD_SETLK: return sys_setlk(f, file, true, false);
    case F_OFD_SETLKW: return sys_setlk(f, file, true, true);
    case F_ADD_SEALS: case F_GET_SEALS: return seals(f, file, cmd);
    // Leases need every open of the file to be held up; Linux answers EAGAIN when it cannot grant one.
    case F_SETLEASE: return f.argInt(2) === F_UNLCK || !file.inode.isReg ? -E.EINVAL : -E.EAGAIN;
    case F_GETLEASE: return F_UNLCK;
    case F_NOTIFY: return file.inode.isDir ? -E.EINVAL : -E.ENOTDIR;
    case F_GET_RW_HINT: case F_SET_RW_HINT: return -E.EINVAL;
    default: return -E.EINVAL;
  }
}

/** Seals are the host's, on the memfd, however it was opened: mappings and granted writes obey them too. -EINVAL on other files. */
function seals(f: Frame, file: File, cmd: number): number {
  const { inode } = file;
  // Files of a tmpfs that are no memfds are sealed against seals.
  if (!(inode instanceof HostFdInode) && inode.isReg && inode.sb.fstype === 'tmpfs') return cmd === F_GET_SEALS ? F_SEAL_SEAL : -E.EPERM;
  if (!(inode instanceof HostFdInode) || file.hostFd < 0) return -E.EINVAL;
  if (cmd === F_ADD_SEALS && !file.writable) return -E.EPERM;
  return host.fcntl(file.hostFd, cmd, cmd === F_ADD_SEALS ? f.argU32(2) : 0);
}

/**
 * flock(2). -EBADF; -EINVAL op; -EWOULDBLOCK; interrupted: restarts.
 * Source: man-pages 6.9 flock(2). Deviations: LOCK_MAND is refused, as since Linux 5.19.
 */
function sys_flock(f: Frame, ofd: number): number {
  const file = fileOf(ofd);
  if (file === undefined || (file.openFlags & O_PATH) !== 0) return -E.EBADF;
  const op = f.argInt(1) & ~LOCK_NB;
  if (op !== LOCK_SH && op !== LOCK_EX && op !== LOCK_UN) return -E.EINVAL;
  if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
  L.setOfdLate(ofd, 0);
  const ep = vfsEndpoint();
  return setFlock(file, op, (f.argInt(1) & LOCK_NB) === 0, (q) => ep.park(f, q));
}

export function installLock(ep: Endpoint): void {
  ep.handle(NR.NR_flock, onOfd(ep, sys_flock));
}
