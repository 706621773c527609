/** The suites by name, in the order in which `all` runs them. */
import type { Suite } from '../suite.js';
import { CPYTHON } from './cpython.js';
import { GO } from './go.js';
import { PROBES } from './probes.js';

export const SUITES: ReadonlyMap<string, Suite> = new Map([PROBES, GO, CPYTHON].map((suite) => [suite.name, suite] as const));
