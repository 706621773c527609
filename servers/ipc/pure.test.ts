/** The pure parts: poll sets, fd_set bitmaps, 64-bit counters, FIFO rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import { anySet, EX_SET, IN_SET, OUT_SET, readSets, setBytes, writeSets } from './fdsets.js';
import { FifoState } from './fifo.js';
import { HOST_BATCH, type PollEnv, PollSet } from './poll-set.js';
import { PollClass } from './ready.js';
import { U64 } from './u64.js';

/** OFD rows below 100 are SOFT and ready for `row`; from 100 HOST with host fd row, ready when odd. */
function fakeEnv(): PollEnv & { asked: number[] } {
  const fds: number[] = [];
  const asked: number[] = [];
  return {
    asked,
    classOf: (row) => (row < 100 ? PollClass.SOFT : PollClass.HOST),
    mask: (row, events) => row & (events | 0x18),
    hostFd: (row) => row,
    put: (ix, fd) => { fds[ix] = fd; },
    pollNow: (n) => { asked.push(n); return fds.slice(0, n).filter((fd) => fd % 2 === 1).length; },
    got: (ix) => ((fds[ix] as number) % 2 === 1 ? 1 : 0),
  };
}

test('a poll set asks the host once, in batches, and keeps answers in their places', () => {
  const set = new PollSet(2);
  const env = fakeEnv();
  for (const row of [0, -1, 1, 4, 101, 102, 103]) set.push(row, row, 1);
  assert.equal(set.evaluate(env), 4);
  assert.deepEqual([...set.found.subarray(0, set.n)], [0, 0x20, 1, 0, 1, 0, 1]);
  assert.deepEqual(env.asked, [3]);
  set.clear();
  for (let i = 0; i < HOST_BATCH + 3; i++) set.push(i, 101 + i, 1);
  assert.equal(set.evaluate(env), HOST_BATCH / 2 + 2);
  assert.deepEqual(env.asked, [3, HOST_BATCH, 3]);
  assert.deepEqual([set.found[HOST_BATCH], set.found[HOST_BATCH + 1], set.found[HOST_BATCH + 2]], [1, 0, 1]);
});

test('what is kept is a copy', () => {
  const set = new PollSet(1);
  set.push(3, 7, 1);
  const kept = set.keep();
  set.clear();
  set.push(4, 8, 2);
  assert.deepEqual([kept.n, kept.fds[0], kept.rows[0], kept.want[0]], [1, 3, 7, 1]);
});

test('fd sets: bits beyond nfds are ignored, results only where asked', () => {
  const b = Buffer.alloc(48);
  const offs: [number, number, number] = [0, 16, 32];
  b[0] = 0b1010; // in: 1, 3
  b[17] = 0b1; // out: 8
  b[33] = 0b11; // except: 8, 9
  b[1] = 0x80; // in: 15, beyond
  const set = new PollSet(1);
  assert.equal(readSets(b, offs, 10, set, (fd) => fd + 1), 0);
  assert.deepEqual([...set.fds.subarray(0, set.n)], [1, 3, 8, 9]);
  assert.deepEqual([...set.want.subarray(0, set.n)].map((w) => w & 0xffff), [IN_SET, IN_SET, OUT_SET | EX_SET, EX_SET]);
  set.found.set([1, 0, 8, 16]); // readable; nothing; error (an in and out condition); hang-up, which except does not show
  assert.equal(anySet(set), true);
  assert.equal(writeSets(b, offs, 10, set), 2);
  assert.deepEqual([b[0], b[1], b[17], b[33]], [0b10, 0, 1, 0]);
  set.found.set([0, 0, 0, 16]);
  assert.equal(anySet(set), false);
  assert.equal(readSets(b, [0, -1, -1], 10, set, () => -E.EBADF), -E.EBADF);
  assert.deepEqual([0, 1, 64, 65].map(setBytes), [0, 8, 8, 16]);
});

test('64-bit counters carry, and stop below the maximum', () => {
  const c = new U64(0xffffffff, 1);
  assert.equal(c.addBelowMax(1, 0), true);
  assert.deepEqual([c.lo, c.hi], [0, 2]);
  c.set(0xfffffffd, 0xffffffff);
  assert.equal(c.addBelowMax(2, 0), false);
  assert.equal(c.addBelowMax(1, 0), true);
  assert.equal(c.addBelowMax(1, 0), false);
  assert.equal(c.addBelowMax(0xffffffff, 0xffffffff), false);
  assert.equal(c.addBelowMax(0, 0), true);
  assert.deepEqual([c.lo, c.hi], [0xfffffffe, 0xffffffff]);
});

test('fifo(7): who waits, who fails', () => {
  const RD = 0, WR = 1, RW = 2, NB = 0o4000;
  const s = new FifoState();
  assert.equal(s.refuse(WR | NB), -E.ENXIO);
  assert.equal(s.refuse(WR), 0);
  assert.equal(s.mustWait(RW), false);
  s.count(RD, 1);
  assert.equal(s.mustWait(RD), true);
  assert.equal(s.mustWait(RD | NB), false);
  assert.equal(s.refuse(WR | NB), 0);
  s.count(WR, 1);
  assert.equal(s.mustWait(RD), false);
  assert.equal(s.mustWait(WR), false);
  s.count(RD, -1);
  s.count(WR, -1);
  assert.equal(s.unused, true);
  s.count(RW, 1);
  assert.deepEqual([s.readers, s.writers], [1, 1]);
});
