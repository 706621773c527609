/** Open files that carry no data: directories (getdents) and O_PATH. */
import { E } from '../../shared/errno.js';
import { Ofd } from '../../shared/fdtable.js';
import { File, O_DIRECTORY, O_NOFOLLOW, O_PATH } from './file.js';
import { type Caller, type DirList, dtype, type Inode, type Path } from './inode.js';

/** O_PATH: names a place and nothing else. open(2). */
export class PathFile extends File {
  constructor(path: Path, flags: number) {
    super(Ofd.PATH, path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
    this.ready = 0;
  }
}

/** One name, with '.' and '..' first. */
interface Entry { readonly name: string; readonly ino: number; readonly type: number }

/**
 * An open directory. The names are taken when it is first read from the start, so that entries made or removed meanwhile disturb nobody's
 * reading (POSIX leaves it open whether they show); rewinddir takes them anew. A position is an index into that list.
 */
export class DirFile extends File implements DirList {
  private entries: Entry[] | undefined = undefined;

  constructor(path: Path, flags: number) { super(Ofd.DIR, path, flags); }

  add(name: string, ino: number, type: number): void { this.entries?.push({ name, ino, type }); }

  /** The names that are being read. */
  get names(): readonly Entry[] { return this.entries ?? []; }

  /** Entry at the current position; undefined at the end; -errno. */
  peek(c: Caller): Entry | number | undefined {
    if (this.entries === undefined || this.pos === 0) {
      const dir = this.inode;
      if (dir.nlink === 0) return -E.ENOENT;
      const up = this.parentInode();
      this.entries = [{ name: '.', ino: dir.ino, type: dtype(dir.mode) }, { name: '..', ino: up.ino, type: dtype(up.mode) }];
      const r = dir.readdir(c, this);
      if (r < 0) { this.entries = undefined; return r; }
    }
    return this.entries[this.pos];
  }

  /** What '..' shows: across the mount point for the root of a mount. */
  private parentInode(): Inode {
    let { mnt, dentry } = this.path;
    while (dentry === mnt.root && mnt.parent !== undefined && mnt.mountpoint !== undefined) {
      dentry = mnt.mountpoint;
      mnt = mnt.parent;
    }
    return (dentry.parent ?? dentry).inode ?? this.inode;
  }

  override seek(off: number, whence: number): number {
    const to = whence === 0 ? off : whence === 1 ? this.pos + off : -1;
    if (to < 0) return -E.EINVAL;
    if (to === 0) this.entries = undefined;
    return (this.pos = to);
  }

  /** A directory: its names. */
  override fsync(_data: boolean): number { return this.path.mnt.sb.commit(); }
}
