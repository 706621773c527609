/**
 * The journal of a writable layer that outlives its carrick: what has changed since the index (saved.ts) was written, so that a carrick that is killed loses nothing that
 * a guest has fsynced, and at most a second of the rest.
 *
 *   upper/journal   batches, one behind the other, each [u32 bytes][8 bytes of the SHA-256 of them][msgpack of Batch]
 *
 * Inodes and directories report their changes (touch, entry); nothing is written then. A *flush* appends one batch with the present state of all that has changed: so each
 * batch leads from one whole tree to the next, as a file system's transaction does, and a batch that was cut short is as if it had never been begun. Flushes happen when
 *   - the guest calls fsync, fdatasync, sync or syncfs, or opens with O_SYNC: the data go to the disk first, then the batch, then the call returns
 *   - a second has passed since the first change: written, but not forced to the disk
 *
 * Data of files that have lost their last name stay until the batch that says so is on the disk: until then a crash would bring the name back. That is why `discard` exists.
 * When the journal has grown well beyond the index, the next flush writes the index anew and begins another (checkpoint). Index and journal belong together by their
 * epoch: an index that is newer than the journal beside it has everything that is in it.
 *
 * Nodes are called by their position in the index; those that came later by the numbers that follow (`LNode.saved`, -1 = in neither). Everything here is of the vfs worker.
 */
import type * as Crypto from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pack } from 'msgpackr/pack';
import { unpack } from 'msgpackr/unpack';
import { nowNs } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import { native } from '../../../shared/native.js';
import { Timer } from '../../../shared/wait.js';
import type { Data } from './data.js';
import { LDir } from './dir.js';
import type { LNode } from './node.js';
import { REMOVED, removeStray, SAVED_VERSION, type SavedNode, type SavedTree, saveNode, saveTree, WHITEOUT, writeIndex } from './saved.js';
import type { LayeredSuper } from './super.js';

const VERSION = 1;
const NAME = 'journal';
/** Bytes of a batch's length and hash. */
const HEAD = 12, HASH = 8;
/** How long a change may wait for its batch. ns. */
const WAIT_NS = 1e9;
/** The journal may grow to this size, and to this multiple of the index, before the index is written anew. Bytes. */
const GROW_MIN = 4 << 20, GROW_TIMES = 2;
/** syncfs(2). */
const SYS_syncfs = process.arch === 'arm64' ? 267 : 306;

/** Loaded with the first batch: that takes milliseconds, and most containers write none. */
let crypto: typeof Crypto | undefined;

function sha256(bytes: Buffer): Buffer {
  crypto ??= createRequire(import.meta.url)('node:crypto') as typeof Crypto;
  return crypto.createHash('sha256').update(bytes).digest();
}

/** A node as it is now; of a directory that was there before only the entries that have changed. No node: it is gone. */
interface Change { readonly id: number; readonly node?: SavedNode }

interface Batch {
  readonly version: number;
  readonly epoch: number;
  /** Name of the lower layer. */
  readonly lower: string;
  readonly nextIno: number;
  readonly changes: readonly Change[];
}

const NO_NAMES: ReadonlySet<string> = new Set();

const errnoOf = (error: unknown): number => {
  const { errno } = error as NodeJS.ErrnoException;
  if (typeof errno !== 'number') throw error;
  return errno;
};

const pathIn = (dir: string): Buffer => Buffer.from(`${dir}/${NAME}`, 'latin1');

export class Journal {
  private readonly dirty = new Set<LNode>();
  /** Directories that are in the journal already: the names that have changed since. */
  private readonly names = new Map<LDir, Set<string>>();
  private readonly discarded: Data[] = [];
  /** Nodes that are in the index or the journal; all have a number. */
  private readonly known: Set<LNode>;
  private nextId: number;
  private readonly timer = new Timer(() => { this.flush(this.discarded.length > 0); });
  private fd = -1;
  /** Bytes of whole batches; what follows after a failed write is cut off. */
  private size = 0;
  private indexSize = 0;
  private unsynced = false;
  private broken = false;
  /** Changes up to here are carrick's own, made at boot: not worth a batch. */
  private quiet = Infinity;

  /**
   * lower: what sb's lower layer is called. epoch: of the index that sb was loaded from, 0 without one. nodes: those of that index, by their numbers.
   */
  constructor(private readonly sb: LayeredSuper, private readonly upperDir: string, private readonly lower: string, private epoch: number, nodes: ReadonlyArray<LNode | undefined>,
    private readonly timers: Pick<Endpoint['timers'], 'arm' | 'disarm'>) {
    this.known = new Set(nodes.filter((n) => n !== undefined));
    this.nextId = Math.max(1, nodes.length);
    sb.root.saved = 0;
    this.dirty.add(sb.root);
  }

  private number(n: LNode): number { return n.saved >= 0 ? n.saved : (n.saved = this.nextId++); }

  /** Boot is done: from now on changes are the guest's. */
  begin(): void { this.quiet = this.sb.changes; }

  private get isWorthIt(): boolean { return this.sb.changes > this.quiet; }

  // ---- what nodes report ----

  /** An attribute, or something below it, is about to change or has changed. */
  touch(n: LNode): void {
    if (this.timer.ix < 0) this.timers.arm(this.timer, nowNs() + WAIT_NS);
    this.dirty.add(n);
  }

  /** An entry of a directory is about to change. */
  entry(d: LDir, name: string): void {
    this.touch(d);
    if (!this.known.has(d)) return; // it will be written with all that is in it
    const names = this.names.get(d);
    if (names === undefined) this.names.set(d, new Set([name]));
    else names.add(name);
  }

  /** Data of a node that nobody can reach any more. */
  discard(n: LNode, data: Data): void {
    // Not in the journal, or already gone from it: nobody would look for the data.
    if (!this.known.has(n)) { this.dirty.delete(n); data.remove(); return; }
    this.discarded.push(data);
    this.touch(n);
  }

  // ---- writing ----

  /** Write what has changed; sync: and have it on the disk. 0 or -errno. */
  flush(sync: boolean): number {
    this.timers.disarm(this.timer);
    if (!this.isWorthIt) return 0;
    try {
      if (this.dirty.size > 0 && (this.broken || this.size > Math.max(GROW_MIN, GROW_TIMES * this.indexSize))) this.checkpoint(false);
      else if (this.dirty.size > 0) this.append(this.batch());
      if (sync && this.unsynced) { fdatasyncSync(this.fd); this.unsynced = false; }
    } catch (error) {
      // What the batch said is lost with it, but not the tree: the next flush writes all of it.
      this.broken = true;
      return errnoOf(error);
    }
    if (sync) for (const data of this.discarded.splice(0)) data.remove();
    return 0;
  }

  private batch(): Batch {
    const changes: Change[] = [];
    // Grows while it is walked: entries bring in nodes that were never written.
    for (const n of this.dirty) {
      if (n.nlink === 0 && n !== this.sb.root) {
        if (this.known.delete(n)) changes.push({ id: n.saved });
        n.saved = -1;
        continue;
      }
      const only = n instanceof LDir && this.known.has(n) ? this.names.get(n) ?? NO_NAMES : undefined;
      changes.push({ id: this.number(n), node: saveNode(n, (child) => this.child(child), only) });
      this.known.add(n);
    }
    this.dirty.clear();
    this.names.clear();
    return { version: VERSION, epoch: this.epoch, lower: this.lower, nextIno: this.sb.inoCounter, changes };
  }

  /** Number of an entry's node, which is written with the same batch if it never was. */
  private child(n: LNode): number {
    if (!this.known.has(n)) this.dirty.add(n);
    return this.number(n);
  }

  private append(batch: Batch): void {
    const bytes = pack(batch);
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(bytes.length, 0);
    sha256(bytes).copy(head, 4, 0, HASH);
    if (this.fd < 0) this.open();
    const all = Buffer.concat([head, bytes]);
    try {
      for (let done = 0; done < all.length;) done += writeSync(this.fd, all, done, all.length - done, this.size + done);
    } catch (error) {
      ftruncateSync(this.fd, this.size);
      throw error;
    }
    this.size += all.length;
    this.unsynced = true;
  }

  /** A journal that is there belongs to an index before this one's, or to no run at all. */
  private open(): void {
    this.fd = openSync(pathIn(this.upperDir), 'w', 0o600);
    const dir = openSync(Buffer.from(this.upperDir, 'latin1'), 'r');
    fsyncSync(dir);
    closeSync(dir);
  }

  /** Everything into a new index; the journal begins again. last: nothing is open any more. */
  private checkpoint(last: boolean): void {
    const order: LNode[] = [];
    const tree = saveTree(this.sb, this.lower, this.epoch + 1, order);
    this.indexSize = writeIndex(this.upperDir, tree);
    this.epoch++;
    for (const n of this.known) n.saved = -1;
    this.known.clear();
    order.forEach((n, i) => { n.saved = i; this.known.add(n); });
    this.nextId = order.length;
    this.dirty.clear();
    this.names.clear();
    this.broken = this.unsynced = false;
    if (this.fd >= 0) ftruncateSync(this.fd, 0);
    this.size = 0;
    for (const data of this.discarded.splice(0)) data.remove();
    if (last) removeStray(this.upperDir, tree.nodes);
  }

  /** sync(2): everything, data too. */
  syncAll(): number {
    const r = this.flush(true);
    return r < 0 || this.fd < 0 ? r : native.sys(SYS_syncfs, 0, this.fd);
  }

  /** The container ends: the index says it all. */
  close(): void {
    this.timers.disarm(this.timer);
    if (this.isWorthIt) this.checkpoint(true);
    for (const data of this.discarded.splice(0)) data.remove();
    if (this.fd < 0) return;
    closeSync(this.fd);
    removeJournal(this.upperDir);
  }
}

// ---- reading ----

export function removeJournal(upperDir: string): void {
  try {
    unlinkSync(pathIn(upperDir));
  } catch (error) {
    if (errnoOf(error) !== -E.ENOENT) throw error;
  }
}

/** The whole batches of a journal, in order. */
function readBatches(upperDir: string): Batch[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(pathIn(upperDir));
  } catch (error) {
    if (errnoOf(error) !== -E.ENOENT) throw error;
    return [];
  }
  const batches: Batch[] = [];
  for (let at = 0; at + HEAD <= bytes.length;) {
    const end = at + HEAD + bytes.readUInt32LE(at);
    const body = bytes.subarray(at + HEAD, end);
    if (end > bytes.length || sha256(body).compare(bytes, at + 4, at + 4 + HASH, 0, HASH) !== 0) break;
    batches.push(unpack(body) as Batch);
    at = end;
  }
  return batches;
}

interface Replayed { node: SavedNode; readonly entries: Map<string, number> }

/** Play a journal on the tree of its index (undefined: there was none). Undefined = there is no journal that goes on from there. Throws when it cannot be used. */
export function replay(upperDir: string, lower: string, base: SavedTree | undefined): SavedTree | undefined {
  const epoch = base?.epoch ?? 0;
  const batches = readBatches(upperDir).filter((b) => b.epoch === epoch);
  if (batches.length === 0) return undefined;
  if (batches.some((b) => b.version !== VERSION)) throw new Error('the writable layer was made by another version of carrick');
  if (batches.some((b) => b.lower !== lower)) throw new Error(`the writable layer belongs to the root ${batches[0]?.lower ?? '?'}`);
  const nodes = new Map<number, Replayed>();
  base?.nodes.forEach((node, id) => { nodes.set(id, { node, entries: new Map(node.entries) }); });
  for (const b of batches) for (const c of b.changes) play(nodes, c);
  return { version: SAVED_VERSION, epoch, lower, nextIno: batches.at(-1)?.nextIno ?? 0, nodes: numbered(nodes) };
}

function play(nodes: Map<number, Replayed>, c: Change): void {
  if (c.node === undefined) { nodes.delete(c.id); return; }
  const have = nodes.get(c.id);
  const entries = have?.entries ?? new Map<string, number>();
  for (const [name, id] of c.node.entries ?? []) if (id === REMOVED) entries.delete(name); else entries.set(name, id);
  nodes.set(c.id, { node: c.node, entries });
}

/** As an index has them: numbered without gaps, the root first. */
function numbered(nodes: ReadonlyMap<number, Replayed>): SavedNode[] {
  const ids = [...nodes.keys()].sort((a, b) => a - b);
  const numbers = new Map(ids.map((id, i) => [id, i]));
  return ids.map((id) => {
    const { node, entries } = nodes.get(id) as Replayed;
    const list: Array<readonly [string, number]> = [];
    for (const [name, child] of entries) {
      const n = child === WHITEOUT ? WHITEOUT : numbers.get(child);
      if (n !== undefined) list.push([name, n]);
    }
    const { entries: _, ...rest } = node;
    return list.length > 0 ? { ...rest, entries: list } : rest;
  });
}
