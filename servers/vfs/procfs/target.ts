/**
 * The process or task that a /proc directory is about, who may look into it, and what the host knows of it.
 *
 * A directory may outlive its process: every use checks that the table rows still mean the same pid. Numbers that only the host has (memory, CPU
 * time, context switches) come from the host's /proc entry of the host process behind the guest's.
 */
import { Cap, credCapable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { TaskState, TgState } from '../../../shared/tasks.js';
import type { FsStruct } from '../fs-struct.js';
import { fsGet } from '../fs-struct.js';
import type { Caller } from '../inode.js';

export interface Target {
  readonly tg: number;
  readonly tgid: number;
  /** Row of the task: the group's leader for /proc/PID, any for task/TID. */
  readonly task: number;
  readonly tid: number;
}

/** Is the target's process still there (zombies included)? */
export const groupLives = (t: Target): boolean => L.tgTgid(t.tg) === t.tgid && L.tgState(t.tg) >= TgState.RUNNING;

/** Is the target still there (zombies included)? */
export const alive = (t: Target): boolean => groupLives(t) && L.taskTid(t.task) === t.tid && L.taskState(t.task) >= TaskState.RUNNING;

export const isZombie = (t: Target): boolean => L.tgState(t.tg) === TgState.ZOMBIE || L.taskState(t.task) === TaskState.DEAD;

/** The group's leader as target, or undefined when the row is no process. */
export function leaderOf(tg: number): Target | undefined {
  const task = L.tgLeader(tg);
  if (L.tgState(tg) < TgState.RUNNING || task === 0) return undefined;
  return { tg, tgid: L.tgTgid(tg), task, tid: L.taskTid(task) };
}

/** PTRACE_MODE_READ: same ids, or CAP_SYS_PTRACE. ptrace(2), "Ptrace access mode checking". 0 or -EACCES. */
export function mayInspect(c: Caller, t: Target): number {
  if (!alive(t)) return -E.ESRCH;
  if (c.cred === 0 || c.tg === t.tg || credCapable(c.cred, Cap.SYS_PTRACE)) return 0;
  const to = L.taskCred(t.task);
  const uid = L.credFsuid(c.cred);
  const gid = L.credFsgid(c.cred);
  const same = uid === L.credEuid(to) && uid === L.credSuid(to) && uid === L.credUid(to) && gid === L.credEgid(to) && gid === L.credSgid(to) && gid === L.credGid(to);
  return same && L.tgDumpable(t.tg) === 1 ? 0 : -E.EACCES;
}

/** Attaching rights are wider than reading rights only in name here. */
export const guardFor = (t: Target) => (c: Caller): number => mayInspect(c, t);

/** A file of the host's /proc directory of the target: text, '' when the host has none (zombies, races). */
export function hostText(t: Target, name: string): string {
  const pid = native.hostPid(t.tg);
  if (pid <= 0) return '';
  let dir = `/proc/${pid}`;
  if (t.tid !== t.tgid) {
    const tid = native.hostTid(t.tg, L.taskSlot(t.task), t.tid);
    if (tid <= 0) return '';
    dir += `/task/${tid}`;
  }
  const text = host.readSmallFile(host.AT_FDCWD, `${dir}/${name}`);
  return typeof text === 'number' ? '' : text;
}

/** Range of brk(2). A process that has just forked has its parent's. */
export function heapOf(t: Target): { start: number; end: number } {
  const area = L.tgArea(t.tg), pctx = L.tgPctx(t.tg);
  const u64 = (off: number): number => (native.pctxLoad(area, pctx, off) >>> 0) + (native.pctxLoad(area, pctx, off + 4) >>> 0) * 4294967296;
  return { start: u64(L.PCTX_BRK_START), end: u64(L.PCTX_BRK) };
}

export const fsOf = (t: Target): FsStruct | undefined => fsGet(L.taskFs(t.task));

/** A 64-bit set of signals as 16 hexadecimal digits. */
export function hex64(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');
}

export interface SigSets { pend: string; shared: string; blocked: string; ignored: string; caught: string; pendLo: number; blockedLo: number; ignoredLo: number; caughtLo: number }

/** Signal sets of a living task. */
export function sigSets(t: Target): SigSets {
  if (isZombie(t)) return { pend: hex64(0, 0), shared: hex64(0, 0), blocked: hex64(0, 0), ignored: hex64(0, 0), caught: hex64(0, 0), pendLo: 0, blockedLo: 0, ignoredLo: 0, caughtLo: 0 };
  const slot = L.taskSlot(t.task);
  const area = L.tgArea(t.tg);
  const pctx = L.tgPctx(t.tg);
  const word = (off: number): number => native.slotLoad(slot, off) >>> 0;
  const pword = (off: number): number => native.pctxLoad(area, pctx, off) >>> 0;
  const ign = [0, 0];
  const cgt = [0, 0];
  for (let i = 0; i < 64; i++) {
    const lo = pword(L.PCTX_SA_HANDLER + 8 * i);
    const hi = pword(L.PCTX_SA_HANDLER + 8 * i + 4);
    const set = hi !== 0 || lo > 1 ? cgt : lo === 1 ? ign : undefined;
    if (set !== undefined) set[i >> 5] = (set[i >> 5] as number) | (1 << (i & 31));
  }
  const pendLo = word(L.SLOT_SIGPEND);
  const blockedLo = word(L.SLOT_SIGMASK);
  return {
    pend: hex64(pendLo, word(L.SLOT_SIGPEND + 4)), shared: hex64(pword(L.PCTX_SIGPEND), pword(L.PCTX_SIGPEND + 4)),
    blocked: hex64(blockedLo, word(L.SLOT_SIGMASK + 4)), ignored: hex64(ign[0] as number, ign[1] as number), caught: hex64(cgt[0] as number, cgt[1] as number),
    pendLo, blockedLo, ignoredLo: (ign[0] as number) >>> 0, caughtLo: (cgt[0] as number) >>> 0,
  };
}
