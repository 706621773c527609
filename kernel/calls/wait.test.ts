/** wait4 and waitid: what is reported, in which order of checks, and what a report leaves behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E, Ret } from '../../shared/errno.js';
import type { Handler } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { TgState } from '../../shared/tasks.js';
import { Why } from '../../shared/wait.js';
import { type World, addProc, makeFrame, makeWorld } from '../testing.js';
import { childChanged, endGroup } from '../task-end.js';
import { installWait } from './wait.js';
import { addEmbryo, adoptEmbryos } from '../embryos.js';
import { Mm, type Proc } from '../proc.js';

const WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x1000000, WALL = 0x40000000, WCLONE = -0x80000000;

function world(): { w: World; init: Proc; wait4: (p: Proc, pid: number, options: number) => { ret: number; status: number; reap: boolean }; waitid: Handler } {
  const w = makeWorld();
  installWait(w.k);
  const init = addProc(w, { pid: 1 });
  const h = w.k.ep.handlerOf(NR.NR_wait4) as Handler;
  const wait4 = (p: Proc, pid: number, options: number): { ret: number; status: number; reap: boolean } => {
    const f = makeFrame(p, NR.NR_wait4, [pid, 0, options, 0], { 1: 4 });
    const ret = h(f);
    return { ret, status: f.view.getInt32(f.payload, true), reap: (f.rflags & L.RF_REAP) !== 0 };
  };
  return { w, init, wait4, waitid: w.k.ep.handlerOf(NR.NR_waitid) as Handler };
}

function die(w: World, p: Proc, status: number): void {
  p.announced = status;
  endGroup(w.k, p);
}

test('errors in order: options, INT_MIN, no children', () => {
  const { init, wait4 } = world();
  assert.equal(wait4(init, -1, 0x10).ret, -E.EINVAL);
  assert.equal(wait4(init, -1, WEXITED).ret, -E.EINVAL);
  assert.equal(wait4(init, -0x80000000, 0).ret, -E.ESRCH);
  assert.equal(wait4(init, -1, 0).ret, -E.ECHILD);
  assert.equal(wait4(init, -1, WNOHANG).ret, -E.ECHILD);
});

test('a zombie is reported once and reaped', () => {
  const { w, init, wait4 } = world();
  const c = addProc(w, { pid: 5, parent: init });
  assert.equal(wait4(init, -1, WNOHANG).ret, 0);
  die(w, c, 3 << 8);
  assert.equal(L.tgState(c.tg), TgState.ZOMBIE);
  assert.deepEqual(wait4(init, -1, 0), { ret: 5, status: 0x300, reap: true });
  assert.equal(L.tgState(c.tg), TgState.FREE);
  assert.equal(w.k.byPid.get(5), undefined);
  assert.equal(wait4(init, 5, 0).ret, -E.ECHILD);
});

test('a death that nobody announced is SIGKILL', () => {
  const { w, init, wait4 } = world();
  endGroup(w.k, addProc(w, { pid: 5, parent: init }));
  assert.equal(wait4(init, -1, 0).status, 9);
});

test('which children: pid, group, clone children', () => {
  const { w, init, wait4 } = world();
  const a = addProc(w, { pid: 5, parent: init, pgid: 5 });
  const b = addProc(w, { pid: 6, parent: init, pgid: 6, exitSignal: 0 });
  die(w, a, 0);
  die(w, b, 0);
  assert.equal(wait4(init, 7, 0).ret, -E.ECHILD);
  assert.equal(wait4(init, -7, 0).ret, -E.ECHILD);
  assert.equal(wait4(init, 6, 0).ret, -E.ECHILD, 'a child without SIGCHLD needs __WCLONE or __WALL');
  assert.equal(wait4(init, 5, WCLONE).ret, -E.ECHILD);
  assert.equal(wait4(init, -6, WALL).ret, 6);
  assert.equal(wait4(init, -5, 0).ret, 5);
});

test('stop and continue are told once, and only when asked for', () => {
  const { w, init, wait4 } = world();
  const c = addProc(w, { pid: 5, parent: init });
  childChanged(w.k, c, 20);
  assert.equal(wait4(init, -1, WNOHANG).ret, 0);
  assert.deepEqual(wait4(init, -1, WUNTRACED), { ret: 5, status: 20 << 8 | 0x7f, reap: false });
  assert.equal(wait4(init, -1, WUNTRACED | WNOHANG).ret, 0);
  childChanged(w.k, c, 0);
  assert.deepEqual(wait4(init, -1, WCONTINUED), { ret: 5, status: 0xffff, reap: false });
  assert.equal(wait4(init, -1, WCONTINUED | WNOHANG).ret, 0);
  const told = w.sent.filter((m) => m.kind === Msg.SIG_CHILD).map((m) => m.words[6]);
  assert.deepEqual(told, [5, 6], 'CLD_STOPPED, CLD_CONTINUED');
});

test('SA_NOCLDSTOP: no SIGCHLD for a stop, but wait sees it', () => {
  const { w, init, wait4 } = world();
  const c = addProc(w, { pid: 5, parent: init });
  w.pctx.set(L.PCTX_SA_FLAGS + 8 * 16, 1);
  childChanged(w.k, c, 19);
  assert.equal(w.sent.some((m) => m.kind === Msg.SIG_CHILD), false);
  assert.equal(wait4(init, -1, WUNTRACED).ret, 5);
});

test('a waiter parks, is woken by a death, and a signal ends the wait', () => {
  const { w, init } = world();
  const h = w.k.ep.handlerOf(NR.NR_wait4) as Handler;
  const c = addProc(w, { pid: 5, parent: init });
  const f = makeFrame(init, NR.NR_wait4, [-1, 0, 0, 0], { 1: 4 });
  assert.equal(h(f), Ret.BLOCKED);
  assert.equal(init.waiters.size, 1);
  die(w, c, 0);
  assert.equal(init.waiters.size, 0);
  f.why = Why.WOKEN;
  assert.equal(h(f), 5);
  addProc(w, { pid: 6, parent: init });
  const g = makeFrame(init, NR.NR_wait4, [-1, 0, 0, 0], { 1: 4 });
  g.why = Why.SIGNAL;
  assert.equal(h(g), -E.ERESTARTSYS);
});

test('a child that is on its way keeps wait from saying ECHILD, its maker and whoever gets it when that has ended', () => {
  const { w, init, wait4 } = world();
  const middle = addProc(w, { pid: 5, parent: init });
  const proc = w.k.allocProc(new Mm(1));
  assert.ok(proc);
  const e = { task: w.k.allocTask(proc.tg), proc, creator: middle, parent: middle, parentTask: L.tgLeader(middle.tg), flags: 0, pidfdAddr: 0, token: -1, armed: false, filled: true };
  assert.ok(addEmbryo(w.k, e));
  assert.equal(wait4(middle, -1, 0).ret, Ret.BLOCKED);
  w.k.onOrphans = adoptEmbryos;
  die(w, middle, 0);
  assert.equal(wait4(init, 5, 0).ret, 5);
  assert.equal(wait4(init, -1, 0).ret, Ret.BLOCKED);
});

for (const [name, off, value] of [['SIG_IGN', L.PCTX_SA_HANDLER, 1], ['SA_NOCLDWAIT', L.PCTX_SA_FLAGS, 2]] as const) {
  test(`SIGCHLD with ${name}: children leave no zombie`, () => {
    const { w, init, wait4 } = world();
    const c = addProc(w, { pid: 5, parent: init });
    w.pctx.set(off + 8 * 16, value);
    die(w, c, 0);
    assert.equal(L.tgState(c.tg), TgState.FREE);
    assert.equal(wait4(init, -1, 0).ret, -E.ECHILD);
  });
}

test('orphans go to the first process, or to a subreaper', () => {
  const { w, init, wait4 } = world();
  const a = addProc(w, { pid: 5, parent: init });
  const b = addProc(w, { pid: 6, parent: a });
  const c = addProc(w, { pid: 7, parent: b });
  L.setTgSubreaper(a.tg, 1);
  die(w, b, 0);
  assert.equal(c.parent, a);
  assert.equal(L.tgPpid(c.tg), 5);
  die(w, a, 0);
  assert.equal(c.parent, init);
  assert.equal(L.tgPpid(c.tg), 1);
  // The zombie b, never waited for, came along.
  assert.deepEqual([wait4(init, 6, 0).ret, wait4(init, 5, 0).ret], [6, 5]);
});

test('a group that loses its last link to the session and has a stopped member is hung up', () => {
  const { w, init } = world();
  const shell = addProc(w, { pid: 5, parent: init, pgid: 5, sid: 5 });
  const job = addProc(w, { pid: 6, parent: shell, pgid: 6, sid: 5 });
  L.setTgStopped(job.tg, 20);
  die(w, shell, 0);
  assert.deepEqual(w.sent.filter((m) => m.kind === Msg.SIG_PGRP).map((m) => m.words.slice(0, 2)), [[6, 1], [6, 18]]);
});

test('waitid: checks, siginfo, WNOWAIT', () => {
  const { w, init, waitid } = world();
  const c = addProc(w, { pid: 5, parent: init });
  const call = (type: number, id: number, options: number): { ret: number; info: number[] } => {
    const f = makeFrame(init, NR.NR_waitid, [type, id, 0, options, 0], { 2: 128 });
    const ret = waitid(f);
    return { ret, info: [0, 8, 16, 24].map((o) => f.view.getInt32(f.payload + o, true)) };
  };
  assert.equal(call(0, 0, WNOHANG).ret, -E.EINVAL, 'no event asked for');
  assert.equal(call(0, 0, WEXITED | 0x10).ret, -E.EINVAL);
  assert.equal(call(1, 0, WEXITED).ret, -E.EINVAL);
  assert.equal(call(2, -1, WEXITED).ret, -E.EINVAL);
  assert.equal(call(9, 1, WEXITED).ret, -E.EINVAL);
  assert.equal(call(3, 77, WEXITED).ret, -E.EBADF);
  assert.deepEqual(call(1, 5, WEXITED | WNOHANG), { ret: 0, info: [0, 0, 0, 0] });
  die(w, c, 9);
  assert.deepEqual(call(1, 5, WEXITED | WNOWAIT), { ret: 0, info: [17, 2, 5, 9] });
  assert.deepEqual(call(1, 5, WEXITED), { ret: 0, info: [17, 2, 5, 9] });
  assert.equal(call(1, 5, WEXITED).ret, -E.ECHILD);
});
