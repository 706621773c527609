import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../failure.js';
import { DetachKeys, parseKeys } from './attach.js';

test('keys by name', () => {
  assert.deepEqual([...parseKeys('ctrl-p,ctrl-q')], [16, 17]);
  assert.deepEqual([...parseKeys('a,ctrl-[,ctrl-@')], [97, 27, 0]);
  assert.equal(parseKeys('').length, 0);
  for (const bad of ['ctrl-', 'ctrl-1', 'ab', 'a,,b']) assert.throws(() => parseKeys(bad), Failure, bad);
});

test('keys are passed on but for the detach keys, however they arrive', async () => {
  const type = async (...chunks: string[]): Promise<string> => {
    let out = '', left = '';
    const keys = new DetachKeys(parseKeys('ctrl-p,ctrl-q'), () => { left = ' left'; });
    keys.setEncoding('latin1').on('data', (text: string) => { out += text; });
    for (const chunk of chunks) keys.write(Buffer.from(chunk));
    keys.end();
    await new Promise((done) => { keys.on('close', done); });
    return out + left;
  };
  assert.equal(await type('abc'), 'abc');
  assert.equal(await type('ab\x10\x11'), 'ab left');
  assert.equal(await type('a\x10', '\x11'), 'a left');
  assert.equal(await type('a\x10', 'b'), 'a\x10b');
  assert.equal(await type('\x10\x10', '\x11'), '\x10 left');
});
