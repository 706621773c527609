/**
 * What of this machine decides how a test ends, and the places where the runners keep things.
 *
 * Everything is below one directory that every user may read, because suites run as an ordinary user too: built test programs, cached oracles, captures,
 * results. It is outside the repository: some of what is built there has another licence.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, release, version } from 'node:os';
import { join } from 'node:path';
import { Failure } from './failure.js';

/** `$CARRICK_CONFORMANCE`, or a directory in /var/tmp that is this user's own. */
export const HOME = process.env['CARRICK_CONFORMANCE'] ?? `/var/tmp/carrick-conformance-${process.getuid?.() ?? 0}`;

/** A directory below HOME that exists and that everybody may read. */
export function place(...parts: readonly string[]): string {
  let path = HOME;
  mkdirSync(path, { recursive: true, mode: 0o755 });
  for (const part of parts) {
    path = join(path, part);
    mkdirSync(path, { recursive: true, mode: 0o755 });
  }
  return path;
}

export function sha256(...data: ReadonlyArray<string | Buffer>): string {
  const hash = createHash('sha256');
  for (const part of data) hash.update(part).update('\0');
  return hash.digest('hex');
}

const digests = new Map<string, string>();

/** Digest of a file's content; `absent` when there is none. Read once per run of the command. */
export function fileDigest(path: string): string {
  const known = digests.get(path);
  if (known !== undefined) return known;
  let digest = 'absent';
  try { digest = sha256(readFileSync(realpathSync(path))); } catch (e) { if (!(e instanceof Error && 'code' in e)) throw e; }
  digests.set(path, digest);
  return digest;
}

/** First line that a program prints. */
export function firstLine(command: string, ...args: readonly string[]): string {
  const r = spawnSync(command, args, { encoding: 'utf8' });
  return r.status === 0 ? r.stdout.split('\n', 1)[0] ?? '' : '';
}

/** Version of an installed Debian package, '' when it is not installed. */
export function packageVersion(name: string): string {
  return firstLine('dpkg-query', '-W', '-f', '${Version}\n', name);
}

/** Refuses to go on without a package, and says how to get it. */
export function requirePackage(name: string): string {
  const found = packageVersion(name);
  if (found === '') throw new Failure(`the Debian package ${name} is not installed; scripts/bootstrap.sh --conformance installs it`);
  return found;
}

/** What else decides how a program ends on the host, beside the program itself: part of every oracle's key. */
export interface Machine { readonly kernel: string; readonly cpus: number; readonly libc: string; readonly limits: string }

export function machine(): Machine {
  return {
    kernel: `${release()} ${version()}`,
    cpus: availableParallelism(),
    libc: fileDigest('/lib/x86_64-linux-gnu/libc.so.6'),
    // As text: the soft limits that the keeper sets are the same for everybody, the others are what it got from us.
    limits: readFileSync('/proc/self/limits', 'latin1').split('\n').filter((line) => !/pending signals|processes/.test(line)).join('\n'),
  };
}

/**
 * The machine's lock. Whoever holds it runs either the host's side or carrick's, so the two never compete for the processors, whoever started them.
 * flock(1) holds it in a child that ends with its standard input: with us, however we end.
 */
export async function withMachine<T>(work: () => Promise<T>, waiting: () => void): Promise<T> {
  const path = '/var/tmp/carrick-conformance.lock';
  try { closeSync(openSync(path, 'wx', 0o666)); chmodSync(path, 0o666); } catch (e) { if (!(e instanceof Error && 'code' in e && e.code === 'EEXIST')) throw e; }
  const holder = spawn('sh', ['-c', 'exec 9<"$0" && flock -x 9 && echo locked && exec cat', path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const patience = setTimeout(waiting, 1000);
  try {
    await new Promise<void>((done, fail) => {
      holder.stdout.once('data', () => { done(); });
      holder.once('error', fail);
      holder.once('exit', () => { fail(new Failure(`cannot lock ${path}`)); });
    });
    clearTimeout(patience);
    return await work();
  } finally {
    clearTimeout(patience);
    holder.stdin.end();
  }
}
