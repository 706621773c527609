/** dist/carrick.mjs: what `carrick` starts. It only loads the command's bundle, see load.ts. */
import { fileURLToPath } from 'node:url';
import { loadBundle } from './load.js';

loadBundle(fileURLToPath(new URL('command.cjs', import.meta.url)));
