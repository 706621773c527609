/**
 * Images that are files: an OCI layout (a directory, or a tar of one) and what `docker save` writes. All are asked for the bytes of a name;
 * nothing is copied, layers are unpacked from where they lie.
 *
 * An archive is read once to learn where each of its files begins. One that is compressed as a whole is unpacked into the store first, since it has to be
 * read at several places.
 */
import { closeSync, createReadStream, createWriteStream, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Digest, digestOf, hexOf } from './digest.js';
import { ImageError, errorCode, errorText } from './error.js';
import { compressionOf, decompressor, peek } from './extract.js';
import { cleanPath } from './layer-tree.js';
import { type Descriptor, DOCUMENT_MAX, isIndex, MEDIA, parseConfig, parseIndex, parseJson, parseManifest, selectManifest } from './manifest.js';
import { canonical, parseReference } from './reference.js';
import type { LayerFile, Spool, Store } from './store.js';
import { TarReader } from './tar.js';

/** Part of a host file. */
interface Extent { readonly path: string; readonly start: number; readonly end: number }

/** Files by name: a directory, or an archive. */
interface Files {
  /** Undefined = there is no such file. */
  find(name: string): Extent | undefined;
  close(): void;
}

/** An image that was found in files: its documents, and where its layers are. */
export interface LocalImage {
  readonly manifest: Buffer;
  readonly config: Buffer;
  /** In the order of the configuration's diff ids. */
  readonly layers: readonly LayerFile[];
  /** Names that the archive gives it, as written there. */
  readonly names: readonly string[];
}

class DirFiles implements Files {
  constructor(private readonly dir: string) {}

  find(name: string): Extent | undefined {
    const path = join(this.dir, name);
    try {
      const fd = openSync(path, 'r');
      const st = fstatSync(fd);
      closeSync(fd);
      return st.isFile() ? { path, start: 0, end: st.size } : undefined;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw new ImageError(`cannot read ${path} (${errorCode(error)})`, { cause: error });
    }
  }

  close(): void { /* nothing is kept open */ }
}

class TarFiles implements Files {
  private readonly files = new Map<string, Extent | string>();

  /** spool: where it was unpacked to. */
  private constructor(private readonly path: string, private readonly spool?: Spool) {}

  static async open(path: string, store: Store): Promise<TarFiles> {
    let kind;
    try {
      kind = compressionOf(peek(path, 0, 4));
    } catch (error) {
      throw new ImageError(`cannot read ${path} (${errorCode(error)})`, { cause: error });
    }
    const spool = kind === 'none' ? undefined : store.spool(), files = new TarFiles(spool?.path ?? path, spool);
    try {
      if (spool !== undefined) await pipeline(createReadStream(path), decompressor(kind), createWriteStream(spool.path));
      await files.scan();
    } catch (error) {
      files.close();
      throw error;
    }
    return files;
  }

  private async scan(): Promise<void> {
    const reader = new TarReader({
      entry: (e) => {
        const parts = cleanPath(e.name);
        if (parts === undefined) return;
        const name = parts.join('/');
        if (e.type === 'file') this.files.set(name, { path: this.path, start: e.offset, end: e.offset + e.size });
        // Old `docker save` has a layer once and links to it; symbolic links are relative to their directory.
        else if (e.type === 'link') this.files.set(name, cleanPath(e.linkname)?.join('/') ?? '');
        else if (e.type === 'symlink') this.files.set(name, cleanPath(`${parts.slice(0, -1).join('/')}/${e.linkname}`)?.join('/') ?? '');
      },
      data: () => undefined,
      done: () => undefined,
    });
    for await (const chunk of createReadStream(this.path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) reader.push(chunk);
    reader.end();
  }

  find(name: string): Extent | undefined {
    let at = this.files.get(name);
    for (let links = 0; typeof at === 'string' && links < 8; links++) at = this.files.get(at);
    return typeof at === 'string' ? undefined : at;
  }

  close(): void { this.spool?.done(); }
}

function readExtent(x: Extent, what: string): Buffer {
  const len = x.end - x.start;
  if (len > DOCUMENT_MAX) throw new ImageError(`bad image: ${what} is too large`);
  const fd = openSync(x.path, 'r');
  try {
    const b = Buffer.alloc(len);
    for (let done = 0; done < len;) {
      const n = readSync(fd, b, done, len - done, x.start + done);
      if (n === 0) throw new ImageError(`bad image: ${what} is cut short`);
      done += n;
    }
    return b;
  } finally {
    closeSync(fd);
  }
}

function need(files: Files, name: string): Extent {
  return files.find(name) ?? (() => { throw new ImageError(`bad image: it has no file ${name}`); })();
}

const blobName = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

function document(files: Files, digest: Digest, what: string): Buffer {
  const bytes = readExtent(need(files, blobName(digest)), what);
  if (digestOf(bytes) !== digest) throw new ImageError(`bad image: ${what} should be ${digest} and is ${digestOf(bytes)}`);
  return bytes;
}

// ---- OCI layout ----

const REF_NAME = 'org.opencontainers.image.ref.name', CONTAINERD_NAME = 'io.containerd.image.name';

/** Entries of index.json that `tag` means; '' = whatever is there, if that is one image. */
function choose(list: readonly Descriptor[], tag: string, where: string): Descriptor {
  if (tag !== '') {
    const fits = list.filter((d) => [d.annotations[REF_NAME], d.annotations[CONTAINERD_NAME]].includes(tag) || d.digest === tag);
    if (fits.length > 0) return fits.length === 1 ? fits[0] as Descriptor : selectManifest(fits);
  } else if (list.length > 0) {
    const names = new Set(list.map((d) => d.annotations[REF_NAME] ?? ''));
    if (names.size === 1) return list.length === 1 ? list[0] as Descriptor : selectManifest(list);
    const latest = list.find((d) => d.annotations[REF_NAME] === 'latest');
    if (latest !== undefined) return latest;
  }
  const tags = list.map((d) => d.annotations[REF_NAME] ?? d.digest).join(', ');
  throw new ImageError(tag === '' ? `${where} holds ${list.length} images; say which: ${tags}` : `${where} has no image "${tag}"; it has ${tags === '' ? 'none' : tags}`);
}

/** Names of an entry. The layout's own annotation is a whole name or, as umoci and skopeo write it, only a tag. */
function namesOf(top: Descriptor): string[] {
  const full = top.annotations[CONTAINERD_NAME] ?? '', name = top.annotations[REF_NAME] ?? '';
  if (full !== '') return [full];
  return name === '' ? [] : [/[:/]/.test(name) ? name : `localhost/loaded:${name}`];
}

function ociImage(files: Files, top: Descriptor): LocalImage {
  let descriptor = top;
  for (let depth = 0; depth < 4; depth++) {
    const bytes = document(files, descriptor.digest, 'the manifest');
    const doc = parseJson(bytes, 'the manifest');
    if (isIndex(doc, descriptor.mediaType)) { descriptor = selectManifest(parseIndex(doc)); continue; }
    const manifest = parseManifest(doc);
    const config = document(files, manifest.config.digest, 'the configuration');
    const layers = manifest.layers.map((l): LayerFile => ({ ...need(files, blobName(l.digest)), digest: l.digest }));
    return { manifest: bytes, config, layers, names: namesOf(top) };
  }
  throw new ImageError('bad image: its indexes are nested too deeply');
}

function ociIndex(files: Files, where: string): Descriptor[] {
  const index = files.find('index.json');
  if (index === undefined || files.find('oci-layout') === undefined) throw new ImageError(`${where} is no OCI image layout: it has no index.json and oci-layout`);
  return parseIndex(parseJson(readExtent(index, 'index.json'), 'index.json'));
}

// ---- docker save ----

interface Saved { readonly config: string; readonly names: readonly string[]; readonly layers: readonly string[] }

function savedList(bytes: Buffer): Saved[] {
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new ImageError(`bad archive: its manifest.json is no JSON (${errorText(error)})`);
  }
  const text = (v: unknown): v is string => typeof v === 'string';
  const texts = (v: unknown): string[] => Array.isArray(v) ? v.filter(text) : [];
  if (!Array.isArray(list)) throw new ImageError('bad archive: its manifest.json is no list');
  return list.map((v: unknown) => {
    const m = (v ?? {}) as { Config?: unknown; RepoTags?: unknown; Layers?: unknown };
    if (!text(m.Config)) throw new ImageError('bad archive: its manifest.json names no configuration');
    return { config: m.Config, names: texts(m.RepoTags), layers: texts(m.Layers) };
  });
}

/** A manifest for an image that came without one: its layers are named by their diff ids, as they are when they are not compressed. */
export function makeManifest(config: Buffer, sizes: readonly number[]): Buffer {
  const { diffIds } = parseConfig(parseJson(config, 'the configuration'));
  return Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: MEDIA.ociManifest,
    config: { mediaType: MEDIA.ociConfig, digest: digestOf(config), size: config.length },
    layers: diffIds.map((digest, i) => ({ mediaType: MEDIA.ociLayer, digest, size: sizes[i] ?? 0 })),
  }));
}

function savedImage(files: Files, saved: Saved): LocalImage {
  const clean = (name: string): string => cleanPath(name)?.join('/') ?? '';
  const config = readExtent(need(files, clean(saved.config)), 'the configuration');
  const layers = saved.layers.map((name): LayerFile => ({ ...need(files, clean(name)), digest: '' }));
  return { manifest: makeManifest(config, layers.map((l) => l.end - l.start)), config, layers, names: saved.names };
}

// ---- what the commands use ----

export interface LocalSource { readonly images: readonly LocalImage[]; close(): void }

/** oci:DIR[:TAG] */
export function openOciDir(dir: string, tag: string): LocalSource {
  const files = new DirFiles(dir);
  return { images: [ociImage(files, choose(ociIndex(files, dir), tag, dir))], close: () => undefined };
}

async function withTar(path: string, store: Store, read: (files: Files) => LocalImage[]): Promise<LocalSource> {
  const files = await TarFiles.open(path, store);
  try {
    return { images: read(files), close: () => { files.close(); } };
  } catch (error) {
    files.close();
    throw error;
  }
}

/** oci-archive:TAR[:TAG] */
export function openOciArchive(path: string, tag: string, store: Store): Promise<LocalSource> {
  return withTar(path, store, (files) => [ociImage(files, choose(ociIndex(files, path), tag, path))]);
}

function dockerImages(files: Files, path: string): LocalImage[] {
  const manifest = files.find('manifest.json');
  if (manifest === undefined) throw new ImageError(`${path} is no archive of docker save: it has no manifest.json`);
  return savedList(readExtent(manifest, 'manifest.json')).map((saved) => savedImage(files, saved));
}

/** docker-archive:TAR[:NAME]; '' = the only image in it. */
export function openDockerArchive(path: string, name: string, store: Store): Promise<LocalSource> {
  return withTar(path, store, (files) => {
    const all = dockerImages(files, path);
    const wanted = name === '' ? '' : canonical(parseReference(name));
    const fits = name === '' ? all : all.filter((image) => image.names.some((n) => canonical(parseReference(n)) === wanted));
    if (fits.length === 1) return fits;
    const names = all.flatMap((image) => image.names).join(', ');
    throw new ImageError(name === '' ? `${path} holds ${all.length} images; say which: ${names}` : `${path} has no image "${name}"; it has ${names}`);
  });
}

/** Whichever of the two it is, with every image in it. Newer `docker save` writes both; manifest.json has the names. */
export function openArchive(path: string, store: Store): Promise<LocalSource> {
  return withTar(path, store, (files) => {
    if (files.find('manifest.json') !== undefined) return dockerImages(files, path);
    if (files.find('index.json') === undefined) throw new ImageError(`${path} is no image: it has neither manifest.json nor index.json; for the tar of a root file system use carrick import`);
    return ociIndex(files, path).map((top) => ociImage(files, top));
  });
}
