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

function build(): Case[] {
  must('gcc', ['-O2', '-static', '-pthread', '-o', join(dir, 'micro'), 'bench/micro.c']);
  must('sh', ['-c', `mkdir -p ${dir}/tree && cd ${dir}/tree && for i in $(seq 2000); do echo "file $i" > f$i; done && cd .. && tar cf tree.tar tree && rm -r tree`]);
  const micro = must(join(dir, 'micro'), ['list']).trim().split('\n').map((n): Case => ({ name: n, unit: 'ns', argv: ['BENCH/micro', n, values.iterations], timed: false }));
  const inner = (name: string, script: string): Case => ({ name, unit: 'ms', timed: false, argv: ['/bin/bash', '-c', `s=$(date +%s%N); ${script}; e=$(date +%s%N); echo $(( (e - s) / 1000 ))`] });
  return [
    ...micro,
    inner('python3 start (µs)', '/usr/bin/python3 -c pass'),
    inner('200 x /bin/true (µs)', 'for i in $(seq 200); do /bin/true; done'),
    inner('tar x of 2000 files (µs)', 'd=$(mktemp -d); tar xf BENCH/tree.tar -C $d; rm -rf $d'),
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
