/** Running carrick from the end-to-end tests, and looking for what a run may have left behind. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AS_ORDINARY, ORDINARY_UID, publicCommand } from '../public.js';

export const CARRICK = resolve('dist/carrick.mjs');

export interface Result { readonly status: number | null; readonly signal: string | null; readonly out: string; readonly err: string }

export interface RunOptions { readonly input?: string; readonly env?: Record<string, string>; readonly timeoutMs?: number; readonly home?: string; /** As the ordinary user. */ readonly ordinary?: boolean }

const scratch: string[] = [];
process.on('exit', () => { for (const d of scratch) rmSync(d, { recursive: true, force: true }); });
const HOME = scratchDir('home');

/** Environment of a carrick that keeps its containers in a directory of this test run. */
export function testEnv(extra: Record<string, string> = {}, home = HOME): NodeJS.ProcessEnv {
  return { ...process.env, CARRICK_HOME: home, ...extra };
}

/** The words before carrick's arguments. */
export function carrickCommand(ordinary: boolean): string[] {
  return ordinary ? [...AS_ORDINARY, ...publicCommand(CARRICK)] : [process.execPath, CARRICK];
}

/** `carrick ARGS`, to its end. Its input is a file: Node's own would be a socket, on which bash takes itself for one that rshd has started, and reads ~/.bashrc. */
export function carrick(args: readonly string[], o: RunOptions = {}): Result {
  const [command = '', ...first] = carrickCommand(o.ordinary === true);
  const input = join(HOME, `input-${process.pid}`);
  writeFileSync(input, o.input ?? '');
  const stdin = openSync(input, 'r');
  const r: SpawnSyncReturns<string> = spawnSync(command, [...first, ...args], {
    encoding: 'utf8', stdio: [stdin, 'pipe', 'pipe'], env: testEnv(o.env, o.home), timeout: o.timeoutMs ?? 120000, killSignal: 'SIGKILL', maxBuffer: 64 << 20,
  });
  closeSync(stdin);
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

/** Field of /proc/PID/status, '' when the process is gone. */
function statusField(pid: number, field: string): string {
  try {
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
  } catch (e) {
    if (!(e instanceof Error && 'code' in e)) throw e;
    return '';
  }
}

/** Command line of a process, words joined by blanks; '' when it is gone. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch (e) {
    if (!(e instanceof Error && 'code' in e)) throw e;
    return '';
  }
}

/** Host pids whose command line contains a text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => commandLine(pid).includes(text));
}

/** Guests that no living carrick has below it: what must never be. Other test files, and other people, may run containers at the same time. */
function orphans(): number[] {
  return guestProcesses().filter((guest) => !descends(guest, (pid) => /carrick\.mjs/.test(commandLine(pid))) && statusField(guest, 'Pid') !== '');
}

/** Whether a process or one above it is meant. */
function descends(from: number, meant: (pid: number) => boolean): boolean {
  for (let pid = from; pid > 1; pid = Number(statusField(pid, 'PPid'))) if (meant(pid)) return true;
  return false;
}

/** Guests of one of these carricks. */
export function guestsOf(carricks: readonly number[]): number[] {
  return guestProcesses().filter((guest) => descends(guest, (pid) => carricks.includes(pid)));
}

/** Wait until a condition holds; false when it does not within `ms`, which only bounds a failure: much more than a busy machine takes. */
export function eventually(holds: () => boolean, ms = 60000): boolean {
  const end = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > end) return false;
    pause(20);
  }
  return true;
}

/** Give the processor to what is waited for. */
export function pause(ms: number): void { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); }

/** What a run of carrick could leave on the machine, but for what other runs do meanwhile. */
export class Footprint {
  readonly tmp = scratchDir('tmp');
  readonly home = scratchDir('home');
  private readonly shm = listing('/dev/shm');
  private readonly fds = listing('/proc/self/fd').length;
  private readonly before = new Set(orphans());

  constructor(private readonly ordinary = false) {
    if (ordinary) for (const d of [this.tmp, this.home]) chownSync(d, ORDINARY_UID, ORDINARY_UID);
  }

  /** Options for carrick() that make it leave its traces here. */
  get options(): RunOptions { return { home: this.home, env: { TMPDIR: this.tmp }, ordinary: this.ordinary }; }

  /** What has been left behind, in words, but for what may be; [] when nothing. A carrick whose end was not waited for is given time to tidy up. */
  left(may: (what: string) => boolean = () => false): string[] {
    let found: string[] = [];
    // Not looked at once more: of other runs a process may just be in the making, before it is anybody's.
    eventually(() => (found = this.found().filter((what) => !may(what))).length === 0);
    return found;
  }

  private found(): string[] {
    const found = orphans().filter((pid) => !this.before.has(pid)).map((pid) => `process ${pid}: ${commandLine(pid)}`);
    for (const name of listing(this.tmp)) found.push(`temporary file ${name}`);
    for (const dir of ['containers', 'names']) for (const name of listing(join(this.home, dir))) found.push(`${dir}/${name}`);
    for (const name of listing('/dev/shm')) if (!this.shm.includes(name)) found.push(`/dev/shm/${name}`);
    const fds = listing('/proc/self/fd').length;
    if (fds !== this.fds) found.push(`${fds} descriptors, ${this.fds} before`);
    return found;
  }
}

/** Names in a directory, [] when it is not there. */
export function listing(dir: string): string[] { return existsSync(dir) ? readdirSync(dir).sort() : []; }

/** A scratch directory that goes with the test process. */
export function scratchDir(name: string): string {
  const d = mkdtempSync(join(tmpdir(), `carrick-e2e-${name}-`));
  scratch.push(d);
  return d;
}
