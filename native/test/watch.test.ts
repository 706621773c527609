/** Watching instead of sleeping (native/addon/spin.cc), with slots that this test posts to as a stub does. No guest runs. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import * as EL from '../../shared/endpoint-layout.js';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import { answer, lists, setUp, SRV, TASK, TG, word } from './rig.js';

setUp();
const area = native.areaAlloc();
const slots = Array.from({ length: 10 }, () => {
  const id = area << L.SLOT_BITS | native.slotAlloc(area, -1);
  assert.equal(native.slotBind(id, TASK, TG), 0);
  return id;
});
const watched = (id: number): boolean => (native.slotLoad(id, L.SLOT_WATCHED) & (1 << SRV)) !== 0;

/** As slot.c: the bell only if nobody watches; `silent`: never. */
function post(id: number, silent = false): void {
  native.slotStore(id, L.SLOT_NR, 39);
  native.slotStore(id, L.SLOT_SERVER, SRV);
  native.slotStore(id, L.SLOT_SEQ, native.slotLoad(id, L.SLOT_SEQ) + 1);
  native.slotStore(id, L.SLOT_STATE, L.SLOT_POSTED);
  if (!silent && !watched(id)) native.ringDoorbell(SRV, id);
}

/** The records of the next requests; none if nothing comes within the time. A turn may end early for a bell that is out of date. */
function take(us: number): number[] {
  const end = process.hrtime.bigint() + BigInt(us) * 1000n;
  for (;;) {
    const left = Number((end - process.hrtime.bigint()) / 1000n);
    const n = native.replyAndWait(Math.max(0, left));
    if (n > 0 || left <= 0) return [...lists.subarray(EL.LIST_IN, EL.LIST_IN + n)];
  }
}

test('a request is taken once, though its word may come again while whoever it was forwarded to is answering it', () => {
  const [id] = slots as [number];
  post(id);
  const [rec = -1] = take(100000);
  assert.ok(rec >= 0);
  answer(rec, 0);
  // The window: nobody owns it any more, and it is not REPLIED yet.
  native.slotStore(id, L.SLOT_STATE, L.SLOT_POSTED);
  native.ringDoorbell(SRV, id);
  assert.deepEqual(take(20000), []);
  post(id, true);
  native.ringDoorbell(SRV, id);
  const [next = -1] = take(100000);
  assert.ok(next >= 0, 'the next one is taken');
  answer(next, 0);
  native.replyAndWait(0);
});

test('while requests come the bits stay; before a sleep they are all taken back', { skip: availableParallelism() < 2 }, () => {
  const [a, b] = slots as [number, number];
  for (const id of [a, b]) {
    post(id);
    const [rec] = take(1e6);
    assert.notEqual(rec, undefined);
    // The next one is there when the answer goes out, unannounced.
    post(id === a ? b : a, true);
    answer(rec as number, 0);
    if (id === a) {
      // b was never answered, so nobody watches it: it needs its bell.
      native.ringDoorbell(SRV, b);
      const [other] = take(1e6);
      answer(other as number, 0);
      assert.equal(native.replyAndWait(0), 0);
    } else {
      const [other] = take(1e6);
      assert.equal(word(other as number, EL.REC_SLOT), a);
      assert.deepEqual([watched(a), watched(b)], [true, true]);
      answer(other as number, 0);
    }
  }
  assert.deepEqual(take(20000), []);
  native.replyAndWait(1000);
  assert.deepEqual([watched(a), watched(b)], [false, false]);
});

test('a parked request of a recent slot does not keep the server awake', () => {
  const a = slots[0] as number;
  for (let i = 0; i < 3; i++) {
    post(a);
    answer(take(1e6)[0] as number, 0);
    native.replyAndWait(0);
  }
  post(a);
  const [parked] = take(1e6);
  assert.notEqual(parked, undefined);
  let turns = 0;
  const end = process.hrtime.bigint() + 30_000_000n;
  for (; process.hrtime.bigint() < end; turns++) assert.equal(native.replyAndWait(3000), 0);
  assert.ok(turns <= 15, `${turns} turns in 30 ms`);
  answer(parked as number, 0);
  native.replyAndWait(0);
});

test('whoever posts is seen, bell or not, whatever slots come and go', () => {
  const out = new Map<number, number>();
  // Answered, but the answers have yet to go out: a stub would still wait.
  const leaving = new Set<number>();
  let x = 12345;
  const random = (n: number): number => { x = (x * 1103515245 + 12345) & 0x7fffffff; return (x >> 8) % n; };
  for (let i = 0; i < 20000; i++) {
    const id = slots[random(slots.length)] as number;
    if (!out.has(id) && !leaving.has(id)) {
      post(id);
      const recs = take(1e6);
      leaving.clear();
      assert.deepEqual(recs.map((r) => word(r, EL.REC_SLOT)), [id], `post ${i} was not seen`);
      out.set(id, recs[0] as number);
    }
    // Some stay parked for a while; answers are sent in bunches.
    for (const [parked, rec] of out) if (random(3) > 0) { answer(rec, 0); out.delete(parked); leaving.add(parked); }
    if (random(8) === 0) { assert.deepEqual(take(random(2) * 100), []); leaving.clear(); }
  }
  for (const rec of out.values()) answer(rec, 0);
  assert.equal(native.replyAndWait(0), 0);
  assert.equal(lists[EL.LIST_NFREE], EL.INBOX_RECORDS);
});
