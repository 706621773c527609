/**
 * User and group ids: get*id, set*id, setfs*id, groups. credentials(7), setresuid(2), capabilities(7) "Effect of user ID changes on capabilities".
 *
 * Ids belong to the task, as in Linux; C libraries change all threads themselves. Id -1 (0xffffffff) means "leave" in the re/res calls
 * and is invalid elsewhere. Every change is a new row (cred-rows.ts); 0 rows left is EAGAIN.
 */
import { Cap, GROUPS_MAX, credCapable } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { AMB, EFF, PERM, capsWithin, clearCaps, copyCaps } from '../cred-rows.js';
import { SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP } from '../exec/exec-creds.js';
import type { Kernel } from '../proc.js';

const NONE = 0xffffffff;
/** Capabilities that follow the file system uid: CHOWN, DAC_*, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE. capabilities(7). */
const FS_CAPS_LO = (1 << Cap.CHOWN | 1 << Cap.DAC_OVERRIDE | 1 << Cap.DAC_READ_SEARCH | 1 << Cap.FOWNER | 1 << Cap.FSETID | 1 << Cap.LINUX_IMMUTABLE | 1 << Cap.MKNOD) >>> 0;
const FS_CAPS_HI = 1 << (Cap.MAC_OVERRIDE - 32);

/** Point a task at new credentials; the reference of `row` passes. Losing privilege makes a process undumpable and forgets PR_SET_PDEATHSIG. */
export function commitCreds(k: Kernel, task: number, row: number): number {
  const old = L.taskCred(task);
  const tg = L.taskTg(task);
  if (L.credEuid(old) !== L.credEuid(row) || L.credEgid(old) !== L.credEgid(row) || L.credFsuid(old) !== L.credFsuid(row) || L.credFsgid(old) !== L.credFsgid(row)
    || !capsWithin(PERM, row, PERM, old)) {
    L.setTgDumpable(tg, 0);
    k.pdeathsig[task] = 0;
  }
  if (L.credUid(old) !== L.credUid(row)) {
    k.nprocAdd(L.credUid(old), -1);
    k.nprocAdd(L.credUid(row), 1);
    k.onNproc(tg);
  }
  L.setTaskCred(task, row);
  k.creds.unref(old);
  return 0;
}

/** Capabilities after uids changed from those of `old` to those of `row`. */
function fixCaps(old: number, row: number): void {
  if ((L.credSecurebits(row) & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  const hadRoot = L.credUid(old) === 0 || L.credEuid(old) === 0 || L.credSuid(old) === 0;
  const hasRoot = L.credUid(row) === 0 || L.credEuid(row) === 0 || L.credSuid(row) === 0;
  if (hadRoot && !hasRoot) {
    if ((L.credSecurebits(row) & SECBIT_KEEP_CAPS) === 0) { clearCaps(PERM, row); clearCaps(EFF, row); }
    clearCaps(AMB, row);
  }
  if (L.credEuid(old) === 0 && L.credEuid(row) !== 0) clearCaps(EFF, row);
  if (L.credEuid(old) !== 0 && L.credEuid(row) === 0) copyCaps(EFF, PERM, row);
}

/** One kind of id: how to read and write its four words, and the capability that lifts the rules. */
interface Kind {
  readonly cap: Cap;
  readonly get: Readonly<Record<'r' | 'e' | 's' | 'fs', (row: number) => number>>;
  readonly set: Readonly<Record<'r' | 'e' | 's' | 'fs', (row: number, v: number) => void>>;
}
const UID: Kind = { cap: Cap.SETUID, get: { r: L.credUid, e: L.credEuid, s: L.credSuid, fs: L.credFsuid }, set: { r: L.setCredUid, e: L.setCredEuid, s: L.setCredSuid, fs: L.setCredFsuid } };
const GID: Kind = { cap: Cap.SETGID, get: { r: L.credGid, e: L.credEgid, s: L.credSgid, fs: L.credFsgid }, set: { r: L.setCredGid, e: L.setCredEgid, s: L.setCredSgid, fs: L.setCredFsgid } };

function finish(k: Kernel, task: number, old: number, row: number, kind: Kind): number {
  if (kind === UID) fixCaps(old, row);
  return commitCreds(k, task, row);
}

/** setuid(2), setgid(2). EINVAL (-1), EPERM: neither privileged nor the real or saved id. */
export function setId(k: Kernel, task: number, kind: Kind, id: number): number {
  if (id === NONE) return -E.EINVAL;
  const old = L.taskCred(task);
  const privileged = credCapable(old, kind.cap);
  if (!privileged && id !== kind.get.r(old) && id !== kind.get.s(old)) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  if (privileged) { kind.set.r(row, id); kind.set.s(row, id); }
  kind.set.e(row, id);
  kind.set.fs(row, id);
  return finish(k, task, old, row, kind);
}

/** setreuid(2), setregid(2). EPERM. The saved id follows when the real one is set, or the effective one to something else than the old real one. */
export function setReId(k: Kernel, task: number, kind: Kind, r: number, e: number): number {
  const old = L.taskCred(task);
  const { get, set } = kind;
  const privileged = credCapable(old, kind.cap);
  if (!privileged && r !== NONE && r !== get.r(old) && r !== get.e(old)) return -E.EPERM;
  if (!privileged && e !== NONE && e !== get.r(old) && e !== get.e(old) && e !== get.s(old)) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  if (r !== NONE) set.r(row, r);
  if (e !== NONE) set.e(row, e);
  if (r !== NONE || (e !== NONE && e !== get.r(old))) set.s(row, get.e(row));
  set.fs(row, get.e(row));
  return finish(k, task, old, row, kind);
}

/** setresuid(2), setresgid(2). EPERM: unprivileged and not one of the three current ids. */
export function setResId(k: Kernel, task: number, kind: Kind, r: number, e: number, s: number): number {
  const old = L.taskCred(task);
  const { get, set } = kind;
  const mine = (id: number): boolean => id === NONE || id === get.r(old) || id === get.e(old) || id === get.s(old);
  if (!(mine(r) && mine(e) && mine(s)) && !credCapable(old, kind.cap)) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  if (r !== NONE) set.r(row, r);
  if (e !== NONE) set.e(row, e);
  if (s !== NONE) set.s(row, s);
  set.fs(row, get.e(row));
  return finish(k, task, old, row, kind);
}

/** setfsuid(2), setfsgid(2): the old id, whether or not the new one was allowed. */
export function setFsId(k: Kernel, task: number, kind: Kind, id: number): number {
  const old = L.taskCred(task);
  const { get } = kind;
  const before = get.fs(old);
  const allowed = id === get.r(old) || id === get.e(old) || id === get.s(old) || id === before || credCapable(old, kind.cap);
  if (id === NONE || !allowed || id === before) return before;
  const row = k.creds.copy(old);
  if (row === 0) return before;
  kind.set.fs(row, id);
  if (kind === UID && (L.credSecurebits(row) & SECBIT_NO_SETUID_FIXUP) === 0) {
    if (before === 0 && id !== 0) {
      EFF.set(row, 0, (EFF.get(row, 0) & ~FS_CAPS_LO) >>> 0);
      EFF.set(row, 1, (EFF.get(row, 1) & ~FS_CAPS_HI) >>> 0);
    } else if (before !== 0 && id === 0) {
      EFF.set(row, 0, (EFF.get(row, 0) | (PERM.get(row, 0) & FS_CAPS_LO)) >>> 0);
      EFF.set(row, 1, (EFF.get(row, 1) | (PERM.get(row, 1) & FS_CAPS_HI)) >>> 0);
    }
  }
  commitCreds(k, task, row);
  return before;
}

/** getresuid(2), getresgid(2). EFAULT. */
function getResId(f: Frame, kind: Kind): number {
  const c = L.taskCred(f.task);
  const values = [kind.get.r(c), kind.get.e(c), kind.get.s(c)];
  for (let i = 0; i < 3; i++) {
    const at = f.outOff(i);
    if (at < 0) return at;
    f.view.setUint32(at, values[i] as number, true);
    f.setOut(i, 4);
  }
  return 0;
}

/** getgroups(2). EINVAL: size too small (0 asks for the number). EFAULT. */
function sys_getgroups(f: Frame): number {
  const c = L.taskCred(f.task);
  const n = L.credNgroups(c);
  const size = f.argInt(0);
  if (size < 0) return -E.EINVAL;
  if (size === 0) return n;
  if (size < n) return -E.EINVAL;
  if (n === 0) return 0;
  const at = f.outOff(1);
  if (at < 0) return at;
  for (let i = 0; i < n; i++) f.view.setUint32(at + 4 * i, L.credGroups(c, i), true);
  f.setOut(1, 4 * n);
  return n;
}

/** setgroups(2). EPERM, EINVAL (too many, an id of -1), EFAULT. Deviation: at most 32 groups, Linux allows 65536. */
function sys_setgroups(k: Kernel, f: Frame): number {
  const old = L.taskCred(f.task);
  if (!credCapable(old, Cap.SETGID)) return -E.EPERM;
  const n = f.argU32(0);
  if (n > GROUPS_MAX) return -E.EINVAL;
  const at = n === 0 ? 0 : f.inOff(1);
  if (at < 0) return at;
  const groups: number[] = [];
  for (let i = 0; i < n; i++) groups.push(f.view.getUint32(at + 4 * i, true));
  if (groups.includes(NONE)) return -E.EINVAL;
  // Linux keeps them sorted, and shows them so.
  groups.sort((a, b) => a - b);
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  groups.forEach((g, i) => { L.setCredGroups(row, i, g); });
  L.setCredNgroups(row, n);
  return commitCreds(k, f.task, row);
}

export { GID, UID };

export function installIds(k: Kernel): void {
  const { ep } = k;
  ep.handle(NR.NR_getuid, (f) => L.credUid(L.taskCred(f.task)));
  ep.handle(NR.NR_geteuid, (f) => L.credEuid(L.taskCred(f.task)));
  ep.handle(NR.NR_getgid, (f) => L.credGid(L.taskCred(f.task)));
  ep.handle(NR.NR_getegid, (f) => L.credEgid(L.taskCred(f.task)));
  ep.handle(NR.NR_setuid, (f) => setId(k, f.task, UID, f.argU32(0)));
  ep.handle(NR.NR_setgid, (f) => setId(k, f.task, GID, f.argU32(0)));
  ep.handle(NR.NR_setreuid, (f) => setReId(k, f.task, UID, f.argU32(0), f.argU32(1)));
  ep.handle(NR.NR_setregid, (f) => setReId(k, f.task, GID, f.argU32(0), f.argU32(1)));
  ep.handle(NR.NR_setresuid, (f) => setResId(k, f.task, UID, f.argU32(0), f.argU32(1), f.argU32(2)));
  ep.handle(NR.NR_setresgid, (f) => setResId(k, f.task, GID, f.argU32(0), f.argU32(1), f.argU32(2)));
  ep.handle(NR.NR_setfsuid, (f) => setFsId(k, f.task, UID, f.argU32(0)));
  ep.handle(NR.NR_setfsgid, (f) => setFsId(k, f.task, GID, f.argU32(0)));
  ep.handle(NR.NR_getresuid, (f) => getResId(f, UID));
  ep.handle(NR.NR_getresgid, (f) => getResId(f, GID));
  ep.handle(NR.NR_getgroups, sys_getgroups);
  ep.handle(NR.NR_setgroups, (f) => sys_setgroups(k, f));
}
