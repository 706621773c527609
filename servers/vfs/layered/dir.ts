/**
 * Directories of the layered file system: what the guest has changed (`entries`) over what the layers below have (`lowerDir`).
 *
 *   entries: name → inode     new, changed or moved here; a lower directory below which something changed
 *   entries: name → null      whiteout: the lower name is hidden
 *   no entry                  ask the lower directory, if there is one
 *
 * A new directory has no lowerDir, so a mkdir over a whiteout is opaque by itself. A lower directory that is renamed takes its lowerDir along (overlayfs calls
 * that a redirect): the whole subtree moves without a copy.
 */
import { E } from '../../../shared/errno.js';
import { newOwner } from '../dac.js';
import { $st } from '../host/stat.js';
import { touchBorn, touchChanged, touchModified } from '../host/times.js';
import { type Caller, type DirList, dtype, type Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../inode.js';
import type { LowerDir } from './lower.js';
import { LNode, LSpecial, LSymlink } from './node.js';
import { LRegular } from './regular.js';
import type { LayeredSuper } from './super.js';

/** mm/shmem.c shows each entry of a tmpfs directory as 20 bytes; stat(1) on any tmpfs. */
const TMPFS_ENTRY = 20;

const NO_ENTRIES: ReadonlyMap<string, LNode | null> = new Map();

export class LDir extends LNode {
  private entries: Map<string, LNode | null> | undefined = undefined;
  private readonly lowerDir: LowerDir | undefined;
  /** Where it is, for pinning: undefined for the root, or when it was removed. */
  private up: LDir | undefined = undefined;
  private upName = '';

  /** With lowerDir the attributes are in $st; `hidden`: take them, but not what is in the directory. */
  constructor(sb: LayeredSuper, mode: number, lowerDir: LowerDir | undefined, hidden = false) {
    super(sb, mode, lowerDir === undefined ? undefined : { dir: lowerDir, name: '.' });
    this.lowerDir = hidden ? undefined : lowerDir;
    if (lowerDir !== undefined) return;
    this.nlink = 2;
    this.size = sb.fstype === 'tmpfs' ? 2 * TMPFS_ENTRY : 4096;
    this.blocks = sb.fstype === 'tmpfs' ? 0 : 8;
    touchBorn(this);
  }

  /** Enter the path from the root to here into `entries`, so that it survives the dentry cache. */
  override pin(): void {
    this.sb.touch(this);
    let d: LDir = this;
    while (!d.pinned) {
      d.pinned = true;
      if (d.up === undefined) return;
      d.up.put(d.upName, d);
      d = d.up;
    }
  }

  override evict(): void { /* reached through `entries` or made anew; nothing to drop */ }

  /** What differs from the lower directory: nodes, and null for whiteouts. */
  get upperEntries(): ReadonlyMap<string, LNode | null> { return this.entries ?? NO_ENTRIES; }
  /** Does it stand over a lower directory whose contents are not shown? */
  get isHidden(): boolean { return this.lower !== undefined && this.lowerDir === undefined; }

  /** An entry of a saved directory. Link counts and times are restored by themselves. */
  restoreEntry(name: string, n: LNode | null): void {
    this.put(name, n);
    if (n instanceof LDir) n.place(this, name);
  }

  private put(name: string, n: LNode | null): void {
    this.sb.journal?.entry(this, name);
    (this.entries ??= new Map()).set(name, n);
  }

  private drop(name: string): void {
    this.sb.journal?.entry(this, name);
    this.entries?.delete(name);
  }


  private place(dir: LDir | undefined, name: string): void { this.up = dir; this.upName = name; }

  // ---- looking ----

  override lookup(_c: Caller, name: string): Inode | number {
    const e = this.entries?.get(name);
    if (e !== undefined) return e ?? -E.ENOENT;
    if (this.lowerDir === undefined || this.nlink === 0) return -E.ENOENT;
    const r = this.lowerDir.stat(name);
    return r < 0 ? r : this.adopt(this.lowerDir, name);
  }

  /** Inode for the lower object that $st describes. */
  private adopt(dir: LowerDir, name: string): LNode | number {
    const type = $st.mode & S_IFMT;
    const hidden = $st.dev !== this.devNo && (type === S_IFDIR || type === S_IFREG) && dir.hides(name);
    if (type === S_IFDIR) {
      const d = new LDir(this.sb, $st.mode, dir.child(name), hidden);
      d.place(this, name);
      return d;
    }
    if (hidden) return -E.ENOENT;
    const have = this.sb.knownNode($st.dev, $st.ino);
    if (have !== undefined && have.type === type) return have;
    const lower = { dir, name };
    const n = type === S_IFREG ? new LRegular(this.sb, $st.mode, lower)
      : type === S_IFLNK ? new LSymlink(this.sb, $st.mode, lower, undefined) : new LSpecial(this.sb, $st.mode, lower);
    this.sb.learn(n);
    return n;
  }

  override readdir(_c: Caller, list: DirList): number {
    const entries = this.entries;
    if (entries !== undefined) for (const [name, n] of entries) if (n !== null) list.add(name, n.ino, dtype(n.mode));
    return this.eachLower((name, ino, type) => { if (entries?.has(name) !== true) list.add(name, ino, type); });
  }

  override mayList(): number { return this.lowerDir === undefined ? 0 : this.lowerDir.mayList(); }

  private eachLower(each: (name: string, ino: number, type: number) => void): number {
    return this.lowerDir === undefined || this.nlink === 0 ? 0 : this.lowerDir.each(each);
  }

  private get isEmpty(): boolean {
    const entries = this.entries;
    if (entries !== undefined) for (const n of entries.values()) if (n !== null) return false;
    let empty = true;
    const r = this.eachLower((name) => { if (entries?.has(name) !== true) empty = false; });
    return r === 0 && empty;
  }

  private lowerHas(name: string): boolean { return this.lowerDir?.has(name) === true; }

  override refresh(): number {
    if (this.sb.fstype === 'tmpfs') this.size = TMPFS_ENTRY * (2 + (this.entries?.size ?? 0));
    return 0;
  }

  // ---- changing ----

  private changed(): void {
    this.pin();
    touchModified(this);
  }

  private enter(name: string, n: LNode): void {
    this.changed();
    this.put(name, n);
    if (n instanceof LDir) {
      n.place(this, name);
      n.pinned = true;
      // Directories that count their subdirectories start at 2; those that do not (btrfs, overlayfs) say 1 for ever.
      if (this.nlink > 1) this.nlink++;
    }
  }

  private leave(name: string, n: LNode): void {
    this.changed();
    if (this.lowerHas(name)) this.put(name, null);
    else this.drop(name);
    if (n instanceof LDir && this.nlink > 2) this.nlink--;
  }

  private born(c: Caller, n: LNode, mode: number): LNode {
    const o = newOwner(c, this, mode);
    n.mode = o.mode;
    n.uid = o.uid;
    n.gid = o.gid;
    touchBorn(n);
    return n;
  }

  override create(c: Caller, name: string, mode: number): Inode | number {
    const n = this.born(c, new LRegular(this.sb, mode, undefined), mode);
    this.enter(name, n);
    return n;
  }

  override mknod(c: Caller, name: string, mode: number, rdev: number): Inode | number {
    if ((mode & S_IFMT) === S_IFREG) return this.create(c, name, mode);
    const n = this.born(c, new LSpecial(this.sb, mode, undefined), mode);
    n.rdev = rdev;
    this.enter(name, n);
    return n;
  }

  override mkdir(c: Caller, name: string, mode: number): Inode | number {
    const n = this.born(c, new LDir(this.sb, S_IFDIR | mode, undefined), S_IFDIR | mode);
    this.enter(name, n);
    return n;
  }

  override symlink(c: Caller, name: string, target: string): Inode | number {
    const n = this.born(c, new LSymlink(this.sb, S_IFLNK | 0o777, undefined, target), S_IFLNK | 0o777);
    this.enter(name, n);
    return n;
  }

  /** An inode without a name (O_TMPFILE): linkat may give it one. */
  override tmpfile(c: Caller, mode: number): Inode | number {
    const n = this.born(c, new LRegular(this.sb, mode, undefined), mode);
    n.nlink = 0;
    return n;
  }

  override link(_c: Caller, name: string, target: Inode): number {
    const n = target as LNode;
    n.pin();
    n.nlink++;
    touchChanged(n);
    this.enter(name, n);
    return 0;
  }

  override unlink(_c: Caller, name: string, target: Inode): number {
    const n = target as LNode;
    n.pin();
    this.leave(name, n);
    if (n.nlink > 0) n.nlink--;
    touchChanged(n);
    return 0;
  }

  override rmdir(_c: Caller, name: string, target: Inode): number {
    const d = target as LDir;
    if (!d.isEmpty) return -E.ENOTEMPTY;
    this.leave(name, d);
    d.vanish();
    return 0;
  }

  private vanish(): void {
    this.sb.touch(this);
    this.nlink = 0;
    this.entries = undefined;
    this.place(undefined, '');
    touchChanged(this);
  }

  override rename(_c: Caller, name: string, target: Inode, newDir: Inode, newName: string, over: Inode | undefined, exchange: boolean): number {
    const n = target as LNode, to = newDir as LDir, o = over as LNode | undefined;
    if (exchange && o !== undefined) return this.swap(name, n, to, newName, o);
    if (o instanceof LDir && !o.isEmpty) return -E.ENOTEMPTY;
    n.pin();
    if (o !== undefined) {
      to.leave(newName, o);
      if (o instanceof LDir) o.vanish();
      else {
        o.pin();
        if (o.nlink > 0) o.nlink--;
        touchChanged(o);
      }
    }
    this.leave(name, n);
    to.enter(newName, n);
    touchChanged(n);
    return 0;
  }

  private swap(name: string, n: LNode, to: LDir, newName: string, o: LNode): number {
    n.pin();
    o.pin();
    this.leave(name, n);
    to.leave(newName, o);
    this.enter(name, o);
    to.enter(newName, n);
    touchChanged(n);
    touchChanged(o);
    return 0;
  }
}
