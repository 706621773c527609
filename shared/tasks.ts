/**
 * Finding tasks and thread groups in the shared tables; for every server.
 *
 * The kernel worker is the only writer of tables `task` and `tg`: it fills a row, then stores `state`, so a reader that looks at
 * `state` first sees a complete row. Rows are given out so that they stay below meta.top_task / meta.top_tg, which bounds the scans here; a
 * freed row rests for a while before it is used again, so that a message about a dead process does not hit its successor.
 */
import * as L from './gen/layout.js';

/** task.state. DEAD: a leader that has exited while its group lives on, or is a zombie; it keeps its tid. */
export const enum TaskState { FREE = 0, EMBRYO = 1, RUNNING = 2, DEAD = 3 }
/** tg.state. A zombie keeps pid, pgid, sid, parent, cred of its leader's task until it is reaped. */
export const enum TgState { FREE = 0, EMBRYO = 1, RUNNING = 2, ZOMBIE = 3 }

/** Row of the thread group with this pid, running or zombie; 0 = none. */
export function tgByPid(pid: number): number {
  if (pid <= 0) return 0;
  const top = L.metaTopTg(1);
  for (let r = 1; r < top; r++) if (L.tgTgid(r) === pid && L.tgState(r) >= TgState.RUNNING) return r;
  return 0;
}

/** Row of the task with this tid, running or a dead leader; 0 = none. */
export function taskByTid(tid: number): number {
  if (tid <= 0) return 0;
  const top = L.metaTopTask(1);
  for (let r = 1; r < top; r++) if (L.taskTid(r) === tid && L.taskState(r) >= TaskState.RUNNING) return r;
  return 0;
}

/** Every running or zombie thread group, lowest row first; ends early when `cb` returns true. */
export function eachTg(cb: (tg: number) => boolean | void): void {
  const top = L.metaTopTg(1);
  for (let r = 1; r < top; r++) if (L.tgState(r) >= TgState.RUNNING && cb(r) === true) return;
}

/** Every running task of a thread group; ends early when `cb` returns true. */
export function eachTaskOf(tg: number, cb: (task: number) => boolean | void): void {
  let left = L.tgNtasks(tg);
  const top = L.metaTopTask(1);
  for (let r = 1; r < top && left > 0; r++) {
    if (L.taskTg(r) !== tg || L.taskState(r) !== TaskState.RUNNING) continue;
    left--;
    if (cb(r) === true) return;
  }
}

/** Is there a process in this group and session? sid 0 = any session. Zombies count, as on Linux. */
export function pgrpExists(pgid: number, sid = 0): boolean {
  const top = L.metaTopTg(1);
  for (let r = 1; r < top; r++) if (L.tgState(r) >= TgState.RUNNING && L.tgPgid(r) === pgid && (sid === 0 || L.tgSid(r) === sid)) return true;
  return false;
}

/**
 * Is a process group orphaned: has no member (but `except`) a parent in another group of the same session? credentials(7),
 * POSIX 3.264. Zombies do not count. The first process is no exception as a parent: Linux makes one only for the machine's own init, so job control
 * works in a container whose pid 1 is a shell.
 */
export function pgrpOrphaned(pgid: number, except = 0): boolean {
  const top = L.metaTopTg(1);
  for (let r = 1; r < top; r++) {
    if (r === except || L.tgState(r) !== TgState.RUNNING || L.tgPgid(r) !== pgid) continue;
    const parent = L.tgParent(r);
    if (parent === 0) continue;
    if (L.tgPgid(parent) !== pgid && L.tgSid(parent) === L.tgSid(r)) return false;
  }
  return true;
}

/** task.comm as latin1. */
export function taskName(task: number): string {
  const b = L.taskU8();
  const at = L.TASK_COMM_BYTE(task);
  let s = '';
  for (let i = 0; i < 16; i++) {
    const c = b[at + i] as number;
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

const NAME_BYTES = 65;

function readName(at: number): string {
  const b = L.metaU8();
  let s = '';
  for (let i = 0; i < NAME_BYTES - 1 && b[at + i] !== 0; i++) s += String.fromCharCode(b[at + i] as number);
  return s;
}

/** uname(2) nodename and domainname, latin1. */
export const hostName = (): string => readName(L.META_HOSTNAME_BYTE(1));
export const domainName = (): string => readName(L.META_DOMAINNAME_BYTE(1));
