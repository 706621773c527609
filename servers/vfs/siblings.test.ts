/** Who asks for names of a directory is told of others in it, until the process ends. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { installSiblings } from './siblings.js';
import { Out, World } from './test-kit.js';

const ROOM = 4096;
/** The process that asks, and one that does not. */
const TG = 1, OTHER = 2;

let w: World;
beforeEach(() => {
  w = new World(Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`dir/${name}`, name])));
  installSiblings(w.ep as unknown as Endpoint);
  // Now they are in the dentry cache; who made them be so has ended.
  for (const name of ['a', 'b', 'c', 'd', 'e']) w.pathOf(`/dir/${name}`);
  w.ep.deliver(Msg.TG_GONE, [TG]);
});
afterEach(() => { w.ep.deliver(Msg.TG_GONE, [TG]); w.end(); });

/** lstat of a file in /dir: the other names that the caller is told of. */
function told(name: string): string[] {
  const f = w.frame(NR.NR_lstat, [`/dir/${name}`, new Out(144), 0, 0, 0, new Out(ROOM)]);
  assert.equal(w.run(f), 0);
  const names: string[] = [];
  const end = f.answerOff(ROOM) + f.produced(5);
  for (let at = f.answerOff(ROOM) + L.ANSWER_SIZE; ;) {
    at = (at + 7) & ~7;
    if (at + L.ANSWER_SIZE > end) return names.sort();
    const len = f.view.getUint32(at + L.ANSWER_TARGET_LEN, true);
    names.push(f.bytes.latin1Slice(at + L.ANSWER_SIZE, at + L.ANSWER_SIZE + len));
    at += L.ANSWER_SIZE + len;
  }
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
