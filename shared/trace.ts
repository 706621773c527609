/** strace-like lines of one worker, formatted from the syscall table; installed only when a trace was asked for. */
import { writeSync } from 'node:fs';
import type { Endpoint } from './endpoint.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import { NR_MAX } from './gen/syscalls.js';
import { type TraceArgs, formatSyscall } from './trace-format.js';

const SERVER = ['kernel', 'vfs', 'net', 'ipc', 'signal'];

class FrameArgs implements TraceArgs {
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
    return typeof s === 'string' ? s : undefined;
  }
}

/** Write one line per answered call to `fd`: pid, call, result, server, µs. */
export function installTrace(ep: Endpoint, fd: number): void {
  const args = new FrameArgs();
  ep.trace = (f, ret, ns): void => {
    if (f.nr >= NR_MAX && f.nr !== L.NR_TRACE) return;
    args.frame = f;
    const line = `${L.taskTid(f.task)} ${formatSyscall(f.nr, args, ret)} <${SERVER[ep.srv] ?? '?'} ${(ns / 1000).toFixed(0)}us>\n`;
    if (fd >= 0) writeSync(fd, line);
  };
}
