import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../failure.js';
import { heads, render } from './format.js';

const FIELDS = { ID: 'abc', State: { Running: true, Pid: 7 }, Env: ['A=1', 'B=2'], Labels: { 'com.x': 'y', n: 1 }, None: null };

test('fields, as Go prints them', () => {
  assert.equal(render('{{.ID}}:{{ .State.Pid }}\\t{{.State.Running}}', FIELDS), 'abc:7\ttrue');
  assert.equal(render('{{.Env}} {{.Labels}}', FIELDS), '[A=1 B=2] map[com.x:y n:1]');
  assert.equal(render('{{json .State}} {{json .ID}}', FIELDS), '{"Running":true,"Pid":7} "abc"');
  assert.equal(render('{{index .Labels "com.x"}}{{index .Env 1}}{{index .Labels "none"}}{{index .None "x"}}', FIELDS), 'yB=2');
  assert.equal(render('no fields', FIELDS), 'no fields');
  assert.equal(heads('{{.ID}}\t{{json .State.Pid}}'), 'ID\tSTATE.PID');
});

test('what is not known is refused, not misread', () => {
  for (const bad of ['{{.Nope}}', '{{.ID.x}}', '{{range .Env}}{{end}}', '{{.ID', '{{upper .ID}}']) assert.throws(() => render(bad, FIELDS), (e) => e instanceof Failure && !e.message.includes('\n'), bad);
});
