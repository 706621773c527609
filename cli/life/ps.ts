/** `carrick ps`: which containers there are. */
import { type State, listContainers } from '../container-dir.js';
import { toText } from '../bytes.js';
import { duration, printable, table } from '../columns.js';
import { Failure } from '../failure.js';
import { type Fields, heads, render } from './format.js';

/** The root file system as it was asked for. */
export function rootOf(s: State): string {
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
const labelsOf = (s: State): ReadonlyArray<readonly [string, string]> => Object.entries(s.config?.labels ?? {}).map(([k, v]) => [toText(k), toText(v)]);

export interface PsFlags {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly latest?: boolean;
  readonly last?: number;
  readonly trunc?: boolean;
  readonly filter?: readonly string[];
  readonly format?: string;
}

/** Filters by what stands before the =; docker's words where the thing is the same. */
const FILTERS: Readonly<Record<string, (s: State, value: string) => boolean>> = {
  id: (s, value) => s.id.startsWith(value),
  name: (s, value) => s.name.includes(value),
  status: (s, value) => s.status === value,
  exited: (s, value) => s.status === 'exited' && String(s.exitStatus) === value,
  ancestor: (s, value) => rootOf(s) === value,
  label: (s, value) => labelsOf(s).some(([k, v]) => value === k || value === `${k}=${v}`),
};

/** Which of them the filters leave: one of each key's values has to fit. */
function filtered(list: readonly State[], filters: readonly string[]): readonly State[] {
  const byKey = new Map<string, string[]>();
  for (const filter of filters) {
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(filter) ?? [];
    if (!Object.hasOwn(FILTERS, key)) throw new Failure(`bad --filter "${filter}"; write KEY=VALUE, KEY one of ${Object.keys(FILTERS).join(', ')}`);
    byKey.set(key, [...byKey.get(key) ?? [], value]);
  }
  return list.filter((s) => [...byKey].every(([key, values]) => values.some((value) => FILTERS[key]?.(s, value) === true)));
}

/** What --format sees of a container, named as docker does. */
function fieldsOf(s: State, now: number, whole: boolean): Fields {
  const short = (text: string): string => whole ? text : shorten(text, 32);
  return {
    ID: s.id, Image: short(rootOf(s)), Command: short(printable(s.command.join(' '))), CreatedAt: s.created, RunningFor: `${duration(now - Date.parse(s.created))} ago`,
    Status: statusOf(s, now), State: s.status, Names: s.name, Labels: labelsOf(s).map(([k, v]) => `${k}=${v}`).join(','), Networks: s.config?.network ?? '',
  };
}

function formatted(format: string, rows: readonly Fields[]): string {
  if (format === 'json') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  if (!/^table\s/.test(format)) return rows.map((row) => `${render(format, row)}\n`).join('');
  const template = format.replace(/^table\s+/, '');
  return table([heads(template), ...rows.map((row) => render(template, row))].map((line) => line.split('\t')));
}

/** Those of all containers (oldest first) that the flags ask for, newest first. The last ones are the last of those that the filters leave, as with docker. */
export function chosen(all: readonly State[], flags: PsFlags): readonly State[] {
  const last = flags.latest === true ? 1 : flags.last;
  const filters = flags.filter ?? [], every = flags.all === true || last !== undefined || filters.some((filter) => /^(status|exited)=/.test(filter));
  return [...filtered(all.filter((s) => every || s.status === 'running'), filters)].reverse().slice(0, last);
}

export function psCommand(flags: PsFlags): void {
  const list = chosen(listContainers(), flags);
  if (flags.quiet === true) { process.stdout.write(list.map((s) => `${s.id}\n`).join('')); return; }
  const now = Date.now(), whole = flags.trunc === false;
  if (flags.format !== undefined) { process.stdout.write(formatted(flags.format, list.map((s) => fieldsOf(s, now, whole)))); return; }
  process.stdout.write(table([
    ['CONTAINER ID', 'ROOTFS', 'COMMAND', 'CREATED', 'STATUS', 'NAME'],
    ...list.map((s) => {
      const { ID, Image, Command, RunningFor, Status } = fieldsOf(s, now, whole);
      return [...[ID, Image, Command, RunningFor, Status].map(String), s.name === s.id ? '' : s.name];
    }),
  ]));
}
