/** The same program many times, in a row or side by side, under carrick: for tests of what shows only sometimes. */
import { join } from 'node:path';
import { execute } from './execute.js';
import { place } from './machine.js';
import { type End, endText } from './result.js';
import type { Program } from './suite.js';

/** Rows that did not pass in one of the runs though they pass in another, and ends that are not the usual one: [] when all runs are alike. */
export async function alike(program: Program, times: number, jobs: number): Promise<string[]> {
  const dir = place('captures', 'many');
  const runs: Array<{ readonly end: End; readonly rows: ReadonlyMap<string, string> }> = [];
  let next = 0;
  await Promise.all(Array.from({ length: jobs }, async (_, job) => {
    while (next < times) {
      const run = next++;
      const capture = await execute({ program, side: 'carrick', as: process.getuid?.() === 0 ? 'root' : 'user', job: 20 + job, mode: 'fast', capture: join(dir, `${program.name.replace(/\W+/g, '_')}-${run}`) });
      runs[run] = { end: capture.end, rows: new Map(program.parse(capture).map((row) => [row.name, JSON.stringify(row.assertions)])) };
    }
  }));
  const [first] = runs;
  const wrong: string[] = [];
  runs.forEach((run, i) => {
    if (run.rows.size === 0) wrong.push(`run ${i}: no test ran; ${endText(run.end)}`);
    if (run.end.how !== 'exit') wrong.push(`run ${i}: ${endText(run.end)}`);
    for (const [name, seen] of run.rows) if (first?.rows.get(name) !== seen) wrong.push(`run ${i}: ${name}: ${seen}, run 0: ${first?.rows.get(name) ?? 'absent'}`);
    for (const name of first?.rows.keys() ?? []) if (!run.rows.has(name)) wrong.push(`run ${i}: ${name}: absent`);
  });
  return wrong;
}
