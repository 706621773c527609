/**
 * Interval timers of a process: alarm, setitimer, getitimer. ITIMER_REAL runs on the endpoint's heap. ITIMER_VIRTUAL and ITIMER_PROF
 * measure CPU time of the host process: since n tasks burn at most n seconds a second, the clock is looked at again when the rest could have been used up
 * at the earliest. Not inherited by fork, kept over exec, dropped with the process. Source: setitimer(2), alarm(2).
 */
import { nowNs } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { Timer } from '../../../shared/wait.js';
import { Busiest, cpuTimeNs } from '../cputime.js';
import type { Delivery } from '../delivery.js';
import { SI_KERNEL, userInfo } from '../siginfo.js';
import { SIGALRM, SIGPROF, SIGVTALRM } from '../sigset.js';

const SIGNAL = [SIGALRM, SIGVTALRM, SIGPROF];
/** Shortest distance between two looks at a CPU clock, ns. */
const CPU_STEP = 1e6;

/** One of the three timers of a process. */
class Itimer {
  intervalNs = 0;
  /** Expiry on the timer's own clock, ns; 0 = disarmed. */
  at = 0;
  readonly timer: Timer;
  private readonly busiest = new Busiest();
  constructor(private readonly ep: Endpoint, private readonly d: Delivery, private readonly tg: number, private readonly which: number) {
    this.timer = new Timer(() => { this.fire(); });
  }

  clock(): number { return this.which === 0 ? nowNs() : cpuTimeNs(this.tg, this.which === 1); }

  /** Remaining ns, 0 = disarmed; never 0 while armed. */
  left(): number { return this.at === 0 ? 0 : Math.max(1000, this.at - this.clock()); }

  set(valueNs: number, intervalNs: number): void {
    if (this.timer.ix >= 0) this.ep.timers.disarm(this.timer);
    this.intervalNs = intervalNs;
    this.at = valueNs === 0 ? 0 : this.clock() + valueNs;
    this.arm();
  }

  private arm(): void {
    if (this.at === 0) return;
    if (this.which === 0) { this.ep.timers.arm(this.timer, this.at); return; }
    const rest = Math.max(CPU_STEP, (this.at - this.clock()) / Math.max(1, L.tgNtasks(this.tg)));
    this.ep.timers.arm(this.timer, nowNs() + rest);
  }

  private fire(): void {
    if (this.at === 0) return;
    const now = this.clock();
    if (now < this.at) { this.arm(); return; }
    const by = this.which !== 0 && L.tgNtasks(this.tg) > 1 ? this.busiest.pick(this.tg) : 0;
    this.d.sendTg(this.tg, userInfo(SIGNAL[this.which] as number, SI_KERNEL, 0, 0), by);
    if (this.intervalNs === 0) { this.at = 0; return; }
    // Missed periods are not made up for: one signal, then the next multiple.
    const periods = Math.floor((now - this.at) / this.intervalNs) + 1;
    this.at += periods * this.intervalNs;
    this.arm();
  }
}

export class Itimers {
  private readonly byTg = new Map<number, Itimer[]>();

  constructor(private readonly ep: Endpoint, private readonly d: Delivery) {
    ep.on(Msg.TG_GONE, (m) => {
      for (const t of this.byTg.get(m.w[0] as number) ?? []) t.set(0, 0);
      this.byTg.delete(m.w[0] as number);
    });
    ep.handle(NR.NR_alarm, (f) => this.sys_alarm(f));
    ep.handle(NR.NR_setitimer, (f) => this.sys_setitimer(f));
    ep.handle(NR.NR_getitimer, (f) => this.sys_getitimer(f));
  }

  private of(tg: number, which: number): Itimer {
    let list = this.byTg.get(tg);
    if (list === undefined) {
      list = [0, 1, 2].map((w) => new Itimer(this.ep, this.d, tg, w));
      this.byTg.set(tg, list);
    }
    return list[which] as Itimer;
  }

  /** alarm(2): seconds that were left, rounded as Linux does. */
  private sys_alarm(f: Frame): number {
    const t = this.of(f.tg, 0);
    const left = t.left();
    t.set(f.argU32(0) * 1e9, 0);
    if (left === 0) return 0;
    const sec = Math.floor(left / 1e9);
    const rest = left - sec * 1e9;
    return (sec === 0 && rest > 0) || rest >= 5e8 ? sec + 1 : sec;
  }

  private store(f: Frame, arg: number, t: Itimer): number {
    const out = f.outOff(arg);
    if (out < 0) return out;
    writeTimeval(f.view, out, t.intervalNs);
    writeTimeval(f.view, out + 16, t.left());
    f.setOut(arg, 32);
    return 0;
  }

  /** setitimer(2). EINVAL, EFAULT. A NULL new value disarms, as Linux still allows. */
  private sys_setitimer(f: Frame): number {
    const which = f.argInt(0);
    let value = 0;
    let interval = 0;
    if (f.argU64(1) !== 0) {
      const at = f.inOff(1);
      if (at < 0) return at;
      interval = readTimeval(f.view, at);
      value = readTimeval(f.view, at + 16);
      if (Number.isNaN(interval) || Number.isNaN(value)) return -E.EINVAL;
    }
    if (which < 0 || which > 2) return -E.EINVAL;
    const t = this.of(f.tg, which);
    if (f.argU64(2) !== 0) {
      const r = this.store(f, 2, t);
      if (r < 0) return r;
    }
    t.set(value, interval);
    return 0;
  }

  /** getitimer(2). EINVAL, EFAULT. */
  private sys_getitimer(f: Frame): number {
    const which = f.argInt(0);
    if (which < 0 || which > 2) return -E.EINVAL;
    return this.store(f, 1, this.of(f.tg, which));
  }
}

/** A timeval as ns; NaN when tv_usec is out of range. */
function readTimeval(v: DataView, off: number): number {
  const sec = v.getUint32(off, true) + v.getInt32(off + 4, true) * 4294967296;
  const usec = v.getUint32(off + 8, true) + v.getInt32(off + 12, true) * 4294967296;
  return sec < 0 || usec < 0 || usec > 999999 ? NaN : sec * 1e9 + usec * 1000;
}

function writeTimeval(v: DataView, off: number, ns: number): void {
  const sec = Math.floor(ns / 1e9);
  v.setUint32(off, sec >>> 0, true);
  v.setInt32(off + 4, Math.floor(sec / 4294967296), true);
  v.setUint32(off + 8, Math.floor((ns - sec * 1e9) / 1000), true);
  v.setInt32(off + 12, 0, true);
}
