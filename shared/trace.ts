/**
 * strace-like lines of one worker, formatted from the syscall table; installed only when a trace was asked for.
 *
 *   3 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3 <vfs 32us>
 *
 * A line is written when its call has been answered, so lines of one task are in order and never cut. What the stub answers by itself is told to the
 * kernel, which writes those lines (kernel/calls/trace.ts).
 */
import { writeSync } from 'node:fs';
import type { Endpoint } from './endpoint.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import { NR_MAX, NR_clone, NR_clone3, NR_fork, NR_mmap, NR_vfork } from './gen/syscalls.js';
import { SERVER_NAMES } from './server-names.js';
import { type TraceArgs, formatCall, formatSyscall } from './trace-format.js';

/** The kernel only plans these; how they end is told by NR_CLONE_COMMIT. */
const CLONES: ReadonlySet<number> = new Set([NR_clone, NR_clone3, NR_fork, NR_vfork]);

/** The arguments of a request that has just been answered, its output included. */
export class FrameArgs implements TraceArgs {
  frame: Frame | undefined;
  num(i: number): number { return this.frame?.argOff(i) ?? 0; }
  hex(i: number): string {
    const f = this.frame;
    if (f === undefined) return '0';
    const hi = f.argHi(i);
    return hi === 0 ? f.argU32(i).toString(16) : `${hi.toString(16)}${f.argU32(i).toString(16).padStart(8, '0')}`;
  }
  str(i: number): string | undefined {
    const f = this.frame;
    if (f === undefined) return undefined;
    const s = f.str(i);
    if (typeof s === 'string') return s;
    const off = f.outOff(i);
    const n = f.produced(i);
    return off < 0 || n === 0 ? undefined : f.bytes.latin1Slice(off, off + n);
  }
  int(i: number, n: number): number | undefined {
    const f = this.frame;
    const off = f?.outOff(i) ?? -1;
    return f === undefined || off < 0 || f.produced(i) < 4 * n + 4 ? undefined : f.view.getInt32(off + 4 * n, true);
  }
}

/** Text of one ended request after the task's id, without a newline. */
function line(f: Frame, args: FrameArgs, ret: number, server: string, ns: number): string {
  if (Number.isNaN(ret)) return `${formatCall(f.nr, args, undefined)} = ? <${server}, not answered: the task is gone>`;
  return `${formatSyscall(f.nr, args, CLONES.has(f.nr) && ret === 0 ? undefined : ret)} <${server} ${(ns / 1000).toFixed(0)}us>`;
}

/** Write one line per answered call to `fd`; with fd -1 only the counts of the endpoint are kept. */
export function installTrace(ep: Endpoint, fd: number): void {
  const args = new FrameArgs();
  const server = SERVER_NAMES[ep.srv] ?? '?';
  ep.trace = (f, ret, ns): void => {
    // The stub tells of every mmap itself, with the address: what vfs answered was only its question for the file.
    if (fd < 0 || f.nr < 0 || f.nr === NR_mmap) return;
    args.frame = f;
    if (f.nr === L.NR_CLONE_COMMIT) {
      const pid = f.argInt(1);
      writeSync(fd, pid > 0 ? `${pid} +++ started +++\n` : `${L.taskTid(f.task)} +++ the host refused: errno ${-pid} +++\n`);
    } else if (f.nr < NR_MAX) {
      writeSync(fd, `${L.taskTid(f.task)} ${line(f, args, ret, server, ns)}\n`);
    }
  };
}
