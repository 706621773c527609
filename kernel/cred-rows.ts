/**
 * Credential rows. A row that a task refers to never changes; to change credentials, copy the row, edit the copy, then point the task at it
 * (credentials(7); Linux's prepare_creds and commit_creds). Readers in other servers therefore need no lock.
 */
import { CAP_LAST, GROUPS_MAX } from '../shared/creds.js';
import * as L from '../shared/gen/layout.js';

/** Words of a cred row, to copy it. */
const WORDS = 64;
/** All capabilities, low and high word. */
export const CAP_ALL_LO = 0xffffffff;
export const CAP_ALL_HI = 2 ** (CAP_LAST - 31) - 1;

export class CredRows {
  private readonly free: number[] = [];
  private top = 1;

  /** Zeroed row with one user, or 0 when the table is full. */
  alloc(): number {
    const row = this.free.pop() ?? (this.top < L.CRED_ROWS ? this.top++ : 0);
    if (row === 0) return 0;
    L.clearCred(row);
    L.setCredRef(row, 1);
    return row;
  }

  /** Private copy of a row with one user, or 0. */
  copy(from: number): number {
    const row = this.alloc();
    if (row === 0) return 0;
    const w = L.credI32();
    w.copyWithin(row * WORDS + 1, from * WORDS + 1, (from + 1) * WORDS);
    return row;
  }

  ref(row: number): void { Atomics.add(L.credI32(), L.CRED_REF_AT(row), 1); }

  unref(row: number): void {
    if (Atomics.sub(L.credI32(), L.CRED_REF_AT(row), 1) === 1) this.free.push(row);
  }
}

/** The five capability sets of a row. */
export interface CapSet {
  readonly get: (row: number, ix: number) => number;
  readonly set: (row: number, ix: number, v: number) => void;
}
export const EFF: CapSet = { get: L.credCapEff, set: L.setCredCapEff };
export const PERM: CapSet = { get: L.credCapPerm, set: L.setCredCapPerm };
export const INH: CapSet = { get: L.credCapInh, set: L.setCredCapInh };
export const BSET: CapSet = { get: L.credCapBset, set: L.setCredCapBset };
export const AMB: CapSet = { get: L.credCapAmb, set: L.setCredCapAmb };

export function fillCaps(s: CapSet, row: number): void { s.set(row, 0, CAP_ALL_LO); s.set(row, 1, CAP_ALL_HI); }
export function clearCaps(s: CapSet, row: number): void { s.set(row, 0, 0); s.set(row, 1, 0); }
export function copyCaps(to: CapSet, from: CapSet, row: number): void { to.set(row, 0, from.get(row, 0)); to.set(row, 1, from.get(row, 1)); }
export const hasCap = (s: CapSet, row: number, cap: number): boolean => ((s.get(row, cap >> 5) >>> (cap & 31)) & 1) !== 0;
export function setCap(s: CapSet, row: number, cap: number, on: boolean): void {
  const bit = (1 << (cap & 31)) >>> 0;
  const v = s.get(row, cap >> 5);
  s.set(row, cap >> 5, (on ? v | bit : v & ~bit) >>> 0);
}
/** Is set a of row ra within set b of row rb? */
export function capsWithin(a: CapSet, ra: number, b: CapSet, rb: number): boolean {
  return (a.get(ra, 0) & ~b.get(rb, 0)) === 0 && (a.get(ra, 1) & ~b.get(rb, 1)) === 0;
}

/** All four uids and gids of a row at once. */
export function setAllIds(row: number, uid: number, gid: number): void {
  L.setCredUid(row, uid); L.setCredEuid(row, uid); L.setCredSuid(row, uid); L.setCredFsuid(row, uid);
  L.setCredGid(row, gid); L.setCredEgid(row, gid); L.setCredSgid(row, gid); L.setCredFsgid(row, gid);
}

/** Supplementary groups, cut at GROUPS_MAX. */
export function setGroups(row: number, groups: readonly number[]): void {
  const n = Math.min(groups.length, GROUPS_MAX);
  for (let i = 0; i < n; i++) L.setCredGroups(row, i, groups[i] as number);
  L.setCredNgroups(row, n);
}
