import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { afterEach, test } from 'node:test';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import { answer, endGuest, finish, type Guest, inboxBytes, lists, next, openGate, result, scratch, setUp, SRV, startGuest, TASK, TG, turn, word } from './rig.js';

setUp();
afterEach(() => {
  native.procFree(TG);
  native.procFree(TG + 1);
  assert.equal(native.endpointInit(SRV, new Uint8Array(inboxBytes), lists), 0);
});

const EXIT_GROUP = 231;
const NS_PID = 2;
const NS_MOUNT = 4;
/** What `carrick run` asks for, and nothing at all. */
const MODES = [31, 0];
const close = (fd: number): void => { native.sys(3, 0, fd); };
const argAddress = (rec: number): number => word(rec, L.SLOT_ARGS) + word(rec, L.SLOT_ARGS + 4) * 4294967296;

/** Answer 0 to everything until the guest's exit_group; its status. */
function runOut(g: Guest, rec: number): number {
  answer(rec, 0);
  return finish(g, next(EXIT_GROUP));
}

for (const namespaces of MODES) {
  test(`memory of a guest is read and written, up to a hole (namespaces ${namespaces})`, () => {
    const g = startGuest(3, 0, namespaces);
    const rec = next(1236);
    const p = argAddress(rec);
    assert.equal(native.readMemory(TG, p, 0, 5000), 5000);
    assert.equal(scratch.latin1Slice(4085, 4105), 'aaaaaacross pages\0aa');
    assert.equal(native.readString(TG, p + 4090, 0, 100), 12);
    assert.equal(scratch.latin1Slice(0, 12), 'across pages');
    assert.equal(native.readString(TG, p + 4090, 0, 12), 12);
    assert.equal(native.readString(TG, p + 4090, 0, 11), -36);
    assert.equal(native.readString(TG, p + 8190, 0, 100), -14);
    assert.equal(native.readMemory(TG, p + 8190, 0, 10), 2);
    assert.equal(native.readMemory(TG, p + 8192, 0, 10), -14);
    assert.equal(native.readMemory(TG, 8, 0, 10), -14);
    assert.equal(native.readMemory(TG, p, 0, 0), 0);
    assert.equal(native.readMemory(TG, p, scratch.length - 4, 5), -22);
    assert.equal(native.readMemory(TG + 1, p, 0, 5), -3);
    scratch.latin1Write('written by carrick', 200);
    assert.equal(native.writeMemory(TG, p + 100, 200, 18), 18);
    assert.equal(native.writeMemory(TG, p + 8192, 200, 18), -14);
    assert.equal(runOut(g, rec), 0);
    endGuest(g);
    assert.equal(native.readMemory(TG, p, 0, 5), -3);
  });

  test(`host numbers of a guest's tasks, and kicks (namespaces ${namespaces})`, () => {
    const g = startGuest(5, 0, namespaces);
    const got = native.namespacesGot();
    const second = native.slotAlloc(g.area, -1);
    const secondId = g.area << L.SLOT_BITS | second;
    assert.equal(second, g.slot + 1);
    native.slotBind(secondId, TASK + 1, TG);
    openGate(g);
    const recs: number[] = [];
    while (recs.length < 2) recs.push(...turn());
    recs.sort((a, b) => word(a, L.SLOT_NR) - word(b, L.SLOT_NR));
    const [mainRec, threadRec] = recs as [number, number];
    assert.deepEqual([word(mainRec, L.SLOT_NR), word(threadRec, L.SLOT_NR)], [1238, 1239]);
    assert.equal(native.hostPid(TG), g.pid);
    assert.equal(native.spawnedNsPid(), (got & NS_PID) !== 0 ? 1 : g.pid);
    const leader = result(g, 0);
    const tid = result(g, 1);
    assert.equal(native.hostTid(TG, g.slotId, leader), g.pid);
    const host = native.hostTid(TG, secondId, tid);
    assert.ok(host > 0 && host !== g.pid);
    const nspid = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${g.pid}/task/${host}/status`, 'latin1'));
    assert.equal(Number(nspid?.[1]), tid);
    assert.equal(native.hostTid(TG, secondId, 99999), -3);
    // However often it is kicked before it can take it, one is there: they must not fill up what the user may have queued, which is all processes' (others may be at it).
    const queued = (): number => Number(/^SigQ:\t(\d+)/m.exec(readFileSync(`/proc/${g.pid}/status`, 'latin1'))?.[1]);
    assert.equal(native.killProcess(TG, 19 /* SIGSTOP */), 0);
    while (!/^State:\tT/m.test(readFileSync(`/proc/${g.pid}/task/${host}/status`, 'latin1')));
    const before = queued();
    for (let i = 0; i < 500; i++) assert.equal(native.kickTask(TG, secondId, tid), 0);
    assert.ok(queued() - before < 100, 'kicks queue');
    assert.equal(native.killProcess(TG, 18 /* SIGCONT */), 0);
    answer(threadRec, 0);
    const exit = next(60);
    assert.equal(result(g, 2), tid);
    assert.equal(word(exit, 0), L.SLOT_DEAD);
    answer(exit, 0);
    native.replyAndWait(0);
    assert.equal(native.slotLoad(secondId, L.SLOT_STATE), L.SLOT_DEAD);
    assert.equal(native.slotFree(g.area, second), 0);
    assert.equal(runOut(g, mainRec), 0);
    endGuest(g);
  });

  test(`control messages bring fds and their numbers (namespaces ${namespaces})`, () => {
    const g = startGuest(4, 0, namespaces);
    scratch.latin1Write('0123456789abcdef', 512);
    const file = native.sys(319 /* memfd_create */, 1, 4000, 1);
    native.sys(1, 0b10, file, 512, 16);
    scratch.writeInt32LE(file, 0); scratch.writeInt32LE(file, 4);
    scratch.writeInt32LE(5, 16); scratch.writeInt32LE(77, 20);
    scratch.writeInt32LE(0, 32); scratch.writeInt32LE(1, 36);
    assert.equal(native.ctlSend(TG, 1, 5, 0, 16, 32), -22);
    assert.equal(native.ctlSend(TG, 1, 2, scratch.length - 4, 16, 32), -14);
    assert.equal(native.ctlSend(TG, 1, 2, 0, 16, 32), 1);
    const rec = next(1237);
    assert.deepEqual([0, 1, 2, 3, 4].map((i) => result(g, i)), [1, 2, 5, 77, 1]);
    native.planRead(g.area, 256 + 64, 0, 16);
    assert.equal(scratch.latin1Slice(0, 16), '0123456789abcdef');
    scratch.writeInt32LE(file, 0);
    assert.equal(native.ctlStart(TG, g.area, 0, 1, 0, 512, 16), -116);
    assert.equal(native.ctlSend(TG, 4, 1, 0, 0, 0), 2);
    assert.equal(native.ctlSend(TG + 1, 4, 1, 0, 0, 0), -3);
    // What a program begins with is for that program alone, and comes after its images; nothing follows what ends it, until the next one is bound.
    const pctx = native.pctxAlloc(g.area);
    assert.equal(native.ctlStart(TG, g.area, 0, 1, 0, 512, 16), 3);
    assert.equal(native.ctlStart(TG, g.area, pctx, 1, 0, 512, 16), -116);
    for (const [nfd, len] of [[L.START_FDS + 1, 16], [-1, 16], [1, 0], [1, L.START_MAX + 1]] as const) assert.equal(native.ctlStart(TG, g.area, 0, nfd, 0, 512, len), -22);
    assert.equal(native.ctlStart(TG, g.area, 0, 1, 0, scratch.length - 4, 16), -14);
    assert.equal(native.ctlSend(TG, 2, 1, 0, 0, 0), 4);
    assert.equal(native.ctlStart(TG, g.area, 0, 1, 0, 512, 16), -116);
    assert.equal(native.ctlSend(TG, 4, 1, 0, 0, 0), -116);
    close(file);
    assert.equal(runOut(g, rec), 0);
    endGuest(g);
  });

  test(`a child's pidfd is believed, anything else is not (namespaces ${namespaces})`, () => {
    const g = startGuest(7, 0, namespaces);
    assert.equal(native.ctlReceivePidfd(TG + 1, 1), -3);
    let rec = next(1241);
    assert.equal(native.ctlReceivePidfd(TG, result(g, 0) + 1), -22);
    const pidfd = native.ctlReceivePidfd(TG, result(g, 0));
    assert.ok(pidfd > 2, `pidfd ${pidfd}`);
    assert.equal(native.ctlReceivePidfd(TG, result(g, 0)), -11);
    // By its number alone it is found where numbers are the guests' own, if the host can tell.
    const found = native.pidfdByNumber(result(g, 0));
    assert.equal(found > 2, numbersAreTheirs(), `found ${found}`);
    if (found > 2) {
      assert.equal(readFileSync(`/proc/self/fdinfo/${found}`, 'latin1').match(/^Pid:.*$/m)?.[0], readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1').match(/^Pid:.*$/m)?.[0]);
      close(found);
    }
    assert.equal(native.pidfdByNumber(4000000), found > 2 ? -3 : -25);
    const pctx = native.pctxAlloc(g.area);
    assert.equal(native.procBind(TG + 1, pidfd, -1, g.area, pctx), 0);
    const child = native.hostPid(TG + 1);
    assert.match(readFileSync(`/proc/${child}/status`, 'latin1'), new RegExp(`^NSpid:.*\\t${result(g, 0)}$`, 'm'));
    answer(rec, 0);
    rec = next(1242);
    assert.equal(native.ctlReceivePidfd(TG, 1), -1);
    answer(rec, 0);
    rec = next(1243);
    const dead = native.ctlReceivePidfd(TG, 1);
    assert.ok(dead > 2);
    close(dead);
    assert.equal(runOut(g, rec), 0);
    native.procFree(TG + 1);
    endGuest(g);
    // The child was still alive: the end of the first process must be its end too.
    assert.equal(goneSoon(child), true);
  });

  test(`the sandbox leaves no right, no fd, no file (namespaces ${namespaces})`, () => {
    const g = startGuest(6, 0, namespaces, 'box');
    const got = native.namespacesGot();
    const rec = next(1240);
    const [pid, uid, away, caps, bounding, fds, nnp, deathSignal, passwd, mkdir, stdin, doorbell] = Array.from({ length: 12 }, (_, i) => result(g, i));
    assert.equal(got & ~31, 0);
    assert.equal(pid, native.spawnedNsPid());
    assert.equal(uid, process.geteuid?.());
    assert.deepEqual([away, caps, fds, nnp, deathSignal, stdin, doorbell], [1, 0, 0, 1, 9, 9, 0]);
    // Without privilege over a user namespace the bounding set cannot be emptied, nor is there anything in it to be had.
    if (process.geteuid?.() === 0 || (got & 1) !== 0) assert.equal(bounding, 0);
    if ((got & NS_MOUNT) !== 0) assert.deepEqual([passwd, mkdir], [2, 30]);
    native.planRead(g.area, 256 + 128, 0, 32);
    const name = scratch.latin1Slice(0, scratch.indexOf(0));
    assert.equal(name, (got & 16) !== 0 ? 'box' : readFileSync('/proc/sys/kernel/hostname', 'latin1').trim());
    assert.equal(runOut(g, rec), 0);
    endGuest(g);
  });

  test(`kill -9 of carrick leaves no guest process (namespaces ${namespaces})`, () => {
    // This very file, as a program that starts a guest with a child, says their pids and kills itself.
    const run = spawnSync(process.execPath, [process.argv[1] as string], { encoding: 'latin1', env: { ...process.env, CARRICK_TEST_DIE: String(namespaces) } });
    assert.equal(run.signal, 'SIGKILL', run.stderr);
    const pids = /pids (\d+) (\d+)/.exec(run.stdout);
    assert.ok(pids !== null, run.stdout);
    assert.equal(goneSoon(Number(pids[1])), true);
    assert.equal(goneSoon(Number(pids[2])), true);
  });
}

/** Have the guests a pid namespace, on a host that translates its numbers (Linux 6.12)? */
function numbersAreTheirs(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return (native.namespacesGot() & NS_PID) !== 0 && (major > 6 || (major === 6 && minor >= 12));
}

/** Whether a process is gone, or soon is (it was killed by others, whose work takes a moment). A zombie waits for its reaper only. */
function goneSoon(pid: number): boolean {
  for (let i = 0; i < 5000; i++) {
    if (!existsSync(`/proc/${pid}/stat`)) return true;
    if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, { encoding: 'latin1', flag: 'r' }))) return true;
    native.replyAndWait(1000);
  }
  return false;
}

if (process.env['CARRICK_TEST_DIE'] !== undefined) {
  const g = startGuest(7, 0, Number(process.env['CARRICK_TEST_DIE']));
  next(1241);
  native.procBind(TG + 1, native.ctlReceivePidfd(TG, result(g, 0)), -1, g.area, native.pctxAlloc(g.area));
  process.stdout.write(`pids ${g.pid} ${native.hostPid(TG + 1)}\n`);
  process.kill(process.pid, 'SIGKILL');
}

test('spawn refuses what it cannot do, and leaves nothing behind', () => {
  const area = native.areaAlloc();
  const before = readdirSync('/proc/self/fd').length;
  const options = { tg: TG, area, ctlGuestFd: 1, fdrBase: 1008, stdio: [-1, -1, -1] as [number, number, number], namespaces: 31, hostname: 'x' };
  assert.equal(native.spawn({ ...options, hostname: 'x'.repeat(65) }), -36);
  assert.equal(native.spawn({ ...options, area: 4000 }), -22);
  assert.equal(native.spawn({ ...options, ctlGuestFd: -1 }), -22);
  assert.equal(native.spawn({ ...options, ctlGuestFd: 15000 }), -9);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  native.areaFree(area);
});

test('areas are mapped once, sealed, and recycled clean', () => {
  const a = native.areaAlloc();
  const fd = native.areaFd(a);
  assert.equal(statSync(`/proc/self/fd/${fd}`).size, L.AREA_SIZE);
  assert.equal(native.sys(77 /* ftruncate */, 0, fd, 4096), -1);
  scratch.fill(0xab, 0, 4096);
  assert.equal(native.planWrite(a, L.PLAN_MAX - 4096, 0, 4096), 4096);
  assert.equal(native.planWrite(a, L.PLAN_MAX - 4095, 0, 4096), -22);
  // As a hostile guest would, far from anything carrick has handed out.
  assert.equal(native.sys(18 /* pwrite64 */, 0b10, fd, 0, 4096, L.SLOT_OFF + 300 * L.SLOT_STRIDE), 4096);
  const s = native.slotAlloc(a, -1);
  const id = a << L.SLOT_BITS | s;
  native.slotStore(id, L.SLOT_TID, 4711);
  assert.equal(native.areaFree(a), 0);
  assert.equal(native.slotLoad(id, L.SLOT_TID), -22);
  assert.equal(native.areaFree(a), -22);
  assert.equal(native.areaAlloc(), a);
  assert.equal(native.areaFd(a), fd);
  assert.equal(native.slotLoad(id, L.SLOT_TID), 0);
  native.planRead(a, L.PLAN_MAX - 4096, 0, 4096);
  assert.ok(scratch.subarray(0, 4096).every((b) => b === 0));
  assert.equal(native.sys(17 /* pread64 */, 0b10, fd, 0, 4096, L.SLOT_OFF + 300 * L.SLOT_STRIDE), 4096);
  assert.ok(scratch.subarray(0, 4096).every((b) => b === 0));
  native.areaFree(a);
});

test('slots and pctx are reserved once; a slot lingers until its thread has left', () => {
  const a = native.areaAlloc();
  assert.equal(native.slotAlloc(a, 3), 3);
  assert.equal(native.slotAlloc(a, 3), -11);
  assert.deepEqual(Array.from({ length: 4 }, () => native.slotAlloc(a, -1)), [0, 1, 2, 4]);
  const id = a << L.SLOT_BITS | 3;
  assert.equal(native.slotLoad(id, L.SLOT_STATE), L.SLOT_READY);
  native.slotStore(id, L.SLOT_SEQ, native.slotLoad(id, L.SLOT_SEQ) + 1);
  native.slotStore(id, L.SLOT_STATE, L.SLOT_POSTED);
  native.slotFree(a, 3);
  assert.equal(native.slotAlloc(a, 3), -11);
  native.slotStore(id, L.SLOT_STATE, L.SLOT_DEAD);
  assert.equal(native.slotAlloc(a, 3), 3);
  assert.deepEqual(Array.from({ length: 17 }, () => native.pctxAlloc(a)), [...Array.from({ length: 16 }, (_, i) => i), -11]);
  native.pctxFree(a, 5);
  assert.equal(native.pctxAlloc(a), 5);
  native.areaFree(a);
});

test('fork copies dispositions and hints, exec resets handlers, both forget what is pending', () => {
  const a = native.areaAlloc();
  const b = native.areaAlloc();
  native.pctxInit(a, 2, -1, 0, 0);
  native.procBind(TG, -1, -1, a, 2);
  native.pctxStore(a, 2, L.PCTX_TGID, 5);
  assert.equal(native.pendProc(TG, 1, 4, 8), 0);
  native.pctxStore(a, 2, L.PCTX_SA_HANDLER + 8 * 1, 1);
  native.pctxStore(a, 2, L.PCTX_SA_HANDLER + 8 * 9, 0x401000);
  native.pctxStore(a, 2, L.PCTX_SA_FLAGS + 8 * 9, 4);
  native.pctxStore(a, 2, L.PCTX_FDHINT, 0x01020304);
  const read = (area: number, ix: number): number[] => [L.PCTX_TGID, L.PCTX_SIGPEND, L.PCTX_SIGPEND + 4, L.PCTX_SA_HANDLER + 8, L.PCTX_SA_HANDLER + 72, L.PCTX_SA_FLAGS + 72, L.PCTX_FDHINT].map((o) => native.pctxLoad(area, ix, o));
  assert.deepEqual(read(a, 2), [5, 4, 8, 1, 0x401000, 4, 0x01020304]);
  assert.equal(native.pctxInit(b, 0, a, 2, 0), 0);
  assert.deepEqual(read(b, 0), [0, 0, 0, 1, 0x401000, 4, 0x01020304]);
  assert.equal(native.pctxInit(b, 0, a, 2, 1), 0);
  assert.deepEqual(read(b, 0), [0, 0, 0, 1, 0, 0, 0x01020304]);
  assert.equal(native.pctxInit(b, 0, a, 16, 1), -22);
  assert.equal(native.pctxLoad(a, 2, 3), -22);
  assert.equal(native.pctxLoad(a, 2, L.PCTX_STRIDE), -22);
  native.procFree(TG);
  native.areaFree(a);
  native.areaFree(b);
});

test('a signal is deliverable when the task or the process has it pending and it is not blocked', () => {
  const a = native.areaAlloc();
  const ix = native.pctxAlloc(a);
  native.pctxInit(a, ix, -1, 0, 0);
  const id = a << L.SLOT_BITS | native.slotAlloc(a, -1);
  native.slotBind(id, TASK, TG);
  native.procBind(TG, -1, -1, a, ix);
  assert.equal(native.sigDeliverable(id), 0);
  assert.equal(native.pendTask(TG, TASK, id, 1, 0, 2), 0);
  assert.equal(native.sigDeliverable(id), 1);
  native.slotStore(id, L.SLOT_SIGMASK + 4, 2);
  assert.equal(native.sigDeliverable(id), 0);
  assert.equal(native.pendProc(TG, 1, 0x200, 0), 0);
  assert.equal(native.sigDeliverable(id), 1);
  native.pendProc(TG, 0, 0x200, 0);
  native.pendTask(TG, TASK, id, 0, 0, 2);
  native.slotStore(id, L.SLOT_SIGMASK + 4, 0);
  assert.equal(native.sigDeliverable(id), 0);
  // The slot's own idea of its pctx is the guest's to change.
  native.slotStore(id, L.SLOT_PCTX, 4000);
  assert.equal(native.sigDeliverable(id), 0);
  assert.equal(native.hintSet(TG, 4095, 0x1ff), 0);
  assert.equal(native.hintGet(TG, 4095), 0xff);
  assert.equal(native.hintSet(TG, 4096, 1), -9);
  assert.equal(native.hintGet(TG + 1, 0), -3);
  // Who has ended, or whose slot is another's, must not leave bits there.
  assert.equal(native.pendTask(TG, TASK + 1, id, 1, 1, 0), -3);
  assert.equal(native.pendTask(TG + 1, TASK, id, 1, 1, 0), -3);
  native.slotBind(id, 0, 0);
  assert.equal(native.pendTask(TG, TASK, id, 1, 1, 0), -3);
  native.slotBind(id, TASK, TG);
  native.procFree(TG);
  assert.deepEqual([native.pendProc(TG, 1, 1, 0), native.pendTask(TG, TASK, id, 1, 1, 0)], [-3, -3]);
  assert.deepEqual([native.pctxLoad(a, ix, L.PCTX_SIGPEND), native.slotLoad(id, L.SLOT_SIGPEND)], [0, 0]);
  native.areaFree(a);
});

test('host calls take offsets into scratch, and numbers of every size', () => {
  const SYS = { getpid: 39, openat: 257, read: 0, lseek: 8, close: 3, ftruncate: 77, memfd_create: 319 };
  assert.equal(native.sys(SYS.getpid, 0), process.pid);
  scratch.latin1Write('/proc/self/comm\0', 0);
  const fd = native.sys(SYS.openat, 0b10, -100, 0, 0o2000000);
  assert.ok(fd > 2);
  const n = native.sys(SYS.read, 0b10, fd, 100, 64);
  assert.equal(scratch.latin1Slice(100, 100 + n), readFileSync('/proc/self/comm', 'latin1'));
  assert.equal(native.sys(SYS.read, 0b10, fd, scratch.length, 1), -14);
  assert.equal(native.sys(SYS.read, 0b10, fd, -1, 1), -14);
  close(fd);
  assert.equal(native.sys(SYS.read, 0b10, fd, 100, 64), -9);
  const mem = native.sys(SYS.memfd_create, 1, 0, 1);
  const big = 2 ** 40 + 12345;
  assert.equal(native.sys(SYS.ftruncate, 0, mem, big), 0);
  assert.equal(native.sys(SYS.lseek, 0, mem, -1, 2), big - 1);
  close(mem);
  assert.ok(native.scratchAddress() > 0 && native.scratchAddress() < 2 ** 47);
  assert.equal(native.sys(9999, 0), -38);
});

test('the probe reports every key that doctor knows', () => {
  const probe = JSON.parse(native.probeHost()) as Record<string, unknown>;
  assert.equal(probe['seccompTrap'], true);
  assert.equal(probe['release'], readFileSync('/proc/sys/kernel/osrelease', 'latin1').trim());
  for (const k of ['userns', 'pidns', 'mountns', 'kvm', 'fsgsbase', 'memfd', 'pidfd', 'readMemory']) assert.equal(typeof probe[k], 'boolean', k);
  for (const k of ['nofileSoft', 'nofileHard', 'pidMax', 'overcommit', 'ptraceScope']) assert.equal(typeof probe[k], 'number', k);
});
