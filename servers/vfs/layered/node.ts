/** Inodes of the layered file system but directories and regular files: what all have in common, symlinks and special files. */
import { E } from '../../../shared/errno.js';
import { specialOpen } from '../special.js';
import type { File } from '../file.js';
import { $st, fillInode } from '../host/stat.js';
import { applyAttr, touchChanged } from '../host/times.js';
import { type Caller, Inode, type Path, S_IFIFO, S_IFMT, S_IFSOCK, type SetAttr } from '../inode.js';
import type { LowerDir } from './lower.js';
import type { LayeredSuper } from './super.js';

/** setxattr(2). */
const XATTR_CREATE = 1, XATTR_REPLACE = 2;

/** Where a lower object is; a directory is '.' of itself. */
export interface LowerRef { readonly dir: LowerDir; readonly name: string }

/** An inode's own part of the upper layer's index (saved.ts). */
export interface SavedAttr {
  readonly mode: number; readonly uid: number; readonly gid: number; readonly nlink: number; readonly ino: number; readonly rdev: number; readonly size: number; readonly blocks: number;
  /** atime, mtime, ctime, btime: seconds and nanoseconds each. */
  readonly times: readonly number[];
  /** Names and values, latin1; undefined = the lower object's. */
  readonly xattrs?: ReadonlyArray<readonly [string, string]>;
}

export abstract class LNode extends Inode {
  /** Differs from the lower layer, or has no counterpart there: must not be forgotten while it has a name. */
  pinned: boolean;
  /** Its number in the upper layer's index and journal, -1 = it is in neither (journal.ts). */
  saved = -1;
  /** st_dev. */
  devNo: number;
  /** undefined = not looked yet (lower), or none. */
  private xattrs: Map<string, string> | undefined = undefined;

  /** With `lower`, the attributes are in $st. */
  constructor(override readonly sb: LayeredSuper, mode: number, public lower: LowerRef | undefined) {
    super(sb, mode);
    if (lower !== undefined) {
      fillInode(this);
      this.devNo = $st.dev;
      this.pinned = false;
    } else {
      this.ino = sb.newIno();
      this.devNo = sb.dev;
      this.pinned = true;
    }
  }

  override get dev(): number { return this.devNo; }
  /** ipc and net change what FIFOs and sockets are. */
  override get isSettled(): boolean { const type = this.mode & S_IFMT; return type !== S_IFIFO && type !== S_IFSOCK; }

  /** It is being changed: from now on the inode is the truth. */
  override pin(): void { this.pinned = true; this.sb.touch(this); }

  override evict(): void {
    if (this.lower !== undefined && (this.nlink === 0 || !this.pinned)) this.sb.unlearn(this);
    if (this.nlink === 0) this.destroy();
  }

  saveAttr(): SavedAttr {
    const { mode, uid, gid, nlink, ino, rdev, size, blocks } = this;
    const times = [this.atime, this.atimeNsec, this.mtime, this.mtimeNsec, this.ctime, this.ctimeNsec, this.btime, this.btimeNsec];
    return { mode, uid, gid, nlink, ino, rdev, size, blocks, times, ...(this.xattrs === undefined ? {} : { xattrs: [...this.xattrs] }) };
  }

  /** Of a node that was just made: the host's numbers of a lower object stay. */
  restoreAttr(a: SavedAttr): void {
    this.pinned = true;
    this.mode = a.mode;
    this.uid = a.uid;
    this.gid = a.gid;
    this.nlink = a.nlink;
    this.rdev = a.rdev;
    const t = (i: number): number => a.times[i] ?? 0;
    this.atime = t(0); this.atimeNsec = t(1);
    this.mtime = t(2); this.mtimeNsec = t(3);
    this.ctime = t(4); this.ctimeNsec = t(5);
    if (this.lower === undefined) {
      this.ino = a.ino;
      this.size = a.size;
      this.blocks = a.blocks;
      this.btime = t(6); this.btimeNsec = t(7);
      this.btimeKnown = true;
    }
    if (a.xattrs !== undefined) this.xattrs = new Map(a.xattrs);
  }

  /** The last name and the last user are gone. */
  protected destroy(): void { /* no data */ }

  override setattr(_c: Caller, a: SetAttr): number {
    if (a.size !== undefined) return -E.EINVAL;
    this.pin();
    applyAttr(this, a);
    return 0;
  }

  // ---- extended attributes: the lower's are read once, from then on they live here ----

  private loadXattrs(): Map<string, string> {
    return this.lower === undefined || !(this.isReg || this.isDir) ? new Map<string, string>() : this.lower.dir.xattrs(this.lower.name);
  }

  private get xattrMap(): Map<string, string> { return this.xattrs ??= this.loadXattrs(); }

  override getxattr(name: string): string | number { return this.xattrMap.get(name) ?? -E.ENODATA; }
  override listxattr(): readonly string[] { return [...this.xattrMap.keys()]; }

  override setxattr(name: string, value: string, flags: number): number {
    if (name.startsWith('system.')) return -E.EOPNOTSUPP;
    const m = this.xattrMap;
    if ((flags & XATTR_CREATE) !== 0 && m.has(name)) return -E.EEXIST;
    if ((flags & XATTR_REPLACE) !== 0 && !m.has(name)) return -E.ENODATA;
    this.pin();
    m.set(name, value);
    touchChanged(this);
    return 0;
  }

  override removexattr(name: string): number {
    if (!this.xattrMap.has(name)) return -E.ENODATA;
    this.pin();
    this.xattrMap.delete(name);
    touchChanged(this);
    return 0;
  }
}

export class LSymlink extends LNode {
  /** target: undefined = read it from the lower layer when it is wanted. */
  constructor(sb: LayeredSuper, mode: number, lower: LowerRef | undefined, private target: string | undefined) {
    super(sb, mode, lower);
    if (target !== undefined) this.size = target.length;
  }

  /** What it holds, unless that is still only in the lower layer. */
  get knownTarget(): string | undefined { return this.target; }

  override readlink(_c: Caller): string | number {
    if (this.target !== undefined) return this.target;
    if (this.lower === undefined) return -E.EINVAL;
    const t = this.lower.dir.readlink(this.lower.name);
    if (typeof t === 'string') this.target = t;
    return t;
  }
}

/** FIFOs, sockets and device nodes. Nothing of them is opened on the host: FIFOs are ipc's, devices are devfs's, whatever directory they are in. */
export class LSpecial extends LNode {
  override open(c: Caller, path: Path, flags: number): File | number { return specialOpen(c, path, flags); }
}
