/** A row outlives its process: what was pending for one must never reach the next. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import { TaskState, TgState } from '../../shared/tasks.js';
import { setUpServer } from '../../shared/testing/mini-guest.js';
import { Delivery } from './delivery.js';
import { userInfo } from './siginfo.js';

const rig = setUpServer(L.SRV_SIGNAL);
const d = new Delivery(rig.ep);
const TG = 5, TASK = 7, SIGHUP = 1, SIGUSR1 = 10, SIGUSR2 = 12;
const area = native.areaAlloc();
const pctx = native.pctxAlloc(area), slot = native.slotAlloc(area, -1), slotId = area * L.SLOT_MAX + slot;

/** Process `pid` in the rows, all signals blocked. */
function live(pid: number, tid = pid): void {
  native.pctxInit(area, pctx, -1, 0, 0);
  native.procBind(TG, -1, -1, area, pctx);
  native.slotBind(slotId, TASK, TG);
  native.slotStore(slotId, L.SLOT_SIGMASK, 0xffffffff);
  native.slotStore(slotId, L.SLOT_SIGMASK + 4, 0xffffffff);
  L.setTgTgid(TG, pid);
  L.setTgArea(TG, area);
  L.setTgPctx(TG, pctx);
  L.setTgLeader(TG, TASK);
  L.setTgNtasks(TG, 1);
  L.setTgState(TG, TgState.RUNNING);
  L.setTaskTg(TASK, TG);
  L.setTaskTid(TASK, tid);
  L.setTaskSlot(TASK, slotId);
  L.setTaskState(TASK, TaskState.RUNNING);
  L.setMetaTopTg(1, TG + 1);
  L.setMetaTopTask(1, TASK + 1);
}
const bit = (signo: number): number => 1 << (signo - 1);

test('signals to a process that is ending, and to its thread, die with it', () => {
  live(100);
  assert.equal(d.sendTg(TG, userInfo(SIGUSR2, 0, 1, 0)), 0);
  assert.equal(d.sendTask(TASK, userInfo(SIGUSR1, -6, 1, 0)), 0);
  assert.equal(d.pendingLo(TG, TASK), bit(SIGUSR1) | bit(SIGUSR2));
  // Its area is another's before its row is.
  native.procFree(TG);
  native.pctxInit(area, pctx, -1, 0, 0);
  native.slotStore(slotId, L.SLOT_SIGPEND, 0);
  assert.equal(d.sendTg(TG, userInfo(SIGHUP, 0, 1, 0)), 0);
  assert.equal(d.sendTask(TASK, userInfo(SIGHUP, -6, 1, 0)), 0);
  assert.deepEqual([native.pctxLoad(area, pctx, L.PCTX_SIGPEND), native.slotLoad(slotId, L.SLOT_SIGPEND)], [0, 0], 'nothing is published where another lives');
  live(101);
  assert.equal(d.pendingLo(TG, TASK), 0);
  assert.equal(d.sendTg(TG, userInfo(SIGUSR1, 0, 1, 0)), 0);
  assert.equal(native.pctxLoad(area, pctx, L.PCTX_SIGPEND), bit(SIGUSR1), 'and are not published with the next');
  assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff)?.signo, SIGUSR1);
  assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff), undefined);
});

test('who asks for a signal that it does not have is not shown it any more', () => {
  live(103);
  const SIGURG = 23;
  assert.equal(d.sendTask(TASK, userInfo(SIGUSR1, -6, 1, 0)), 0);
  assert.equal(d.sendTg(TG, userInfo(SIGUSR2, 0, 1, 0)), 0);
  // Published for who had the place before.
  const shown = (): number[] => [native.slotLoad(slotId, L.SLOT_SIGPEND), native.pctxLoad(area, pctx, L.PCTX_SIGPEND)];
  native.pendTask(TG, TASK, slotId, 1, bit(SIGURG), 0);
  native.pendProc(TG, 1, bit(SIGHUP), 0);
  native.slotStore(slotId, L.SLOT_SIGMASK, bit(SIGUSR1) | bit(SIGUSR2));
  assert.equal(d.next(TG, TASK), undefined);
  assert.deepEqual(shown(), [bit(SIGUSR1), bit(SIGUSR2)]);
  // The same of who has nothing pending.
  assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff)?.signo, SIGUSR1);
  assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff)?.signo, SIGUSR2);
  live(104);
  native.pendTask(TG, TASK, slotId, 1, 0, 4);
  native.pendProc(TG, 1, 0, 8);
  assert.equal(d.next(TG, TASK), undefined);
  assert.deepEqual([...shown(), native.slotLoad(slotId, L.SLOT_SIGPEND + 4), native.pctxLoad(area, pctx, L.PCTX_SIGPEND + 4)], [0, 0, 0, 0]);
});

test('what is sent to a child that is not born yet reaches it', () => {
  live(0, 0);
  L.setTgState(TG, TgState.EMBRYO);
  assert.equal(d.sendTg(TG, userInfo(SIGUSR1, 0, 1, 0)), 0);
  live(102);
  assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff)?.signo, SIGUSR1);
});

test('who is just asking is not kicked', (t) => {
  live(106);
  native.slotStore(slotId, L.SLOT_SIGMASK, 0);
  const kicked: number[] = [];
  const { kickTask } = native;
  t.after(() => { native.kickTask = kickTask; native.slotStore(slotId, L.SLOT_STATE, L.SLOT_READY); });
  native.kickTask = (_tg, _slot, tid): number => { kicked.push(tid); return 0; };
  native.pctxStore(area, pctx, L.PCTX_SA_HANDLER + 8 * (SIGUSR1 - 1), 0x1000);
  native.pctxStore(area, pctx, L.PCTX_SA_HANDLER + 8 * (SIGUSR2 - 1), 0x1000);
  native.slotStore(slotId, L.SLOT_STATE, L.SLOT_POSTED);
  native.slotStore(slotId, L.SLOT_NR, L.NR_SIG_FETCH);
  assert.equal(d.sendTask(TASK, userInfo(SIGUSR1, -6, 1, 0)), 0);
  assert.deepEqual(kicked, []);
  native.slotStore(slotId, L.SLOT_NR, 0);
  assert.equal(d.sendTask(TASK, userInfo(SIGUSR2, -6, 1, 0)), 0);
  assert.deepEqual(kicked, [106], 'another request is cancelled by it');
  for (const signo of [SIGUSR1, SIGUSR2]) assert.equal(d.take(TG, TASK, 0xffffffff, 0xffffffff)?.signo, signo);
});

test('who unblocks a signal while it is being published is kicked', (t) => {
  live(105);
  const kicked: number[] = [];
  const { kickTask, pendProc } = native;
  t.after(() => { native.kickTask = kickTask; native.pendProc = pendProc; });
  native.kickTask = (_tg, _slot, tid): number => { kicked.push(tid); return 0; };
  assert.equal(d.sendTg(TG, userInfo(SIGUSR1, 0, 1, 0)), 0);
  assert.deepEqual(kicked, [], 'it is blocked');
  native.pendProc = (...args): number => {
    // It has looked for the bit, and found nothing.
    native.slotStore(slotId, L.SLOT_SIGMASK, 0);
    return pendProc(...args);
  };
  assert.equal(d.sendTg(TG, userInfo(SIGUSR2, 0, 1, 0)), 0);
  assert.deepEqual(kicked, [105]);
});

test('a thread that becomes the leader by execve keeps its own', () => {
  live(103, 104);
  assert.equal(d.sendTask(TASK, userInfo(SIGUSR1, -6, 1, 0)), 0);
  L.setTaskTid(TASK, 103);
  assert.equal(d.pendingLo(TG, TASK), bit(SIGUSR1));
});
