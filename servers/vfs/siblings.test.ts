/** Who asks for names of a directory is told of others in it, until the process ends. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { installSiblings } from './siblings.js';
import { furtherAnswers, Out, World } from './test-kit.js';

const ROOM = 8192;
const MANY = Array.from({ length: 20 }, (_, i) => `n${String(i + 10)}`);
/** The process that asks, and one that does not. */
const TG = 1, OTHER = 2;

let w: World;
beforeEach(() => {
  w = new World({ ...Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`dir/${name}`, name])), ...Object.fromEntries(MANY.map((name) => [`many/${name}`, name])) });
  installSiblings(w.ep as unknown as Endpoint);
  // Now they are in the dentry cache; who made them be so has ended.
  for (const name of ['a', 'b', 'c', 'd', 'e']) w.pathOf(`/dir/${name}`);
  for (const name of MANY) w.pathOf(`/many/${name}`);
  w.ep.deliver(Msg.TG_GONE, [TG]);
});
afterEach(() => { w.ep.deliver(Msg.TG_GONE, [TG]); w.end(); });

/** lstat of a file in a directory: the other names that the caller is told of. */
function told(name: string, dir = '/dir'): string[] {
  const f = w.frame(NR.NR_lstat, [`${dir}/${name}`, new Out(144), 0, 0, 0, new Out(ROOM)]);
  assert.equal(w.run(f), 0);
  return furtherAnswers(f, ROOM).map((a) => a.about).sort();
}

test('the second question brings the other names that are known', () => {
  assert.deepEqual(told('a'), []);
  assert.deepEqual(told('b'), ['a', 'c', 'd', 'e']);
});

test('a process that ends leaves nothing for the next one in its rows', () => {
  told('a');
  w.ep.deliver(Msg.TG_GONE, [OTHER]);
  assert.deepEqual(told('b'), ['a', 'c', 'd', 'e']);
  w.ep.deliver(Msg.TG_GONE, [TG]);
  assert.deepEqual(told('c'), []);
});

test('the next directory begins with as many as the last has come to', () => {
  told('a');
  told('b');
  assert.deepEqual(told('n10', '/many'), MANY.slice(1));
  w.ep.deliver(Msg.TG_GONE, [TG]);
  assert.deepEqual(told('n10', '/many'), []);
  assert.equal(told('n11', '/many').length, 8);
});

test('a directory in the middle of a walk keeps its listing while what is below it is read', () => {
  const read = (path: string): void => {
    const fd = w.call(NR.NR_openat, -100, path, 0, 0, 0, new Out(ROOM));
    assert.ok(w.call(NR.NR_getdents64, fd, new Out(4096), 4096) > 0);
  };
  const dirs = Array.from({ length: 12 }, (_, i) => `/tree/d${i + 10}`);
  for (const d of ['/tree', ...dirs]) assert.equal(w.call(NR.NR_mkdir, d, 0o755), 0);
  read('/tree');
  for (const d of dirs) read(d);
  told('d10', '/tree');
  assert.equal(told('d11', '/tree').length, 8);
});
