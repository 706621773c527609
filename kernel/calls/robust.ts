/** get_robust_list(2) of other tasks; a task's own is the stub's fast path. The list is kept by the host, which knows it by the host's tid. */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { TaskState, taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';
import { mayAttach } from './pidfd.js';

const NR_HOST_get_robust_list = 274;
const HEAD = host.STRUCT, LENGTH = host.STRUCT + 8;

/**
 * get_robust_list(2). -ESRCH, -EPERM (not the caller's to inspect: ptrace(2)), -EFAULT. Source: man-pages 6.9, kernel/futex/syscalls.c.
 */
function sys_get_robust_list(f: Frame): number {
  const pid = f.argInt(0);
  const task = pid === 0 ? f.task : taskByTid(pid);
  if (task === 0) return -E.ESRCH;
  const tg = L.taskTg(task);
  if (!mayAttach(f.task, tg)) return -E.EPERM;
  // A dead leader has none any more.
  host.scratch.fill(0, HEAD, HEAD + 8);
  host.scratchView.setUint32(LENGTH, 24, true);
  host.scratchView.setUint32(LENGTH + 4, 0, true);
  if (L.taskState(task) === TaskState.RUNNING) {
    const tid = native.hostTid(tg, L.taskSlot(task), L.taskTid(task));
    const r = tid < 0 ? tid : native.sys(NR_HOST_get_robust_list, 0b110, tid, HEAD, LENGTH);
    if (r < 0) return r;
  }
  const r = f.copyOut(f.argU64(2), LENGTH, 8);
  if (r < 0) return r;
  const h = f.copyOut(f.argU64(1), HEAD, 8);
  return h < 0 ? h : 0;
}

export function installRobust(k: Kernel): void {
  k.ep.handle(NR.NR_get_robust_list, sys_get_robust_list);
}
