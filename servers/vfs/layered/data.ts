/**
 * Data of regular files in the upper layers. What a guest calls a file never becomes a host name.
 *
 * The root's files are host files in the container's directory, named by number. tmpfs files are memfds, which are much cheaper to make than
 * files of a disk file system; but a memfd has to stay open for as long as the file exists, so beyond a budget of host fds (an unpacked source tree) tmpfs uses
 * numbered files too. Data come into being with the first open for writing (or copy-up) and go when the inode is dropped.
 */
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { hostStat, hostStatFd } from '../host/stat.js';

const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_NOFOLLOW = 0o400000;
const SYS_prlimit64 = 302, RLIMIT_NOFILE = 7;
/** Most host fds that tmpfs files may hold; less where the host's limit is low. */
const MEM_MAX = 4096;

/** Bytes of one regular file. Results are numbers, negative errno. */
export interface Data {
  /** Name in the upper directory; '' = in memory. */
  readonly name: string;
  /** New host fd; flags: access mode, O_APPEND. The caller closes it. */
  open(flags: number): number;
  /** Into $st (host/stat.ts). */
  stat(): number;
  /** Set times as they are at scratch offset `times` (host/times.ts). */
  setTimes(times: number): number;
  /** Never used again. */
  remove(): void;
}

let dirFd = -1;
let next = 1;

/** Directory fd (O_PATH is enough) of the numbered files; once, at boot. */
export function setDataDir(fd: number): void { dirFd = fd; }
export const dataDir = (): number => dirFd;

class FileData implements Data {
  constructor(readonly name: string) {}
  open(flags: number): number { return host.openat(dirFd, this.name, flags | O_NOFOLLOW); }
  stat(): number { return hostStat(dirFd, this.name); }
  setTimes(times: number): number { return host.utimensat(dirFd, this.name, times, host.AT_SYMLINK_NOFOLLOW); }
  remove(): void { host.unlinkat(dirFd, this.name, 0); }
}

let budget = -1;
/** What is left of the budget; the first call asks the host's limit. */
function memBudget(): number {
  if (budget >= 0) return budget;
  const r = native.sys(SYS_prlimit64, 0b1000, 0, RLIMIT_NOFILE, 0, host.STRUCT);
  const soft = r < 0 ? 1024 : host.scratchView.getUint32(host.STRUCT + 4, true) > 0 ? 1e9 : host.scratchView.getUint32(host.STRUCT, true);
  return (budget = Math.min(MEM_MAX, Math.floor(soft / 4)));
}
/** For tests. */
export function setMemBudget(n: number): void { budget = n; }

class MemData implements Data {
  readonly name = '';
  constructor(private readonly fd: number) { budget--; }
  open(flags: number): number { return host.openat(host.AT_FDCWD, `/proc/self/fd/${this.fd}`, flags); }
  stat(): number { return hostStatFd(this.fd); }
  setTimes(times: number): number { return host.futimens(this.fd, times); }
  remove(): void { host.close(this.fd); budget++; }
}

/** New empty data; `memory`: in memory if the budget allows. -errno on failure. */
export function dataCreate(memory: boolean): Data | number {
  if (memory && memBudget() > 0) {
    const fd = host.memfdCreate('tmpfs', 0);
    if (fd >= 0) return new MemData(fd);
  }
  for (;;) {
    const name = String(next++);
    const fd = host.openat(dirFd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    if (fd === -E.EEXIST) continue;
    if (fd < 0) return fd;
    host.close(fd);
    return new FileData(name);
  }
}

/** Data that were made before, in an earlier run. */
export function dataOpen(name: string): Data {
  next = Math.max(next, Number(name) + 1);
  return new FileData(name);
}

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
