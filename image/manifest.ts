/**
 * The documents of an image: index (several platforms), manifest (one), configuration. Checked where they are read, since they come from
 * strangers. Sources: OCI image specification 1.1, docker's image manifest v2 schema 2.
 */
import { type Digest, parseDigest } from './digest.js';
import { ImageError } from './error.js';

export const MEDIA = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** What a registry is asked for. */
export const ACCEPT = [MEDIA.ociIndex, MEDIA.dockerList, MEDIA.ociManifest, MEDIA.dockerManifest].join(', ');
/** Most bytes of a document; registries take manifests up to 4 MiB. */
export const DOCUMENT_MAX = 8 << 20;
/** overlayfs and docker stop at about as many. */
const LAYERS_MAX = 500;

export interface Platform { readonly os: string; readonly architecture: string; readonly variant: string }

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Manifest { readonly config: Descriptor; readonly layers: readonly Descriptor[] }

/** Of an image's configuration: what running it needs. Text as in JSON. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly created: string;
  readonly diffIds: readonly Digest[];
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);
const str = (v: unknown): string => typeof v === 'string' ? v : '';

function strings(v: unknown, what: string): string[] {
  if (v === undefined || v === null) return [];
  if (!Array.isArray(v) || !v.every((s): s is string => typeof s === 'string')) throw new ImageError(`bad image: its ${what} is no list of strings`);
  return v;
}

export function parseJson(bytes: Uint8Array, what: string): Json {
  try {
    const v: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
    if (isObject(v)) return v;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ImageError(`bad image: ${what} is no JSON object`);
}

function descriptor(v: unknown, what: string): Descriptor {
  if (!isObject(v)) throw new ImageError(`bad image: ${what} has no descriptor`);
  const size = v['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw new ImageError(`bad image: ${what} has no size`);
  const p = v['platform'];
  const annotations: Record<string, string> = {};
  if (isObject(v['annotations'])) for (const [key, value] of Object.entries(v['annotations'])) annotations[key] = str(value);
  return {
    mediaType: str(v['mediaType']), digest: parseDigest(v['digest'], what), size, annotations,
    platform: isObject(p) ? { os: str(p['os']), architecture: str(p['architecture']), variant: str(p['variant']) } : undefined,
  };
}

/** Is the document a list of others? Asked of the document itself where the media type is missing. */
export function isIndex(doc: Json, mediaType: string): boolean {
  const type = str(doc['mediaType']) || mediaType;
  return type === MEDIA.ociIndex || type === MEDIA.dockerList || (type !== MEDIA.ociManifest && type !== MEDIA.dockerManifest && Array.isArray(doc['manifests']));
}

export function parseIndex(doc: Json): Descriptor[] {
  const list = doc['manifests'];
  if (!Array.isArray(list)) throw new ImageError('bad image: its index lists nothing');
  return list.map((v, i) => descriptor(v, `manifest ${i + 1} of the index`));
}

export function parseManifest(doc: Json): Manifest {
  if (doc['schemaVersion'] === 1) throw new ImageError('the image has a manifest of schema 1, which is obsolete; push it again with a current tool');
  const layers = doc['layers'];
  if (!Array.isArray(layers)) throw new ImageError('bad image: its manifest has no layers');
  if (layers.length > LAYERS_MAX) throw new ImageError(`bad image: it has more than ${LAYERS_MAX} layers`);
  return { config: descriptor(doc['config'], 'the configuration'), layers: layers.map((v, i) => descriptor(v, `layer ${i + 1}`)) };
}

export function parseConfig(doc: Json): ImageConfig {
  const rootfs = doc['rootfs'], config = isObject(doc['config']) ? doc['config'] : {};
  if (!isObject(rootfs) || !Array.isArray(rootfs['diff_ids'])) throw new ImageError('this is no image that can be run: its configuration has no rootfs');
  return {
    architecture: str(doc['architecture']), os: str(doc['os']), created: str(doc['created']),
    diffIds: rootfs['diff_ids'].map((d, i) => parseDigest(d, `layer ${i + 1} of the configuration`)),
    env: strings(config['Env'], 'Env'), entrypoint: strings(config['Entrypoint'], 'Entrypoint'), cmd: strings(config['Cmd'], 'Cmd'),
    workdir: str(config['WorkingDir']), user: str(config['User']), stopSignal: str(config['StopSignal']),
  };
}

/** This machine, in Go's words, as images have them. */
export function hostPlatform(): Platform {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return { os: 'linux', architecture, variant: process.arch === 'arm64' ? 'v8' : '' };
}

const nameOf = (p: Platform): string => `${p.os}/${p.architecture}${p.variant === '' ? '' : `/${p.variant}`}`;

/** The manifest of an index for this machine. Entries without a platform fit any, when nothing better is there. */
export function selectManifest(list: readonly Descriptor[], want = hostPlatform()): Descriptor {
  const fits = (d: Descriptor): boolean => d.platform !== undefined && d.platform.os === want.os && d.platform.architecture === want.architecture;
  const baseline = (d: Descriptor): boolean => { const v = d.platform?.variant ?? ''; return v === '' || v === want.variant || v === 'v1'; };
  const found = list.find((d) => fits(d) && baseline(d)) ?? list.find((d) => d.platform === undefined);
  if (found !== undefined) return found;
  const has = [...new Set(list.map((d) => d.platform === undefined ? '' : nameOf(d.platform)).filter((n) => n !== '' && !n.startsWith('unknown/')))].join(', ');
  throw new ImageError(`the image is not made for ${want.os}/${want.architecture}; it has ${has === '' ? 'nothing' : has}`);
}

/** A configuration that was made for another machine cannot run here. Images that do not say are taken at their word. */
export function checkPlatform(c: ImageConfig, want = hostPlatform()): void {
  if ((c.os !== '' && c.os !== want.os) || (c.architecture !== '' && c.architecture !== want.architecture)) {
    throw new ImageError(`the image is made for ${c.os}/${c.architecture}, not for ${want.os}/${want.architecture}`);
  }
}
