/**
 * Pending queues: one per thread group (process-directed) and one per task. Owned by the signal server. A standard signal is queued once,
 * real-time signals queue up (signal(7)). The queue mirrors its set of numbers into shared memory (`publish`), where the stub looks on
 * its way out of every call.
 */
import type { SigInfo } from './siginfo.js';
import { SIGRTMIN, bitHi, bitLo } from './sigset.js';

export class Pending {
  private readonly list: SigInfo[] = [];
  lo = 0;
  hi = 0;
  /** The task shall ask even if no signal is there: shown as SIGSTOP, which no mask holds back. */
  trap = false;

  constructor(private readonly publish: (p: Pending) => void) {}

  get size(): number { return this.list.length; }

  /** Queue a signal; false when a standard signal was pending already and this one is lost, as on Linux. */
  add(s: SigInfo): boolean {
    if (s.signo < SIGRTMIN && this.list.some((q) => q.signo === s.signo)) return false;
    this.list.push(s);
    this.lo = (this.lo | bitLo(s.signo)) >>> 0;
    this.hi = (this.hi | bitHi(s.signo)) >>> 0;
    this.publish(this);
    return true;
  }

  /** Take the oldest entry of signo out of the queue. */
  take(signo: number): SigInfo | undefined {
    const i = this.list.findIndex((q) => q.signo === signo);
    if (i < 0) return undefined;
    return this.cut(i);
  }

  /** Take back one entry, if it is still there. */
  remove(s: SigInfo): void {
    const i = this.list.indexOf(s);
    if (i >= 0) this.cut(i);
  }

  private cut(i: number): SigInfo | undefined {
    const s = this.list.splice(i, 1)[0];
    const signo = s?.signo ?? 0;
    if (!this.list.some((q) => q.signo === signo)) {
      this.lo = (this.lo & ~bitLo(signo)) >>> 0;
      this.hi = (this.hi & ~bitHi(signo)) >>> 0;
      this.publish(this);
    }
    return s;
  }

  /** Remove every entry of signo. */
  flush(signo: number): void { while (this.take(signo) !== undefined); }

  /** Timers look for their own queued entry to count overruns. */
  find(match: (s: SigInfo) => boolean): SigInfo | undefined { return this.list.find(match); }

  /** Entry i, oldest first, left where it is. */
  at(i: number): SigInfo | undefined { return this.list[i]; }

  /** Have the task ask (true), or note that it has. */
  setTrap(on: boolean): void {
    this.trap = on;
    this.publish(this);
  }

  republish(): void { this.publish(this); }
}
