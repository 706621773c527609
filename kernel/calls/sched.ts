/**
 * Scheduling: policies and parameters are recorded (guests run under the host's ordinary policy), affinity is the host's own. sched(7),
 * sched_setscheduler(2), sched_setattr(2), sched_setaffinity(2). Deviation: a real-time policy that is allowed changes nothing but what is reported.
 */
import { Cap, capable, euidOf, uidOf } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { TaskState, taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';
import { setNice } from './priority.js';

const SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5, SCHED_DEADLINE = 6;
const RESET_ON_FORK = 0x40000000;
const RLIMIT_RTPRIO = 14;
const NR_HOST_sched_setaffinity = 203, NR_HOST_sched_getaffinity = 204;
/** Time slice of SCHED_RR, ns; of SCHED_OTHER what Linux reports for an idle machine. */
const RR_INTERVAL_NS = 100e6, OTHER_INTERVAL_NS = 4e6;
const ATTR_SIZE_VER0 = 48, ATTR_SIZE = 56;

const isRt = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR;
const known = (policy: number): boolean => policy === SCHED_OTHER || isRt(policy) || policy === SCHED_BATCH || policy === SCHED_IDLE;

/** The task that pid names (0 = the caller), or -EINVAL, -ESRCH. */
function target(f: Frame, pid: number): number {
  if (pid < 0) return -E.EINVAL;
  const t = pid === 0 ? f.task : taskByTid(pid);
  return t === 0 || L.taskState(t) !== TaskState.RUNNING ? -E.ESRCH : t;
}

/** 0, -EINVAL (policy, priority), -EPERM. */
function setPolicy(f: Frame, t: number, policyArg: number, prio: number): number {
  const policy = policyArg & ~RESET_ON_FORK;
  if (policy === SCHED_DEADLINE) return -E.EPERM;
  if (!known(policy) || prio < 0 || prio > 99 || isRt(policy) !== (prio !== 0)) return -E.EINVAL;
  if (!capable(f.task, Cap.SYS_NICE)) {
    const limit = L.tgRlimCur(L.taskTg(t), RLIMIT_RTPRIO);
    if (isRt(policy) && (policy !== L.taskPolicy(t) && limit === 0)) return -E.EPERM;
    if (isRt(policy) && prio > L.taskRtPriority(t) && prio > limit) return -E.EPERM;
    if (L.taskPolicy(t) === SCHED_IDLE && policy !== SCHED_IDLE && L.taskNice(t) < 0) return -E.EPERM;
    if (euidOf(f.task) !== euidOf(t) && euidOf(f.task) !== uidOf(t)) return -E.EPERM;
  }
  L.setTaskPolicy(t, policy);
  L.setTaskRtPriority(t, prio);
  return 0;
}

/** sched_setscheduler(2), sched_setparam(2) (policy -1: keep). EINVAL, EFAULT, ESRCH, EPERM. */
function setScheduler(f: Frame, policy: number, paramArg: number): number {
  if (f.argInt(0) < 0 || f.argU64(paramArg) === 0) return -E.EINVAL;
  const at = f.inOff(paramArg);
  if (at < 0) return at;
  const prio = f.view.getInt32(at, true);
  const t = target(f, f.argInt(0));
  if (t < 0) return t;
  return setPolicy(f, t, policy === -1 ? L.taskPolicy(t) : policy, prio);
}

function sys_sched_setscheduler(f: Frame): number {
  return f.argInt(1) < 0 ? -E.EINVAL : setScheduler(f, f.argInt(1), 2);
}

function sys_sched_getscheduler(f: Frame): number {
  const t = target(f, f.argInt(0));
  return t < 0 ? t : L.taskPolicy(t);
}

function sys_sched_getparam(f: Frame): number {
  if (f.argU64(1) === 0) return -E.EINVAL;
  const t = target(f, f.argInt(0));
  if (t < 0) return t;
  const at = f.outOff(1);
  if (at < 0) return at;
  f.view.setInt32(at, L.taskRtPriority(t), true);
  f.setOut(1, 4);
  return 0;
}

function priorityBound(f: Frame, rt: number): number {
  const policy = f.argInt(0);
  if (isRt(policy)) return rt;
  return known(policy) || policy === SCHED_DEADLINE ? 0 : -E.EINVAL;
}

function sys_sched_rr_get_interval(f: Frame): number {
  const t = target(f, f.argInt(0));
  if (t < 0) return t;
  const at = f.outOff(1);
  if (at < 0) return at;
  const policy = L.taskPolicy(t);
  const ns = policy === SCHED_FIFO ? 0 : policy === SCHED_RR ? RR_INTERVAL_NS : OTHER_INTERVAL_NS;
  f.bytes.fill(0, at, at + 16);
  f.view.setUint32(at + 8, ns, true);
  f.setOut(1, 16);
  return 0;
}

/** struct sched_attr: size 0, policy 4, flags 8 (u64), nice 16, priority 20, runtime 24, deadline 32, period 40, util 48. sched_setattr(2). */
function sys_sched_setattr(f: Frame): number {
  const addr = f.argU64(1);
  if (addr === 0 || f.argInt(0) < 0 || f.argU32(2) !== 0) return -E.EINVAL;
  let r = f.copyIn(addr, host.DATA, 4);
  if (r < 0) return r;
  const size = host.scratchView.getUint32(host.DATA, true) || ATTR_SIZE_VER0;
  if (size < ATTR_SIZE_VER0 || size > 4096) return -E.E2BIG;
  r = f.copyIn(addr, host.DATA, size);
  if (r < 0) return r;
  for (let i = ATTR_SIZE; i < size; i++) if (host.scratch[host.DATA + i] !== 0) return -E.E2BIG;
  const v = host.scratchView;
  const policy = v.getInt32(host.DATA + 4, true);
  const nice = v.getInt32(host.DATA + 16, true);
  const prio = v.getInt32(host.DATA + 20, true);
  if (policy < 0) return -E.EINVAL;
  const t = target(f, f.argInt(0));
  if (t < 0) return t;
  const set = setPolicy(f, t, policy, prio);
  if (set < 0 || isRt(policy)) return set;
  return setNice(f.task, t, Math.max(-20, Math.min(19, nice)));
}

/** sched_getattr(2). EINVAL (size below 48 or above a page, flags), ESRCH. */
function sys_sched_getattr(f: Frame): number {
  const size = f.argU32(2);
  if (f.argU64(1) === 0 || f.argInt(0) < 0 || size < ATTR_SIZE_VER0 || size > 4096 || f.argU32(3) !== 0) return -E.EINVAL;
  const t = target(f, f.argInt(0));
  if (t < 0) return t;
  const at = f.outOff(1);
  if (at < 0) return at;
  const n = Math.min(size, ATTR_SIZE);
  f.bytes.fill(0, at, at + n);
  f.view.setUint32(at, n, true);
  f.view.setInt32(at + 4, L.taskPolicy(t), true);
  f.view.setInt32(at + 16, isRt(L.taskPolicy(t)) ? 0 : L.taskNice(t), true);
  f.view.setInt32(at + 20, L.taskRtPriority(t), true);
  f.setOut(1, n);
  return 0;
}

/** As target(); but for the affinity calls a negative pid is only one that nobody has: -ESRCH. */
const affinityTarget = (f: Frame, pid: number): number => (pid < 0 ? -E.ESRCH : target(f, pid));

/** Host tid of the task that pid names, or -ESRCH. */
function hostTarget(f: Frame, pid: number): number {
  const t = affinityTarget(f, pid);
  return t < 0 ? t : native.hostTid(L.taskTg(t), L.taskSlot(t), L.taskTid(t));
}

/** sched_setaffinity(2). EFAULT, ESRCH, EPERM, EINVAL: as the host says for its own CPUs. */
function sys_sched_setaffinity(f: Frame): number {
  const len = Math.min(f.argU32(1), 1024);
  const at = len === 0 ? 0 : f.inOff(2);
  if (at < 0) return at;
  const t = affinityTarget(f, f.argInt(0));
  if (t < 0) return t;
  if (euidOf(f.task) !== euidOf(t) && euidOf(f.task) !== uidOf(t) && !capable(f.task, Cap.SYS_NICE)) return -E.EPERM;
  const tid = hostTarget(f, f.argInt(0));
  if (tid < 0) return tid;
  f.bytes.copy(host.scratch, host.DATA, at, at + len);
  return native.sys(NR_HOST_sched_setaffinity, 0b100, tid, len, host.DATA);
}

/** sched_getaffinity(2). EINVAL (size not a multiple of 8, too small), ESRCH. Bytes of the mask. */
function sys_sched_getaffinity(f: Frame): number {
  const len = f.argU32(1);
  if (len % 8 !== 0) return -E.EINVAL;
  const tid = hostTarget(f, f.argInt(0));
  if (tid < 0) return tid;
  const n = native.sys(NR_HOST_sched_getaffinity, 0b100, tid, Math.min(len, 8192), host.DATA);
  if (n < 0) return n;
  const at = f.outOff(2);
  if (at < 0 || f.outCap(2) < n) {
    // A big mask does not travel in the payload.
    const r = f.copyOut(f.argU64(2), host.DATA, n);
    return r < 0 ? r : n;
  }
  host.scratch.copy(f.bytes, at, host.DATA, host.DATA + n);
  f.setOut(2, n);
  return n;
}

export function installSched(k: Kernel): void {
  const { ep } = k;
  ep.handle(NR.NR_sched_setscheduler, sys_sched_setscheduler);
  ep.handle(NR.NR_sched_setparam, (f) => setScheduler(f, -1, 1));
  ep.handle(NR.NR_sched_getscheduler, sys_sched_getscheduler);
  ep.handle(NR.NR_sched_getparam, sys_sched_getparam);
  ep.handle(NR.NR_sched_get_priority_max, (f) => priorityBound(f, 99));
  ep.handle(NR.NR_sched_get_priority_min, (f) => priorityBound(f, 1));
  ep.handle(NR.NR_sched_rr_get_interval, sys_sched_rr_get_interval);
  ep.handle(NR.NR_sched_setattr, sys_sched_setattr);
  ep.handle(NR.NR_sched_getattr, sys_sched_getattr);
  ep.handle(NR.NR_sched_setaffinity, sys_sched_setaffinity);
  ep.handle(NR.NR_sched_getaffinity, sys_sched_getaffinity);
}
