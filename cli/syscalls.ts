/** `carrick syscalls`: the syscall table, as generated from kernel/syscalls. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SYSCALL_ARGS, SYSCALL_FLAGS, SYSCALL_NAMES, SYSCALL_NOTES, SYSCALL_OWNER, SYSCALL_STATUS } from '../shared/gen/syscalls.js';
import { SERVER_NAMES } from '../shared/server-names.js';

const STATUS = ['absent', 'partial', 'full'];
/** Bit of SYSCALL_FLAGS: the stub may answer it. */
const FLAG_FAST = 4;

interface Row { readonly nr: number; readonly name: string; readonly status: string; readonly server: string; readonly fast: boolean; readonly args: string; readonly note: string }

function rowOf(nr: number): Row {
  const status = STATUS[SYSCALL_STATUS[nr] ?? 0] ?? '?';
  return {
    nr, name: SYSCALL_NAMES[nr] ?? '', status, server: status === 'absent' ? '-' : SERVER_NAMES[SYSCALL_OWNER[nr] ?? -1] ?? 'stub', fast: ((SYSCALL_FLAGS[nr] ?? 0) & FLAG_FAST) !== 0,
    args: (SYSCALL_ARGS[nr] ?? '').split(' ').map((arg) => arg.split(':', 1)[0] ?? '').filter((arg) => arg !== '').join(', '), note: SYSCALL_NOTES[nr] ?? '',
  };
}

/** Rows that are meant: a number, a whole name, or every name with `part` in it. */
function matchingRows(part: string | undefined): Row[] {
  const all = SYSCALL_NAMES.flatMap((name, nr) => name === '' ? [] : [rowOf(nr)]);
  if (part === undefined) return all;
  const exact = all.filter((row) => row.name === part || String(row.nr) === part);
  return exact.length > 0 ? exact : all.filter((row) => row.name.includes(part));
}

/** Tests of this checkout that name a call: probes (C) and end-to-end tests. [] where carrick was installed without its sources. */
function testsOf(name: string): string[] {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
  const pattern = new RegExp(`\\b(SYS_|__NR_|NR_)?${name}\\b ?\\(?`);
  return ['test/probes', 'test/e2e'].filter((dir) => existsSync(join(root, dir))).flatMap((dir) =>
    readdirSync(join(root, dir)).filter((file) => /\.(c|test\.ts|e2e\.ts)$/.test(file) && pattern.test(readFileSync(join(root, dir, file), 'utf8'))).map((file) => `${dir}/${file}`));
}

/** One call in full. */
function printOne(row: Row): void {
  const lines = [`${row.name}(${row.args})`, `number   ${row.nr}`, `status   ${row.status}`, `server   ${row.server}${row.fast && row.server !== 'stub' ? ', fast path in the stub' : ''}`];
  if (row.note !== '') lines.push(`missing  ${row.note}`);
  const tests = testsOf(row.name);
  if (tests.length > 0) lines.push(`tests    ${tests.join('\n         ')}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Print what matches; 1 when nothing does. */
export function printSyscalls(part: string | undefined): number {
  const rows = matchingRows(part);
  const [first] = rows;
  if (first === undefined) {
    process.stderr.write(`carrick: no system call is called "${part ?? ''}" or has that in its name\n`);
    return 1;
  }
  if (part !== undefined && rows.length === 1) { printOne(first); return 0; }
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
  const lines = rows.map((row) => `${String(row.nr).padStart(4)}  ${row.status.padEnd(8)}${row.server.padEnd(8)}${row.fast ? 'fast  ' : '      '}${row.name}(${row.args})${row.note === '' ? '' : `  [${row.note}]`}`);
  process.stdout.write(`  nr  status  server        call\n${lines.join('\n')}\n\n`);
  process.stdout.write(`${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')}\n`);
  return 0;
}
