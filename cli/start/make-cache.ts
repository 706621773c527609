/**
 * dist/make-cache.cjs BUNDLE...: makes the code caches of bundles, by the Node that runs it. Part of the build, in a process of its own: V8's flags go
 * into a cache, and whoever builds may have set some.
 */
import { renameSync, writeFileSync } from 'node:fs';
import v8 from 'node:v8';
import { cachePath, compile } from './load.js';

for (const path of process.argv.slice(2)) {
  // All functions, not only those that run at once. The flags are back when the cache is made: it says which ones it is for.
  v8.setFlagsFromString('--no-lazy');
  const script = compile(path);
  v8.setFlagsFromString('--lazy');
  const partial = `${cachePath(path)}.${process.pid}.tmp`;
  writeFileSync(partial, script.createCachedData());
  renameSync(partial, cachePath(path));
}
