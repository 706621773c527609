/**
 * Baselines: `ltp/baselines/SUITE.jsonl`, what was measured and is held against later runs. A line with `program` says what was run, when, with what; the
 * lines with `row` after it are its rows. A row that has its suite's usual subsystem for its name still notes it: docs/conformance.md is made of these
 * files and of nothing else.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Subsystem } from './result.js';
import type { State } from './score.js';
import type { As } from './suite.js';

export interface ScoredRow { readonly row: string; readonly state: State; readonly subsystem: Subsystem; readonly why: string }

export interface ScoredProgram {
  readonly program: string;
  readonly as: As;
  /** Day of measuring, UTC. */
  readonly date: string;
  readonly digest: string;
  /** Kernel, Node, carrick's commit, and what the suite names. */
  readonly versions: Readonly<Record<string, string>>;
  readonly runs: number;
  /** Mean wall time of a run, ms. */
  readonly hostMs: number;
  readonly carrickMs: number;
  /** Mean of a suite's own number, where it has one: operations per second under carrick divided by the host's. */
  readonly ratio?: number;
  readonly rows: readonly ScoredRow[];
}

const DIR = 'ltp/baselines';
const path = (suite: string): string => join(DIR, `${suite}.jsonl`);
const id = (p: { readonly program: string; readonly as: As }): string => `${p.program}\0${p.as}`;

/** What a suite's baseline holds; [] when there is none. */
export function readBaseline(suite: string): ScoredProgram[] {
  if (!existsSync(path(suite))) return [];
  const programs: Array<Omit<ScoredProgram, 'rows'> & { rows: ScoredRow[] }> = [];
  for (const line of readFileSync(path(suite), 'utf8').split('\n')) {
    if (line === '') continue;
    const item = JSON.parse(line) as Omit<ScoredProgram, 'rows'> | ScoredRow;
    if ('program' in item) programs.push({ ...item, rows: [] });
    else programs[programs.length - 1]?.rows.push(item);
  }
  return programs;
}

/** Replaces the programs that were run now; others stay as they are. */
export function writeBaseline(suite: string, now: readonly ScoredProgram[]): void {
  const all = new Map(readBaseline(suite).map((p) => [id(p), p] as const));
  for (const p of now) all.set(id(p), p);
  const lines: string[] = [];
  for (const { rows, ...program } of [...all.values()].sort((a, b) => id(a) < id(b) ? -1 : 1)) {
    lines.push(JSON.stringify(program), ...rows.map((row) => JSON.stringify(row)));
  }
  mkdirSync(DIR, { recursive: true });
  writeFileSync(path(suite), `${lines.join('\n')}\n`);
}

export interface Change { readonly where: string; readonly before: State | 'absent'; readonly now: State | 'absent'; readonly why: string }
export interface Comparison { readonly better: Change[]; readonly worse: Change[]; readonly uncounted: Change[] }

/**
 * What changed since the baseline, of the programs that were run now, row by row by name: a program of another digest (another version of a package, other
 * compilers) is compared just as well. Worse: a match that is none any more, or is gone from the same program. A row whose host gives no measure now,
 * or that another version of the program does not have, is neither: it is listed as uncounted.
 */
export function compare(before: readonly ScoredProgram[], now: readonly ScoredProgram[]): Comparison {
  const result: Comparison = { better: [], worse: [], uncounted: [] };
  const old = new Map(before.map((p) => [id(p), p] as const));
  for (const p of now) {
    const then = old.get(id(p));
    const rows = new Map((then?.rows ?? []).map((row) => [row.row, row] as const));
    for (const row of p.rows) {
      const was = rows.get(row.row)?.state ?? 'absent';
      rows.delete(row.row);
      if (was === row.state) continue;
      const change: Change = { where: `${p.program} (${p.as}) ${row.row}`, before: was, now: row.state, why: row.why };
      if (row.state === 'MATCH') result.better.push(change);
      else if (was === 'MATCH' && row.state === 'NO_ORACLE') result.uncounted.push(change);
      else if (was === 'MATCH') result.worse.push(change);
    }
    const same = then?.digest === p.digest;
    for (const row of rows.values()) {
      if (row.state !== 'MATCH') continue;
      const change: Change = { where: `${p.program} (${p.as}) ${row.row}`, before: 'MATCH', now: 'absent', why: `neither side shows it any more${same ? '' : '; another version of the program'}` };
      (same ? result.worse : result.uncounted).push(change);
    }
  }
  return result;
}
