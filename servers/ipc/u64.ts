/** A 64-bit counter as two u32 words, for eventfd: exact where a Number is not, and without BigInt. */
const TWO32 = 4294967296;

export class U64 {
  constructor(public lo = 0, public hi = 0) {}

  set(lo: number, hi: number): void { this.lo = lo >>> 0; this.hi = hi >>> 0; }

  /** Add unless the sum would exceed 2^64 - 2; false when it would. */
  addBelowMax(lo: number, hi: number): boolean {
    const l = this.lo + (lo >>> 0);
    const carry = l >= TWO32 ? 1 : 0;
    const h = this.hi + (hi >>> 0) + carry;
    if (h >= TWO32) return false;
    if (h === 0xffffffff && (l >>> 0) === 0xffffffff) return false;
    this.lo = l >>> 0;
    this.hi = h;
    return true;
  }
}
