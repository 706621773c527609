/**
 * Containers that are started and killed at random moments, many at a time, in a home that they share; then what must hold: nothing of them runs on, nothing
 * is locked or half there, every container that is left can be removed, and the image store works.
 *
 * What happens to whom, and after how long, is decided by a seed, which every message names; CHAOS_SEED=N chooses it. When things happen on the machine
 * is the machine's business, so a seed leads back to the same decisions, not to the same moment.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Footprint, carrick, carrickCommand, guestsOf, listing, scratchDir, testEnv } from './harness.js';

/** Containers at a time. */
const WIDTH = 6;
/** Longest life before somebody is killed. ms. */
const LIFE_MS = 900;
/** How long an end may take on a machine that is very busy; longer is a hang. ms. */
const END_MS = 60_000;

/** What containers do: shells that fork, threads and processes of python, pipes, sockets, files as dpkg writes them. */
const WORK: readonly (readonly string[])[] = [
  ['sh', '-c', 'while :; do x=$(echo a | cat); echo "$x" > /opt/f; (exit 3); done'],
  ['bash', '-c', 'while :; do for i in 1 2 3; do sleep 0.01 & done; wait; mkdir -p /opt/d/$RANDOM; rm -rf /opt/d; done'],
  ['sh', '-c', 'while :; do yes | head -c 300000 | tr y z | wc -c; done >/dev/null'],
  ['sh', '-c', 'mkdir -p /opt/pkg; while :; do for i in 1 2 3 4 5; do echo data > /opt/pkg/$i.new; ln -f /opt/pkg/$i.new /opt/pkg/$i.link; mv /opt/pkg/$i.new /opt/pkg/$i; done; sync /opt/pkg/1; rm -r /opt/pkg; mkdir /opt/pkg; done'],
  ['python3', '-c', 'import os, threading\nt = [threading.Thread(target=lambda: [os.getpriority(os.PRIO_PROCESS, 0) for _ in iter(int, 1)], daemon=True) for _ in range(3)]\n[x.start() for x in t]\nwhile True:\n  p = os.fork()\n  os._exit(3) if p == 0 else os.waitpid(p, 0)'],
  ['python3', '-c', 'import socket, threading\ns = socket.create_server(("127.0.0.1", 0))\ndef serve():\n  while True:\n    c, _ = s.accept()\n    c.sendall(c.recv(1000) * 10)\n    c.close()\nthreading.Thread(target=serve, daemon=True).start()\nwhile True:\n  c = socket.create_connection(s.getsockname())\n  c.sendall(b"x" * 100)\n  while c.recv(4096): pass\n  c.close()'],
  ['setsid', 'sh', '-c', 'trap "" HUP INT; while :; do (setsid sleep 0.2 &); sleep 0.02; done'],
];

/** mulberry32: numbers from 0 to below 1 that a seed decides. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const DEATHS = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT twice', 'SIGSEGV', 'a guest', 'a guest, then SIGTERM', 'all guests', 'carrick stop', 'carrick rm -f'] as const;

interface Plan { readonly nr: number; readonly args: readonly string[]; readonly env: Record<string, string>; readonly death: (typeof DEATHS)[number]; readonly afterMs: number; readonly name: string }

const IMAGE = 'localhost/chaos';

/** A root file system of one program, as a tar. */
function imageTar(dir: string): string {
  mkdirSync(join(dir, 'root/bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(dir, 'root/bin/busybox'));
  const tar = join(dir, 'image.tar');
  const r = spawnSync('sh', ['-c', 'cd "$1/root" && for p in sh sleep cat echo true mkdir rm; do ln -s busybox bin/$p; done && tar cf "$2" .', 'sh', dir, tar], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  chmodSync(tar, 0o644);
  return tar;
}

class Chaos {
  private readonly footprint: Footprint;
  private readonly tar: string;
  private readonly faults: string[] = [];

  constructor(private readonly ordinary: boolean, private readonly seed: number) {
    this.footprint = new Footprint(ordinary);
    const dir = scratchDir('chaos');
    chmodSync(dir, 0o755);
    this.tar = imageTar(dir);
  }

  private command(args: readonly string[], more: Record<string, string> = {}): ReturnType<typeof carrick> {
    return carrick(args, { ...this.footprint.options, env: { ...this.footprint.options.env, ...more }, timeoutMs: END_MS });
  }

  private plan(nr: number, rnd: () => number): Plan {
    const pick = <T>(from: readonly T[]): T => from[Math.floor(rnd() * from.length)] as T;
    const death = pick(DEATHS), afterMs = Math.floor(rnd() * LIFE_MS), env = { CARRICK_NAMESPACES: pick(['', '', 'none']) };
    // A load of the image that is killed, instead of a container.
    if (rnd() < 0.08) return { nr, args: ['import', '-q', this.tar, IMAGE], env, death: 'SIGKILL', afterMs: Math.floor(rnd() * 300), name: '' };
    const name = rnd() < 0.2 ? `shared-${Math.floor(rnd() * 3)}` : `chaos-${nr}`;
    const flags = ['--name', name, ...pick([[], ['--rm'], ['-d'], ['-d', '--rm'], ['--rm', '--init'], ['--rm', '-u', '12:34']])];
    const inImage = rnd() < 0.2;
    const what = inImage ? [IMAGE, 'sh', '-c', 'while :; do mkdir /d; echo x > /d/f; cat /d/f >/dev/null & wait; rm -r /d; done'] : ['host', '--', ...pick(WORK)];
    return { nr, args: ['run', ...flags, ...what], env, death, afterMs, name };
  }

  private async one(p: Plan): Promise<void> {
    const [command = '', ...words] = carrickCommand(this.ordinary);
    const { env, home } = this.footprint.options;
    const child = spawn(command, [...words, ...p.args], { stdio: 'ignore', env: testEnv({ ...env, ...p.env }, home) });
    const ended = new Promise<void>((done) => child.on('close', () => { done(); }));
    await sleep(p.afterMs);
    await this.kill(child, p, ended);
    if (!await within(ended, END_MS)) {
      this.faults.push(`seed ${this.seed}, number ${p.nr}: did not end after ${p.death} at ${p.afterMs} ms: carrick ${JSON.stringify(p.args)}`);
      child.kill('SIGKILL');
      await ended;
    }
  }

  /** With -d the carrick that was called may have gone by then; the one that runs the container is meant. Some of those stay, for settle(). */
  private async kill(child: ChildProcess, p: Plan, ended: Promise<void>): Promise<void> {
    const detached = p.args.includes('-d') ? this.runs(p.name) : 0;
    if (detached !== 0 && p.nr % 20 === 0) return;
    const pid = detached || (child.pid ?? 0);
    const signal = (signo: NodeJS.Signals): void => {
      if (detached !== 0) tryKill(detached, signo);
      else if (child.exitCode === null && child.signalCode === null) child.kill(signo);
    };
    const shoot = (guests: readonly number[]): void => { for (const guest of guests) tryKill(guest); };
    switch (p.death) {
      case 'SIGKILL': case 'SIGTERM': case 'SIGSEGV': signal(p.death); break;
      case 'SIGINT twice': signal('SIGINT'); await sleep(100); signal('SIGINT'); break;
      case 'a guest': case 'a guest, then SIGTERM': shoot(guestsOf([pid]).slice(-1)); await sleep(50); signal('SIGTERM'); break;
      case 'all guests': shoot(guestsOf([pid])); break;
      case 'carrick stop': await this.later(['stop', '-t', '1', p.name]); break;
      case 'carrick rm -f': await this.later(['rm', '-f', p.name]); break;
    }
    // Whoever ignores a signal, or was not there yet to get it, ends now.
    if (detached === 0) { if (!await within(ended, 300)) signal('SIGTERM'); return; }
    await sleep(300);
    signal('SIGTERM');
    for (const late = Date.now() + END_MS; this.runs(p.name) === detached; await sleep(50)) {
      if (Date.now() < late) continue;
      this.faults.push(`seed ${this.seed}, number ${p.nr}: in the background, it did not end after ${p.death} at ${p.afterMs} ms: carrick ${JSON.stringify(p.args)}`);
      tryKill(detached);
      return;
    }
  }

  /** Host pid of the carrick that runs the container of this name now; 0: there is none. */
  private runs(name: string): number {
    const dir = join(this.footprint.home, 'containers');
    for (const id of listing(dir)) {
      try {
        const about = JSON.parse(readFileSync(join(dir, id, 'state.json'), 'utf8')) as { name: string; pid: number; status: string };
        if (about.name === name && about.status === 'running' && readFileSync(`/proc/${about.pid}/cmdline`, 'latin1').includes(id)) return about.pid;
      } catch (error) {
        // No state yet, half of one, or gone meanwhile; or its carrick has.
        if (!(error instanceof SyntaxError) && !(error instanceof Error && 'code' in error)) throw error;
      }
    }
    return 0;
  }

  /** A carrick command beside the others. */
  private later(args: readonly string[]): Promise<void> {
    const [command = '', ...words] = carrickCommand(this.ordinary);
    const { env, home } = this.footprint.options;
    const child = spawn(command, [...words, ...args], { stdio: 'ignore', env: testEnv(env, home) });
    return new Promise((done) => child.on('close', () => { done(); }));
  }

  async run(count: number): Promise<void> {
    const begun = this.command(['import', '-q', this.tar, IMAGE]);
    assert.equal(begun.status, 0, begun.err);
    const rnd = random(this.seed);
    const plans = Array.from({ length: count }, (_, i) => this.plan(i, rnd));
    const worker = async (): Promise<void> => { for (let p = plans.shift(); p !== undefined; p = plans.shift()) await this.one(p); };
    await Promise.all(Array.from({ length: WIDTH }, worker));
    this.settle();
    assert.deepEqual(this.faults, []);
  }

  private expect(what: string, r: ReturnType<typeof carrick>, out?: string): void {
    if (r.status !== 0 || (out !== undefined && r.out !== out)) this.faults.push(`seed ${this.seed}: ${what}: status ${String(r.status)}, ${r.out.slice(0, 200)} ${r.err.slice(0, 500)}`);
  }

  /** What must hold afterwards. */
  private settle(): void {
    // Detached ones may still run: a random half of them loses its carrick first.
    const detached = this.command(['ps', '-q']).out.split('\n').filter((id) => id !== '');
    for (const [i, id] of detached.entries()) {
      const pid = Number(this.command(['inspect', '-f', '{{.State.Pid}}', id]).out);
      if (i % 2 === 0 && pid > 0) tryKill(pid);
    }
    const left = this.command(['ps', '-a', '-q']);
    this.expect('ps', left);
    for (const id of left.out.split('\n')) if (id !== '') this.expect(`rm of container ${id}`, this.command(['rm', '-f', id]));
    this.expect('the store after killed imports', this.command(['import', '-q', this.tar, IMAGE]));
    this.expect('a container of the image', this.command(['run', '--rm', IMAGE, 'sh', '-c', 'echo fine']), 'fine\n');
    this.expect('a name that was used', this.command(['run', '--rm', '--name', 'shared-0', 'host', '--', 'echo', 'fine']), 'fine\n');
    for (const text of this.footprint.left()) this.faults.push(`seed ${this.seed}: left: ${text}`);
    this.expect('rmi', this.command(['rmi', IMAGE]));
    for (const dir of ['layers', 'blobs']) {
      for (const name of listingDeep(join(this.footprint.home, dir))) if (!/\.(new|part)$/.test(name)) this.faults.push(`seed ${this.seed}: the store kept ${dir}/${name}`);
    }
    rmSync(this.footprint.home, { recursive: true, force: true });
  }
}

/** Whether something happens within `ms`. */
function within(what: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((done) => {
    const late = setTimeout(() => { done(false); }, ms);
    void what.then(() => { clearTimeout(late); done(true); });
  });
}

/** Files below a directory, and directories that are being made. */
function listingDeep(dir: string): string[] {
  return listing(dir).flatMap((name) => name.endsWith('.new') || !isDirectory(join(dir, name)) ? [name] : listingDeep(join(dir, name)).map((more) => `${name}/${more}`));
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function tryKill(pid: number, signo: NodeJS.Signals = 'SIGKILL'): void {
  try {
    // Not somebody whom the number belongs to by now.
    if (readFileSync(`/proc/${pid}/stat`, 'latin1') !== '') process.kill(pid, signo);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error; // it has ended by itself
  }
}

/** `count` containers; throws with all that was wrong. */
export async function chaos(count: number, ordinary: boolean): Promise<void> {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1e9);
  process.stdout.write(`chaos: ${count} containers, ${ordinary ? 'as an ordinary user' : 'as the caller'}, CHAOS_SEED=${seed}\n`);
  await new Chaos(ordinary, seed).run(count);
}
