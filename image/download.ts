/**
 * Fetches one blob into the store: resumed where an earlier fetch stopped, checked against its digest, tried again when the connection
 * breaks. The partial file is the only state; its lock (lock.ts) keeps two fetches of one blob apart.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, fstatSync, ftruncateSync, unlinkSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from './digest.js';
import { ImageError, errorCode, errorText } from './error.js';
import { type Lock, lock } from './lock.js';
import type { Descriptor } from './manifest.js';
import type { Reference } from './reference.js';
import { type Registry, RegistryError } from './registry.js';
import type { LayerFile, Store } from './store.js';

const ATTEMPTS = 6;
/** First pause before another attempt; doubled each time. ms. */
const PAUSE_MS = 500;
/** A transfer in which nothing arrives for so long is broken. ms. */
const STALL_MS = 60_000;

export interface DownloadEvents {
  /** Bytes that are here. */
  progress(bytes: number): void;
  waiting(): void;
}

/** What the registry sends is not the blob: nothing of it is of use, now or later. */
class DamagedBlob extends ImageError {}

/** A blob under way: the partial file, locked, and the hash of what it has. */
class Partial {
  private hash: Hash = createHash('sha256');
  size = 0;

  constructor(readonly path: string, private readonly held: Lock, private readonly want: Descriptor) {}

  /** Take up what is there already. */
  async resume(): Promise<void> {
    const { size } = fstatSync(this.held.fd);
    if (size > this.want.size) { this.restart(); return; }
    for await (const chunk of createReadStream(this.path) as AsyncIterable<Buffer>) this.hash.update(chunk);
    this.size = size;
  }

  restart(): void {
    ftruncateSync(this.held.fd, 0);
    this.hash = createHash('sha256');
    this.size = 0;
  }

  append(chunk: Uint8Array): void {
    if (this.size + chunk.length > this.want.size) throw new DamagedBlob(`the blob ${this.want.digest} is longer than its manifest says; nothing of it was kept`);
    for (let done = 0; done < chunk.length;) done += writeSync(this.held.fd, chunk, done, chunk.length - done);
    this.hash.update(chunk);
    this.size += chunk.length;
  }

  get isComplete(): boolean { return this.size === this.want.size; }
  get digest(): Digest { return `sha256:${this.hash.copy().digest('hex')}` as Digest; }
}

async function transfer(registry: Registry, ref: Reference, want: Descriptor, part: Partial, events: DownloadEvents): Promise<void> {
  const abort = new AbortController();
  let timer = setTimeout(() => { abort.abort(); }, STALL_MS);
  try {
    const response = await registry.blob(ref, want.digest, part.size, abort.signal);
    const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
    // A whole answer, or one from another place: what is here already is of no use.
    if (response.status !== 206 || Number(from) !== part.size) {
      if (response.status === 206) throw new RegistryError(`the registry resumes ${want.digest} at the wrong place`, 206, true);
      part.restart();
    }
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      part.append(chunk);
      events.progress(part.size);
      clearTimeout(timer);
      timer = setTimeout(() => { abort.abort(); }, STALL_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** May another attempt do better? Otherwise the reason goes on. */
function isWorthRetrying(error: unknown): boolean {
  if (error instanceof RegistryError) return error.retry;
  if (error instanceof ImageError) return false;
  // fetch's own: a TypeError "terminated", an AbortError. Errors of our file system have a syscall.
  return error instanceof Error && !('syscall' in error && ['write', 'open', 'ftruncate'].includes(String(error.syscall)));
}

async function fill(registry: Registry, ref: Reference, want: Descriptor, part: Partial, events: DownloadEvents): Promise<void> {
  let restarted = false;
  for (let attempt = 1; !part.isComplete; attempt++) {
    try {
      await transfer(registry, ref, want, part, events);
      if (!part.isComplete) throw new RegistryError(`the blob ${want.digest} ends after ${part.size} of ${want.size} bytes`, 0, true);
    } catch (error) {
      if (errorCode(error) === 'ENOSPC') throw new ImageError('the layer does not fit on the disk of CARRICK_HOME');
      if (error instanceof RegistryError && error.status === 416) {
        // There is nothing after what is here. If that came from this registry just now, its blob is short; else it was something else that was here.
        if (restarted) throw new DamagedBlob(`the blob ${want.digest} that ${ref.registry} sends is cut short: it ends after ${part.size} of ${want.size} bytes; nothing of it was kept`);
        restarted = true;
        part.restart();
        continue;
      }
      if (!isWorthRetrying(error)) throw error;
      if (attempt >= ATTEMPTS) throw error instanceof ImageError ? error : new ImageError(`the transfer of ${want.digest} broke ${ATTEMPTS} times: ${errorText(error)}`, { cause: error });
      await sleep(PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

export interface Download extends LayerFile {
  /** The layer is unpacked: the file may go. */
  finish(): void;
}

/** Have a blob in a file, whole and checked. */
export async function download(registry: Registry, ref: Reference, want: Descriptor, store: Store, events: DownloadEvents): Promise<Download> {
  const path = `${store.blobPath(want.digest)}.part`;
  const held = await lock(path, 'exclusive', 'a+', () => { events.waiting(); });
  if (held === undefined) throw new ImageError(`cannot write ${path}`);
  const part = new Partial(path, held, want);
  try {
    await part.resume();
    events.progress(part.size);
    const resumed = part.size > 0;
    await fill(registry, ref, want, part, events);
    // The wrong bytes may be those that were here before: one more try without them.
    if (resumed && part.digest !== want.digest) {
      part.restart();
      await fill(registry, ref, want, part, events);
    }
    if (part.digest !== want.digest) {
      throw new DamagedBlob(`the blob that ${ref.registry} sends is damaged: it should be ${want.digest} and is ${part.digest}; nothing of it was kept`);
    }
  } catch (error) {
    if (error instanceof DamagedBlob) unlinkSync(path);
    held.release();
    throw error;
  }
  // Checked a moment ago, so unpacking need not hash it again.
  return { path, start: 0, end: want.size, digest: '', finish: () => { unlinkSync(path); held.release(); } };
}
