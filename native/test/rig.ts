/**
 * A rig for the addon's tests: one server endpoint and one fake guest (test/fake-guest.c) in one thread. The records are read raw, as the addon
 * leaves them; shared/endpoint.ts has its own tests.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as EL from '../../shared/endpoint-layout.js';
import * as L from '../../shared/gen/layout.js';
import { loadNative, native } from '../../shared/native.js';

/** A server that no test of ours uses otherwise. */
export const SRV = L.SRV_IPC;
export const TG = 7;
export const TASK = 9;
const FDR = 1008;

export const scratch = Buffer.from(new ArrayBuffer(1 << 20));
export const inboxBytes = new SharedArrayBuffer(EL.INBOX_RECORDS * L.SLOT_STRIDE);
export const inbox = Buffer.from(inboxBytes);
export const u32 = new Uint32Array(inboxBytes);
export const lists = new Int32Array(new SharedArrayBuffer(EL.LIST_WORDS * 4));

let stubLoaded = false;

/** Load the addon and be server `SRV`. Once per test file, since its state is the process's. */
export function setUp(): void {
  loadNative(join(process.cwd(), 'native/build/Release/carrick.node'));
  assert.equal(native.setScratch(scratch), 0);
  assert.equal(native.createDoorbells(), 0);
  assert.equal(native.endpointInit(SRV, new Uint8Array(inboxBytes), lists), 0);
}

/** Compile the fake guest and make it the stub. */
function loadFakeGuest(): void {
  if (stubLoaded) return;
  const dir = mkdtempSync(join(tmpdir(), 'carrick-native-'));
  try {
    const out = join(dir, 'guest');
    const cc = spawnSync('cc', ['-O1', '-Wall', '-static', '-I', 'shared/gen', '-o', out, 'native/test/fake-guest.c'], { encoding: 'utf8' });
    assert.equal(cc.status, 0, cc.stderr);
    assert.ok(native.stubFd(out) > 2);
  } finally {
    rmSync(dir, { recursive: true });
  }
  stubLoaded = true;
}

export interface Guest { readonly area: number; readonly slot: number; readonly slotId: number; readonly pid: number; readonly ctl: number }

/** Write the words that tell the fake guest what to play. */
function writePlan(area: number, words: readonly number[]): void {
  scratch.fill(0, 0, 4096);
  words.forEach((w, i) => { scratch.writeUInt32LE(w >>> 0, 4 * i); });
  assert.equal(native.planWrite(area, 0, 0, 4096), 4096);
}

/** Start a fake guest that plays `part`, bound to TG and TASK. */
export function startGuest(part: number, count: number, namespaces: number, hostname = 'guest'): Guest {
  loadFakeGuest();
  const area = native.areaAlloc();
  assert.ok(area >= 0, `areaAlloc ${area}`);
  const pctx = native.pctxAlloc(area);
  assert.equal(native.pctxInit(area, pctx, -1, 0, 0), 0);
  const slot = native.slotAlloc(area, -1);
  const slotId = area << L.SLOT_BITS | slot;
  assert.equal(native.slotBind(slotId, TASK, TG), 0);
  writePlan(area, [part, count, slot, SRV, area]);
  const ctl = native.ctlPair();
  const guestEnd = native.lastFd();
  assert.equal(native.procBind(TG, -1, ctl, area, pctx), 0);
  const pid = native.spawn({ tg: TG, area, ctlGuestFd: guestEnd, fdrBase: FDR, stdio: [-1, 1, 2], namespaces, hostname });
  assert.ok(pid > 0, `spawn ${pid}`);
  assert.equal(native.procBind(TG, native.lastFd(), ctl, area, pctx), 0);
  native.sys(3 /* close */, 0, guestEnd);
  return { area, slot, slotId, pid, ctl };
}

/** End whatever is left of the guest and give everything back. */
export function endGuest(g: Guest): void {
  native.killProcess(TG, 9);
  native.slotFree(g.area, g.slot);
  native.procFree(TG);
  native.areaFree(g.area);
}

/** The fake guest's 64-bit result i. */
export function result(g: Guest, i: number): number {
  assert.equal(native.planRead(g.area, 256 + 8 * i, 0, 8), 8);
  return Number(scratch.readBigInt64LE(0));
}

export const word = (rec: number, off: number): number => u32[(rec * L.SLOT_STRIDE + off) / 4] as number;
export const setWord = (rec: number, off: number, v: number): void => { u32[(rec * L.SLOT_STRIDE + off) / 4] = v; };
/** First payload byte of a record in `inbox`. */
export const payload = (rec: number): number => rec * L.SLOT_STRIDE + L.PAYLOAD_OFF;

/** Let the guest go on past its gate. */
export function openGate(g: Guest): void {
  scratch.writeUInt32LE(1, 0);
  assert.equal(native.planWrite(g.area, 20, 0, 4), 4);
}

/** List record `rec` for the next flush with result `ret`; produced lengths as given. */
export function answer(rec: number, ret: number, produced: readonly number[] = []): void {
  setWord(rec, L.SLOT_RET, ret >>> 0);
  setWord(rec, L.SLOT_RET + 4, ret < 0 ? 0xffffffff : 0);
  setWord(rec, L.SLOT_RFLAGS, 0);
  setWord(rec, L.SLOT_CTL_NEED, 0);
  setWord(rec, L.SLOT_INLEN, 0);
  for (let i = 0; i < 6; i++) setWord(rec, L.SLOT_ARGLEN + 4 * i, produced[i] ?? 0);
  const n = lists[EL.LIST_NOUT] as number;
  lists[EL.LIST_OUT + n] = rec;
  lists[EL.LIST_NOUT] = n + 1;
}

/** Flush, then wait (at most 10 s in all) for the next requests: their records. */
export function turn(): number[] {
  for (let i = 0; i < 100; i++) {
    const n = native.replyAndWait(100000);
    if (n > 0) return [...lists.subarray(EL.LIST_IN, EL.LIST_IN + n)];
  }
  assert.fail('no request came');
}

/** The one request that must come next: its record, whose number must be `nr`. */
export function next(nr: number): number {
  const recs = turn();
  assert.deepEqual(recs.map((r) => word(r, L.SLOT_NR)), [nr]);
  return recs[0] as number;
}

/** Answer the guest's exit_group and flush; its status. */
export function finish(g: Guest, rec: number): number {
  answer(rec, 0);
  native.replyAndWait(0);
  return result(g, 63);
}
