/** dist/worker.cjs: what a worker starts. It only loads the bundle of the server that it is to be, see load.ts. */
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { BootData } from '../../shared/boot.js';
import { SERVER_NAMES } from '../../shared/server-names.js';
import { loadBundle } from './load.js';

loadBundle(join(__dirname, `${SERVER_NAMES[(workerData as BootData).srv] ?? ''}.cjs`));
