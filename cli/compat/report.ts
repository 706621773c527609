/** The report of `carrick compat-report`: the workers' parts put together, and printed as text, JSON or a page. Pure. */
import { ERRNO } from '../../shared/errno.js';
import { SYSCALL_NAMES, SYSCALL_OWNER, SYSCALL_STATUS } from '../../shared/gen/syscalls.js';
import type { Refusal, ReportPart } from '../../shared/report.js';
import { SERVER_NAMES } from '../../shared/server-names.js';
import { type Verdict, judge } from './refusals.js';

export type ReportFormat = 'text' | 'json' | 'html';
const STATUS = ['absent', 'partial', 'full'] as const;

export interface UsedCall {
  readonly nr: number;
  readonly name: string;
  readonly calls: number;
  readonly errors: number;
  /** Milliseconds between arrival and answer, sleeping included. */
  readonly ms: number;
  readonly status: (typeof STATUS)[number];
  readonly server: string;
}
export interface Missed { readonly verdict: Verdict; readonly what: string; readonly errno: string; readonly count: number }
export interface ProgramReport { readonly program: string; readonly calls: readonly UsedCall[]; readonly missed: readonly Missed[] }
export interface CompatReport {
  readonly command: readonly string[];
  readonly exit: number;
  readonly programs: readonly ProgramReport[];
  readonly verdict: string;
}

/** Text of what is not a program yet: calls before the first exec are carrick's own first steps. */
const BEFORE = '(before the first program)';

function mergeCalls(parts: readonly ReportPart[]): Map<number, Map<number, [number, number, number]>> {
  const all = new Map<number, Map<number, [number, number, number]>>();
  for (const part of parts) {
    for (const [program, nr, calls, errors, ns] of part.calls) {
      const rows = all.get(program) ?? new Map<number, [number, number, number]>();
      all.set(program, rows);
      const row = rows.get(nr) ?? [0, 0, 0];
      rows.set(nr, [row[0] + calls, row[1] + errors, row[2] + ns]);
    }
  }
  return all;
}

function usedCall(nr: number, [calls, errors, ns]: readonly [number, number, number]): UsedCall {
  const name = SYSCALL_NAMES[nr] ?? '';
  const status = STATUS[SYSCALL_STATUS[nr] ?? 0] ?? 'absent';
  return { nr, name: name === '' ? `call ${nr}` : name, calls, errors, ms: ns / 1e6, status, server: status === 'absent' ? '-' : SERVER_NAMES[SYSCALL_OWNER[nr] ?? -1] ?? 'stub' };
}

function missedOf(refusals: readonly Refusal[]): Missed[] {
  const sum = new Map<string, Missed>();
  for (const r of refusals) {
    const judged = judge(r);
    if (judged === undefined) continue;
    const errno = ERRNO.get(judged.errno)?.[0] ?? String(judged.errno);
    const key = `${judged.what} ${errno}`;
    sum.set(key, { verdict: judged.verdict, what: judged.what, errno, count: (sum.get(key)?.count ?? 0) + judged.count });
  }
  return [...sum.values()].sort((a, b) => a.verdict < b.verdict ? -1 : a.verdict > b.verdict ? 1 : b.count - a.count);
}

export function makeReport(command: readonly string[], exit: number, parts: readonly ReportPart[]): CompatReport {
  const names = parts.flatMap((part) => part.programs);
  const calls = mergeCalls(parts);
  const refusals = parts.flatMap((part) => part.refusals);
  const ids = [...new Set([...calls.keys(), ...names.map((_, i) => i + 1)])].sort((a, b) => a - b);
  const programs = ids.map((id): ProgramReport => ({
    program: names[id - 1] ?? BEFORE,
    calls: [...calls.get(id) ?? []].map(([nr, row]) => usedCall(nr, row)).sort((a, b) => b.calls - a.calls || a.nr - b.nr),
    missed: missedOf(refusals.filter((r) => r.program === id)),
  })).filter((p) => p.calls.length > 0);
  const total = programs.flatMap((p) => p.calls).reduce((n, c) => n + c.calls, 0);
  const kinds = new Set(programs.flatMap((p) => p.calls.map((c) => c.nr))).size;
  const count = (verdict: Verdict): number => new Set(programs.flatMap((p) => p.missed.filter((m) => m.verdict === verdict).map((m) => m.what))).size;
  const missing = count('missing');
  const refused = count('refused');
  return {
    command, exit, programs,
    verdict: `${missing === 0 ? 'nothing missing' : `${missing} missing`}${refused === 0 ? '' : `, ${refused} refused (Linux may refuse them too)`}: ${total} calls of ${kinds} kinds by ${programs.length} ${programs.length === 1 ? 'program' : 'programs'}, exit ${exit}`,
  };
}

function text(r: CompatReport): string {
  const lines: string[] = [];
  for (const p of r.programs) {
    lines.push(p.program, `${'calls'.padStart(10)} ${'errors'.padStart(8)} ${'ms'.padStart(10)}  status   server  call`);
    for (const c of p.calls) {
      const errors = c.errors === 0 ? '' : String(c.errors), ms = c.ms === 0 ? '' : c.ms.toFixed(1);
      lines.push(`${String(c.calls).padStart(10)} ${errors.padStart(8)} ${ms.padStart(10)}  ${c.status.padEnd(8)} ${c.server.padEnd(7)} ${c.name}`);
    }
    for (const m of p.missed) lines.push(`  ${m.verdict}: ${m.what} (${m.errno}${m.count > 1 ? `, ${m.count} times` : ''})`);
    lines.push('');
  }
  return `${[...lines, `verdict: ${r.verdict}`].join('\n')}\n`;
}

const escape = (s: string): string => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function html(r: CompatReport): string {
  const row = (cells: ReadonlyArray<string | number>, tag = 'td'): string => `<tr>${cells.map((c) => `<${tag}>${escape(String(c))}</${tag}>`).join('')}</tr>`;
  const sections = r.programs.map((p) => [
    `<h2>${escape(p.program)}</h2>`,
    p.missed.length === 0 ? '' : `<ul>${p.missed.map((m) => `<li class="${m.verdict}">${escape(`${m.verdict}: ${m.what} (${m.errno}, ${m.count} times)`)}</li>`).join('')}</ul>`,
    `<table>${row(['call', 'calls', 'errors', 'ms', 'status', 'server'], 'th')}`,
    ...p.calls.map((c) => row([c.name, c.calls, c.errors, c.ms.toFixed(1), c.status, c.server])),
    '</table>',
  ].join('\n'));
  return `<!doctype html>
<meta charset="utf-8">
<title>carrick compat-report</title>
<style>body { font: 14px sans-serif; margin: 2em } table { border-collapse: collapse } td, th { padding: 2px 10px; text-align: left } td:nth-child(n+2):nth-child(-n+4) { text-align: right } .missing { color: #b00 }</style>
<h1>${escape(r.command.join(' '))}</h1>
<p>${escape(r.verdict)}</p>
${sections.join('\n')}
`;
}

export function formatReport(r: CompatReport, format: ReportFormat): string {
  switch (format) {
    case 'text': return text(r);
    case 'json': return `${JSON.stringify(r, undefined, 2)}\n`;
    case 'html': return html(r);
  }
}
