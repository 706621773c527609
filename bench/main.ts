/**
 * `npm run bench [-- --rounds N] [--filter RE] [--write]`: native and carrick side by side in one interleaved run, with medians and spread.
 *
 * Nothing is asserted. With --write the table goes to docs/results/ under today's date. Times depend on the machine; the ratios are what counts.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

interface Case { readonly name: string; readonly unit: 'ns' | 'ms'; readonly argv: readonly string[]; readonly timed: boolean }

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, filter: { type: 'string', default: '.' }, iterations: { type: 'string', default: '20000' }, write: { type: 'boolean', default: false } } });
const rounds = Number(values.rounds);
const carrick = resolve('dist/carrick.mjs');
const dir = mkdtempSync(join(tmpdir(), 'carrick-bench-'));

function must(cmd: string, args: readonly string[]): string {
  const r = spawnSync(cmd, [...args], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${cmd} ${args.join(' ')}: status ${String(r.status)}: ${r.stderr}`);
  return r.stdout;
}

/** Milliseconds of a whole command, or the nanoseconds that it prints. */
function once(c: Case, argv: readonly string[]): number {
  const t = performance.now();
  const r = spawnSync(argv[0] as string, argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const ms = performance.now() - t;
  if (r.status !== 0) throw new Error(`${c.name}: status ${String(r.status)}: ${r.stderr.slice(0, 300)}`);
  return c.timed ? ms : Number(r.stdout.trim());
}

const under = (argv: readonly string[]): string[] => [process.execPath, carrick, 'run', '--rm', '-v', `${dir}:/bench`, 'host', '--', ...argv];

function median(v: readonly number[]): number { return [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)] as number; }

/** A repository of 50 directories with 100 files each, packed with its index. */
const REPOSITORY = `mkdir BENCH/repo && cd BENCH/repo && git init -q . && for d in $(seq 50); do mkdir d$d; for f in $(seq 100); do echo "$d $f" > d$d/f$f; done; done
git add -A && git -c user.name=bench -c user.email=bench@example.com commit -qm files && cd .. && tar cf repo.tar repo && rm -r repo`;

/** 50 transactions of 1000 rows each. */
const INSERTS = `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('create table t (n integer primary key, s text)')
for i in range(50):
    with db:
        for j in range(1000):
            db.execute('insert into t values (?, ?)', (i * 1000 + j, 'row %d' % j))
`;

function build(): Case[] {
  must('gcc', ['-O2', '-static', '-pthread', '-o', join(dir, 'micro'), 'bench/micro.c']);
  must('sh', ['-c', `mkdir -p ${dir}/tree && cd ${dir}/tree && for i in $(seq 2000); do echo "file $i" > f$i; done && cd .. && tar cf tree.tar tree && rm -r tree`]);
  const micro = must(join(dir, 'micro'), ['list']).trim().split('\n').map((n): Case => ({ name: n, unit: 'ns', argv: ['BENCH/micro', n, values.iterations], timed: false }));
  /** `before` prepares and `after` cleans up outside of the time; both and the script run in one shell. */
  const inner = (name: string, script: string, before = ':', after = ':'): Case => ({
    name, unit: 'ms', timed: false, argv: ['/bin/bash', '-ec', `{ ${before}; } >&2; s=$(date +%s%N); { ${script}; } >/dev/null; e=$(date +%s%N); { ${after}; } >&2; echo $(( (e - s) / 1000 ))`],
  });
  const place = 'd=$(mktemp -d)', gone = 'rm -rf $d';
  must('sh', ['-c', REPOSITORY.replaceAll('BENCH', dir)]);
  writeFileSync(join(dir, 'inserts.py'), INSERTS);
  return [
    ...micro,
    inner('python3 start (µs)', '/usr/bin/python3 -c pass'),
    inner('200 x /bin/true (µs)', 'for i in $(seq 200); do /bin/true; done'),
    inner('tar x of 2000 files (µs)', 'tar xf BENCH/tree.tar -C $d', place, gone),
    inner('rm -r of 2000 files (µs)', 'rm -r $d', `${place}; tar xf BENCH/tree.tar -C $d`),
    inner('git status of 5000 files (µs)', 'git status', `${place}; tar xf BENCH/repo.tar -C $d; cd $d/repo; git status`, `cd /; ${gone}`),
    inner('sqlite, 50000 inserts (µs)', 'python3 BENCH/inserts.py $d/db', place, gone),
    inner('find /usr (µs)', 'find /usr', 'find /usr >/dev/null'),
    inner('find /usr -newer (µs)', 'find /usr -newer /etc/passwd', 'find /usr >/dev/null'),
  ];
}

interface Row { readonly name: string; readonly native: number; readonly carrick: number; readonly spread: number }

function measure(c: Case): Row {
  const nat: number[] = [];
  const car: number[] = [];
  for (let i = 0; i < rounds; i++) {
    nat.push(once(c, c.argv.map((a) => a.replaceAll('BENCH', dir))));
    car.push(once(c, under(c.argv.map((a) => a.replaceAll('BENCH', '/bench')))));
  }
  return { name: c.name, native: median(nat), carrick: median(car), spread: (Math.max(...car) - Math.min(...car)) / median(car) };
}

const fmt = (v: number): string => (v >= 1e6 ? `${(v / 1e6).toFixed(2)}M` : v >= 1000 ? `${(v / 1000).toFixed(1)}k` : v.toFixed(0));

try {
  const re = new RegExp(values.filter);
  const lines = ['| what | native | carrick | ratio | spread |', '|---|---|---|---|---|'];
  for (const l of lines) process.stdout.write(`${l}\n`);
  for (const c of build().filter((x) => re.test(x.name))) {
    const r = measure(c);
    const line = `| ${r.name} | ${fmt(r.native)} | ${fmt(r.carrick)} | ${(r.carrick / r.native).toFixed(2)} | ${(r.spread * 100).toFixed(0)} % |`;
    lines.push(line);
    process.stdout.write(`${line}\n`);
  }
  if (re.test('carrick run true')) {
    const start: number[] = [];
    for (let i = 0; i < rounds; i++) start.push(once({ name: 'run true', unit: 'ms', argv: [], timed: true }, under(['/bin/true'])));
    const line = `| carrick run host -- true | - | ${median(start).toFixed(0)} ms | - | ${(((Math.max(...start) - Math.min(...start)) / median(start)) * 100).toFixed(0)} % |`;
    lines.push(line);
    process.stdout.write(`${line}\n`);
  }
  if (values.write) {
    const day = new Date().toISOString().slice(0, 10);
    mkdirSync('docs/results', { recursive: true });
    writeFileSync(`docs/results/${day}-bench.md`, `# Benchmarks of ${day}\n\n${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${arch()}, Linux ${release()}, Node ${process.version}; ${rounds} interleaved rounds, medians. Micro rows are ns per operation.\n\n${lines.join('\n')}\n`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
