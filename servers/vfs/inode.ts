/**
 * What every file system of the VFS is made of: inodes, dentries, mounts, superblocks and paths.
 *
 *   Mount ──root──► Dentry ──inode──► Inode ──sb──► SuperBlock
 *     ▲ parent,       │ children: Map<name, Dentry>   (dcache.ts owns lookups, negative entries and eviction)
 *     │ mountpoint    ▼
 *   Path = (Mount, Dentry): where a walk stands; root, cwd and open files hold one
 *
 * A file system subclasses Inode and overrides what it supports; the defaults answer as Linux does for an object without that
 * operation. Operations return numbers (0 or -errno) or an object; they never throw for a guest's mistake. Permission checks, name
 * rules (length, '.', '..'), read-only mounts and the dentry cache are done by the callers (namei.ts, syscalls/): an operation may rely on
 * its arguments being legal for a directory that the caller may change. Names, link targets and xattr values are latin1 strings.
 *
 * Fields of an Inode are what stat reports. File systems whose truth lies elsewhere (host files, proc) bring them up to date in refresh().
 */
import { E } from '../../shared/errno.js';
import type { File } from './file.js';
import type { FsStruct } from './fs-struct.js';
import type { Marks } from './inotify/watch.js';

/** File types in st_mode. inode(7). */
export const S_IFMT = 0o170000, S_IFSOCK = 0o140000, S_IFLNK = 0o120000, S_IFREG = 0o100000, S_IFBLK = 0o060000, S_IFDIR = 0o040000, S_IFCHR = 0o020000, S_IFIFO = 0o010000;
export const S_ISUID = 0o4000, S_ISGID = 0o2000, S_ISVTX = 0o1000;

/** Permission bits asked for. */
export const MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4;

/** On whose behalf an operation runs. Borrowed: one object per worker, refilled for every request. */
export interface Caller {
  /** Row of the calling task; 0 = carrick itself (boot, files read for the kernel). */
  task: number;
  /** Row of its thread group; 0 with task 0. */
  tg: number;
  /** Row of its credentials; 0 = carrick itself, which may do everything. */
  cred: number;
  /** access(2): the real ids decide, not those for files. Absent: no. */
  real?: boolean;
  fs: FsStruct;
}

/** How far the dentry cache may trust what a directory's lookup said. */
export const enum Cache {
  /** Nobody changes the directory behind our back: entries and their absence are kept. */
  ALWAYS = 0,
  /** Kept, but asked again at every walk (revalidate). */
  REVALIDATE = 1,
  /** Looked up anew every time. */
  NEVER = 2,
}

/** What setattr changes; undefined = leave. */
export interface SetAttr {
  /** Permission bits including suid, sgid, sticky. */
  mode?: number;
  uid?: number;
  gid?: number;
  /** New length, bytes (truncate). */
  size?: number;
  /** Times: seconds and nanoseconds. */
  atime?: number; atimeNsec?: number;
  mtime?: number; mtimeNsec?: number;
  /** Status change; the caller always sets it to now. */
  ctime: number; ctimeNsec: number;
}

/** A directory's names as readdir gives them; '.' and '..' are added by the caller. */
export interface DirList {
  /** type: DT_* of dirent(3). ino: st_ino. */
  add(name: string, ino: number, type: number): void;
}

/** DT_* from st_mode. */
export const dtype = (mode: number): number => (mode & S_IFMT) >> 12;

/** Where a magic link (/proc/PID/fd/N of a pipe, a socket...) leads when the object has no path: that open file description. */
export interface OfdTarget { readonly ofd: number }
export type LinkTarget = string | Path | OfdTarget;

export interface StatFs {
  /** Magic number, statfs(2). */
  type: number;
  bsize: number; blocks: number; bfree: number; bavail: number; files: number; ffree: number; namelen: number;
}

/** One mounted or mountable file system instance. */
export abstract class SuperBlock {
  /** Root directory; set by the constructor of the file system. */
  abstract readonly root: Inode;
  /** Name in /proc/mounts ("overlay", "tmpfs", "proc"...). */
  abstract readonly fstype: string;
  /** st_dev of its inodes where they do not say otherwise. */
  readonly dev: number;
  /** Source and options shown in /proc/mounts. */
  source = 'none';
  options = '';

  /** May processes remember what is found here? Only where no name changes but through this worker. */
  readonly isSettled: boolean = false;
  /** Does looking up what is not there fail even where it would be created (proc)? Then every creation says ENOENT, whoever asks. */
  readonly absentIsError: boolean = false;

  constructor(dev = allocDev()) { this.dev = dev; }

  abstract statfs(out: StatFs): number;
  /** Write out whatever is buffered. */
  sync(): number { return 0; }
  /** Names and attributes are on the disk when it returns (fsync of a directory). 0 or -errno. */
  commit(): number { return 0; }
}

let nextMinor = 0x20;
/** An anonymous device number (major 0), as the kernel gives to tmpfs and proc. new_encode_dev: minor low 8 bits | major << 8 | minor high << 12. */
export function allocDev(): number {
  const minor = nextMinor++;
  return (minor & 0xff) | ((minor & ~0xff) << 12);
}
/** Device number from major and minor, as stat reports it (below 2^32). */
export const makeDev = (major: number, minor: number): number => ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
export const devMajor = (dev: number): number => (dev >>> 8) & 0xfff;
export const devMinor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00);

let nextIno = 2;
/** A new inode number, never used before in this worker (file systems without numbers of their own). */
export const allocIno = (): number => nextIno++;

let nextKey = 1;

export abstract class Inode {
  ino = 0;
  nlink = 1;
  uid = 0;
  gid = 0;
  /** Bytes. */
  size = 0;
  /** 512-byte units. */
  blocks = 0;
  blksize = 4096;
  /** Device number of a device node (makeDev). */
  rdev = 0;
  /** Times: seconds since the epoch and nanoseconds. */
  atime = 0; atimeNsec = 0;
  mtime = 0; mtimeNsec = 0;
  ctime = 0; ctimeNsec = 0;
  btime = 0; btimeNsec = 0;
  /** Is the birth time known? statx says so. */
  btimeKnown = false;
  /** Cached dentries and other lasting users (open files); dcache.ts. */
  users = 0;
  /** Open files, but for directories' and O_PATH ones. */
  opens = 0;
  /** Open files that may write; an exec of it is then refused (ETXTBSY). */
  writers = 0;
  /** How many more times it is granted as soon as it is opened for reading (open-file.ts). */
  eager = 0;
  /** Programs that run from it; opening it for writing is then refused (ETXTBSY). */
  execs = 0;
  /** Cell of its attributes that processes remember them by; 0 = nobody does (answers.ts). */
  cell = 0;
  private keyNo = 0;
  /** Unique in this worker for the life of the inode: FIFOs and sockets are known to ipc and net by it. */
  get key(): number { return this.keyNo !== 0 ? this.keyNo : (this.keyNo = nextKey++); }
  /** Locks (flock, POSIX, OFD) on this inode; locks.ts. */
  locks: object | undefined = undefined;
  /** Watches on it; inotify/watch.ts. */
  marks: Marks | undefined = undefined;

  constructor(readonly sb: SuperBlock, public mode: number) {}

  get type(): number { return this.mode & S_IFMT; }
  get isDir(): boolean { return (this.mode & S_IFMT) === S_IFDIR; }
  get isReg(): boolean { return (this.mode & S_IFMT) === S_IFREG; }
  get isLink(): boolean { return (this.mode & S_IFMT) === S_IFLNK; }
  /** st_dev. */
  get dev(): number { return this.sb.dev; }
  /** For directories: may lookups be cached? */
  get cache(): Cache { return Cache.ALWAYS; }

  /** Do its attributes change only through this worker (and touched(), answers.ts)? Then processes may remember them. */
  get isSettled(): boolean { return false; }
  /** Are its data those of a lower layer, which this worker never writes? */
  get isLower(): boolean { return false; }
  /** Can others than this container open it? Then its locks are the host's, too. */
  get outside(): boolean { return false; }
  /** One more open file of it, not counting O_PATH; undone by `opens--`. */
  opened(): void { this.opens++; }
  /** A process may have kept a shared mapping of its data: they change when nobody sees it. */
  loosen(): void { /* nothing but data of our own is mapped */ }
  /** Bring the stat fields up to date. 0 or -errno. */
  refresh(): number { return 0; }
  /** Cache.REVALIDATE: is `child` still what `name` is in this directory? */
  revalidate(_name: string, _child: Inode | undefined): boolean { return true; }
  /** Access check beyond mode bits; return 1 for "use the mode bits", 0 allowed, -errno refused. `mask`: MAY_*. */
  permission(_c: Caller, _mask: number): number { return 1; }
  /** It must not be forgotten while it has a name: ipc knows the FIFO by its key. */
  pin(): void { /* kept anyway */ }
  /** The last dentry or open file has let go (users fell to 0): drop caches, host fds, unlinked data. */
  evict(): void { /* nothing to drop */ }

  // ---- directories ----
  lookup(_c: Caller, _name: string): Inode | number { return -E.ENOTDIR; }
  readdir(_c: Caller, _list: DirList): number { return -E.ENOTDIR; }
  /** Will readdir be allowed? Asked at open, where Linux refuses; 0 or -errno. */
  mayList(): number { return 0; }
  /** Process whose directory /proc/PID this is (pidfd_send_signal(2) takes one for a pidfd), 0 = none. */
  get procPid(): number { return 0; }
  /** New regular file; mode = S_IFREG | permissions, umask applied. Owner: the caller's fsuid, fsgid (see newOwner in dac.ts). */
  create(_c: Caller, _name: string, _mode: number): Inode | number { return -E.EACCES; }
  mkdir(_c: Caller, _name: string, _mode: number): Inode | number { return -E.EPERM; }
  /** FIFO, socket, device or empty regular file by type in mode. */
  mknod(_c: Caller, _name: string, _mode: number, _rdev: number): Inode | number { return -E.EPERM; }
  /** A regular file without a name (O_TMPFILE). */
  tmpfile(_c: Caller, _mode: number): Inode | number { return -E.EOPNOTSUPP; }
  symlink(_c: Caller, _name: string, _target: string): Inode | number { return -E.EPERM; }
  link(_c: Caller, _name: string, _target: Inode): number { return -E.EPERM; }
  unlink(_c: Caller, _name: string, _target: Inode): number { return -E.EPERM; }
  /** -ENOTEMPTY when it has entries. */
  rmdir(_c: Caller, _name: string, _target: Inode): number { return -E.EPERM; }
  /** Move `target` from here to newDir/newName, replacing `over` if given; exchange swaps the two. Both directories are of this superblock. */
  rename(_c: Caller, _name: string, _target: Inode, _newDir: Inode, _newName: string, _over: Inode | undefined, _exchange: boolean): number { return -E.EPERM; }

  // ---- links ----
  readlink(_c: Caller): string | number { return -E.EINVAL; }
  /** Where a walk goes on from here; by default what readlink says. */
  getLink(c: Caller): LinkTarget | number { return this.readlink(c); }

  // ---- contents and attributes ----
  /** Open file for a path that leads here; flags as open(2), without O_CREAT, O_EXCL, O_TRUNC, O_CLOEXEC (done by the caller). Directories are opened by the caller itself. */
  open(_c: Caller, _path: Path, _flags: number): File | number { return -E.ENXIO; }
  setattr(_c: Caller, _attr: SetAttr): number { return -E.EPERM; }
  getxattr(_name: string): string | number { return -E.EOPNOTSUPP; }
  setxattr(_name: string, _value: string, _flags: number): number { return -E.EOPNOTSUPP; }
  listxattr(): readonly string[] | number { return []; }
  removexattr(_name: string): number { return -E.EOPNOTSUPP; }
}

/** A name in a directory. Made and dropped by dcache.ts only. */
export class Dentry {
  /** Cached entries; undefined until the first. */
  children: Map<string, Dentry> | undefined = undefined;
  /** Open files, working directories and mounts that stand here: never evicted while > 0. */
  count = 0;
  /** Mounts on top of this dentry. */
  mounted = 0;
  /** In its parent's children (false once removed, or for directories that are not cached). */
  hashed = false;
  /** Its name was unlinked or replaced while somebody still stood here. */
  deleted = false;
  /** Was used since the eviction hand came by. */
  recent = false;
  /** Cell of the name that processes remember it by; 0 = nobody does (answers.ts). */
  cell = 0;
  constructor(
    /** Changes on rename. '' for a root. */
    public name: string,
    /** Itself for a root. */
    public parent: Dentry | undefined,
    /** undefined = negative: known not to exist. */
    public inode: Inode | undefined,
  ) {}
}

export const MNT_RDONLY = 1, MNT_NOSUID = 2, MNT_NODEV = 4, MNT_NOEXEC = 8;

export class Mount {
  /** Mount id for /proc/PID/mountinfo and statx. */
  readonly id: number;
  /** Mounts stacked on dentries of this mount. */
  readonly children = new Map<Dentry, Mount>();
  /** Open files and working directories here (umount: EBUSY). */
  count = 0;
  constructor(
    readonly sb: SuperBlock,
    /** Dentry that appears at the mount point: the superblock's root, or any dentry for a bind mount. */
    readonly root: Dentry,
    readonly parent: Mount | undefined,
    /** In the parent mount; undefined for the root mount. */
    readonly mountpoint: Dentry | undefined,
    /** MNT_* bits. */
    public flags: number,
  ) { this.id = nextMountId++; }
}
let nextMountId = 20;

/** A place in the tree of mounts. Immutable. */
export class Path {
  constructor(readonly mnt: Mount, readonly dentry: Dentry) {}
  /** Never negative in a Path that a walk returned. */
  get inode(): Inode { return this.dentry.inode as Inode; }
}
