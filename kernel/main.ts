/** The kernel worker: tasks, exec, wait, ids, limits; the start and the end of the container. */
import { type BootData, runWorker } from '../shared/boot.js';
import { nowNs } from '../shared/clock.js';
import type { KernelControl } from '../shared/control.js';
import type { Endpoint } from '../shared/endpoint.js';
import * as L from '../shared/gen/layout.js';
import { SYSCALL_NAMES } from '../shared/gen/syscalls.js';
import { logLine } from '../shared/log.js';
import { TaskState } from '../shared/tasks.js';
import { Boot } from './boot.js';
import { installCaps } from './calls/caps.js';
import { installClone } from './calls/clone.js';
import { installExit } from './calls/exit.js';
import { installIds } from './calls/ids.js';
import { installLimits } from './calls/limits.js';
import { installPgrp } from './calls/pgrp.js';
import { installPrctl } from './calls/prctl.js';
import { installRobust } from './calls/robust.js';
import { installRusage } from './calls/rusage.js';
import { installSched } from './calls/sched.js';
import { installSlowTime } from './calls/slow-time.js';
import { installSystem } from './calls/system.js';
import { installTraceCall } from './calls/trace.js';
import { installWait } from './calls/wait.js';
import { installExec } from './exec/call.js';
import { Kernel } from './proc.js';
import { killAll, rideReaps, setInitExit } from './task-end.js';

const SERVER = ['kernel', 'vfs', 'net', 'ipc', 'signal'];

/** The watchdog's view: every task and what it waits for, from the shared table. */
function dump(): void {
  const now = nowNs();
  const top = L.metaTopTask(1);
  for (let t = 1; t < top; t++) {
    if (L.taskState(t) === TaskState.FREE) continue;
    const parked = L.taskParked(t);
    const where = parked === 0 ? 'not parked' : `${SYSCALL_NAMES[L.taskNr(t)] ?? L.taskNr(t)} in ${SERVER[parked - 1] ?? '?'} for ${((now - L.taskParkedNs(t)) / 1e6).toFixed(0)} ms`;
    logLine(`task ${L.taskTid(t)} (process ${L.tgTgid(L.taskTg(t))}, state ${L.taskState(t)}): ${where}`);
  }
}

function setup(ep: Endpoint, boot: BootData): KernelControl & { dump(): void } {
  const k = new Kernel(ep);
  installClone(k);
  installExec(k);
  installExit(k);
  installWait(k);
  installPgrp(k);
  installIds(k);
  installCaps(k);
  installPrctl(k);
  installLimits(k);
  installSched(k);
  installRobust(k);
  installRusage(k);
  installSystem(k);
  installSlowTime(k);
  installTraceCall(k, boot.traceFd);
  ep.onAnswer = (f): void => { rideReaps(k, f); };
  const first = new Boot(k, boot);
  setInitExit((status) => { boot.control.postMessage({ carrick: 'exited', status }); });
  return {
    start: () => { first.start(); return { ret: 0, message: '' }; },
    killAll: () => { killAll(k); },
    dump,
  };
}

runWorker(setup);
