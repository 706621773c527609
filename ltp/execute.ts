/**
 * Starts one program on one side, by the keeper (keeper.c), and reads what it left.
 *
 *   host     keeper ── program                              namespaces of its own when we are root
 *   carrick  keeper ── carrick run --init host ── program   on the host's root, with the same user, directory, environment
 *
 * Standard output and error are files outside of what a test can fill: the scratch directory is a tmpfs of SCRATCH_BYTES under carrick, and on the host
 * too when we are root; else it is a directory that is emptied after every run. Both sides call it the same, so that the lengths of paths agree.
 * A program on the host has a session of its own; carrick, which gives its guests one, is in the runner's, as when a shell starts it (decision 0019).
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ORDINARY_UID, publicCommand } from '../test/public.js';
import { Failure } from './failure.js';
import { HOME, place, sha256 } from './machine.js';
import type { End } from './result.js';
import type { As, Capture, Program } from './suite.js';

export type Side = 'host' | 'carrick';

const SCRATCH_BYTES = 1 << 30;
const ROOT = process.getuid?.() === 0;

/** Whoever the runner may run a program as. */
export function peopleOf(program: Program, wanted: As | 'both'): As[] {
  const possible = ROOT ? program.as : program.as.includes('user') ? ['user' as const] : [];
  return wanted === 'both' ? [...possible] : possible.filter((as) => as === wanted);
}

/** Path of the keeper, compiled once per content. */
export function keeper(): string {
  const source = resolve('ltp/keeper.c');
  const binary = join(place('keeper'), sha256(readFileSync(source)).slice(0, 16));
  if (existsSync(binary)) return binary;
  const draft = `${binary}.${process.pid}`;
  const r = spawnSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', draft, source], { encoding: 'utf8' });
  if (r.status !== 0) throw new Failure(`cannot compile ltp/keeper.c: ${r.error?.message ?? r.stderr}`);
  chmodSync(draft, 0o755);
  renameSync(draft, binary);
  return binary;
}

interface Person { readonly uid: number; readonly gid: number }

function person(as: As): Person {
  if (ROOT) return as === 'root' ? { uid: 0, gid: 0 } : { uid: ORDINARY_UID, gid: ORDINARY_UID };
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/** Scratch directory of a job: there, empty, and anybody's. */
function scratchOf(job: number): string {
  const path = join(place(), `s${job}`);
  if (existsSync(path)) empty(path);
  mkdirSync(path, { mode: 0o1777, recursive: true });
  chmodSync(path, 0o1777);
  return path;
}

/** Removes what tests may have left, including directories without permissions. */
function empty(path: string): void {
  try { rmSync(path, { recursive: true, force: true }); } catch (e) {
    if (!(e instanceof Error && 'code' in e)) throw e;
    spawnSync('chmod', ['-R', 'u+rwX', path]);
    rmSync(path, { recursive: true, force: true });
  }
}

/** What a program finds around it, the same on both sides. */
export function environment(program: Program, scratch: string): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: scratch, TMPDIR: scratch, LC_ALL: 'C.UTF-8', SHELL: '/bin/sh', USER: 'tester', LOGNAME: 'tester',
    ...program.env,
  };
}

export interface Order {
  readonly program: Program;
  readonly side: Side;
  readonly as: As;
  readonly job: number;
  /** Where the captures go, without their suffixes. */
  readonly capture: string;
  readonly mode: 'fast' | 'nofast';
  /** Seconds after which carrick tells of a request that hangs. */
  readonly watchdog?: number;
}

/** Words for the keeper: who, where, how long, and the command. */
function keeperArguments(o: Order, scratch: string): string[] {
  const { uid, gid } = person(o.as);
  const { program } = o;
  const words = ['-t', String(program.timeoutMs), '-o', `${o.capture}.out`, '-e', `${o.capture}.err`];
  if (ROOT) words.push('-u', String(uid), '-g', String(gid));
  const variables = ['env', '-i', ...Object.entries(environment(program, scratch)).map(([name, value]) => `${name}=${value}`)];
  if (o.side === 'host') {
    if (ROOT) words.push('-i', '-m', scratch, '-s', String(SCRATCH_BYTES));
    return [...words, '-d', program.cwd ?? scratch, '--', ...variables, ...program.argv];
  }
  const command = ROOT && o.as === 'user' ? publicCommand(resolve('dist/carrick.mjs')) : [process.execPath, resolve('dist/carrick.mjs')];
  return [...words, '-p', '-d', '/', '--', ...command, 'run', '--rm', '--init', '-u', `${uid}:${gid}`, '--tmpfs', `${scratch}:size=${SCRATCH_BYTES},mode=1777`,
    ...(program.volumes ?? []).flatMap((volume) => ['-v', volume]), '-w', program.cwd ?? scratch, 'host', '--', ...variables, ...program.argv];
}

/** The keeper's line, or `lost` when there is none: it was killed itself. `exit N MS LEFT` */
function readReport(line: string, ms: number): { readonly end: End; readonly ms: number } {
  const found = /^(exit|signal|timeout) (\d+) (\d+) \d+$/m.exec(line.trim());
  if (found === null) return { end: { how: 'lost', code: 0 }, ms };
  return { end: { how: found[1] as End['how'], code: Number(found[2]) }, ms: Number(found[3]) };
}

/** What carrick's own status says of the program's end: 128 + N is what a shell makes of signal N; 125 is carrick's own failure. */
function throughCarrick(end: End): End {
  if (end.how !== 'exit') return end.how === 'timeout' ? end : { how: 'lost', code: end.code };
  if (end.code === 125) return { how: 'lost', code: 125 };
  return end.code > 128 && end.code < 128 + 65 ? { how: 'signal', code: end.code - 128 } : end;
}

const text = (path: string): string => existsSync(path) ? readFileSync(path, 'latin1') : '';

/** Runs a program to its end, or until its time is over. Never throws for what a program does. */
export async function execute(o: Order): Promise<Capture> {
  const scratch = scratchOf(o.job);
  const home = join(HOME, `carrick-home-${o.job}-${o.as}`);
  mkdirSync(home, { recursive: true, mode: 0o777 });
  chmodSync(home, 0o777);
  rmSync(`${o.capture}.out`, { force: true });
  rmSync(`${o.capture}.err`, { force: true });
  const begin = Date.now();
  const slow: Record<string, string> = o.mode === 'nofast' ? { CARRICK_FASTPATH: '0', CARRICK_GRANTS: '0' } : {};
  const child = spawn(keeper(), keeperArguments(o, scratch), {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: home, CARRICK_HOME: home, TMPDIR: home, ...slow, ...(o.watchdog === undefined ? {} : { CARRICK_WATCHDOG: String(o.watchdog) }) },
  });
  let report = '';
  let complaint = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => { report += chunk.toString('latin1'); });
  child.stderr?.on('data', (chunk: Buffer) => { complaint += chunk.toString('latin1'); });
  await new Promise<void>((done) => { child.once('error', () => { done(); }); child.once('close', () => { done(); }); });
  empty(scratch);
  if (complaint.startsWith('keeper: ')) throw new Failure(complaint.trim());
  const { end, ms } = readReport(report, Date.now() - begin);
  // On the host `env` made 127 and the like of a program that is not there: that is the program's end there, and no different here.
  return { out: text(`${o.capture}.out`), err: text(`${o.capture}.err`), end: o.side === 'carrick' ? throughCarrick(end) : end, ms };
}
