/** A profile as text, as a file of https://www.speedscope.app, and as a page with a flame graph that needs nothing but a browser. */
import type { Collector } from './collector.js';
import { PAGE } from './page.js';
import type { StackNode } from './tree.js';

export const FORMATS = ['text', 'html', 'speedscope'] as const;
export type Format = (typeof FORMATS)[number];

export interface WorkerLoad { readonly name: string; /** On a processor, ns. */ readonly cpuNs: number; /** Ready, but without one, ns. */ readonly waitNs: number }

export interface Profile {
  readonly command: string;
  readonly wallNs: number;
  readonly collector: Collector;
  readonly workers: readonly WorkerLoad[];
  /** What the profile does not show, and why. */
  readonly notes: readonly string[];
}

export function format(p: Profile, as: Format): string {
  switch (as) {
    case 'text': return textOf(p);
    case 'html': return htmlOf(p);
    case 'speedscope': return speedscopeOf(p);
  }
}

const ms = (ns: number): string => (ns / 1e6).toFixed(1);
const percent = (part: number, whole: number): string => `${(whole === 0 ? 0 : part / whole * 100).toFixed(1)}%`;

/** Columns, the first left and the others right aligned. */
function columns(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows.map((row) => `  ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0)).join('  ').trimEnd()}\n`).join('');
}

function textOf(p: Profile): string {
  const { collector: c } = p;
  const programs = [...c.programs.values()].filter((one) => one.cpuNs + one.stubNs + one.kernelNs + one.callNs + one.asleepNs + one.readyNs > 0)
    .sort((a, b) => b.cpuNs + b.callNs - a.cpuNs - a.callNs);
  const cpu = [...c.functions.values()].reduce((sum, ns) => sum + ns, 0);
  let text = `${p.command}\nwall time ${ms(p.wallNs)} ms, ${ms(cpu)} ms of processor time in guests\n`;
  for (const note of p.notes) text += `note: ${note}\n`;
  if (programs.length > 0) {
    text += '\nTime of threads by program, ms (all threads together)\n';
    text += columns([['program', 'own code', 'host kernel', 'carrick stub', 'served calls', 'no processor', 'asleep'],
      ...programs.map((one) => [one.name, ms(one.cpuNs), ms(one.kernelNs), ms(one.stubNs), ms(one.callNs), ms(one.readyNs), ms(one.asleepNs)])]);
  }
  const functions = [...c.functions].sort((a, b) => b[1] - a[1]).slice(0, 25);
  if (functions.length > 0) {
    text += `\nFunctions by processor time of their own (${c.samples} samples)\n`;
    text += columns([['function', 'ms', ''], ...functions.map(([name, ns]) => [name, ms(ns), percent(ns, cpu)])]);
  }
  const calls = [...c.calls.values()].filter((one) => one.calls > 0 || one.handlerNs > 0).sort((a, b) => all(b) - all(a));
  if (calls.length > 0) {
    const us = (ns: number, n: number): string => (ns / Math.max(n, 1) / 1000).toFixed(1);
    text += '\nCalls that a server answered, us each: in its queue, in its handler, parked, until the caller ran again\n';
    text += columns([['call', 'server', 'calls', 'errors', 'queue', 'handler', 'parked', 'wake-up', 'sum, ms'],
      ...calls.slice(0, 40).map((one) => [one.name, one.server, String(one.calls), String(one.errors), us(one.queueNs, one.calls), us(one.handlerNs, one.calls),
        us(one.parkedNs, one.calls), us(one.wakeNs, one.calls), ms(all(one))])]);
  }
  text += '\nWorkers\n';
  return text + columns([['worker', 'busy, ms', 'of wall', 'no processor, ms'], ...p.workers.map((w) => [w.name, ms(w.cpuNs), percent(w.cpuNs, p.wallNs), ms(w.waitNs)])]);
}

function all(one: { queueNs: number; handlerNs: number; parkedNs: number; wakeNs: number }): number { return one.queueNs + one.handlerNs + one.parkedNs + one.wakeNs; }

/** https://www.speedscope.app/file-format-schema.json, "sampled": one profile of all programs, and one of each. */
function speedscopeOf(p: Profile): string {
  const frames: Array<{ name: string }> = [];
  const known = new Map<string, number>();
  const frame = (name: string): number => {
    let i = known.get(name);
    if (i === undefined) { known.set(name, i = frames.length); frames.push({ name }); }
    return i;
  };
  const one = (name: string, node: StackNode, above: readonly string[]): object => {
    const samples: number[][] = [], weights: number[] = [];
    for (const [stack, ns] of node.stacks(above)) { samples.push(stack.map(frame)); weights.push(Math.round(ns)); }
    return { type: 'sampled', name, unit: 'nanoseconds', startValue: 0, endValue: weights.reduce((a, b) => a + b, 0), samples, weights };
  };
  const { tree } = p.collector;
  const profiles = [one('all programs', tree, []), ...[...tree.children.values()].sort((a, b) => b.totalNs() - a.totalNs()).map((node) => one(node.name, node, [node.name]))];
  return `${JSON.stringify({ $schema: 'https://www.speedscope.app/file-format-schema.json', name: p.command, exporter: 'carrick profile', activeProfileIndex: 0, shared: { frames }, profiles })}\n`;
}

interface PageNode { readonly n: string; readonly v: number; readonly c: readonly PageNode[] }

function pageNode(node: StackNode, name: string): PageNode {
  return { n: name, v: Math.round(node.totalNs()), c: [...node.children.values()].map((child) => pageNode(child, child.name)).sort((a, b) => b.v - a.v) };
}

function htmlOf(p: Profile): string {
  const escape = (text: string): string => text.replace(/[&<>]/g, (c) => c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;');
  // In a script element only "</" and "<!--" would end it early.
  const data = JSON.stringify(pageNode(p.collector.tree, 'all programs')).replaceAll('<', '\\u003c');
  return PAGE.replace('%TITLE%', () => escape(p.command)).replace('%TEXT%', () => escape(textOf(p))).replace('%DATA%', () => data);
}
