#!/usr/bin/env node
/** Starts the bundled command; says how to build it when it is not there. */
import { existsSync } from 'node:fs';

const bundle = new URL('../../dist/carrick.mjs', import.meta.url);
if (existsSync(bundle)) {
  await import(bundle);
} else {
  process.stderr.write('carrick: not built; in the checkout, run: npm run bootstrap\n');
  process.exitCode = 125;
}
