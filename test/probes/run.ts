/**
 * The differential probes: every C program here runs on the host (the oracle) and under carrick; standard output and exit
 * status must be equal byte for byte. What the probes may print is said in probe.h.
 *
 *   node scripts/run-ts.mjs test/probes/run.ts [options]
 *     --filter RE      only probes whose name matches (glibc/file-seek, musl/file-seek)
 *     --jobs N         carrick containers at a time (default: CPUs, at most 8)
 *     --batch N        probes per container (default: all of a job's share; 1 = a container each)
 *     --mode M         fast (default), nofast (CARRICK_FASTPATH=0 CARRICK_GRANTS=0), eager (CARRICK_REWRITE=1: every call site is
 *                      rewritten when it has trapped once), trap (CARRICK_REWRITE=0: none is), check (CARRICK_STUB=check: the stub that checks itself), several with commas; both = fast,nofast
 *     --user           as root: run everything a second time as an ordinary user
 *     --oracle N       only run the host side, N times each, and report what differs between runs
 *     --carrick FILE   the carrick to run (default dist/carrick.mjs)
 *     --verbose        all differing lines, not only the first
 *
 * Binaries are compiled once per content (compile.ts). Several probes share one container
 * (batch.sh), which keeps the whole set short; a container that says nothing for SILENCE_MS is killed, the probe that it was
 * in counts as failed, and the rest of its batch goes on in a new one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AS_ORDINARY, ORDINARY_UID, publicCommand } from '../public.js';
import { compileProbe, probesOf } from './compile.js';

const PROBES = resolve('test/probes');
/** A probe ends itself after 20 s (probe.h). */
const SILENCE_MS = 40_000;
const ORDINARY = { uid: ORDINARY_UID, gid: ORDINARY_UID };
const ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' } as const;

interface Who { readonly uid: number; readonly gid: number; readonly name: string; readonly switched: boolean }
interface Outcome { readonly text: string; readonly status: string }
/** How to run batch.sh for a list of probes: on the host, or in a container. */
type Launcher = (names: readonly string[], scratch: string) => { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv };

const { values: opt } = parseArgs({
  options: {
    filter: { type: 'string', default: '' }, jobs: { type: 'string' }, batch: { type: 'string' }, mode: { type: 'string', default: 'fast' },
    user: { type: 'boolean', default: false }, oracle: { type: 'string' }, carrick: { type: 'string', default: 'dist/carrick.mjs' },
    verbose: { type: 'boolean', default: false },
  },
});

const MODES: Readonly<Record<string, NodeJS.ProcessEnv>> = {
  fast: {}, nofast: { CARRICK_FASTPATH: '0', CARRICK_GRANTS: '0' }, eager: { CARRICK_REWRITE: '1' }, trap: { CARRICK_REWRITE: '0' }, check: { CARRICK_STUB: 'check' },
};
const modes = opt.mode === 'both' ? ['fast', 'nofast'] : opt.mode.split(',');
for (const mode of modes) if (MODES[mode] === undefined) throw new Error(`no mode ${mode}`);

const print = (line: string): void => { process.stdout.write(`${line}\n`); };
const running = new Set<ChildProcess>();

/** Ends a child and everything in its process group. */
function end(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try { process.kill(-child.pid, 'SIGKILL'); } catch { /* already gone */ }
}

/** Puts the chosen probes into a directory that every user can read; returns their names. */
function install(bin: string, filter: RegExp): string[] {
  const names: string[] = [];
  let noMusl = false;
  for (const libc of ['glibc', 'musl'] as const) {
    mkdirSync(join(bin, libc), { mode: 0o755 });
    for (const name of probesOf(libc)) {
      if (!filter.test(`${libc}/${name}`)) continue;
      const binary = compileProbe(name, libc);
      if (binary === undefined) { noMusl = true; continue; }
      copyFileSync(binary, join(bin, libc, name));
      chmodSync(join(bin, libc, name), 0o755);
      names.push(`${libc}/${name}`);
    }
  }
  if (noMusl) print('no musl-gcc (Debian package musl-tools): static musl probes are left out');
  copyFileSync(join(PROBES, 'batch.sh'), join(bin, 'batch.sh'));
  chmodSync(join(bin, 'batch.sh'), 0o755);
  return names;
}

/** Reads batch.sh's output as it comes. */
class Reader {
  readonly outcomes = new Map<string, Outcome>();
  current: string | undefined;
  private rest = '';
  private lines: string[] = [];

  push(chunk: string): void {
    const parts = (this.rest + chunk).split('\n');
    this.rest = parts.pop() ?? '';
    for (const line of parts) this.line(line);
  }

  private line(line: string): void {
    const begin = /^=== begin (\S+)$/.exec(line);
    if (begin !== null) { this.current = begin[1]; this.lines = []; return; }
    const over = /^=== end (\S+) (\d+)$/.exec(line);
    if (over === null || over[1] !== this.current) { this.lines.push(line); return; }
    this.outcomes.set(over[1] ?? '', { text: this.lines.join('\n'), status: `exit ${over[2]}` });
    this.current = undefined;
  }

  /** What the interrupted probe had printed. */
  broken(status: string): Outcome { return { text: [...this.lines, this.rest].join('\n'), status }; }
}

/** One run of batch.sh: its output until it ends or falls silent. */
function once(names: readonly string[], scratch: string, launch: Launcher): Promise<{ reader: Reader; why: string }> {
  const { argv, env } = launch(names, scratch);
  const child = spawn(argv[0] ?? '', argv.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  const reader = new Reader();
  let why = '';
  let errors = '';
  let timer = setTimeout(() => undefined, 0);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => { why = `silent for ${SILENCE_MS / 1000} s`; end(child); }, SILENCE_MS);
  };
  alive();
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => { alive(); reader.push(chunk); });
  child.stderr.setEncoding('latin1').on('data', (chunk: string) => { errors = (errors + chunk).slice(-2000); });
  return new Promise((done) => {
    child.on('error', (e) => { why = e.message; });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      end(child);
      if (why === '' && (code !== 0 || signal !== null)) why = `container ended with ${signal ?? `exit ${code}`}`;
      done({ reader, why: errors === '' ? why : `${why === '' ? 'stderr' : why}: ${errors.trim().split('\n').slice(-3).join(' / ')}` });
    });
  });
}

/** Runs a batch to its end, starting anew after a probe that took the container down. */
async function batch(names: readonly string[], who: Who, launch: Launcher, into: Map<string, Outcome>): Promise<void> {
  let left = [...names];
  while (left.length > 0) {
    const scratch = mkdtempSync(join(tmpdir(), 'carrick-probes-'));
    chmodSync(scratch, 0o755);
    if (process.getuid?.() === 0) chownSync(scratch, who.uid, who.gid);
    const { reader, why } = await once(left, scratch, launch);
    rmSync(scratch, { recursive: true, force: true });
    for (const [name, outcome] of reader.outcomes) into.set(name, outcome);
    const culprit = reader.current ?? (reader.outcomes.size === 0 ? left[0] : undefined);
    if (culprit !== undefined) into.set(culprit, reader.broken(why === '' ? 'lost' : why));
    const before = left.length;
    left = left.filter((name) => !into.has(name));
    if (left.length === before) for (const name of left.splice(0)) into.set(name, { text: '', status: why });
  }
}

/** Deals the probes out to `jobs` runners. */
async function runAll(names: readonly string[], jobs: number, size: number, who: Who, launch: Launcher): Promise<Map<string, Outcome>> {
  const into = new Map<string, Outcome>();
  const queue: string[][] = [];
  const per = size > 0 ? size : Math.ceil(names.length / jobs);
  for (let i = 0; i < names.length; i += per) queue.push(names.slice(i, i + per));
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await batch(next, who, launch, into);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return into;
}

function asUser(who: Who, argv: readonly string[]): string[] {
  return who.switched ? [...AS_ORDINARY, ...argv] : [...argv];
}

function hostLauncher(bin: string, who: Who): Launcher {
  return (names, scratch) => ({ argv: asUser(who, ['sh', join(bin, 'batch.sh'), bin, scratch, ...names]), env: ENV });
}

function guestLauncher(bin: string, who: Who, mode: string): Launcher {
  const switches = MODES[mode];
  const clean = ['env', '-i', ...Object.entries(ENV).map(([k, v]) => `${k}=${v}`)];
  const command = who.switched ? publicCommand(resolve(opt.carrick)) : [process.execPath, resolve(opt.carrick)];
  return (names, scratch) => ({
    argv: asUser(who, [...command, 'run', '--rm', '-u', `${who.uid}:${who.gid}`, '-v', `${bin}:/probes:ro`,
      'host', '--', ...clean, 'sh', '/probes/batch.sh', '/probes', '/tmp', ...names]),
    env: { ...process.env, HOME: scratch, ...switches },
  });
}

/** Lines that differ, as `line N: host "…", carrick "…"`; empty when equal. */
function differences(host: Outcome, guest: Outcome): string[] {
  const a = host.text.split('\n');
  const b = guest.text.split('\n');
  const out: string[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] !== b[i]) out.push(`line ${i + 1}: host ${JSON.stringify(a[i] ?? '(end)')}, carrick ${JSON.stringify(b[i] ?? '(end)')}`);
  }
  if (host.status !== guest.status) out.push(`host ${host.status}, carrick ${guest.status}`);
  return out;
}

/** A probe that cannot set itself up says nothing about anybody. */
function oracleBroken(o: Outcome | undefined): string | undefined {
  if (o === undefined) return 'did not run';
  if (o.status !== 'exit 0') return o.status;
  return /setup-failed.*/.exec(o.text)?.[0];
}

const missing: Outcome = { text: '', status: 'did not run' };
let passed = 0;
let failed = 0;

function report(label: string, name: string, problems: readonly string[]): void {
  if (problems.length === 0) { passed++; return; }
  failed++;
  const last = problems[problems.length - 1] ?? '';
  const shown = opt.verbose || problems.length === 1 ? problems : [problems[0] ?? '', ...(last.startsWith('line ') ? [] : [last])];
  for (const problem of shown) print(`FAIL ${name} [${label}] ${problem}`);
}

async function checkOracle(names: readonly string[], times: number, jobs: number, who: Who, bin: string): Promise<void> {
  const first = new Map<string, Outcome>();
  for (let round = 0; round < times; round++) {
    const order = round % 2 === 0 ? names : [...names].reverse();
    const results = await runAll(order, jobs, 1, who, hostLauncher(bin, who));
    for (const name of names) {
      const now = results.get(name);
      const bad = oracleBroken(now);
      const known = first.get(name);
      if (now !== undefined && known === undefined) first.set(name, now);
      const diff = bad !== undefined ? [bad] : known === undefined ? [] : differences(known, now ?? missing);
      report(`${who.name} run ${round + 1}`, name, diff.map((d) => d.replaceAll('carrick', 'now').replaceAll('host', 'first')));
    }
  }
}

async function compare(names: readonly string[], jobs: number, who: Who, bin: string): Promise<void> {
  const host = await runAll(names, jobs, 0, who, hostLauncher(bin, who));
  const good = names.filter((name) => {
    const bad = oracleBroken(host.get(name));
    if (bad !== undefined) report(who.name, name, [`broken on the host: ${bad}`]);
    return bad === undefined;
  });
  for (const mode of modes) {
    const guest = await runAll(good, jobs, Number(opt.batch ?? 0), who, guestLauncher(bin, who, mode));
    for (const name of good) report(`${who.name} ${mode}`, name, differences(host.get(name) ?? missing, guest.get(name) ?? missing));
  }
}

async function main(): Promise<void> {
  const started = Date.now();
  const bin = mkdtempSync(join(tmpdir(), 'carrick-bin-'));
  chmodSync(bin, 0o755);
  try {
    const names = install(bin, new RegExp(opt.filter));
    const jobs = Math.max(1, Number(opt.jobs ?? Math.min(8, availableParallelism())));
    const uid = process.getuid?.() ?? 0;
    const people: Who[] = [{ uid, gid: process.getgid?.() ?? 0, name: uid === 0 ? 'root' : 'user', switched: false }];
    if (opt.user && uid === 0) people.push({ ...ORDINARY, name: 'user', switched: true });
    for (const who of people) {
      if (opt.oracle !== undefined) await checkOracle(names, Number(opt.oracle), jobs, who, bin);
      else await compare(names, jobs, who, bin);
    }
    print(`${passed} passed, ${failed} failed (${names.length} probes, ${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { for (const child of running) end(child); process.exit(130); });
await main();
