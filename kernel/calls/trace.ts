/** NR_TRACE: the stub tells of a call that it answered by itself, so that a trace is complete. Arguments: number, a0..a3, result. */
import { writeSync } from 'node:fs';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { type TraceArgs, formatCall } from '../../shared/trace-format.js';
import type { Kernel } from '../proc.js';

/** The traced call's arguments are the frame's, shifted by one; strings were not carried. */
class Shifted implements TraceArgs {
  frame: Frame | undefined;
  num(i: number): number { return i < 4 ? this.frame?.argOff(i + 1) ?? 0 : 0; }
  hex(i: number): string {
    const f = this.frame;
    if (f === undefined || i >= 4) return '0';
    const hi = f.argHi(i + 1);
    return hi === 0 ? f.argU32(i + 1).toString(16) : `${hi.toString(16)}${f.argU32(i + 1).toString(16).padStart(8, '0')}`;
  }
  str(): string | undefined { return undefined; }
}

export function installTraceCall(k: Kernel, fd: number): void {
  const args = new Shifted();
  k.ep.handle(L.NR_TRACE, (f) => {
    if (fd < 0) return 0;
    args.frame = f;
    writeSync(fd, `${L.taskTid(f.task)} ${formatCall(f.argInt(0), args, f.argOff(5))} <stub>\n`);
    return 0;
  });
  // The trace call itself is nobody's business.
  const hook = k.ep.trace;
  if (hook !== undefined) k.ep.trace = (f, ret, ns): void => { if (f.nr !== L.NR_TRACE) hook(f, ret, ns); };
}
