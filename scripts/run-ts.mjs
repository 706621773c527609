/**
 * Runs one TypeScript file: bundles it to dist/tools/ and starts Node on it with the remaining arguments. Bundled and not
 * type-stripped, because Node 20 cannot strip types and unbundled constants are slow (STYLE H9).
 *
 *   node scripts/run-ts.mjs FILE.ts [ARG...]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { bundle, root } from './bundle.mjs';

const [file, ...args] = process.argv.slice(2);
if (file === undefined || !existsSync(join(root, file))) {
  process.stderr.write(`run-ts: no file ${file ?? '(none given)'}\n`);
  process.exit(2);
}
const out = join(root, 'dist/tools', relative(root, resolve(root, file)).replaceAll('/', '.').replace(/\.ts$/, '.mjs'));
await bundle([{ in: file, out }]);
const { status, signal } = spawnSync(process.execPath, ['--enable-source-maps', out, ...args], { stdio: 'inherit', cwd: root });
if (signal !== null) process.kill(process.pid, signal);
process.exitCode = status ?? 1;
