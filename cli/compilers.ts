/**
 * How V8 is to spend its time while a container runs.
 *
 * Most containers live for a second or two, on few cores, and all of the servers' code is cold. Left alone, V8 hands every function that has run some hundred
 * times to its optimiser's threads, and those take the core that the guest or the next server would have woken on: a function takes them 1 to 100 ms. So code is made by the
 * baseline compiler as soon as a function is first compiled, and for the first second the optimiser waits for more than four times as much use as by default. A container that
 * lives longer is worth optimising. Numbers: docs/decisions/0014-compilers-wait.md.
 */
import v8 from 'node:v8';

const ALWAYS = '--always-sparkplug';
/** Bytecode that a function runs before V8 thinks of optimising it, at first. */
const BUDGET = '--interrupt-budget=300000';
/** What Node 20's V8 says of both by itself. With another number than its own, as in other versions, it takes no code cache. */
export const USUALLY = '--no-always-sparkplug', USUAL_BUDGET = '--interrupt-budget=67584';
const HOLD_MS = 1000;
/** The first program runs; and has not run for long. */
let running = false, holding = false;
/** Workers that boot. */
let booting = 0;

/** The flags are the process's, for every thread; both are looked up whenever V8 needs them. */
function setFlags(): void {
  v8.setFlagsFromString(running && booting === 0 ? ALWAYS : USUALLY);
  v8.setFlagsFromString(holding && booting === 0 ? BUDGET : USUAL_BUDGET);
}

/**
 * Call once the workers have booted and the first program runs. Not before: V8 refuses code caches that were made with other flags, Node's own included, which
 * costs every worker's start some 15 ms.
 */
export function holdOptimiser(): void {
  running = holding = true;
  setFlags();
  setTimeout(() => { holding = false; setFlags(); }, HOLD_MS).unref();
}

/** A worker is about to be started, which wants the flags that code caches were made with. Returns what to call when it serves. */
export function allowCodeCaches(): () => void {
  booting++;
  if (running) setFlags();
  return () => {
    booting--;
    if (running) setFlags();
  };
}
