/**
 * Credentials of a new program: set-user-ID and set-group-ID bits, capabilities. execve(2), capabilities(7) "Transformation of capabilities
 * during execve()". No file has capabilities of its own here (fP = fI = 0, fE = 0), but root's are full unless SECBIT_NOROOT.
 */
import * as L from '../../shared/gen/layout.js';
import { AMB, BSET, EFF, INH, PERM, clearCaps, copyCaps } from '../cred-rows.js';
import type { Kernel } from '../proc.js';

const S_ISUID = 0o4000, S_ISGID = 0o2000, S_IXGRP = 0o010;
export const SECBIT_NOROOT = 1, SECBIT_NO_SETUID_FIXUP = 4, SECBIT_KEEP_CAPS = 16;

export interface ExecCreds {
  /** Row with a reference for the task, or 0 when the table is full. */
  readonly row: number;
  /** AT_SECURE. */
  readonly secure: boolean;
  /** uid or gid came from the file. */
  readonly setid: boolean;
}

/** mode, uid, gid: of the program file (for a script, of its interpreter). */
export function execCreds(k: Kernel, task: number, mode: number, uid: number, gid: number): ExecCreds {
  const old = L.taskCred(task);
  const row = k.creds.copy(old);
  if (row === 0) return { row: 0, secure: false, setid: false };
  const privs = L.tgNoNewPrivs(L.taskTg(task)) === 0 && k.trace.mayGain(task);
  if (privs && (mode & S_ISUID) !== 0) L.setCredEuid(row, uid);
  if (privs && (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) L.setCredEgid(row, gid);
  const setid = L.credEuid(row) !== L.credUid(row) || L.credEgid(row) !== L.credGid(row);
  const euid = L.credEuid(row);
  const noroot = (L.credSecurebits(row) & SECBIT_NOROOT) !== 0;
  if (setid) clearCaps(AMB, row);
  clearCaps(PERM, row);
  let effective = false;
  if (!noroot && (euid === 0 || L.credUid(row) === 0)) {
    for (let i = 0; i < 2; i++) PERM.set(row, i, (BSET.get(row, i) | INH.get(row, i)) >>> 0);
    effective = euid === 0;
  }
  for (let i = 0; i < 2; i++) PERM.set(row, i, (PERM.get(row, i) | AMB.get(row, i)) >>> 0);
  copyCaps(EFF, effective ? PERM : AMB, row);
  L.setCredSuid(row, euid);
  L.setCredFsuid(row, euid);
  L.setCredSgid(row, L.credEgid(row));
  L.setCredFsgid(row, L.credEgid(row));
  L.setCredSecurebits(row, L.credSecurebits(row) & ~SECBIT_KEEP_CAPS);
  const gained = PERM.get(row, 0) !== AMB.get(row, 0) || PERM.get(row, 1) !== AMB.get(row, 1);
  const secure = setid || (L.credUid(row) !== 0 && (effective || gained));
  if (same(old, row)) {
    k.creds.unref(row);
    k.creds.ref(old);
    return { row: old, secure, setid };
  }
  return { row, secure, setid };
}

/** Are two rows equal but for their user count? */
function same(a: number, b: number): boolean {
  const w = L.credI32();
  for (let i = 1; i < 64; i++) if (w[a * 64 + i] !== w[b * 64 + i]) return false;
  return true;
}
