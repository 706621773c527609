/**
 * The bytes of read, write, readv, writev and their kin, between the guest and this worker's scratch at DATA.
 *
 * Small buffers came with the payload or go back with it; larger ones are read from or written to the guest's memory. A request has one `IoSpan` at a time: `plan*` decodes
 * the arguments, `gather` brings outgoing bytes to scratch, `scatter` delivers incoming ones. Spans are limited to what scratch
 * holds (IO_MAX), so very large transfers end short, as Linux permits.
 */
import { E } from './errno.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import { DATA, DATA_BYTES, scratch } from './host.js';

/** Longest transfer of one dispatch, bytes. */
export const IO_MAX = DATA_BYTES - 65536;
/** readv(2), IOV_MAX. */
export const IOV_MAX = 1024;
/** End of the guest's address space: TASK_SIZE_MAX of x86-64. */
const ADDR_MAX = 0x7ffffffff000;
/** Longest count Linux accepts in one call: MAX_RW_COUNT. */
export const RW_MAX = 0x7ffff000;

/** Where the guest's bytes are: pairs (address, length). One module-level list, valid until the next plan. */
const addr = new Float64Array(IOV_MAX);
const size = new Float64Array(IOV_MAX);
let segments = 0;
/** Payload argument that carries the whole buffer, -1 = guest memory. */
let carried = -1;
let total = 0;

/** Payload offset of a fixed struct that in argument i carries; -EFAULT for NULL, a fault, or fewer than `bytes`. */
export function structAt(f: Frame, i: number, bytes: number): number {
  const off = f.inOff(i);
  return off >= 0 && f.argLen(i) < bytes ? -E.EFAULT : off;
}

/** Payload offset of the room for a fixed struct that out argument i receives; -EFAULT likewise. */
export function structRoom(f: Frame, i: number, bytes: number): number {
  const off = f.outOff(i);
  return off >= 0 && f.argLen(i) < bytes ? -E.EFAULT : off;
}

/** One buffer: argument `ptr` and its length argument. Returns the length, or -EFAULT. */
export function planBuffer(f: Frame, ptr: number, len: number): number {
  const n = f.argU64(len);
  // access_ok comes first: a count, negative ones included, that leaves the address space. What is left is cut to RW_MAX.
  if (f.argU64(ptr) + n > ADDR_MAX) return -E.EFAULT;
  if (n > 0 && f.argLen(ptr) === L.ARG_FAULT) return -E.EFAULT;
  // Room for only a part of an out buffer: the rest would be cut off, so all of it goes by guest memory.
  carried = f.argLen(ptr) < L.ARG_TOOLONG && f.argLen(ptr) >= n && f.argU64(ptr) !== 0 ? ptr : -1;
  segments = 1;
  addr[0] = f.argU64(ptr);
  size[0] = Math.min(n, RW_MAX);
  total = size[0] as number;
  if (n > 0 && f.argU64(ptr) === 0) return -E.EFAULT;
  return total;
}

/** An iovec array in argument `iov`, counted by argument `count`. Returns the bytes in all, or -EINVAL, -EFAULT. */
export function planIovec(f: Frame, iov: number, count: number): number {
  const n = f.argU64(count);
  if (n > IOV_MAX) return -E.EINVAL;
  carried = -1;
  segments = 0;
  total = 0;
  if (n === 0) return 0;
  let off = f.inOff(iov);
  let view = f.view;
  if (off < 0) {
    if (f.argLen(iov) !== L.ARG_ELSEWHERE) return off;
    const r = f.copyIn(f.argU64(iov), DATA, n * 16);
    if (r < 0) return r;
    off = DATA;
    view = scratchAsView;
  } else if (f.argLen(iov) < n * 16) {
    return -E.EFAULT;
  }
  return planFrom(view, off, n);
}

const scratchAsView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

/** An iovec array of n entries in guest memory at `at` (msg_iov). Overwrites scratch at DATA. */
export function planIovecAt(f: Frame, at: number, n: number): number {
  if (n > IOV_MAX) return -E.EMSGSIZE;
  carried = -1;
  segments = 0;
  total = 0;
  const r = f.copyIn(at, DATA, n * 16);
  return r < 0 ? r : planFrom(scratchAsView, DATA, n);
}

function planFrom(view: DataView, off: number, n: number): number {
  for (let i = 0; i < n; i++) {
    const p = off + 16 * i;
    const len = view.getUint32(p + 8, true) + view.getUint32(p + 12, true) * 4294967296;
    if (len >= 2 ** 63) return -E.EINVAL;
    addr[i] = view.getUint32(p, true) + view.getUint32(p + 4, true) * 4294967296;
    const take = Math.min(len, RW_MAX - total);
    size[i] = take;
    total += take;
  }
  segments = n;
  return total;
}

/** Bring `len` outgoing bytes, from byte `skip` of the span, to scratch at DATA: bytes brought (IO_MAX at most), or -EFAULT if none. */
export function gather(f: Frame, skip: number, len: number): number {
  const want = Math.min(len, IO_MAX);
  if (carried >= 0) {
    const off = f.inOff(carried);
    if (off < 0) return off;
    const have = Math.min(want, f.argLen(carried) - skip);
    f.bytes.copy(scratch, DATA, off + skip, off + skip + have);
    return have;
  }
  let done = 0;
  let pass = skip;
  for (let i = 0; i < segments && done < want; i++) {
    const n = size[i] as number;
    if (pass >= n) { pass -= n; continue; }
    const part = Math.min(n - pass, want - done);
    const r = f.copyIn((addr[i] as number) + pass, DATA + done, part);
    pass = 0;
    if (r < 0) return done > 0 ? done : r;
    done += part;
  }
  return done;
}

/** Deliver `n` bytes at scratch DATA to the guest, at byte `skip` of the span: n, or -EFAULT when none arrived. */
export function scatter(f: Frame, n: number, skip = 0): number {
  if (carried >= 0) {
    const off = f.outOff(carried);
    if (off < 0) return off;
    const fits = Math.min(n, Math.max(0, f.argLen(carried) - skip));
    scratch.copy(f.bytes, off + skip, DATA, DATA + fits);
    f.setOut(carried, skip + fits);
    return fits;
  }
  let done = 0;
  let pass = skip;
  for (let i = 0; i < segments && done < n; i++) {
    const len = size[i] as number;
    if (pass >= len) { pass -= len; continue; }
    const part = Math.min(len - pass, n - done);
    const r = f.copyOut((addr[i] as number) + pass, DATA + done, part);
    pass = 0;
    if (r < 0) return done > 0 ? done : r;
    done += part;
  }
  return done;
}
