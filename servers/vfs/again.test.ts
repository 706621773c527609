/** Files that a process opens again and again: what is looked out for, and that nothing is left of what could not be told. What the process does with it: test/e2e/ahead.test.ts. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { nwaitingAgain } from './ahead.js';
import { installStartNames } from './start-names.js';
import { furtherAnswers, Out, World } from './test-kit.js';

const ROOM = 8192, AT_FDCWD = -100, TG = 1;

let w: World;
beforeEach(() => {
  w = new World({ f: '0123456789', 'd/a': 'x' });
  L.setTgTgid(TG, 77);
  L.setTgNtasks(TG, 1);
  installStartNames(w.ep as unknown as Endpoint, () => undefined);
});
afterEach(() => { w.end(); });

/** An openat, as the stub makes it: what was told of opens made ahead. */
function opens(path: string, flags = 0): number {
  const f = w.frame(NR.NR_openat, [AT_FDCWD, path, flags, 0, 0, new Out(ROOM)]);
  assert.ok(w.run(f) >= 0);
  return furtherAnswers(f, ROOM).filter((a) => a.asked === L.ASK_AHEAD).length;
}

describe('files opened again and again', () => {
  it('that cannot be told are let go: there is no process here to send a host fd to', () => {
    const { inode } = w.pathOf('/f');
    for (let i = 1; i <= 12; i++) {
      assert.equal(opens('/f'), 0);
      assert.equal(inode.opens, i);
    }
    assert.equal(nwaitingAgain(TG), 0);
  });

  it('are regular files', () => {
    const { inode } = w.pathOf('/d');
    for (let i = 0; i < 12; i++) assert.equal(opens('/d'), 0);
    assert.equal(inode.opens, 0);
  });
});
