/**
 * Host system calls for the servers, over the addon's one primitive `sys` and this worker's scratch.
 *
 * Scratch is split: two path areas, one struct area, one data area. Results are numbers (>= 0 or -errno). Paths and names are
 * latin1 strings of raw bytes. Nothing here blocks for long: files, /proc, non-blocking fds. The struct area is borrowed by every call.
 */
import { native } from './native.js';

export const SCRATCH_BYTES = 2 * 1024 * 1024;
const PATH_A = 0;
const PATH_B = 8192;
/** Structs passed to or returned by host calls. */
export const STRUCT = 16384;
/** Free for callers: bulk data. */
export const DATA = 65536;
export const DATA_BYTES = SCRATCH_BYTES - DATA;

export const scratch: Buffer = Buffer.from(new ArrayBuffer(SCRATCH_BYTES));
export const scratchView = new DataView(scratch.buffer);

/** Name of this thread in the host's process list, at most 15 characters. prctl(2) PR_SET_NAME. */
export function nameThread(name: string): void { native.sys(H.prctl, 0b10, 15, path(PATH_A, name)); }

export function initHost(): void { native.setScratch(scratch); }

const enum H {
  read = 0, write = 1, close = 3, fstat = 5, poll = 7, lseek = 8, ioctl = 16, pread64 = 17, pwrite64 = 18, fcntl = 72, flock = 73, fsync = 74, fdatasync = 75,
  ftruncate = 77, getdents64 = 217, fallocate = 285, openat = 257, mkdirat = 258, mknodat = 259, fchownat = 260, unlinkat = 263, renameat = 264, linkat = 265,
  symlinkat = 266, readlinkat = 267, fchmodat = 268, utimensat = 280, dup3 = 292, pipe2 = 293, memfd_create = 319, copy_file_range = 326,
  statx = 332, openat2 = 437, renameat2 = 316, fgetxattr = 193, flistxattr = 196, fchmod = 91, fchown = 93, fstatfs = 138, eventfd2 = 290, dup = 32, preadv2 = 327,
  fsetxattr = 190, fremovexattr = 199, sync_file_range = 277, fadvise64 = 221, getrusage = 98, clock_gettime = 228, prlimit64 = 302, sysinfo = 99, uname = 63, umask = 95, prctl = 157,
}

function path(off: number, s: string): number {
  const n = s.length > 8190 ? 8190 : s.length;
  scratch.latin1Write(s.length > 8190 ? s.slice(0, 8190) : s, off);
  scratch[off + n] = 0;
  return off;
}

/** openat(2). O_CLOEXEC is always added: guests get fds only by grants. */
export const openat = (dirfd: number, name: string, flags: number, mode = 0): number => native.sys(H.openat, 0b10, dirfd, path(PATH_A, name), flags | 0o2000000, mode);
/** openat2(2). */
export function openat2(dirfd: number, name: string, flags: number, mode: number, resolve: number): number {
  scratchView.setUint32(STRUCT, (flags | 0o2000000) >>> 0, true);
  scratchView.setUint32(STRUCT + 4, 0, true);
  scratchView.setUint32(STRUCT + 8, mode, true);
  scratchView.setUint32(STRUCT + 12, 0, true);
  scratchView.setUint32(STRUCT + 16, resolve, true);
  scratchView.setUint32(STRUCT + 20, 0, true);
  return native.sys(H.openat2, 0b110, dirfd, path(PATH_A, name), STRUCT, 24);
}
export const close = (fd: number): number => native.sys(H.close, 0, fd);
/** read(2) into scratch at off. */
export const read = (fd: number, off: number, len: number): number => native.sys(H.read, 0b10, fd, off, len);
export const write = (fd: number, off: number, len: number): number => native.sys(H.write, 0b10, fd, off, len);
export const pread = (fd: number, off: number, len: number, pos: number): number => native.sys(H.pread64, 0b10, fd, off, len, pos);
export const pwrite = (fd: number, off: number, len: number, pos: number): number => native.sys(H.pwrite64, 0b10, fd, off, len, pos);
export const lseek = (fd: number, pos: number, whence: number): number => native.sys(H.lseek, 0, fd, pos, whence);
export const ftruncate = (fd: number, len: number): number => native.sys(H.ftruncate, 0, fd, len);
export const fallocate = (fd: number, mode: number, off: number, len: number): number => native.sys(H.fallocate, 0, fd, mode, off, len);
export const fsync = (fd: number): number => native.sys(H.fsync, 0, fd);
export const fdatasync = (fd: number): number => native.sys(H.fdatasync, 0, fd);
export const fcntl = (fd: number, cmd: number, arg = 0): number => native.sys(H.fcntl, 0, fd, cmd, arg);
/** fcntl(2) of record locks: struct flock in scratch at off. */
export const fcntlLock = (fd: number, cmd: number, off: number): number => native.sys(H.fcntl, 0b100, fd, cmd, off);
export const flock = (fd: number, op: number): number => native.sys(H.flock, 0, fd, op);
export const dup = (fd: number): number => native.sys(H.fcntl, 0, fd, 1030 /* F_DUPFD_CLOEXEC */, 3);
export const memfdCreate = (name: string, flags: number): number => native.sys(H.memfd_create, 0b1, path(PATH_A, name), flags | 1);
/** pipe2(2): [read end, write end] at STRUCT as int32. */
export const pipe2 = (flags: number): number => native.sys(H.pipe2, 0b1, STRUCT, flags | 0o2000000);
export const eventfd = (init: number, flags: number): number => native.sys(H.eventfd2, 0, init, flags | 0o2000000);
/** statx(2) into scratch at STRUCT (256 bytes). */
export const AT_SYMLINK_NOFOLLOW = 0x100, AT_EMPTY_PATH = 0x1000, AT_REMOVEDIR = 0x200, AT_NO_AUTOMOUNT = 0x800;
export const STATX_BASIC = 0x7ff, STATX_BTIME = 0x800;
export const statx = (dirfd: number, name: string, flags: number, mask = STATX_BASIC | STATX_BTIME): number => native.sys(H.statx, 0b10010, dirfd, path(PATH_A, name), flags | AT_NO_AUTOMOUNT, mask, STRUCT);
/** getdents64(2) into scratch at off. */
export const getdents64 = (fd: number, off: number, len: number): number => native.sys(H.getdents64, 0b10, fd, off, len);
/** readlinkat(2): the target as latin1, or -errno. */
export function readlinkat(dirfd: number, name: string): string | number {
  const n = native.sys(H.readlinkat, 0b110, dirfd, path(PATH_A, name), PATH_B, 4096);
  return n < 0 ? n : scratch.latin1Slice(PATH_B, PATH_B + n);
}
export const mkdirat = (dirfd: number, name: string, mode: number): number => native.sys(H.mkdirat, 0b10, dirfd, path(PATH_A, name), mode);
export const mknodat = (dirfd: number, name: string, mode: number, dev: number): number => native.sys(H.mknodat, 0b10, dirfd, path(PATH_A, name), mode, dev);
export const unlinkat = (dirfd: number, name: string, flags: number): number => native.sys(H.unlinkat, 0b10, dirfd, path(PATH_A, name), flags);
export const renameat2 = (olddir: number, oldname: string, newdir: number, newname: string, flags: number): number => native.sys(H.renameat2, 0b1010, olddir, path(PATH_A, oldname), newdir, path(PATH_B, newname), flags);
export const linkat = (olddir: number, oldname: string, newdir: number, newname: string, flags: number): number => native.sys(H.linkat, 0b1010, olddir, path(PATH_A, oldname), newdir, path(PATH_B, newname), flags);
export const symlinkat = (target: string, dirfd: number, name: string): number => native.sys(H.symlinkat, 0b101, path(PATH_A, target), dirfd, path(PATH_B, name));
export const fchmod = (fd: number, mode: number): number => native.sys(H.fchmod, 0, fd, mode);
export const fchmodat = (dirfd: number, name: string, mode: number): number => native.sys(H.fchmodat, 0b10, dirfd, path(PATH_A, name), mode);
export const fchownat = (dirfd: number, name: string, uid: number, gid: number, flags: number): number => native.sys(H.fchownat, 0b10, dirfd, path(PATH_A, name), uid, gid, flags);
/** utimensat(2); the two timespecs are at scratch offset `times`. An empty name acts on dirfd itself (needs AT_EMPTY_PATH on the host). */
export const utimensat = (dirfd: number, name: string, times: number, flags: number): number => native.sys(H.utimensat, 0b110, dirfd, path(PATH_A, name), times, flags);
/** futimens(3): times of an open fd. */
export const futimens = (fd: number, times: number): number => native.sys(H.utimensat, 0b100, fd, 0, times, 0);
export const copyFileRange = (from: number, to: number, len: number): number => native.sys(H.copy_file_range, 0, from, 0, to, 0, len, 0);
/** fstatfs(2) into STRUCT (120 bytes). */
export const fstatfs = (fd: number): number => native.sys(H.fstatfs, 0b10, fd, STRUCT);
/** poll(2) with timeout 0 on the `n` pollfds at scratch offset off. */
export const pollNow = (off: number, n: number): number => native.sys(H.poll, 0b1, off, n, 0);
/** ioctl with a pointer into scratch. */
export const ioctlPtr = (fd: number, req: number, off: number): number => native.sys(H.ioctl, 0b100, fd, req, off);
/** fgetxattr(2) value to scratch at off. */
export const fgetxattr = (fd: number, name: string, off: number, len: number): number => native.sys(H.fgetxattr, 0b110, fd, path(PATH_A, name), off, len);
export const flistxattr = (fd: number, off: number, len: number): number => native.sys(H.flistxattr, 0b10, fd, off, len);
export const fsetxattr = (fd: number, name: string, off: number, len: number, flags: number): number => native.sys(H.fsetxattr, 0b110, fd, path(PATH_A, name), off, len, flags);
export const fremovexattr = (fd: number, name: string): number => native.sys(H.fremovexattr, 0b10, fd, path(PATH_A, name));
/** A whole small file (under 1 MiB) as latin1, or -errno. */
export function readSmallFile(dirfd: number, name: string): string | number {
  const fd = openat(dirfd, name, 0);
  if (fd < 0) return fd;
  let out = '';
  for (;;) {
    const n = read(fd, DATA, 65536);
    if (n < 0) { close(fd); return n; }
    if (n === 0) break;
    out += scratch.latin1Slice(DATA, DATA + n);
  }
  close(fd);
  return out;
}
export const AT_FDCWD = -100;
