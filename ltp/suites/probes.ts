/** The differential probes of this repository, one program each, so that they go through the same scoring as everybody else's tests. */
import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { compileProbe, probesOf } from '../../test/probes/compile.js';
import { fileDigest, firstLine, place } from '../machine.js';
import { type Assertion, type Row, endText } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Program, Suite } from '../suite.js';

/** A probe ends itself after 20 s (probe.h). */
const TIMEOUT_MS = 40_000;

/** Each `key=value` line is an assertion; a key that comes again is numbered. How the probe ends is one more. */
export function parseProbe(name: string, capture: Capture): Row[] {
  const assertions: Assertion[] = [];
  const seen = new Map<string, number>();
  for (const line of capture.out.split('\n')) {
    if (line === '') continue;
    const at = line.indexOf('=');
    const key = at < 0 ? line : line.slice(0, at);
    const n = (seen.get(key) ?? 0) + 1;
    seen.set(key, n);
    const failed = line.startsWith('setup-failed') || line.startsWith('fork-failed');
    assertions.push({ id: n === 1 ? key : `${key} (${n})`, verdict: failed ? 'broken' : 'pass', value: at < 0 ? '' : line.slice(at + 1) });
  }
  if (assertions.length === 0) return [];
  const well = capture.end.how === 'exit' && capture.end.code === 0;
  assertions.push({ id: '(end)', verdict: well ? 'pass' : 'broken', value: well ? '' : endText(capture.end) });
  return [{ name, assertions }];
}

function install(name: string, libc: 'glibc' | 'musl'): string | undefined {
  const built = compileProbe(name, libc);
  if (built === undefined) return undefined;
  const path = join(place('probes'), basename(built));
  if (!existsSync(path)) { copyFileSync(built, path); chmodSync(path, 0o755); }
  return path;
}

export const PROBES: Suite = {
  name: 'probes',
  source: 'this repository, test/probes',
  unit: 'probe; each `key=value` line is an assertion',
  versions: () => ({ cc: firstLine('cc', '-dumpfullversion') }),
  programs: (tier, wanted) => (['glibc', 'musl'] as const).filter((libc) => tier === 'full' || libc === 'glibc').flatMap((libc) => probesOf(libc).flatMap((probe): Program[] => {
    const name = `${libc}/${probe}`;
    const path = wanted(name) ? install(probe, libc) : undefined;
    if (path === undefined) return [];
    return [{
      name, argv: [path], digest: fileDigest(path), timeoutMs: TIMEOUT_MS, as: ['root', 'user'], subsystem: () => subsystemOf(probe), parse: (capture) => parseProbe(probe, capture),
    }];
  })),
};
