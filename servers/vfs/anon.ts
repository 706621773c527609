/** Files without a place in the tree: memfds, carrick's own standard input, output and error. */
import { E } from '../../shared/errno.js';
import { Ofd } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { HostWatches } from '../../shared/hostwatch.js';
import { EPOLLIN, EPOLLOUT, File, O_APPEND, O_RDWR, vfsEndpoint } from './file.js';
import { fsgidOf, fsuidOf } from './dac.js';
import { rootDentry } from './dcache.js';
import { HostFile } from './host/host-file.js';
import { $st, fillInode, hostStatFd } from './host/stat.js';
import { tryRead, tryWrite } from './host/try-io.js';
import { type Caller, Inode, Mount, Path, S_IFREG, type SetAttr, type StatFs, SuperBlock } from './inode.js';
import { hostStatFs, TMPFS_MAGIC } from './layered/super.js';
import { encodeTimes, TIMES } from './host/times.js';

/** Reads its attributes from the host fd of its one open file. */
export class HostFdInode extends Inode {
  devNo = 0;
  fd = -1;
  /** Set by the guest, or by whoever made it; undefined = as on the host, where everything is carrick's user's. */
  ownUid: number | undefined = undefined;
  ownGid: number | undefined = undefined;

  override get dev(): number { return this.devNo; }

  override refresh(): number {
    const r = hostStatFd(this.fd);
    if (r < 0) return r;
    fillInode(this);
    this.uid = this.ownUid ?? this.uid;
    this.gid = this.ownGid ?? this.gid;
    this.devNo = $st.dev;
    return 0;
  }

  /** Reopening by /proc/self/fd: a new host description of the same regular file. (Those of pipes and terminals are shared instead; procfs names the OFD.) */
  override open(_c: Caller, path: Path, flags: number): File | number {
    if (!this.isReg) return -E.ENXIO;
    const fd = host.openat(host.AT_FDCWD, `/proc/self/fd/${this.fd}`, flags & (O_RDWR | 1 | O_APPEND));
    return fd < 0 ? fd : new HostFile(path, flags, fd);
  }

  override setattr(_c: Caller, a: SetAttr): number {
    if (a.size !== undefined) {
      const r = host.ftruncate(this.fd, a.size);
      if (r < 0) return r;
    }
    if (a.mode !== undefined) {
      const r = host.fchmod(this.fd, a.mode & 0o7777);
      if (r < 0) return r;
    }
    if (a.uid !== undefined) this.uid = this.ownUid = a.uid;
    if (a.gid !== undefined) this.gid = this.ownGid = a.gid;
    return encodeTimes(a) ? Math.min(0, host.futimens(this.fd, TIMES)) : 0;
  }
}

class AnonSuper extends SuperBlock {
  override readonly fstype = 'tmpfs';
  override readonly root: Inode = new HostFdInode(this, S_IFREG);
  override statfs(out: StatFs): number {
    const r = hostStatFs(host.AT_FDCWD, out);
    out.type = TMPFS_MAGIC;
    return Math.min(0, r === -E.EBADF ? 0 : r);
  }
}

let anonSuper: AnonSuper | undefined;

/** A nameless path whose inode is behind a host fd. `name` is what /proc/PID/fd shows, without the slash. */
function anonPath(hostFd: number, name: string): Path {
  anonSuper ??= new AnonSuper();
  const inode = new HostFdInode(anonSuper, S_IFREG);
  inode.fd = hostFd;
  inode.refresh();
  const dentry = rootDentry(inode, name);
  return new Path(new Mount(anonSuper, dentry, undefined, undefined, 0), dentry);
}

/** memfd_create(2): an open file, or -errno. hostFlags: MFD_ALLOW_SEALING, MFD_HUGETLB.... */
export function openMemfd(c: Caller, name: string, hostFlags: number): File | number {
  const fd = host.memfdCreate('carrick-guest', hostFlags);
  if (fd < 0) return fd;
  const path = anonPath(fd, `memfd:${name}`);
  path.inode.setattr(c, { uid: fsuidOf(c.cred), gid: fsgidOf(c.cred), ctime: 0, ctimeNsec: 0 });
  path.dentry.deleted = true;
  return new HostFile(path, O_RDWR, fd, Ofd.MEMFD);
}

/** TCGETS, TCSETS*, TIOCGWINSZ, FIONREAD: [request, bytes, direction: 1 out, 2 in]. What a program may ask of a terminal that is not its own. ioctl_tty(2). */
const STDIO_IOCTLS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0x5401, [36, 1]], [0x5402, [36, 2]], [0x5403, [36, 2]], [0x5404, [36, 2]], [0x5413, [8, 1]], [0x541b, [4, 1]],
]);

let watches: HostWatches | undefined;
/** Watches of host fds that may have to be waited for. */
export const hostWatches = (): HostWatches => (watches ??= new HostWatches(vfsEndpoint()));

/** carrick's own 0, 1 or 2: whatever it is on the host. */
export class StdioFile extends File {
  private readonly regular: boolean;

  /** hostFd: a duplicate that this file owns. */
  constructor(hostFd: number, flags: number, n: number) {
    super(Ofd.STDIO, anonPath(hostFd, `host:stdio${n}`), flags);
    this.hostFd = hostFd;
    this.regular = this.inode.isReg;
    this.grantable = L.HINT_READ | L.HINT_WRITE | (this.regular ? L.HINT_SEEK | L.HINT_MAP : 0);
    this.pollable = this.regular ? 0 : 1;
  }

  override get seekable(): boolean { return this.regular; }

  private wait(f: Frame, events: number): number {
    if (this.nonblock) return -E.EAGAIN;
    return hostWatches().park(f, this.ofd, this.hostFd, events);
  }

  override read(f: Frame, off: number, len: number, pos: number): number {
    if (pos >= 0) return this.regular ? host.pread(this.hostFd, off, len, pos) : -E.ESPIPE;
    const n = this.regular ? host.read(this.hostFd, off, len) : tryRead(this.hostFd, off, len);
    return n === -E.EAGAIN ? this.wait(f, EPOLLIN) : n;
  }

  override write(f: Frame, off: number, len: number, pos: number): number {
    if (pos >= 0) return this.regular ? host.pwrite(this.hostFd, off, len, pos) : -E.ESPIPE;
    const n = this.regular ? host.write(this.hostFd, off, len) : tryWrite(this.hostFd, off, len);
    return n === -E.EAGAIN ? this.wait(f, EPOLLOUT) : n;
  }

  override seek(off: number, whence: number): number { return host.lseek(this.hostFd, off, whence); }
  override mapFd(): number { return this.regular ? this.hostFd : -E.ENODEV; }
  override fsync(data: boolean): number { return data ? host.fdatasync(this.hostFd) : host.fsync(this.hostFd); }

  override ioctl(f: Frame, request: number, arg: number): number {
    const known = STDIO_IOCTLS.get(request);
    if (known === undefined) return -E.ENOTTY;
    if (known[1] === 2) {
      const r = f.copyIn(arg, host.STRUCT, known[0]);
      return r < 0 ? r : host.ioctlPtr(this.hostFd, request, host.STRUCT);
    }
    const r = host.ioctlPtr(this.hostFd, request, host.STRUCT);
    return r < 0 ? r : Math.min(0, f.copyOut(arg, host.STRUCT, known[0]));
  }

  override release(): void { hostWatches().drop(this.ofd); }
}
