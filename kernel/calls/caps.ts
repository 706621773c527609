/** capget, capset: the capability sets of a task. capget(2), capabilities(7). */
import { E } from '../../shared/errno.js';
import { Cap, credCapable } from '../../shared/creds.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { taskByTid } from '../../shared/tasks.js';
import { AMB, BSET, CAP_ALL_HI, EFF, INH, PERM, capsWithin } from '../cred-rows.js';
import type { Kernel } from '../proc.js';
import { commitCreds } from './ids.js';

const V1 = 0x19980330, V2 = 0x20071026, V3 = 0x20080522;
/** Header and data pass through scratch: {version, pid} and up to two of {effective, permitted, inheritable}. */
const HEADER = host.DATA;
const BODY = host.DATA + 16;

/** Reads the header: number of 32-bit words per set (1 or 2), or -errno after telling the caller the version it should use. */
function readHeader(f: Frame): number {
  const r = f.copyIn(f.argU64(0), HEADER, 8);
  if (r < 0) return r;
  const version = host.scratchView.getUint32(HEADER, true);
  if (version === V1) return 1;
  if (version === V2 || version === V3) return 2;
  host.scratchView.setUint32(HEADER, V3, true);
  const w = f.copyOut(f.argU64(0), HEADER, 4);
  return w < 0 ? w : -E.EINVAL;
}

/** capget(2). EFAULT; EINVAL: version (a NULL data pointer makes that a probe, 0) or pid < 0; ESRCH. */
function sys_capget(f: Frame): number {
  const words = readHeader(f);
  if (words < 0) return words === -E.EINVAL && f.argU64(1) === 0 ? 0 : words;
  const pid = host.scratchView.getInt32(HEADER + 4, true);
  if (pid < 0) return -E.EINVAL;
  const task = pid === 0 ? f.task : taskByTid(pid);
  if (task === 0) return -E.ESRCH;
  if (f.argU64(1) === 0) return 0;
  const c = L.taskCred(task);
  for (let i = 0; i < words; i++) {
    host.scratchView.setUint32(BODY + 12 * i, EFF.get(c, i), true);
    host.scratchView.setUint32(BODY + 12 * i + 4, PERM.get(c, i), true);
    host.scratchView.setUint32(BODY + 12 * i + 8, INH.get(c, i), true);
  }
  const r = f.copyOut(f.argU64(1), BODY, 12 * words);
  return r < 0 ? r : 0;
}

/**
 * capset(2). EFAULT, EINVAL (version), EPERM: another task; a new permitted set beyond the old; an effective set beyond the new permitted one; an
 * inheritable set beyond inheritable and bounding (and permitted, without CAP_SETPCAP).
 */
function sys_capset(k: Kernel, f: Frame): number {
  const words = readHeader(f);
  if (words < 0) return words;
  const pid = host.scratchView.getInt32(HEADER + 4, true);
  if (pid !== 0 && pid !== L.taskTid(f.task)) return -E.EPERM;
  const r = f.copyIn(f.argU64(1), BODY, 12 * words);
  if (r < 0) return r;
  const old = L.taskCred(f.task);
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  for (let i = 0; i < 2; i++) {
    const mask = i === 0 ? 0xffffffff : CAP_ALL_HI;
    const get = (off: number): number => (i < words ? (host.scratchView.getUint32(BODY + 12 * i + off, true) & mask) >>> 0 : 0);
    EFF.set(row, i, get(0));
    PERM.set(row, i, get(4));
    INH.set(row, i, get(8));
  }
  if (!allowed(old, row)) { k.creds.unref(row); return -E.EPERM; }
  // What is no longer both permitted and inheritable cannot stay ambient.
  for (let i = 0; i < 2; i++) AMB.set(row, i, (AMB.get(row, i) & PERM.get(row, i) & INH.get(row, i)) >>> 0);
  return commitCreds(k, f.task, row);
}

function allowed(old: number, row: number): boolean {
  const setpcap = credCapable(old, Cap.SETPCAP);
  for (let i = 0; i < 2; i++) {
    const inh = INH.get(row, i);
    if (!setpcap && (inh & ~(INH.get(old, i) | PERM.get(old, i))) !== 0) return false;
    if ((inh & ~(INH.get(old, i) | BSET.get(old, i))) !== 0) return false;
  }
  return capsWithin(PERM, row, PERM, old) && capsWithin(EFF, row, PERM, row);
}

export function installCaps(k: Kernel): void {
  k.ep.handle(NR.NR_capget, sys_capget);
  k.ep.handle(NR.NR_capset, (f) => sys_capset(k, f));
}
