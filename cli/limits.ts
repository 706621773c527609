/** --ulimit and --label of `carrick run`. Byte strings are latin1. */
import type { LimitSpec } from '../shared/spec.js';
import { toText } from './bytes.js';
import { Failure } from './failure.js';

/** Names as docker and bash's ulimit know them, by the numbers of getrlimit(2). */
const RESOURCES: readonly string[] = ['cpu', 'fsize', 'data', 'stack', 'core', 'rss', 'nproc', 'nofile', 'memlock', 'as', 'locks', 'sigpending', 'msgqueue', 'nice', 'rtprio', 'rttime'];

/** NAME=SOFT[:HARD]; -1 and "unlimited" are no limit. */
export function parseUlimit(arg: string): LimitSpec {
  const [, name = '', soft = '', hard = soft] = /^([a-z]+)=(-1|unlimited|\d{1,15})(?::(-1|unlimited|\d{1,15}))?$/.exec(arg) ?? [];
  const resource = RESOURCES.indexOf(name);
  if (resource < 0) throw new Failure(`bad --ulimit "${toText(arg)}"; write NAME=SOFT[:HARD], NAME one of ${RESOURCES.join(', ')}`);
  const number = (text: string): number | null => text === '-1' || text === 'unlimited' ? null : Number(text);
  const limit = { resource, soft: number(soft), hard: number(hard) };
  if ((limit.soft ?? Infinity) > (limit.hard ?? Infinity)) throw new Failure(`bad --ulimit "${toText(arg)}": the soft limit is above the hard one`);
  return limit;
}

/** NAME[=VALUE]... */
export function parseLabels(args: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(args.map((arg) => {
    const at = arg.indexOf('='), name = at < 0 ? arg : arg.slice(0, at);
    if (name === '') throw new Failure(`bad --label "${toText(arg)}"; write NAME=VALUE`);
    return [name, at < 0 ? '' : arg.slice(at + 1)];
  }));
}
