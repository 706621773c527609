/** Registers every call of the kernel worker; apart from main.ts, so that tests can ask for them. */
import { installCaps } from './calls/caps.js';
import { installClone } from './calls/clone.js';
import { installExit } from './calls/exit.js';
import { installIds } from './calls/ids.js';
import { installLimits } from './calls/limits.js';
import { installPgrp } from './calls/pgrp.js';
import { installPrctl } from './calls/prctl.js';
import { installPriority } from './calls/priority.js';
import { installPtrace } from './calls/ptrace.js';
import { installRobust } from './calls/robust.js';
import { installRusage } from './calls/rusage.js';
import { installSched } from './calls/sched.js';
import { installSlowPath } from './calls/slow-path.js';
import { installSystem } from './calls/system.js';
import { installTraceCall } from './calls/trace.js';
import { installVm } from './calls/vm.js';
import { installWait } from './calls/wait.js';
import { installExec } from './exec/call.js';
import type { Kernel } from './proc.js';

/** traceFd: host fd for trace lines, -1 = no trace. */
export function installCalls(k: Kernel, traceFd: number): void {
  installPtrace(k);
  installClone(k);
  installExec(k);
  installExit(k);
  installWait(k);
  installPgrp(k);
  installIds(k);
  installCaps(k);
  installPrctl(k);
  installLimits(k);
  installPriority(k);
  installSched(k);
  installRobust(k);
  installRusage(k);
  installSystem(k);
  installSlowPath(k);
  installVm(k);
  installTraceCall(k, traceFd);
}
