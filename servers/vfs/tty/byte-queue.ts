/** A bounded FIFO of bytes: a ring whose capacity is a power of two. Counters are absolute and masked on access, so full and empty differ. */

export class ByteQueue {
  private readonly ring: Uint8Array;
  private readonly mask: number;
  private head = 0;
  private tail = 0;

  constructor(capacity: number) {
    if ((capacity & (capacity - 1)) !== 0) throw new RangeError('capacity must be a power of two');
    this.ring = new Uint8Array(capacity);
    this.mask = capacity - 1;
  }

  get size(): number { return this.head - this.tail; }
  get room(): number { return this.ring.length - (this.head - this.tail); }

  /** False when full. */
  put(byte: number): boolean {
    if (this.head - this.tail === this.ring.length) return false;
    this.ring[this.head++ & this.mask] = byte;
    return true;
  }

  /** Append as much of src as fits: bytes taken. */
  putAll(src: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.room);
    const at = this.head & this.mask;
    const first = Math.min(n, this.ring.length - at);
    this.ring.set(src.subarray(off, off + first), at);
    if (n > first) this.ring.set(src.subarray(off + first, off + n), 0);
    this.head += n;
    return n;
  }

  /** Copy the first bytes to dst without taking them: bytes copied. */
  peek(dst: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.size);
    const at = this.tail & this.mask;
    const first = Math.min(n, this.ring.length - at);
    dst.set(this.ring.subarray(at, at + first), off);
    if (n > first) dst.set(this.ring.subarray(0, n - first), off + first);
    return n;
  }

  skip(n: number): void { this.tail += Math.min(n, this.size); }

  take(dst: Uint8Array, off: number, len: number): number {
    const n = this.peek(dst, off, len);
    this.tail += n;
    return n;
  }

  /** Drop everything after the first `keep` bytes. */
  truncate(keep: number): void { this.head = Math.min(this.head, this.tail + keep); }
  clear(): void { this.tail = this.head; }
}
