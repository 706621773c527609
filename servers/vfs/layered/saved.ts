/**
 * The upper layer's index: everything about it but file data, as one file, so that a container can be started again.
 *
 *   upper/index     msgpack of SavedTree; written when the container ends, read when one starts on the same upper directory
 *   upper/journal   what has changed since (journal.ts); gone when the container has ended by itself
 *   upper/N         data of regular files (data.ts)
 *
 * Written beside its name, synced and renamed, so there is always a whole index or none; after a crash the previous one counts, and the journal. Nothing is written when
 * nothing was changed. Numbered files that no index names (of unlinked files, of tmpfs) are removed with it.
 *
 * What is saved: the tree of `entries` from the root, whiteouts included, and the changed lower files that are known by inode only. Lower objects are found
 * again by their path below the root, hard links and renamed directories (redirects) included; their st_dev and st_ino are the host's
 * as they are then. A lower object that has gone from the host meanwhile goes on as one of the upper layer, if it still has a place.
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { pack } from 'msgpackr/pack';
import { unpack } from 'msgpackr/unpack';
import { $st } from '../host/stat.js';
import type { Caller } from '../inode.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../inode.js';
import { dataOpen } from './data.js';
import { LDir } from './dir.js';
import type { LowerDir } from './lower.js';
import { type LNode, LSpecial, LSymlink, type SavedAttr } from './node.js';
import { LRegular } from './regular.js';
import type { LayeredSuper } from './super.js';

export const SAVED_VERSION = 2;
const INDEX = 'index', DRAFT = 'index.new';
/** Numbers among a directory's entries: a whiteout; in the journal, an entry that is no more. */
export const WHITEOUT = -1, REMOVED = -2;

export interface SavedNode {
  readonly attr: SavedAttr;
  /** Path of the lower object below the lower root, '' = the root; undefined = it has none. */
  readonly lower?: string;
  /** Directories: what the lower one holds is not shown (a mount point of a pseudo file system of the host). */
  readonly hidden?: boolean;
  /** Regular files: name of the data in the upper directory. */
  readonly data?: string;
  /** Symbolic links. */
  readonly target?: string;
  /** Directories: name and number of the node, or WHITEOUT. */
  readonly entries?: ReadonlyArray<readonly [string, number]>;
}

export interface SavedTree {
  readonly version: number;
  /** Grows with every index that is written; the journal names the one that it continues. */
  readonly epoch: number;
  /** Host directory of the lower layer. */
  readonly lower: string;
  readonly nextIno: number;
  /** 0 is the root. Those that no directory names are changed lower files. */
  readonly nodes: readonly SavedNode[];
}

// ---- to plain data ----

/** Numbers nodes in the order in which they are met. */
class Numbering {
  private readonly numbers = new Map<LNode, number>();

  constructor(readonly order: LNode[]) {}

  of(n: LNode): number {
    const have = this.numbers.get(n);
    if (have !== undefined) return have;
    this.numbers.set(n, this.order.length);
    this.order.push(n);
    return this.order.length - 1;
  }
}

/** A node as plain data. `numberOf` names the node of an entry; `only`: of a directory these entries, those that are not there any more as REMOVED. */
export function saveNode(n: LNode, numberOf: (n: LNode) => number, only?: ReadonlySet<string>): SavedNode {
  n.refresh();
  const lower = n.lower;
  const common = { attr: n.saveAttr(), ...(lower === undefined ? {} : { lower: n.isDir ? lower.dir.path : join(lower.dir.path, lower.name) }) };
  if (n instanceof LDir) {
    const entries: Array<readonly [string, number]> = [];
    const add = (name: string, child: LNode | null | undefined): void => { entries.push([name, child === undefined ? REMOVED : child === null ? WHITEOUT : numberOf(child)]); };
    if (only === undefined) n.upperEntries.forEach((child, name) => { add(name, child); });
    else for (const name of only) add(name, n.upperEntries.get(name));
    return { ...common, ...(n.isHidden ? { hidden: true } : {}), ...(entries.length > 0 ? { entries } : {}) };
  }
  if (n instanceof LRegular) return n.dataName === '' ? common : { ...common, data: n.dataName };
  if (n instanceof LSymlink) return n.knownTarget === undefined ? common : { ...common, target: n.knownTarget };
  return common;
}

const join = (dir: string, name: string): string => (dir === '' ? name : `${dir}/${name}`);

/** The whole upper layer as plain data. lower: what the lower layer is called, checked when it is loaded. order: receives the nodes as they are numbered. */
export function saveTree(sb: LayeredSuper, lower: string, epoch = 1, order: LNode[] = []): SavedTree {
  const numbers = new Numbering(order);
  numbers.of(sb.root);
  sb.eachKnown((n) => { if (n.pinned && n.nlink > 0) numbers.of(n); });
  const nodes: SavedNode[] = [];
  // Grows while it is walked: directories bring in their entries.
  for (let i = 0; i < numbers.order.length; i++) nodes.push(saveNode(numbers.order[i] as LNode, (n) => numbers.of(n)));
  return { version: SAVED_VERSION, epoch, lower, nextIno: sb.inoCounter, nodes };
}

// ---- and back ----

class Loader {
  private readonly made: Array<LNode | undefined>;
  private readonly dirs = new Map<string, LowerDir>();

  constructor(private readonly sb: LayeredSuper, private readonly rootDir: LowerDir, private readonly tree: SavedTree) {
    this.made = new Array<LNode | undefined>(tree.nodes.length);
  }

  private lowerDir(path: string): LowerDir {
    if (path === '') return this.rootDir;
    let d = this.dirs.get(path);
    if (d === undefined) {
      const cut = path.lastIndexOf('/');
      d = this.lowerDir(cut < 0 ? '' : path.slice(0, cut)).child(path.slice(cut + 1));
      this.dirs.set(path, d);
    }
    return d;
  }

  /** A node as it was; a lower counterpart that is still there, of the same type, is taken up. */
  private make(s: SavedNode): LNode {
    const { mode } = s.attr;
    const type = mode & S_IFMT;
    if (type === S_IFDIR) {
      const dir = s.lower === undefined ? undefined : this.lowerDir(s.lower);
      return dir?.stat('.') === 0 ? new LDir(this.sb, $st.mode, dir, s.hidden) : new LDir(this.sb, mode, undefined);
    }
    const lower = s.lower === undefined ? undefined : this.lowerOf(s.lower, type);
    if (type === S_IFREG) {
      const n = new LRegular(this.sb, mode, lower);
      if (s.data !== undefined) n.adoptData(dataOpen(s.data));
      return n;
    }
    return type === S_IFLNK ? new LSymlink(this.sb, mode, lower, s.target) : new LSpecial(this.sb, mode, lower);
  }

  /** Where a lower object is; its attributes are in $st then. */
  private lowerOf(path: string, type: number): { dir: LowerDir; name: string } | undefined {
    const cut = path.lastIndexOf('/');
    const dir = this.lowerDir(cut < 0 ? '' : path.slice(0, cut));
    const name = path.slice(cut + 1);
    return dir.stat(name) === 0 && ($st.mode & S_IFMT) === type ? { dir, name } : undefined;
  }

  private node(i: number): LNode {
    const have = this.made[i];
    if (have !== undefined) return have;
    const s = this.tree.nodes[i] as SavedNode;
    const n = i === 0 ? this.sb.root : this.make(s);
    this.made[i] = n;
    n.restoreAttr(s.attr);
    n.saved = i;
    if (n.lower !== undefined && !n.isDir) this.sb.learn(n);
    return n;
  }

  /** The nodes by their numbers. */
  load(c: Caller): ReadonlyArray<LNode | undefined> {
    const { nodes } = this.tree;
    // Counted from here: a node that is in a directory has a place of its own.
    const placed = new Set<number>([0]);
    for (const s of nodes) for (const [, child] of s.entries ?? []) placed.add(child);
    nodes.forEach((s, i) => {
      const dir = this.node(i);
      if (dir instanceof LDir) for (const [name, child] of s.entries ?? []) dir.restoreEntry(name, child === WHITEOUT ? null : this.node(child));
    });
    nodes.forEach((s, i) => {
      if (placed.has(i) || s.lower === undefined || this.node(i).lower !== undefined) return;
      // Without contents of its own there is nothing left of it.
      if (s.data !== undefined || s.target !== undefined) this.rescue(c, this.node(i), s.lower);
    });
    this.sb.inoCounter = Math.max(this.sb.inoCounter, this.tree.nextIno);
    return this.made;
  }

  /** A changed file that was known by its lower one, which has gone: it keeps its name if the directories on the way are still there. */
  private rescue(c: Caller, n: LNode, path: string): void {
    let at: LDir = this.sb.root;
    const parts = path.split('/');
    const name = parts.pop() as string;
    for (const part of parts) {
      const next = at.lookup(c, part);
      if (!(next instanceof LDir)) return;
      at = next;
    }
    if (at.upperEntries.has(name)) return;
    at.pin();
    at.restoreEntry(name, n);
  }
}

/** Put a saved upper layer into a fresh superblock over the same lower directory. The nodes by their numbers. */
export function loadTree(sb: LayeredSuper, lowerDir: LowerDir, tree: SavedTree, c: Caller): ReadonlyArray<LNode | undefined> {
  return new Loader(sb, lowerDir, tree).load(c);
}

// ---- the file ----

const pathIn = (dir: string, name: string): Buffer => Buffer.from(`${dir}/${name}`, 'latin1');

/** The index in an upper directory; undefined = there is none. Throws when it cannot be used (STYLE E3: bad boot configuration). */
export function readIndex(upperDir: string, lower: string): SavedTree | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(pathIn(upperDir, INDEX));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const tree = unpack(bytes) as Partial<SavedTree>;
  if (tree.version !== SAVED_VERSION || !Array.isArray(tree.nodes)) throw new Error('the writable layer was made by another version of carrick');
  if (tree.lower !== lower) throw new Error(`the writable layer belongs to the root ${tree.lower ?? '?'}`);
  return tree as SavedTree;
}

/** Replace the index; its size in bytes. Data that it does not name are removeStray's. */
export function writeIndex(upperDir: string, tree: SavedTree): number {
  const bytes = pack(tree);
  const fd = openSync(pathIn(upperDir, DRAFT), 'w', 0o600);
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(pathIn(upperDir, DRAFT), pathIn(upperDir, INDEX));
  const dir = openSync(Buffer.from(upperDir, 'latin1'), 'r');
  fsyncSync(dir);
  closeSync(dir);
  return bytes.length;
}

/** Remove numbered files that no node names. */
export function removeStray(upperDir: string, nodes: readonly SavedNode[]): void {
  const named = new Set<string>();
  for (const n of nodes) if (n.data !== undefined) named.add(n.data);
  for (const name of readdirSync(Buffer.from(upperDir, 'latin1'), 'latin1')) if (/^\d+$/.test(name) && !named.has(name)) unlinkSync(pathIn(upperDir, name));
}
