/**
 * The one place that says how TypeScript becomes JavaScript here: esbuild, ESM for Node 20, npm packages bundled in, the addon loaded from the
 * path that boot hands down (shared/native.ts). Everything under dist/ is made by it.
 */
import { build } from 'esbuild';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** CommonJS packages call require() for Node's own modules; an ESM bundle has to make one. */
const REQUIRE = "import { createRequire as carrick$require } from 'node:module'; const require = carrick$require(import.meta.url);";

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
      format: 'esm',
      mainFields: ['module', 'main'],
      charset: 'utf8',
      sourcemap: 'linked',
      sourcesContent: false,
      banner: { js: REQUIRE },
      external: ['*.node', 'esbuild', 'piscina'],
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
