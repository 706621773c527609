/** The syscall table as a whole: every family's rows, by x86-64 number. */
import { FILE_CALLS } from './table-file.js';
import { IPC_CALLS } from './table-ipc.js';
import { MEMORY_CALLS } from './table-memory.js';
import { NET_CALLS } from './table-net.js';
import { PATH_CALLS } from './table-path.js';
import { PROCESS_CALLS } from './table-process.js';
import { SIGNAL_CALLS } from './table-signal.js';
import { SYSTEM_CALLS } from './table-system.js';
import type { SyscallRow } from './types.js';

export type { Owner, Status, SyscallArg, SyscallRow } from './types.js';

/** Every row, sorted by number. Numbers without a row were never assigned (337..423). */
export const SYSCALLS: readonly SyscallRow[] = [
  ...FILE_CALLS, ...IPC_CALLS, ...MEMORY_CALLS, ...NET_CALLS, ...PATH_CALLS, ...PROCESS_CALLS, ...SIGNAL_CALLS, ...SYSTEM_CALLS,
].sort((a, b) => a.nr - b.nr);

/** One above the highest number. */
export const NR_MAX = (SYSCALLS[SYSCALLS.length - 1]?.nr ?? -1) + 1;

/** First and last number of the hole that x86-64 left to keep later numbers equal on all architectures. */
export const NR_HOLE_FIRST = 337;
export const NR_HOLE_LAST = 423;
