/** setpgid and setsid: each errno, in order, and that a failure changes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { addProc, makeWorld } from '../testing.js';
import { setpgid, setsid } from './pgrp.js';

test('setpgid', () => {
  const w = makeWorld();
  const init = addProc(w, { pid: 1 });
  const shell = addProc(w, { pid: 5, parent: init, pgid: 5, sid: 5 });
  L.setTgSessionLeader(shell.tg, 1);
  const a = addProc(w, { pid: 6, parent: shell, pgid: 5, sid: 5 });
  const b = addProc(w, { pid: 7, parent: shell, pgid: 5, sid: 5 });
  const other = addProc(w, { pid: 8, parent: shell, pgid: 8, sid: 8 });
  const grandchild = addProc(w, { pid: 9, parent: a, pgid: 5, sid: 5 });

  assert.equal(setpgid(shell.tg, 6, -1), -E.EINVAL);
  assert.equal(setpgid(shell.tg, 77, 0), -E.ESRCH);
  assert.equal(setpgid(shell.tg, 9, 0), -E.ESRCH, 'a grandchild is none of its business');
  assert.equal(setpgid(a.tg, 7, 0), -E.ESRCH, 'nor is a sibling');
  assert.equal(setpgid(shell.tg, 8, 0), -E.EPERM, 'another session');
  L.setTgDidExec(b.tg, 1);
  assert.equal(setpgid(shell.tg, 7, 0), -E.EACCES);
  assert.equal(setpgid(shell.tg, 0, 6), -E.EPERM, 'a session leader');
  assert.equal(setpgid(a.tg, 0, 77), -E.EPERM, 'no such group');
  assert.equal(setpgid(a.tg, 0, 8), -E.EPERM, 'a group of another session');
  assert.deepEqual([shell, a, b, other, grandchild].map((p) => L.tgPgid(p.tg)), [5, 5, 5, 8, 5]);

  assert.equal(setpgid(shell.tg, 6, 6), 0);
  assert.equal(L.tgPgid(a.tg), 6);
  assert.equal(setpgid(grandchild.tg, 0, 6), 0, 'a group that exists');
  assert.equal(setpgid(b.tg, 0, 0), 0, 'itself, although it has called execve');
  assert.equal(L.tgPgid(b.tg), 7);
});

test('setsid', () => {
  const w = makeWorld();
  const init = addProc(w, { pid: 1 });
  const leader = addProc(w, { pid: 5, parent: init, pgid: 5 });
  const member = addProc(w, { pid: 6, parent: leader, pgid: 5 });
  L.setTgCtty(member.tg, 1);
  assert.equal(setsid(leader.tg), -E.EPERM);
  assert.equal(setsid(member.tg), 6);
  assert.deepEqual([L.tgSid(member.tg), L.tgPgid(member.tg), L.tgSessionLeader(member.tg), L.tgCtty(member.tg)], [6, 6, 1, 0]);
  assert.equal(setsid(member.tg), -E.EPERM);
  // The number of a group that others are still in cannot be taken again.
  const stray = addProc(w, { pid: 9, parent: init, pgid: 1 });
  addProc(w, { pid: 10, parent: init, pgid: 9 });
  assert.equal(setsid(stray.tg), -E.EPERM);
});
