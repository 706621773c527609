/** `carrick ps` and `carrick inspect`: what there is of containers. */
import { join } from 'node:path';
import { type State, directoryOf, listContainers } from '../container-dir.js';
import { toText } from '../bytes.js';
import { LOG } from './detach.js';
import { find } from './lookup.js';

const UNITS: ReadonlyArray<readonly [seconds: number, name: string]> = [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']];

/** "5 minutes", of milliseconds. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [unit, name] of UNITS) {
    const n = Math.floor(seconds / unit);
    if (n > 0) return `${n} ${name}${n === 1 ? '' : 's'}`;
  }
  return 'less than a second';
}

/** The root file system as it was asked for. */
function rootOf(s: State): string {
  const rootfs = s.config?.rootfs;
  if (rootfs === undefined) return '-';
  if (rootfs.kind === 'host') return 'host';
  return rootfs.kind === 'dir' ? `rootfs:${toText(rootfs.dir)}` : toText(rootfs.dir).slice(0, 19);
}

export function statusOf(s: State, now: number): string {
  if (s.status === 'running') return `Up ${duration(now - Date.parse(s.started ?? s.created))}`;
  return `Exited (${s.exitStatus ?? '?'})${s.finished === undefined ? '' : ` ${duration(now - Date.parse(s.finished))} ago`}`;
}

const shorten = (text: string, width: number): string => text.length <= width ? text : `${text.slice(0, width - 1)}…`;
/** Words of a command line for one cell of a table: control characters would break it. */
const plain = (words: readonly string[]): string => words.join(' ').replace(/[\x00-\x1f\x7f]/g, '?');

export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ').trimEnd()}\n`).join('');
}

export function psCommand(flags: { all?: boolean; quiet?: boolean }): void {
  const list = listContainers().filter((s) => flags.all === true || s.status === 'running').reverse();
  if (flags.quiet === true) { process.stdout.write(list.map((s) => `${s.id}\n`).join('')); return; }
  const now = Date.now();
  process.stdout.write(table([
    ['CONTAINER ID', 'ROOTFS', 'COMMAND', 'CREATED', 'STATUS', 'NAME'],
    ...list.map((s) => [s.id, shorten(rootOf(s), 32), shorten(plain(s.command), 32), `${duration(now - Date.parse(s.created))} ago`, statusOf(s, now), s.name === s.id ? '' : s.name]),
  ]));
}

/** Byte strings of the configuration as text. */
function readable(value: unknown): unknown {
  if (typeof value === 'string') return toText(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, readable(v)]));
  return value;
}

export function inspectCommand(refs: readonly string[]): void {
  const out = refs.map((ref) => {
    const { config, ...s } = find(ref);
    const directory = directoryOf(find(ref));
    return { ...s, directory, ...(s.detached === true ? { log: join(directory, LOG) } : {}), config: readable(config) };
  });
  process.stdout.write(`${JSON.stringify(out, undefined, 2)}\n`);
}
