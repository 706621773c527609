/**
 * `carrick trace -c`: what strace -c prints, from the workers' counts. Times are from the arrival of a call at its server to its answer, sleeping
 * included. Calls that the stubs answered by themselves are counted, without times.
 */
import { writeSync } from 'node:fs';
import { STAT_REWRITE, STAT_ROWS } from '../shared/endpoint.js';
import { SRV_COUNT } from '../shared/gen/layout.js';
import { SYSCALL_NAMES } from '../shared/gen/syscalls.js';
import { SERVER_NAMES } from '../shared/server-names.js';

interface Row { readonly name: string; readonly server: string; readonly calls: number; readonly errors: number; readonly ns: number }

const SERVER = [...SERVER_NAMES, 'stub'];

/** Rows of calls that were made, longest total time first. */
export function summaryRows(stats: Float64Array): Row[] {
  const rows: Row[] = [];
  for (let srv = 0; srv <= SRV_COUNT; srv++) {
    for (let nr = 0; nr < STAT_ROWS; nr++) {
      const at = (srv * STAT_ROWS + nr) * 3;
      const calls = stats[at] ?? 0;
      const name = SYSCALL_NAMES[nr] ?? '';
      // Numbers from 1000 are the stub's own requests, not the program's calls.
      if (calls > 0 && nr < 1000) rows.push({ name: name === '' ? `syscall_${nr}` : name, server: SERVER[srv] ?? '?', calls, errors: stats[at + 1] ?? 0, ns: stats[at + 2] ?? 0 });
    }
  }
  return rows.sort((a, b) => b.ns - a.ns || b.calls - a.calls);
}

export function formatSummary(rows: readonly Row[]): string {
  const total = rows.reduce((sum, row) => sum + row.ns, 0);
  const line = (percent: string, seconds: string, each: string, calls: string, errors: string, server: string, name: string): string =>
    `${percent.padStart(6)} ${seconds.padStart(11)} ${each.padStart(11)} ${calls.padStart(9)} ${errors.padStart(9)} ${server.padEnd(7)} ${name}\n`;
  let text = line('% time', 'seconds', 'usecs/call', 'calls', 'errors', 'server', 'syscall');
  text += line('------', '-----------', '-----------', '---------', '---------', '-------', '----------------');
  for (const row of rows) {
    text += line((total === 0 ? 0 : row.ns / total * 100).toFixed(2), (row.ns / 1e9).toFixed(6), row.server === 'stub' ? '' : (row.ns / row.calls / 1000).toFixed(0),
      String(row.calls), row.errors === 0 ? '' : String(row.errors), row.server, row.name);
  }
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  const errors = rows.reduce((sum, row) => sum + row.errors, 0);
  return text + line('100.00', (total / 1e9).toFixed(6), '', String(calls), errors === 0 ? '' : String(errors), '', 'total');
}

/** Why sites stay as they are, by RW_*. */
const DECLINED = ['calls from code that is in no file or may be written', 'sites followed by what cannot be moved', 'sites without room for a thunk',
  'for want of table space', 'refused by the host', 'sites entered in their middle'];

/** What became of call sites, and how calls came to the stub. */
export function formatRewriting(stats: Float64Array): string {
  const word = (i: number): number => stats[(SRV_COUNT * STAT_ROWS + STAT_REWRITE) * 3 + i] ?? 0;
  const [thunks, traps] = [word(0), word(1)];
  const declined = DECLINED.map((why, i) => ({ why, n: word(4 + i) })).filter((d) => d.n > 0);
  const share = thunks + traps === 0 ? 0 : thunks / (thunks + traps) * 100;
  return `\n${word(2)} call sites rewritten: ${thunks} calls came by them, ${traps} trapped (${share.toFixed(1)} % without a trap), ${word(3)} came to their middle\n` +
    declined.map((d) => `not rewritten: ${d.n} ${d.why}\n`).join('');
}

export function printSummary(stats: Float64Array, fd: number): void {
  writeSync(fd, formatSummary(summaryRows(stats)) + formatRewriting(stats));
}
