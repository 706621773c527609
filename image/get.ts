/**
 * From a source to an image in the store whose layers are unpacked and held: what `pull`, `load`, `import` and `run` have in common.
 */
import { availableParallelism } from 'node:os';
import type { LocalImage } from './archive.js';
import { makeManifest } from './archive.js';
import type { Env } from './auth.js';
import { type Digest, digestOf, shortId } from './digest.js';
import { download } from './download.js';
import { ImageError } from './error.js';
import type { Lock } from './lock.js';
import { checkPlatform, type Descriptor, hostPlatform, type ImageConfig, isIndex, parseConfig, parseIndex, parseJson, parseManifest, selectManifest } from './manifest.js';
import type { Bar, Progress } from './progress.js';
import { canonical, type Reference } from './reference.js';
import { type Fetch, Registry } from './registry.js';
import type { Extractor, LayerFile, Store, StoredRef } from './store.js';

/** Layers that are fetched or unpacked at a time. */
const PARALLEL = 4;
/** How often a bar looks how far an unpacking is. ms. */
const TICK_MS = 100;

/** An image that is here and stays as long as it is held. */
export interface HeldImage {
  readonly manifest: Digest;
  /** The image's id. */
  readonly id: Digest;
  readonly config: ImageConfig;
  /** Directories of its layers, the topmost first. */
  readonly layerDirs: readonly string[];
  release(): void;
}

export interface Tools { readonly store: Store; readonly extract: Extractor; readonly progress: Progress; readonly env: Env; /** Node's, if it is not given. */ readonly fetch?: Fetch }

/** Run `work` for every item, some at a time, in order. The first failure stops what has not begun, and is thrown when all have ended. */
export async function each<T, R>(items: readonly T[], work: (item: T, ix: number) => Promise<R>, parallel = PARALLEL): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const ix = next++;
      try {
        results[ix] = await work(items[ix] as T, ix);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Have every layer, and hold them. `open` brings the bytes of the layer at this place. */
async function holdAll(t: Tools, diffIds: readonly Digest[], open: (ix: number, bar: Bar) => Promise<LayerFile & { finish?(): void }>): Promise<Lock[]> {
  const held: Lock[] = [];
  try {
    await each(diffIds, async (diffId, ix) => {
      const have = await t.store.holdLayer(diffId);
      if (have !== undefined) { held.push(have); return; }
      const bar = t.progress.begin(shortId(diffId));
      const counter = new SharedArrayBuffer(8);
      const bytes = new Float64Array(counter);
      let file: (LayerFile & { finish?(): void }) | undefined;
      let tick: NodeJS.Timeout | undefined;
      try {
        held.push(await t.store.needLayer(diffId, async () => {
          file = await open(ix, bar);
          bar.step('unpacking', file.end - file.start);
          tick = setInterval(() => { bar.at(bytes[0] as number); }, TICK_MS);
          return file;
        }, t.extract, counter, () => { bar.step('another carrick gets it', 0); }));
        bar.done('done');
      } catch (error) {
        bar.done('failed');
        throw error;
      } finally {
        clearInterval(tick);
        // Unpacked, or no good: either way the file has served. Only a carrick that dies before leaves it, to go on with.
        file?.finish?.();
      }
    }, Math.max(2, Math.min(PARALLEL, availableParallelism())));
  } catch (error) {
    for (const l of held) l.release();
    throw error;
  }
  return held;
}

function heldImage(store: Store, manifest: Digest, id: Digest, config: ImageConfig, held: readonly Lock[]): HeldImage {
  return { manifest, id, config, layerDirs: config.diffIds.map((d) => store.layerDir(d)).reverse(), release: () => { for (const l of held) l.release(); } };
}

function checkedConfig(bytes: Buffer, layers: number): ImageConfig {
  const config = parseConfig(parseJson(bytes, 'the configuration'));
  checkPlatform(config);
  if (config.diffIds.length !== layers) throw new ImageError(`bad image: its manifest has ${layers} layers, its configuration ${config.diffIds.length}`);
  return config;
}

// ---- from the store ----

/** An image that is in the store as a whole; undefined when something of it is missing. */
export async function holdStored(store: Store, ref: StoredRef): Promise<HeldImage | undefined> {
  const image = store.image(ref);
  if (image === undefined) return undefined;
  const held: Lock[] = [];
  for (const diffId of image.config.diffIds) {
    const l = await store.holdLayer(diffId);
    if (l === undefined) { for (const h of held) h.release(); return undefined; }
    held.push(l);
  }
  return heldImage(store, ref.manifest, ref.config, image.config, held);
}

// ---- from a registry ----

async function fetchManifest(t: Tools, registry: Registry, ref: Reference): Promise<{ bytes: Buffer; digest: Digest }> {
  let want: string = ref.digest ?? ref.tag;
  for (let depth = 0; depth < 4; depth++) {
    const have = want.startsWith('sha256:') ? t.store.document(want as Digest) : undefined;
    const got = have !== undefined ? { bytes: have, digest: want as Digest, mediaType: '' } : await registry.manifest(ref, want);
    const doc = parseJson(got.bytes, 'the manifest');
    if (!isIndex(doc, got.mediaType)) return got;
    want = selectManifest(parseIndex(doc)).digest;
  }
  throw new ImageError('bad image: its indexes are nested too deeply');
}

/** Get an image from its registry; layers that are here already are not fetched. Its name then leads to it. */
export async function pull(t: Tools, ref: Reference): Promise<HeldImage> {
  const registry = new Registry(ref.registry, t.env, t.fetch);
  const using = await t.store.beginUse();
  try {
    const { bytes, digest } = await fetchManifest(t, registry, ref);
    const manifest = parseManifest(parseJson(bytes, 'the manifest'));
    const configBytes = t.store.document(manifest.config.digest) ?? await registry.document(ref, manifest.config.digest);
    const config = checkedConfig(configBytes, manifest.layers.length);
    const held = await holdAll(t, config.diffIds, async (ix, bar) => {
      const layer = manifest.layers[ix] as Descriptor;
      bar.step('fetching', layer.size);
      return download(registry, ref, layer, t.store, { progress: (n) => { bar.at(n); }, waiting: () => { bar.step('another carrick gets it', 0); } });
    });
    t.store.putDocument(bytes);
    t.store.putDocument(configBytes);
    await t.store.setRef(canonical(ref), digest, manifest.config.digest);
    return heldImage(t.store, digest, manifest.config.digest, config, held);
  } finally {
    using.release();
  }
}

// ---- from files ----

/** Take an image from a layout or an archive; `names` (canonical) then lead to it. */
export async function take(t: Tools, image: LocalImage, names: readonly string[]): Promise<HeldImage> {
  const config = checkedConfig(image.config, image.layers.length);
  const using = await t.store.beginUse();
  try {
    const held = await holdAll(t, config.diffIds, (ix) => Promise.resolve(image.layers[ix] as LayerFile));
    const manifest = digestOf(image.manifest), id = digestOf(image.config);
    if (names.length > 0) {
      t.store.putDocument(image.manifest);
      t.store.putDocument(image.config);
      for (const name of names) await t.store.setRef(name, manifest, id);
    }
    return heldImage(t.store, manifest, id, config, held);
  } finally {
    using.release();
  }
}

/** What `import` may say about the image that it makes of a root file system. */
export interface ImportConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
}

/** Make an image of one layer from the tar of a root file system. */
export async function importTar(t: Tools, file: LayerFile, name: string, runConfig: ImportConfig, created: string): Promise<HeldImage> {
  const using = await t.store.beginUse();
  const bar = t.progress.begin('layer');
  bar.step('unpacking', file.end - file.start);
  const counter = new SharedArrayBuffer(8);
  const tick = setInterval(() => { bar.at(new Float64Array(counter)[0] as number); }, TICK_MS);
  try {
    const { diffId, held } = await t.store.addLayer(file, t.extract, counter);
    bar.done('done');
    const { os, architecture } = hostPlatform();
    const config = Buffer.from(JSON.stringify({ created, os, architecture, config: runConfig, rootfs: { type: 'layers', diff_ids: [diffId] }, history: [{ created, created_by: 'carrick import' }] }));
    const manifest = makeManifest(config, [file.end - file.start]);
    const id = t.store.putDocument(config), digest = t.store.putDocument(manifest);
    await t.store.setRef(name, digest, id);
    return heldImage(t.store, digest, id, checkedConfig(config, 1), [held]);
  } catch (error) {
    bar.done('failed');
    throw error;
  } finally {
    clearInterval(tick);
    using.release();
  }
}
