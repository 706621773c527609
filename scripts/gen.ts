/** `npm run gen`: write every generated file. `--check` writes nothing and exits 1 when one is stale. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { performancePage, type Run } from '../bench/report.js';
import { emitC, emitTypeScript } from '../shared/schema-gen.js';
import { emitSyscallDocs, emitSyscallHeader, emitSyscallTypes } from '../kernel/syscalls/emit.js';

const root = process.cwd();
/** docs/performance.md: from the last benchmark that was written down. */
function emitPerformance(): string {
  const last = readdirSync(join(root, 'docs/results')).filter((f) => f.endsWith('-bench.json')).sort().pop();
  if (last === undefined) throw new Error('docs/results holds no benchmark');
  return performancePage(JSON.parse(readFileSync(join(root, 'docs/results', last), 'utf8')) as Run);
}

const outputs: ReadonlyArray<readonly [string, () => string]> = [
  ['shared/gen/layout.ts', emitTypeScript],
  ['shared/gen/layout.h', emitC],
  ['shared/gen/syscalls.ts', emitSyscallTypes],
  ['shared/gen/syscalls.h', emitSyscallHeader],
  ['docs/syscalls.md', emitSyscallDocs],
  ['docs/performance.md', emitPerformance],
];

const check = process.argv.includes('--check');
let stale = 0;
for (const [file, emit] of outputs) {
  const path = join(root, file);
  const text = emit();
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (check) { process.stderr.write(`gen: ${file} is stale; run npm run gen and commit it\n`); stale++; continue; }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
process.exitCode = stale > 0 ? 1 : 0;
