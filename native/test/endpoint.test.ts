import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import * as EL from '../../shared/endpoint-layout.js';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import { answer, endGuest, finish, inbox, inboxBytes, lists, next, openGate, payload, result, setUp, setWord, SRV, startGuest, TASK, TG, turn, word } from './rig.js';

setUp();
// A test that changes the server or leaves a guest behind when it fails must not take the others with it.
afterEach(() => {
  native.procFree(TG);
  assert.equal(native.endpointInit(SRV, new Uint8Array(inboxBytes), lists), 0);
});

const EXIT_GROUP = 231;

test('the C header and the TypeScript constants of the endpoint agree', () => {
  const c = readFileSync('native/addon/endpoint_layout.h', 'latin1');
  const ours = new Map([...c.matchAll(/^\t([A-Z_]+) = ([0-9 +*]+),/gm)].map((m) => [m[1] as string, (m[2] as string).split('+').reduce((sum, x) => sum + Number(x), 0)]));
  const names = Object.keys(EL).filter((k) => ours.has(k));
  assert.ok(names.length >= 15, names.join());
  for (const k of names) assert.equal(ours.get(k), (EL as Record<string, unknown>)[k], k);
});

test('requests carry their payload in, replies only what was produced', (t) => {
  const g = startGuest(1, 20000, 0);
  let served = 0;
  for (;;) {
    const recs = turn();
    const rec = recs[0] as number;
    if (word(rec, L.SLOT_NR) === EXIT_GROUP) {
      assert.equal(finish(g, rec), 0);
      break;
    }
    if (served++ === 0) {
      assert.deepEqual([EL.REC_TASK, EL.REC_TG, EL.REC_SLOT].map((o) => word(rec, o)), [TASK, TG, g.slotId]);
      assert.equal(inbox.latin1Slice(payload(rec), payload(rec) + 5), 'hello');
      assert.equal(word(rec, L.SLOT_ARGLEN + 4), 64);
    }
    const out = payload(rec) + word(rec, L.SLOT_ARGOFF + 4);
    inbox.latin1Write('olleh but not this', out);
    answer(rec, word(rec, L.SLOT_ARGS + 16) + 1, [0, 5]);
  }
  assert.equal(served, 20000);
  assert.equal(lists[EL.LIST_NFREE], EL.INBOX_RECORDS);
  t.diagnostic(`round trip ${(result(g, 0) / served / 1000).toFixed(2)} us`);
  endGuest(g);
});

test('what a hostile guest writes is dropped or made harmless', () => {
  const g = startGuest(2, 0, 0);
  const rec = next(1235);
  assert.equal(word(rec, L.SLOT_INLEN), L.PAYLOAD_MAX);
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => word(rec, L.SLOT_ARGLEN + 4 * i)), [L.ARG_FAULT, L.ARG_FAULT, L.ARG_FAULT, L.ARG_FAULT, 32]);
  assert.equal(lists[EL.LIST_NCANCEL], 0);
  answer(rec, 6);
  const end = next(EXIT_GROUP);
  assert.equal(finish(g, end), 0);
  endGuest(g);
});

test('a record answers once, and never after its slot was bound to somebody else', () => {
  const g = startGuest(1, 1, 0);
  const rec = next(1234);
  native.slotBind(g.slotId, TASK + 1, TG);
  assert.equal(native.replyNow(rec), 0);
  assert.equal(native.slotLoad(g.slotId, L.SLOT_STATE), L.SLOT_POSTED);
  assert.equal(native.replyNow(rec), -22);
  assert.equal(lists[EL.LIST_NFREE], EL.INBOX_RECORDS);
  endGuest(g);
});

test('a full inbox keeps requests until a record is free', () => {
  const g = startGuest(1, 1, 0);
  const nfree = lists[EL.LIST_NFREE] as number;
  lists[EL.LIST_NFREE] = 0;
  for (let i = 0; i < 3; i++) assert.equal(native.replyAndWait(20000), 0);
  assert.equal(native.slotLoad(g.slotId, L.SLOT_STATE), L.SLOT_POSTED);
  lists[EL.LIST_NFREE] = nfree;
  assert.equal(native.replyAndWait(0), 1);
  assert.equal(word(lists[EL.LIST_IN] as number, L.SLOT_NR), 1234);
  assert.equal(native.replyAndWait(0), 0);
  endGuest(g);
});

test('a cancel names its slot while the request is out, and only if the task asked', () => {
  const g = startGuest(8, 0, 0);
  const rec = next(1244);
  native.ringDoorbell(SRV, (g.slotId | L.DB_CANCEL) >>> 0);
  native.replyAndWait(0);
  assert.equal(lists[EL.LIST_NCANCEL], 0);
  openGate(g);
  native.replyAndWait(1000000);
  assert.deepEqual([lists[EL.LIST_NCANCEL], lists[EL.LIST_CANCEL]], [1, g.slotId]);
  answer(rec, -512);
  assert.equal(finish(g, next(EXIT_GROUP)), 0);
  endGuest(g);
});

test('a forwarded request arrives at the other server, and its cancel after it', () => {
  const g = startGuest(8, 0, 0);
  const other = L.SRV_NET;
  const rec = next(1244);
  native.ringDoorbell(other, (g.slotId | L.DB_FORWARD) >>> 0);
  // The record is dropped, as Endpoint.drop does.
  lists[EL.LIST_FREE + (lists[EL.LIST_NFREE] as number)] = rec;
  lists[EL.LIST_NFREE] = (lists[EL.LIST_NFREE] as number) + 1;
  openGate(g);
  // This endpoint sees the cancel and passes it on.
  assert.equal(native.replyAndWait(1000000), 0);
  assert.equal(lists[EL.LIST_NCANCEL], 0);
  // Now be the other server.
  assert.equal(native.endpointInit(other, new Uint8Array(inboxBytes), lists), 0);
  assert.equal(native.replyAndWait(1000000), 1);
  const again = lists[EL.LIST_IN] as number;
  assert.equal(word(again, L.SLOT_NR), 1244);
  if (lists[EL.LIST_NCANCEL] === 0) native.replyAndWait(1000000);
  assert.deepEqual([lists[EL.LIST_NCANCEL], lists[EL.LIST_CANCEL]], [1, g.slotId]);
  answer(again, -512);
  native.replyAndWait(0);
  assert.equal(native.endpointInit(SRV, new Uint8Array(inboxBytes), lists), 0);
  assert.equal(finish(g, next(EXIT_GROUP)), 0);
  endGuest(g);
});

test('reply flags and leading payload go back where the protocol says so', () => {
  const g = startGuest(1, 2, 0);
  const rec = next(1234);
  inbox.latin1Write('PLAN', payload(rec));
  answer(rec, 1, [0, 5]);
  setWord(rec, L.SLOT_RFLAGS, L.RF_CLONE | L.RF_REAP);
  setWord(rec, L.SLOT_CTL_NEED, 3);
  setWord(rec, L.SLOT_RPID, 44);
  setWord(rec, L.SLOT_INLEN, 4);
  inbox.latin1Write('olleh', payload(rec) + 8);
  next(1234);
  assert.deepEqual([L.SLOT_RFLAGS, L.SLOT_CTL_NEED, L.SLOT_RPID].map((o) => native.slotLoad(g.slotId, o)), [L.RF_CLONE | L.RF_REAP, 3, 44]);
  endGuest(g);
});

test('rings and control wake with their flag, once', () => {
  native.ringDoorbell(SRV, L.DB_RINGS);
  native.ringDoorbell(SRV, L.DB_RINGS);
  native.ringDoorbell(SRV, L.DB_CONTROL);
  assert.equal(native.replyAndWait(1000000), 0);
  assert.equal(lists[EL.LIST_FLAGS], EL.WAKE_RINGS | EL.WAKE_CONTROL);
  assert.equal(native.replyAndWait(0), 0);
  assert.equal(lists[EL.LIST_FLAGS], 0);
  assert.equal(native.ringDoorbell(L.SRV_COUNT, L.DB_RINGS), -22);
});

test('a doorbell that guests have filled loses no forward', () => {
  // Nobody reads SRV_SIGNAL's pipe here: fill it with junk until it would block.
  const g = startGuest(8, 0, 0);
  const rec = next(1244);
  for (let i = 0; i < 300 * 1024 / 4; i++) native.ringDoorbell(L.SRV_SIGNAL, 0x00ffffff);
  native.ringDoorbell(L.SRV_SIGNAL, (g.slotId | L.DB_FORWARD) >>> 0);
  lists[EL.LIST_FREE + (lists[EL.LIST_NFREE] as number)] = rec;
  lists[EL.LIST_NFREE] = (lists[EL.LIST_NFREE] as number) + 1;
  assert.equal(native.endpointInit(L.SRV_SIGNAL, new Uint8Array(inboxBytes), lists), 0);
  let got = 0;
  for (let i = 0; i < 200 && got === 0; i++) got = native.replyAndWait(0);
  assert.equal(got, 1);
  assert.equal(word(lists[EL.LIST_IN] as number, L.SLOT_NR), 1244);
  for (let i = 0; i < 200; i++) native.replyAndWait(0);
  assert.equal(native.endpointInit(SRV, new Uint8Array(inboxBytes), lists), 0);
  endGuest(g);
});

test('a watched fd and a timeout end the wait', () => {
  const EPOLLIN = 1;
  const fd = native.sys(290 /* eventfd2 */, 0, 1, 0o2000000);
  assert.equal(native.watchFd(1, fd, EPOLLIN, 33), 0);
  assert.equal(native.watchFd(1, fd, EPOLLIN, 33), -17);
  native.replyAndWait(-1);
  assert.deepEqual([...lists.subarray(EL.LIST_FD, EL.LIST_FD + 2), lists[EL.LIST_NFD]], [33, EPOLLIN, 1]);
  assert.equal(native.watchFd(2, fd, 0, 33), 0);
  const t0 = process.hrtime.bigint();
  native.replyAndWait(1500);
  assert.ok(process.hrtime.bigint() - t0 >= 1_500_000n);
  assert.equal(lists[EL.LIST_NFD], 0);
  native.sys(3, 0, fd);
});
