/**
 * Nice values and I/O priorities: getpriority, setpriority, ioprio_get, ioprio_set. getpriority(2), ioprio_set(2).
 *
 * The table holds the truth; the host's thread is told as well, best effort: the host lets an ordinary user only become nicer.
 */
import { Cap, capable, euidOf, uidOf } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { native } from '../../shared/native.js';
import { TaskState, eachTaskOf, eachTg, taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';

const RLIMIT_NICE = 13;
const NR_HOST_getpriority = 140, NR_HOST_setpriority = 141, NR_HOST_ioprio_set = 251, NR_HOST_ioprio_get = 252;

/** PRIO_PROCESS, PRIO_PGRP, PRIO_USER; those of I/O priorities, IOPRIO_WHO_*, are one more. */
const enum Which { PROCESS = 0, PGRP = 1, USER = 2 }

/** Every task that which/who names; -EINVAL for a `which` that is none. */
function eachOf(f: Frame, which: number, who: number, cb: (task: number) => void): number {
  switch (which) {
    case Which.PROCESS: {
      const t = who === 0 ? f.task : taskByTid(who);
      if (t !== 0) cb(t);
      return 0;
    }
    case Which.PGRP: {
      const pgid = who === 0 ? L.tgPgid(f.tg) : who;
      eachTg((tg) => { if (L.tgPgid(tg) === pgid) eachTaskOf(tg, cb); });
      return 0;
    }
    case Which.USER: {
      const uid = who === 0 ? uidOf(f.task) : who >>> 0;
      eachTg((tg) => { eachTaskOf(tg, (t) => { if (uidOf(t) === uid) cb(t); }); });
      return 0;
    }
    default: return -E.EINVAL;
  }
}

/** Set something of every task that which/who names: 0, -ESRCH when there is none, or what the last failure was. */
function setEach(f: Frame, which: number, who: number, set: (task: number) => number): number {
  let ret = -E.ESRCH;
  const r = eachOf(f, which, who, (t) => {
    const e = set(t);
    if (e < 0) ret = e; else if (ret === -E.ESRCH) ret = 0;
  });
  return r < 0 ? r : ret;
}

/** A container's first task starts with carrick's own priorities, as it would without carrick. */
export function ownPriorities(task: number): void {
  const nice = native.sys(NR_HOST_getpriority, 0, Which.PROCESS, 0), ioprio = native.sys(NR_HOST_ioprio_get, 0, Which.PROCESS + 1, 0);
  if (nice > 0) L.setTaskNice(task, 20 - nice);
  if (ioprio > 0) L.setTaskIoprio(task, ioprio);
}

/** Tell the host's thread of a task, if it has one: `nr` is setpriority or ioprio_set, `process` its word for one thread. */
function tellHost(task: number, nr: number, process: number, value: number): void {
  if (L.taskState(task) !== TaskState.RUNNING) return;
  const tid = native.hostTid(L.taskTg(task), L.taskSlot(task), L.taskTid(task));
  if (tid > 0) native.sys(nr, 0, process, tid, value);
}

// ---- nice values ----

/** getpriority(2): 20 - nice of the most favoured. EINVAL, ESRCH. */
function sys_getpriority(f: Frame): number {
  let best = -E.ESRCH;
  const r = eachOf(f, f.argInt(0), f.argInt(1), (t) => { best = Math.max(best, 20 - L.taskNice(t)); });
  return r < 0 ? r : best;
}

/** Changing a nice value: 0, -EPERM (another user's task), -EACCES (more favoured than RLIMIT_NICE allows). */
export function setNice(task: number, target: number, nice: number): number {
  const e = euidOf(task);
  if (uidOf(target) !== e && euidOf(target) !== e && !capable(task, Cap.SYS_NICE)) return -E.EPERM;
  if (nice < L.taskNice(target) && 20 - nice > L.tgRlimCur(L.taskTg(target), RLIMIT_NICE) && !capable(task, Cap.SYS_NICE)) return -E.EACCES;
  L.setTaskNice(target, nice);
  tellHost(target, NR_HOST_setpriority, Which.PROCESS, nice);
  return 0;
}

/** setpriority(2). EINVAL, ESRCH, EPERM, EACCES; of several tasks the last failure counts. */
function sys_setpriority(f: Frame): number {
  const nice = Math.max(-20, Math.min(19, f.argInt(2)));
  return setEach(f, f.argInt(0), f.argInt(1), (t) => setNice(f.task, t, nice));
}

// ---- I/O priorities ----

const CLASS_SHIFT = 13, CLASS_MASK = 7, LEVEL_MASK = 7;
const CLASS_NONE = 0, CLASS_RT = 1, CLASS_BE = 2, CLASS_IDLE = 3;
const SCHED_FIFO = 1, SCHED_RR = 2, SCHED_IDLE = 5;

const classOf = (ioprio: number): number => (ioprio >> CLASS_SHIFT) & CLASS_MASK;

/** What a task without an I/O priority of its own has, by its policy and nice value. */
function byNice(task: number): number {
  const policy = L.taskPolicy(task);
  const c = policy === SCHED_IDLE ? CLASS_IDLE : policy === SCHED_FIFO || policy === SCHED_RR ? CLASS_RT : CLASS_BE;
  return (c << CLASS_SHIFT) | Math.floor((L.taskNice(task) + 20) / 5);
}

/** ioprio_get(2): of a process what it was given; of several the highest that they have. EINVAL, ESRCH. */
function sys_ioprio_get(f: Frame): number {
  const which = f.argInt(0) - 1;
  let best = -E.ESRCH;
  const r = eachOf(f, which, f.argInt(1), (t) => {
    const own = L.taskIoprio(t), p = which !== Which.PROCESS && classOf(own) === CLASS_NONE ? byNice(t) : own;
    best = best < 0 ? p : Math.min(best, p);
  });
  return r < 0 ? r : best;
}

/** May a task ask for this priority at all? 0, -EINVAL, -EPERM: real-time is for CAP_SYS_ADMIN and CAP_SYS_NICE. */
function mayIoprio(task: number, ioprio: number): number {
  switch (classOf(ioprio)) {
    case CLASS_NONE: return (ioprio & LEVEL_MASK) === 0 ? 0 : -E.EINVAL;
    case CLASS_RT: return capable(task, Cap.SYS_ADMIN) || capable(task, Cap.SYS_NICE) ? 0 : -E.EPERM;
    case CLASS_BE: case CLASS_IDLE: return 0;
    default: return -E.EINVAL;
  }
}

/** ioprio_set(2). EINVAL, ESRCH, EPERM (real-time, another user's task). */
function sys_ioprio_set(f: Frame): number {
  const ioprio = f.argInt(2) & 0xffff;
  const no = mayIoprio(f.task, ioprio);
  if (no < 0) return no;
  return setEach(f, f.argInt(0) - 1, f.argInt(1), (t) => {
    if (uidOf(t) !== euidOf(f.task) && uidOf(t) !== uidOf(f.task) && !capable(f.task, Cap.SYS_NICE)) return -E.EPERM;
    L.setTaskIoprio(t, ioprio);
    tellHost(t, NR_HOST_ioprio_set, Which.PROCESS + 1, ioprio);
    return 0;
  });
}

export function installPriority(k: Kernel): void {
  k.ep.handle(NR.NR_getpriority, sys_getpriority);
  k.ep.handle(NR.NR_setpriority, sys_setpriority);
  k.ep.handle(NR.NR_ioprio_get, sys_ioprio_get);
  k.ep.handle(NR.NR_ioprio_set, sys_ioprio_set);
}
