/** What each suite makes of what its programs print, whole and cut off. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { End, Row } from '../result.js';
import type { Capture } from '../suite.js';
import { parseBusybox } from './busybox.js';
import { parseCpython } from './cpython.js';
import { parseGo } from './go.js';
import { parseTap } from './kselftest.js';
import { parseLtp } from './ltp.js';
import { parseProbe } from './probes.js';
import { bogoRate, parseStress } from './stress-ng.js';

const exit = (code: number): End => ({ how: 'exit', code });
const SEGV: End = { how: 'signal', code: 11 };
const capture = (out: string, end: End = exit(0), err = ''): Capture => ({ out, err, end, ms: 1 });
/** Rows as `name: verdict value, ...`. */
const show = (rows: readonly Row[]): string[] => rows.map((row) => `${row.name}: ${row.assertions.map((a) => `${a.id === 'verdict' ? '' : `${a.id} `}${a.verdict}${a.value === '' ? '' : ` ${a.value}`}`).join(', ')}`);

test('go', () => {
  const out = '=== RUN   TestA\n=== RUN   TestA/x\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/x (0.00s)\n=== RUN   TestB\n--- SKIP: TestB (0.00s)\n=== RUN   TestC\nnoise--- FAIL: TestC (1.20s)\n';
  assert.deepEqual(show(parseGo(capture(out, exit(1)))), ['TestA: pass', 'TestA/x: pass', 'TestB: skip', 'TestC: fail', '(whole program): pass']);
  assert.deepEqual(show(parseGo(capture('=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\npanic', exit(2)))), ['TestA: pass', 'TestB: broken no result: exit 2', '(whole program): broken exit 2']);
  assert.deepEqual(parseGo(capture('panic: no tests', exit(2))), []);
});

test('cpython', () => {
  assert.deepEqual(show(parseCpython(capture('@@BEGIN a\n\n@@PASS a\nx\n@@BEGIN b\n@@FAIL b\n@@DONE 2\n', exit(2)))), ['a: pass', 'b: fail', '(whole program): pass']);
  assert.deepEqual(show(parseCpython(capture('@@BEGIN a\n@@PASS a\n@@BEGIN b\n', SEGV))), ['a: pass', 'b: broken no result: signal 11', '(whole program): broken lost']);
  // A subtest that failed is not made good by what comes after.
  assert.deepEqual(show(parseCpython(capture('@@BEGIN a\n@@FAIL a\n@@PASS a\n@@DONE 1\n', exit(2))))[0], 'a: fail');
});

test('kselftest', () => {
  assert.deepEqual(show(parseTap(capture('TAP version 13\n1..3\nok 1 one\n# noise\nnot ok 2 - two\nok 3 three # SKIP no root\n', exit(1)))), ['one: pass', 'two: fail', 'three: skip', '(whole program): pass']);
  // A test that is skipped in place of its name is not passed.
  assert.deepEqual(show(parseTap(capture('ok 1 # SKIP no clock\nok 2 - a#b # x\nok 3\nnot ok 4 known # TODO later\n'))), ['no clock: skip', 'a#b # x: pass', 'test 3: pass', 'known: pass', '(whole program): pass']);
  assert.deepEqual(show(parseTap(capture('', exit(4)))), ['(whole program): skip']);
  assert.deepEqual(show(parseTap(capture('', SEGV))), ['(whole program): broken signal 11']);
  assert.deepEqual(show(parseTap(capture('ok 1 one\n', SEGV))), ['one: pass', '(whole program): broken signal 11']);
});

test('ltp', () => {
  const out = 'a.c:10: TPASS: fine\na.c:10: TPASS: again\na.c:12: TFAIL: bad\n';
  assert.deepEqual(show(parseLtp('a01', capture('', exit(1), out))), ['a01: a.c:10 pass, a.c:10 (2) pass, a.c:12 fail, (end) broken exit 1']);
  assert.deepEqual(show(parseLtp('a01', capture('a01    1  TPASS  :  old\n'))), ['a01: a01    1 pass, (end) pass']);
  assert.deepEqual(show(parseLtp('a01', capture('a.c:9: TCONF: no\n', exit(32)))), ['a01: a.c:9 skip']);
  assert.deepEqual(parseLtp('a01', capture('nothing')), []);
});

test('busybox', () => {
  assert.deepEqual(show(parseBusybox(capture('@@ coreutils 0 ab x y\n@@ busybox 0 ab x y\n@@ coreutils 1 cd z\n@@ busybox 2 cd z\n@@ coreutils 1 cd cut\n'))),
    ['x y: coreutils pass 0 ab, busybox pass 0 ab, agree pass', 'z: coreutils pass 1 cd, busybox pass 2 cd, agree fail', 'cut: coreutils pass 1 cd, agree broken', '(whole program): pass']);
});

test('probes', () => {
  assert.deepEqual(show(parseProbe('p', capture('a=1\na=2\nb=ENOENT\n'))), ['p: a pass 1, a (2) pass 2, b pass ENOENT, (end) pass']);
  assert.deepEqual(show(parseProbe('p', capture('setup-failed line 3: EPERM\n', exit(98)))), ['p: setup-failed line 3: EPERM broken, (end) broken exit 98']);
});

test('stress-ng', () => {
  assert.deepEqual(show(parseStress('pipe', capture('', exit(0)))), ['pipe: pass']);
  assert.deepEqual(show(parseStress('pipe', capture('', exit(3)))), ['pipe: skip']);
  assert.deepEqual(show(parseStress('pipe', capture('', SEGV))), ['pipe: broken signal 11']);
  assert.equal(bogoRate(capture('stress-ng: metrc: [1] pipe              60735      1.00      0.06      0.16     60631.66      273023.96\n')), 60631.66);
});
