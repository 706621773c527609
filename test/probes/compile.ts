/** Compiling probes: once per content, into node_modules/.cache/probes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PROBES = resolve('test/probes');
const CACHE = resolve('node_modules/.cache/probes');
const CFLAGS = ['-O1', '-std=gnu11', '-pthread', '-w'];

export type Libc = 'glibc' | 'musl';

/** Names of the probes that there are for a C library. */
export function probesOf(libc: Libc): string[] {
  return readdirSync(PROBES).filter((file) => file.endsWith('.c') && (libc === 'glibc' || readFileSync(join(PROBES, file), 'utf8').includes('/* musl */')))
    .map((file) => file.slice(0, -2)).sort();
}

/** What probes include, one after the other. */
const headers = (): string => readdirSync(PROBES).filter((file) => file.endsWith('.h')).sort().map((file) => readFileSync(join(PROBES, file), 'utf8')).join('\n');

/** The binary of a probe; undefined when the compiler is not installed. */
export function compileProbe(name: string, libc: Libc): string | undefined {
  const source = join(PROBES, `${name}.c`);
  const compiler = libc === 'musl' ? ['musl-gcc', '-static'] : ['gcc'];
  const hash = createHash('sha256').update(readFileSync(source)).update(headers()).update([...compiler, ...CFLAGS].join(' ')).digest('hex').slice(0, 24);
  const binary = join(CACHE, hash);
  if (existsSync(binary)) return binary;
  mkdirSync(CACHE, { recursive: true });
  const draft = `${binary}.${process.pid}`;
  const args = [...compiler.slice(1), ...CFLAGS, '-o', draft, source];
  const r = spawnSync(compiler[0] ?? 'gcc', args, { encoding: 'utf8' });
  if (r.error !== undefined && libc === 'musl') return undefined;
  if (r.status !== 0) throw new Error(`${compiler[0]} ${source}: ${r.error?.message ?? r.stderr}`);
  renameSync(draft, binary);
  return binary;
}
