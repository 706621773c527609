/** `carrick syscalls`: the syscall table, as generated from kernel/syscalls. */
import { SYSCALL_ARGS, SYSCALL_FLAGS, SYSCALL_NAMES, SYSCALL_OWNER, SYSCALL_STATUS } from '../shared/gen/syscalls.js';

const OWNER = ['kernel', 'vfs', 'net', 'ipc', 'signal'];
const STATUS = ['absent', 'partial', 'full'];
/** Bit of SYSCALL_FLAGS: the stub may answer it. */
const FLAG_FAST = 4;

/** Print the rows whose name contains `part`; 1 when there is none. */
export function printSyscalls(part: string | undefined): number {
  const lines: string[] = [];
  const counts = new Map<string, number>();
  for (const [nr, name] of SYSCALL_NAMES.entries()) {
    const flags = SYSCALL_FLAGS[nr] ?? 0;
    if (name === '' || (part !== undefined && !name.includes(part))) continue;
    const status = STATUS[SYSCALL_STATUS[nr] ?? 0] ?? '?';
    counts.set(status, (counts.get(status) ?? 0) + 1);
    const args = (SYSCALL_ARGS[nr] ?? '').split(' ').map((arg) => arg.split(':', 1)[0] ?? '').filter((arg) => arg !== '').join(', ');
    const owner = status === 'absent' ? '-' : OWNER[SYSCALL_OWNER[nr] ?? -1] ?? 'stub';
    lines.push(`${String(nr).padStart(4)}  ${status.padEnd(8)}${owner.padEnd(8)}${(flags & FLAG_FAST) !== 0 ? 'fast  ' : '      '}${name}(${args})`);
  }
  if (lines.length === 0) {
    process.stderr.write(`carrick: no system call has "${part ?? ''}" in its name\n`);
    return 1;
  }
  process.stdout.write(`  nr  status  server        call\n${lines.join('\n')}\n\n`);
  process.stdout.write(`${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')}\n`);
  return 0;
}
