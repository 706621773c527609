/**
 * Regular files whose bytes are a host fd, one per open file description: its host offset is the file's offset, so reads that the
 * stub does on a grant and reads done here agree (docs/internals.md §7).
 */
import { E } from '../../../shared/errno.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { File, O_ACCMODE, O_RDONLY, O_WRONLY } from '../file.js';
import type { Path } from '../inode.js';

/** ioctl(2) requests that regular files know. */
const FIONREAD = 0x541b, FIOQSIZE = 0x5460;
const SEEK_CUR = 1;

/** HINT_* bits for a seekable file of this access mode. */
function grantBits(flags: number): number {
  const acc = flags & O_ACCMODE;
  return (acc !== O_WRONLY ? L.HINT_READ | L.HINT_MAP : 0) | (acc !== O_RDONLY ? L.HINT_WRITE : 0) | L.HINT_SEEK;
}

export class HostFile extends File {
  constructor(path: Path, flags: number, hostFd: number, kind: Ofd = Ofd.REGULAR) {
    super(kind, path, flags);
    this.hostFd = hostFd;
    this.grantable = grantBits(flags);
  }

  override get seekable(): boolean { return true; }

  override read(_f: Frame | undefined, off: number, len: number, pos: number): number {
    return pos < 0 ? host.read(this.hostFd, off, len) : host.pread(this.hostFd, off, len, pos);
  }

  override write(_f: Frame | undefined, off: number, len: number, pos: number): number {
    return pos < 0 ? host.write(this.hostFd, off, len) : host.pwrite(this.hostFd, off, len, pos);
  }

  override seek(off: number, whence: number): number { return host.lseek(this.hostFd, off, whence); }
  override mapFd(): number { return this.hostFd; }
  override fallocate(mode: number, off: number, len: number): number { return host.fallocate(this.hostFd, mode, off, len); }
  override fsync(data: boolean): number { return data ? host.fdatasync(this.hostFd) : host.fsync(this.hostFd); }

  override ioctl(f: Frame, request: number, arg: number): number {
    if (request !== FIONREAD && request !== FIOQSIZE) return -E.ENOTTY;
    const r = this.inode.refresh();
    if (r < 0) return r;
    if (request === FIONREAD) {
      const left = this.inode.size - host.lseek(this.hostFd, 0, SEEK_CUR);
      host.scratchView.setInt32(host.STRUCT, Math.max(-2147483648, Math.min(2147483647, left)), true);
      return Math.min(0, f.copyOut(arg, host.STRUCT, 4));
    }
    host.scratchView.setUint32(host.STRUCT, this.inode.size >>> 0, true);
    host.scratchView.setUint32(host.STRUCT + 4, Math.floor(this.inode.size / 4294967296), true);
    return Math.min(0, f.copyOut(arg, host.STRUCT, 8));
  }
}
