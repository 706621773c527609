/**
 * Bind mounts of host directories and files (-v HOST:GUEST): every operation is done on the host at once.
 *
 * Others may change the tree at any time, so nothing is believed for longer than a walk: dentries are revalidated by statx, attributes are read
 * when they are asked for. Names go to the host one component at a time, relative to a directory fd, never following symlinks; an
 * object's metadata is changed through an O_PATH fd on it, so that a name swapped meanwhile is not followed out of the mount.
 *
 * What the guest makes belongs to the guest's user if carrick may give files away (root), else to the user who runs carrick.
 */
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';
import { newOwner } from '../dac.js';
import { type File, O_ACCMODE, O_APPEND } from '../file.js';
import { eachEntry, HostDir } from '../host/dir.js';
import { HostFile } from '../host/host-file.js';
import { $st, fillInode, hostStat, hostStatFd } from '../host/stat.js';
import { encodeTimes, TIMES } from '../host/times.js';
import { Cache, type Caller, type DirList, Inode, type Path, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type SetAttr, type StatFs, SuperBlock } from '../inode.js';
import { hostStatFs } from '../layered/super.js';
import { specialOpen } from '../special.js';

const O_PATH = 0o10000000, O_NOFOLLOW = 0o400000, O_NONBLOCK = 0o4000, O_NOCTTY = 0o400, O_CREAT = 0o100, O_EXCL = 0o200, O_WRONLY = 1, O_RDWR = 2, O_RDONLY = 0;
const RENAME_EXCHANGE = 2;

/** Names of host file systems for /proc/mounts, by statfs magic. */
const FSTYPES: ReadonlyMap<number, string> = new Map([[0xef53, 'ext4'], [0x58465342, 'xfs'], [0x9123683e, 'btrfs'], [0x01021994, 'tmpfs'], [0x794c7630, 'overlay'],
  [0x6969, 'nfs4'], [0x01021997, '9p'], [0x65735546, 'fuse'], [0x2fc12fc1, 'zfs'], [0xf2f52010, 'f2fs'], [0x4d44, 'vfat']]);

export class HostSuper extends SuperBlock {
  override readonly root: HostNode;
  override readonly fstype: string;
  private readonly known = new Map<number, Map<number, HostNode>>();

  /** fd: O_PATH fd of the directory or file to be mounted; kept. */
  constructor(private readonly fd: number) {
    hostStatFd(fd);
    super($st.dev);
    const st: StatFs = { type: 0, bsize: 0, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 0 };
    hostStatFs(fd, st);
    hostStatFd(fd);
    this.fstype = FSTYPES.get(st.type) ?? 'none';
    this.root = new HostNode(this, $st.mode, undefined, '', ($st.mode & S_IFMT) === S_IFDIR ? new HostDir(undefined, '', fd) : undefined, fd);
  }

  knownNode(dev: number, ino: number): HostNode | undefined { return this.known.get(dev)?.get(ino); }
  learn(n: HostNode): void {
    let m = this.known.get(n.devNo);
    if (m === undefined) this.known.set(n.devNo, m = new Map());
    m.set(n.ino, n);
  }
  unlearn(n: HostNode): void {
    const m = this.known.get(n.devNo);
    if (m?.get(n.ino) === n) m.delete(n.ino);
  }

  override statfs(out: StatFs): number { return hostStatFs(this.fd, out); }
}

/** Make a superblock of a host path; undefined when it cannot be opened. */
export function hostSuper(dirfd: number, path: string): HostSuper | number {
  const fd = host.openat(dirfd, path, O_PATH);
  return fd < 0 ? fd : new HostSuper(fd);
}

const myUid = process.geteuid?.() ?? 0;
const myGid = process.getegid?.() ?? 0;

class HostNode extends Inode {
  devNo: number;
  /** Open files; one of them answers for the inode once its name is gone. */
  readonly open_: HostBindFile[] = [];

  /** Attributes are in $st. fixed: O_PATH fd of the mount's root, else -1. */
  constructor(override readonly sb: HostSuper, mode: number, private up: HostNode | undefined, private name: string, readonly dir: HostDir | undefined, private readonly fixed = -1) {
    super(sb, mode);
    fillInode(this);
    this.devNo = $st.dev;
  }

  override get dev(): number { return this.devNo; }
  override get cache(): Cache { return Cache.REVALIDATE; }
  override get outside(): boolean { return this.isReg; }

  /** O_PATH fd on the object, to be closed with `done`; -errno. */
  private pathFd(): number {
    if (this.fixed >= 0) return this.fixed;
    const first = this.open_[0];
    if (first !== undefined) return first.hostFd;
    const dir = this.up?.dir?.fd() ?? -E.ENOENT;
    return dir < 0 ? dir : host.openat(dir, this.name, O_PATH | O_NOFOLLOW);
  }

  private done(fd: number): void { if (fd !== this.fixed && fd !== this.open_[0]?.hostFd) host.close(fd); }

  /** Run `act` on an O_PATH fd of the object. */
  private on(act: (fd: number) => number): number {
    const fd = this.pathFd();
    if (fd < 0) return fd;
    const r = act(fd);
    this.done(fd);
    return r;
  }

  /**
   * Open a file of carrick's own user that its mode keeps that user out of, though the guest may: one that was made just now (mode 444, to be written), or the
   * guest is root. The owner's bits are lent for the moment. -EACCES when the file is somebody else's.
   */
  private openLent(flags: number): number {
    return this.on((fd) => {
      if (hostStatFd(fd) < 0 || $st.uid !== myUid) return -E.EACCES;
      const mode = $st.mode & 0o7777;
      const self = `/proc/self/fd/${fd}`;
      if (host.fchmodat(host.AT_FDCWD, self, mode | 0o600) < 0) return -E.EACCES;
      const r = host.openat(host.AT_FDCWD, self, flags | O_NONBLOCK | O_NOCTTY);
      host.fchmodat(host.AT_FDCWD, self, mode);
      return r;
    });
  }

  /** Open for real. The type is known, so neither FIFOs nor devices are opened here. */
  private openFd(flags: number): number {
    if (this.fixed >= 0) return host.openat(host.AT_FDCWD, `/proc/self/fd/${this.fixed}`, flags | O_NONBLOCK | O_NOCTTY);
    const dir = this.up?.dir?.fd() ?? -E.ENOENT;
    if (dir >= 0) {
      const fd = host.openat(dir, this.name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
      if (fd >= 0) return fd;
      if (fd === -E.EACCES && myUid !== 0) return this.openLent(flags);
      if (this.open_.length === 0) return fd;
    }
    const first = this.open_[0];
    return first === undefined ? dir : host.openat(host.AT_FDCWD, `/proc/self/fd/${first.hostFd}`, flags | O_NONBLOCK | O_NOCTTY);
  }

  override refresh(): number {
    const first = this.open_[0];
    const r = this.fixed >= 0 ? hostStatFd(this.fixed) : first !== undefined ? hostStatFd(first.hostFd) : this.statByName();
    if (r < 0) return r;
    if ($st.ino !== this.ino || $st.dev !== this.devNo) return -E.ENOENT;
    fillInode(this);
    return 0;
  }

  private statByName(): number {
    const dir = this.up?.dir?.fd() ?? -E.ENOENT;
    return dir < 0 ? dir : hostStat(dir, this.name);
  }

  override revalidate(name: string, child: Inode | undefined): boolean {
    if (!(child instanceof HostNode) || this.dir === undefined) return false;
    const dir = this.dir.fd();
    if (dir < 0 || hostStat(dir, name) < 0) return false;
    if ($st.ino !== child.ino || $st.dev !== child.devNo || ($st.mode & S_IFMT) !== child.type) return false;
    fillInode(child);
    child.up = this;
    child.name = name;
    return true;
  }

  override evict(): void { this.sb.unlearn(this); this.dir?.forget(); }

  // ---- directories ----

  override lookup(_c: Caller, name: string): Inode | number {
    const fd = this.dir?.fd() ?? -E.ENOTDIR;
    if (fd < 0) return fd;
    const r = hostStat(fd, name);
    return r < 0 ? r : this.adopt(name);
  }

  /** The object that $st describes. */
  private adopt(name: string): HostNode {
    if (($st.mode & S_IFMT) === S_IFDIR) return new HostNode(this.sb, $st.mode, this, name, new HostDir(this.dir, name));
    const have = this.sb.knownNode($st.dev, $st.ino);
    if (have !== undefined && have.type === ($st.mode & S_IFMT)) {
      fillInode(have);
      have.up = this;
      have.name = name;
      return have;
    }
    const n = new HostNode(this.sb, $st.mode, this, name, undefined);
    this.sb.learn(n);
    return n;
  }

  override readdir(_c: Caller, list: DirList): number {
    const fd = this.dir?.openForReading() ?? -E.ENOTDIR;
    if (fd < 0) return fd;
    const r = eachEntry(fd, (name, ino, type) => list.add(name, ino, type));
    host.close(fd);
    return r;
  }

  /** Something was made: give it its mode (the host's umask has cut it) and owner, and look it up. */
  private made(c: Caller, name: string, mode: number): Inode | number {
    const dir = this.dir?.fd() ?? -E.ENOTDIR;
    if (dir < 0) return dir;
    const o = newOwner(c, this, mode);
    const fd = host.openat(dir, name, O_PATH | O_NOFOLLOW);
    if (fd < 0) return fd;
    if (o.uid !== myUid || o.gid !== myGid) host.fchownat(fd, '', o.uid, o.gid, host.AT_EMPTY_PATH);
    if ((mode & S_IFMT) !== S_IFLNK) host.fchmodat(host.AT_FDCWD, `/proc/self/fd/${fd}`, o.mode & 0o7777);
    const r = hostStatFd(fd);
    host.close(fd);
    return r < 0 ? r : this.adopt(name);
  }

  private make(c: Caller, name: string, mode: number, act: (dirfd: number) => number): Inode | number {
    const dir = this.dir?.fd() ?? -E.ENOTDIR;
    if (dir < 0) return dir;
    const r = act(dir);
    return r < 0 ? r : this.made(c, name, mode);
  }

  override create(c: Caller, name: string, mode: number): Inode | number {
    return this.make(c, name, mode, (dir) => {
      const fd = host.openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
      return fd < 0 ? fd : host.close(fd);
    });
  }

  override mkdir(c: Caller, name: string, mode: number): Inode | number { return this.make(c, name, mode, (dir) => host.mkdirat(dir, name, 0o700)); }
  override symlink(c: Caller, name: string, target: string): Inode | number { return this.make(c, name, S_IFLNK | 0o777, (dir) => host.symlinkat(target, dir, name)); }
  override mknod(c: Caller, name: string, mode: number, rdev: number): Inode | number {
    return (mode & S_IFMT) === S_IFREG ? this.create(c, name, mode) : this.make(c, name, mode, (dir) => host.mknodat(dir, name, (mode & S_IFMT) | 0o600, rdev));
  }

  override link(_c: Caller, name: string, target: Inode): number {
    const t = target as HostNode;
    const from = t.up?.dir;
    if (from === undefined || this.dir === undefined) return -E.EXDEV;
    const a = twoFds(from, this.dir);
    return a < 0 ? a : host.linkat(from.fd(), t.name, this.dir.fd(), name, 0);
  }

  override unlink(_c: Caller, name: string, _target: Inode): number {
    const fd = this.dir?.fd() ?? -E.ENOTDIR;
    return fd < 0 ? fd : host.unlinkat(fd, name, 0);
  }

  override rmdir(_c: Caller, name: string, target: Inode): number {
    const fd = this.dir?.fd() ?? -E.ENOTDIR;
    const r = fd < 0 ? fd : host.unlinkat(fd, name, host.AT_REMOVEDIR);
    if (r === 0) target.nlink = 0;
    return r;
  }

  override rename(_c: Caller, name: string, target: Inode, newDir: Inode, newName: string, over: Inode | undefined, exchange: boolean): number {
    const to = newDir as HostNode;
    if (this.dir === undefined || to.dir === undefined) return -E.ENOTDIR;
    const a = twoFds(this.dir, to.dir);
    if (a < 0) return a;
    const r = host.renameat2(this.dir.fd(), name, to.dir.fd(), newName, exchange ? RENAME_EXCHANGE : 0);
    if (r < 0) return r;
    (target as HostNode).moved(to, newName);
    if (over !== undefined && exchange) (over as HostNode).moved(this, name);
    else if (over !== undefined && over.isDir) over.nlink = 0;
    return 0;
  }

  private moved(to: HostNode, name: string): void {
    this.up = to;
    this.name = name;
    if (this.dir !== undefined) { this.dir.parent = to.dir; this.dir.name = name; }
  }

  // ---- contents and attributes ----

  override readlink(_c: Caller): string | number {
    const dir = this.up?.dir?.fd() ?? -E.ENOENT;
    return dir < 0 ? dir : host.readlinkat(dir, this.name);
  }

  override open(c: Caller, path: Path, flags: number): File | number {
    if (!this.isReg) return specialOpen(c, path, flags);
    const fd = this.openFd(flags & (O_ACCMODE | O_APPEND));
    return fd < 0 ? fd : new HostBindFile(path, flags, fd, this);
  }

  override setattr(_c: Caller, a: SetAttr): number {
    if (a.size !== undefined) {
      const fd = this.openFd(O_WRONLY);
      const r = fd < 0 ? fd : host.ftruncate(fd, a.size);
      if (fd >= 0) host.close(fd);
      if (r < 0) return r;
    }
    return this.on((fd) => {
      const self = `/proc/self/fd/${fd}`;
      if (a.uid !== undefined || a.gid !== undefined) {
        const r = host.fchownat(fd, '', a.uid ?? -1, a.gid ?? -1, host.AT_EMPTY_PATH);
        if (r < 0) return r;
      }
      if (a.mode !== undefined && !this.isLink) {
        const r = host.fchmodat(host.AT_FDCWD, self, a.mode & 0o7777);
        if (r < 0) return r;
      }
      if (!encodeTimes(a)) return 0;
      // A symlink has no path of its own through /proc/self/fd; newer hosts take the fd itself.
      return host.utimensat(this.isLink ? fd : host.AT_FDCWD, this.isLink ? '' : self, TIMES, this.isLink ? host.AT_EMPTY_PATH : 0);
    });
  }

  private onXattr(act: (fd: number) => number): number {
    if (!this.isReg && !this.isDir) return -E.EPERM;
    const fd = this.isDir && this.dir !== undefined ? this.dir.openForReading() : this.openFd(O_RDONLY);
    if (fd < 0) return fd;
    const r = act(fd);
    host.close(fd);
    return r;
  }

  override getxattr(name: string): string | number {
    const n = this.onXattr((fd) => host.fgetxattr(fd, name, host.DATA, 65536));
    return n < 0 ? (n === -E.EPERM ? -E.ENODATA : n) : host.scratch.latin1Slice(host.DATA, host.DATA + n);
  }

  override listxattr(): readonly string[] | number {
    const n = this.onXattr((fd) => host.flistxattr(fd, host.DATA, 65536));
    if (n < 0) return n === -E.EPERM ? [] : n;
    return n === 0 ? [] : host.scratch.latin1Slice(host.DATA, host.DATA + n - 1).split('\0');
  }

  override setxattr(name: string, value: string, flags: number): number {
    return this.onXattr((fd) => {
      host.scratch.latin1Write(value, host.DATA);
      return host.fsetxattr(fd, name, host.DATA, value.length, flags);
    });
  }

  override removexattr(name: string): number { return this.onXattr((fd) => host.fremovexattr(fd, name)); }
}

/** Open both, so that neither open closes the other's fd when they are used side by side. */
function twoFds(a: HostDir, b: HostDir): number {
  const x = a.fd();
  if (x < 0) return x;
  const y = b.fd();
  return y < 0 ? y : Math.min(0, a.fd());
}

class HostBindFile extends HostFile {
  constructor(path: Path, flags: number, fd: number, private readonly node: HostNode) {
    super(path, flags, fd);
    node.open_.push(this);
  }

  override release(): void {
    const i = this.node.open_.indexOf(this);
    if (i >= 0) this.node.open_.splice(i, 1);
  }
}
