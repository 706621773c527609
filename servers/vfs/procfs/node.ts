/**
 * Building blocks of proc and sysfs: directories with fixed entries, files whose content is a function, symlinks.
 *
 * Inode numbers must not change between two lookups (fts and find compare them), but most inodes here are made on the way: the number is
 * derived from what the node is, see pidIno. Times are the moment the file system was made.
 */
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import { type File, TextFile } from '../file.js';
import { Cache, type Caller, type DirList, Inode, type LinkTarget, type Path, S_IFDIR, S_IFLNK, S_IFREG, type SetAttr, type SuperBlock, allocIno, dtype } from '../inode.js';

/** Content now, for whom it is opened; or -errno. */
export type Gen = (c: Caller) => string | number;
/** Text written at offset `pos`: bytes taken or -errno. */
export type Store = (c: Caller, text: string, pos: number) => number;

/** The Caller object is borrowed: what an open file needs of it later is copied. */
const keepCaller = (c: Caller): Caller => ({ task: c.task, tg: c.tg, cred: c.cred, fs: c.fs });

class GenFile extends TextFile {
  private readonly opener: Caller;

  constructor(path: Path, flags: number, c: Caller, private readonly gen: Gen, private readonly put: Store | undefined) {
    super(path, flags);
    this.opener = keepCaller(c);
  }

  protected override content(_f: Frame | undefined): string | number { return this.gen(this.opener); }
  protected override store(_f: Frame, text: string, pos: number): number { return this.put === undefined ? -E.EIO : this.put(this.opener, text, pos); }
}

/** Times of a new node. */
export function stamp(i: Inode, sb: SuperBlock): void {
  const { born } = sb as SuperBlock & { born?: number };
  i.atime = i.mtime = i.ctime = i.btime = born ?? Math.floor(Date.now() / 1000);
  i.blksize = 1024;
}

export class TextInode extends Inode {
  /** guard: who may open it beyond the mode bits; 0 or -errno. */
  constructor(sb: SuperBlock, mode: number, private readonly gen: Gen, private readonly put?: Store, ino = allocIno(), private readonly guard?: (c: Caller) => number) {
    super(sb, S_IFREG | mode);
    this.ino = ino;
    stamp(this, sb);
  }

  override open(c: Caller, path: Path, flags: number): File | number {
    const no = this.guard?.(c) ?? 0;
    if (no < 0) return no;
    const gen = this.genFor(c, this.gen);
    return typeof gen === 'number' ? gen : new GenFile(path, flags, c, gen, this.put);
  }

  /** What a file that `c` opens now reads from, or -errno. */
  protected genFor(_c: Caller, gen: Gen): Gen | number { return gen; }

  /** A shell's `>` truncates; nothing happens here. */
  override setattr(_c: Caller, a: SetAttr): number { return a.size !== undefined && a.mode === undefined && a.uid === undefined ? 0 : -E.EPERM; }
}

export class LinkInode extends Inode {
  /** jump: where a walk goes when that is not simply the text (magic links). */
  constructor(sb: SuperBlock, private readonly target: (c: Caller) => string | number, private readonly jump?: (c: Caller) => LinkTarget | number, ino = allocIno(), mode = 0o777) {
    super(sb, S_IFLNK | mode);
    this.ino = ino;
    stamp(this, sb);
  }

  override readlink(c: Caller): string | number { return this.target(c); }
  override getLink(c: Caller): LinkTarget | number { return this.jump === undefined ? this.target(c) : this.jump(c); }
}

/** A directory whose entries are made once and stay. */
export class StaticDir extends Inode {
  protected readonly entries = new Map<string, Inode>();

  constructor(sb: SuperBlock, mode = 0o555, ino = allocIno()) {
    super(sb, S_IFDIR | mode);
    this.ino = ino;
    this.nlink = 2;
    stamp(this, sb);
  }

  put(name: string, inode: Inode): this {
    this.entries.set(name, inode);
    if (inode.isDir) this.nlink++;
    return this;
  }

  text(name: string, gen: Gen, mode = 0o444, store?: Store): this { return this.put(name, new TextInode(this.sb, mode, gen, store)); }
  symlinkTo(name: string, target: string | ((c: Caller) => string | number)): this {
    return this.put(name, new LinkInode(this.sb, typeof target === 'string' ? (): string => target : target));
  }

  dir(name: string): StaticDir {
    const have = this.entries.get(name);
    if (have instanceof StaticDir) return have;
    const d = new StaticDir(this.sb);
    this.put(name, d);
    return d;
  }

  override lookup(_c: Caller, name: string): Inode | number { return this.entries.get(name) ?? -E.ENOENT; }

  override readdir(_c: Caller, list: DirList): number {
    for (const [name, i] of this.entries) list.add(name, i.ino, dtype(i.mode));
    return 0;
  }
}

/** A directory whose entries are made when somebody looks into it. */
export class LateDir extends StaticDir {
  constructor(sb: SuperBlock, private fill: ((d: StaticDir) => void) | undefined) { super(sb); }

  private made(): void {
    const { fill } = this;
    this.fill = undefined;
    fill?.(this);
  }

  /** For the number of links. */
  override refresh(): number {
    this.made();
    return super.refresh();
  }

  override lookup(c: Caller, name: string): Inode | number {
    this.made();
    return super.lookup(c, name);
  }

  override readdir(c: Caller, list: DirList): number {
    this.made();
    return super.readdir(c, list);
  }
}

/** A directory whose entries are looked up anew every time. */
export abstract class LiveDir extends Inode {
  constructor(sb: SuperBlock, mode: number, ino: number) {
    super(sb, S_IFDIR | mode);
    this.ino = ino;
    this.nlink = 2;
    stamp(this, sb);
  }

  override get cache(): Cache { return Cache.NEVER; }
}
