/** Why rows are missed, by mechanism: written by hand, after looking. [mechanism, suites and rows, what would mend it] */
export const MECHANISMS: ReadonlyArray<readonly [string, string, string]> = [];
