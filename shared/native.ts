/**
 * The addon as the workers see it. It is loaded once per worker from the path that boot hands down, so that the bundles need not know
 * where it was built; until then every member is missing.
 */
import { createRequire } from 'node:module';
import type * as Api from '../native/index.js';

export type Native = typeof Api;

export const native: Native = {} as Native;

/** Load the addon for this thread. Throws when it cannot be loaded (bad boot configuration). */
export function loadNative(path: string): void {
  const load = createRequire(import.meta.url);
  Object.assign(native, load(path) as Native);
}
