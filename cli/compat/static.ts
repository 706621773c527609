/** `carrick compat-report --static ELF`: the calls that a program and its libraries can make, against the table. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { SYSCALL_NAMES, SYSCALL_STATUS } from '../../shared/gen/syscalls.js';
import { Failure, why } from '../failure.js';
import { scanElf } from './elf-scan.js';
import type { ReportFormat } from './report.js';

/** Where libraries are looked for: ld.so(8)'s defaults and what Debian's ld.so.conf adds. */
const LIBRARIES = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
const STATUS = ['absent', 'partial', 'full'];

interface Scanned { readonly file: string; readonly calls: readonly number[]; readonly open: number }

interface PossibleCall { readonly nr: number; readonly name: string; readonly status: string; readonly files: readonly string[] }
export interface StaticReport { readonly files: readonly Scanned[]; readonly notFound: readonly string[]; readonly calls: readonly PossibleCall[]; readonly verdict: string }

function find(library: string): string | undefined {
  return LIBRARIES.map((dir) => join(dir, library)).find(existsSync);
}

export function staticReport(path: string): StaticReport {
  const files: Scanned[] = [];
  const notFound: string[] = [];
  const queue = [path];
  const seen = new Set<string>(queue);
  const want = (name: string): void => { const file = realpathSync(name); if (!seen.has(file)) { seen.add(file); queue.push(file); } };
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    let bytes: Buffer;
    try { bytes = readFileSync(file); } catch (error) { throw new Failure(`cannot read ${file}: ${why(error)}`, undefined, { cause: error }); }
    const scan = scanElf(bytes);
    if (typeof scan === 'string') throw new Failure(`${file}: ${scan}`);
    files.push({ file, calls: scan.calls, open: scan.open });
    for (const name of scan.needed) {
      const found = find(name);
      if (found === undefined) notFound.push(name); else want(found);
    }
    if (scan.interpreter !== '' && existsSync(scan.interpreter)) want(scan.interpreter);
  }
  const by = new Map<number, string[]>();
  for (const f of files) for (const nr of f.calls) by.set(nr, [...by.get(nr) ?? [], f.file]);
  const all = [...by].map(([nr, where]): PossibleCall => ({ nr, name: SYSCALL_NAMES[nr] ?? '', status: STATUS[SYSCALL_STATUS[nr] ?? 0] ?? 'absent', files: where }));
  const calls = all.filter((c) => c.name !== '').sort((a, b) => a.nr - b.nr);
  const absent = calls.filter((c) => c.status === 'absent').length;
  const open = files.reduce((n, f) => n + f.open, 0);
  return {
    files, notFound: [...new Set(notFound)], calls,
    verdict: `${calls.length} calls can be made, ${absent} of them absent; ${open} ${open === 1 ? 'site takes its' : 'sites take their'} number from elsewhere${notFound.length === 0 ? '' : `; not found: ${[...new Set(notFound)].join(', ')}`}`,
  };
}

export function formatStatic(r: StaticReport, format: ReportFormat): string {
  if (format === 'json') return `${JSON.stringify(r, undefined, 2)}\n`;
  if (format === 'html') throw new Failure('--static prints text or json');
  const short = (file: string): string => file.slice(file.lastIndexOf('/') + 1);
  return `${[
    ...r.files.map((f) => `${f.file}: ${f.calls.length} calls, ${f.open} sites without a constant number`), '',
    '  nr  status   call',
    ...r.calls.map((c) => `${String(c.nr).padStart(4)}  ${c.status.padEnd(8)} ${c.name.padEnd(24)} ${c.files.map(short).join(' ')}`), '',
    `verdict: ${r.verdict}`,
  ].join('\n')}\n`;
}
