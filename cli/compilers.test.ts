/** The flags that are given back are V8's own: else it refuses every code cache, and says nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { USUALLY, USUAL_BUDGET } from './compilers.js';

test('V8 keeps its code caches with the flags that workers start with', { skip: !process.versions.v8.startsWith('11.3.') }, () => {
  const tell = `
    const vm = require('node:vm'), v8 = require('node:v8');
    const source = 'function f() { return 1; } f();';
    const cachedData = new vm.Script(source).createCachedData();
    const refused = () => new vm.Script(source, { filename: String(Math.random()), cachedData }).cachedDataRejected;
    v8.setFlagsFromString('--always-sparkplug'); v8.setFlagsFromString('--interrupt-budget=300000');
    const before = refused();
    for (const flag of process.argv.slice(1)) v8.setFlagsFromString(flag);
    process.stdout.write(before + ' ' + refused());`;
  const env = { ...process.env, NODE_OPTIONS: '' };
  assert.equal(execFileSync(process.execPath, ['-e', tell, '--', USUALLY, USUAL_BUDGET], { env, encoding: 'utf8' }), 'true false');
});
