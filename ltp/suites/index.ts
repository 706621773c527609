/** The suites by name, in the order in which `all` runs them. */
import type { Suite } from '../suite.js';
import { BUSYBOX_SUITE } from './busybox.js';
import { CPYTHON } from './cpython.js';
import { GO } from './go.js';
import { PROBES } from './probes.js';
import { STRESS_NG_SUITE } from './stress-ng.js';

export const SUITES: ReadonlyMap<string, Suite> = new Map([PROBES, GO, CPYTHON, BUSYBOX_SUITE, STRESS_NG_SUITE].map((suite) => [suite.name, suite] as const));
