/** What counts as worse. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { type ScoredProgram, compare } from './baseline.js';
import type { State } from './score.js';

function program(rows: Record<string, State>, digest = 'one'): ScoredProgram {
  return {
    program: 'p', as: 'root', date: '2026-01-01', digest, versions: {}, runs: 3, hostMs: 1, carrickMs: 1,
    rows: Object.entries(rows).map(([row, state]) => ({ row, state, subsystem: 'other' as const, why: '' })),
  };
}

const rows = (changes: readonly { readonly where: string }[]): string[] => changes.map((c) => c.where.replace('p (root) ', ''));

test('a match that becomes a miss, flaky or absent is worse; one that cannot be measured is not', () => {
  const c = compare([program({ a: 'MATCH', b: 'MATCH', c: 'MATCH', d: 'MATCH', e: 'MATCH', f: 'MISS', g: 'MISS' })],
    [program({ a: 'MATCH', b: 'MISS', c: 'FLAKY', d: 'NO_ORACLE', f: 'MATCH', g: 'FLAKY', h: 'MATCH', i: 'MISS' })]);
  assert.deepEqual(rows(c.worse), ['b', 'c', 'e']);
  assert.deepEqual(rows(c.better), ['f', 'h']);
  assert.deepEqual(rows(c.uncounted), ['d']);
});

test('of another version of a program, rows count by their names, and those that it does not have do not', () => {
  const c = compare([program({ a: 'MATCH', b: 'MATCH', c: 'MATCH', d: 'MISS' })], [program({ a: 'MATCH', b: 'MISS', d: 'MATCH', e: 'MATCH', f: 'MISS' }, 'two')]);
  assert.deepEqual([rows(c.worse), rows(c.better), rows(c.uncounted)], [['b'], ['d', 'e'], ['c']]);
});

test('programs that were not run now are not compared', () => {
  assert.deepEqual(compare([program({ a: 'MATCH' })], []), { better: [], worse: [], uncounted: [] });
});
