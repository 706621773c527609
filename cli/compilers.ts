/**
 * How V8 is to spend its time while a container runs.
 *
 * Most containers live for a second or two, on few cores, and all of the servers' code is cold. Left alone, V8 hands every function that has run some hundred
 * times to its optimiser's threads, and those take the core that the guest or the next server would have woken on: a function takes them 1 to 100 ms. So code is made by the
 * baseline compiler as soon as a function is first compiled, and for the first second the optimiser waits for more than twice as much use as by default. A container that
 * lives longer is worth optimising. Numbers: docs/decisions/0014-compilers-wait.md.
 */
import v8 from 'node:v8';

const ALWAYS = '--always-sparkplug';
/** Bytecode that a function runs before V8 thinks of optimising it, at first; and V8's own number. */
const BUDGET = '--interrupt-budget=300000', USUAL_BUDGET = '--interrupt-budget=135168';
const HOLD_MS = 1000;

/**
 * Call once the workers have booted and the first program runs. Not before: V8 refuses code caches that were made with other flags, Node's own included, which
 * costs every worker's start some 15 ms. The flags are the process's, for every thread; both are looked up whenever V8 needs them.
 */
export function holdOptimiser(): void {
  v8.setFlagsFromString(ALWAYS);
  v8.setFlagsFromString(BUDGET);
  setTimeout(() => { v8.setFlagsFromString(USUAL_BUDGET); }, HOLD_MS).unref();
}
