/** Open files that carry no data: directories (getdents) and O_PATH. */
import { E } from '../../shared/errno.js';
import { Ofd } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import { isAsNoted, type Noted, noteInode } from './answers.js';
import type { Entry } from './dirent.js';
import { File, O_DIRECTORY, O_NOFOLLOW, O_PATH } from './file.js';
import { type Caller, type DirList, dtype, type Inode, type Path } from './inode.js';

/** O_PATH: names a place and nothing else. open(2). */
export class PathFile extends File {
  constructor(path: Path, flags: number) {
    super(Ofd.PATH, path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
    this.ready = 0;
  }
}

/**
 * An open directory. The names are taken when it is first read from the start, so that entries made or removed meanwhile disturb nobody's
 * reading (POSIX leaves it open whether they show); rewinddir takes them anew. A position is an index into that list, '.' and '..' first.
 *
 * A process that was told the names with its open (listings.ts) reads them by itself, and says with its next request that it has (`ofd.listed`).
 */
export class DirFile extends File implements DirList {
  private entries: Entry[] | undefined = undefined;
  /** What names that were taken ahead depend on. */
  private noted: Noted | undefined = undefined;
  /** Process (row) that was told the names, 0 = none. */
  toldTo = 0;
  private wasRead = false;
  /** What notes that processes of a program read the directory when they have opened it (ahead.ts). */
  mark: { reads: boolean } | undefined = undefined;

  constructor(path: Path, flags: number) { super(Ofd.DIR, path, flags); }

  /** Take the names before they are asked for: they are good for the first reading as long as nothing changes in the directory. 0 or -errno. */
  takeAhead(c: Caller): number {
    this.noted = noteInode(this.inode);
    return this.take(c);
  }

  /** Has it been read to the end by what was told ahead? */
  get wasReadAhead(): boolean { return this.wasRead || this.listed; }

  private get listed(): boolean { return L.ofdListed(this.ofd) !== 0; }

  override get position(): number {
    this.settle();
    return this.pos;
  }

  /** Bring the position up to date. */
  private settle(): void {
    if (!this.listed) return;
    L.setOfdListed(this.ofd, 0);
    this.pos = this.names.length;
    this.wasRead = true;
  }

  add(name: string, ino: number, type: number): void { this.entries?.push({ name, ino, type }); }

  /** The names that are being read. */
  get names(): readonly Entry[] { return this.entries ?? []; }

  /** Entry at the current position; undefined at the end; -errno. */
  peek(c: Caller): Entry | number | undefined {
    this.settle();
    if (this.entries === undefined || (this.pos === 0 && !this.isFresh)) {
      const r = this.take(c);
      if (r < 0) return r;
    }
    return this.names[this.pos];
  }

  /** Are the names that were taken ahead as they are now? */
  get isFresh(): boolean { return this.noted !== undefined && isAsNoted(this.noted); }

  private take(c: Caller): number {
    const dir = this.inode;
    if (dir.nlink === 0) return -E.ENOENT;
    const up = this.parentInode();
    this.entries = [{ name: '.', ino: dir.ino, type: dtype(dir.mode) }, { name: '..', ino: up.ino, type: dtype(up.mode) }];
    const r = dir.readdir(c, this);
    if (r < 0) this.entries = undefined;
    return r;
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
    this.settle();
    const to = whence === 0 ? off : whence === 1 ? this.pos + off : -1;
    if (to < 0) return -E.EINVAL;
    if (to === 0 && whence === 0) this.noted = undefined;
    return (this.pos = to);
  }

  /** A directory: its names. */
  override fsync(_data: boolean): number { return this.path.mnt.sb.commit(); }
}
