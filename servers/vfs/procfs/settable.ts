/**
 * Values of a task or process that its files in /proc may set: comm, loginuid, oom_score_adj, coredump_filter. proc_pid_comm(5) and its neighbours; of loginuid
 * and sessionid Linux's audit.
 *
 * They lie in the tables, since children inherit them: the kernel copies them while a task is an embryo, later only these files write them. They are remembered and told,
 * and do nothing: the host's killer is not steered, nobody audits, and there are no core files.
 */
import { Cap, credCapable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import type { Caller } from '../inode.js';
import type { Target } from './target.js';

const INT = /^\s*(-?\d+)\s*$/;
/** What a process has not been given: a login, a session. */
const NONE = 0xffffffff;
/** MMF_DUMP_FILTER: kinds of mappings. */
const FILTER_BITS = 0x1ff;

const may = (c: Caller, cap: Cap): boolean => c.cred === 0 || credCapable(c.cred, cap);

/** A task's name; only threads of the same process may set it (EINVAL). The table's name is the kernel's, but the store of 16 bytes harms nobody. */
export function setComm(c: Caller, t: Target, s: string): number {
  if (c.tg !== t.tg) return -E.EINVAL;
  // A newline at the end stays in the name, as on Linux.
  for (let i = 0; i < 16; i++) L.setTaskComm(t.task, i, i < 15 && i < s.length ? s.charCodeAt(i) : 0);
  return s.length;
}

/** EINVAL outside -1000..1000; EACCES when lower than the lowest that one with CAP_SYS_RESOURCE has set, 0 at first. */
export function setOomAdj(c: Caller, t: Target, s: string): number {
  const m = INT.exec(s);
  const v = m === null ? NaN : Number(m[1]);
  if (!(v >= -1000 && v <= 1000)) return -E.EINVAL;
  const free = may(c, Cap.SYS_RESOURCE);
  if (v < L.tgOomAdjMin(t.tg) && !free) return -E.EACCES;
  L.setTgOomAdj(t.tg, v);
  if (free) L.setTgOomAdjMin(t.tg, v);
  return s.length;
}

/** The number that the file shows of a word that is one more, 0 for none. */
const shown = (word: number): string => String((word - 1) >>> 0);
export const loginText = (t: Target): string => shown(L.taskLoginUid(t.task));
export const sessionText = (t: Target): string => shown(L.taskLoginSession(t.task));

let sessions = 0;

/** EPERM for another task, or once it is set, without CAP_AUDIT_CONTROL; EINVAL, ERANGE for what is no number. */
export function setLogin(c: Caller, t: Target, s: string): number {
  if (c.task !== t.task) return -E.EPERM;
  const m = /^(\d+)\n?$/.exec(s);
  if (m === null) return -E.EINVAL;
  const uid = Number(m[1]);
  if (uid > NONE) return -E.ERANGE;
  if (L.taskLoginUid(t.task) !== 0 && !may(c, Cap.AUDIT_CONTROL)) return -E.EPERM;
  L.setTaskLoginUid(t.task, uid === NONE ? 0 : uid + 1);
  L.setTaskLoginSession(t.task, uid === NONE ? 0 : ++sessions + 1);
  return s.length;
}

export const filterText = (t: Target): string => `${L.tgCoreFilter(t.tg).toString(16).padStart(8, '0')}\n`;

/** In decimal, octal or hexadecimal; EINVAL, ERANGE. */
export function setFilter(_c: Caller, t: Target, s: string): number {
  const m = /^(0x[\da-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(s);
  if (m === null) return -E.EINVAL;
  const digits = m[1] as string, v = /^0[0-7]/.test(digits) ? parseInt(digits, 8) : Number(digits);
  if (v > NONE) return -E.ERANGE;
  L.setTgCoreFilter(t.tg, v & FILTER_BITS);
  return s.length;
}

/** uid_map, gid_map and setgroups of the only user namespace that there is were written when it was made. */
export const mapIsWritten = (): number => -E.EPERM;
