/**
 * The Go standard library's own tests: Debian's golang packages, built with `go test -c` and run in the package's source directory as `go test` does.
 * Rows are tests and subtests, from the lines `=== RUN` and `--- PASS` of -test.v.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.js';
import { fileDigest, firstLine, place, requirePackage, sha256 } from '../machine.js';
import { type Row, type Subsystem, type Verdict, distinct, endText, single, wholeRow } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Program, Suite, Tier } from '../suite.js';

interface Package { readonly path: string; readonly tier: Tier; readonly timeoutMs: number; readonly subsystem?: Subsystem }

const PACKAGES: readonly Package[] = [
  { path: 'context', tier: 'smoke', timeoutMs: 60_000, subsystem: 'scheduler' },
  { path: 'sync/atomic', tier: 'smoke', timeoutMs: 60_000, subsystem: 'memory' },
  { path: 'sync', tier: 'smoke', timeoutMs: 90_000, subsystem: 'scheduler' },
  { path: 'io', tier: 'smoke', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'bufio', tier: 'smoke', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'path/filepath', tier: 'smoke', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'time', tier: 'smoke', timeoutMs: 120_000, subsystem: 'timers' },
  { path: 'os/signal', tier: 'smoke', timeoutMs: 120_000, subsystem: 'signals' },
  { path: 'os/exec', tier: 'smoke', timeoutMs: 180_000, subsystem: 'process' },
  { path: 'os', tier: 'smoke', timeoutMs: 180_000, subsystem: 'filesystem' },
  { path: 'net', tier: 'smoke', timeoutMs: 240_000, subsystem: 'networking' },
  { path: 'net/http', tier: 'smoke', timeoutMs: 300_000, subsystem: 'networking' },
  { path: 'runtime', tier: 'smoke', timeoutMs: 600_000 },
  { path: 'syscall', tier: 'full', timeoutMs: 120_000 },
  { path: 'os/user', tier: 'full', timeoutMs: 60_000, subsystem: 'process' },
  { path: 'io/ioutil', tier: 'full', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'io/fs', tier: 'full', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'log/syslog', tier: 'full', timeoutMs: 60_000, subsystem: 'networking' },
  { path: 'runtime/debug', tier: 'full', timeoutMs: 120_000, subsystem: 'memory' },
  { path: 'runtime/pprof', tier: 'full', timeoutMs: 300_000, subsystem: 'timers' },
  { path: 'internal/poll', tier: 'full', timeoutMs: 60_000, subsystem: 'IPC' },
  { path: 'archive/tar', tier: 'full', timeoutMs: 60_000, subsystem: 'filesystem' },
  { path: 'net/rpc', tier: 'full', timeoutMs: 120_000, subsystem: 'networking' },
  { path: 'net/textproto', tier: 'full', timeoutMs: 60_000, subsystem: 'networking' },
  { path: 'crypto/tls', tier: 'full', timeoutMs: 300_000, subsystem: 'networking' },
];

const VERDICT: Readonly<Record<string, Verdict>> = { PASS: 'pass', FAIL: 'fail', SKIP: 'skip' };

/** Tests by the last word about each; one that began and did not end is broken, by the program's end. */
export function parseGo(capture: Capture): Row[] {
  const found = new Map<string, Verdict>();
  for (const line of capture.out.split('\n')) {
    // A test may print without a newline: the runner's own lines are then at the end of a line.
    const run = /=== RUN {3}(\S+)$/.exec(line)?.[1];
    if (run !== undefined && !found.has(run)) found.set(run, 'broken');
    const result = /--- (PASS|FAIL|SKIP): (\S+) \(\d+\.\d+s\)$/.exec(line);
    if (result !== null) found.set(result[2] ?? '', VERDICT[result[1] ?? ''] ?? 'broken');
  }
  const rows = [...found].map(([name, verdict]) => single(name, verdict, verdict === 'broken' ? `no result: ${endText(capture.end)}` : ''));
  return rows.length === 0 ? [] : [...distinct(rows), wholeRow(capture.end, [...found.values()].includes('fail'))];
}

function goroot(): string {
  const root = firstLine('go', 'env', 'GOROOT');
  if (root === '') throw new Failure('go is not installed; scripts/bootstrap.sh --conformance installs it');
  return root;
}

/** Builds the test binary of a package, once per version of Go. undefined: the package has no tests. */
function build(root: string, path: string): string | undefined {
  const key = sha256(firstLine('go', 'version'), path, 'timetzdata').slice(0, 12);
  const binary = join(place('go'), `${path.replaceAll('/', '-')}-${key}.test`);
  if (existsSync(binary)) return binary;
  const draft = `${binary}.${process.pid}`;
  // Debian's Go has no zone data of its own, where the tests of time look for them; the tag puts them into the binary.
  const r = spawnSync('go', ['test', '-c', '-tags', 'timetzdata', '-o', draft, path], { encoding: 'utf8', cwd: root, env: { ...process.env, GOFLAGS: '-mod=vendor', GO111MODULE: 'off' } });
  if (r.status !== 0) throw new Failure(`go test -c ${path}: ${r.stderr.split('\n').slice(0, 3).join(' / ')}`);
  if (!existsSync(draft)) return undefined;
  chmodSync(draft, 0o755);
  renameSync(draft, binary);
  return binary;
}

function program(root: string, p: Package, tzdata: string): Program[] {
  const binary = build(root, p.path);
  if (binary === undefined) return [];
  return [{
    name: p.path, argv: [binary, '-test.v', '-test.short', `-test.timeout=${p.timeoutMs}ms`], cwd: join(root, 'src', p.path),
    env: { GOROOT: root, GO111MODULE: 'off', GOPROXY: 'off' }, digest: sha256(fileDigest(binary), tzdata), timeoutMs: p.timeoutMs + 10_000, as: ['root', 'user'],
    subsystem: (row) => p.subsystem ?? subsystemOf(row), parse: parseGo,
  }];
}

export const GO: Suite = {
  name: 'go',
  source: 'Debian\'s golang packages, `go test -c`, -test.short',
  unit: 'test or subtest',
  versions: () => ({ go: firstLine('go', 'env', 'GOVERSION') }),
  programs: (tier, wanted) => {
    const root = goroot();
    // The tests of time read it, as Debian's Go has no copy.
    const tzdata = requirePackage('tzdata');
    return PACKAGES.filter((p) => (tier === 'full' || p.tier === 'smoke') && wanted(p.path)).flatMap((p) => program(root, p, tzdata));
  },
};
