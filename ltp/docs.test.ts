/** docs/conformance.md is what the baselines say, and every miss in them is explained once. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { docFaults } from './docs.js';
import { type Mechanism, type Miss, explain } from './mechanisms.js';

test('docs/conformance.md is current, and every miss has one mechanism', () => {
  assert.deepEqual(docFaults(), []);
});

const miss = (program: string, row: string): Miss => ({ suite: 's', program, as: 'root', row });
const mechanism = (what: string, program: RegExp, row?: RegExp): Mechanism => ({ what, mend: '', claims: [{ suite: 's', program, ...(row === undefined ? {} : { row }) }] });

test('a miss that nobody claims, two claims of one miss, and a claim of nothing', () => {
  const a = miss('a', 'x');
  const b = miss('b', 'y');
  const c = miss('c', 'z');
  const all = explain([a, b, c], [mechanism('one', /^a$/), mechanism('two', /^[ab]$/, /^[xy]$/), mechanism('none', /^d$/), mechanism('other row', /^c$/, /^y$/)]);
  assert.deepEqual(all.unclaimed, [c]);
  assert.deepEqual(all.faults, ['"none" claims s /^d$/: no such miss', '"other row" claims s /^c$/ /^y$/: no such miss', 's a (root) x is claimed by "one" and "two"']);
  assert.deepEqual(all.found.map(([m, rows]) => [m.what, rows.length]), [['two', 2], ['one', 1], ['none', 0], ['other row', 0]]);
  assert.deepEqual(explain([a], [mechanism('one', /^a$/)]).faults, []);
});
