/**
 * --format: the part of Go's templates that people use with docker ps and docker inspect: {{.Field.Field}}, {{.}}, {{json .Field}}, {{index .Field "key"}}, and text between them, in which
 * \t and \n mean what they mean. Everything else is refused rather than misread.
 */
import { toText } from '../bytes.js';
import { Failure } from '../failure.js';

export type Fields = Readonly<Record<string, unknown>>;

/** As Go prints a value. */
function printed(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`;
  if (typeof value === 'object' && value !== null) return `map[${Object.entries(value).map(([k, v]) => `${k}:${printed(v)}`).join(' ')}]`;
  return String(value);
}

function fieldOf(value: unknown, name: string, path: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Failure(`--format: nothing has the field ${path}`);
  if (!Object.hasOwn(value, name)) throw new Failure(`--format: no field ${path}; there are ${Object.keys(value).map((key) => `.${key}`).join(' ')}`);
  return (value as Fields)[name];
}

function lookup(fields: Fields, path: string): unknown {
  let value: unknown = fields;
  for (const name of path.split('.').slice(1)) if (name !== '') value = fieldOf(value, name, path);
  return value;
}

/** The value of what stands between the braces. */
function evaluate(action: string, fields: Fields): string {
  const [, json, path] = /^(json\s+)?(\.|(?:\.\w+)+)$/.exec(action) ?? [];
  if (path !== undefined) return json === undefined ? printed(lookup(fields, path)) : JSON.stringify(lookup(fields, path));
  const [, list, key] = /^index\s+((?:\.\w+)+)\s+("[^"]*"|\d+)$/.exec(action) ?? [];
  if (list === undefined || key === undefined) throw new Failure(`--format: "{{${toText(action)}}}" is not known here; there are {{.Field}}, {{json .Field}} and {{index .Field "key"}}`);
  const value = lookup(fields, list) as Fields | null, name = key.replaceAll('"', '');
  // Go gives an absent key's zero value.
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? printed(value[name]) : '';
}

export function render(template: string, fields: Fields): string {
  const out: string[] = [];
  let rest = template;
  for (let at = rest.indexOf('{{'); at >= 0; at = rest.indexOf('{{')) {
    const end = rest.indexOf('}}', at);
    if (end < 0) throw new Failure('--format: a {{ without its }}');
    out.push(plain(rest.slice(0, at)), evaluate(rest.slice(at + 2, end).trim(), fields));
    rest = rest.slice(end + 2);
  }
  return out.join('') + plain(rest);
}

const plain = (text: string): string => text.replaceAll('\\t', '\t').replaceAll('\\n', '\n');

/** Heads of the columns of a "table" template: its fields' names. */
export const heads = (template: string): string => plain(template.replace(/\{\{\s*(?:json\s+)?\.?([^}]*?)\s*\}\}/g, (_, name: string) => name.toUpperCase()));
