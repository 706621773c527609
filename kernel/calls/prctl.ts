/**
 * prctl(2): one operation per entry of OPS. What Linux knows and carrick does not is EINVAL, as on a kernel built without it.
 * Sources: prctl(2) and PR_*(2const) of man-pages 6.9; capabilities(7) for securebits and ambient sets.
 */
import { Cap, CAP_LAST, credCapable } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import { AMB, BSET, INH, PERM, clearCaps, hasCap, setCap } from '../cred-rows.js';
import { SECBIT_KEEP_CAPS } from '../exec/exec-creds.js';
import { type Kernel, setComm } from '../proc.js';
import { commitCreds } from './ids.js';

const NAME_BYTES = 16;
const TIMERSLACK_DEFAULT = 50000;
/** Each securebit has its lock in the bit above it. */
const SECURE_ALL_BITS = 0x55, SECURE_ALL_LOCKS = 0xaa;
const PR_TSC_ENABLE = 1;
const AMBIENT_IS_SET = 1, AMBIENT_RAISE = 2, AMBIENT_LOWER = 3, AMBIENT_CLEAR_ALL = 4;

type Op = (k: Kernel, f: Frame) => number;
const arg = (f: Frame, i: number): number => f.argU64(i - 1);
/** Arguments from i on must be 0. */
function zeroFrom(f: Frame, i: number): boolean {
  for (let a = i; a <= 5; a++) if (arg(f, a) !== 0) return false;
  return true;
}

function putInt(f: Frame, addr: number, v: number): number {
  host.scratchView.setInt32(host.STRUCT, v, true);
  const r = f.copyOut(addr, host.STRUCT, 4);
  return r < 0 ? r : 0;
}

function setName(_k: Kernel, f: Frame): number {
  const addr = arg(f, 2);
  // At most 15 bytes and a NUL are looked at: what follows may not be mapped.
  let n = native.readString(f.tg, addr, host.DATA, NAME_BYTES - 1);
  if (n === -E.ENAMETOOLONG) n = NAME_BYTES - 1;
  if (n < 0) return n;
  setComm(f.task, host.scratch.latin1Slice(host.DATA, host.DATA + n));
  return 0;
}

function getName(_k: Kernel, f: Frame): number {
  const b = L.taskU8();
  const at = L.TASK_COMM_BYTE(f.task);
  for (let i = 0; i < NAME_BYTES; i++) host.scratch[host.DATA + i] = b[at + i] as number;
  const r = f.copyOut(arg(f, 2), host.DATA, NAME_BYTES);
  return r < 0 ? r : 0;
}

function setDumpable(_k: Kernel, f: Frame): number {
  if (arg(f, 2) > 1) return -E.EINVAL;
  L.setTgDumpable(f.tg, arg(f, 2));
  return 0;
}

function setKeepcaps(k: Kernel, f: Frame): number {
  const on = arg(f, 2);
  const old = L.taskCred(f.task);
  if (on > 1) return -E.EINVAL;
  // SECBIT_KEEP_CAPS_LOCKED
  if ((L.credSecurebits(old) & (SECBIT_KEEP_CAPS << 1)) !== 0) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  L.setCredSecurebits(row, on === 1 ? L.credSecurebits(old) | SECBIT_KEEP_CAPS : L.credSecurebits(old) & ~SECBIT_KEEP_CAPS);
  return commitCreds(k, f.task, row);
}

function setSecurebits(k: Kernel, f: Frame): number {
  const old = L.taskCred(f.task);
  const had = L.credSecurebits(old);
  const want = arg(f, 2);
  const locked = (had & SECURE_ALL_LOCKS) >> 1;
  if (want > 0xff || ((had ^ want) & locked) !== 0 || (had & SECURE_ALL_LOCKS & ~want) !== 0 || (want & ~(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) !== 0 || !credCapable(old, Cap.SETPCAP)) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  L.setCredSecurebits(row, want);
  return commitCreds(k, f.task, row);
}

function capbsetDrop(k: Kernel, f: Frame): number {
  const cap = arg(f, 2);
  const old = L.taskCred(f.task);
  if (!credCapable(old, Cap.SETPCAP)) return -E.EPERM;
  if (cap > CAP_LAST) return -E.EINVAL;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  setCap(BSET, row, cap, false);
  return commitCreds(k, f.task, row);
}

function capAmbient(k: Kernel, f: Frame): number {
  const op = arg(f, 2);
  const cap = arg(f, 3);
  const old = L.taskCred(f.task);
  if (op === AMBIENT_CLEAR_ALL ? !zeroFrom(f, 3) : (!zeroFrom(f, 4) || cap > CAP_LAST)) return -E.EINVAL;
  if (op === AMBIENT_IS_SET) return hasCap(AMB, old, cap) ? 1 : 0;
  if (op !== AMBIENT_RAISE && op !== AMBIENT_LOWER && op !== AMBIENT_CLEAR_ALL) return -E.EINVAL;
  // SECBIT_NO_CAP_AMBIENT_RAISE
  if (op === AMBIENT_RAISE && (!hasCap(PERM, old, cap) || !hasCap(INH, old, cap) || (L.credSecurebits(old) & 0x40) !== 0)) return -E.EPERM;
  const row = k.creds.copy(old);
  if (row === 0) return -E.EAGAIN;
  if (op === AMBIENT_CLEAR_ALL) clearCaps(AMB, row); else setCap(AMB, row, cap, op === AMBIENT_RAISE);
  return commitCreds(k, f.task, row);
}

function setTimerslack(k: Kernel, f: Frame): number {
  const ns = f.argOff(1);
  k.timerSlack[f.task] = ns <= 0 ? TIMERSLACK_DEFAULT : ns;
  return 0;
}

const OPS: ReadonlyMap<number, Op> = new Map<number, Op>([
  /* PR_SET_PDEATHSIG */ [1, (k, f) => { if (arg(f, 2) > 64) return -E.EINVAL; k.pdeathsig[f.task] = arg(f, 2); return 0; }],
  /* PR_GET_PDEATHSIG */ [2, (k, f) => putInt(f, arg(f, 2), k.pdeathsig[f.task] as number)],
  /* PR_GET_DUMPABLE */ [3, (_k, f) => L.tgDumpable(f.tg)],
  /* PR_SET_DUMPABLE */ [4, setDumpable],
  /* PR_GET_KEEPCAPS */ [7, (_k, f) => ((L.credSecurebits(L.taskCred(f.task)) & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0)],
  /* PR_SET_KEEPCAPS */ [8, setKeepcaps],
  /* PR_GET_TIMING */ [13, () => 0],
  /* PR_SET_TIMING: only the statistical kind, 0 */ [14, (_k, f) => (arg(f, 2) === 0 ? 0 : -E.EINVAL)],
  /* PR_SET_NAME */ [15, setName],
  /* PR_GET_NAME */ [16, getName],
  /* PR_GET_SECCOMP: no filter of its own is ever installed */ [21, () => 0],
  /* PR_CAPBSET_READ */ [23, (_k, f) => (arg(f, 2) > CAP_LAST ? -E.EINVAL : hasCap(BSET, L.taskCred(f.task), arg(f, 2)) ? 1 : 0)],
  /* PR_CAPBSET_DROP */ [24, capbsetDrop],
  /* PR_GET_TSC */ [25, (_k, f) => putInt(f, arg(f, 2), PR_TSC_ENABLE)],
  /* PR_SET_TSC: reading the time stamp counter cannot be forbidden here */ [26, (_k, f) => (arg(f, 2) === PR_TSC_ENABLE ? 0 : -E.EINVAL)],
  /* PR_GET_SECUREBITS */ [27, (_k, f) => L.credSecurebits(L.taskCred(f.task))],
  /* PR_SET_SECUREBITS */ [28, setSecurebits],
  /* PR_SET_TIMERSLACK */ [29, setTimerslack],
  /* PR_GET_TIMERSLACK */ [30, (k, f) => k.timerSlack[f.task] as number],
  /* PR_MCE_KILL_GET: PR_MCE_KILL_DEFAULT */ [34, (_k, f) => (zeroFrom(f, 2) ? 2 : -E.EINVAL)],
  /* PR_SET_CHILD_SUBREAPER */ [36, (_k, f) => { L.setTgSubreaper(f.tg, arg(f, 2) !== 0 ? 1 : 0); return 0; }],
  /* PR_GET_CHILD_SUBREAPER */ [37, (_k, f) => putInt(f, arg(f, 2), L.tgSubreaper(f.tg))],
  /* PR_SET_NO_NEW_PRIVS */ [38, (_k, f) => { if (arg(f, 2) !== 1 || !zeroFrom(f, 3)) return -E.EINVAL; L.setTgNoNewPrivs(f.tg, 1); return 0; }],
  /* PR_GET_NO_NEW_PRIVS */ [39, (_k, f) => (zeroFrom(f, 2) ? L.tgNoNewPrivs(f.tg) : -E.EINVAL)],
  /* PR_GET_TID_ADDRESS: in the host's hands */ [40, () => -E.EINVAL],
  /* PR_GET_THP_DISABLE */ [42, (_k, f) => (zeroFrom(f, 2) ? 0 : -E.EINVAL)],
  /* PR_CAP_AMBIENT */ [47, capAmbient],
]);

function sys_prctl(k: Kernel, f: Frame): number {
  const op = OPS.get(f.argInt(0));
  return op === undefined ? -E.EINVAL : op(k, f);
}

export function installPrctl(k: Kernel): void {
  k.ep.handle(NR.NR_prctl, (f) => sys_prctl(k, f));
}
