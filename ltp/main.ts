/**
 * `npm run conformance -- SUITE [options]`: how far carrick is from the host, by somebody else's tests.
 *
 *   SUITE            probes, go, cpython, kselftest, stress-ng, busybox, ltp; all
 *   --filter RE      only programs whose name matches
 *   --jobs N         programs at a time (default 1: tests of time want a processor)
 *   --tier T         smoke (default) or full
 *   --runs N         runs of every program on each side (default 3); rows that differ between runs are flaky, which is a miss
 *   --as WHO         root, user or both (default: both, as far as the suite and you allow)
 *   --mode M         fast (default) or nofast (nothing answered but by servers)
 *   --update         put the result into ltp/baselines, and make docs/conformance.md anew
 *   --compare        say what got better and worse than the baseline, by the names of rows; fails when a row is worse
 *   --misses N       list at most N misses (default 40)
 *
 * `npm run conformance -- docs [--check]` only writes (or checks) docs/conformance.md; it fails while a miss has no mechanism (mechanisms.ts). The host's runs are kept (oracle.ts), results and captures are
 * below HOME (machine.ts). Exit status: 0 done, 1 worse than the baseline, 2 not possible.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare, readBaseline, writeBaseline } from './baseline.js';
import { writeDocs } from './docs.js';
import { Failure, told } from './failure.js';
import { HOME } from './machine.js';
import { type Options, runSuite } from './run.js';
import type { Suite } from './suite.js';
import { SUITES } from './suites/index.js';
import { printed, printedComparison } from './tables.js';

const print = (line: string): void => { process.stdout.write(`${line}\n`); };

function options(): { readonly values: Options & { update: boolean; compare: boolean; misses: number; check: boolean }; readonly suite: string } {
  const { values, positionals } = told('the options are at the top of ltp/main.ts', () => parseArgs({
    allowPositionals: true,
    options: {
      filter: { type: 'string', default: '' }, jobs: { type: 'string', default: '1' }, tier: { type: 'string', default: 'smoke' }, runs: { type: 'string', default: '3' },
      as: { type: 'string', default: 'both' }, mode: { type: 'string', default: 'fast' }, update: { type: 'boolean', default: false }, compare: { type: 'boolean', default: false },
      misses: { type: 'string', default: '40' }, check: { type: 'boolean', default: false },
    },
  }));
  const choice = <T extends string>(name: string, value: string, allowed: readonly T[]): T => {
    const found = allowed.find((a) => a === value);
    if (found === undefined) throw new Failure(`--${name} is ${allowed.join(', ')}; not ${value}`);
    return found;
  };
  const number = (name: string, value: string): number => {
    if (!/^[1-9]\d*$/.test(value)) throw new Failure(`--${name} wants a number above 0, not ${value}`);
    return Number(value);
  };
  const filter = told('--filter', () => new RegExp(values.filter));
  const suite = positionals[0];
  if (suite === undefined || positionals.length > 1) throw new Failure(`which suite? ${[...SUITES.keys()].join(', ')}, all`);
  return {
    suite,
    values: {
      wanted: (name) => filter.test(name), jobs: number('jobs', values.jobs), runs: number('runs', values.runs), misses: number('misses', values.misses),
      tier: choice('tier', values.tier, ['smoke', 'full']), as: choice('as', values.as, ['root', 'user', 'both']), mode: choice('mode', values.mode, ['fast', 'nofast']),
      update: values.update, compare: values.compare, check: values.check, say: print,
    },
  };
}

async function one(suite: Suite, o: ReturnType<typeof options>['values']): Promise<boolean> {
  const { programs, results } = await runSuite(suite, o);
  if (programs.length === 0) throw new Failure(`${suite.name}: no program matches`);
  for (const line of printed(suite.name, programs, o.misses)) print(line);
  print(`assertions: ${results}; captures: ${HOME}/captures/${suite.name}`);
  let worse = false;
  if (o.compare) {
    const comparison = compare(readBaseline(suite.name), programs);
    for (const line of printedComparison(comparison)) print(line);
    worse = comparison.worse.length > 0;
  }
  if (o.update) writeBaseline(suite.name, programs);
  return worse;
}

async function main(): Promise<number> {
  const { suite: name, values } = options();
  if (name === 'docs') return writeDocs(values.check) ? 0 : 1;
  if (!existsSync('dist/carrick.mjs')) throw new Failure('dist/carrick.mjs is not there; npm run build');
  const chosen = name === 'all' ? [...SUITES.values()] : [SUITES.get(name)].filter((s) => s !== undefined);
  if (chosen.length === 0) throw new Failure(`no suite ${name}: ${[...SUITES.keys()].join(', ')}, all`);
  let worse = false;
  for (const suite of chosen) {
    try {
      worse = await one(suite, values) || worse;
    } catch (e) {
      // `all` runs what is installed, and says what is not.
      if (name !== 'all' || !(e instanceof Failure)) throw e;
      print(`${suite.name}: not run: ${e.message}`);
    }
  }
  if (values.update) writeDocs(false);
  return worse ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (e) {
  if (!(e instanceof Failure)) throw e;
  process.stderr.write(`conformance: ${e.message}\n`);
  process.exitCode = 2;
}
