/** semget(2), semop(2), semtimedop(2), semctl(2). */
import { nowNs, readTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { structAt } from '../../../shared/iobuf.js';
import { SEMMNI, SEMMNS, SEMMSL, SEMOPM, SEMVMX } from '../../../shared/ipc-limits.js';
import { Why } from '../../../shared/wait.js';
import { IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, mayIpc, nowSeconds, ownsIpc, PERM_BYTES, S_IRUGO, S_IWUGO, setPerm, storePerm } from '../sysv/ids.js';
import { SemArray, type Sems, Sleeper, type Sop, WAITING } from '../sysv/sem.js';

const GETPID = 11, GETVAL = 12, GETALL = 13, GETNCNT = 14, GETZCNT = 15, SETVAL = 16, SETALL = 17, SEM_STAT = 18, SEM_INFO = 19, SEM_STAT_ANY = 20;
/** sizeof(struct sembuf), struct semid64_ds, struct seminfo. */
const SEMBUF_BYTES = 6, SEMID_BYTES = 104, SEMINFO_BYTES = 40;
/** What struct seminfo says of structures that are no more. uapi linux/sem.h. */
const SEMUSZ = 20, SEMAEM = SEMVMX;

const v = host.scratchView;

/**
 * semget(2) - get an array of semaphores.
 *
 *   int semget(key_t key, int nsems, int semflg);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  nsems < 0 or > SEMMSL
 *   -EEXIST  it exists, IPC_CREAT and IPC_EXCL; -EINVAL it has fewer semaphores; -EACCES
 *   -ENOENT  it does not exist, no IPC_CREAT; -EINVAL nsems is 0; -ENOSPC limits
 * Source: man-pages 6.9 semget(2), ipc/sem.c. Deviations: none.
 */
function semget(sems: Sems, f: Frame): number {
  const key = f.argInt(0), nsems = f.argInt(1), flags = f.argInt(2);
  if (nsems < 0 || nsems > SEMMSL) return -E.EINVAL;
  return sems.ids.get(f, key, flags, () => {
    if (nsems === 0) return -E.EINVAL;
    if (sems.used + nsems > SEMMNS) return -E.ENOSPC;
    const a = new SemArray(f, key, flags, nsems);
    const id = sems.ids.add(a);
    if (id < 0) return id;
    sems.used += nsems;
    return a;
  }, (a) => (nsems > a.nsems ? -E.EINVAL : 0));
}

/** The operations in argument 1, or -EFAULT. */
function readSops(f: Frame, n: number): Sop[] | number {
  let view: DataView = f.view;
  let at = structAt(f, 1, n * SEMBUF_BYTES);
  if (at < 0) {
    const r = f.copyIn(f.argU64(1), host.DATA, n * SEMBUF_BYTES);
    if (r < 0) return r;
    view = v;
    at = host.DATA;
  }
  const sops: Sop[] = [];
  for (let i = 0; i < n; i++, at += SEMBUF_BYTES) sops.push({ num: view.getUint16(at, true), op: view.getInt16(at + 2, true), flags: view.getUint16(at + 4, true) });
  return sops;
}

/** First dispatch: the answer, or WAITING with the sleeper in f.obj. */
function begin(ep: Endpoint, sems: Sems, f: Frame): number {
  const n = f.argU64(2);
  if (n > SEMOPM) return -E.E2BIG;
  if (n < 1) return -E.EINVAL;
  const sops = readSops(f, n);
  if (typeof sops === 'number') return sops;
  const id = f.argInt(0);
  if (id < 0 || Number.isNaN(f.deadlineNs)) return -E.EINVAL;
  const a = sems.ids.lookup(id);
  if (a === undefined) return -E.EINVAL;
  if (sops.some((s) => s.num >= a.nsems)) return -E.EFBIG;
  const s = new Sleeper(a, sops, f.tg, L.tgTgid(f.tg), () => { ep.wake(f); });
  const r = mayIpc(f, a, s.alter ? S_IWUGO : S_IRUGO);
  if (r < 0) return r;
  f.obj = s;
  return sems.operate(s);
}

/**
 * semop(2), the deadline set - operations on semaphores, all or none.
 *
 *   int semop(int semid, struct sembuf *sops, size_t nsops);
 *
 * Errors, in Linux's order of checks:
 *   -E2BIG   nsops > SEMOPM; -EINVAL it is 0; -EFAULT; -EINVAL semid, timeout; -EFBIG a number beyond the array; -EACCES
 *   -ERANGE  a value or an adjustment would be out of range; -EAGAIN IPC_NOWAIT, or the time is over
 *   -EIDRM   the array was removed meanwhile; -EINTR a signal, never restarted
 * Waits (B5): for other operations, removal, the deadline, a signal, death of the task. Source: man-pages 6.9 semop(2), ipc/sem.c. Deviations: none.
 */
function semop(ep: Endpoint, sems: Sems, f: Frame): number {
  if (!(f.obj instanceof Sleeper)) {
    const r = begin(ep, sems, f);
    return r === WAITING ? Ret.BLOCKED : r;
  }
  const s = f.obj;
  if (s.status !== WAITING) return s.status;
  if (f.why !== Why.SIGNAL && f.why !== Why.TIMEOUT) return Ret.BLOCKED;
  sems.leave(s);
  return f.why === Why.SIGNAL ? -E.EINTR : -E.EAGAIN;
}

/** semtimedop(2): as semop; the timeout is read first (EFAULT), looked at later. */
function semtimedop(ep: Endpoint, sems: Sems, f: Frame): number {
  if (f.why === Why.FIRST && f.argU64(3) !== 0) {
    const at = structAt(f, 3, 16);
    if (at < 0) return at;
    f.deadlineNs = nowNs() + readTimespec(f.view, at);
  }
  return semop(ep, sems, f);
}

/** IPC_STAT, SEM_STAT, SEM_STAT_ANY: 0, or the id of the array with that index. */
function stat(sems: Sems, f: Frame, cmd: number): number {
  const a = cmd === IPC_STAT ? sems.ids.lookup(f.argInt(0)) : sems.ids.at(f.argInt(0));
  if (a === undefined) return -E.EINVAL;
  let r = cmd === SEM_STAT_ANY ? 0 : mayIpc(f, a, S_IRUGO);
  if (r < 0) return r;
  host.scratch.fill(0, host.STRUCT, host.STRUCT + SEMID_BYTES);
  storePerm(v, host.STRUCT, a);
  v.setUint32(host.STRUCT + PERM_BYTES, a.otime, true);
  v.setUint32(host.STRUCT + 64, a.ctime, true);
  v.setUint32(host.STRUCT + 80, a.nsems, true);
  r = f.copyOut(f.argU64(3), host.STRUCT, SEMID_BYTES);
  return r < 0 ? r : cmd === IPC_STAT ? 0 : a.id;
}

/** IPC_INFO, SEM_INFO: limits, or what is in use; the highest index. */
function info(sems: Sems, f: Frame, cmd: number): number {
  const use = cmd === SEM_INFO;
  const words = [SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, use ? sems.ids.inUse : SEMUSZ, SEMVMX, use ? sems.used : SEMAEM];
  words.forEach((w, i) => { v.setInt32(host.STRUCT + 4 * i, w, true); });
  const r = f.copyOut(f.argU64(3), host.STRUCT, SEMINFO_BYTES);
  return r < 0 ? r : sems.ids.top;
}

/** IPC_SET, IPC_RMID. */
function change(sems: Sems, f: Frame, cmd: number): number {
  if (cmd === IPC_SET) {
    const r = f.copyIn(f.argU64(3), host.STRUCT, SEMID_BYTES);
    if (r < 0) return r;
  }
  const a = sems.ids.lookup(f.argInt(0));
  if (a === undefined) return -E.EINVAL;
  let r = ownsIpc(f, a);
  if (r < 0) return r;
  if (cmd === IPC_RMID) { sems.destroy(a); return 0; }
  r = setPerm(v, host.STRUCT, a);
  if (r === 0) a.ctime = nowSeconds();
  return r;
}

function setval(sems: Sems, f: Frame): number {
  const value = f.argInt(3), num = f.argInt(1);
  if (value < 0 || value > SEMVMX) return -E.ERANGE;
  const a = sems.ids.lookup(f.argInt(0));
  if (a === undefined || num < 0 || num >= a.nsems) return -E.EINVAL;
  const r = mayIpc(f, a, S_IWUGO);
  if (r < 0) return r;
  for (const un of a.undo.values()) un[num] = 0;
  a.values[num] = value;
  a.pids[num] = L.tgTgid(f.tg);
  a.ctime = nowSeconds();
  sems.update(a);
  return 0;
}

/** GETALL, SETALL: an array of unsigned short. */
function all(sems: Sems, f: Frame, a: SemArray, set: boolean): number {
  const bytes = 2 * a.nsems;
  if (!set) {
    a.values.forEach((n, i) => { v.setUint16(host.DATA + 2 * i, n, true); });
    const r = f.copyOut(f.argU64(3), host.DATA, bytes);
    return r < 0 ? r : 0;
  }
  const r = f.copyIn(f.argU64(3), host.DATA, bytes);
  if (r < 0) return r;
  for (let i = 0; i < a.nsems; i++) if (v.getUint16(host.DATA + 2 * i, true) > SEMVMX) return -E.ERANGE;
  const pid = L.tgTgid(f.tg);
  for (let i = 0; i < a.nsems; i++) a.values[i] = v.getUint16(host.DATA + 2 * i, true);
  a.pids.fill(pid);
  for (const un of a.undo.values()) un.fill(0);
  a.ctime = nowSeconds();
  sems.update(a);
  return 0;
}

function values(sems: Sems, f: Frame, cmd: number): number {
  const a = sems.ids.lookup(f.argInt(0));
  if (a === undefined) return -E.EINVAL;
  const r = mayIpc(f, a, cmd === SETALL ? S_IWUGO : S_IRUGO);
  if (r < 0) return r;
  if (cmd === GETALL || cmd === SETALL) return all(sems, f, a, cmd === SETALL);
  const num = f.argInt(1);
  if (num < 0 || num >= a.nsems) return -E.EINVAL;
  switch (cmd) {
    case GETVAL: return a.values[num] as number;
    case GETPID: return a.pids[num] as number;
    default: return sems.waiting(a, num, cmd === GETZCNT);
  }
}

/**
 * semctl(2) - commands on an array.
 *
 *   int semctl(int semid, int semnum, int op, union semun arg);
 *
 * -EINVAL (semid, semnum, op), -EFAULT, -ERANGE (SETVAL, SETALL), -EACCES, -EPERM (IPC_SET, IPC_RMID). Source: man-pages 6.9 semctl(2), ipc/sem.c. Deviations: none.
 */
function semctl(sems: Sems, f: Frame): number {
  const cmd = f.argInt(2);
  if (f.argInt(0) < 0) return -E.EINVAL;
  switch (cmd) {
    case IPC_INFO: case SEM_INFO: return info(sems, f, cmd);
    case IPC_STAT: case SEM_STAT: case SEM_STAT_ANY: return stat(sems, f, cmd);
    case GETALL: case GETVAL: case GETPID: case GETNCNT: case GETZCNT: case SETALL: return values(sems, f, cmd);
    case SETVAL: return setval(sems, f);
    case IPC_SET: case IPC_RMID: return change(sems, f, cmd);
    default: return -E.EINVAL;
  }
}

export function installSemCalls(ep: Endpoint, sems: Sems): void {
  ep.handle(NR.NR_semget, (f) => semget(sems, f));
  ep.handle(NR.NR_semop, (f) => semop(ep, sems, f));
  ep.handle(NR.NR_semtimedop, (f) => semtimedop(ep, sems, f));
  ep.handle(NR.NR_semctl, (f) => semctl(sems, f));
}

/** For Endpoint.onDropped: a call that waited ends without an answer. */
export function dropSemop(sems: Sems, f: Frame): void { if (f.obj instanceof Sleeper) sems.leave(f.obj); }
