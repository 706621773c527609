/** --env-file, as docker reads it: a variable per line, NAME=VALUE, or NAME for the caller's own; nothing is quoted; lines that begin with # and empty ones say nothing. */
import { readFileSync } from 'node:fs';
import { toPath, toText } from './bytes.js';
import { Failure, why } from './failure.js';

export interface EnvFlags { readonly env?: readonly string[]; readonly envFile?: readonly string[] }

/** Variables of a file's text, latin1, as -e takes them. */
export function parseEnvFile(text: string, path: string): string[] {
  const found: string[] = [];
  for (const line of text.replace(/^\xef\xbb\xbf/, '').split('\n')) {
    const item = line.replace(/\r$/, '').replace(/^[ \t]+/, '');
    if (item === '' || item.startsWith('#')) continue;
    const name = /^[^=]*/.exec(item)?.[0] ?? '';
    if (name === '' || /[ \t]/.test(name)) throw new Failure(`bad variable "${toText(item)}" in ${toText(path)}; write NAME=VALUE, without blanks in NAME`);
    found.push(item);
  }
  return found;
}

function readEnvFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(toPath(path), 'latin1');
  } catch (error) {
    throw new Failure(`cannot read ${toText(path)}: ${why(error)}`, undefined, { cause: error });
  }
  return parseEnvFile(text, path);
}

/** Variables that the flags set, the last one of a name counts: -e goes before files. */
export function envFlags(flags: EnvFlags): string[] { return [...(flags.envFile ?? []).flatMap(readEnvFile), ...flags.env ?? []]; }
