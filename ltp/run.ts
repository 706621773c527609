/**
 * Runs a suite: first the host's side of everything that is not kept from before, then carrick's, each with the machine's lock held, `jobs` programs at a
 * time. Every program runs `runs` times on each side, and all runs go into the score: none replaces another.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScoredProgram } from './baseline.js';
import { type Side, execute, peopleOf } from './execute.js';
import { HOME, machine, place, withMachine } from './machine.js';
import { keep, oracleKey, recall } from './oracle.js';
import type { Outcome } from './result.js';
import { scoreProgram } from './score.js';
import { type As, type Capture, type Program, type Suite, type Tier, outcomeOf } from './suite.js';

export interface Options {
  readonly tier: Tier;
  readonly wanted: (name: string) => boolean;
  readonly jobs: number;
  readonly runs: number;
  readonly as: As | 'both';
  readonly mode: 'fast' | 'nofast';
  readonly say: (line: string) => void;
}

/** A program as one user, and its captures: by run, of each side. */
interface Case { readonly program: Program; readonly as: As; readonly host: Capture[]; readonly carrick: Capture[] }
interface Task { readonly item: Case; readonly run: number }

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / Math.max(1, list.length);

/** Deals tasks out to `jobs` workers; each worker has its own scratch directory. */
async function deal<T>(tasks: readonly T[], jobs: number, work: (task: T, job: number) => Promise<void>): Promise<void> {
  const queue = [...tasks];
  await Promise.all(Array.from({ length: jobs }, async (_, job) => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await work(task, job);
  }));
}

async function side(which: Side, suite: Suite, tasks: readonly Task[], o: Options): Promise<void> {
  if (tasks.length === 0) return;
  const here = machine();
  let done = 0;
  await withMachine(async () => {
    await deal(tasks, o.jobs, async ({ item, run }, job) => {
      const { program, as } = item;
      const dir = place('captures', suite.name, program.name.replace(/[^\w.-]+/g, '_'));
      const capture = await execute({ program, side: which, as, job, mode: o.mode, capture: join(dir, `${which}-${as}-${run}`) });
      (which === 'host' ? item.host : item.carrick)[run] = capture;
      if (which === 'host') keep(oracleKey(suite.name, program, as, join(HOME, 's'), run, here), capture);
      done++;
      o.say(`${which} ${done}/${tasks.length}  ${program.name} (${as})  ${capture.end.how} ${capture.end.code}  ${seconds(capture.ms)}`);
    });
  }, () => { o.say('waiting: another conformance run has the machine'); });
}

/** Facts that a baseline notes beside what the suite names. */
function versions(suite: Suite): Record<string, string> {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
  return { carrick: git.status === 0 ? git.stdout.trim() : 'unknown', kernel: machine().kernel.split(' ')[0] ?? '', node: process.version, ...suite.versions() };
}

function ratioOf(program: Program, host: readonly Capture[], carrick: readonly Capture[]): { ratio?: number } {
  const { measure } = program;
  if (measure === undefined) return {};
  const numbers = (list: readonly Capture[]): number[] => list.map(measure).filter((n): n is number => n !== undefined);
  const native = mean(numbers(host));
  return native > 0 && numbers(carrick).length > 0 ? { ratio: Number((mean(numbers(carrick)) / native).toFixed(4)) } : {};
}

function score(suite: Suite, item: Case, facts: Record<string, string>): ScoredProgram {
  const { program, as } = item;
  const host = item.host.map((c) => outcomeOf(program, c));
  const carrick = item.carrick.map((c) => outcomeOf(program, c));
  return {
    program: program.name, as, date: new Date().toISOString().slice(0, 10), digest: program.digest.slice(0, 16), versions: facts, runs: carrick.length,
    hostMs: Math.round(mean(host.map((r) => r.ms))), carrickMs: Math.round(mean(carrick.map((r) => r.ms))),
    ...ratioOf(program, item.host, item.carrick),
    rows: scoreProgram(host, carrick).map((s) => ({ row: s.row, state: s.state, subsystem: program.subsystem(s.row), why: s.why })),
  };
}

/** One line per assertion, of every run: results/SUITE.jsonl. */
function writeResults(suite: Suite, cases: readonly Case[]): string {
  const path = join(place('results'), `${suite.name}.jsonl`);
  const lines: string[] = [];
  const add = (item: Case, which: Side, run: number, outcome: Outcome): void => {
    for (const row of outcome.rows) {
      for (const a of row.assertions) lines.push(JSON.stringify({ suite: suite.name, program: item.program.name, as: item.as, side: which, run, row: row.name, ...a }));
    }
  };
  for (const item of cases) {
    for (const which of ['host', 'carrick'] as const) item[which].forEach((c, run) => { add(item, which, run, outcomeOf(item.program, c)); });
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

export async function runSuite(suite: Suite, o: Options): Promise<{ readonly programs: ScoredProgram[]; readonly results: string }> {
  const programs = (await suite.programs(o.tier, o.wanted)).filter((p) => o.wanted(p.name));
  const here = machine();
  const cases: Case[] = programs.flatMap((program) => peopleOf(program, o.as).map((as) => ({ program, as, host: [], carrick: [] })));
  const tasks = cases.flatMap((item) => Array.from({ length: o.runs }, (_, run): Task => ({ item, run })));
  const fresh = tasks.filter(({ item, run }) => {
    const known = recall(oracleKey(suite.name, item.program, item.as, join(HOME, 's'), run, here));
    if (known !== undefined) item.host[run] = known;
    return known === undefined;
  });
  if (fresh.length < tasks.length) o.say(`host: ${tasks.length - fresh.length} of ${tasks.length} runs are kept from before`);
  await side('host', suite, fresh, o);
  await side('carrick', suite, tasks, o);
  const facts = versions(suite);
  return { programs: cases.map((item) => score(suite, item, facts)), results: writeResults(suite, cases) };
}
