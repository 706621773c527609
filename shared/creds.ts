/**
 * Reading credentials (table cred) in any server. A cred row is immutable once a task refers to it: changing credentials means a new row
 * (kernel/cred-rows.ts). So a reader may keep the row number of a request without copying it, for as long as the request lives.
 */
import * as L from './gen/layout.js';

/** Capabilities. capabilities(7), linux/capability.h. */
export const enum Cap {
  CHOWN = 0, DAC_OVERRIDE = 1, DAC_READ_SEARCH = 2, FOWNER = 3, FSETID = 4, KILL = 5, SETGID = 6, SETUID = 7, SETPCAP = 8, LINUX_IMMUTABLE = 9,
  NET_BIND_SERVICE = 10, NET_BROADCAST = 11, NET_ADMIN = 12, NET_RAW = 13, IPC_LOCK = 14, IPC_OWNER = 15, SYS_MODULE = 16, SYS_RAWIO = 17, SYS_CHROOT = 18,
  SYS_PTRACE = 19, SYS_PACCT = 20, SYS_ADMIN = 21, SYS_BOOT = 22, SYS_NICE = 23, SYS_RESOURCE = 24, SYS_TIME = 25, SYS_TTY_CONFIG = 26, MKNOD = 27,
  LEASE = 28, AUDIT_WRITE = 29, AUDIT_CONTROL = 30, SETFCAP = 31, MAC_OVERRIDE = 32, MAC_ADMIN = 33, SYSLOG = 34, WAKE_ALARM = 35, BLOCK_SUSPEND = 36,
  AUDIT_READ = 37, PERFMON = 38, BPF = 39, CHECKPOINT_RESTORE = 40,
}
/** Highest capability number, as /proc/sys/kernel/cap_last_cap says. */
export const CAP_LAST = 40;
/** Supplementary groups that a row holds. */
export const GROUPS_MAX = 32;

/** Has a cred row the capability in its effective set? */
export function credCapable(cred: number, cap: Cap): boolean {
  return ((L.credCapEff(cred, cap >> 5) >>> (cap & 31)) & 1) !== 0;
}

/** capable(2)-like check for a task row. */
export function capable(task: number, cap: Cap): boolean { return credCapable(L.taskCred(task), cap); }

/** Is gid the file system group or a supplementary group? Used for file permissions. */
export function inGroup(cred: number, gid: number): boolean {
  if (L.credFsgid(cred) === gid) return true;
  const n = L.credNgroups(cred);
  for (let i = 0; i < n; i++) if (L.credGroups(cred, i) === gid) return true;
  return false;
}

export const uidOf = (task: number): number => L.credUid(L.taskCred(task));
export const euidOf = (task: number): number => L.credEuid(L.taskCred(task));
export const fsuidOf = (task: number): number => L.credFsuid(L.taskCred(task));
export const fsgidOf = (task: number): number => L.credFsgid(L.taskCred(task));

/** May cred `from` send a signal to a process with cred `to`? kill(2): real or effective uid equals the target's real or saved uid, or CAP_KILL. SIGCONT within a session is the caller's exception. */
export function maySignal(from: number, to: number): boolean {
  const e = L.credEuid(from);
  const r = L.credUid(from);
  const ts = L.credSuid(to);
  const tr = L.credUid(to);
  return e === ts || e === tr || r === ts || r === tr || credCapable(from, Cap.KILL);
}
