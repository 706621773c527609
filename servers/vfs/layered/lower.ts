/**
 * What a lower layer is asked, directory by directory: a tree of the host (HostLower), or the layers of an image (image-lower.ts). Names are one
 * component, never '..'; '.' is the directory itself. Results are numbers, negative errno.
 */
import * as host from '../../../shared/host.js';
import { eachEntry, HostDir } from '../host/dir.js';
import { hostStat } from '../host/stat.js';
import { isPseudo } from './super.js';

const O_RDONLY = 0, O_NONBLOCK = 0o4000, O_NOCTTY = 0o400, O_NOFOLLOW = 0o400000, O_PATH = 0o10000000;
/** linux/limits.h XATTR_SIZE_MAX. */
const XATTR_MAX = 65536;
const AS_ROOT = process.geteuid?.() === 0;

export interface LowerDir {
  /** Below the root of its tree, '' = the root itself. */
  readonly path: string;
  /** Attributes into $st (host/stat.ts). */
  stat(name: string): number;
  /** Does a pseudo file system begin at this name, which must not be shown? Asked after stat(); $st survives. */
  hides(name: string): boolean;
  /** A directory of this name; whether there is one shows when it is used. */
  child(name: string): LowerDir;
  /** May it be listed? 0 or -errno. */
  mayList(): number;
  /** Every name, '.' and '..' left out, with inode number and type as getdents64 has it. 0 or -errno. */
  each(fn: (name: string, ino: number, type: number) => void): number;
  has(name: string): boolean;
  /** New host fd on the data of a regular file, read-only. */
  open(name: string): number;
  readlink(name: string): string | number;
  /** Extended attributes of a regular file or directory. */
  xattrs(name: string): Map<string, string>;
}

export class HostLower implements LowerDir {
  constructor(private readonly dir: HostDir) {}

  get path(): string { return this.dir.path; }

  stat(name: string): number {
    const fd = this.dir.fd();
    return fd < 0 ? fd : hostStat(fd, name);
  }

  hides(name: string): boolean {
    const dir = this.dir.fd();
    const fd = dir < 0 ? dir : host.openat(dir, name, O_PATH | O_NOFOLLOW);
    if (fd < 0) return true;
    const pseudo = isPseudo(fd);
    host.close(fd);
    return pseudo;
  }

  child(name: string): LowerDir { return new HostLower(new HostDir(this.dir, name)); }

  /** The host refuses an ordinary user what the guest's root may read. */
  mayList(): number {
    if (AS_ROOT) return 0;
    const fd = this.dir.reading();
    return fd < 0 ? fd : 0;
  }

  each(fn: (name: string, ino: number, type: number) => void): number {
    const fd = this.dir.reading();
    return fd < 0 ? fd : eachEntry(fd, fn);
  }

  has(name: string): boolean {
    const fd = this.dir.fd();
    return fd >= 0 && host.statx(fd, name, host.AT_SYMLINK_NOFOLLOW) === 0;
  }

  open(name: string): number {
    const dir = this.dir.fd();
    return dir < 0 ? dir : host.openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  }

  readlink(name: string): string | number {
    const dir = this.dir.fd();
    return dir < 0 ? dir : host.readlinkat(dir, name);
  }

  xattrs(name: string): Map<string, string> {
    const all = new Map<string, string>();
    const fd = this.open(name);
    if (fd < 0) return all;
    const n = host.flistxattr(fd, host.DATA, 65536);
    const names = n > 0 ? host.scratch.latin1Slice(host.DATA, host.DATA + n - 1).split('\0') : [];
    for (const key of names) {
      if (!isShown(key)) continue;
      const len = host.fgetxattr(fd, key, host.DATA, XATTR_MAX);
      if (len >= 0) all.set(key, host.scratch.latin1Slice(host.DATA, host.DATA + len));
    }
    host.close(fd);
    return all;
  }
}

/** ACLs are not supported here, and overlayfs's own marks mean nothing to the guest. */
export const isShown = (xattr: string): boolean => !xattr.startsWith('trusted.overlay.') && !xattr.startsWith('system.');
