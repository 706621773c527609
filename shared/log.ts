/** Diagnostics of the workers: whole lines, written synchronously to fd 2, so that nothing is lost when the process dies. */
import { writeSync } from 'node:fs';

export function logLine(text: string): void {
  try {
    writeSync(2, `carrick: ${text}\n`);
  } catch (e) {
    // A closed or full stderr must not end the container; there is nowhere left to say so.
    if (!(e instanceof Error)) throw e;
  }
}
