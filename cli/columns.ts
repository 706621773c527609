/** What the commands that list something print: columns that line up, times in words, and names that cannot break a line. */

const UNITS: ReadonlyArray<readonly [seconds: number, name: string]> = [
  [31536000, 'year'], [2592000, 'month'], [604800, 'week'], [86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second'],
];

/** "5 minutes", of milliseconds. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [unit, name] of UNITS) {
    const n = Math.floor(seconds / unit);
    if (n > 0) return `${n} ${name}${n === 1 ? '' : 's'}`;
  }
  return 'less than a second';
}

/** Lines of cells, the head first. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ').trimEnd()}\n`).join('');
}

/** Without control characters, which would break a table or the terminal. */
export const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, '?');
