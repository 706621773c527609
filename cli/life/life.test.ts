/** Finding containers and signals, the table of ps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, table } from '../columns.js';
import type { State } from '../container-dir.js';
import { pick, signalNumber } from './lookup.js';
import { type PsFlags, chosen, statusOf } from './ps.js';

const state = (id: string, name = id): State => ({ id, name, pid: 1, startTime: '1', status: 'running', command: [], created: '2026-01-01T00:00:00.000Z' });

test('a container is found by name, id, or the beginning of an id', () => {
  const all = [state('aa11bb22cc33', 'web'), state('aa22bb22cc33'), state('bb22bb22cc33', 'aa11bb22cc33')];
  assert.equal(pick(all, 'web'), all[0]);
  assert.equal(pick(all, 'aa11bb22cc33'), all[2]);
  assert.equal(pick(all, 'aa2'), all[1]);
  assert.throws(() => pick(all, 'aa'), /2 containers/);
  assert.throws(() => pick(all, 'zz'), /no container zz/);
  assert.throws(() => pick(all, 'we'), /no container we/);
});

test('signals by name and number', () => {
  assert.deepEqual(['TERM', 'sigkill', '10', 'RTMIN', 'SIGRTMAX-1', 'RTMIN+2'].map(signalNumber), [15, 9, 10, 34, 63, 36]);
  for (const bad of ['', '0', '65', 'NOPE', 'RTMIN+99']) assert.throws(() => signalNumber(bad), /no signal/);
});

test('times and states in words', () => {
  assert.deepEqual([0, 1000, 59_000, 60_000, 7_200_000, 86_400_000 * 3, 86_400_000 * 15, 86_400_000 * 400].map(duration),
    ['less than a second', '1 second', '59 seconds', '1 minute', '2 hours', '3 days', '2 weeks', '1 year']);
  const now = Date.parse('2026-01-01T00:05:00.000Z');
  assert.equal(statusOf(state('a'), now), 'Up 5 minutes');
  assert.equal(statusOf({ ...state('a'), status: 'exited', exitStatus: 3, finished: '2026-01-01T00:04:00.000Z' }, now), 'Exited (3) 1 minute ago');
});

test('ps: the newest first, those that run; the last ones of those that the filters leave', () => {
  const exited = (id: string, name: string, exitStatus: number): State => ({ ...state(id, name), status: 'exited', exitStatus });
  const all = [state('a1', 'web'), exited('a2', 'job', 0), exited('a3', 'job-two', 1), state('a4', 'db')];
  const ids = (flags: PsFlags): string[] => chosen(all, flags).map((s) => s.id);
  assert.deepEqual(ids({}), ['a4', 'a1']);
  assert.deepEqual(ids({ all: true }), ['a4', 'a3', 'a2', 'a1']);
  assert.deepEqual(ids({ last: 2 }), ['a4', 'a3']);
  assert.deepEqual(ids({ last: 1, filter: ['name=job'] }), ['a3']);
  assert.deepEqual(ids({ latest: true, filter: ['status=running', 'name=web'] }), ['a1']);
  assert.deepEqual(ids({ filter: ['exited=0', 'exited=1'] }), ['a3', 'a2']);
  assert.throws(() => ids({ filter: ['colour=red'] }), /bad --filter/);
});

test('columns line up', () => {
  assert.equal(table([['A', 'LONG', 'C'], ['aaa', 'b', '']]), 'A     LONG   C\naaa   b\n');
});
