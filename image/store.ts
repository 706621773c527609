/**
 * The image store, $CARRICK_HOME:
 *
 *   blobs/sha256/HEX        manifests and configurations, named by what they hash to
 *   blobs/sha256/HEX.part   a layer that is being fetched; kept when the fetch is cut short, so that the next one goes on from there; prune removes it
 *   blobs/sha256/*.tmp      an archive that is being read (spool), or a manifest or configuration that is being written
 *   layers/HEX/             an unpacked layer, by its diff id: index and data/ (shared/layer-index.ts). Shared by all images that have it
 *   layers/HEX.new/         one that is being unpacked
 *   refs/HEX                a name: {name, manifest, config}; HEX hashes the name
 *   store                   the lock of refs/ and of removal
 *   users                   locked, shared, by whoever is putting an image together whose reference is not set yet
 *
 * Whatever has its final name is whole: it was written under another, synced and renamed. A fetched layer is removed once it is unpacked, because what
 * was unpacked is checked by its own digest. A layer is kept as long as a reference, a container or a lock (lock.ts) needs it; what a crash left
 * behind has no lock and goes with the next removal.
 */
import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { decodeLayerIndex } from '../shared/layer-index.js';
import { type Digest, digestOf, hexOf } from './digest.js';
import { ImageError, errorCode } from './error.js';
import type { ExtractResult, ExtractTask } from './extract.js';
import { Lock, lock, type Mode, syncFileSystem, tryLock } from './lock.js';
import { DOCUMENT_MAX, type ImageConfig, type Manifest, parseConfig, parseJson, parseManifest } from './manifest.js';

/** A name and what it stands for. */
export interface StoredRef {
  /** Canonical reference. */
  readonly name: string;
  readonly manifest: Digest;
  readonly config: Digest;
  /** When it was stored, ISO 8601. */
  readonly stored: string;
}

export interface StoredImage { readonly ref: StoredRef; readonly manifest: Manifest; readonly config: ImageConfig }

export type Extractor = (task: ExtractTask) => Promise<ExtractResult>;

/** Where the bytes of a layer are: part of a host file. */
export interface LayerFile { readonly path: string; readonly start: number; readonly end: number; readonly digest: Digest | '' }

/** A file of the caller's own in the store. */
export interface Spool { readonly path: string; readonly done: () => void }

/** A fetch that was cut short is kept for so long, unless somebody prunes. ms. */
const PART_KEEP_MS = 7 * 24 * 3600 * 1000;
const HEX = /^[0-9a-f]{64}$/;

function syncDir(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** Replace a file: either the old or the new content is there, also after a power cut. */
function writeWhole(path: string, bytes: Uint8Array): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, path);
  syncDir(join(path, '..'));
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function removeOlder(path: string, keepMs: number): void {
  const st = lstatSync(path, { throwIfNoEntry: false });
  if (st !== undefined && Date.now() - st.mtimeMs >= keepMs) unlinkSync(path);
}

export class Store {
  readonly blobs: string;
  readonly layers: string;
  private readonly refs: string;

  constructor(readonly home: string) {
    this.blobs = join(home, 'blobs', 'sha256');
    this.layers = join(home, 'layers');
    this.refs = join(home, 'refs');
    try {
      for (const dir of [this.blobs, this.layers, this.refs]) mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new ImageError(`cannot write to ${home} (${errorCode(error)}); set CARRICK_HOME to a directory you can write to`, { cause: error });
    }
  }

  // ---- documents ----

  blobPath(digest: Digest): string { return join(this.blobs, hexOf(digest)); }

  /** A document, checked against its digest; undefined = not here (or damaged: then it is as good as not here). */
  document(digest: Digest): Buffer | undefined {
    const path = this.blobPath(digest);
    const st = statSync(path, { throwIfNoEntry: false });
    if (st === undefined || st.size > DOCUMENT_MAX) return undefined;
    const bytes = readFileSync(path);
    return digestOf(bytes) === digest ? bytes : undefined;
  }

  putDocument(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    if (this.document(digest) === undefined) writeWhole(this.blobPath(digest), bytes);
    return digest;
  }

  // ---- references ----

  private refPath(name: string): string { return join(this.refs, createHash('sha256').update(name).digest('hex')); }

  private readRef(path: string): StoredRef | undefined {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as StoredRef;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new ImageError(`the store is damaged: ${path} cannot be read; remove it`, { cause: error });
    }
  }

  /** Every reference, by name. */
  listRefs(): StoredRef[] {
    const all: StoredRef[] = [];
    for (const file of namesIn(this.refs)) {
      const ref = HEX.test(file) ? this.readRef(join(this.refs, file)) : undefined;
      if (ref !== undefined) all.push(ref);
    }
    return all.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  getRef(name: string): StoredRef | undefined { return this.readRef(this.refPath(name)); }

  async setRef(name: string, manifest: Digest, config: Digest): Promise<void> {
    const l = await this.lockStore();
    try {
      const ref: StoredRef = { name, manifest, config, stored: new Date().toISOString() };
      writeWhole(this.refPath(name), Buffer.from(JSON.stringify(ref)));
    } finally {
      l.release();
    }
  }

  /** The documents behind a reference; undefined when they are not whole. */
  image(ref: StoredRef): StoredImage | undefined {
    const manifest = this.document(ref.manifest), config = this.document(ref.config);
    if (manifest === undefined || config === undefined) return undefined;
    return { ref, manifest: parseManifest(parseJson(manifest, 'the manifest')), config: parseConfig(parseJson(config, 'the configuration')) };
  }

  private get usersPath(): string { return join(this.home, 'users'); }

  /** Held while documents are put here that no reference names yet. */
  async beginUse(): Promise<Lock> { return this.lockFile(this.usersPath, 'shared'); }

  private lockStore(): Promise<Lock> { return this.lockFile(join(this.home, 'store'), 'exclusive'); }

  private async lockFile(path: string, mode: Mode): Promise<Lock> {
    const l = await lock(path, mode, 'a');
    if (l === undefined) throw new ImageError(`cannot lock ${path}`);
    return l;
  }

  // ---- layers ----

  layerDir(diffId: Digest): string { return join(this.layers, hexOf(diffId)); }

  hasLayer(diffId: Digest): boolean { return existsSync(join(this.layerDir(diffId), 'index')); }

  /** Keep a layer from being removed, if it is here. */
  async holdLayer(diffId: Digest): Promise<Lock | undefined> {
    return lock(this.layerDir(diffId), 'shared');
  }

  /**
   * Have a layer unpacked, by this process or by another that is at it already, and hold it. `open` brings the bytes, when they are needed.
   */
  async needLayer(diffId: Digest, open: () => Promise<LayerFile>, extract: Extractor, counter?: SharedArrayBuffer, waiting?: () => void): Promise<Lock> {
    for (;;) {
      const have = await this.holdLayer(diffId);
      if (have !== undefined) return have;
      const work = `${this.layerDir(diffId)}.new`;
      mkdirSync(work, { recursive: true, mode: 0o700 });
      const mine = await lock(work, 'exclusive', 'r', waiting);
      if (mine === undefined) continue;
      if (this.hasLayer(diffId)) { mine.release(); rmSync(work, { recursive: true, force: true }); continue; }
      try {
        await this.unpackInto(work, mine, diffId, await open(), extract, counter);
        return mine;
      } catch (error) {
        rmSync(work, { recursive: true, force: true });
        mine.release();
        throw error;
      }
    }
  }

  private async unpackInto(work: string, mine: Lock, diffId: Digest, file: LayerFile, extract: Extractor, counter?: SharedArrayBuffer): Promise<void> {
    // What a crashed carrick left there.
    for (const name of namesIn(work)) rmSync(join(work, name), { recursive: true, force: true });
    const result = await extract({ path: file.path, start: file.start, end: file.end, dir: work, digest: file.digest, diffId, counter });
    if (!result.ok) throw new ImageError(result.message);
    syncFileSystem(mine.fd);
    renameSync(work, this.layerDir(diffId));
    syncDir(this.layers);
    mine.share();
  }

  /** Unpack a layer whose diff id is only known afterwards (import). */
  async addLayer(file: LayerFile, extract: Extractor, counter?: SharedArrayBuffer): Promise<{ diffId: Digest; held: Lock }> {
    const work = join(this.layers, `${randomBytes(8).toString('hex')}.new`);
    mkdirSync(work, { mode: 0o700 });
    const mine = tryLock(work, 'exclusive');
    if (!(mine instanceof Lock)) throw new ImageError(`cannot lock ${work}`);
    try {
      const result = await extract({ path: file.path, start: file.start, end: file.end, dir: work, digest: '', diffId: '', counter });
      if (!result.ok) throw new ImageError(result.message);
      syncFileSystem(mine.fd);
      const have = await this.holdLayer(result.diffId);
      if (have === undefined) {
        renameSync(work, this.layerDir(result.diffId));
        syncDir(this.layers);
        mine.share();
        return { diffId: result.diffId, held: mine };
      }
      rmSync(work, { recursive: true, force: true });
      mine.release();
      return { diffId: result.diffId, held: have };
    } catch (error) {
      rmSync(work, { recursive: true, force: true });
      mine.release();
      throw error;
    }
  }

  // ---- removal ----

  /** Forget a name, then remove what nothing needs any more. */
  async removeRef(name: string): Promise<void> {
    const l = await this.lockStore();
    try {
      unlinkSync(this.refPath(name));
      this.collect();
    } finally {
      l.release();
    }
  }

  /** Remove what nothing needs any more: layers of containers that have gone, what crashes have left, fetches that were cut short. How many layers went. */
  async prune(): Promise<number> {
    const l = await this.lockStore();
    try {
      const before = namesIn(this.layers).length;
      this.collect(0);
      return before - namesIn(this.layers).length;
    } finally {
      l.release();
    }
  }

  /** Layers of kept containers: their state.json names them. */
  private containerLayers(): Set<string> {
    const used = new Set<string>();
    const dir = join(this.home, 'containers');
    for (const id of namesIn(dir)) {
      try {
        const state = JSON.parse(readFileSync(join(dir, id, 'state.json'), 'utf8')) as { layers?: readonly string[] };
        for (const layer of state.layers ?? []) used.add(layer);
      } catch (error) {
        // No state yet, or half of one: a container that starts holds its layers by locks.
        if (!(error instanceof SyntaxError) && errorCode(error) === '') throw error;
      }
    }
    return used;
  }

  /** partMs: age from which a cut-short fetch that nobody goes on with is removed; a layer may have come by another way since. */
  private collect(partMs = PART_KEEP_MS): void {
    const blobs = new Set<string>(), layers = this.containerLayers();
    for (const ref of this.listRefs()) {
      blobs.add(hexOf(ref.manifest)).add(hexOf(ref.config));
      for (const diffId of this.image(ref)?.config.diffIds ?? []) layers.add(hexOf(diffId));
    }
    for (const name of namesIn(this.layers)) if (!layers.has(name)) this.removeDir(join(this.layers, name));
    // References are written by who has the lock that is held here.
    for (const name of namesIn(this.refs)) if (!HEX.test(name)) unlinkSync(join(this.refs, name));
    const alone = tryLock(this.usersPath, 'exclusive', 'a');
    if (!(alone instanceof Lock)) return;
    for (const name of namesIn(this.blobs)) if (!blobs.has(name)) this.removeBlob(join(this.blobs, name), partMs);
    alone.release();
  }

  /** Remove an unneeded directory, unless somebody has it locked. Renamed first: what has its final name is whole. */
  private removeDir(path: string): void {
    const l = tryLock(path, 'exclusive');
    if (!(l instanceof Lock)) return;
    const gone = path.endsWith('.new') ? path : `${path}.new`;
    if (gone !== path && existsSync(gone)) { l.release(); return; }
    if (gone !== path) renameSync(path, gone);
    rmSync(gone, { recursive: true, force: true });
    l.release();
  }

  /** Needs to be alone. What is being fetched or spooled is locked; documents are written by who keeps others from being alone. */
  private removeBlob(path: string, partMs: number): void {
    if (HEX.test(path.slice(-64))) { unlinkSync(path); return; }
    const l = tryLock(path, 'exclusive');
    if (!(l instanceof Lock)) return;
    removeOlder(path, path.endsWith('.part') ? partMs : 0);
    l.release();
  }

  /** An empty file, for what has to be read at several places. It is there until it is `done`, or carrick ends: then the next removal takes it. */
  spool(): Spool {
    const path = join(this.blobs, `${randomBytes(8).toString('hex')}.tmp`), mine = tryLock(path, 'exclusive', 'a');
    if (!(mine instanceof Lock)) throw new ImageError(`cannot lock ${path}`);
    return { path, done: () => { rmSync(path, { force: true }); mine.release(); } };
  }

  /** Bytes of the files of a layer; 0 when it is not here. */
  layerBytes(diffId: Digest): number {
    const path = join(this.layerDir(diffId), 'index');
    if (!existsSync(path)) return 0;
    const x = decodeLayerIndex(readFileSync(path));
    return x.size.reduce((sum, size, node) => (((x.mode[node] as number) & 0o170000) === 0o100000 ? sum + size : sum), 0);
  }
}
