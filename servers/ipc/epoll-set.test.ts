/** The interest list by itself: a fake host epoll and fake OFDs. The real ones are in ipc.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { type EpollEnv, EpollSet } from './epoll-set.js';
import { BELL_HI, BELL_LO } from '../../shared/gen/layout.js';
import { EVENT_BYTES } from './hostcalls.js';
import type { ReadyListener } from './ready.js';

const IN = 1, OUT = 4, HUP = 16, ET = 1 << 31, ONESHOT = 1 << 30, EXCLUSIVE = 1 << 28;

/** A host whose sets are lists of [fd, events, data]; `hot` fds are ready. */
class FakeHost {
  sets = new Map<number, Map<number, { events: number; lo: number; hi: number }>>();
  hot = new Set<number>();
  closed: number[] = [];
  ready = new Map<number, number>();
  listeners = new Map<number, ReadyListener[]>();
  private next = 100;

  readonly env: EpollEnv = {
    host: {
      create: () => { this.sets.set(this.next, new Map()); return this.next++; },
      ctl: (ep, op, fd, events, lo, hi) => {
        const set = this.sets.get(ep) as Map<number, { events: number; lo: number; hi: number }>;
        if (op === 2) return set.delete(fd) ? 0 : -E.ENOENT;
        if (op === 1 && set.has(fd)) return -E.EEXIST;
        set.set(fd, { events, lo, hi });
        return 0;
      },
      wait: (ep, off, max) => {
        let n = 0;
        for (const [fd, e] of this.sets.get(ep) as Map<number, { events: number; lo: number; hi: number }>) {
          if (!this.hot.has(fd) || n === max) continue;
          host.scratchView.setUint32(off + n * EVENT_BYTES, IN, true);
          host.scratchView.setUint32(off + n * EVENT_BYTES + 4, e.lo, true);
          host.scratchView.setUint32(off + n * EVENT_BYTES + 8, e.hi, true);
          n++;
        }
        return n;
      },
    },
    listen: (row, l) => { this.listeners.set(row, [...(this.listeners.get(row) ?? []), l]); },
    unlisten: (row, l) => { this.listeners.set(row, (this.listeners.get(row) ?? []).filter((x) => x !== l)); },
    readiness: (row) => this.ready.get(row) ?? 0,
    dup: () => this.next++,
    close: (fd) => { this.closed.push(fd); },
    newBell: () => this.next++,
    ring: (bell) => { this.hot.add(bell); },
    silence: (bell) => { this.hot.delete(bell); },
  };

  make(): EpollSet {
    const set = new EpollSet(this.env, this.env.host.create());
    return set;
  }

  /** Row `row` reports an event. */
  report(row: number, mask: number): void {
    this.ready.set(row, mask);
    for (const l of this.listeners.get(row) ?? []) l.onReady(mask);
  }
}

function collect(set: EpollSet, max = 16): Array<[number, number]> {
  const n = set.collect(max);
  assert.ok(n >= 0);
  return Array.from({ length: n }, (_, i) => [host.scratchView.getUint32(host.DATA + i * EVENT_BYTES + 4, true), host.scratchView.getUint32(host.DATA + i * EVENT_BYTES, true)]);
}

/** Is the host fd of the set readable? */
const visible = (h: FakeHost, set: EpollSet): boolean => h.env.host.wait(set.hostFd, host.DATA, 1) > 0;

test('a soft item makes the host fd readable exactly while it has events', () => {
  const h = new FakeHost();
  const set = h.make();
  assert.equal(set.add(1, 5, -1, IN, 55, 0), 0);
  assert.equal(visible(h, set), false);
  h.report(1, IN | OUT);
  assert.equal(visible(h, set), true);
  assert.deepEqual(collect(set), [[55, IN]]);
  assert.equal(visible(h, set), true);
  h.report(1, OUT);
  assert.equal(visible(h, set), false);
  assert.deepEqual(collect(set), []);
});

test('an event that was withdrawn unreported is not delivered', () => {
  const h = new FakeHost();
  const set = h.make();
  set.add(1, 5, -1, IN, 55, 0);
  h.report(1, IN);
  h.ready.set(1, 0);
  assert.deepEqual(collect(set), []);
  assert.equal(visible(h, set), false);
});

test('errors and hang-up come unasked; soft edges, one-shots', () => {
  const h = new FakeHost();
  const set = h.make();
  set.add(1, 5, -1, IN | ET, 1, 0);
  set.add(2, 6, -1, IN | ONESHOT, 2, 0);
  set.add(3, 7, -1, 0, 3, 0);
  for (const row of [1, 2, 3]) h.report(row, IN | HUP);
  assert.deepEqual(collect(set), [[1, IN | HUP], [2, IN | HUP], [3, HUP]]);
  assert.deepEqual(collect(set), [[3, HUP]]);
  h.report(1, IN);
  h.report(2, IN);
  h.report(3, 0);
  assert.deepEqual(collect(set), [[1, IN]]);
  assert.equal(set.modify(2, 6, IN | ONESHOT, 22, 0), 0);
  assert.deepEqual(collect(set), [[22, IN]]);
});

test('one event at a time goes round', () => {
  const h = new FakeHost();
  const set = h.make();
  for (const row of [1, 2, 3]) { set.add(row, row, -1, IN, row, 0); h.report(row, IN); }
  assert.deepEqual([collect(set, 1), collect(set, 1), collect(set, 1), collect(set, 1)].map((e) => e[0]?.[0]), [1, 2, 3, 1]);
});

test('the same OFD under two fds is two entries; EEXIST, ENOENT, EINVAL', () => {
  const h = new FakeHost();
  const set = h.make();
  assert.equal(set.add(1, 5, 40, IN, 5, 0), 0);
  assert.equal(set.add(1, 6, 40, IN, 6, 0), 0);
  assert.equal(set.add(1, 6, 40, IN, 6, 0), -E.EEXIST);
  assert.equal(set.modify(1, 7, IN, 0, 0), -E.ENOENT);
  assert.equal(set.delete(1, 7), -E.ENOENT);
  assert.equal(set.add(2, 8, 41, IN | EXCLUSIVE, 0, 0), 0);
  assert.equal(set.modify(2, 8, IN, 0, 0), -E.EINVAL);
  assert.equal(set.delete(1, 6), 0);
  assert.equal(h.closed.length, 1);
  h.hot.add(40);
  assert.deepEqual(collect(set), [[5, IN]]);
});

test('a number that came back for another file does not lose its entry to the old one', () => {
  const h = new FakeHost();
  const set = h.make();
  set.add(1, 5, 40, IN, 5, 0);
  (h.sets.get(set.hostFd) as Map<number, unknown>).delete(40);
  assert.equal(set.add(2, 6, 40, IN, 6, 0), 0);
  for (const l of h.listeners.get(1) ?? []) l.onGone();
  h.hot.add(40);
  assert.deepEqual(collect(set), [[6, IN]]);
});

test('members that the guest has added come through with their data', () => {
  const h = new FakeHost();
  const set = h.make();
  const hostSet = h.sets.get(set.hostFd) as Map<number, { events: number; lo: number; hi: number }>;
  hostSet.set(7, { events: IN, lo: 77, hi: 1 });
  h.hot.add(7);
  assert.deepEqual(collect(set), [[77, IN]]);
  // Data like the bell's is somebody's own while the bell is silent.
  hostSet.set(7, { events: IN, lo: BELL_LO, hi: BELL_HI });
  assert.deepEqual(collect(set), [[BELL_LO, IN]]);
});

test('with room for one, soft and host members take turns', () => {
  const h = new FakeHost();
  const set = h.make();
  set.add(1, 5, -1, IN, 5, 0);
  set.add(2, 6, 40, IN, 6, 0);
  h.report(1, IN);
  h.hot.add(40);
  assert.deepEqual([...new Set([collect(set, 1), collect(set, 1), collect(set, 1), collect(set, 1)].map((e) => e[0]?.[0]))].sort(), [5, 6]);
});

test('close leaves no listener and no bell', () => {
  const h = new FakeHost();
  const set = h.make();
  set.add(1, 5, -1, IN, 5, 0);
  h.report(1, IN);
  set.close();
  assert.deepEqual(h.listeners.get(1), []);
  assert.equal(set.size, 0);
  assert.equal(h.closed.length, 1);
});
