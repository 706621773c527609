/**
 * `npm run bench [-- --rounds N] [--filter RE] [--write] [--no-peers]`: native, carrick and what else is installed (peers.ts) side by side in one interleaved
 * run, with medians and spread.
 *
 * Nothing is asserted. With --write the numbers go to docs/results/ under today's date, from which `npm run gen` makes docs/performance.md. Times depend on
 * the machine; the ratios are what counts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { peers } from './peers.js';
import { fmt, type Result, resultPage, type Run, ratio } from './report.js';
import { type Bench, rows, START } from './rows.js';

/** What was asked for; a mistake in it is said in one line, and ends the program. */
function options(): { readonly rounds: number; readonly filter: RegExp; readonly iterations: string; readonly write: boolean; readonly peers: boolean } {
  const count = (name: string, value: string): number => {
    if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${name} wants a number above 0, not ${value}`);
    return Number(value);
  };
  try {
    const { values: v } = parseArgs({
      options: {
        rounds: { type: 'string', default: '5' }, filter: { type: 'string', default: '.' }, iterations: { type: 'string', default: '20000' }, write: { type: 'boolean', default: false },
        'no-peers': { type: 'boolean', default: false },
      },
    });
    return { rounds: count('rounds', v.rounds), filter: new RegExp(v.filter), iterations: String(count('iterations', v.iterations)), write: v.write, peers: !v['no-peers'] };
  } catch (e) {
    process.stderr.write(`bench: ${e instanceof Error ? e.message : String(e)}\n`);
    process.exit(2);
  }
}

const values = options();
const { rounds, filter: re } = values;
const carrick = resolve('dist/carrick.mjs');
/** What is worked on: a volume of the container. */
const dir = mkdtempSync(join(tmpdir(), 'carrick-bench-'));
/** Programs: in the container's root, as those of an image are. /tmp is not of the host there. */
const programs = mkdtempSync('/var/tmp/carrick-bench-');
const print = (s: string): void => { process.stdout.write(`${s}\n`); };

function must(cmd: string, args: readonly string[]): void {
  const r = spawnSync(cmd, [...args], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${cmd} ${args.join(' ')}: status ${String(r.status)}: ${r.stderr}`);
}

/** What the command prints, a number; NaN if it fails. */
function once(argv: readonly string[]): number {
  const r = spawnSync(argv[0] as string, argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 600_000 });
  return r.status === 0 ? Number(r.stdout.trim().split('\n').pop()) : NaN;
}

/** Milliseconds of a whole command. */
function elapsed(argv: readonly string[]): number {
  const t = performance.now();
  return spawnSync(argv[0] as string, argv.slice(1), { stdio: 'ignore' }).status === 0 ? performance.now() - t : NaN;
}

const under = (argv: readonly string[]): string[] => [process.execPath, carrick, 'run', '--rm', '-v', `${dir}:/bench`, 'host', '--', ...argv];
const others = values.peers ? peers() : [];

const median = (v: readonly number[]): number => [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)] as number;
const spread = (v: readonly number[]): number => (Math.max(...v) - Math.min(...v)) / median(v);

/** A repository of 50 directories with 100 files each, packed with its index. */
const REPOSITORY = `mkdir BENCH/repo && cd BENCH/repo && git init -q . && for d in $(seq 50); do mkdir d$d; for f in $(seq 100); do echo "$d $f" > d$d/f$f; done; done
git add -A && git -c user.name=bench -c user.email=bench@example.com commit -qm files && cd .. && tar cf repo.tar repo && rm -r repo`;

const TREE = 'mkdir -p BENCH/tree && cd BENCH/tree && for i in $(seq 2000); do echo "file $i" > f$i; done && cd .. && tar cf tree.tar tree && rm -r tree';

/** 100 C files that include what programs include. */
const PROJECT = `mkdir BENCH/project && cd BENCH/project && for i in $(seq 100); do printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\nint f%d(char *s) { return printf("%%s %%zu", s, strlen(s)) + atoi(s); }\\n' $i > f$i.c; done
printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\\n%%.o: %%.c\\n\\tgcc -O1 -c -o $@ $<\\n' > Makefile`;

const HELLO = 'mkdir BENCH/hello && printf \'package main\\n\\nimport (\\n\\t"fmt"\\n\\t"net/http"\\n)\\n\\nfunc main() { fmt.Println(http.StatusText(200)) }\\n\' > BENCH/hello/main.go';

/** 100 MB that can be packed, but not to nothing. */
const HUNDRED = 'for i in $(seq 50000); do echo "line $i of a file that is packed: $((i * 7919 % 104729))"; done > BENCH/some; while [ $(stat -c %s BENCH/hundred 2>/dev/null || echo 0) -lt 100000000 ]; do cat BENCH/some >> BENCH/hundred; done';

/** 50 transactions of 1000 rows each. */
const INSERTS = `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('create table t (n integer primary key, s text)')
for i in range(50):
    with db:
        for j in range(1000):
            db.execute('insert into t values (?, ?)', (i * 1000 + j, 'row %d' % j))
`;

/** What the rows need, if any of them is measured. */
function prepare(list: readonly Bench[]): void {
  const wanted = list.map((b) => b.argv.join(' ')).join(' ');
  if (wanted.includes('PROGRAMS/micro')) must('gcc', ['-O2', '-static', '-pthread', '-o', join(programs, 'micro'), 'bench/micro.c']);
  for (const [file, script] of [['tree.tar', TREE], ['repo.tar', REPOSITORY], ['project', PROJECT], ['hello', HELLO], ['hundred', HUNDRED]] as const) {
    if (wanted.includes(`BENCH/${file}`)) must('bash', ['-ec', script.replaceAll('BENCH', dir)]);
  }
  writeFileSync(join(dir, 'inserts.py'), INSERTS);
}

function measure(b: Bench): Result | undefined {
  const ways = new Map<string, { readonly argv: string[]; readonly got: number[] }>();
  const here = b.argv.map((a) => a.replaceAll('BENCH', dir).replace('PROGRAMS', programs));
  ways.set('native', { argv: here, got: [] });
  ways.set('carrick', { argv: under(b.argv.map((a) => a.replaceAll('BENCH', '/bench').replace('PROGRAMS', programs))), got: [] });
  for (const p of others) ways.set(p.name, { argv: p.argv(here), got: [] });
  for (let i = 0; i < rounds; i++) for (const w of ways.values()) w.got.push(once(w.argv));
  const of = (name: string): number[] => ways.get(name)?.got.filter((v) => !Number.isNaN(v)) ?? [];
  if (of('native').length === 0 || of('carrick').length === 0) { print(`${b.name}: failed`); return undefined; }
  const rest = others.filter((p) => of(p.name).length > 0).map((p) => [p.name, median(of(p.name))] as const);
  return { name: b.name, native: median(of('native')), carrick: median(of('carrick')), spread: spread(of('carrick')), ...(rest.length > 0 ? { peers: Object.fromEntries(rest) } : {}) };
}

function measureStart(): NonNullable<Run['start']> {
  const own: number[] = [];
  const rest = others.map((p) => ({ p, got: [] as number[] }));
  for (let i = 0; i < rounds; i++) {
    own.push(elapsed([process.execPath, carrick, 'run', '--rm', 'host', '--', '/bin/true']));
    for (const r of rest) r.got.push(elapsed(r.p.argv(['/bin/true'])));
  }
  return { ms: median(own), spread: spread(own), ...(rest.length > 0 ? { peers: Object.fromEntries(rest.map((r) => [r.p.name, median(r.got)])) } : {}) };
}

try {
  const list = rows(values.iterations).filter((b) => re.test(b.name) && (b.needs ?? []).every((n) => existsSync(n)));
  prepare(list);
  print(`native, carrick${others.map((p) => `, ${p.name}`).join('')}; times native`);
  const got: Result[] = [];
  for (const b of list) {
    const r = measure(b);
    if (r === undefined) continue;
    got.push(r);
    const rest = Object.entries(r.peers ?? {}).map(([n, v]) => `; ${n} ${(v / r.native).toFixed(2)}`);
    print(`${r.name}: ${fmt(r.native)}, ${fmt(r.carrick)}: ${ratio(r).toFixed(2)} (spread ${(r.spread * 100).toFixed(0)} %)${rest.join('')}`);
  }
  const start = re.test(START) ? measureStart() : undefined;
  if (start !== undefined) print(`${START}: ${start.ms.toFixed(0)} ms${Object.entries(start.peers ?? {}).map(([n, v]) => `; ${n} ${v.toFixed(0)} ms`).join('')}`);
  if (values.write) {
    const date = new Date().toISOString().slice(0, 10);
    const machine = `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${arch()}, Linux ${release()}, Node ${process.version}`;
    const run: Run = { date, machine, rounds, rows: got, ...(start === undefined ? {} : { start }) };
    mkdirSync('docs/results', { recursive: true });
    writeFileSync(`docs/results/${date}-bench.json`, `${JSON.stringify(run, undefined, 1)}\n`);
    writeFileSync(`docs/results/${date}-bench.md`, resultPage(run));
  }
} finally {
  for (const d of [dir, programs]) rmSync(d, { recursive: true, force: true });
}
