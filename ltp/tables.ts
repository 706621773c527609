/** Scores as text: what the command prints, and the tables of docs/conformance.md. */
import type { Comparison, ScoredProgram, ScoredRow } from './baseline.js';
import { type Tally, bySubsystem, tally } from './score.js';

const percent = (t: Tally): string => t.countable === 0 ? '-' : `${(100 * t.matched / t.countable).toFixed(1)} %`;
const total = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

export const rowsOf = (programs: readonly ScoredProgram[]): ScoredRow[] => programs.flatMap((p) => p.rows);

/** carrick's time divided by the host's, '-' when the host took none. */
export function slowdown(programs: readonly ScoredProgram[]): string {
  const host = total(programs.map((p) => p.hostMs));
  return host === 0 ? '-' : (total(programs.map((p) => p.carrickMs)) / host).toFixed(2);
}

/** For a terminal: by program, by subsystem, and the sum. */
export function printed(suite: string, programs: readonly ScoredProgram[], misses: number): string[] {
  const lines: string[] = [];
  const line = (name: string, t: Tally, rest = ''): string =>
    `  ${name.padEnd(44)} ${`${t.matched}/${t.countable}`.padStart(11)} ${percent(t).padStart(8)}  ${String(t.flaky).padStart(5)} ${String(t.vacuous).padStart(9)}  ${rest}`;
  lines.push(`  ${'program'.padEnd(44)} ${'matched'.padStart(11)} ${''.padStart(8)}  flaky no oracle  time/native`);
  if (programs.length <= 60) for (const p of programs) lines.push(line(`${p.program} (${p.as})`, tally(p.rows), slowdown([p]) + (p.ratio === undefined ? '' : `  operations ${p.ratio.toFixed(3)}`)));
  lines.push('');
  for (const [subsystem, t] of bySubsystem(rowsOf(programs))) lines.push(line(subsystem, t));
  const missed = programs.flatMap((p) => p.rows.filter((r) => r.state === 'MISS' || r.state === 'FLAKY').map((r) => `  ${r.state.padEnd(5)} ${p.program} (${p.as}) ${r.row}: ${r.why.slice(0, 200)}`));
  if (missed.length > 0) lines.push('', ...missed.slice(0, misses));
  if (missed.length > misses) lines.push(`  ... ${missed.length - misses} more`);
  const t = tally(rowsOf(programs));
  lines.push('', `${suite}: ${t.matched}/${t.countable} matched (${percent(t)}), ${t.flaky} flaky, ${t.vacuous} without an oracle, ${slowdown(programs)} times the host's time`);
  return lines;
}

export function printedComparison(c: Comparison): string[] {
  const list = (title: string, changes: Comparison['better']): string[] =>
    changes.length === 0 ? [] : [`${title}: ${changes.length}`, ...changes.slice(0, 100).map((x) => `  ${x.where}: ${x.before} -> ${x.now}${x.why === '' ? '' : ` (${x.why.slice(0, 160)})`}`)];
  const lines = [...list('better', c.better), ...list('no longer measurable on this host', c.uncounted), ...list('WORSE', c.worse)];
  return lines.length === 0 ? ['as the baseline'] : lines;
}
