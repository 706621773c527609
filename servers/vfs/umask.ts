/**
 * The umask: a process's own, or that of an fs_struct. umask(2), clone(2) CLONE_FS.
 *
 * Nearly always the threads of one process share a umask and nobody else has it. Then it lives in the pctx (UMASK_OWN), where the stub changes it by itself, children and new
 * programs inherit it, and everything here reads it; a guest that writes there deceives itself alone. Before it comes to be shared otherwise (a process made with CLONE_FS, a thread without, unshare), the
 * stub asks for NR_UMASK_GIVE: it is taken from the pctx by exchange with 0, so that no change is lost, and from then on is the fs_struct's and a call here, for that process and what it makes.
 * With CARRICK_FASTPATH=0 it always is.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { type FsStruct, fsGet } from './fs-struct.js';
import { callerOf } from './syscalls/args.js';

const BITS = 0o777;

/** The umask of a task of process `tg` (row; 0 = carrick itself) with these directories. */
export function umaskOf(c: { readonly tg: number; readonly fs: FsStruct }): number {
  const word = c.tg === 0 ? 0 : native.pctxLoad(L.tgArea(c.tg), L.tgPctx(c.tg), L.PCTX_UMASK);
  return word > 0 && (word & L.UMASK_OWN) !== 0 ? word & BITS : c.fs.umask;
}

/** From now on the fs_struct has it. */
function take(f: Frame): FsStruct {
  const { fs } = callerOf(f);
  const word = native.pctxSwap(f.tg, L.PCTX_UMASK, 0);
  if (word > 0 && (word & L.UMASK_OWN) !== 0) fs.umask = word & BITS;
  return fs;
}

/** umask(2). */
function sys_umask(f: Frame): number {
  const fs = take(f);
  const old = fs.umask;
  fs.umask = f.argU32(0) & BITS;
  return old;
}

export function installUmask(ep: Endpoint): void {
  ep.handle(NR.NR_umask, sys_umask);
  ep.handle(L.NR_UMASK_GIVE, (f) => { take(f); return 0; });
  ep.on(Msg.UMASK_ASK, (m) => { ep.send(m.from, Msg.UMASK_TOLD, [m.w[0] as number, fsGet(m.w[1] as number)?.umask ?? 0]); });
}
