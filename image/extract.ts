/**
 * Unpacks one layer into a directory: bytes of the archive in, data/N and the index out. Runs in a worker of the pool (worker.ts), where
 * everything but reading and inflating is synchronous; nobody else knows the directory until it is whole (store.ts).
 *
 *   file (or part of one) ──► sha256 = blob digest ──► gunzip | unzstd ──► sha256 = diff id ──► TarReader ──► LayerTree + data files
 *
 * How it is compressed is told by its first bytes, not by what the manifest claims. Both digests are compared at the end; whoever asked
 * then throws the directory away if they differ. Blocks of zeros become holes, so an archive of nothing but zeros takes no room on the disk.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PassThrough, Transform, Writable } from 'node:stream';
import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { encodeLayerIndex } from '../shared/layer-index.js';
import type { Digest } from './digest.js';
import { ImageError, errorText } from './error.js';
import { LayerTree, toIndex, type TreeNode } from './layer-tree.js';
import { type TarEntry, TarReader, type TarSink } from './tar.js';

export interface ExtractTask {
  /** Host file with the layer, and the bytes of it that are the layer: [start, end). */
  readonly path: string;
  readonly start: number;
  readonly end: number;
  /** Empty directory that is filled. */
  readonly dir: string;
  /** What the bytes must hash to as they are, and unpacked; '' = not known beforehand. */
  readonly digest: Digest | '';
  readonly diffId: Digest | '';
  /** Float64 [1]: bytes read so far, for a progress bar. */
  readonly counter: SharedArrayBuffer | undefined;
}

export type ExtractResult =
  | { readonly ok: true; readonly digest: Digest; readonly diffId: Digest; /** Bytes of data. */ readonly size: number }
  | { readonly ok: false; readonly message: string };

export type Compression = 'none' | 'gzip' | 'zstd';

/** Beyond this size, something that grew more than so many times is no layer but a bomb. Deflate alone reaches 1032. */
const BOMB_MIN = 4 * 1024 ** 3, BOMB_RATIO = 500;
/** What must stay free on the disk, bytes, and how often it is looked at, in bytes written. */
const DISK_RESERVE = 256 << 20, DISK_CHECK = 64 << 20;
const HOLE = 4096;
const ZEROS = Buffer.alloc(HOLE);

/** RFC 1952; RFC 8878: frames, and skippable frames. */
export function compressionOf(b: Uint8Array): Compression {
  if (b[0] === 0x1f && b[1] === 0x8b) return 'gzip';
  const magic = (b[0] ?? 0) + (b[1] ?? 0) * 256 + (b[2] ?? 0) * 65536 + (b[3] ?? 0) * 16777216;
  return magic === 0xfd2fb528 || (magic >= 0x184d2a50 && magic <= 0x184d2a5f) ? 'zstd' : 'none';
}

/** Node has zstd of its own since 22.15; before that it is done in JavaScript. */
function unzstd(): Transform {
  const own = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress;
  return own === undefined ? new Unzstd() : own();
}

class Unzstd extends Transform {
  private readonly frames = new Decompress((chunk) => { if (chunk.length > 0) this.push(Buffer.from(chunk)); });

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void { this.step(chunk, false, done); }
  override _flush(done: (error?: Error | null) => void): void { this.step(new Uint8Array(0), true, done); }

  private step(chunk: Uint8Array, last: boolean, done: (error?: Error | null) => void): void {
    try {
      this.frames.push(chunk, last);
    } catch (error) {
      done(new ImageError(`bad layer: its zstd data are damaged (${errorText(error)})`));
      return;
    }
    done();
  }
}

export function decompressor(kind: Compression): Transform {
  return kind === 'gzip' ? zlib.createGunzip() : kind === 'zstd' ? unzstd() : new PassThrough();
}

/** First bytes of a file from `start`. */
export function peek(path: string, start: number, len: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const b = Buffer.alloc(len);
    return b.subarray(0, readSync(fd, b, 0, len, start));
  } finally {
    closeSync(fd);
  }
}

/** Writes the data of the files of one archive. */
class LayerSink implements TarSink {
  readonly tree: LayerTree;
  size = 0;
  private unchecked = 0;
  private next = 1;
  private node: TreeNode | undefined = undefined;
  private fd = -1;
  private at = 0;

  constructor(private readonly dir: string) {
    mkdirSync(join(dir, 'data'), { mode: 0o700 });
    closeSync(openSync(this.pathOf(0), 'wx', 0o600));
    this.tree = new LayerTree((n) => { unlinkSync(this.pathOf(n)); });
  }

  private pathOf(n: number): string { return join(this.dir, 'data', String(n)); }

  entry(e: TarEntry): void {
    this.node = this.tree.add(e);
    this.at = 0;
    if (this.node === undefined || e.size === 0) return;
    this.node.data = this.next++;
    this.node.size = e.size;
    this.fd = openSync(this.pathOf(this.node.data), 'wx', 0o600);
  }

  data(chunk: Buffer): void {
    if (this.fd < 0) return;
    for (let from = 0; from < chunk.length;) {
      // Pieces between block boundaries of the file, as many as are no hole in one write.
      let end = from;
      while (end < chunk.length) {
        const piece = Math.min(HOLE - (this.at + end - from) % HOLE, chunk.length - end);
        if (piece === HOLE && ZEROS.compare(chunk, end, end + HOLE) === 0) break;
        end += piece;
      }
      if (end > from) this.write(chunk, from, end);
      if (end < chunk.length) { this.at += HOLE; end += HOLE; }
      from = end;
    }
  }

  private write(chunk: Buffer, from: number, end: number): void {
    for (let done = from; done < end;) {
      const n = writeSync(this.fd, chunk, done, end - done, this.at);
      done += n;
      this.at += n;
    }
    this.unchecked += end - from;
    if (this.unchecked >= DISK_CHECK) this.checkDisk();
  }

  private checkDisk(): void {
    this.unchecked = 0;
    const st = statfsSync(this.dir);
    if (st.bavail * st.bsize < DISK_RESERVE) throw new ImageError('the layer does not fit on the disk of CARRICK_HOME');
  }

  done(): void {
    if (this.fd < 0) return;
    // A hole at the end has to be made by its size.
    ftruncateSync(this.fd, this.at);
    closeSync(this.fd);
    this.fd = -1;
    this.size += this.at;
  }

  abort(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}

function writeIndex(dir: string, bytes: Buffer): void {
  const fd = openSync(join(dir, 'index'), 'wx', 0o600);
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Unpack; throws ImageError. */
async function unpackLayer(t: ExtractTask): Promise<{ digest: Digest; diffId: Digest; size: number }> {
  const raw = createHash('sha256'), plain = createHash('sha256');
  const counter = t.counter === undefined ? undefined : new Float64Array(t.counter);
  let bytesIn = 0, bytesOut = 0;
  const sink = new LayerSink(t.dir);
  const reader = new TarReader(sink);
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      raw.update(chunk);
      bytesIn += chunk.length;
      if (counter !== undefined) counter[0] = bytesIn;
      done(null, chunk);
    },
  });
  // A stream, not a loop over the one before: what such a loop throws leaves a rejection behind that nobody handles, and the worker dies of it.
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        plain.update(chunk);
        bytesOut += chunk.length;
        if (bytesOut > BOMB_MIN && bytesOut > BOMB_RATIO * bytesIn) throw new ImageError('bad layer: it unpacks to much more than any layer has; this looks like a bomb');
        reader.push(chunk);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      done();
    },
  });
  try {
    if (t.end > t.start) {
      await pipeline(createReadStream(t.path, { start: t.start, end: t.end - 1, highWaterMark: 256 << 10 }), meter, decompressor(compressionOf(peek(t.path, t.start, 4))), output);
    }
    reader.end();
  } finally {
    sink.abort();
  }
  const digest = `sha256:${raw.digest('hex')}` as Digest, diffId = `sha256:${plain.digest('hex')}` as Digest;
  if (t.digest !== '' && digest !== t.digest) throw new ImageError(`the layer ${t.digest} is damaged: its bytes hash to ${digest}`);
  if (t.diffId !== '' && diffId !== t.diffId) throw new ImageError(`the layer ${t.diffId} of the image's configuration is damaged: it unpacks to ${diffId}`);
  writeIndex(t.dir, encodeLayerIndex(toIndex(sink.tree.root)));
  return { digest, diffId, size: sink.size };
}

const ZLIB_ERROR = /^(Z_|ERR_PADDING|ZSTD_)/;

/** Unpack; what the archive is to blame for comes back as a message, since errors lose their class between threads. */
export async function extractLayer(t: ExtractTask): Promise<ExtractResult> {
  try {
    return { ok: true, ...await unpackLayer(t) };
  } catch (error) {
    if (error instanceof ImageError) return { ok: false, message: error.message };
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (ZLIB_ERROR.test(code)) return { ok: false, message: `bad layer: its compressed data are damaged (${errorText(error)})` };
    if (code === 'ENOSPC' || code === 'EDQUOT') return { ok: false, message: 'the layer does not fit on the disk of CARRICK_HOME' };
    throw error;
  }
}
