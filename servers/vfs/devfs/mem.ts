/**
 * The memory devices: null, zero, full, random, urandom (major 1). null(4), full(4), random(4).
 *
 * Each open file holds the host's own device: its reads and writes are the same everywhere and reach nothing of the host. So it can be granted, and the
 * guest reads /dev/zero without asking anyone.
 */
import { E } from '../../../shared/errno.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { File, O_ACCMODE, O_RDONLY, O_WRONLY } from '../file.js';
import type { Path } from '../inode.js';

export const enum Mem { NULL = 3, ZERO = 5, FULL = 7, RANDOM = 8, URANDOM = 9 }

/** Host names by minor. */
const NAMES: ReadonlyMap<number, string> = new Map([[Mem.NULL, 'null'], [Mem.ZERO, 'zero'], [Mem.FULL, 'full'], [Mem.RANDOM, 'random'], [Mem.URANDOM, 'urandom']]);

/** random(4). */
const RNDGETENTCNT = 0x80045200, RNDADDTOENTCNT = 0x40045201, RNDGETPOOL = 0x80085202, RNDADDENTROPY = 0x40085203, RNDZAPENTCNT = 0x5204, RNDCLEARPOOL = 0x5206, RNDRESEEDCRNG = 0x5207;

class MemFile extends File {
  constructor(path: Path, flags: number, private readonly minor: number, hostFd: number) {
    super(Ofd.DEVICE, path, flags);
    this.hostFd = hostFd;
    const acc = flags & O_ACCMODE;
    this.grantable = (acc !== O_WRONLY ? L.HINT_READ : 0) | (acc !== O_RDONLY ? L.HINT_WRITE : 0) | (minor === Mem.ZERO ? L.HINT_MAP : 0);
  }

  override get seekable(): boolean { return true; }
  override read(_f: Frame, off: number, len: number, _pos: number): number { return host.read(this.hostFd, off, len); }
  /** Null and zero take everything; full: ENOSPC; random mixes it in. */
  override write(_f: Frame, off: number, len: number, _pos: number): number { return host.write(this.hostFd, off, len); }
  override seek(off: number, whence: number): number { return host.lseek(this.hostFd, off, whence); }
  override mapFd(): number { return this.minor === Mem.ZERO ? this.hostFd : -E.ENODEV; }

  override ioctl(f: Frame, request: number, arg: number): number {
    if (this.minor !== Mem.RANDOM && this.minor !== Mem.URANDOM) return -E.ENOTTY;
    switch (request) {
      case RNDGETENTCNT: {
        scratchInt(256);
        const r = f.copyOut(arg, host.STRUCT, 4);
        return r < 0 ? r : 0;
      }
      // The entropy pool is the host's: no guest is privileged enough.
      case RNDADDTOENTCNT: case RNDADDENTROPY: case RNDZAPENTCNT: case RNDCLEARPOOL: case RNDRESEEDCRNG: return -E.EPERM;
      case RNDGETPOOL: return -E.EINVAL;
      default: return -E.ENOTTY;
    }
  }
}

function scratchInt(v: number): void { host.scratchView.setInt32(host.STRUCT, v, true); }

/** Open a memory device; ENXIO for minors that do not exist here (mem, kmem, port, kmsg). */
export function openMem(path: Path, flags: number, minor: number): File | number {
  const name = NAMES.get(minor);
  if (name === undefined) return -E.ENXIO;
  const fd = host.openat(host.AT_FDCWD, `/dev/${name}`, flags & O_ACCMODE);
  return fd < 0 ? fd : new MemFile(path, flags, minor, fd);
}
