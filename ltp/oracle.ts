/**
 * The host's runs, kept. A run is valid as long as everything that determines it is the same, and all of that is in its key: the suite and its reader,
 * digests of the program and what it needs, arguments, environment, directory, kernel, processors, C library, user, limits, time allowed, and which of the
 * runs it is. What is kept is what the program printed, not what was made of it: a reader that gets better needs no new run.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { environment } from './execute.js';
import { type Machine, fileDigest, place, sha256 } from './machine.js';
import type { As, Capture, Program } from './suite.js';

/** Changes when runs of the same program would end differently because of the runner: its limits, its environment. */
const FORMAT = 1;

export function oracleKey(suite: string, program: Program, as: As, scratch: string, run: number, machine: Machine): string {
  return sha256(JSON.stringify([FORMAT, suite, program.name, program.digest, program.argv, fileDigest(program.argv[0] ?? ''), environment(program, scratch), program.cwd ?? '',
    program.timeoutMs, as, process.getuid?.() ?? 0, run, machine]));
}

const fileOf = (key: string): string => join(place('oracle'), `${key.slice(0, 40)}.json.gz`);

export function recall(key: string): Capture | undefined {
  const path = fileOf(key);
  return existsSync(path) ? JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as Capture : undefined;
}

export function keep(key: string, capture: Capture): void {
  const path = fileOf(key);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, gzipSync(Buffer.from(JSON.stringify(capture), 'utf8')));
  renameSync(draft, path);
}
