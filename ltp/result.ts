/**
 * The one format of results. Every suite reduces what a program printed to *rows*; a row holds *assertions*, and a results file has one line per
 * assertion, so that whoever doubts a score can look at what it was made of.
 *
 * A program is what is started once: a Go test binary, a Python test module, an LTP test. One run of it is an `Outcome`: how it ended, and its rows.
 */

/** `skip`: the test said by itself that it cannot run here. `broken`: it did not come to a verdict. */
export type Verdict = 'pass' | 'fail' | 'broken' | 'skip';

export interface Assertion {
  /** Unique within its row, the same on every run. */
  readonly id: string;
  readonly verdict: Verdict;
  /** What else must be equal, '' when the verdict is all: the value of a probe's key, a digest of an output. */
  readonly value: string;
}

export interface Row {
  /** Unique within its program. */
  readonly name: string;
  readonly assertions: readonly Assertion[];
}

/** How a program ended. `timeout`: it was killed when its time was over. `lost`: it could not be started, or what watched it died. */
export interface End { readonly how: 'exit' | 'signal' | 'timeout' | 'lost'; readonly code: number }

export interface Outcome {
  readonly end: End;
  readonly rows: readonly Row[];
  /** Wall time, ms. */
  readonly ms: number;
}

export type Subsystem = 'scheduler' | 'timers' | 'signals' | 'filesystem' | 'networking' | 'IPC' | 'memory' | 'process' | 'other';
export const SUBSYSTEMS: readonly Subsystem[] = ['scheduler', 'timers', 'signals', 'filesystem', 'networking', 'IPC', 'memory', 'process', 'other'];

/** Name of the row that says how the program as a whole ended, in programs that have several rows. */
export const WHOLE = '(whole program)';

export function endText(end: End): string {
  return end.how === 'exit' || end.how === 'signal' ? `${end.how} ${end.code}` : end.how;
}

/** A row with one assertion, its verdict. */
export function single(name: string, verdict: Verdict, value = ''): Row { return { name, assertions: [{ id: 'verdict', verdict, value }] }; }

/**
 * The row WHOLE. A program that ends well after the last of its tests passes it; one that crashes there fails it, though every test had passed. It is
 * not decided by tests that fail: those have rows of their own.
 */
export function wholeRow(end: End, failedTests: boolean, failStatus = 1): Row {
  const fine = end.how === 'exit' && (end.code === 0 || (failedTests && end.code === failStatus));
  return single(WHOLE, fine ? 'pass' : 'broken', fine ? '' : endText(end));
}

/** Rows by name; of two rows with one name (a test that ran twice) the later gets a number, so that none hides another. */
export function distinct(rows: readonly Row[]): Row[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const n = (seen.get(row.name) ?? 0) + 1;
    seen.set(row.name, n);
    return n === 1 ? row : { ...row, name: `${row.name} (${n})` };
  });
}
