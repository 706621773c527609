/** lseek(2); fsync(2) and its kin; posix_fadvise, readahead; ioctl(2) on files of vfs; memfd_create(2). */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { FD_CLOEXEC, fdFlags, setFdFlags } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd } from '../../../shared/held.js';
import * as host from '../../../shared/host.js';
import { openMemfd } from '../anon.js';
import { type File, fileOf, O_NONBLOCK, O_PATH } from '../file.js';
import { mounts } from '../mounts.js';
import { countUse, GRANT_AFTER, installFile } from '../open-file.js';
import { callerOf } from './args.js';

const F_SETFL = 4;
/** ioctl(2) requests for every kind of file. asm-generic/ioctls.h. */
const FIOCLEX = 0x5451, FIONCLEX = 0x5450, FIONBIO = 0x5421, FIOASYNC = 0x5452, FICLONE = 0x40049409, FICLONERANGE = 0x4020940d;
const O_ASYNC = 0o20000;

function withFile(ep: Endpoint, h: (f: Frame, file: File) => number, fdArg = 0): (f: Frame) => number {
  return onOfd(ep, (f, ofd) => {
    const file = fileOf(ofd);
    return file === undefined || (file.openFlags & O_PATH) !== 0 ? -E.EBADF : h(f, file);
  }, fdArg);
}

/**
 * lseek(2). -EBADF; -EINVAL whence, or the result would be negative; -ENXIO SEEK_DATA, SEEK_HOLE beyond the end; -ESPIPE.
 * Source: man-pages 6.9 lseek(2).
 */
function sys_lseek(f: Frame, file: File): number {
  const whence = f.argInt(2);
  if (whence < 0 || whence > 4) return -E.EINVAL;
  const r = file.seek(f.argOff(1), whence);
  // Who asks for its place in a file that it can only read is about to read it.
  if (r >= 0 && !file.writable) countUse(f, f.argInt(0), file, GRANT_AFTER);
  return r;
}

/** ioctl(2): requests that concern the descriptor here, the rest is the file's. */
function sys_ioctl(f: Frame, file: File): number {
  const request = f.argU32(1);
  const files = L.taskFiles(f.task), fd = f.argInt(0);
  switch (request) {
    case FIOCLEX: setFdFlags(files, fd, fdFlags(files, fd) | FD_CLOEXEC); return 0;
    case FIONCLEX: setFdFlags(files, fd, fdFlags(files, fd) & ~FD_CLOEXEC); return 0;
    case FIONBIO: return setFlag(f, file, O_NONBLOCK);
    case FIOASYNC: return setFlag(f, file, O_ASYNC);
    case FICLONE: case FICLONERANGE: return file.inode.isReg ? -E.EOPNOTSUPP : -E.ENOTTY;
    default: return file.ioctl(f, request, f.argU64(2));
  }
}

function setFlag(f: Frame, file: File, flag: number): number {
  const r = f.copyIn(f.argU64(2), host.STRUCT, 4);
  if (r < 0) return r;
  const next = host.scratchView.getInt32(host.STRUCT, true) !== 0 ? file.flags | flag : file.flags & ~flag;
  L.setOfdFlags(file.ofd, next);
  // A granted copy shares the host's description: it must not block where we would not, nor the reverse.
  if (file.hostFd >= 0 && file.grantable !== 0 && flag === O_NONBLOCK) return Math.min(0, host.fcntl(file.hostFd, F_SETFL, next & 0o6000));
  return 0;
}

/** sync_file_range(2): -EINVAL flags or range; -ESPIPE not a file. Nothing is written early here, so there is nothing to do. */
function sys_sync_file_range(f: Frame, file: File): number {
  if ((f.argU32(3) & ~7) !== 0 || f.argOff(1) < 0 || f.argOff(2) < 0) return -E.EINVAL;
  return file.inode.isReg || file.inode.isDir ? 0 : -E.ESPIPE;
}

/** posix_fadvise(2): -EINVAL advice or negative length. Advice only. */
function sys_fadvise64(f: Frame, file: File): number {
  if (f.argOff(2) < 0) return -E.EINVAL;
  const advice = f.argInt(3);
  return advice < 0 || advice > 5 ? -E.EINVAL : 0;
}

/** readahead(2): -EBADF not readable; -EINVAL not a regular file. */
function sys_readahead(_f: Frame, file: File): number {
  if (!file.readable) return -E.EBADF;
  return file.inode.isReg ? 0 : -E.EINVAL;
}

function syncAll(): number {
  for (const m of mounts()) m.sb.sync();
  return 0;
}

/** MFD_* of memfd_create(2). */
const MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_HUGETLB = 4, MFD_NOEXEC_SEAL = 8, MFD_EXEC = 0x10;
/** Longest name: NAME_MAX without "memfd:". */
const MEMFD_NAME_MAX = 249;

/** memfd_create(2): -EINVAL flags or name too long; -EFAULT; -EMFILE. Huge pages are the host's to refuse. */
function sys_memfd_create(f: Frame): number {
  const flags = f.argU32(1);
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC | 0xfc000000)) !== 0) return -E.EINVAL;
  if ((flags & MFD_HUGETLB) === 0 && (flags & 0xfc000000) !== 0) return -E.EINVAL;
  if ((flags & (MFD_NOEXEC_SEAL | MFD_EXEC)) === (MFD_NOEXEC_SEAL | MFD_EXEC)) return -E.EINVAL;
  const name = f.str(0);
  if (typeof name === 'number') return name === -E.ENAMETOOLONG ? -E.EINVAL : name;
  if (name.length > MEMFD_NAME_MAX) return -E.EINVAL;
  const file = openMemfd(callerOf(f), name, flags & ~MFD_CLOEXEC);
  return typeof file === 'number' ? file : installFile(f, file, (flags & MFD_CLOEXEC) !== 0);
}

export function installSeek(ep: Endpoint): void {
  ep.handle(NR.NR_lseek, withFile(ep, sys_lseek));
  ep.handle(NR.NR_ioctl, withFile(ep, sys_ioctl));
  ep.handle(NR.NR_fsync, withFile(ep, (_f, file) => file.fsync(false)));
  ep.handle(NR.NR_fdatasync, withFile(ep, (_f, file) => file.fsync(true)));
  ep.handle(NR.NR_syncfs, withFile(ep, (_f, file) => file.path.mnt.sb.sync()));
  ep.handle(NR.NR_sync, syncAll);
  ep.handle(NR.NR_sync_file_range, withFile(ep, sys_sync_file_range));
  ep.handle(NR.NR_fadvise64, withFile(ep, sys_fadvise64));
  ep.handle(NR.NR_readahead, withFile(ep, sys_readahead));
  ep.handle(NR.NR_memfd_create, sys_memfd_create);
}
