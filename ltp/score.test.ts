/** The scorer against fabricated results: whatever somebody could take for a match and is none. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { type End, type Outcome, type Row, type Verdict, WHOLE, distinct, single, wholeRow } from './result.js';
import { bySubsystem, scoreProgram, scoreRow, tally } from './score.js';

const OK: End = { how: 'exit', code: 0 };
const CRASH: End = { how: 'signal', code: 11 };
const TIMEOUT: End = { how: 'timeout', code: 0 };
const LOST: End = { how: 'lost', code: 0 };
const run = (rows: readonly Row[], end: End = OK): Outcome => ({ rows, end, ms: 1 });
const verdicts = (...list: Verdict[]): Row => ({ name: 'row', assertions: list.map((verdict, i) => ({ id: `line ${i}`, verdict, value: '' })) });
const three = (o: Outcome): Outcome[] => [o, o, o];
const state = (host: readonly Outcome[], carrick: readonly Outcome[]): string => scoreRow('row', host, carrick).state;

test('equal and passing is a match', () => {
  assert.equal(state(three(run([verdicts('pass', 'pass')])), three(run([verdicts('pass', 'pass')]))), 'MATCH');
  assert.equal(state(three(run([verdicts('pass', 'skip')])), three(run([verdicts('pass', 'skip')]))), 'MATCH');
});

test('what is equal because nothing worked on either side is no match', () => {
  const cases: Array<readonly [string, Outcome]> = [
    ['both broken', run([verdicts('broken')])],
    ['both fail', run([verdicts('pass', 'fail')])],
    ['both skip', run([verdicts('skip', 'skip')])],
    ['both without assertions', run([{ name: 'row', assertions: [] }])],
    ['both without output', run([])],
    ['both without output, by a crash', run([], CRASH)],
    ['timeout on both sides', run([verdicts('pass')], TIMEOUT)],
    ['timeout on both sides, without output', run([], TIMEOUT)],
    ['neither could be started', run([verdicts('pass')], LOST)],
  ];
  for (const [name, outcome] of cases) assert.equal(state(three(outcome), three(outcome)), 'NO_ORACLE', name);
  assert.equal(state([], []), 'NO_ORACLE');
});

test('a run that falls short of the host is a miss', () => {
  const host = three(run([verdicts('pass', 'pass')]));
  const cases: Array<readonly [string, Outcome]> = [
    ['no output', run([])],
    ['no assertions', run([{ name: 'row', assertions: [] }])],
    ['the last assertion is absent', run([verdicts('pass')])],
    ['one fails', run([verdicts('pass', 'fail')])],
    ['one is skipped', run([verdicts('pass', 'skip')])],
    ['one too many', run([verdicts('pass', 'pass', 'pass')])],
    ['all there, but the program was cut off', run([verdicts('pass', 'pass')], TIMEOUT)],
    ['all there, but carrick died', run([verdicts('pass', 'pass')], LOST)],
    ['another row', run([{ ...verdicts('pass', 'pass'), name: 'other' }])],
  ];
  for (const [name, outcome] of cases) assert.equal(state(host, three(outcome)), 'MISS', name);
  assert.equal(state(host, []), 'MISS');
});

test('values are compared', () => {
  const host = three(run([single('row', 'pass', 'EINVAL')]));
  assert.deepEqual(scoreRow('row', host, three(run([single('row', 'pass', 'ENOSYS')]))), { row: 'row', state: 'MISS', why: 'verdict: ENOSYS, host EINVAL' });
});

test('a crash after the last assertion', () => {
  const host = three(run([verdicts('pass'), wholeRow(OK, false)]));
  const scored = scoreProgram(host, three(run([verdicts('pass'), wholeRow(CRASH, false)], CRASH)));
  assert.deepEqual(scored.find((s) => s.row === WHOLE), { row: WHOLE, state: 'MISS', why: 'verdict: broken: signal 11, host pass' });
  // Where a program is one row, its end is an assertion of that row.
  const oneRow = (end: End): Outcome => run([{ name: 'row', assertions: [...verdicts('pass').assertions, ...wholeRow(end, false).assertions] }], end);
  assert.equal(state(three(oneRow(OK)), three(oneRow(CRASH))), 'MISS');
  assert.equal(state(three(oneRow(CRASH)), three(oneRow(CRASH))), 'NO_ORACLE');
});

test('failing tests do not make the whole program fail, other ends do', () => {
  assert.equal(wholeRow({ how: 'exit', code: 1 }, true).assertions[0]?.verdict, 'pass');
  assert.equal(wholeRow({ how: 'exit', code: 1 }, false).assertions[0]?.verdict, 'broken');
  assert.equal(wholeRow({ how: 'exit', code: 2 }, true).assertions[0]?.verdict, 'broken');
  assert.equal(wholeRow(TIMEOUT, true).assertions[0]?.verdict, 'broken');
});

test('runs that differ', () => {
  const good = run([verdicts('pass')]);
  const bad = run([verdicts('fail')]);
  assert.equal(state(three(good), [good, bad, good]), 'FLAKY');
  assert.equal(state(three(good), [bad, good, good]), 'FLAKY');
  assert.equal(state(three(good), [good, run([], CRASH), good]), 'FLAKY');
  assert.equal(state(three(good), three(bad)), 'MISS');
  assert.equal(state([good, bad, good], three(good)), 'NO_ORACLE');
  assert.equal(state([good, run([]), good], three(good)), 'NO_ORACLE');
  assert.equal(state([run([single('row', 'pass', 'a')]), run([single('row', 'pass', 'b')])], three(run([single('row', 'pass', 'a')]))), 'NO_ORACLE');
});

test('what only carrick shows is listed, and does not count', () => {
  assert.deepEqual(scoreProgram(three(run([])), three(run([verdicts('pass')]))), [{ row: 'row', state: 'NO_ORACLE', why: 'not on the host in every run' }]);
});

test('tallies', () => {
  const rows = [{ state: 'MATCH', subsystem: 'timers' }, { state: 'FLAKY', subsystem: 'timers' }, { state: 'MISS', subsystem: 'IPC' }, { state: 'NO_ORACLE', subsystem: 'IPC' }] as const;
  assert.deepEqual(tally(rows), { matched: 1, countable: 3, flaky: 1, vacuous: 1 });
  assert.deepEqual(bySubsystem(rows), [['timers', { matched: 1, countable: 2, flaky: 1, vacuous: 0 }], ['IPC', { matched: 0, countable: 1, flaky: 0, vacuous: 1 }]]);
});

test('a test that ran twice keeps both rows', () => {
  assert.deepEqual(distinct([single('a', 'pass'), single('a', 'fail')]).map((row) => row.name), ['a', 'a (2)']);
});
