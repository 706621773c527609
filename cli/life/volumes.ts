/** `carrick volume create`, `ls`, `rm`, `inspect`, `prune`. A container needs its volumes as long as it is there, also when it has ended: `rm` and `prune` leave those alone. */
import { randomBytes } from 'node:crypto';
import { table } from '../columns.js';
import { listContainers, removeTree } from '../container-dir.js';
import { Failure } from '../failure.js';
import { parseLabels } from '../limits.js';
import { type Volume, dataOf, ensureVolume, homeOf, isVolumeName, listVolumes, volume } from '../volume-dir.js';
import { type Fields, render } from './format.js';
import { each } from './lookup.js';

function find(name: string): Volume {
  const found = volume(name);
  if (found === undefined) throw new Failure(`no volume ${name}; see carrick volume ls`);
  return found;
}

/** Names of the containers that need it. */
function usersOf(name: string): string[] {
  return listContainers().filter((state) => state.config?.binds.some((b) => b.volume === name) === true).map((state) => state.name);
}

export function createCommand(given: string | undefined, labels: readonly string[]): void {
  const name = given ?? randomBytes(32).toString('hex');
  if (!isVolumeName(name)) throw new Failure(`bad volume name "${name}"; letters, digits, "_", "." and "-", a letter or digit first`);
  ensureVolume(name, parseLabels(labels));
  process.stdout.write(`${name}\n`);
}

/** A --filter: name=PART, label=NAME[=VALUE], dangling=true|false. */
function filterOf(text: string): (v: Volume) => boolean {
  const at = text.indexOf('='), value = text.slice(at + 1);
  switch (at < 0 ? '' : text.slice(0, at)) {
    case 'name': return (v) => v.name.includes(value);
    case 'label': {
      const [[name, wanted] = ['', '']] = Object.entries(parseLabels([value]));
      return ({ labels }) => name in labels && (!value.includes('=') || labels[name] === wanted);
    }
    case 'dangling': if (value === 'true' || value === 'false') return (v) => (usersOf(v.name).length === 0) === (value === 'true');
  }
  throw new Failure(`bad --filter "${text}"; there are name=PART, label=NAME[=VALUE], dangling=true and dangling=false`);
}

/** Under docker's names. */
function fieldsOf({ name, created, labels }: Volume): Fields {
  return { CreatedAt: created, Driver: 'local', Labels: labels, Mountpoint: dataOf(name), Name: name, Options: {}, Scope: 'local' };
}

export function lsCommand(flags: { readonly quiet?: boolean; readonly filter?: readonly string[]; readonly format?: string }): void {
  const { format } = flags, filters = (flags.filter ?? []).map(filterOf);
  const found = listVolumes().filter((v) => filters.every((holds) => holds(v)));
  if (format !== undefined) for (const v of found) process.stdout.write(`${format === 'json' ? JSON.stringify(fieldsOf(v)) : render(format, fieldsOf(v))}\n`);
  else if (flags.quiet === true) for (const { name } of found) process.stdout.write(`${name}\n`);
  else process.stdout.write(table([['DRIVER', 'VOLUME NAME'], ...found.map(({ name }) => ['local', name])]));
}

/** Remove one that nobody needs. */
function remove(name: string): void {
  const [user] = usersOf(name);
  if (user !== undefined) throw new Failure(`volume ${name} is used by container ${user}; remove that first: carrick rm ${user}`);
  removeTree(homeOf(name));
}

/** force: one that is not there is no failure. */
export function rmCommand(names: readonly string[], force: boolean): Promise<number> {
  return each(names, (name) => {
    if (!force || (volume(name) !== undefined)) remove(find(name).name);
    process.stdout.write(`${name}\n`);
  });
}

export async function inspectCommand(names: readonly string[], format: string | undefined): Promise<number> {
  const found: Fields[] = [];
  const status = await each(names, (name) => {
    const fields = fieldsOf(find(name));
    if (format === undefined) found.push(fields);
    else process.stdout.write(`${format === 'json' ? JSON.stringify(fields) : render(format, fields)}\n`);
  });
  if (format === undefined) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  return status;
}

/** Without -f nothing is done: what is in a volume is nowhere else. */
export function pruneCommand(force: boolean): void {
  const unused = listVolumes().filter(({ name }) => usersOf(name).length === 0);
  if (!force) throw new Failure(`volume prune removes the ${unused.length} volumes that no container uses, with all that is in them; say so with -f`);
  for (const { name } of unused) { remove(name); process.stdout.write(`${name}\n`); }
  process.stdout.write(`removed ${unused.length} volumes\n`);
}
