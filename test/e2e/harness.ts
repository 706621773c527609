/** Running carrick from the end-to-end tests, and looking for what a run may have left behind. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const CARRICK = resolve('dist/carrick.mjs');

export interface Result { readonly status: number | null; readonly signal: string | null; readonly out: string; readonly err: string }

export interface RunOptions { readonly input?: string; readonly env?: Record<string, string>; readonly timeoutMs?: number; readonly home?: string }

const HOME = mkdtempSync(join(tmpdir(), 'carrick-e2e-home-'));
process.on('exit', () => { rmSync(HOME, { recursive: true, force: true }); });

/** Environment of a carrick that keeps its containers in a directory of this test run. */
export function testEnv(extra: Record<string, string> = {}, home = HOME): NodeJS.ProcessEnv {
  return { ...process.env, CARRICK_HOME: home, ...extra };
}

/** `carrick ARGS`, to its end. */
export function carrick(args: readonly string[], o: RunOptions = {}): Result {
  const r: SpawnSyncReturns<string> = spawnSync(process.execPath, [CARRICK, ...args], {
    encoding: 'utf8', input: o.input ?? '', env: testEnv(o.env, o.home), timeout: o.timeoutMs ?? 120000, killSignal: 'SIGKILL', maxBuffer: 64 << 20,
  });
  return { status: r.status, signal: r.signal, out: r.stdout, err: r.stderr };
}

/** `carrick run --rm host -- ARGV`. */
export function runHost(argv: readonly string[], o: RunOptions = {}): Result { return carrick(['run', '--rm', 'host', '--', ...argv], o); }

/** Shell script on the host root. */
export function bash(script: string, o: RunOptions = {}): Result { return runHost(['/bin/bash', '-c', script], o); }

/** Natively, for comparison. */
export function native(argv: readonly string[], input = ''): Result {
  const r = spawnSync(argv[0] as string, argv.slice(1), { encoding: 'utf8', input, maxBuffer: 64 << 20 });
  return { status: r.status, signal: r.signal, out: r.stdout, err: r.stderr };
}

/** Host pids of processes that run carrick's stub. */
export function guestProcesses(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/maps`, 'latin1').includes('7e0000000000-')) found.push(Number(name));
    } catch (e) {
      // Gone meanwhile, or somebody else's: neither is a guest of ours.
      if (!(e instanceof Error && 'code' in e)) throw e;
    }
  }
  return found;
}

/** Names in a directory, [] when it is not there. */
export function listing(dir: string): string[] { return existsSync(dir) ? readdirSync(dir).sort() : []; }

/** A scratch directory that goes with the test process. */
export function scratchDir(name: string): string {
  const d = mkdtempSync(join(tmpdir(), `carrick-e2e-${name}-`));
  process.on('exit', () => { rmSync(d, { recursive: true, force: true }); });
  return d;
}
