/** The native addon in the main thread: where it is, and loading it once. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as host from '../shared/host.js';
import { loadNative, native } from '../shared/native.js';
import { Failure } from './failure.js';

/** dist/, where the bundles are: this code is in one of them. */
export const bundles = dirname(fileURLToPath(import.meta.url));

/** What `carrick` is for Node: commands that go on in a process of their own start it. */
export const commandBundle = join(bundles, 'carrick.mjs');

export function addonPath(): string {
  return resolve(bundles, '../native/build/Release/carrick.node');
}

/** Load the addon into this thread, for host calls as well. */
export function loadAddon(): void {
  if (native.sys !== undefined) return;
  try {
    loadNative(addonPath());
    host.initHost();
  } catch (error) {
    throw new Failure('the native addon cannot be loaded; build it with: npm run build:native', undefined, { cause: error });
  }
}
