/** docs/security.md lists the host calls that guests can make: the same calls, in the same order, with the same checks as the filter. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

test('docs/security.md lists the rules of the filter', () => {
  const source = readFileSync(resolve('native/stub/filter.c'), 'utf8');
  const begin = source.indexOf('static const struct rule rules[]');
  const list = source.slice(begin, source.indexOf('\n};', begin));
  const rules = [...list.matchAll(/\{ (?:__NR|CARRICK_NR)_(\w+), (\w+), (\w+) \}/g)].map(([, name, check, arg]) => `${name} ${check}${check === 'ARG0' ? ` ${arg}` : ''}`);
  assert.ok(rules.length > 40, 'the rules are not written as this test reads them');
  assert.equal(rules.length, [...list.matchAll(/\{ /g)].length, 'a rule is written in another way');
  const doc = readFileSync(resolve('docs/security.md'), 'utf8');
  const rows = [...doc.matchAll(/^\| `(\w+)` \| ([A-Z_0-9]+(?: \d+)?) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, name, check]) => `${name} ${check}`);
  assert.deepEqual(rows, rules);
});
