/**
 * What one poll or select asks about, and the answer: parallel arrays of fds, OFD rows, wanted and found events.
 *
 * `asked` is the module's scratch set, filled and evaluated without allocation; a call that has to wait keeps a copy of its own (`keep`), with a reference on every
 * OFD (as Linux holds the files), until it ends. Pure but for `evaluate`'s environment, which tests replace.
 */
import { PollClass } from './ready.js';
import { POLLNVAL } from './abi.js';

/** What evaluation needs; an interface for the tests. */
export interface PollEnv {
  classOf(row: number): PollClass;
  /** Readiness of a SOFT or ALWAYS OFD, cut to `events` and errors. */
  mask(row: number, events: number): number;
  hostFd(row: number): number;
  /** Ask the host about the `n` pairs set by `put`: what `got` then tells. -errno on failure. */
  put(ix: number, hostFd: number, events: number): void;
  pollNow(n: number): number;
  got(ix: number): number;
}

/** Host fds asked about in one host poll. */
export const HOST_BATCH = 8192;

export class PollSet {
  n = 0;
  fds: Int32Array;
  /** OFD row; 0 = no OFD (ignored fd), -1 = fd not open. */
  rows: Int32Array;
  want: Int32Array;
  found: Int32Array;

  constructor(size: number) {
    this.fds = new Int32Array(size);
    this.rows = new Int32Array(size);
    this.want = new Int32Array(size);
    this.found = new Int32Array(size);
  }

  clear(): void { this.n = 0; }

  push(fd: number, row: number, want: number): void {
    if (this.n === this.fds.length) this.grow();
    const i = this.n++;
    this.fds[i] = fd;
    this.rows[i] = row;
    this.want[i] = want;
    this.found[i] = 0;
  }

  private grow(): void {
    const wider = (a: Int32Array): Int32Array => { const b = new Int32Array(2 * a.length); b.set(a); return b; };
    this.fds = wider(this.fds);
    this.rows = wider(this.rows);
    this.want = wider(this.want);
    this.found = wider(this.found);
  }

  /** A copy of exactly this size, for a call that waits. */
  keep(): PollSet {
    const s = new PollSet(Math.max(1, this.n));
    s.n = this.n;
    s.fds.set(this.fds.subarray(0, this.n));
    s.rows.set(this.rows.subarray(0, this.n));
    s.want.set(this.want.subarray(0, this.n));
    return s;
  }

  /** Fill `found`; returns how many entries have something to report, or -errno. */
  evaluate(env: PollEnv): number {
    let count = 0;
    let pending = 0;
    let first = 0;
    for (let i = 0; i < this.n; i++) {
      const row = this.rows[i] as number;
      if (row <= 0) {
        this.found[i] = row < 0 ? POLLNVAL : 0;
        if (row < 0) count++;
        continue;
      }
      if (env.classOf(row) !== PollClass.HOST) {
        const got = env.mask(row, this.want[i] as number);
        this.found[i] = got;
        if (got !== 0) count++;
        continue;
      }
      env.put(pending++, env.hostFd(row), this.want[i] as number);
      if (pending === HOST_BATCH) {
        const r = this.askHost(env, first, i + 1, pending);
        if (r < 0) return r;
        count += r;
        pending = 0;
        first = i + 1;
      }
    }
    if (pending > 0) {
      const r = this.askHost(env, first, this.n, pending);
      if (r < 0) return r;
      count += r;
    }
    return count;
  }

  private askHost(env: PollEnv, from: number, to: number, pending: number): number {
    const r = env.pollNow(pending);
    if (r < 0) return r;
    let ix = 0;
    for (let i = from; i < to && ix < pending; i++) {
      const row = this.rows[i] as number;
      if (row > 0 && env.classOf(row) === PollClass.HOST) this.found[i] = env.got(ix++);
    }
    return r;
  }
}
