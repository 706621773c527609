/**
 * A guest without a guest process, for tests of servers: a task row, an area slot and some memory, driven from the test. It marshals calls by the syscall
 * table as the stub does, posts them to a real Endpoint through the real addon, and copies the produced ranges back. Guest memory is the last 64 KiB of this
 * worker's scratch, which servers leave alone (iobuf.ts), read and written by process_vm_readv on this very process.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Endpoint, STAT_ROWS } from '../endpoint.js';
import { E } from '../errno.js';
import { filesAlloc } from '../fdtable.js';
import * as L from '../gen/layout.js';
import { SYSCALL_ARGS } from '../gen/syscalls.js';
import * as host from '../host.js';
import { loadNative, native } from '../native.js';
import { nowNs } from '../clock.js';
import { allocRings, type Message, RingPort, type RingSet } from '../rings.js';
import { Timer } from '../wait.js';

export const MEM_BYTES = 65536;
const MEM_OFF = host.SCRATCH_BYTES - MEM_BYTES;
const SYS_pidfd_open = 434;
const RLIMIT_NOFILE = 7;

/** The call waits in the server. */
export const PARKED = 'parked';

export interface Rig { readonly ep: Endpoint; readonly rings: RingSet }

/** Load the addon, make tables, and be server `srv` in this thread. Once per test file. */
export function setUpServer(srv: number): Rig {
  loadNative(join(process.cwd(), 'native/build/Release/carrick.node'));
  host.initHost();
  L.attachTables(L.allocTables());
  L.setMetaFdrBase(1, 1008);
  assert.equal(native.createDoorbells(), 0);
  const rings = allocRings();
  return { ep: new Endpoint(srv, rings, new Float64Array(L.SRV_COUNT * STAT_ROWS * 3)), rings };
}

/** Messages that were sent to another server since the last call. */
export function messagesTo(rig: Rig, srv: number): Array<{ kind: number; w: number[] }> {
  const got: Array<{ kind: number; w: number[] }> = [];
  new RingPort(srv, rig.rings).drain((m: Message) => { got.push({ kind: m.kind, w: [...m.w] }); });
  return got;
}

let nextRow = 1;

export class MiniGuest {
  readonly mem = host.scratch.subarray(MEM_OFF, MEM_OFF + MEM_BYTES);
  readonly base: number;
  readonly tg: number;
  readonly task: number;
  readonly files: number;
  readonly slotId: number;
  private readonly slotOff: number;
  private readonly areaFd: number;
  private readonly tick = new Timer(() => undefined);
  private pendingNr = -1;
  private pendingArgs: readonly number[] = [];

  /** A process of its own; with `like`, another thread of that one. */
  constructor(private readonly rig: Rig, like?: MiniGuest) {
    this.base = native.scratchAddress() + MEM_OFF;
    this.task = nextRow++;
    this.tg = like?.tg ?? this.task;
    this.files = like?.files ?? filesAlloc();
    const area = like === undefined ? native.areaAlloc() : like.slotId >> L.SLOT_BITS;
    this.areaFd = native.areaFd(area);
    const slot = native.slotAlloc(area, -1);
    this.slotId = (area << L.SLOT_BITS) | slot;
    this.slotOff = L.SLOT_OFF + slot * L.SLOT_STRIDE;
    L.setTaskTg(this.task, this.tg);
    L.setTaskTid(this.task, 100 + this.task);
    L.setTaskFiles(this.task, this.files);
    L.setTaskCred(this.task, 1);
    if (like === undefined) {
      L.setTgTgid(this.tg, 100 + this.task);
      L.setTgRlimCur(this.tg, RLIMIT_NOFILE, 1024);
      native.pctxInit(area, 0, -1, -1, 0);
      assert.equal(native.procBind(this.tg, native.sys(SYS_pidfd_open, 0, process.pid, 0), -1, area, 0), 0);
    }
    assert.equal(native.slotBind(this.slotId, this.task, this.tg), 0);
  }

  /** Guest address of byte `off` of mem. */
  ptr(off: number): number { return this.base + off; }

  /** Make a call and let the server work: its result, or PARKED. */
  call(nr: number, ...args: number[]): number | typeof PARKED {
    assert.equal(this.pendingNr, -1, 'the last call is still parked');
    this.post(nr, args);
    for (let i = 0; i < 8; i++) {
      this.rig.ep.turn(false);
      const r = this.poll();
      if (r !== PARKED) return r;
    }
    return PARKED;
  }

  /** The parked call's result, if it has one by now. Turns the server. */
  settle(): number | typeof PARKED {
    for (let i = 0; i < 8; i++) {
      const r = this.poll();
      if (r !== PARKED) return r;
      this.rig.ep.turn(false);
    }
    return this.poll();
  }

  /** Wait for the parked call (a timer, the host): turns the server, sleeping, until it is answered. */
  await(): number {
    for (;;) {
      const r = this.poll();
      if (r !== PARKED) return r;
      // An answer made at the end of a turn is sent by the next one: never sleep for good with one in hand.
      this.rig.ep.timers.arm(this.tick, nowNs() + 1e6);
      this.rig.ep.turn(true);
    }
  }

  /** The result of a call that waits, if it waits at all: on a busy machine what it waits for, its time limit above all, may be there at once. */
  over(r: number | typeof PARKED): number { return r === PARKED ? this.await() : r; }

  /** A signal interrupts the parked call. */
  interrupt(): number | typeof PARKED {
    native.slotStore(this.slotId, L.SLOT_CANCEL, 1);
    native.ringDoorbell(this.rig.ep.srv, (this.slotId | L.DB_CANCEL) >>> 0);
    const r = this.settle();
    native.slotStore(this.slotId, L.SLOT_CANCEL, 0);
    return r;
  }

  /** Give a parked call up, so that one failed test does not take the next with it. */
  abandon(): void {
    if (this.pendingNr >= 0) this.interrupt();
    if (this.pendingNr >= 0) {
      native.slotStore(this.slotId, L.SLOT_STATE, L.SLOT_READY);
      this.pendingNr = -1;
    }
  }

  get rflags(): number { return native.slotLoad(this.slotId, L.SLOT_RFLAGS); }

  private offOf(p: number): number {
    const off = p - this.base;
    return off >= 0 && off < MEM_BYTES ? MEM_OFF + off : -1;
  }

  private post(nr: number, args: readonly number[]): void {
    const store = (off: number, v: number): void => { assert.ok(native.slotStore(this.slotId, off, v >>> 0) >= 0); };
    const words = (SYSCALL_ARGS[nr] ?? '').split(' ').filter((w) => w !== '');
    let at = 0;
    let inlen = 0;
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < 6; i++) {
        const [, kind = '', size = '0', lenArg = '0'] = (words[i] ?? '').split(':');
        const arg = args[i] ?? 0;
        const isIn = kind === 'in' || kind === 'inout' || kind === 'inbuf' || kind === 'str';
        const isOut = kind === 'out' || kind === 'outbuf';
        if (pass === 0) {
          store(L.SLOT_ARGS + 8 * i, arg);
          store(L.SLOT_ARGS + 8 * i + 4, Math.floor(arg / 4294967296));
          store(L.SLOT_ARGLEN + 4 * i, 0);
          store(L.SLOT_ARGOFF + 4 * i, 0);
        }
        if ((pass === 0 ? !isIn : !isOut) || arg === 0) continue;
        const off = this.offOf(arg);
        let len = kind.endsWith('buf') ? Number(size) * (args[Number(lenArg)] ?? 0) : Number(size);
        if (kind === 'str') len = off < 0 ? 0 : host.scratch.indexOf(0, off) - off;
        if (off < 0 && isIn) { store(L.SLOT_ARGLEN + 4 * i, L.ARG_FAULT); continue; }
        if (at + len > L.PAYLOAD_MAX) { store(L.SLOT_ARGLEN + 4 * i, L.ARG_ELSEWHERE); continue; }
        if (isIn) host.pwrite(this.areaFd, off, len, this.slotOff + L.PAYLOAD_OFF + at);
        store(L.SLOT_ARGOFF + 4 * i, at);
        store(L.SLOT_ARGLEN + 4 * i, len);
        at = (at + len + 7) & ~7;
        if (isIn) inlen = at;
      }
    }
    store(L.SLOT_INLEN, inlen);
    store(L.SLOT_NR, nr);
    store(L.SLOT_SERVER, this.rig.ep.srv);
    store(L.SLOT_SEQ, native.slotLoad(this.slotId, L.SLOT_SEQ) + 1);
    store(L.SLOT_STATE, L.SLOT_POSTED);
    this.pendingNr = nr;
    this.pendingArgs = args;
    native.ringDoorbell(this.rig.ep.srv, this.slotId);
  }

  private poll(): number | typeof PARKED {
    if (native.slotLoad(this.slotId, L.SLOT_STATE) !== L.SLOT_REPLIED) return PARKED;
    const words = (SYSCALL_ARGS[this.pendingNr] ?? '').split(' ');
    let fault = false;
    for (let i = 0; i < 6; i++) {
      const kind = (words[i] ?? '').split(':')[1] ?? '';
      const n = native.slotLoad(this.slotId, L.SLOT_ARGLEN + 4 * i);
      if (n === 0 || !(kind === 'out' || kind === 'outbuf' || kind === 'inout')) continue;
      const off = this.offOf(this.pendingArgs[i] as number);
      if (off < 0) { fault = true; continue; }
      host.pread(this.areaFd, off, n, this.slotOff + L.PAYLOAD_OFF + native.slotLoad(this.slotId, L.SLOT_ARGOFF + 4 * i));
    }
    native.slotStore(this.slotId, L.SLOT_STATE, L.SLOT_READY);
    this.pendingNr = -1;
    const ret = native.slotLoad(this.slotId, L.SLOT_RET) + (native.slotLoad(this.slotId, L.SLOT_RET + 4) | 0) * 4294967296;
    return fault && ret >= 0 ? -E.EFAULT : ret;
  }
}
