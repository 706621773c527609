/** --mount of `carrick run`: docker's long way to write -v and --tmpfs. */
import { toText } from './bytes.js';
import { Failure } from './failure.js';
import { isVolumeName } from './volume-dir.js';

/** Where POSIX shared memory lives, a tmpfs in any case. */
export const SHM = '/dev/shm';

const refuse = (arg: string, why: string): Failure => new Failure(`bad --mount "${toText(arg)}": ${why}`);

/** type=bind,source=HOST,target=GUEST[,readonly] and type=volume,source=NAME,target=GUEST[,readonly][,volume-nocopy] as a -v, type=tmpfs,target=GUEST[,tmpfs-size=N][,tmpfs-mode=OCTAL] as a --tmpfs. */
export function parseMount(arg: string): { readonly volume?: string; readonly tmpfs?: string } {
  const said = new Map<string, string>();
  for (const part of arg.split(',')) {
    const at = part.indexOf('='), key = at < 0 ? part : part.slice(0, at);
    const name = { src: 'source', dst: 'target', destination: 'target', ro: 'readonly' }[key] ?? key;
    said.set(name, at < 0 ? 'true' : part.slice(at + 1));
  }
  const take = (name: string): string => { const value = said.get(name) ?? ''; said.delete(name); return value; };
  const type = take('type') || 'volume', target = take('target'), source = take('source'), readOnly = /^(true|1)$/.test(take('readonly'));
  const size = take('tmpfs-size'), mode = take('tmpfs-mode'), noCopy = /^(true|1)$/.test(take('volume-nocopy'));
  const [unknown] = said.keys();
  if (unknown !== undefined) throw refuse(arg, `"${toText(unknown)}" is not known here; there are type, source, target, readonly, volume-nocopy, tmpfs-size, tmpfs-mode`);
  if (target === '') throw refuse(arg, 'it has no target=DIR');
  if (type === 'bind') {
    if (source === '' || source.includes(':') || target.includes(':')) throw refuse(arg, 'it needs source=DIR and target=DIR, without colons');
    // What has no slash would be a volume's name.
    return { volume: `${source.includes('/') ? source : `./${source}`}:${target}${readOnly ? ':ro' : ''}` };
  }
  if (type === 'volume') {
    if (!isVolumeName(source) || target.includes(':')) throw refuse(arg, 'it needs source=NAME, of a volume, and target=DIR; a directory of the host is type=bind');
    return { volume: `${source}:${target}:${readOnly ? 'ro' : 'rw'}${noCopy ? ',nocopy' : ''}` };
  }
  if (type !== 'tmpfs') throw refuse(arg, 'there are type=bind, type=volume and type=tmpfs');
  if (source !== '') throw refuse(arg, 'a tmpfs has no source');
  const options = [...(size === '' ? [] : [`size=${size}`]), ...(mode === '' ? [] : [`mode=${mode}`]), ...(readOnly ? ['ro'] : [])];
  return { tmpfs: options.length === 0 ? target : `${target}:${options.join(',')}` };
}
