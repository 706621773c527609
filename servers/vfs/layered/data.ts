/**
 * Data of regular files in the upper layers: host files in the container's directory, named by number. What a guest calls a file never
 * becomes a host name. A file exists here from the first open for writing (or copy-up) until its inode is dropped.
 *
 * tmpfs uses the same store and not one memfd per file, because a memfd has to stay open for as long as the file exists: an unpacked
 * source tree would use up the host's limit of open files.
 */
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';
import { hostStat } from '../host/stat.js';

const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_NOFOLLOW = 0o400000;

let dirFd = -1;
let next = 1;

/** Directory fd (O_PATH is enough) of the store; once, at boot. */
export function setDataDir(fd: number): void { dirFd = fd; }
export const dataDir = (): number => dirFd;

/** A new empty file: its number, or -errno. */
export function dataCreate(): number {
  for (;;) {
    const id = next++;
    const fd = host.openat(dirFd, String(id), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    if (fd === -E.EEXIST) continue;
    if (fd < 0) return fd;
    host.close(fd);
    return id;
  }
}

/** Host fd on it; flags: access mode, O_APPEND. */
export const dataOpen = (id: number, flags: number): number => host.openat(dirFd, String(id), flags | O_NOFOLLOW);
export const dataRemove = (id: number): number => host.unlinkat(dirFd, String(id), 0);
/** Into $st (host/stat.ts). */
export const dataStat = (id: number): number => hostStat(dirFd, String(id));
/** Times at TIMES (host/times.ts). */
export const dataTimes = (id: number, times: number): number => host.utimensat(dirFd, String(id), times, host.AT_SYMLINK_NOFOLLOW);

/** Copy `len` bytes from the start of `from` to `to` (both host fds at offset 0): 0 or -errno. */
export function copyBytes(from: number, to: number, len: number): number {
  let left = len;
  let plain = false;
  while (left > 0) {
    if (!plain) {
      const n = host.copyFileRange(from, to, Math.min(left, 0x40000000));
      if (n > 0) { left -= n; continue; }
      if (n === 0) break;
      // Across file systems, or from special ones, the host may refuse; then the bytes go through scratch.
      plain = true;
    }
    const n = host.read(from, host.DATA, Math.min(left, 1 << 20));
    if (n < 0) return n;
    if (n === 0) break;
    for (let done = 0; done < n;) {
      const w = host.write(to, host.DATA + done, n - done);
      if (w < 0) return w;
      done += w;
    }
    left -= n;
  }
  return 0;
}
