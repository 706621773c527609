/** What a suite is to the runner: programs to start, and how to read what they print. */
import type { Outcome, Row, Subsystem, End } from './result.js';

export type Tier = 'smoke' | 'full';

/** Whom a program runs as. `user`: ORDINARY_UID when the runner is root, else whoever runs it. */
export type As = 'root' | 'user';

/** What one run left: its standard output and error (latin1), and its end. */
export interface Capture { readonly out: string; readonly err: string; readonly end: End; readonly ms: number }

export interface Program {
  /** What --filter looks at, and what a baseline calls it. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Beside PATH, HOME, TMPDIR and the like, which the runner sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory; the scratch directory when absent. */
  readonly cwd?: string;
  /** Directories of the host that it may change under carrick, as `carrick run -v` takes them; on the host it may anyway. */
  readonly volumes?: readonly string[];
  /** Digest of everything that the program is made of: its files, the packages it needs. */
  readonly digest: string;
  readonly timeoutMs: number;
  readonly as: readonly As[];
  readonly subsystem: (row: string) => Subsystem;
  readonly parse: (capture: Capture) => readonly Row[];
  /** Numbers beside the verdicts that a report shows and no score counts (operations per second). */
  readonly measure?: (capture: Capture) => number | undefined;
}

export interface Suite {
  readonly name: string;
  /** One line: where it comes from. */
  readonly source: string;
  /** What one row is. */
  readonly unit: string;
  /** Builds what must be built, and lists the programs of a tier whose name is wanted. Throws Failure when something is not installed. */
  readonly programs: (tier: Tier, wanted: (name: string) => boolean) => Program[] | Promise<Program[]>;
  /** Versions that a baseline notes. */
  readonly versions: () => Readonly<Record<string, string>>;
}

export function outcomeOf(program: Program, capture: Capture): Outcome {
  return { end: capture.end, rows: program.parse(capture), ms: capture.ms };
}
