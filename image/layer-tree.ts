/**
 * The tree of one layer, built from the entries of its archive. It exists in memory only: names of the archive never become names on the host, so
 * nothing in an archive can reach outside, whatever it is called or linked to.
 *
 * Rules, from the OCI image specification (layer.md) and what docker does where that is silent:
 *   - names are cleaned as paths below the root; one that would leave it ("../x") is refused
 *   - a parent that the archive never mentions is implied; one that is a symbolic link is followed inside this tree, or refused
 *   - .wh.NAME hides NAME of the layers below, .wh..wh..opq everything in its directory; other .wh..wh. names are aufs's own and ignored
 *   - an entry replaces an earlier one of its name; a directory over a directory only takes the new attributes
 *   - a directory that comes with a whiteout of its own name shows nothing of the one below
 */
import { type LayerIndex, NODE_IMPLIED, NODE_OPAQUE, WHITEOUT } from '../shared/layer-index.js';
import { ImageError, shown } from './error.js';
import type { TarEntry } from './tar.js';

/** st_mode of each type. inode(7). */
const S_IFDIR = 0o040000;
const TYPE_BITS = { file: 0o100000, symlink: 0o120000, char: 0o020000, block: 0o060000, dir: S_IFDIR, fifo: 0o010000 } as const;
const WH = '.wh.', OPAQUE = '.wh..wh..opq', AUFS = '.wh..wh.';
/** linux/limits.h NAME_MAX, PATH_MAX; path_resolution(7) for the links. */
const NAME_MAX = 255, PATH_MAX = 4096, LINKS_MAX = 40;
/** More nodes or text than any real layer has: an archive made to exhaust memory. */
const NODES_MAX = 8_000_000, TEXT_MAX = 1 << 30;
/** Ids that Linux can hold; -1 means "no change" there. */
const ID_MAX = 0xfffffffe;

export class TreeNode {
  uid = 0;
  gid = 0;
  nlink = 1;
  size = 0;
  mtime = 0;
  mtimeNsec = 0;
  major = 0;
  minor = 0;
  /** Regular files: number of its data, 0 = empty. */
  data = 0;
  target = '';
  xattrs: ReadonlyMap<string, string> | undefined = undefined;
  /** Directories: null is a whiteout. */
  readonly entries: Map<string, TreeNode | null> | undefined;
  opaque = false;
  implied = false;

  constructor(public mode: number) { this.entries = (mode & 0o170000) === S_IFDIR ? new Map() : undefined; }
  get isDir(): boolean { return this.entries !== undefined; }
}

/** Components of an archive's path, cleaned: "." and empty ones dropped, ".." resolved; undefined = it leaves the root. */
export function cleanPath(path: string): string[] | undefined {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') { parts.push(part); continue; }
    // "/.." is "/", as everywhere; "../" before anything else is an escape.
    if (parts.pop() === undefined && !path.startsWith('/')) return undefined;
  }
  return parts;
}

export class LayerTree {
  readonly root = new TreeNode(S_IFDIR | 0o755);
  private count = 1;
  private text = 0;

  /** dropData: the data of this number are not wanted any more. */
  constructor(private readonly dropData: (n: number) => void) { this.root.implied = true; }

  /** Take an entry in. The node that its data belong to, for regular files; undefined when there are none to keep. */
  add(e: TarEntry): TreeNode | undefined {
    const parts = this.partsOf(e.name, e.name);
    const name = parts.pop();
    if (name === undefined) {
      if (e.type !== 'dir') this.refuse(e.name, 'would replace the root');
      this.setAttr(this.root, e);
      return undefined;
    }
    if (name.startsWith(WH)) { this.whiteout(e, parts, name); return undefined; }
    const dir = this.makeDirs(parts, e.name);
    if (e.type === 'link') { this.link(e, dir, name); return undefined; }
    const have = dir.entries?.get(name);
    if (e.type === 'dir' && have?.isDir === true) { this.setAttr(have, e); return undefined; }
    const node = this.newNode(TYPE_BITS[e.type]);
    node.opaque = e.type === 'dir' && have === null;
    if (e.type === 'symlink') this.setTarget(node, e);
    this.setAttr(node, e);
    this.put(dir, name, node);
    return e.type === 'file' ? node : undefined;
  }

  private refuse(name: string, why: string): never {
    throw new ImageError(`bad layer: entry "${shown(name)}" ${why}`);
  }

  private partsOf(path: string, entry: string): string[] {
    if (path.length > PATH_MAX) this.refuse(entry, 'has a path that is too long');
    const parts = cleanPath(path);
    if (parts === undefined) return this.refuse(entry, path === entry ? 'leads out of the root' : `links to "${shown(path)}", out of the root`);
    for (const part of parts) if (part.length > NAME_MAX || part.includes('\0')) this.refuse(entry, 'has a name that is not possible');
    return parts;
  }

  private newNode(mode: number): TreeNode {
    if (++this.count > NODES_MAX) throw new ImageError(`bad layer: more than ${NODES_MAX} files`);
    return new TreeNode(mode);
  }

  private remember(text: string): void {
    this.text += text.length;
    if (this.text > TEXT_MAX) throw new ImageError('bad layer: its names and attributes are too long together');
  }

  private setAttr(n: TreeNode, e: TarEntry): void {
    if (e.uid < 0 || e.uid > ID_MAX || e.gid < 0 || e.gid > ID_MAX) this.refuse(e.name, 'has an owner that is not possible');
    if (e.major < 0 || e.major > 0xfff || e.minor < 0 || e.minor > 0xfffff) this.refuse(e.name, 'has a device number that is not possible');
    n.mode = (n.mode & 0o170000) | (e.type === 'symlink' ? 0o777 : e.mode);
    n.uid = e.uid;
    n.gid = e.gid;
    n.mtime = e.mtime;
    n.mtimeNsec = e.mtimeNsec;
    n.major = e.major;
    n.minor = e.minor;
    n.implied = false;
    n.xattrs = e.xattrs;
    if (e.xattrs !== undefined) for (const [name, value] of e.xattrs) this.setXattr(e, name, value);
  }

  private setXattr(e: TarEntry, name: string, value: string): void {
    // xattr(7): limits of name and value.
    if (name === '' || name.length > 255 || name.includes('\0') || value.length > 65536) this.refuse(e.name, 'has an extended attribute that is not possible');
    this.remember(name);
    this.remember(value);
  }

  private setTarget(n: TreeNode, e: TarEntry): void {
    if (e.linkname === '' || e.linkname.length >= PATH_MAX || e.linkname.includes('\0')) this.refuse(e.name, 'is a symbolic link with an impossible target');
    n.target = e.linkname;
    n.size = e.linkname.length;
    this.remember(e.linkname);
  }

  /** Directory at a path of cleaned components, made where it is missing. */
  private makeDirs(parts: readonly string[], entry: string): TreeNode {
    let at = this.root;
    const trail: TreeNode[] = [];
    const todo = [...parts].reverse();
    let links = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '..') { at = trail.pop() ?? this.root; continue; }
      const next = at.entries?.get(part);
      if (next === undefined || next === null) {
        // Missing below a link means that the link leads nowhere in this layer, and guessing could put the entry anywhere.
        if (links > 0) this.refuse(entry, 'lies below a symbolic link that leads to no directory of the layer');
        const dir = this.newNode(S_IFDIR | 0o755);
        dir.implied = true;
        dir.opaque = next === null;
        this.put(at, part, dir);
        trail.push(at);
        at = dir;
      } else if (next.isDir) {
        trail.push(at);
        at = next;
      } else if (next.target !== '') {
        if (++links > LINKS_MAX) this.refuse(entry, 'lies below a loop of symbolic links');
        if (next.target.startsWith('/')) { at = this.root; trail.length = 0; }
        todo.push(...next.target.split('/').filter((p) => p !== '' && p !== '.').reverse());
      } else {
        this.refuse(entry, 'lies below something that is no directory');
      }
    }
    return at;
  }

  private put(dir: TreeNode, name: string, node: TreeNode | null): void {
    const entries = dir.entries as Map<string, TreeNode | null>;
    const have = entries.get(name);
    if (have !== undefined && have !== null) this.drop(have);
    else if (have === undefined) this.remember(name);
    entries.set(name, node);
  }

  /** A name of the node, or its whole directory, was replaced. */
  private drop(n: TreeNode): void {
    const stack = [n];
    for (let d = stack.pop(); d !== undefined; d = stack.pop()) {
      if (d.entries !== undefined) { for (const kid of d.entries.values()) if (kid !== null) stack.push(kid); continue; }
      if (--d.nlink === 0 && d.data > 0) { this.dropData(d.data); d.data = 0; }
    }
  }

  private link(e: TarEntry, dir: TreeNode, name: string): void {
    const parts = this.partsOf(e.linkname, e.name);
    const last = parts.pop();
    let at: TreeNode | undefined = this.root;
    for (const part of parts) at = at?.entries?.get(part) ?? undefined;
    const target = last === undefined ? undefined : at?.entries?.get(last) ?? undefined;
    if (target === undefined || target.isDir) return this.refuse(e.name, `is a hard link to "${shown(e.linkname)}", which is no file of the layer`);
    if (dir.entries?.get(name) === target) return;
    target.nlink++;
    this.put(dir, name, target);
  }

  private whiteout(e: TarEntry, parts: readonly string[], name: string): void {
    if (name === OPAQUE) { this.makeDirs(parts, e.name).opaque = true; return; }
    if (name.startsWith(AUFS)) return;
    const hidden = name.slice(WH.length);
    if (hidden === '' || hidden === '.' || hidden === '..') this.refuse(e.name, 'is a whiteout of nothing');
    const dir = this.makeDirs(parts, e.name);
    const have = dir.entries?.get(hidden);
    if (have === undefined) this.put(dir, hidden, null);
    else if (have !== null && have.isDir) have.opaque = true;
  }
}

/** Nodes in the order in which they are numbered, and everything about them as columns. */
export function toIndex(root: TreeNode): LayerIndex {
  const numbers = new Map<TreeNode, number>([[root, 0]]);
  const order: TreeNode[] = [root];
  const names: string[] = [];
  const nodes: number[] = [];
  const firsts: number[] = [];
  // Grows while it is walked.
  for (let i = 0; i < order.length; i++) {
    firsts.push(names.length);
    for (const [name, kid] of order[i]?.entries ?? []) {
      names.push(name);
      let n = kid === null ? WHITEOUT : numbers.get(kid);
      if (n === undefined && kid !== null) { n = order.length; numbers.set(kid, n); order.push(kid); }
      nodes.push(n as number);
    }
  }
  const count = order.length;
  const u32 = (get: (n: TreeNode) => number): Uint32Array => Uint32Array.from(order, get);
  const targets: string[] = [];
  const ref = Uint32Array.from(order, (n, i) => n.isDir ? firsts[i] as number : n.target !== '' ? targets.push(n.target) - 1 : n.data);
  const xattrs = new Map<number, ReadonlyMap<string, string>>();
  order.forEach((n, i) => { if (n.xattrs !== undefined) xattrs.set(i, n.xattrs); });
  return {
    count, targets, names, nodes: Int32Array.from(nodes), ref, xattrs,
    mode: u32((n) => n.mode), uid: u32((n) => n.uid), gid: u32((n) => n.gid), nlink: u32((n) => n.nlink),
    size: Float64Array.from(order, (n) => n.size), mtime: Float64Array.from(order, (n) => n.mtime), mtimeNsec: u32((n) => n.mtimeNsec),
    major: u32((n) => n.major), minor: u32((n) => n.minor), len: u32((n) => n.entries?.size ?? 0),
    flags: Uint8Array.from(order, (n) => (n.opaque ? NODE_OPAQUE : 0) | (n.implied ? NODE_IMPLIED : 0)),
  };
}
