/** Containers that run servers while a test talks to them, and clients that the test itself is. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { ORDINARY_UID } from '../public.js';
import { type Footprint, carrickCommand, scratchDir, testEnv } from './harness.js';

const root = process.getuid?.() === 0;
/** Who runs what everybody must be able to run, and whether it is another user than the caller. */
export const people: readonly (readonly [string, boolean])[] = root ? [['root', false], ['an ordinary user', true]] : [['the caller', false]];

/** For a test's `skip`: false when all programs are there. */
export function without(...programs: readonly string[]): false | string {
  const missing = programs.filter((p) => !(p.startsWith('/') ? existsSync(p) : spawnSync('sh', ['-c', `command -v ${p}`]).status === 0));
  return missing.length === 0 ? false : `no ${missing.join(', ')} here; scripts/bootstrap.sh --tests installs it`;
}

/** A directory that the user of a run owns. */
export function ownDir(name: string, ordinary: boolean): string {
  const d = scratchDir(name);
  chmodSync(d, 0o755);
  if (ordinary) chownSync(d, ORDINARY_UID, ORDINARY_UID);
  return d;
}

/** A TCP port that nobody uses now, on any address. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const s = createServer();
    s.once('error', failed);
    s.listen(0, () => {
      const at = s.address();
      s.close(() => { done(typeof at === 'object' && at !== null ? at.port : 0); });
    });
  });
}

/** nginx.conf for a directory that holds everything. */
export function nginxConf(dir: string, port: number): string {
  return `worker_processes 2; pid ${dir}/pid; error_log ${dir}/error.log notice;
events { worker_connections 512; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${dir}/${t};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${dir}/html; }
}
`;
}

/** A container that goes on while the test talks to its servers. */
export class Server {
  private readonly child: ChildProcess;
  private text = '';
  private readonly ended: Promise<number | null>;
  private changed: () => void = () => undefined;
  private over = false;

  /** t: the test, at whose end the container ends too, however the test ended. args: of `carrick run`. */
  constructor(t: TestContext, footprint: Footprint, args: readonly string[]) {
    const { home, env, ordinary } = footprint.options;
    const [command = '', ...words] = carrickCommand(ordinary === true);
    this.child = spawn(command, [...words, 'run', '--rm', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: testEnv(env, home) });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.setEncoding('utf8').on('data', (d: string) => { this.text += d; this.changed(); });
    t.after(() => this.stop('SIGKILL'));
    this.ended = new Promise((done) => { this.child.on('close', (code) => { this.over = true; this.changed(); done(code); }); });
  }

  /** What it has printed, both streams. */
  get output(): string { return this.text; }

  /** Until it has printed something that matches; fails when it ends before, or takes too long. */
  async says(pattern: RegExp, ms = 30000): Promise<RegExpExecArray> {
    const limit = Date.now() + ms;
    for (;;) {
      const m = pattern.exec(this.text);
      if (m !== null) return m;
      assert.ok(!this.over, `the container ended before it said ${pattern}; it said:\n${this.text}`);
      const left = limit - Date.now();
      assert.ok(left > 0, `no ${pattern} within ${ms} ms; it said:\n${this.text}`);
      await new Promise<void>((woken) => {
        const timer = setTimeout(woken, left);
        this.changed = (): void => { clearTimeout(timer); woken(); };
      });
    }
  }

  /** Until the port answers; a server that says nothing when it is ready. */
  async answers(url: string, ms = 30000): Promise<void> {
    const limit = Date.now() + ms;
    for (;;) {
      const r = await fetchOnce(url, undefined).catch(() => undefined);
      if (r !== undefined) return;
      assert.ok(!this.over && Date.now() < limit, `nothing answers at ${url}; the container said:\n${this.text}`);
      await new Promise((tick) => { setTimeout(tick, 20); });
    }
  }

  /** The first program's exit status, once it has ended by itself. */
  get status(): Promise<number | null> { return this.ended; }

  /** Send carrick a signal, which goes to the first program; its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.over) this.child.kill(signal);
    return this.ended;
  }
}

export interface Answer { readonly status: number; readonly body: Buffer }

/** One HTTP GET. agent undefined = a connection of its own. */
export function fetchOnce(url: string, agent: Agent | undefined): Promise<Answer> {
  return new Promise((done, failed) => {
    const r = get(url, { agent: agent ?? false, timeout: 30000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (d: Buffer) => { parts.push(d); });
      answer.on('end', () => { done({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }); });
      answer.on('error', failed);
    });
    r.on('timeout', () => { r.destroy(new Error(`no answer from ${url} within 30 s`)); });
    r.on('error', failed);
  });
}

/**
 * `count` requests, `atOnce` at a time; every answer must be 200 with exactly `want`. A connection each, unless keepAlive. The n-th request's URL and
 * bytes may depend on n.
 */
export async function load(count: number, atOnce: number, ask: (n: number) => readonly [url: string, want: Buffer], keepAlive = false): Promise<void> {
  const agent = keepAlive ? new Agent({ keepAlive: true, maxSockets: atOnce }) : undefined;
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const [url, want] = ask(n);
      const a = await fetchOnce(url, agent).catch((e: unknown) => { throw new Error(`request ${n + 1} of ${count}`, { cause: e }); });
      assert.equal(a.status, 200, `request ${n + 1}: ${url}`);
      assert.ok(a.body.equals(want), `request ${n + 1}: ${url}: ${a.body.length} bytes, not the right ${want.length}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, one));
  } finally {
    agent?.destroy();
  }
}
