/** docs/conformance.md, made of the baselines and of mechanisms.ts, which says what the misses come from. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type ScoredProgram, readBaseline } from './baseline.js';
import { bySubsystem, tally } from './score.js';
import { MECHANISMS, type Explained, type Miss, explain, missesOf } from './mechanisms.js';
import type { Suite } from './suite.js';
import { SUITES } from './suites/index.js';
import { rowsOf, slowdown } from './tables.js';

const PATH = 'docs/conformance.md';
/** Rows of one program that the list of misses names; the rest is a number. */
const LISTED = 12;
/** Programs of a suite that the table of mechanisms names. */
const NAMED = 8;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');
const table = (head: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] =>
  [`| ${head.join(' | ')} |`, `|${head.map((_, i) => rows.every((r) => /^[\d.%\s-]*$/.test(r[i] ?? '')) ? '---:' : '---').join('|')}|`, ...rows.map((r) => `| ${r.map(cell).join(' | ')} |`)];

const percent = (matched: number, countable: number): string => countable === 0 ? '-' : `${(100 * matched / countable).toFixed(1)} %`;

function suiteTable(measured: Measured): string[] {
  return table(['suite', 'matched', 'countable', '', 'flaky', 'no oracle', 'time / native', 'measured'], measured.map(([suite, programs]) => {
    const t = tally(rowsOf(programs));
    const dates = [...new Set(programs.map((p) => p.date))].sort();
    return [`[${suite.name}](#${suite.name})`, String(t.matched), String(t.countable), percent(t.matched, t.countable), String(t.flaky), String(t.vacuous), slowdown(programs),
      dates.length === 1 ? dates[0] ?? '' : `${dates[0]} to ${dates[dates.length - 1]}`];
  }));
}

function missTable(programs: readonly ScoredProgram[]): string[] {
  const rows: string[][] = [];
  for (const p of programs) {
    const bad = p.rows.filter((r) => r.state === 'MISS' || r.state === 'FLAKY');
    for (const r of bad.slice(0, LISTED)) rows.push([`${p.program} (${p.as})`, `${r.row}${r.state === 'FLAKY' ? ' (flaky)' : ''}`, r.why.slice(0, 160)]);
    if (bad.length > LISTED) rows.push([`${p.program} (${p.as})`, `and ${bad.length - LISTED} more`, '']);
  }
  return rows.length === 0 ? ['No misses.'] : table(['program', 'row', 'first differing assertion'], rows);
}

function suiteSection(suite: Suite, programs: readonly ScoredProgram[]): string[] {
  const versions = [...new Set(programs.flatMap((p) => Object.entries(p.versions).map(([name, value]) => `${name} ${value}`)))].sort();
  const withRatio = programs.some((p) => p.ratio !== undefined);
  const head = ['program', 'matched', 'countable', 'flaky', 'no oracle', 'native ms', 'carrick ms', ...(withRatio ? ['operations / native'] : [])];
  const lines = [`## ${suite.name}`, '', `From ${suite.source}. A row is a ${suite.unit}. Runs of each program on each side: ${[...new Set(programs.map((p) => p.runs))].join(', ')}. ${versions.join(', ')}.`, '',
    ...table(['subsystem', 'matched', 'countable', '', 'flaky', 'no oracle'], bySubsystem(rowsOf(programs)).map(([name, t]) =>
      [name, String(t.matched), String(t.countable), percent(t.matched, t.countable), String(t.flaky), String(t.vacuous)])), ''];
  if (programs.length <= 80) {
    lines.push(...table(head, programs.map((p) => {
      const t = tally(p.rows);
      return [`${p.program} (${p.as})`, String(t.matched), String(t.countable), String(t.flaky), String(t.vacuous), String(p.hostMs), String(p.carrickMs), ...(withRatio ? [p.ratio?.toFixed(3) ?? ''] : [])];
    })), '');
  }
  return [...lines, '### Misses', '', ...missTable(programs), ''];
}

/** Programs by suite, the first of them by name: where a mechanism shows. */
function where(misses: readonly Miss[]): string {
  const suites = new Map<string, Set<string>>();
  for (const m of misses) suites.set(m.suite, (suites.get(m.suite) ?? new Set<string>()).add(m.program));
  return [...suites].map(([suite, programs]) => {
    const rest = programs.size - NAMED;
    return `${suite}: ${[...programs].slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  }).join('; ');
}

function mechanismTable({ found, unclaimed }: Explained): string[] {
  const rows = found.map(([m, misses]) => [m.what, String(misses.length), where(misses), m.mend]);
  if (unclaimed.length > 0) rows.push(['not yet looked into', String(unclaimed.length), where(unclaimed), '']);
  return rows.length === 0 ? ['No misses.'] : table(['mechanism', 'rows', 'where it shows', 'what would mend it'], rows);
}

type Measured = ReadonlyArray<readonly [Suite, readonly ScoredProgram[]]>;

function measuredSuites(): Measured {
  return [...SUITES.values()].map((suite) => [suite, readBaseline(suite.name)] as const).filter(([, programs]) => programs.length > 0);
}

function explained(measured: Measured): Explained {
  return explain(measured.flatMap(([suite, programs]) => missesOf(suite.name, programs)), MECHANISMS);
}

/** What is wrong with the page or with what it says: [] when it is current, and every miss has one mechanism. */
export function docFaults(): string[] {
  const { unclaimed, faults } = explained(measuredSuites());
  const current = existsSync(PATH) && readFileSync(PATH, 'utf8') === docs();
  return [...faults, ...unclaimed.map((m) => `no mechanism claims ${m.suite} ${m.program} (${m.as}) ${m.row}`), ...(current ? [] : [`${PATH} is stale; npm run conformance -- docs`])];
}

function docs(): string {
  const measured = measuredSuites();
  const missing = [...SUITES.values()].filter((suite) => !measured.some(([s]) => s === suite)).map((suite) => suite.name);
  return `${[
    '# Conformance', '', '<!-- Generated by `npm run conformance -- docs` from ltp/baselines; do not edit. -->', '',
    'Every suite runs the same binaries on the host and under carrick, with the same arguments, environment, user and limits. A row is **countable** if the host executed assertions',
    'in it and all passed, in every one of its runs; it is **matched** if every assertion is equal in every run under carrick. A row whose runs under carrick differ is **flaky**: a miss. Rows that the',
    'host fails, skips or leaves empty are **without an oracle**, and never matches. `time / native` is the sum of carrick\'s wall times divided by the sum of the host\'s, start of the container included; the host\'s runs are kept from when a program was first run, so a machine that was busier then than later makes it too small.', '',
    ...suiteTable(measured), '',
    ...(missing.length > 0 ? [`Without a baseline: ${missing.join(', ')}.`, ''] : []),
    '`npm run conformance -- SUITE --compare` runs a suite and fails if a row is worse than here; `--update` replaces the baseline.', '',
    '## What the misses come from', '', 'Most rows first; every miss below is counted once.', '', ...mechanismTable(explained(measured)), '',
    ...measured.flatMap(([suite, programs]) => suiteSection(suite, programs)),
  ].join('\n').trimEnd()}\n`;
}

/** Writes the page, or only checks it: false when something is wrong with it, which is then said. */
export function writeDocs(check: boolean): boolean {
  if (!check) writeFileSync(PATH, docs());
  const faults = docFaults();
  for (const fault of faults) process.stderr.write(`conformance: ${fault}\n`);
  return faults.length === 0;
}
