/**
 * A server's log of answered calls, for `carrick profile`: a ring in shared memory that the server's worker writes and the main thread reads. Nobody waits:
 * what is overwritten before it is read is lost, and counted.
 *
 *   word 0 (Int32): records written so far, wraps      then CAPACITY records of WORDS doubles
 */
import type { Endpoint } from './endpoint.js';
import * as L from './gen/layout.js';
import { native } from './native.js';

/** host tid, call number, arrival ns, answer ns, ns in handlers, result (NaN: its task died first). Times are CLOCK_MONOTONIC. */
const WORDS = 6;
const CAPACITY = 1 << 15;
const HEADER = 8;

export interface LoggedCall {
  readonly srv: number;
  /** On the host. */
  readonly tid: number;
  readonly nr: number;
  readonly startNs: number;
  readonly endNs: number;
  /** In handlers; the rest of the time it was parked. */
  readonly busyNs: number;
  readonly ret: number;
}

export function allocCallLog(): SharedArrayBuffer { return new SharedArrayBuffer(HEADER + CAPACITY * WORDS * 8); }

/** Log every call that the endpoint answers. */
export function installCallLog(ep: Endpoint, log: SharedArrayBuffer): void {
  const head = new Int32Array(log, 0, 1);
  const records = new Float64Array(log, HEADER);
  let n = 0;
  ep.trace = (f, ret, ns): void => {
    // The stub's own requests are not the program's calls, but a clone's second half, which takes its time.
    if (f.nr < 0) return;
    const at = (n % CAPACITY) * WORDS;
    records[at] = native.hostTid(f.tg, f.slot, L.taskTid(f.task));
    records[at + 1] = f.nr;
    records[at + 2] = f.startNs;
    records[at + 3] = f.startNs + ns;
    records[at + 4] = f.busyNs;
    records[at + 5] = ret;
    Atomics.store(head, 0, ++n | 0);
  };
}

export class CallLogReader {
  private readonly head: Int32Array;
  private readonly records: Float64Array;
  private read = 0;
  lost = 0;

  constructor(readonly srv: number, log: SharedArrayBuffer) {
    this.head = new Int32Array(log, 0, 1);
    this.records = new Float64Array(log, HEADER);
  }

  /** Hand over what has come since the last time. */
  drain(take: (call: LoggedCall) => void): void {
    let fresh = (Atomics.load(this.head, 0) - this.read) | 0;
    // The oldest may be being overwritten right now.
    const room = CAPACITY - 64;
    if (fresh > room) {
      this.lost += fresh - room;
      this.read = (this.read + fresh - room) | 0;
      fresh = room;
    }
    for (; fresh > 0; fresh--) {
      const at = ((this.read >>> 0) % CAPACITY) * WORDS;
      const [tid = 0, nr = 0, startNs = 0, endNs = 0, busyNs = 0, ret = 0] = this.records.subarray(at, at + WORDS);
      this.read = (this.read + 1) | 0;
      take({ srv: this.srv, tid, nr, startNs, endNs, busyNs, ret });
    }
  }
}
