/** The control socket's lines: framing, and that nothing of a wrong type gets through. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINE_MAX, Lines, frame, layEnv, parseReply, parseRequest, type ExecRequest } from './control-wire.js';

const EXEC: ExecRequest = { op: 'exec', argv: ['echo', '\xff\x01\n'], env: ['A=1'], cwd: '', user: { text: 'me', uid: -1, gid: -1 }, tty: true, interactive: false, rows: 24, cols: 80, detach: false };

test('lines are put together from pieces of any size, and end where they are too long', () => {
  const l = new Lines();
  assert.deepEqual(l.push('{"a'), []);
  assert.deepEqual(l.push('":1}\n{"b":2}\n{'), ['{"a":1}', '{"b":2}']);
  assert.deepEqual(l.push('}\n'), ['{}']);
  assert.equal(new Lines().push('x'.repeat(LINE_MAX + 1)), undefined);
});

test('a request survives the wire, which carries one byte per character', () => {
  const text = frame(EXEC);
  assert.match(text, /^[\x20-\x7e]*\n$/);
  assert.deepEqual(parseRequest(text.trimEnd()), EXEC);
  assert.deepEqual(parseRequest(frame({ ...EXEC, user: undefined }).trimEnd()), { ...EXEC, user: undefined });
});

test('what is no request is none', () => {
  const bad: object[] = [
    {}, { op: 'halt' }, { op: 'signal', signo: 0 }, { op: 'signal', signo: 65 }, { op: 'signal', signo: '9' }, { op: 'resize', rows: 1 }, { ...EXEC, argv: [] },
    { ...EXEC, argv: ['a\0b'] }, { ...EXEC, argv: ['\u0100'] }, { ...EXEC, argv: 'ls' }, { ...EXEC, env: [1] }, { ...EXEC, detach: 1 }, { ...EXEC, tty: 1 }, { ...EXEC, user: { text: 'x' } },
  ];
  for (const m of bad) assert.equal(parseRequest(JSON.stringify(m)), undefined, JSON.stringify(m));
  for (const line of ['', 'null', '[]', '{', '3']) assert.equal(parseRequest(line), undefined, line);
});

test('replies', () => {
  assert.deepEqual(parseReply('{"event":"exited","status":256}'), { event: 'exited', status: 256 });
  assert.deepEqual(parseReply('{"event":"failed","code":127,"errno":2,"message":"exec x"}'), { event: 'failed', code: 127, errno: 2, message: 'exec x' });
  assert.equal(parseReply('{"event":"exited"}'), undefined);
});

test('a reply about usage has numbers where they belong', () => {
  const usage = { event: 'usage', servers: [{ calls: 3, parked: 1 }], processes: [{ pid: 1, hostPid: 77, name: 'sh', tasks: 1, requests: 9 }] } as const;
  assert.deepEqual(parseReply(frame(usage).trimEnd()), usage);
  assert.equal(parseReply(JSON.stringify({ ...usage, servers: [{ calls: -1, parked: 0 }] })), undefined);
  assert.equal(parseReply(JSON.stringify({ ...usage, processes: [{ pid: 1 }] })), undefined);
  assert.equal(parseReply('{"event":"usage"}'), undefined);
});

test('an environment is laid over another', () => {
  assert.deepEqual(layEnv(['A=1', 'B=2'], ['B=3', 'C=']), ['A=1', 'B=3', 'C=']);
});
