/** The same program several times, in a row or side by side, under carrick, and each time as on the host: for tests of what shows only sometimes. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from './execute.js';
import { HOME, machine, place } from './machine.js';
import { keep, oracleKey, recall } from './oracle.js';
import { type Outcome, endText } from './result.js';
import { scoreProgram } from './score.js';
import { type As, type Program, outcomeOf } from './suite.js';

export interface Runs {
  readonly times: number;
  /** How many at a time. */
  readonly jobs: number;
  /** Number of the first of `jobs` scratch directories, which nobody else may use meanwhile. */
  readonly firstJob: number;
  /** What is different about it under carrick: a longer limit where many run at once, a directory that the runs share. */
  readonly changes?: Partial<Pick<Program, 'timeoutMs' | 'env' | 'volumes'>>;
}

/** Seconds: eight at once may be slow. */
const WATCHDOG = 60;

const AS: As = process.getuid?.() === 0 ? 'root' : 'user';
/** The last runs' stay to be looked at, like those of a conformance run. */
const captures = (program: Program): string => join(place('captures', 'many'), program.name.replace(/\W+/g, '_'));

/** What each run said, under a name that no later run takes: where. */
function keepCaptures(program: Program, runs: number): string {
  const to = place('captures', 'failed', `${program.name.replace(/\W+/g, '_')}-${Date.now()}`);
  for (let run = 0; run < runs; run++) {
    for (const kind of ['out', 'err']) {
      const from = `${captures(program)}-${run}.${kind}`;
      if (existsSync(from)) copyFileSync(from, join(to, `${run}.${kind}`));
    }
  }
  return to;
}

/** The host's run, kept for the machine as a conformance run keeps it. */
async function onHost(suite: string, program: Program, job: number): Promise<Outcome> {
  const key = oracleKey(suite, program, AS, join(HOME, 's'), 0, machine());
  let capture = recall(key);
  if (capture === undefined) {
    capture = await execute({ program, side: 'host', as: AS, job, mode: 'fast', capture: `${captures(program)}-host` });
    keep(key, capture);
  }
  return outcomeOf(program, capture);
}

/**
 * What is wrong, in words, and where the runs' captures are; [] when in every run every test that passes on the host passed, and all others ended alike, and so did the program.
 * A request that nobody answers is told of in them (CARRICK_WATCHDOG). `suite` is the one that the program is of.
 */
export async function unlikeHost(suite: string, program: Program, { times, jobs, firstJob, changes = {} }: Runs): Promise<string[]> {
  const host = await onHost(suite, program, firstJob);
  const changed = { ...program, ...changes, env: { ...program.env, ...changes.env } };
  const runs: Outcome[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: jobs }, async (_, job) => {
    while (next < times) {
      const run = next++;
      runs[run] = outcomeOf(program, await execute({ program: changed, side: 'carrick', as: AS, job: firstJob + job, mode: 'fast', watchdog: WATCHDOG, capture: `${captures(program)}-${run}` }));
    }
  }));
  const wrong = runs.flatMap((run, i) => run.end.how === 'exit' && run.rows.length > 0 ? [] : [`run ${i}: ${run.rows.length} tests, ${endText(run.end)}`]);
  for (const { row, state, why } of scoreProgram([host], runs)) {
    if (state === 'MISS' || state === 'FLAKY') wrong.push(`${row}: ${why}`);
    if (state !== 'NO_ORACLE') continue;
    // The host says nothing about it: then the runs must agree. That it is there at all is one of the things that must.
    const seen = runs.map((run) => JSON.stringify(run.rows.find(({ name }) => name === row)?.assertions ?? 'absent'));
    seen.forEach((text, i) => { if (text !== seen[0]) wrong.push(`run ${i}: ${row}: ${text}; run 0: ${seen[0]}`); });
  }
  return wrong.length === 0 ? [] : [...wrong, `captures: ${keepCaptures(program, runs.length)}`];
}
