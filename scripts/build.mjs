/**
 * `npm run build`: one bundle for the command and one per worker, with their code caches, in dist/ (STYLE H9). `--if-stale` does nothing when every bundle is
 * newer than every source file.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root } from './bundle.mjs';
import { newest } from './newest.mjs';

const ENTRIES = [
  ['cli/start/command.ts', 'dist/carrick.mjs'],
  ['cli/start/worker.ts', 'dist/worker.cjs'],
  ['cli/start/make-cache.ts', 'dist/make-cache.cjs'],
  ['cli/main.ts', 'dist/command.cjs'],
  ['kernel/main.ts', 'dist/kernel.cjs'],
  ['servers/vfs/main.ts', 'dist/vfs.cjs'],
  ['servers/net/main.ts', 'dist/net.cjs'],
  ['servers/ipc/main.ts', 'dist/ipc.cjs'],
  ['servers/signal/main.ts', 'dist/signal.cjs'],
  ['image/worker.ts', 'dist/image-worker.mjs'],
  ['image/proxy.ts', 'dist/image-proxy.cjs'],
];
/** Those that are loaded with a code cache (cli/start/load.ts). */
const CACHED = ['command', 'kernel', 'vfs', 'net', 'ipc', 'signal'].map((name) => join(root, `dist/${name}.cjs`));
const SOURCES = ['shared', 'kernel', 'servers', 'image', 'cli', 'native/index.d.ts', 'scripts/build.mjs', 'scripts/bundle.mjs', 'package-lock.json'];

const oldest = Math.min(...ENTRIES.map(([, out]) => newest(join(root, out))), ...CACHED.map((path) => newest(`${path}.cache`)));
if (process.argv.includes('--if-stale') && oldest > Math.max(...SOURCES.map((path) => newest(join(root, path))))) process.exit();

mkdirSync(join(root, 'dist'), { recursive: true });
try {
  await bundle(ENTRIES.map(([entry, out]) => ({ in: entry, out: join(root, out) })));
  const made = spawnSync(process.execPath, [join(root, 'dist/make-cache.cjs'), ...CACHED], { env: { ...process.env, NODE_OPTIONS: '' }, stdio: 'inherit' });
  process.exitCode = made.status ?? 1;
} catch {
  process.exitCode = 1; // esbuild has said why
}
