/** Flags that docker users type: what they mean, and that what they would not get is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPublish } from './docker-flags.js';
import { parseEnvFile } from './env-file.js';
import { Failure } from './failure.js';
import { parseLabels, parseUlimit } from './limits.js';
import { parseMount } from './mount-option.js';

const refuses = (run: () => unknown, text: RegExp): void => { assert.throws(run, (e) => e instanceof Failure && text.test(e.message) && !e.message.includes('\n')); };

test('--publish: only what is so in any case', () => {
  for (const good of ['80', '80:80', '0.0.0.0:80:80', '[::]:80:80', '8000-8010:8000-8010', '53:53/udp', '::80', '0.0.0.0::80']) assert.doesNotThrow(() => { checkPublish(good); }, good);
  refuses(() => { checkPublish('8080:80'); }, /let it listen on 8080, or reach it on 80$/);
  refuses(() => { checkPublish('127.0.0.1:80:80'); }, /tell it the address 127\.0\.0\.1$/);
  refuses(() => { checkPublish('[::1]:80:80'); }, /address ::1$/);
  for (const bad of ['', 'x', '80:', 'a:80', '80:80/icmp', '1:2:3:4']) refuses(() => { checkPublish(bad); }, /bad --publish/);
});

test('--env-file', () => {
  assert.deepEqual(parseEnvFile('# c\nA=1\r\n\n \tB= x "y" \nC\n', 'f'), ['A=1', 'B= x "y" ', 'C']);
  refuses(() => parseEnvFile('A B=1', 'f'), /bad variable "A B=1" in f/);
  refuses(() => parseEnvFile('=1', 'f'), /bad variable/);
});

test('--ulimit and --label', () => {
  assert.deepEqual(parseUlimit('nofile=10:20'), { resource: 7, soft: 10, hard: 20 });
  assert.deepEqual(parseUlimit('core=-1'), { resource: 4, soft: null, hard: null });
  assert.deepEqual(parseUlimit('stack=1:unlimited'), { resource: 3, soft: 1, hard: null });
  for (const bad of ['nofile', 'x=1', 'cpu=a', 'cpu=2:1', 'cpu=-1:5', 'cpu=1:']) refuses(() => parseUlimit(bad), /bad --ulimit/);
  assert.deepEqual(parseLabels(['a=b=c', 'd']), { a: 'b=c', d: '' });
  refuses(() => parseLabels(['=x']), /bad --label/);
});

test('--mount', () => {
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,readonly'), { volume: '/a:/b:ro' });
  assert.deepEqual(parseMount('type=bind,source=.,target=/b,readonly=false'), { volume: './.:/b' });
  assert.deepEqual(parseMount('type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=700'), { tmpfs: '/t:size=1m,mode=700' });
  assert.deepEqual(parseMount('type=tmpfs,target=/t'), { tmpfs: '/t' });
  assert.deepEqual(parseMount('type=volume,src=data,dst=/b'), { volume: 'data:/b:rw' });
  assert.deepEqual(parseMount('source=data,target=/b,readonly,volume-nocopy'), { volume: 'data:/b:ro,nocopy' });
  for (const bad of ['type=volume,source=/a,target=/b', 'source=/a,target=/b', 'target=/b', 'type=bind,source=/a', 'type=tmpfs,target=/t,source=/x', 'type=bind,source=/a,target=/b,bind-propagation=shared']) refuses(() => parseMount(bad), /bad --mount/);
});
