/**
 * The index of an image layer: its whole tree without file data, as one file that image/ writes once and vfs reads when a container starts.
 *
 *   layers/HEX/index    what encodeLayerIndex gives; HEX is the layer's diff id (sha256 of its tar)
 *   layers/HEX/data/N   bytes of a regular file; data/0 is empty and serves every empty file
 *
 * Nodes are inodes: hard links are several entries of one node. Node 0 is the root. Nodes are columns (one typed array per attribute) and the
 * entries of a directory are a range of the entry columns, so that a layer of 100,000 files is read in milliseconds. Names, link targets and
 * attribute names are byte strings held as latin1, as everywhere (STYLE H4); they cannot hold NUL, so they are joined by it.
 */
import { pack } from 'msgpackr/pack';
import { unpack } from 'msgpackr/unpack';

const VERSION = 1;

/** Entry that hides the name in the layers below. */
export const WHITEOUT = -1;
/** Directory: nothing of the layers below is shown in it. */
export const NODE_OPAQUE = 1;
/** Directory: the archive only implied it (something lies in it), so its attributes are those of the layers below, if they have it. */
export const NODE_IMPLIED = 2;

export interface LayerIndex {
  /** Number of nodes. */
  readonly count: number;
  /** st_mode, with the file's type. */
  readonly mode: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  /** Names of the node in this layer; 1 for directories. */
  readonly nlink: Uint32Array;
  /** Bytes. */
  readonly size: Float64Array;
  /** Modification time: seconds since the epoch (may be negative) and nanoseconds. */
  readonly mtime: Float64Array;
  readonly mtimeNsec: Uint32Array;
  /** Device nodes: major and minor, as the archive has them. */
  readonly major: Uint32Array;
  readonly minor: Uint32Array;
  /** Regular files: N of data/N. Symbolic links: index in `targets`. Directories: first entry. */
  readonly ref: Uint32Array;
  /** Directories: number of entries. */
  readonly len: Uint32Array;
  /** NODE_* bits. */
  readonly flags: Uint8Array;
  readonly targets: readonly string[];
  /** Entries, those of one directory side by side. */
  readonly names: readonly string[];
  /** Node of each entry, or WHITEOUT. */
  readonly nodes: Int32Array;
  /** Extended attributes of a node: names and values, latin1. */
  readonly xattrs: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

type Column = 'mode' | 'uid' | 'gid' | 'nlink' | 'size' | 'mtime' | 'mtimeNsec' | 'major' | 'minor' | 'ref' | 'len' | 'flags' | 'nodes';

/** On disk. Columns are the bytes of their typed arrays: an index never leaves its machine. */
interface Packed extends Record<Column, Uint8Array> {
  readonly version: number;
  readonly count: number;
  readonly names: Uint8Array;
  readonly targets: Uint8Array;
  /** [node, name, value, node, name, value ...]; names and values as bytes. */
  readonly xattrs: ReadonlyArray<number | Uint8Array>;
}

const bytesOf = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const join = (list: readonly string[]): Uint8Array => Buffer.from(list.join('\0'), 'latin1');
const latin1 = (b: Uint8Array): string => Buffer.from(b.buffer, b.byteOffset, b.byteLength).latin1Slice();

export function encodeLayerIndex(x: LayerIndex): Buffer {
  const xattrs: Array<number | Uint8Array> = [];
  for (const [node, list] of x.xattrs) for (const [name, value] of list) xattrs.push(node, Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'));
  const packed: Packed = {
    version: VERSION, count: x.count, names: join(x.names), targets: join(x.targets), xattrs,
    mode: bytesOf(x.mode), uid: bytesOf(x.uid), gid: bytesOf(x.gid), nlink: bytesOf(x.nlink), size: bytesOf(x.size), mtime: bytesOf(x.mtime),
    mtimeNsec: bytesOf(x.mtimeNsec), major: bytesOf(x.major), minor: bytesOf(x.minor), ref: bytesOf(x.ref), len: bytesOf(x.len), flags: bytesOf(x.flags), nodes: bytesOf(x.nodes),
  };
  return pack(packed);
}

/** Own memory for a column: what msgpackr gives is a slice of the file, seldom aligned. */
function aligned(b: Uint8Array): ArrayBuffer {
  return Uint8Array.from(b).buffer;
}

function split(b: Uint8Array, count: number): string[] {
  return count === 0 ? [] : latin1(b).split('\0');
}

/** Throws when the bytes are not an index of this version. */
export function decodeLayerIndex(bytes: Uint8Array): LayerIndex {
  const p = unpack(bytes) as Packed;
  if (p.version !== VERSION) throw new Error('the layer was unpacked by another version of carrick; remove the image and get it again');
  const xattrs = new Map<number, Map<string, string>>();
  for (let i = 0; i + 2 < p.xattrs.length; i += 3) {
    const node = p.xattrs[i] as number;
    let list = xattrs.get(node);
    if (list === undefined) xattrs.set(node, list = new Map());
    list.set(latin1(p.xattrs[i + 1] as Uint8Array), latin1(p.xattrs[i + 2] as Uint8Array));
  }
  const u32 = (b: Uint8Array): Uint32Array => new Uint32Array(aligned(b));
  const f64 = (b: Uint8Array): Float64Array => new Float64Array(aligned(b));
  const nodes = new Int32Array(aligned(p.nodes));
  const index: LayerIndex = {
    count: p.count, mode: u32(p.mode), uid: u32(p.uid), gid: u32(p.gid), nlink: u32(p.nlink), size: f64(p.size), mtime: f64(p.mtime), mtimeNsec: u32(p.mtimeNsec),
    major: u32(p.major), minor: u32(p.minor), ref: u32(p.ref), len: u32(p.len), flags: Uint8Array.from(p.flags), nodes,
    targets: latin1(p.targets).split('\0'), names: split(p.names, nodes.length), xattrs,
  };
  if (index.mode.length !== p.count || index.names.length !== nodes.length) throw new Error('the index of a layer is damaged; remove the image and get it again');
  return index;
}
