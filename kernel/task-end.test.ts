import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../shared/gen/layout.js';
import * as NR from '../shared/gen/syscalls.js';
import { TgState } from '../shared/tasks.js';
import { reap, rideReaps } from './task-end.js';
import { addProc, makeFrame, makeWorld } from './testing.js';

const rpid = (f: ReturnType<typeof makeFrame>): number => f.view.getInt32(L.SLOT_RPID, true);

test('a zombie that a wait finds goes with its answer, others with any later answer to their parent on the host', () => {
  const w = makeWorld();
  const init = addProc(w, { pid: 1 });
  const parent = addProc(w, { pid: 2, parent: init });
  const child = (pid: number): ReturnType<typeof addProc> => {
    const c = addProc(w, { pid, parent });
    c.hostParent = parent;
    L.setTgState(c.tg, TgState.ZOMBIE);
    return c;
  };
  const waited = makeFrame(parent, NR.NR_wait4, [-1, 0, 0, 0]);
  reap(w.k, child(10), waited);
  assert.deepEqual([waited.rflags & L.RF_REAP, rpid(waited)], [L.RF_REAP, 10]);
  // Nobody waits: SIGCHLD is ignored.
  reap(w.k, child(11));
  reap(w.k, child(12));
  rideReaps(w.k, waited);
  assert.equal(rpid(waited), 10);
  const own = makeFrame(parent, L.NR_CLONE_COMMIT, []);
  rideReaps(w.k, own);
  assert.equal(own.rflags, 0);
  for (const pid of [11, 12]) {
    const next = makeFrame(parent, NR.NR_getppid, []);
    rideReaps(w.k, next);
    assert.deepEqual([next.rflags, rpid(next)], [L.RF_REAP, pid]);
  }
  const last = makeFrame(parent, NR.NR_getppid, []);
  rideReaps(w.k, last);
  assert.equal(last.rflags, 0);
});

test('an orphan is the first process\'s to reap on the host, whoever waits for it', () => {
  const w = makeWorld();
  const init = addProc(w, { pid: 1 });
  const parent = addProc(w, { pid: 2, parent: init });
  const subreaper = addProc(w, { pid: 3, parent: init });
  const orphan = addProc(w, { pid: 4, parent: subreaper });
  orphan.hostParent = parent;
  L.setTgState(parent.tg, TgState.ZOMBIE);
  L.setTgState(orphan.tg, TgState.ZOMBIE);
  const waited = makeFrame(subreaper, NR.NR_wait4, [-1, 0, 0, 0]);
  reap(w.k, orphan, waited);
  assert.equal(waited.rflags, 0);
  const any = makeFrame(init, NR.NR_getppid, []);
  rideReaps(w.k, any);
  assert.deepEqual([any.rflags, rpid(any)], [L.RF_REAP, 4]);
});
