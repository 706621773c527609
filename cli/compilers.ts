/**
 * How V8 is to spend its time while a container runs.
 *
 * Most containers live for a second or two, on few cores, and all of the servers' code is cold. Left alone, V8 hands every function that has run some hundred
 * times to its optimiser's threads, and those take the core that the guest or the next server would have woken on: a function takes them 1 to 100 ms. So code is made by the
 * baseline compiler as soon as a function is first compiled, and the optimiser waits about seven times longer than by default, until what runs is a long-running
 * container's. Numbers: docs/decisions/0014-compilers-wait.md.
 */
import v8 from 'node:v8';

/** Bytecode that a function runs before V8 thinks of optimising it; V8's own is 132 KiB. */
const FLAGS = ['--interrupt-budget=1000000', '--always-sparkplug'];

/**
 * Call once the workers have booted and the first program runs. Not before: V8 refuses code caches that were made with other flags, Node's own included, which
 * costs every worker's start some 15 ms. The flags are the process's, for every thread; both are looked up whenever V8 needs them.
 */
export function holdOptimiser(): void {
  for (const flag of FLAGS) v8.setFlagsFromString(flag);
}
