/**
 * The layers of an image as one lower tree. Each layer is an index in memory (shared/layer-index.ts) and a host directory of numbered data
 * files, so looking at names and attributes needs no host call, and no name of the image ever reaches the host.
 *
 * Layers are merged when they are asked, by overlayfs's rules: of a name, the topmost layer that has it counts; directories of several layers
 * are one, down to the first layer that has something else there, hides the name (whiteout) or everything in it (opaque).
 *
 *   ImageDir /usr = [layer 2: node 7] [layer 0: node 3]        layer 1 has no /usr; below layer 0 is nothing
 *
 * Inode numbers are the position of the node among all nodes, bottom layer first, so they depend on the layers alone. A directory of several
 * layers has the number and attributes of the topmost, but for one that an archive only implied. Link counts of directories are 1, which means "not
 * counted", as overlayfs has it for merged ones.
 */
import { readFileSync } from 'node:fs';
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';
import { decodeLayerIndex, type LayerIndex, NODE_IMPLIED, NODE_OPAQUE, WHITEOUT } from '../../../shared/layer-index.js';
import { $st } from '../host/stat.js';
import { allocDev, dtype, makeDev, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../inode.js';
import { isShown, type LowerDir } from './lower.js';

const O_RDONLY = 0, O_NOFOLLOW = 0o400000, O_PATH = 0o10000000, O_DIRECTORY = 0o200000;
const BLOCK = 4096;
const NO_NAMES: ReadonlyMap<string, number> = new Map();

/** One layer, opened. */
export class Layer {
  /** Entries of the directories that were looked into. */
  private readonly tables = new Map<number, ReadonlyMap<string, number>>();

  /** dataFd: directory of the numbered files; firstIno: number of node 0. */
  constructor(readonly index: LayerIndex, private readonly dataFd: number, readonly firstIno: number) {}

  isDir(node: number): boolean { return ((this.index.mode[node] as number) & S_IFMT) === S_IFDIR; }
  has(node: number, flag: number): boolean { return ((this.index.flags[node] as number) & flag) !== 0; }

  /** Name → node or WHITEOUT. */
  entries(node: number): ReadonlyMap<string, number> {
    const have = this.tables.get(node);
    if (have !== undefined) return have;
    const { ref, len, names, nodes } = this.index;
    const first = ref[node] as number, end = first + (len[node] as number);
    let table = NO_NAMES;
    if (end > first) {
      const m = new Map<string, number>();
      for (let i = first; i < end; i++) m.set(names[i] as string, nodes[i] as number);
      table = m;
    }
    this.tables.set(node, table);
    return table;
  }

  openData(node: number): number { return host.openat(this.dataFd, String(this.index.ref[node] as number), O_RDONLY | O_NOFOLLOW); }
}

/** Open the layers of an image, topmost first. Throws when one cannot be used (STYLE E3: bad boot configuration). */
export function openLayers(dirs: readonly string[]): Layer[] {
  const layers: Layer[] = [];
  let ino = 1;
  for (const dir of [...dirs].reverse()) {
    const index = decodeLayerIndex(readFileSync(Buffer.from(`${dir}/index`, 'latin1')));
    const fd = host.openat(host.AT_FDCWD, `${dir}/data`, O_PATH | O_DIRECTORY);
    if (fd < 0) throw new Error(`the layer ${dir}: errno ${-fd}`);
    layers.unshift(new Layer(index, fd, ino));
    ino += index.count;
  }
  return layers;
}

/** A node of a layer. */
interface Place { readonly layer: Layer; readonly node: number }

export class ImageDir implements LowerDir {
  /** places: the directory in every layer that shows in it, topmost first; empty = there is none. */
  private constructor(private readonly places: readonly Place[], private readonly dev: number, private readonly parent: ImageDir | undefined, private readonly name: string) {}

  static root(layers: readonly Layer[]): ImageDir {
    return new ImageDir(visible(layers.map((layer) => ({ layer, node: 0 }))), allocDev(), undefined, '');
  }

  get path(): string {
    if (this.parent === undefined) return '';
    const up = this.parent.path;
    return up === '' ? this.name : `${up}/${this.name}`;
  }

  /** What a name means: its places, topmost first; one, unless they are directories. Empty = nothing. */
  private find(name: string): readonly Place[] {
    if (name === '.') return this.places;
    const found: Place[] = [];
    for (const { layer, node } of this.places) {
      const kid = layer.entries(node).get(name);
      if (kid === undefined) continue;
      if (kid === WHITEOUT || (found.length > 0 && !layer.isDir(kid))) break;
      found.push({ layer, node: kid });
      if (!layer.isDir(kid)) break;
    }
    return visible(found);
  }

  stat(name: string): number {
    const found = this.find(name);
    const top = found[0];
    if (top === undefined) return -E.ENOENT;
    this.fill(top, found.find(({ layer, node }) => !layer.has(node, NODE_IMPLIED)) ?? top);
    return 0;
  }

  /** $st of a node; attributes from `attr`, which is another layer's when the archive only implied the directory. */
  private fill(top: Place, attr: Place): void {
    const x = attr.layer.index, n = attr.node;
    const isDir = attr.layer.isDir(n);
    const size = isDir ? BLOCK : x.size[n] as number;
    $st.mode = x.mode[n] as number;
    $st.nlink = isDir ? 1 : x.nlink[n] as number;
    $st.uid = x.uid[n] as number;
    $st.gid = x.gid[n] as number;
    $st.ino = top.layer.firstIno + top.node;
    $st.size = size;
    $st.blksize = BLOCK;
    $st.blocks = ($st.mode & S_IFMT) === S_IFREG || isDir ? Math.ceil(size / BLOCK) * 8 : 0;
    $st.rdev = makeDev(x.major[n] as number, x.minor[n] as number);
    $st.dev = this.dev;
    $st.atime = $st.mtime = $st.ctime = x.mtime[n] as number;
    $st.atimeNsec = $st.mtimeNsec = $st.ctimeNsec = x.mtimeNsec[n] as number;
    $st.btime = $st.btimeNsec = 0;
    $st.btimeKnown = false;
  }

  hides(): boolean { return false; }
  mayList(): number { return 0; }

  child(name: string): LowerDir {
    const found = this.find(name);
    return new ImageDir(found[0]?.layer.isDir(found[0].node) === true ? found : [], this.dev, this, name);
  }

  each(fn: (name: string, ino: number, type: number) => void): number {
    const seen = this.places.length > 1 ? new Set<string>() : undefined;
    for (const { layer, node } of this.places) {
      for (const [name, kid] of layer.entries(node)) {
        if (seen?.has(name) === true) continue;
        seen?.add(name);
        if (kid !== WHITEOUT) fn(name, layer.firstIno + kid, dtype(layer.index.mode[kid] as number));
      }
    }
    return 0;
  }

  has(name: string): boolean { return this.find(name).length > 0; }

  open(name: string): number {
    const top = this.find(name)[0];
    if (top === undefined) return -E.ENOENT;
    return ((top.layer.index.mode[top.node] as number) & S_IFMT) === S_IFREG ? top.layer.openData(top.node) : -E.EINVAL;
  }

  readlink(name: string): string | number {
    const top = this.find(name)[0];
    if (top === undefined) return -E.ENOENT;
    const x = top.layer.index;
    if (((x.mode[top.node] as number) & S_IFMT) !== S_IFLNK) return -E.EINVAL;
    return x.targets[x.ref[top.node] as number] ?? -E.EIO;
  }

  xattrs(name: string): Map<string, string> {
    const found = this.find(name);
    const attr = found.find(({ layer, node }) => !layer.has(node, NODE_IMPLIED)) ?? found[0];
    const list = attr?.layer.index.xattrs.get(attr.node);
    return new Map(list === undefined ? [] : [...list].filter(([key]) => isShown(key)));
  }
}

/** Of a directory's places, those above the first opaque one, and that. */
function visible(places: readonly Place[]): readonly Place[] {
  const cut = places.findIndex(({ layer, node }) => layer.has(node, NODE_OPAQUE));
  return cut < 0 ? places : places.slice(0, cut + 1);
}
