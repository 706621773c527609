/**
 * POSIX timers: timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete. One signal of a timer is queued at a time;
 * expirations meanwhile count as overruns of that one. Timers of CPU clocks are polled: since n tasks burn at most n
 * seconds a second, the clock is looked at again when the rest could have been used up at the earliest. Dropped by exec (the kernel's SIG_EXEC) and
 * exit. Source: timer_create(2), timer_settime(2), timer_getoverrun(2).
 */
import { nowNs, readTimespec, writeTimespec } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { taskByTid } from '../../../shared/tasks.js';
import { Timer } from '../../../shared/wait.js';
import { CLOCK_TAI, type GuestClock, guestClock, isDescriptorClock } from '../clocks.js';
import { type Delivery, validSignal } from '../delivery.js';
import type { Pending } from '../pending.js';
import { SI_TIMER, type SigInfo } from '../siginfo.js';
import { SIGALRM } from '../sigset.js';

/** Clocks of which Linux has no timers: CLOCK_MONOTONIC_RAW and the coarse ones. */
const NO_TIMERS: readonly number[] = [4, 5, 6];
/** CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM: CAP_WAKE_ALARM. */
const ALARMS: readonly number[] = [8, 9];
/** A clock that is no more. */
const SGI_CYCLE = 10;
const TIMER_ABSTIME = 1;
const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD_ID = 4;
const OVERRUN_MAX = 2147483647;
const CPU_STEP = 1e6;

class PosixTimer {
  intervalNs = 0;
  /** Next expiry on `clock()`, ns; 0 = disarmed. */
  at = 0;
  overrun = 0;
  private queued: SigInfo | undefined;
  readonly timer: Timer;

  constructor(
    private readonly ep: Endpoint, private readonly d: Delivery, private readonly tg: number, readonly id: number, private readonly source: GuestClock,
    private readonly signo: number, private readonly task: number, private readonly lo: number, private readonly hi: number,
  ) {
    this.timer = new Timer(() => { this.fire(); });
  }

  /** Now on the timer's clock, ns. */
  clock(): number { return this.source.now(); }

  /** Remaining ns; 0 = disarmed. */
  left(): number {
    if (this.at === 0) return 0;
    let rest = this.at - this.clock();
    if (rest <= 0 && this.intervalNs > 0) rest = this.intervalNs - (-rest % this.intervalNs);
    return Math.max(1, rest);
  }

  set(at: number, intervalNs: number): void {
    if (this.timer.ix >= 0) this.ep.timers.disarm(this.timer);
    this.recall();
    this.at = at;
    this.intervalNs = intervalNs;
    this.overrun = 0;
    this.arm();
  }

  /** A signal of an earlier setting that nobody has taken yet is not delivered any more. Linux 6.13; before, it was. */
  private recall(): void {
    const mine = this.queued;
    this.queued = undefined;
    if (mine !== undefined) this.pending.remove(mine);
  }

  private get pending(): Pending { return this.task !== 0 ? this.d.taskPending(this.task) : this.d.group(this.tg).pending; }

  private arm(): void {
    if (this.at === 0) return;
    const rest = this.at - this.clock();
    const threads = this.source.threads();
    this.ep.timers.arm(this.timer, nowNs() + (threads > 0 ? Math.max(CPU_STEP, rest / threads) : Math.max(0, rest)));
  }

  private fire(): void {
    const now = this.clock();
    if (now < this.at) { this.arm(); return; }
    let expirations = 1;
    if (this.intervalNs > 0) {
      expirations += Math.floor((now - this.at) / this.intervalNs);
      this.at += expirations * this.intervalNs;
      this.arm();
    } else {
      this.at = 0;
    }
    if (this.signo === 0) return;
    const mine = this.queued;
    if (mine !== undefined && this.pending.find((s) => s === mine) !== undefined) {
      mine.overrun = Math.min(OVERRUN_MAX, mine.overrun + expirations);
      this.overrun = mine.overrun;
      return;
    }
    const s: SigInfo = { signo: this.signo, code: SI_TIMER, pid: this.id, uid: 0, lo: this.lo, hi: this.hi, overrun: expirations - 1, utime: 0, stime: 0, raw: undefined };
    this.queued = s;
    this.overrun = s.overrun;
    if (this.task !== 0) this.d.sendTask(this.task, s); else this.d.sendTg(this.tg, s);
  }
}

export class PosixTimers {
  private readonly byTg = new Map<number, Map<number, PosixTimer>>();
  private nextId = 0;

  constructor(private readonly ep: Endpoint, private readonly d: Delivery) {
    ep.on(Msg.TG_GONE, (m) => { this.drop(m.w[0] as number); });
    ep.on(Msg.SIG_EXEC, (m) => { this.drop(m.w[0] as number); });
    ep.handle(NR.NR_timer_create, (f) => this.sys_timer_create(f));
    ep.handle(NR.NR_timer_settime, (f) => this.sys_timer_settime(f));
    ep.handle(NR.NR_timer_gettime, (f) => this.sys_timer_gettime(f));
    ep.handle(NR.NR_timer_getoverrun, (f) => this.lookup(f)?.overrun ?? -E.EINVAL);
    ep.handle(NR.NR_timer_delete, (f) => this.sys_timer_delete(f));
  }

  private drop(tg: number): void {
    for (const t of this.byTg.get(tg)?.values() ?? []) t.set(0, 0);
    this.byTg.delete(tg);
  }

  private lookup(f: Frame): PosixTimer | undefined { return this.byTg.get(f.tg)?.get(f.argInt(0)); }

  /** timer_create(2). EINVAL (clock, sigevent), EOPNOTSUPP (a clock without timers), EPERM (one that wakes the machine), EFAULT. */
  private sys_timer_create(f: Frame): number {
    const clockId = f.argInt(0);
    if (clockId > CLOCK_TAI || clockId === SGI_CYCLE) return -E.EINVAL;
    if (NO_TIMERS.includes(clockId) || isDescriptorClock(clockId)) return -E.EOPNOTSUPP;
    if (ALARMS.includes(clockId)) return -E.EPERM;
    const clock = guestClock(f, clockId);
    if (typeof clock === 'number') return clock;
    let signo = SIGALRM;
    let task = 0;
    const id = this.nextId;
    let lo = id;
    let hi = 0;
    if (f.argU64(1) !== 0) {
      const at = f.inOff(1);
      if (at < 0) return at;
      lo = f.bytes.readUInt32LE(at);
      hi = f.bytes.readUInt32LE(at + 4);
      signo = f.bytes.readInt32LE(at + 8);
      const notify = f.bytes.readInt32LE(at + 12);
      if (notify === SIGEV_THREAD_ID) {
        task = taskByTid(f.bytes.readInt32LE(at + 16));
        if (task === 0 || L.taskTg(task) !== f.tg) return -E.EINVAL;
      } else if (notify !== SIGEV_SIGNAL && notify !== SIGEV_NONE) {
        return -E.EINVAL;
      }
      if (notify === SIGEV_NONE) signo = 0;
      else if (signo <= 0 || !validSignal(signo)) return -E.EINVAL;
    }
    const out = f.outOff(2);
    if (out < 0) return out;
    this.nextId++;
    let list = this.byTg.get(f.tg);
    if (list === undefined) { list = new Map(); this.byTg.set(f.tg, list); }
    list.set(id, new PosixTimer(this.ep, this.d, f.tg, id, clock, signo, task, lo, hi));
    f.bytes.writeInt32LE(id, out);
    f.setOut(2, 4);
    return 0;
  }

  private store(f: Frame, arg: number, t: PosixTimer): number {
    const out = f.outOff(arg);
    if (out < 0) return out;
    writeTimespec(f.view, out, t.intervalNs);
    writeTimespec(f.view, out + 16, t.left());
    f.setOut(arg, 32);
    return 0;
  }

  /** timer_settime(2). EINVAL (timer, flags, timespec), EFAULT. */
  private sys_timer_settime(f: Frame): number {
    const at = f.inOff(2);
    if (at < 0) return f.argU64(2) === 0 ? -E.EINVAL : at;
    const interval = readTimespec(f.view, at);
    const value = readTimespec(f.view, at + 16);
    const t = this.lookup(f);
    if (Number.isNaN(interval) || Number.isNaN(value) || t === undefined) return -E.EINVAL;
    if (f.argU64(3) !== 0) {
      const r = this.store(f, 3, t);
      if (r < 0) return r;
    }
    const abs = (f.argInt(1) & TIMER_ABSTIME) !== 0;
    t.set(value === 0 ? 0 : abs ? value : t.clock() + value, interval);
    return 0;
  }

  private sys_timer_gettime(f: Frame): number {
    const t = this.lookup(f);
    return t === undefined ? -E.EINVAL : this.store(f, 1, t);
  }

  private sys_timer_delete(f: Frame): number {
    const t = this.lookup(f);
    if (t === undefined) return -E.EINVAL;
    t.set(0, 0);
    this.byTg.get(f.tg)?.delete(t.id);
    return 0;
  }
}
