/**
 * The scorer: from several runs on the host and several under carrick to one state per row. It is pure, and strict in one direction: whatever is not
 * proven equal is not a match.
 *
 *   NO_ORACLE  the host gives no measure: in one of its runs the row is absent, empty, fails, breaks or only skips, or its program was cut off; or the
 *              host's runs differ among themselves. Not countable, and never a match.
 *   MATCH      every run under carrick has every assertion of the host's, with the same verdict and value, and no other.
 *   FLAKY      the runs under carrick differ from each other. Counts as a miss.
 *   MISS       they agree with each other, not with the host.
 */
import { type Outcome, type Row, SUBSYSTEMS, type Subsystem, type Verdict, endText } from './result.js';

export type State = 'MATCH' | 'MISS' | 'FLAKY' | 'NO_ORACLE';

export interface Scored {
  readonly row: string;
  readonly state: State;
  /** First difference, or why the host gives no measure; '' for a match. */
  readonly why: string;
}

/** Outcome of one row in one run: undefined assertions when the row did not appear. */
interface Seen { readonly row: Row | undefined; readonly outcome: Outcome }

const seen = (outcome: Outcome, name: string): Seen => ({ row: outcome.rows.find((row) => row.name === name), outcome });

function count(row: Row, verdict: Verdict): number { return row.assertions.filter((a) => a.verdict === verdict).length; }

/** Why a run of the host cannot be a measure; '' when it can. */
function oracleFault({ row, outcome }: Seen): string {
  if (outcome.end.how === 'timeout' || outcome.end.how === 'lost') return `the program's end on the host: ${endText(outcome.end)}`;
  if (row === undefined) return 'not on the host in every run';
  if (row.assertions.length === 0) return 'no assertion on the host';
  if (count(row, 'fail') > 0) return 'fails on the host';
  if (count(row, 'broken') > 0) return 'broken on the host';
  if (count(row, 'pass') === 0) return 'skipped on the host';
  return '';
}

const say = (verdict: Verdict, value: string): string => value === '' ? verdict : verdict === 'pass' ? value : `${verdict}: ${value}`;

/** First difference between a run on the host and another, in words; '' when there is none. */
function difference(host: Seen, other: Seen): string {
  if (other.row === undefined) return `absent; the program's end: ${endText(other.outcome.end)}`;
  const theirs = new Map(other.row.assertions.map((a) => [a.id, a]));
  for (const a of host.row?.assertions ?? []) {
    const b = theirs.get(a.id);
    if (b === undefined) return `${a.id}: absent; the program's end: ${endText(other.outcome.end)}`;
    if (a.verdict !== b.verdict || a.value !== b.value) return `${a.id}: ${say(b.verdict, b.value)}, host ${say(a.verdict, a.value)}`;
  }
  const known = new Set((host.row?.assertions ?? []).map((a) => a.id));
  const extra = other.row.assertions.find((a) => !known.has(a.id));
  if (extra !== undefined) return `${extra.id}: ${say(extra.verdict, extra.value)}, absent on the host`;
  if (theirs.size !== other.row.assertions.length) return 'an assertion appears twice';
  if (other.outcome.end.how === 'timeout' || other.outcome.end.how === 'lost') return `the program's end: ${endText(other.outcome.end)}`;
  return '';
}

/** State of one row. */
export function scoreRow(name: string, host: readonly Outcome[], carrick: readonly Outcome[]): Scored {
  const measure = host.map((outcome) => seen(outcome, name));
  const first = measure[0];
  if (first === undefined) return { row: name, state: 'NO_ORACLE', why: 'did not run on the host' };
  for (const run of measure) {
    const fault = oracleFault(run);
    if (fault !== '') return { row: name, state: 'NO_ORACLE', why: fault };
    if (difference(first, run) !== '') return { row: name, state: 'NO_ORACLE', why: 'differs between runs on the host' };
  }
  if (carrick.length === 0) return { row: name, state: 'MISS', why: 'did not run under carrick' };
  const differences = carrick.map((outcome) => difference(first, seen(outcome, name)));
  const bad = differences.filter((d) => d !== '');
  if (bad.length === 0) return { row: name, state: 'MATCH', why: '' };
  const same = differences.every((d) => d === differences[0]);
  return { row: name, state: same ? 'MISS' : 'FLAKY', why: same ? bad[0] ?? '' : `${bad.length} of ${carrick.length} runs: ${bad[0]}` };
}

/** Every row that any run showed, in the order of appearance, the host's first. */
export function scoreProgram(host: readonly Outcome[], carrick: readonly Outcome[]): Scored[] {
  const names = new Set<string>();
  for (const outcome of [...host, ...carrick]) for (const row of outcome.rows) names.add(row.name);
  return [...names].map((name) => scoreRow(name, host, carrick));
}

export interface Tally { matched: number; countable: number; flaky: number; vacuous: number }

/** matched / countable, and what does not count, of rows with a subsystem. */
export function tally(rows: readonly { readonly state: State }[]): Tally {
  const t: Tally = { matched: 0, countable: 0, flaky: 0, vacuous: 0 };
  for (const { state } of rows) {
    if (state === 'NO_ORACLE') { t.vacuous++; continue; }
    t.countable++;
    if (state === 'MATCH') t.matched++;
    if (state === 'FLAKY') t.flaky++;
  }
  return t;
}

/** Tallies of the subsystems that have a row. */
export function bySubsystem(rows: readonly { readonly state: State; readonly subsystem: Subsystem }[]): Array<readonly [Subsystem, Tally]> {
  return SUBSYSTEMS.map((s) => [s, tally(rows.filter((row) => row.subsystem === s))] as const).filter(([, t]) => t.countable + t.vacuous > 0);
}
