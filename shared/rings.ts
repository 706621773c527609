/**
 * Worker-to-worker rings: one single-producer single-consumer ring per ordered pair of workers, in SharedArrayBuffers.
 *
 *   words   [0] head: bytes consumed, mod 2^32 (reader)   [16] tail: bytes produced (writer), on lines of their own
 *   data    from byte 128: records {u32 kind, u32 nbytes, f64 words[12], bytes padded to 8}; a record never wraps: when it does
 *           not fit before the end, a kind 0 record fills the rest.
 *
 * The writer publishes by storing tail (Atomics), then rings the reader's doorbell only if sleeping[reader] is 1; the reader stores
 * sleeping = 1 and looks at the tails once more before it sleeps, so one of the two sees the other. A full ring never blocks: the
 * message waits in the sender's overflow queue, in order.
 *
 * A quiet message wakes nobody: a sleeping reader takes it with whatever wakes it next, and since rings are drained before anything else, it still
 * comes before the request that woke it. It is for what matters only to later requests (a new process, a dead one's leavings). A reader that is
 * awake takes it before it sleeps, like any other; `nudge` after it wakes a reader that turned out to need it.
 *
 * A worker that has not been started yet is UNBORN: for writers a sleeper, whose doorbell makes it start (kernel/late-servers.ts). Quiet messages are not kept for it: it knows nothing that
 * it could be told to forget, and they must not be why it starts. From the first ring on it is ASLEEP, and gets everything, in order.
 */
import { SRV_COUNT, DB_RINGS } from './gen/layout.js';
import { native } from './native.js';

const DATA_OFF = 128;
/** A power of two, so that the byte counters may wrap at 2^32. */
const CAP = 128 * 1024;
const RING_BYTES = DATA_OFF + CAP;
const HEADER = 8 + 12 * 8;
/** Bytes that may wait in a ring for a sleeping reader. */
const QUIET_MAX = CAP / 4;
export const MSG_WORDS = 12;
/** Values of RingSet.sleeping. */
const AWAKE = 0, ASLEEP = 1, UNBORN = 2;

export interface RingSet {
  /** Index: from * SRV_COUNT + to. */
  readonly rings: readonly SharedArrayBuffer[];
  /** One word per server: AWAKE, ASLEEP, UNBORN. Writers: itself; before it starts, whoever needs it; before any worker starts, the main thread. */
  readonly sleeping: SharedArrayBuffer;
}

/** late: servers that will be started when they are needed. */
export function allocRings(late: readonly number[] = []): RingSet {
  const rings: SharedArrayBuffer[] = [];
  for (let i = 0; i < SRV_COUNT * SRV_COUNT; i++) rings.push(new SharedArrayBuffer(RING_BYTES));
  const sleeping = new SharedArrayBuffer(64);
  for (const srv of late) new Int32Array(sleeping)[srv] = UNBORN;
  return { rings, sleeping };
}

interface Ring { readonly i32: Int32Array; readonly u32: Uint32Array; readonly f64: Float64Array; readonly buf: Buffer }

function views(sab: SharedArrayBuffer): Ring {
  return { i32: new Int32Array(sab), u32: new Uint32Array(sab), f64: new Float64Array(sab), buf: Buffer.from(sab) };
}

/** A received message; borrowed: copy what you keep before you return. */
export interface Message {
  from: number;
  kind: number;
  readonly w: Float64Array;
  /** Bytes as latin1. */
  text: string;
}

interface Overflow { readonly to: number; readonly kind: number; readonly words: readonly number[]; readonly text: string }

export class RingPort {
  private readonly out: Ring[] = [];
  private readonly inn: Ring[] = [];
  private readonly sleeping: Int32Array;
  private readonly overflow: Overflow[] = [];
  private readonly msg: Message = { from: 0, kind: 0, w: new Float64Array(MSG_WORDS), text: '' };

  constructor(private readonly me: number, set: RingSet) {
    this.sleeping = new Int32Array(set.sleeping);
    for (let s = 0; s < SRV_COUNT; s++) {
      this.out.push(views(set.rings[me * SRV_COUNT + s] as SharedArrayBuffer));
      this.inn.push(views(set.rings[s * SRV_COUNT + me] as SharedArrayBuffer));
    }
    // From here on nobody rings for what is in the rings: the first turn looks into them.
    this.awake();
  }

  /** This server has not been started yet, nor asked for: it owns nothing, and has answered nobody. */
  isUnborn(srv: number): boolean { return Atomics.load(this.sleeping, srv) === UNBORN; }

  /** Send; words beyond those given are 0. Sending to oneself works like to any other. */
  send(to: number, kind: number, words: readonly number[], text = ''): void {
    if (this.overflow.length > 0 || !this.put(to, kind, words, text)) { this.overflow.push({ to, kind, words: words.slice(), text }); return; }
    this.nudge(to);
  }

  /** Send without waking, unless the ring fills up. */
  quiet(to: number, kind: number, words: readonly number[], text = ''): void {
    if (this.isUnborn(to)) return;
    if (this.overflow.length > 0 || !this.put(to, kind, words, text)) { this.overflow.push({ to, kind, words: words.slice(), text }); return; }
    const r = this.out[to] as Ring;
    if (((Atomics.load(r.i32, 16) - Atomics.load(r.i32, 0)) >>> 0) > QUIET_MAX) this.nudge(to);
  }

  /** Wake a reader that sleeps. */
  nudge(to: number): void {
    if (Atomics.load(this.sleeping, to) === AWAKE) return;
    this.needed(to);
    native.ringDoorbell(to, DB_RINGS);
  }

  /** A server that has not been started is about to be. */
  needed(srv: number): void { Atomics.compareExchange(this.sleeping, srv, UNBORN, ASLEEP); }

  private put(to: number, kind: number, words: readonly number[], text: string): boolean {
    const r = this.out[to] as Ring;
    const need = (HEADER + text.length + 7) & ~7;
    const head = Atomics.load(r.i32, 0) >>> 0;
    let tail = (r.u32[16] as number) >>> 0;
    const used = (tail - head) >>> 0;
    let at = tail % CAP;
    const skip = at + need > CAP ? CAP - at : 0;
    if (used + skip + need > CAP) {
      if (need > CAP / 2) throw new RangeError(`message of ${text.length} bytes does not fit a ring`);
      return false;
    }
    if (skip > 0) {
      r.u32[(DATA_OFF + at) >> 2] = 0;
      tail = (tail + skip) >>> 0;
      at = 0;
    }
    const o = DATA_OFF + at;
    r.u32[o >> 2] = kind;
    r.u32[(o >> 2) + 1] = text.length;
    for (let i = 0; i < MSG_WORDS; i++) r.f64[(o >> 3) + 1 + i] = words[i] ?? 0;
    if (text.length > 0) r.buf.latin1Write(text, o + HEADER);
    Atomics.store(r.i32, 16, (tail + need) | 0);
    return true;
  }

  /** Retry what did not fit. True when nothing is left over. */
  flush(): boolean {
    while (this.overflow.length > 0) {
      const m = this.overflow[0] as Overflow;
      if (!this.put(m.to, m.kind, m.words, m.text)) return false;
      this.nudge(m.to);
      this.overflow.shift();
    }
    return true;
  }

  /** Take every message there is. The handler may send. */
  drain(handler: (m: Message) => void): void {
    for (let s = 0; s < SRV_COUNT; s++) this.drainFrom(s, handler);
  }

  /** Take every message of one sender. */
  drainFrom(from: number, handler: (m: Message) => void): void {
    const r = this.inn[from] as Ring;
    let head = (r.u32[0] as number) >>> 0;
    while (head !== (Atomics.load(r.i32, 16) >>> 0)) {
      const at = head % CAP;
      const o = DATA_OFF + at;
      const kind = r.u32[o >> 2] as number;
      if (kind === 0) {
        head = (head + CAP - at) >>> 0;
        Atomics.store(r.i32, 0, head | 0);
        continue;
      }
      const len = r.u32[(o >> 2) + 1] as number;
      this.msg.from = from;
      this.msg.kind = kind;
      for (let i = 0; i < MSG_WORDS; i++) this.msg.w[i] = r.f64[(o >> 3) + 1 + i] as number;
      this.msg.text = len > 0 ? r.buf.latin1Slice(o + HEADER, o + HEADER + len) : '';
      head = (head + ((HEADER + len + 7) & ~7)) >>> 0;
      Atomics.store(r.i32, 0, head | 0);
      handler(this.msg);
    }
  }

  /** Say that this worker is about to sleep; true when something came in meanwhile and it must not. */
  prepareSleep(): boolean {
    Atomics.store(this.sleeping, this.me, ASLEEP);
    for (let s = 0; s < SRV_COUNT; s++) {
      const r = this.inn[s] as Ring;
      if (Atomics.load(r.i32, 0) !== Atomics.load(r.i32, 16)) { Atomics.store(this.sleeping, this.me, AWAKE); return true; }
    }
    return false;
  }

  awake(): void {
    Atomics.store(this.sleeping, this.me, AWAKE);
  }
}
