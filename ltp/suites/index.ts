/** The suites by name, in the order in which `all` runs them. */
import type { Suite } from '../suite.js';
import { BUSYBOX_SUITE } from './busybox.js';
import { CPYTHON } from './cpython.js';
import { GO } from './go.js';
import { KSELFTEST } from './kselftest.js';
import { LTP } from './ltp.js';
import { PROBES } from './probes.js';
import { STRESS_NG_SUITE } from './stress-ng.js';

export const SUITES: ReadonlyMap<string, Suite> = new Map([PROBES, GO, CPYTHON, KSELFTEST, STRESS_NG_SUITE, BUSYBOX_SUITE, LTP].map((suite) => [suite.name, suite] as const));
