/**
 * A server's endpoint: the loop that every worker runs.
 *
 *   replyAndWait ──► rings ──► cancels ──► new requests ──► host fds ──► timers ──► re-dispatch of woken frames ──┐
 *        ▲                                                                                                      │
 *        └──────────────────────── replies are listed as they are made, flushed here ◄──────────────────────────┘
 *
 * Rings come first, so that what a server announced before it answered a guest is known before that guest's next request. A
 * handler answers by returning a number (result), Ret.BLOCKED (it put the frame on queues with `park`) or Ret.NO_RETURN. One catch per
 * worker: a handler that throws is a bug of carrick, reported and counted, and costs the calling process its life.
 */
import { E, Ret } from './errno.js';
import * as L from './gen/layout.js';
import { NR_MAX } from './gen/syscalls.js';
import * as EL from './endpoint-layout.js';
import { Frame } from './frame.js';
import { logLine } from './log.js';
import { Msg } from './messages.js';
import { native } from './native.js';
import type { Report } from './report.js';
import { type Message, RingPort, type RingSet } from './rings.js';
import { nowNs } from './clock.js';
import { Timer, TimerHeap, type WaitQueue, Why } from './wait.js';

export type Handler = (f: Frame) => number;
export type MessageHandler = (m: Message) => void;
/** events: EPOLL* of a watched host fd. */
export type FdHandler = (events: number) => void;
/** Told of every request that ends; `ret` NaN: its task died first. */
export type TraceHook = (f: Frame, ret: number, ns: number) => void;

/** Per number: calls, errors, ns. */
export const STAT_ROWS = 1024;
/** First of four rows among the stubs' that are no calls: calls through rewritten sites, trapped calls, sites, arrivals in their middle, declined by RW_*. */
export const STAT_REWRITE = 1010;

/** Turns with requests that idle work waits for at most. */
const IDLE_AFTER = 4;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

export class Endpoint {
  private readonly inbox: Buffer;
  private readonly u32: Uint32Array;
  private readonly lists = new Int32Array(new SharedArrayBuffer(EL.LIST_WORDS * 4));
  /** By record, made when a record is first used: the free list is a stack, so few ever are. */
  private readonly frames: Array<Frame | undefined> = [];
  private readonly view: DataView;
  private readonly handlers: Array<Handler | undefined> = new Array<Handler | undefined>(NR_MAX + 1024).fill(undefined);
  private readonly onMessage = new Map<number, MessageHandler>();
  private readonly parkedBySlot = new Map<number, Frame>();
  private readonly forwarded = new Map<number, number>();
  private readonly fences = new Map<number, { waits: number; readonly then: () => void }>();
  private nextFence = 1;
  private again: Frame[] = [];
  private readonly fdHandlers: Array<FdHandler | undefined> = [];
  private readonly freeTokens: number[] = [];
  /** Given back in this turn: what was ready when it began may still be told under them. */
  private readonly spentTokens: number[] = [];
  private nout = 0;
  private readonly afterwards: Array<() => void> = [];
  private readonly idle: Array<() => void> = [];
  private busyTurns = 0;
  private readonly ringPort: RingPort;
  /** One closure for good: the loop allocates nothing. */
  private readonly take: MessageHandler = (m) => { this.message(m); };
  readonly timers = new TimerHeap();
  trace: TraceHook | undefined;
  /** Set for a compat report only. */
  report: Report | undefined;
  /** Looks at every answer before it is sealed, to let something ride on it. */
  onAnswer: ((f: Frame) => void) | undefined;
  /** Calls `then` when all is known that was on its way, and not posted yet. */
  catchUp: (then: () => void) => void = (then) => { then(); };
  /** What to do with a number that has no handler here. */
  fallback: Handler = () => { Atomics.add(L.metaI32(), L.META_ENOSYS_AT(1), 1); return -E.ENOSYS; };
  /** Does one change of descriptors that a request brings along (fdcalls.ts). */
  onOwed: (f: Frame, word: number) => void = () => undefined;
  /** Calls that a dead task had parked: for servers that keep more than queues. */
  onDropped: (f: Frame) => void = () => undefined;

  constructor(readonly srv: number, rings: RingSet, private readonly stats: Float64Array) {
    const sab = new SharedArrayBuffer(EL.INBOX_RECORDS * L.SLOT_STRIDE);
    this.inbox = Buffer.from(sab);
    this.u32 = new Uint32Array(sab);
    this.view = new DataView(sab);
    for (let r = 0; r < EL.INBOX_RECORDS; r++) this.lists[EL.LIST_FREE + r] = EL.INBOX_RECORDS - 1 - r;
    this.lists[EL.LIST_NFREE] = EL.INBOX_RECORDS;
    this.ringPort = new RingPort(srv, rings);
    const r = native.endpointInit(srv, new Uint8Array(sab), this.lists);
    if (r < 0) throw new Error(`endpointInit: errno ${-r}`);
    this.on(Msg.TASK_GONE, (m) => this.taskGone(m.w[0] as number));
    this.on(Msg.TG_GONE, (m) => this.tgGone(m.w[0] as number));
    this.on(Msg.FENCE, (m) => { this.send(m.from, Msg.FENCED, [m.w[0] as number]); });
    // Requests that were posted before this message are read by the end of the next turn.
    this.on(Msg.CATCH_UP, (m) => { const { from } = m; const id = m.w[0] as number; this.later(() => { this.later(() => { this.catchUp(() => { this.send(from, Msg.FENCED, [id]); }); }); }); });
    this.on(Msg.FENCED, (m) => { this.fenced(m.w[0] as number); });
  }

  /** Register the handler of a call. */
  handle(nr: number, h: Handler): void { this.handlers[nr] = h; }
  handlerOf(nr: number): Handler | undefined { return this.handlers[nr]; }

  /** Register a message handler. Several handlers of a kind run in order of registration. */
  on(kind: number, h: MessageHandler): void {
    const before = this.onMessage.get(kind);
    this.onMessage.set(kind, before === undefined ? h : (m): void => { before(m); h(m); });
  }

  send(to: number, kind: number, words: readonly number[], text = ''): void { this.ringPort.send(to, kind, words, text); }

  /** Send something that only later requests depend on: a sleeping server is not woken for it (rings.ts). */
  quiet(to: number, kind: number, words: readonly number[], text = ''): void { this.ringPort.quiet(to, kind, words, text); }

  /** Wake a server for the quiet messages that it has. */
  nudge(to: number): void { this.ringPort.nudge(to); }

  /** This server has not been started yet, nor asked for (rings.ts). */
  isUnborn(srv: number): boolean { return this.ringPort.isUnborn(srv); }

  /** A guest has rung for this server. */
  needed(srv: number): void { this.ringPort.needed(srv); }

  /** Those of the servers in `mask` (bits SRV_*) that have been started. */
  born(mask: number): number {
    let born = mask;
    for (let s = 0; s < L.SRV_COUNT; s++) if (this.isUnborn(s)) born &= ~(1 << s);
    return born;
  }

  /**
   * Call `then` when the servers in `mask` (bits SRV_*) have dealt with every message sent to them so far; at once when there are none but this
   * one. Rings keep order, so one message there and back does it.
   */
  fence(mask: number, then: () => void): void {
    const id = this.nextFence++;
    let waits = 0;
    for (let s = 0; s < L.SRV_COUNT; s++) {
      if (s === this.srv || (mask & (1 << s)) === 0) continue;
      waits++;
      this.send(s, Msg.FENCE, [id]);
    }
    if (waits === 0) then(); else this.fences.set(id, { waits, then });
  }

  /**
   * A call has found no task of the number it was given. It may be that of a child that its commit has not made known yet (nobody waits for that:
   * kernel/embryos.ts), and that the caller was told by other means. So the request is dispatched again, once, when the kernel has read what was posted before
   * now, and knows the children that are on their way. False: it has been, or there never was a child.
   */
  private settle(f: Frame): boolean {
    if (f.settled || L.metaBirths(1) === 0) return false;
    f.settled = true;
    const id = this.nextFence++;
    this.fences.set(id, { waits: 1, then: () => { this.requeue(f, Why.WOKEN); } });
    this.send(L.SRV_KERNEL, Msg.CATCH_UP, [id]);
    return true;
  }

  private fenced(id: number): void {
    const fence = this.fences.get(id);
    if (fence === undefined || --fence.waits > 0) return;
    this.fences.delete(id);
    fence.then();
  }

  /**
   * Do something when the answers of this turn have gone out, before the next request is looked at: what nobody waits for. In the order of the calls.
   */
  later(work: () => void): void { this.afterwards.push(work); }

  /**
   * Do something when no request waits, or after some turns if there always is one: preparation. In the order of the calls.
   */
  whenIdle(work: () => void): void { this.idle.push(work); }

  /** A turn is over that found work, or did not. */
  private doIdle(busy: boolean): void {
    if (busy && ++this.busyTurns < IDLE_AFTER) return;
    this.busyTurns = 0;
    this.run(this.idle.splice(0), 'idle work');
  }

  private run(list: ReadonlyArray<() => void>, what: string): void {
    for (const work of list) {
      try {
        work();
      } catch (e) {
        this.threw(`${what} threw: server ${this.srv}`, e);
      }
    }
  }

  private doAfterwards(): void {
    this.flushMessages();
    this.lists[EL.LIST_NOUT] = this.nout;
    this.nout = 0;
    native.flushReplies();
    this.run(this.afterwards.splice(0), 'deferred work');
  }

  private frameOf(rec: number): Frame { return this.frames[rec] ?? this.newFrame(rec); }

  /** Apart from frameOf, which is called for every request: a function with closures in it allocates when it is called. */
  private newFrame(rec: number): Frame {
    return this.frames[rec] = new Frame(rec, this.u32, this.inbox, this.view, (f, why) => { this.requeue(f, why); }, (fire) => new Timer(fire));
  }

  // ---- parking ----

  /** Put the frame on a queue; a handler then returns Ret.BLOCKED. May be called for several queues. */
  park(f: Frame, queue: WaitQueue): number {
    queue.add(f);
    f.queues.push(queue);
    return Ret.BLOCKED;
  }

  /** The frame parked for a slot, if any. */
  parkedFrame(slot: number): Frame | undefined { return this.parkedBySlot.get(slot); }

  /** Dispatch a parked frame again (its condition came true outside any queue). */
  wake(f: Frame): void { this.requeue(f, Why.WOKEN); }

  private unpark(f: Frame): void {
    for (const q of f.queues) q.remove(f);
    f.queues.length = 0;
    if (f.timer.ix >= 0) this.timers.disarm(f.timer);
    if (!f.parked) return;
    f.parked = false;
    this.parkedBySlot.delete(f.slot);
    L.setTaskParked(f.task, 0);
  }

  private requeue(f: Frame, why: Why): void {
    if (f.queued) { if (why === Why.SIGNAL && f.why !== Why.WOKEN) f.why = why; return; }
    if (!f.parked) return;
    f.why = why;
    f.queued = true;
    this.again.push(f);
  }

  // ---- answers ----

  /** Answer a frame (used by the loop, and by servers that complete a parked frame directly). */
  finish(f: Frame, ret: number): void {
    this.unpark(f);
    const row = f.nr < STAT_ROWS && f.nr >= 0 ? (this.srv * STAT_ROWS + f.nr) * 3 : -1;
    if (row >= 0) {
      this.stats[row] = (this.stats[row] as number) + 1;
      if (ret < 0) this.stats[row + 1] = (this.stats[row + 1] as number) + 1;
    }
    if (this.trace !== undefined) {
      const ns = nowNs() - f.startNs;
      if (row >= 0) this.stats[row + 2] = (this.stats[row + 2] as number) + ns;
      this.trace(f, ret, ns);
    }
    this.onAnswer?.(f);
    f.seal(ret);
    f.reset();
    this.lists[EL.LIST_OUT + this.nout++] = f.rec;
  }

  /** Count a call that a stub answered by itself, in the rows behind the servers'. How long it took is not known. */
  countStub(nr: number, ret: number): void {
    const row = (L.SRV_COUNT * STAT_ROWS + nr) * 3;
    this.stats[row] = (this.stats[row] as number) + 1;
    if (ret < 0 && ret >= -4095) this.stats[row + 1] = (this.stats[row + 1] as number) + 1;
  }

  /** Count what one process did by rewriting; words in the order of STAT_REWRITE. */
  countRewriting(words: readonly number[]): void {
    const at = (L.SRV_COUNT * STAT_ROWS + STAT_REWRITE) * 3;
    for (let i = 0; i < words.length; i++) this.stats[at + i] = (this.stats[at + i] as number) + (words[i] as number);
  }

  /** Give the record back without an answer. */
  drop(f: Frame): void {
    this.unpark(f);
    f.reset();
    const n = this.lists[EL.LIST_NFREE] as number;
    this.lists[EL.LIST_FREE + n] = f.rec;
    this.lists[EL.LIST_NFREE] = n + 1;
  }

  /** Hand the request to the server that owns it; a handler returns this. */
  forward(f: Frame, srv: number): number {
    this.forwarded.set(f.slot, srv);
    native.ringDoorbell(srv, (f.slot | L.DB_FORWARD) >>> 0);
    this.drop(f);
    return Ret.NO_RETURN;
  }

  private dispatch(f: Frame): void {
    const h = this.handlers[f.nr] ?? this.fallback;
    const beginNs = this.trace === undefined ? 0 : nowNs();
    let ret: number;
    try {
      ret = h(f);
      // A signal that came between the stub's last look and this moment would be lost to a sleeper: look again (STYLE B3).
      if (ret === Ret.BLOCKED && f.why !== Why.SIGNAL && native.sigDeliverable(f.slot) === 1) {
        this.detach(f);
        f.why = Why.SIGNAL;
        ret = h(f);
      }
    } catch (e) {
      this.bug(f, e);
      return;
    }
    if (ret === -E.ESRCH && this.settle(f)) ret = Ret.BLOCKED;
    if (ret === Ret.NO_RETURN) return;
    if (this.trace !== undefined) f.busyNs += nowNs() - beginNs;
    if (ret !== Ret.BLOCKED) { this.finish(f, ret); return; }
    f.parked = true;
    this.parkedBySlot.set(f.slot, f);
    L.setTaskParked(f.task, this.srv + 1);
    L.setTaskNr(f.task, f.nr);
    L.setTaskParkedNs(f.task, nowNs());
    if (f.deadlineNs !== Infinity) this.timers.arm(f.timer, f.deadlineNs);
  }

  private detach(f: Frame): void {
    for (const q of f.queues) q.remove(f);
    f.queues.length = 0;
  }

  private threw(what: string, e: unknown): void {
    Atomics.add(L.metaI32(), L.META_THREW_AT(1), 1);
    logLine(`BUG: ${what}: ${e instanceof Error ? e.stack ?? e.message : String(e)}`);
  }

  private bug(f: Frame, e: unknown): void {
    this.threw(`a handler threw: server ${this.srv}, call ${f.nr}, task ${L.taskTid(f.task)}`, e);
    const tg = f.tg;
    this.drop(f);
    this.send(L.SRV_KERNEL, Msg.BUG_KILL, [tg]);
  }

  private taskGone(task: number): void {
    for (const f of [...this.parkedBySlot.values()]) if (f.task === task) this.gone(f);
  }

  private tgGone(tgRow: number): void {
    for (const f of [...this.parkedBySlot.values()]) if (f.tg === tgRow) this.gone(f);
  }

  private gone(f: Frame): void {
    // Nobody is left to be told a result.
    this.trace?.(f, NaN, nowNs() - f.startNs);
    this.onDropped(f);
    if (f.queued) { this.again.splice(this.again.indexOf(f), 1); f.queued = false; }
    this.drop(f);
  }

  // ---- host fds ----

  /** Watch a host fd; returns a token for `unwatch` and `rewatch`, or -errno. */
  watch(fd: number, events: number, h: FdHandler): number {
    const token = this.freeTokens.pop() ?? this.fdHandlers.length;
    this.fdHandlers[token] = h;
    const r = native.watchFd(EPOLL_CTL_ADD, fd, events, token);
    if (r < 0) { this.fdHandlers[token] = undefined; this.freeTokens.push(token); return r; }
    return token;
  }

  rewatch(token: number, fd: number, events: number): number { return native.watchFd(EPOLL_CTL_MOD, fd, events, token); }

  unwatch(token: number, fd: number): void {
    native.watchFd(EPOLL_CTL_DEL, fd, 0, token);
    this.fdHandlers[token] = undefined;
    this.spentTokens.push(token);
  }

  // ---- the loop ----

  /** Serve until somebody rings DB_CONTROL. */
  serve(): void {
    for (;;) {
      if (this.turn()) return;
    }
  }

  /** Messages go out before the answers, and those to oneself (a last close) take effect. True when none had to be kept back. */
  private flushMessages(): boolean {
    const flushed = this.ringPort.flush();
    this.ringPort.drainFrom(this.srv, this.take);
    return flushed;
  }

  /** One round; true when a control message waits. `mayBlock` false polls. */
  turn(mayBlock = true): boolean {
    const flushed = this.flushMessages();
    for (let token = this.spentTokens.pop(); token !== undefined; token = this.spentTokens.pop()) this.freeTokens.push(token);
    let timeoutUs = this.again.length > 0 || this.afterwards.length > 0 || this.idle.length > 0 || !mayBlock ? 0 : flushed ? -1 : 1000;
    if (timeoutUs !== 0) {
      const next = this.timers.next();
      if (next !== Infinity) {
        const us = Math.max(0, Math.ceil((next - nowNs()) / 1000));
        if (timeoutUs < 0 || us < timeoutUs) timeoutUs = us;
      }
      if (timeoutUs !== 0 && this.ringPort.prepareSleep()) timeoutUs = 0;
    }
    this.lists[EL.LIST_NOUT] = this.nout;
    this.nout = 0;
    const n = native.replyAndWait(timeoutUs);
    this.ringPort.awake();
    const control = ((this.lists[EL.LIST_FLAGS] as number) & EL.WAKE_CONTROL) !== 0;
    this.ringPort.drain(this.take);
    const ncancel = this.lists[EL.LIST_NCANCEL] as number;
    for (let i = 0; i < ncancel; i++) this.cancel((this.lists[EL.LIST_CANCEL + i] as number) >>> 0);
    for (let i = 0; i < n; i++) {
      const f = this.frameOf(this.lists[EL.LIST_IN + i] as number);
      f.arrive(EL.REC_TASK, EL.REC_TG, EL.REC_SLOT);
      if (this.forwarded.size > 0) this.forwarded.delete(f.slot);
      if (this.trace !== undefined) { f.startNs = nowNs(); f.busyNs = 0; }
      for (let k = 0; k < L.OWED_MAX && f.owed(k) !== 0; k++) this.onOwed(f, f.owed(k));
    }
    // What is owed came before all of these requests: nobody may see it undone who asks about another process.
    for (let i = 0; i < n; i++) this.dispatch(this.frameOf(this.lists[EL.LIST_IN + i] as number));
    const nfd = this.lists[EL.LIST_NFD] as number;
    for (let i = 0; i < nfd; i++) {
      this.fdHandlers[this.lists[EL.LIST_FD + 2 * i] as number]?.(this.lists[EL.LIST_FD + 2 * i + 1] as number);
    }
    if (this.timers.next() !== Infinity) this.timers.expire(nowNs());
    if (this.again.length > 0) this.redispatch();
    if (this.afterwards.length > 0) this.doAfterwards();
    if (this.idle.length > 0) this.doIdle(n + ncancel + nfd > 0);
    return control;
  }

  private redispatch(): void {
    const list = this.again;
    this.again = [];
    for (const f of list) {
      f.queued = false;
      const why = f.why;
      this.unpark(f);
      f.why = why;
      this.dispatch(f);
    }
  }

  private cancel(slot: number): void {
    const f = this.parkedBySlot.get(slot);
    if (f !== undefined) { this.requeue(f, Why.SIGNAL); return; }
    const to = this.forwarded.get(slot);
    if (to !== undefined) native.ringDoorbell(to, (slot | L.DB_CANCEL) >>> 0);
  }

  private message(m: Message): void {
    const h = this.onMessage.get(m.kind);
    if (h === undefined) return;
    try {
      h(m);
    } catch (e) {
      this.threw(`a message handler threw: server ${this.srv}, kind ${m.kind}`, e);
    }
  }
}
