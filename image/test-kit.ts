/** For the tests of image/: archives made by hand, a store in a temporary directory, unpacking in this thread. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type LayerIndex, NODE_IMPLIED, NODE_OPAQUE, WHITEOUT } from '../shared/layer-index.js';
import { loadNative, native } from '../shared/native.js';
import { type Digest, digestOf } from './digest.js';
import { extractLayer } from './extract.js';
import type { Tools } from './get.js';
import { MEDIA } from './manifest.js';
import { silent } from './progress.js';
import { Store } from './store.js';

export interface TestEntry {
  readonly name: string;
  /** Type flag; '0' when there is none. */
  readonly type?: string;
  readonly data?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly major?: number;
  readonly minor?: number;
  /** pax records before it. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
}

function header(e: TestEntry, size: number): Buffer {
  const b = Buffer.alloc(512);
  const octal = (n: number, at: number, len: number): void => { b.write(n.toString(8).padStart(len - 1, '0'), at, 'latin1'); };
  b.write(e.name, 0, 100, 'latin1');
  octal(e.mode ?? 0o644, 100, 8);
  octal(e.uid ?? 0, 108, 8);
  octal(e.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(e.mtime ?? 1_000_000, 136, 12);
  b.fill(32, 148, 156);
  b.write(e.type ?? '0', 156, 'latin1');
  b.write(e.link ?? '', 157, 100, 'latin1');
  b.write('ustar\x0000', 257, 'latin1');
  octal(e.major ?? 0, 329, 8);
  octal(e.minor ?? 0, 337, 8);
  octal(b.reduce((sum, v) => sum + v, 0), 148, 7);
  return b;
}

const padded = (b: Buffer): Buffer => Buffer.concat([b, Buffer.alloc((512 - b.length % 512) % 512)]);

/** Length that counts its own digits. */
function paxRecord(key: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), typeof value === 'string' ? Buffer.from(value, 'latin1') : value, Buffer.from('\n')]);
  let len = body.length;
  while (String(len).length + body.length !== len) len = String(len).length + body.length;
  return Buffer.concat([Buffer.from(String(len)), body]);
}

export function tar(...entries: TestEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const e of entries) {
    if (e.pax !== undefined) {
      const records = Buffer.concat(Object.entries(e.pax).map(([key, value]) => paxRecord(key, value)));
      parts.push(header({ name: 'pax', type: 'x' }, records.length), padded(records));
    }
    const data = Buffer.from(e.data ?? '');
    parts.push(header(e, data.length), padded(data));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** An index as lines, one per name: "path mode uid:gid size nlink extra". */
export function show(x: LayerIndex): string[] {
  const out: string[] = [];
  const visit = (node: number, path: string): void => {
    const flags = x.flags[node] as number;
    const extra = [
      ...((flags & NODE_OPAQUE) !== 0 ? ['opaque'] : []), ...((flags & NODE_IMPLIED) !== 0 ? ['implied'] : []),
      ...(((x.mode[node] as number) & 0o170000) === 0o120000 ? [`-> ${x.targets[x.ref[node] as number] as string}`] : []),
      ...(x.major[node] !== 0 || x.minor[node] !== 0 ? [`dev ${x.major[node]},${x.minor[node]}`] : []),
      ...(x.nlink[node] !== 1 ? [`nlink ${x.nlink[node]}`] : []),
    ];
    out.push([path, (x.mode[node] as number).toString(8), `${x.uid[node]}:${x.gid[node]}`, ...extra].join(' '));
    if (((x.mode[node] as number) & 0o170000) !== 0o040000) return;
    const first = x.ref[node] as number;
    for (let i = first; i < first + (x.len[node] as number); i++) {
      const name = `${path === '/' ? '' : path}/${x.names[i] as string}`;
      if (x.nodes[i] === WHITEOUT) out.push(`${name} whiteout`); else visit(x.nodes[i] as number, name);
    }
  };
  visit(0, '/');
  return out;
}

export interface Bench { readonly dir: string; readonly store: Store; readonly tools: Tools; file(name: string, bytes: Buffer): string; end(): void }

export function bench(env: Record<string, string> = {}): Bench {
  if (native.sys === undefined) loadNative(resolve('native/build/Release/carrick.node'));
  const dir = mkdtempSync(join(tmpdir(), 'carrick-image-'));
  const store = new Store(join(dir, 'home'));
  return {
    dir, store, tools: { store, extract: extractLayer, progress: silent, env: { HOME: dir, ...env } },
    file: (name, bytes) => { const path = join(dir, name); writeFileSync(path, bytes); return path; },
    end: () => { rmSync(dir, { recursive: true, force: true }); },
  };
}

export interface MadeImage { readonly manifest: Buffer; readonly config: Buffer; readonly blobs: ReadonlyMap<Digest, Buffer> }

/** Documents of an image whose layers are these tars, stored as `pack` makes of them. */
export function makeImage(tars: readonly Buffer[], pack: (b: Buffer) => Buffer = (b) => b, config: object = {}): MadeImage {
  const conf = Buffer.from(JSON.stringify({ os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch, config, rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } }));
  const stored = tars.map(pack);
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: MEDIA.ociManifest, config: { mediaType: MEDIA.ociConfig, digest: digestOf(conf), size: conf.length },
    layers: stored.map((b) => ({ mediaType: MEDIA.ociLayer, digest: digestOf(b), size: b.length })),
  }));
  const blobs = new Map([...stored, conf, manifest].map((b) => [digestOf(b), b]));
  return { manifest, config: conf, blobs };
}
