/**
 * Registers of a stopped task: in its ptstop and its extended state, both in its own memory (docs/internals.md §11). Results: >= 0 or -errno;
 * the data is in this worker's scratch at DATA.
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { native } from '../../shared/native.js';
import type { Tracee } from './tracee.js';

/** struct user_regs_struct, bytes; words in it. */
export const REGS_BYTES = 27 * 8;
export const enum Reg { RAX = 10, RDI = 14, RSI = 13, RDX = 12, R10 = 7, R8 = 9, R9 = 8, ORIG_RAX = 15, RIP = 16, RSP = 19, FS_BASE = 21, GS_BASE = 22 }
/** struct user_i387_struct, the legacy part of xsave. */
export const FP_BYTES = 512;
/** Software's bytes in it, which the tracer sees as the mask of features. */
const SW_BYTES = 464, SW_FEATURES = SW_BYTES + 8;
const XSTATE_BV = 512;
/** What a feature that is not in xstate_bv looks like: all zeros, but for these control words. */
const FCW_INIT = 0x37f, MXCSR_INIT = 0x1f80;
const FP_MAX = 16384;
const TASK_SIZE_HI = 0x7fff;

/** General registers into scratch. */
export function loadRegs(t: Tracee): number {
  return native.readMemory(t.proc.tg, t.at + L.PTSTOP_REGS, host.DATA, REGS_BYTES) === REGS_BYTES ? 0 : -E.EIO;
}

/** EIO: a segment base outside user space. */
export function storeRegs(t: Tracee): number {
  for (const r of [Reg.FS_BASE, Reg.GS_BASE]) if (host.scratchView.getUint32(host.DATA + 8 * r + 4, true) > TASK_SIZE_HI) return -E.EIO;
  return native.writeMemory(t.proc.tg, t.at + L.PTSTOP_REGS, host.DATA, REGS_BYTES) === REGS_BYTES ? 0 : -E.EIO;
}

/** Address and size of the extended state as the frame has it. */
function place(t: Tracee): { at: number; bytes: number } {
  const v = host.scratchView;
  if (native.readMemory(t.proc.tg, t.at + L.PTSTOP_FP, host.DATA, 16) !== 16) return { at: 0, bytes: 0 };
  const at = v.getUint32(host.DATA, true) + v.getUint32(host.DATA + 4, true) * 4294967296;
  const bytes = v.getUint32(host.DATA + 8, true);
  return bytes < FP_BYTES || bytes > FP_MAX ? { at: 0, bytes: 0 } : { at, bytes };
}

/** Extended state into scratch, as PTRACE_GETREGSET shows it: its bytes, or -EIO. */
export function loadXstate(t: Tracee): number {
  const { at, bytes } = place(t);
  const v = host.scratchView;
  const o = host.DATA;
  if (at === 0 || native.readMemory(t.proc.tg, at, o, bytes) !== bytes) return -E.EIO;
  const lo = v.getUint32(o + SW_FEATURES, true);
  const hi = v.getUint32(o + SW_FEATURES + 4, true);
  const has = bytes > XSTATE_BV ? v.getUint32(o + XSTATE_BV, true) : 3;
  host.scratch.fill(0, o + SW_BYTES, o + FP_BYTES);
  v.setUint32(o + SW_BYTES, bytes > XSTATE_BV ? lo : 3, true);
  v.setUint32(o + SW_BYTES + 4, bytes > XSTATE_BV ? hi : 0, true);
  if ((has & 1) === 0) {
    host.scratch.fill(0, o, o + 24);
    host.scratch.fill(0, o + 32, o + 160);
    v.setUint16(o, FCW_INIT, true);
  }
  if ((has & 2) === 0) host.scratch.fill(0, o + 160, o + 416);
  if ((has & 7) === 0) v.setUint32(o + 24, MXCSR_INIT, true);
  if ((has & 4) === 0 && bytes >= 832) host.scratch.fill(0, o + 576, o + 832);
  return bytes;
}

/** Extended state from scratch, `bytes` of it: the frame's own software bytes stay. A legacy image makes x87 and SSE present. */
export function storeXstate(t: Tracee, bytes: number): number {
  const keep = Buffer.from(host.scratch.subarray(host.DATA, host.DATA + bytes));
  const { at, bytes: all } = place(t);
  const { tg } = t.proc;
  if (at === 0 || bytes > all) return -E.EIO;
  const write = (off: number, from: number, len: number): boolean => {
    keep.copy(host.scratch, host.DATA, from, from + len);
    return native.writeMemory(tg, at + off, host.DATA, len) === len;
  };
  if (!write(0, 0, SW_BYTES)) return -E.EIO;
  if (bytes > FP_BYTES) return write(FP_BYTES, FP_BYTES, bytes - FP_BYTES) ? 0 : -E.EIO;
  if (all <= XSTATE_BV) return 0;
  if (native.readMemory(tg, at + XSTATE_BV, host.DATA, 4) !== 4) return -E.EIO;
  host.scratchView.setUint32(host.DATA, host.scratchView.getUint32(host.DATA, true) | 3, true);
  return native.writeMemory(tg, at + XSTATE_BV, host.DATA, 4) === 4 ? 0 : -E.EIO;
}
