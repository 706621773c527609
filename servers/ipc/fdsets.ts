/** fd_set bitmaps of select(2) as a PollSet, and back. Pure. Which poll events each set stands for: fs/select.c POLLIN_SET, POLLOUT_SET, POLLEX_SET. */
import type { PollSet } from './poll-set.js';

const POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLRDNORM = 0x40, POLLRDBAND = 0x80, POLLWRNORM = 0x100, POLLWRBAND = 0x200;
export const IN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
export const OUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
export const EX_SET = POLLPRI;
/** Bits of PollSet.want above the poll events: which of the sets asked, in, out, except. */
const ASKED = 1 << 20;
const SETS = [IN_SET, OUT_SET, EX_SET] as const;

/** Bytes of a set of n fds: whole 64-bit words. */
export const setBytes = (n: number): number => Math.ceil(n / 64) * 8;

const has = (b: Buffer, off: number, fd: number): boolean => ((b[off + (fd >> 3)] as number) & (1 << (fd & 7))) !== 0;

/**
 * Read the three sets (offsets in `b`, -1 = NULL) into `set`. `lookup` gives the OFD row of an fd, or a negative number when it is not open, which
 * ends the reading and is returned.
 */
export function readSets(b: Buffer, offs: readonly [number, number, number], n: number, set: PollSet, lookup: (fd: number) => number): number {
  set.clear();
  for (let base = 0; base < n; base += 8) {
    let any = 0;
    for (const off of offs) if (off >= 0) any |= b[off + (base >> 3)] as number;
    if (any === 0) continue;
    for (let fd = base; fd < base + 8 && fd < n; fd++) {
      if ((any & (1 << (fd & 7))) === 0) continue;
      let want = 0;
      for (let s = 0; s < 3; s++) {
        const off = offs[s] as number;
        if (off >= 0 && has(b, off, fd)) want |= (SETS[s] as number) | (ASKED << s);
      }
      const row = lookup(fd);
      if (row < 0) return row;
      set.push(fd, row, want);
    }
  }
  return 0;
}

/** Turn what was found into the three result sets; returns the number of bits set. An fd counts only in sets that asked for it. */
export function writeSets(b: Buffer, offs: readonly [number, number, number], n: number, set: PollSet): number {
  const bytes = setBytes(n);
  for (const off of offs) if (off >= 0) b.fill(0, off, off + bytes);
  let bits = 0;
  for (let i = 0; i < set.n; i++) {
    const fd = set.fds[i] as number;
    for (let s = 0; s < 3; s++) {
      const off = offs[s] as number;
      if (off < 0 || !isSet(set, i, s)) continue;
      bits++;
      b[off + (fd >> 3)] = (b[off + (fd >> 3)] as number) | (1 << (fd & 7));
    }
  }
  return bits;
}

/** Is there any bit to report? What was found may be an error that only other sets would show. */
export function anySet(set: PollSet): boolean {
  for (let i = 0; i < set.n; i++) for (let s = 0; s < 3; s++) if (isSet(set, i, s)) return true;
  return false;
}

const isSet = (set: PollSet, i: number, s: number): boolean =>
  ((set.found[i] as number) & (SETS[s] as number)) !== 0 && ((set.want[i] as number) & (ASKED << s)) !== 0;
