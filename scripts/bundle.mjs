/**
 * The one place that says how TypeScript becomes JavaScript here: esbuild for Node 20, npm packages bundled in, the addon loaded from the
 * path that boot hands down (shared/native.ts). Everything under dist/ is made by it. What a `.cjs` file is wanted for is CommonJS, which can be loaded with a
 * code cache (cli/start/load.ts); everything else is ESM.
 */
import { build } from 'esbuild';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** CommonJS packages call require() for Node's own modules; an ESM bundle has to make one. */
const REQUIRE = "import { createRequire as carrick$require } from 'node:module'; const require = carrick$require(import.meta.url);";

/** commander loads node:child_process for subcommands that are programs of their own, which carrick has none of. That takes milliseconds at every start. */
const lazySpawn = {
  name: 'lazy-spawn',
  setup(made) {
    made.onResolve({ filter: /^node:child_process$/ }, ({ importer }) => (importer.includes('/node_modules/commander/') ? { path: 'child_process', namespace: 'lazy' } : undefined));
    made.onLoad({ filter: /.*/, namespace: 'lazy' }, () => ({ contents: "module.exports = { get spawn() { return require('node:child_process').spawn; } };" }));
  },
};

const ESM = { format: 'esm', charset: 'utf8', banner: { js: REQUIRE } };
const COMMONJS = {
  format: 'cjs',
  charset: 'ascii',
  define: { 'import.meta.url': 'carrick$url' },
  banner: { js: "const carrick$url = require('node:url').pathToFileURL(__filename).href;" },
  // Code from a cache has no loader to ask: import() of what is not in the bundle becomes require().
  supported: { 'dynamic-import': false },
};

/** Bundle every {in, out}: `in` relative to the repository, `out` absolute. */
export async function bundle(entries, extra = {}) {
  await Promise.all(entries.map(async (entry) => {
    const result = await build({
      entryPoints: [join(root, entry.in)],
      outfile: entry.out,
      write: false,
      absWorkingDir: root,
      bundle: true,
      platform: 'node',
      target: 'node20',
      mainFields: ['module', 'main'],
      sourcemap: 'linked',
      sourcesContent: false,
      ...(entry.out.endsWith('.cjs') ? COMMONJS : ESM),
      external: ['*.node', 'esbuild', 'piscina'],
      plugins: [lazySpawn],
      logLevel: 'warning',
      ...extra,
    });
    mkdirSync(dirname(entry.out), { recursive: true });
    for (const file of result.outputFiles) {
      // Renamed into place, so that a program that starts meanwhile never loads half a file.
      const partial = `${file.path}.${process.pid}.tmp`;
      writeFileSync(partial, file.contents);
      renameSync(partial, file.path);
    }
  }));
}
