/** `npm run gen`: write every generated file. `--check` writes nothing and exits 1 when one is stale. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { emitC, emitTypeScript } from '../shared/schema-gen.js';
import { emitSyscallDocs, emitSyscallHeader, emitSyscallTypes } from '../kernel/syscalls/emit.js';

const root = process.cwd();
const outputs: ReadonlyArray<readonly [string, () => string]> = [
  ['shared/gen/layout.ts', emitTypeScript],
  ['shared/gen/layout.h', emitC],
  ['shared/gen/syscalls.ts', emitSyscallTypes],
  ['shared/gen/syscalls.h', emitSyscallHeader],
  ['docs/syscalls.md', emitSyscallDocs],
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
