/**
 * NR_TRACE: the stub tells of a call that it answered by itself, so that a trace is complete. Arguments: number, a0..a3, result. They are counted
 * for `trace -c` in the row behind the servers'; how long they took is not known.
 */
import { writeSync } from 'node:fs';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { type TraceArgs, formatSyscall } from '../../shared/trace-format.js';
import type { Kernel } from '../proc.js';

/** The traced call's arguments are the frame's, shifted by one; what they point to was not carried. */
class Shifted implements TraceArgs {
  frame: Frame | undefined;
  readonly recorded = 4;
  num(i: number): number { return this.frame?.argOff(i + 1) ?? 0; }
  hex(i: number): string {
    const f = this.frame;
    if (f === undefined) return '0';
    const hi = f.argHi(i + 1);
    return hi === 0 ? f.argU32(i + 1).toString(16) : `${hi.toString(16)}${f.argU32(i + 1).toString(16).padStart(8, '0')}`;
  }
  str(): string | undefined { return undefined; }
}

export function installTraceCall(k: Kernel, fd: number): void {
  const args = new Shifted();
  k.ep.handle(L.NR_TRACE, (f) => {
    const nr = f.argInt(0);
    const ret = f.argOff(5);
    if (nr < 0 || nr >= L.NR_CLONE_COMMIT) return 0;
    k.ep.countStub(nr, ret);
    if (k.ep.report !== undefined) { k.ep.report.count(f.tg, nr, ret, 0); return 0; }
    if (fd < 0) return 0;
    args.frame = f;
    writeSync(fd, `${L.taskTid(f.task)} ${formatSyscall(nr, args, ret)} <stub>\n`);
    return 0;
  });
}
