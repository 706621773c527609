/**
 * Resource limits: getrlimit, setrlimit, prlimit64. getrlimit(2).
 *
 * The table holds the truth. Limits that the host enforces on guest memory, CPU time and granted files are mirrored onto the host process; that is
 * best effort, since the host's own hard limits stay. A limit's "infinity" is Infinity in the table.
 */
import { Cap, capable } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import { FD_LIMIT, RLIMIT_NOFILE } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import type { LimitSpec } from '../../shared/spec.js';
import { taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';
import { tellKin } from './pgrp.js';
import { RLIMIT_NPROC } from '../spares.js';

const RLIMITS = 16;
/** Scratch for words that are told to a stub, behind that of host calls. */
const WORDS = host.STRUCT + 2048;
const RLIMIT_CPU = 0, RLIMIT_FSIZE = 1, RLIMIT_STACK = 3, RLIMIT_CORE = 4;
/** What the host can enforce without harm to the stub: not AS and DATA, in which the area would count. */
const MIRRORED: readonly number[] = [RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_CORE];
const NR_HOST_prlimit64 = 302;

function readLimit(v: DataView, at: number): number {
  const lo = v.getUint32(at, true);
  const hi = v.getUint32(at + 4, true);
  return lo === 0xffffffff && hi === 0xffffffff ? Infinity : lo + hi * 4294967296;
}

function writeLimit(v: DataView, at: number, x: number): void {
  v.setUint32(at, x === Infinity ? 0xffffffff : x % 4294967296, true);
  v.setUint32(at + 4, x === Infinity ? 0xffffffff : Math.floor(x / 4294967296), true);
}

/** carrick's own limits, which its first process starts with, but for those that were asked for; soft NOFILE as usual, because Node raises its own. */
export function initialLimits(tg: number, asked: readonly LimitSpec[]): void {
  for (let r = 0; r < RLIMITS; r++) {
    let cur = Infinity;
    let max = Infinity;
    if (native.sys(NR_HOST_prlimit64, 0b1000, 0, r, 0, host.STRUCT) >= 0) {
      cur = readLimit(host.scratchView, host.STRUCT);
      max = readLimit(host.scratchView, host.STRUCT + 8);
    }
    if (r === RLIMIT_NOFILE) {
      max = Math.min(max, FD_LIMIT);
      cur = Math.min(1024, max);
    }
    L.setTgRlimCur(tg, r, cur);
    L.setTgRlimMax(tg, r, max);
  }
  for (const { resource, soft, hard } of asked) {
    const top = resource === RLIMIT_NOFILE ? FD_LIMIT : Infinity;
    L.setTgRlimCur(tg, resource, Math.min(soft ?? Infinity, top));
    L.setTgRlimMax(tg, resource, Math.min(hard ?? Infinity, top));
  }
}

/** Give a new process of the host the limits that its row has. */
export function mirrorLimits(tg: number): void {
  for (const resource of MIRRORED) mirror(tg, resource);
  if (L.tgRlimCur(tg, RLIMIT_NOFILE) < L.POLL_FAST) tellStub(tg, true);
}

/** Lower or raise the host's soft limit, within its hard one. */
function mirror(tg: number, resource: number): void {
  if (!MIRRORED.includes(resource)) return;
  const pid = native.hostPid(tg);
  if (pid <= 0 || native.sys(NR_HOST_prlimit64, 0b1000, pid, resource, 0, host.STRUCT) < 0) return;
  const max = readLimit(host.scratchView, host.STRUCT + 8);
  writeLimit(host.scratchView, host.STRUCT, Math.min(max, L.tgRlimCur(tg, resource)));
  native.sys(NR_HOST_prlimit64, 0b0100, pid, resource, host.STRUCT, 0);
}

function putLimits(f: Frame, arg: number, tg: number, resource: number): number {
  const at = f.outOff(arg);
  if (at < 0) return at;
  writeLimit(f.view, at, L.tgRlimCur(tg, resource));
  writeLimit(f.view, at + 8, L.tgRlimMax(tg, resource));
  f.setOut(arg, 16);
  return 0;
}

/** Checks in Linux's order: EINVAL soft above hard; EPERM NOFILE above nr_open; EPERM raising the hard limit without CAP_SYS_RESOURCE. */
function setLimits(task: number, tg: number, resource: number, cur: number, max: number): number {
  if (cur > max) return -E.EINVAL;
  if (resource === RLIMIT_NOFILE && max > 1048576) return -E.EPERM;
  if (max > L.tgRlimMax(tg, resource) && !capable(task, Cap.SYS_RESOURCE)) return -E.EPERM;
  // What the process owes was done before its own request.
  if (resource === RLIMIT_NOFILE) L.setTgNofileHad(tg, L.taskTg(task) === tg ? 0 : Math.max(L.tgNofileHad(tg), L.tgRlimCur(tg, resource)));
  L.setTgRlimCur(tg, resource, cur);
  L.setTgRlimMax(tg, resource, max);
  mirror(tg, resource);
  if (resource === RLIMIT_NOFILE) tellStub(tg, cur < L.POLL_FAST);
  tellLimits(tg);
  return 0;
}

/** Change words of a pctx that the stub answers from: n of them from WORDS on, at offset `at`, under their sequence word at `seqAt`. */
function tell(tg: number, seqAt: number, at: number, n: number): void { native.pctxTell(L.tgArea(tg), L.tgPctx(tg), seqAt, at, WORDS, 4 * n); }

/** Leave the limits in the pctx. Each new pctx gets them too. */
export function tellLimits(tg: number): void {
  for (let r = 0; r < RLIMITS; r++) {
    writeLimit(host.scratchView, WORDS + 16 * r, L.tgRlimCur(tg, r));
    writeLimit(host.scratchView, WORDS + 16 * r + 8, L.tgRlimMax(tg, r));
  }
  tell(tg, L.PCTX_LIMITS_SEQ, L.PCTX_RLIM, 4 * RLIMITS);
}

/** Leave the credentials of a process's only task in the pctx: when a program or a process begins. A new program's pctx also gets what is told of parent, group and session. */
export function tellIds(tg: number, task: number): void {
  const cred = L.taskCred(task), n = L.credNgroups(cred), v = host.scratchView;
  const put = (at: number, value: number): void => { v.setUint32(WORDS + at - L.PCTX_UID, value, true); };
  put(L.PCTX_UID, L.credUid(cred));
  put(L.PCTX_EUID, L.credEuid(cred));
  put(L.PCTX_GID, L.credGid(cred));
  put(L.PCTX_EGID, L.credEgid(cred));
  put(L.PCTX_SUID, L.credSuid(cred));
  put(L.PCTX_SGID, L.credSgid(cred));
  put(L.PCTX_NGROUPS, n);
  for (let i = 0; i < n; i++) put(L.PCTX_GROUPS + 4 * i, L.credGroups(cred, i));
  tell(tg, L.PCTX_IDS_SEQ, L.PCTX_UID, (L.PCTX_GROUPS - L.PCTX_UID) / 4 + n);
  tellKin(tg);
}

/** Fork and exec copy the flags. */
function tellStub(tg: number, few: boolean): void {
  const flags = native.pctxLoad(L.tgArea(tg), L.tgPctx(tg), L.PCTX_FLAGS);
  if (flags >= 0) native.pctxStore(L.tgArea(tg), L.tgPctx(tg), L.PCTX_FLAGS, few ? flags | L.PF_FEW_FDS : flags & ~L.PF_FEW_FDS);
}

function sys_getrlimit(f: Frame): number {
  const r = f.argU32(0);
  return r >= RLIMITS ? -E.EINVAL : putLimits(f, 1, f.tg, r);
}

function sys_setrlimit(k: Kernel, f: Frame): number {
  const at = f.inOff(1);
  if (at < 0) return at;
  const r = f.argU32(0);
  if (r >= RLIMITS) return -E.EINVAL;
  if (r === RLIMIT_NPROC) k.onNproc(f.tg);
  return setLimits(f.task, f.tg, r, readLimit(f.view, at), readLimit(f.view, at + 8));
}

/** May the caller see or change another process's limits? prlimit(2): all ids match, or CAP_SYS_RESOURCE. */
function mayLimit(task: number, tg: number): boolean {
  if (L.taskTg(task) === tg) return true;
  const c = L.taskCred(task);
  const t = L.taskCred(L.tgLeader(tg));
  const uid = L.credUid(c);
  const gid = L.credGid(c);
  if (L.credUid(t) === uid && L.credEuid(t) === uid && L.credSuid(t) === uid && L.credGid(t) === gid && L.credEgid(t) === gid && L.credSgid(t) === gid) return true;
  return capable(task, Cap.SYS_RESOURCE);
}

/** prlimit(2). EFAULT, EINVAL, ESRCH, EPERM. */
function sys_prlimit64(k: Kernel, f: Frame): number {
  const pid = f.argInt(0);
  const r = f.argU32(1);
  const setting = f.argU64(2) !== 0;
  const at = setting ? f.inOff(2) : 0;
  if (at < 0) return at;
  if (r >= RLIMITS) return -E.EINVAL;
  const target = pid === 0 ? f.task : taskByTid(pid);
  if (target === 0) return -E.ESRCH;
  const tg = L.taskTg(target);
  if (!mayLimit(f.task, tg)) return -E.EPERM;
  if (setting && r === RLIMIT_NPROC) k.onNproc(tg);
  const cur = setting ? readLimit(f.view, at) : 0;
  const max = setting ? readLimit(f.view, at + 8) : 0;
  // The old limits are what they were before: taken first, kept only if the call succeeds.
  if (f.argU64(3) !== 0) {
    const e = putLimits(f, 3, tg, r);
    if (e < 0) return e;
  }
  return setting ? setLimits(f.task, tg, r, cur, max) : 0;
}

export function installLimits(k: Kernel): void {
  k.ep.handle(NR.NR_getrlimit, sys_getrlimit);
  k.ep.handle(NR.NR_setrlimit, (f) => sys_setrlimit(k, f));
  k.ep.handle(NR.NR_prlimit64, (f) => sys_prlimit64(k, f));
}
