/**
 * The commands about images, and what `run` needs of one. Text of images is Unicode (JSON); it becomes byte strings where it goes to the guest.
 *
 *   REF                      from the store, else from its registry
 *   oci:DIR[:TAG]            an OCI layout; oci-archive:TAR[:TAG] a tar of one
 *   docker-archive:TAR[:REF] what docker save writes
 *
 * Layers are unpacked by a pool of workers that exists only while there is something to unpack.
 */
import { accessSync, constants, createWriteStream, existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isatty } from 'node:tty';
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';
import { type LocalSource, openArchive, openDockerArchive, openOciArchive, openOciDir } from '../image/archive.js';
import { type Digest, digestOf, hexOf, isDigest, shortId } from '../image/digest.js';
import { ImageError } from '../image/error.js';
import type { ExtractResult } from '../image/extract.js';
import { type HeldImage, holdStored, type ImportConfig, importTar, pull, take, type Tools } from '../image/get.js';
import { login, logout } from '../image/login.js';
import { bars, humanSize, lines, silent } from '../image/progress.js';
import { canonical, familiar, familiarName, parseReference, type Reference } from '../image/reference.js';
import type { Fetch } from '../image/registry.js';
import { Store, type StoredRef } from '../image/store.js';
import { native } from '../shared/native.js';
import { toBytes } from './bytes.js';
import { duration, table } from './columns.js';
import { carrickHome, sweep } from './container-dir.js';
import { bundles, loadAddon } from './addon.js';
import { complain, Failure, why } from './failure.js';
import type { ImageRun } from './run-options.js';

/** fcntl(2). */
const SYS_fcntl = process.arch === 'arm64' ? 25 : 72, F_GETFL = 3, F_SETFL = 4;

/** Forms of `run`'s first operand that are images in files. */
const FILE_KINDS = ['oci', 'oci-archive', 'docker-archive'] as const;
type FileKind = (typeof FILE_KINDS)[number];

/** Image failures are the user's to mend; everything else stays a bug. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageError) throw new Failure(error.message, undefined, { cause: error });
    throw error;
  }
}

/** Set in the environment of somebody who is behind a proxy. */
const PROXY_VARIABLES = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'] as const;

/** A fetch for this environment; undefined: Node's own will do. */
async function fetchFor(env: NodeJS.ProcessEnv): Promise<Fetch | undefined> {
  if (!PROXY_VARIABLES.some((name) => (env[name] ?? '') !== '')) return undefined;
  const { proxyFetch } = createRequire(import.meta.url)('./image-proxy.cjs') as { proxyFetch: (env: NodeJS.ProcessEnv) => Fetch };
  return proxyFetch(env);
}

/** Run `work` with the store, a pool that is started when it is needed, and progress on stderr. */
async function withTools<T>(quiet: boolean, work: (t: Tools) => Promise<T>): Promise<T> {
  loadAddon();
  // Node makes pipes non-blocking when it starts workers, and they are the guest's too (see container.ts): put back below.
  const flags = [0, 1, 2].map((fd) => native.sys(SYS_fcntl, 0, fd, F_GETFL));
  let pool: Piscina | undefined;
  const extract = async (task: object): Promise<ExtractResult> => {
    if (pool === undefined) {
      const piscina = await import('piscina');
      pool ??= new piscina.Piscina({ filename: join(bundles, 'image-worker.mjs'), minThreads: 0, maxThreads: Math.min(4, availableParallelism()) });
    }
    return await pool.run(task, { name: 'extractLayer' }) as ExtractResult;
  };
  const progress = quiet ? silent : isatty(2) ? bars(process.stderr) : lines(complain);
  try {
    return await told(async () => {
      const fetch = await fetchFor(process.env);
      return work({ store: new Store(carrickHome()), extract, progress, env: process.env, ...(fetch === undefined ? {} : { fetch }) });
    });
  } finally {
    progress.end();
    await pool?.destroy();
    flags.forEach((value, fd) => { if (value >= 0) native.sys(SYS_fcntl, 0, fd, F_SETFL, value); });
  }
}

// ---- run ----

/** PATH[:TAG]: the tag is what follows the last colon, unless the whole is there as a file. */
function splitTag(text: string): readonly [path: string, tag: string] {
  const colon = text.lastIndexOf(':');
  return colon <= 0 || existsSync(text) || colon < text.lastIndexOf('/') ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** docker-archive:PATH[:NAME[:TAG]]; a name may hold colons itself, so the path is the longest part that is there. */
function splitName(text: string): readonly [path: string, name: string] {
  for (let cut = text.length; cut > 0; cut = text.lastIndexOf(':', cut - 1)) if (existsSync(text.slice(0, cut))) return [text.slice(0, cut), text.slice(cut + 1)];
  return [text, ''];
}

async function openFile(kind: FileKind, rest: string, store: Store): Promise<LocalSource> {
  const [path, tag] = kind === 'docker-archive' ? splitName(rest) : splitTag(rest);
  const absolute = resolve(path);
  if (!existsSync(absolute)) throw new ImageError(`${kind}:${rest}: there is no ${path}`);
  if (kind === 'oci') return openOciDir(absolute, tag);
  return kind === 'oci-archive' ? openOciArchive(absolute, tag, store) : openDockerArchive(absolute, tag, store);
}

function toRun(image: HeldImage): ImageRun {
  const { config } = image;
  const bytes = (list: readonly string[]): string[] => list.map(toBytes);
  return {
    rootfs: { kind: 'layers', dir: image.id, layers: image.layerDirs.map(toBytes) },
    env: bytes(config.env), entrypoint: bytes(config.entrypoint), cmd: bytes(config.cmd),
    workdir: toBytes(config.workdir), user: toBytes(config.user), stopSignal: config.stopSignal,
  };
}

/** The image that `run`'s operand (text) names, unpacked; its layers are held until this process ends. */
export function imageForRun(operand: string): Promise<ImageRun> {
  const colon = operand.indexOf(':');
  const kind = FILE_KINDS.find((k) => k === operand.slice(0, colon));
  // Reading files is no event; fetching is, as docker shows it.
  return withTools(kind !== undefined && !isatty(2), async (t) => {
    if (kind === undefined) {
      const ref = await refOf(t.store, operand);
      const here = ref.stored === undefined ? undefined : await holdStored(t.store, ref.stored);
      return toRun(here ?? await pull(t, ref.reference));
    }
    const source = await openFile(kind, operand.slice(colon + 1), t.store);
    try {
      return toRun(await take(t, source.images[0] as LocalSource['images'][number], []));
    } finally {
      source.close();
    }
  });
}

/** What the user means: a name, or the beginning of an image's id. */
async function refOf(store: Store, text: string): Promise<{ reference: Reference; stored: StoredRef | undefined }> {
  const byId = findById(store, text);
  if (byId.length > 0) return { reference: parseReference((byId[0] as StoredRef).name), stored: byId[0] };
  const reference = parseReference(text);
  return { reference, stored: store.getRef(canonical(reference)) };
}

function findById(store: Store, text: string): StoredRef[] {
  const hex = isDigest(text) ? hexOf(text) : text;
  if (!/^[0-9a-f]{6,64}$/.test(hex)) return [];
  const found = store.listRefs().filter((ref) => hexOf(ref.config).startsWith(hex));
  const ids = new Set(found.map((ref) => ref.config));
  if (ids.size > 1) throw new ImageError(`the id ${text} is not unique; give more of it`);
  return found;
}

// ---- the commands ----

export async function pullCommand(text: string, quiet: boolean): Promise<void> {
  const reference = parsed(text);
  const digest = await withTools(quiet, async (t) => {
    const image = await pull(t, reference);
    image.release();
    return image.manifest;
  });
  process.stdout.write(quiet ? `${canonical(reference)}\n` : `${canonical(reference)}\n${digest}\n`);
}

function parsed(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof ImageError) throw new Failure(error.message, undefined, { cause: error });
    throw error;
  }
}

/** The registry's own name: what comes before the first slash of an image's. */
function registryName(text: string): string {
  if (!/^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$/.test(text)) throw new Failure(`bad registry "${text}"; a host name, with :PORT if need be`);
  return text;
}

export async function loginCommand(registry: string, user: string): Promise<void> {
  const name = registryName(registry);
  if (isatty(0)) throw new Failure('give the password on standard input, for example: carrick login -u USER REGISTRY <FILE');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  const password = Buffer.concat(chunks).toString('utf8').replace(/\r?\n$/, '');
  if (user === '' || user.includes(':') || password === '') throw new Failure('a user (without ":") and a password are needed');
  await told(async () => { await login(name, user, password, process.env, await fetchFor(process.env)); });
  process.stdout.write(`logged in to ${name}\n`);
}

export async function logoutCommand(registry: string): Promise<void> {
  const name = registryName(registry);
  if (!await told(() => Promise.resolve(logout(name, process.env)))) throw new Failure(`not logged in to ${name}`);
  process.stdout.write(`logged out of ${name}\n`);
}

interface Listed { readonly repository: string; readonly tag: string; readonly digest: string; readonly id: string; readonly created: string; readonly size: number }

function listed(store: Store): Listed[] {
  return store.listRefs().map((ref) => {
    const reference = parseReference(ref.name);
    const image = store.image(ref);
    const size = (image?.config.diffIds ?? []).reduce((sum: number, d: Digest) => sum + store.layerBytes(d), 0);
    return { repository: familiarName(reference), tag: reference.tag === '' ? '<none>' : reference.tag, digest: ref.manifest, id: ref.config, created: image?.config.created ?? '', size };
  });
}

/** "3 days ago" */
export function ago(iso: string, now = Date.now()): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then) || then <= 0) return 'unknown';
  return `${duration(now - then)} ago`;
}

export async function imagesCommand(o: { quiet?: boolean; json?: boolean; digests?: boolean }): Promise<void> {
  const all = await withTools(true, (t) => Promise.resolve(listed(t.store)));
  if (o.json === true) { process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`); return; }
  if (o.quiet === true) { for (const id of new Set(all.map((i) => i.id))) process.stdout.write(`${shortId(id as Digest)}\n`); return; }
  const head = ['REPOSITORY', 'TAG', ...(o.digests === true ? ['DIGEST'] : []), 'IMAGE ID', 'CREATED', 'SIZE'];
  const rows = [head, ...all.map((i) => [i.repository, i.tag, ...(o.digests === true ? [i.digest] : []), shortId(i.id as Digest), ago(i.created), humanSize(i.size)])];
  process.stdout.write(table(rows));
}

export function rmiCommand(names: readonly string[]): Promise<void> {
  return withTools(true, async ({ store }) => {
    for (const text of names) {
      const byId = findById(store, text);
      const refs = byId.length > 0 ? byId : [store.getRef(canonical(parseReference(text)))];
      for (const ref of refs) {
        if (ref === undefined) throw new ImageError(`there is no image ${text} here; carrick images lists them`);
        await store.removeRef(ref.name);
        process.stdout.write(`removed ${familiar(parseReference(ref.name))}\n`);
      }
    }
  });
}

export function pruneCommand(): Promise<void> {
  return withTools(true, async ({ store }) => {
    sweep();
    const n = await store.prune();
    process.stdout.write(`removed ${n} layer${n === 1 ? '' : 's'}\n`);
  });
}

/** The archive of -i FILE, or standard input spooled into the store: it has to be read at several places. */
async function withInput<T>(input: string | undefined, store: Store, work: (path: string) => Promise<T>): Promise<T> {
  if (input !== undefined && input !== '-') {
    const path = resolve(input);
    try {
      if (!statSync(path).isFile()) throw new ImageError(`${input} is not a file`);
      accessSync(path, constants.R_OK);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw new ImageError(`cannot read ${input}: ${why(error)}`, { cause: error });
    }
    return work(path);
  }
  if (isatty(0)) throw new ImageError('no archive: give it with -i FILE, or on standard input');
  const spool = store.spool();
  try {
    await pipeline(process.stdin, createWriteStream(spool.path));
    return await work(spool.path);
  } finally {
    spool.done();
  }
}

export function loadCommand(input: string | undefined, quiet: boolean): Promise<void> {
  return withTools(quiet, (t) => withInput(input, t.store, async (path) => {
    const source = await openArchive(path, t.store);
    try {
      for (const local of source.images) {
        const named = local.names.map(tryReference).filter((r): r is Reference => r !== undefined);
        const refs = named.length > 0 ? named : [parseReference(`localhost/loaded:${shortId(digestOf(local.config))}`)];
        (await take(t, local, refs.map(canonical))).release();
        process.stdout.write(`loaded ${refs.map(familiar).join(', ')}\n`);
      }
    } finally {
      source.close();
    }
  }));
}

/** A name as an archive has it, if it is one. */
function tryReference(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/** `CMD ["a"]`, `ENV K=V`, `USER u`, `WORKDIR /d`, `ENTRYPOINT [...]`, `STOPSIGNAL s`, as docker import --change takes them. */
function parseChanges(changes: readonly string[]): ImportConfig {
  const config: { Env?: string[]; Entrypoint?: string[]; Cmd?: string[]; WorkingDir?: string; User?: string; StopSignal?: string } = {};
  for (const change of changes) {
    const m = /^\s*([A-Za-z]+)\s+(.+?)\s*$/.exec(change);
    const value = m?.[2] ?? '';
    switch (m?.[1]?.toUpperCase()) {
      case 'ENV': (config.Env ??= []).push(value.includes('=') ? value : value.replace(/\s+/, '=')); break;
      case 'CMD': config.Cmd = commandOf(value); break;
      case 'ENTRYPOINT': config.Entrypoint = commandOf(value); break;
      case 'WORKDIR': config.WorkingDir = value; break;
      case 'USER': config.User = value; break;
      case 'STOPSIGNAL': config.StopSignal = value; break;
      default: throw new ImageError(`bad --change "${change}"; known: CMD, ENTRYPOINT, ENV, USER, WORKDIR, STOPSIGNAL`);
    }
  }
  return config;
}

/** A JSON list is the command itself, anything else is for the shell. */
function commandOf(value: string): string[] {
  if (!value.startsWith('[')) return ['/bin/sh', '-c', value];
  try {
    const list: unknown = JSON.parse(value);
    if (Array.isArray(list) && list.every((s): s is string => typeof s === 'string')) return list;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ImageError(`bad command ${value}: write a JSON list of strings, or a shell command`);
}

export function importCommand(input: string, name: string, changes: readonly string[], quiet: boolean): Promise<void> {
  return withTools(quiet, (t) => withInput(input, t.store, async (path) => {
    const reference = parseReference(name);
    const image = await importTar(t, { path, start: 0, end: statSync(path).size, digest: '' }, canonical(reference), parseChanges(changes), new Date().toISOString());
    image.release();
    process.stdout.write(`${familiar(reference)}\n${image.id}\n`);
  }));
}
