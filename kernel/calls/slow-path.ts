/**
 * What the stub answers by itself on the fast path, for CARRICK_FASTPATH=0: random bytes, sched_yield, getcpu. Their pointers are not carried, so guest
 * memory is written by address. (Clocks and sleeps are the signal server's.) getrandom(2), getcpu(2).
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import type { Kernel } from '../proc.js';

const NR_HOST_getrandom = 318;
const GRND_FLAGS = 7;

function put(f: Frame, addr: number, len: number): number {
  const r = f.copyOut(addr, host.STRUCT, len);
  return r < 0 ? r : 0;
}

/** getcpu(2): there is no telling from outside; CPU 0 is always there. */
function sys_getcpu(f: Frame): number {
  host.scratchView.setUint32(host.STRUCT, 0, true);
  for (let i = 0; i < 2; i++) {
    if (f.argU64(i) === 0) continue;
    const r = put(f, f.argU64(i), 4);
    if (r < 0) return r;
  }
  return 0;
}

/** getrandom(2). EINVAL (flags), EFAULT. Large requests are answered in part, as Linux may. */
function sys_getrandom(f: Frame): number {
  const flags = f.argU32(2);
  // GRND_RANDOM and GRND_INSECURE together make no sense.
  if ((flags & ~GRND_FLAGS) !== 0 || (flags & 6) === 6) return -E.EINVAL;
  const len = Math.min(f.argU64(1), host.DATA_BYTES);
  if (len === 0) return 0;
  const n = native.sys(NR_HOST_getrandom, 0b1, host.DATA, len, flags | 1);
  if (n <= 0) return n;
  const r = f.copyOut(f.argU64(0), host.DATA, n);
  return r < 0 ? r : n;
}

export function installSlowPath(k: Kernel): void {
  const { ep } = k;
  ep.handle(NR.NR_getcpu, sys_getcpu);
  ep.handle(NR.NR_getrandom, sys_getrandom);
  ep.handle(NR.NR_sched_yield, () => 0);
}
