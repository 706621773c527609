/**
 * The interval timer of a process: alarm, setitimer, getitimer of ITIMER_REAL, on the endpoint's heap. ITIMER_VIRTUAL and ITIMER_PROF measure the processor
 * time of the host process, and are the host's (native/stub/fast.c): they never come here. Not inherited by fork, kept over exec, dropped with the process.
 * Source: setitimer(2), alarm(2).
 */
import { nowNs } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { Timer } from '../../../shared/wait.js';
import type { Delivery } from '../delivery.js';
import { SI_KERNEL, userInfo } from '../siginfo.js';
import { SIGALRM } from '../sigset.js';

const ITIMER_REAL = 0;

/** ITIMER_REAL of a process. */
class Itimer {
  intervalNs = 0;
  /** Expiry, ns; 0 = disarmed. */
  at = 0;
  readonly timer: Timer;
  constructor(private readonly ep: Endpoint, private readonly d: Delivery, private readonly tg: number) {
    this.timer = new Timer(() => { this.fire(); });
  }

  /** Remaining ns, 0 = disarmed; never 0 while armed. */
  left(): number { return this.at === 0 ? 0 : Math.max(1000, this.at - nowNs()); }

  set(valueNs: number, intervalNs: number): void {
    if (this.timer.ix >= 0) this.ep.timers.disarm(this.timer);
    this.intervalNs = intervalNs;
    this.at = valueNs === 0 ? 0 : nowNs() + valueNs;
    if (this.at !== 0) this.ep.timers.arm(this.timer, this.at);
  }

  private fire(): void {
    if (this.at === 0) return;
    this.d.sendTg(this.tg, userInfo(SIGALRM, SI_KERNEL, 0, 0));
    if (this.intervalNs === 0) { this.at = 0; return; }
    // Missed periods are not made up for: one signal, then the next multiple.
    this.at += (Math.floor((nowNs() - this.at) / this.intervalNs) + 1) * this.intervalNs;
    this.ep.timers.arm(this.timer, this.at);
  }
}

export class Itimers {
  private readonly byTg = new Map<number, Itimer>();

  constructor(private readonly ep: Endpoint, private readonly d: Delivery) {
    ep.on(Msg.TG_GONE, (m) => {
      this.byTg.get(m.w[0] as number)?.set(0, 0);
      this.byTg.delete(m.w[0] as number);
    });
    ep.handle(NR.NR_alarm, (f) => this.sys_alarm(f));
    ep.handle(NR.NR_setitimer, (f) => this.sys_setitimer(f));
    ep.handle(NR.NR_getitimer, (f) => this.sys_getitimer(f));
  }

  private of(tg: number): Itimer {
    let timer = this.byTg.get(tg);
    if (timer === undefined) {
      timer = new Itimer(this.ep, this.d, tg);
      this.byTg.set(tg, timer);
    }
    return timer;
  }

  /** alarm(2): seconds that were left, rounded as Linux does. */
  private sys_alarm(f: Frame): number {
    const t = this.of(f.tg);
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
    if (which !== ITIMER_REAL) return -E.EINVAL;
    const t = this.of(f.tg);
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
    if (which !== ITIMER_REAL) return -E.EINVAL;
    return this.store(f, 1, this.of(f.tg));
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
