/**
 * The command line and the environment as bytes. Linux arguments are byte strings; process.argv has decoded them as UTF-8 and lost what is not.
 * So they are taken from /proc/self, as latin1 strings (one character per byte), which is also how the servers hold them (STYLE H4).
 */
import { readFileSync } from 'node:fs';

/** Byte string of text. */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Text of a byte string, for messages. */
export function toText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A byte string as a path for node:fs. */
export function toPath(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}

function fields(path: string): string[] | undefined {
  try {
    const raw = readFileSync(path, 'latin1');
    return raw === '' ? [] : raw.replace(/\0$/, '').split('\0');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

/** Arguments after the script's name, latin1. */
export function argvBytes(): string[] {
  const decoded = process.argv.slice(2);
  if (decoded.length === 0) return [];
  const raw = fields('/proc/self/cmdline')?.slice(-decoded.length);
  // The last check is for a /proc that shows something else, or a title that was set.
  if (raw?.length === decoded.length && raw.every((arg, ix) => toText(arg) === decoded[ix])) return raw;
  return decoded.map(toBytes);
}

/** Environment at start, "K=V", latin1. Without /proc: what Node has decoded. */
export function envBytes(): string[] {
  return fields('/proc/self/environ') ?? Object.entries(process.env).map(([key, value]) => toBytes(`${key}=${value ?? ''}`));
}

/** Value of a variable in a list of "K=V", or undefined. */
export function lookupEnv(env: readonly string[], key: string): string | undefined {
  const entry = env.find((item) => item.startsWith(`${key}=`));
  return entry?.slice(key.length + 1);
}
