/**
 * A request as a handler sees it: a record of the inbox. One Frame object per record, made at boot and reused.
 *
 * Everything in it was copied from guest memory once (D3) and does not change while it is parked. Handlers keep progress across
 * re-dispatch only in `p` (numbers) and `obj`; both are cleared when the request is finished. Output: `setOut` says how many bytes of an out argument's
 * room were produced; `setReply*` adds reply flags. Offsets are into `bytes` (this worker's inbox).
 */
import { E } from './errno.js';
import * as L from './gen/layout.js';
import { native } from './native.js';
import { type Timer, type WaitQueue, type Waiter, Why } from './wait.js';

export class Frame implements Waiter {
  nr = 0;
  task = 0;
  tg = 0;
  slot = 0;
  why: Why = Why.FIRST;
  /** Absolute deadline, CLOCK_MONOTONIC ns; Infinity = none. Set by the handler at first dispatch. */
  deadlineNs = Infinity;
  /** Progress across re-dispatch. */
  readonly p = new Float64Array(8);
  obj: unknown = undefined;
  parked = false;
  /** It has waited for the kernel to read what was posted before it; see Endpoint.dispatch. */
  settled = false;
  /** In the endpoint's list of frames to dispatch again. */
  queued = false;
  queues: WaitQueue[] = [];
  timer: Timer;
  /** With a trace or a profile: when it arrived, and how long it has been in its handler since. */
  startNs = 0;
  busyNs = 0;
  private readonly out = new Int32Array(6);
  private readonly word: number;
  /** First byte of the payload in `bytes`. */
  readonly payload: number;

  constructor(
    readonly rec: number, private readonly u32: Uint32Array, readonly bytes: Buffer, readonly view: DataView,
    private readonly wakeup: (f: Frame, why: Why) => void, makeTimer: (fire: () => void) => Timer,
  ) {
    this.word = rec * (L.SLOT_STRIDE / 4);
    this.payload = rec * L.SLOT_STRIDE + L.PAYLOAD_OFF;
    this.timer = makeTimer(() => this.wakeup(this, Why.TIMEOUT));
  }

  onWake(_queue: WaitQueue): void { this.wakeup(this, Why.WOKEN); }

  /** Load what identifies the request; called by the endpoint on arrival. */
  arrive(recTask: number, recTg: number, recSlot: number): void {
    const w = this.word;
    this.nr = (this.u32[w + L.SLOT_NR / 4] as number) | 0;
    this.task = this.u32[w + recTask / 4] as number;
    this.tg = this.u32[w + recTg / 4] as number;
    this.slot = this.u32[w + recSlot / 4] as number;
    this.why = Why.FIRST;
    this.deadlineNs = Infinity;
    this.u32[w + L.SLOT_RFLAGS / 4] = 0;
    this.u32[w + L.SLOT_CTL_NEED / 4] = 0;
    this.u32[w + L.SLOT_RPID / 4] = 0;
    this.replyBytes = 0;
  }

  /** Argument i as a signed 32-bit int (C `int`: upper half ignored, as Linux does). */
  argInt(i: number): number { return (this.u32[this.word + L.SLOT_ARGS / 4 + 2 * i] as number) | 0; }
  /** Argument i as unsigned 32 bits. */
  argU32(i: number): number { return this.u32[this.word + L.SLOT_ARGS / 4 + 2 * i] as number; }
  argHi(i: number): number { return this.u32[this.word + L.SLOT_ARGS / 4 + 2 * i + 1] as number; }
  /** Argument i as an unsigned 64-bit Number (exact to 2^53). */
  argU64(i: number): number { return this.argU32(i) + this.argHi(i) * 4294967296; }
  /** Argument i as a signed 64-bit Number: off_t, long (exact to 2^53). */
  argOff(i: number): number { return this.argU32(i) + (this.argHi(i) | 0) * 4294967296; }

  /** Raw arglen word: bytes, or ARG_*. */
  argLen(i: number): number { return this.u32[this.word + L.SLOT_ARGLEN / 4 + i] as number; }

  /** Offset in `bytes` of what argument i points to, when it was carried; -EFAULT when it could not be read or is NULL. */
  inOff(i: number): number {
    const len = this.argLen(i);
    if (len >= L.ARG_TOOLONG || this.argU64(i) === 0) return -E.EFAULT;
    const off = this.u32[this.word + L.SLOT_ARGOFF / 4 + i] as number;
    // Past inlen lies what an earlier request left in the record.
    return off + len > (this.u32[this.word + L.SLOT_INLEN / 4] as number) ? -E.EFAULT : this.payload + off;
  }

  /** Room in `bytes` for out argument i: offset, or -EFAULT for NULL. */
  outOff(i: number): number {
    const len = this.argLen(i);
    if (len >= L.ARG_TOOLONG || this.argU64(i) === 0) return -E.EFAULT;
    const off = this.u32[this.word + L.SLOT_ARGOFF / 4 + i] as number;
    return off + len > L.PAYLOAD_MAX ? -E.EFAULT : this.payload + off;
  }
  /** Bytes of that room; 0 when elsewhere or NULL. */
  outCap(i: number): number { const n = this.argLen(i); return n >= L.ARG_TOOLONG ? 0 : n; }
  /** Room for an answer that the stub may remember (out argument 5 of calls that have no sixth): offset in `bytes`, -1 = it wants none. */
  answerOff(room: number): number {
    const len = this.argLen(5), off = this.u32[this.word + L.SLOT_ARGOFF / 4 + 5] as number;
    return len < room || len >= L.ARG_TOOLONG || off + len > L.PAYLOAD_MAX ? -1 : this.payload + off;
  }
  /** n bytes of out argument i were produced. */
  setOut(i: number, n: number): void { this.out[i] = n; }
  /** How many they are so far. */
  produced(i: number): number { return this.out[i] as number; }

  /** String argument as latin1, or -EFAULT, -ENAMETOOLONG. */
  str(i: number): string | number {
    const len = this.argLen(i);
    if (len === L.ARG_TOOLONG) return -E.ENAMETOOLONG;
    const off = this.inOff(i);
    if (off < 0) return off;
    return this.bytes.latin1Slice(off, off + len);
  }

  /** Word i of what the stub owes, 0 = no more. */
  owed(i: number): number { return this.u32[this.word + L.SLOT_OWED / 4 + i] as number; }

  get rflags(): number { return this.u32[this.word + L.SLOT_RFLAGS / 4] as number; }
  setReplyFlag(flag: number): void { this.u32[this.word + L.SLOT_RFLAGS / 4] = this.rflags | flag; }
  /** The stub must have received that many control messages before it acts on the reply. */
  setCtlNeed(n: number): void { this.u32[this.word + L.SLOT_CTL_NEED / 4] = n; }
  /** The stub must reap this pid on the host too (RF_REAP); `live`: when it has ended there, which it is about to. */
  setReap(pid: number, live: boolean): void {
    this.u32[this.word + L.SLOT_RPID / 4] = pid;
    this.setReplyFlag(live ? L.RF_REAP | L.RF_REAP_LIVE : L.RF_REAP);
  }
  /** Bytes from payload offset 0 that the reply carries (clone plan, signal delivery). */
  replyBytes = 0;

  /** Store result and produced lengths into the record's header; called by the endpoint. */
  seal(ret: number): void {
    const w = this.word;
    this.u32[w + L.SLOT_RET / 4] = ret >>> 0;
    this.u32[w + L.SLOT_RET / 4 + 1] = ret < 0 ? Math.floor(ret / 4294967296) >>> 0 : Math.floor(ret / 4294967296) >>> 0;
    for (let i = 0; i < 6; i++) {
      this.u32[w + L.SLOT_ARGLEN / 4 + i] = this.out[i] as number;
      this.out[i] = 0;
    }
    this.u32[w + L.SLOT_INLEN / 4] = this.replyBytes;
    this.replyBytes = 0;
  }

  /** Forget progress; called by the endpoint when the request is over. */
  reset(): void {
    this.p.fill(0);
    this.settled = false;
    this.obj = undefined;
    this.deadlineNs = Infinity;
    this.out.fill(0);
  }

  // ---- guest memory, for what a payload cannot carry ----

  /** Copy from the guest into this worker's scratch: len, or -EFAULT when not all of it could be read. */
  copyIn(addr: number, scratchOff: number, len: number): number {
    if (len === 0) return 0;
    const n = native.readMemory(this.tg, addr, scratchOff, len);
    return n === len ? n : -E.EFAULT;
  }

  /** Copy from scratch to the guest: len, or -EFAULT when not all of it could be written. */
  copyOut(addr: number, scratchOff: number, len: number): number {
    if (len === 0) return 0;
    const n = native.writeMemory(this.tg, addr, scratchOff, len);
    return n === len ? n : -E.EFAULT;
  }
}
