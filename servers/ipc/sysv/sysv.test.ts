/** System V IPC through the ipc server's endpoint, with guests that have no memory of their own to attach to: ids, rights, who waits, what a death changes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { messagesTo, MiniGuest, PARKED, setUpServer } from '../../../shared/testing/mini-guest.js';
import { installIpc } from '../server.js';
import { IpcIds, type IpcPerm } from './ids.js';
import { attachmentsIn, detaching } from './shm.js';

const rig = setUpServer(L.SRV_IPC);
const scratch = mkdtempSync(join(tmpdir(), 'carrick-sysv-'));
process.on('exit', () => { rmSync(scratch, { recursive: true, force: true }); });
installIpc(rig.ep, scratch);
const g = new MiniGuest(rig);
const h = new MiniGuest(rig);

const IPC_CREAT = 0o1000, IPC_NOWAIT = 0o4000;
const IPC_RMID = 0, IPC_STAT = 2;
const GETVAL = 12, GETNCNT = 14, SETVAL = 16;
const SEM_UNDO = 0x1000;
const BUF = 0, OPS = 4096;

afterEach(() => { g.abandon(); h.abandon(); });

function semop(who: MiniGuest, id: number, ...ops: Array<readonly [num: number, op: number, flags?: number]>): number | typeof PARKED {
  ops.forEach(([num, op, flags = 0], i) => {
    who.mem.writeUInt16LE(num, OPS + 6 * i);
    who.mem.writeInt16LE(op, OPS + 6 * i + 2);
    who.mem.writeUInt16LE(flags, OPS + 6 * i + 4);
  });
  return who.call(NR.NR_semop, id, who.ptr(OPS), ops.length);
}
const sem = (n: number): number => g.call(NR.NR_semget, 0, n, IPC_CREAT | 0o600) as number;
const value = (id: number, num: number): number | typeof PARKED => g.call(NR.NR_semctl, id, num, GETVAL);

function send(who: MiniGuest, id: number, type: number, text: string, flags = 0): number | typeof PARKED {
  who.mem.writeBigInt64LE(BigInt(type), BUF);
  who.mem.latin1Write(text, BUF + 8);
  return who.call(NR.NR_msgsnd, id, who.ptr(BUF), text.length, flags);
}

test('ids: indices in turn, sequence numbers when the turn begins anew, keys', () => {
  const ids = new IpcIds<IpcPerm>(4096);
  const make = (key: number): IpcPerm => { const o = { key, id: -1, seq: 0 } as IpcPerm; ids.add(o); return o; };
  for (let i = 0; i < 64; i++) { const o = make(7); assert.equal(o.id, i); ids.remove(o); }
  assert.equal(make(0).id, 32768);
  assert.equal(ids.lookup(0), undefined);
  assert.equal(ids.at(0)?.id, 32768);
  for (let i = 1; i < 100; i++) assert.equal(make(0).id, 32768 + i);
  assert.equal(ids.top, 99);
});

test('semop: all or none; who waits is let go on in order, and gets EIDRM with the array', () => {
  const id = sem(2);
  assert.equal(semop(g, id, [0, 1], [1, -1, IPC_NOWAIT]), -E.EAGAIN);
  assert.deepEqual([value(id, 0), value(id, 1)], [0, 0]);
  assert.equal(semop(h, id, [0, -2], [1, 3]), PARKED);
  assert.equal(g.call(NR.NR_semctl, id, 0, GETNCNT), 1);
  assert.equal(semop(g, id, [0, 1]), 0);
  assert.equal(h.settle(), PARKED);
  assert.equal(semop(g, id, [0, 1]), 0);
  assert.equal(h.settle(), 0);
  assert.deepEqual([value(id, 0), value(id, 1)], [0, 3]);
  assert.equal(semop(h, id, [0, -1]), PARKED);
  assert.equal(h.interrupt(), -E.EINTR);
  assert.equal(g.call(NR.NR_semctl, id, 0, GETNCNT), 0);
  assert.equal(semop(h, id, [1, 0]), PARKED);
  assert.equal(g.call(NR.NR_semctl, id, 0, IPC_RMID), 0);
  assert.equal(h.settle(), -E.EIDRM);
  assert.equal(value(id, 0), -E.EINVAL);
});

test('semtimedop: EAGAIN when the time is over', () => {
  const id = sem(1);
  g.mem.writeUInt16LE(0, OPS);
  g.mem.writeInt16LE(-1, OPS + 2);
  g.mem.writeUInt16LE(0, OPS + 4);
  g.mem.fill(0, BUF, BUF + 16);
  g.mem.writeUInt32LE(2e6, BUF + 8);
  assert.equal(g.over(g.call(NR.NR_semtimedop, id, g.ptr(OPS), 1, g.ptr(BUF))), -E.EAGAIN);
  assert.equal(g.call(NR.NR_semctl, id, 0, IPC_RMID), 0);
});

test('SEM_UNDO: undone when the process is gone, which the kernel is told to tell at once; a waiter goes on', () => {
  const id = sem(1);
  assert.equal(g.call(NR.NR_semctl, id, 0, SETVAL, 1), 0);
  L.setTgSysv(h.tg, 0);
  assert.equal(semop(h, id, [0, -1, SEM_UNDO]), 0);
  assert.equal(L.tgSysv(h.tg), 1);
  assert.equal(semop(g, id, [0, -1]), PARKED);
  rig.ep.send(L.SRV_IPC, Msg.TG_GONE, [h.tg, L.tgTgid(h.tg)]);
  assert.equal(g.settle(), 0);
  assert.equal(value(id, 0), 0);
  assert.equal(g.call(NR.NR_semctl, id, 0, IPC_RMID), 0);
});

test('messages: to who waits for the type, E2BIG on the way, room for who waits to send', () => {
  const id = g.call(NR.NR_msgget, 0, IPC_CREAT | 0o600) as number;
  assert.equal(h.call(NR.NR_msgrcv, id, h.ptr(8192), 3, 5, 0), PARKED);
  assert.equal(send(g, id, 4, 'four'), 0);
  assert.equal(h.settle(), PARKED);
  assert.equal(send(g, id, 5, 'five'), 0);
  assert.equal(h.settle(), -E.E2BIG);
  assert.equal(h.call(NR.NR_msgrcv, id, h.ptr(8192), 100, -9, 0), 4);
  assert.equal(h.mem.latin1Slice(8192, 8204), '\x04\0\0\0\0\0\0\0four');
  assert.equal(send(g, id, 1, 'x'.repeat(8192)), 0);
  assert.equal(send(g, id, 1, 'x'.repeat(8000), IPC_NOWAIT), 0);
  assert.equal(send(g, id, 2, 'y'.repeat(300), IPC_NOWAIT), -E.EAGAIN);
  assert.equal(send(h, id, 2, 'y'.repeat(300)), PARKED);
  assert.equal(g.call(NR.NR_msgrcv, id, g.ptr(BUF), 9000, 1, 0), 8192);
  assert.equal(h.settle(), 0);
  assert.equal(h.call(NR.NR_msgrcv, id, h.ptr(8192), 100, 77, 0), PARKED);
  assert.equal(g.call(NR.NR_msgctl, id, IPC_RMID, 0), 0);
  assert.equal(h.settle(), -E.EIDRM);
});

test('shmget, shmctl: sizes, the limit told, gone with IPC_RMID when nobody has it attached', () => {
  assert.equal(g.call(NR.NR_shmget, 0x55, 0, IPC_CREAT | 0o600), -E.EINVAL);
  const id = g.call(NR.NR_shmget, 0x55, 5000, IPC_CREAT | 0o600) as number;
  assert.equal(g.call(NR.NR_shmget, 0x55, 5001, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_shmctl, id, IPC_STAT, g.ptr(BUF)), 0);
  assert.deepEqual([g.mem.readInt32LE(BUF), g.mem.readUInt32LE(BUF + 48), g.mem.readUInt32LE(BUF + 88)], [0x55, 5000, 0]);
  assert.equal(g.call(NR.NR_shmat, id, 5, 0), -E.EINVAL);
  assert.equal(g.call(NR.NR_shmdt, 4096), -E.EINVAL);
  assert.equal(g.call(NR.NR_shmctl, id, IPC_RMID, 0), 0);
  assert.equal(g.call(NR.NR_shmctl, id, IPC_STAT, g.ptr(BUF)), -E.EINVAL);
  assert.equal(g.call(NR.NR_shmget, 0x55, 1, 0), -E.ENOENT);
});

test('what a process has attached, from the host\'s list; what shmdt gives back', () => {
  const list = attachmentsIn(`00010000-00013000 rw-s 00000000 00:01 77                         /memfd:sysv-00000005-3 (deleted)
00013000-00014000 rw-p 00000000 00:01 12                         /memfd:other (deleted)
00020000-00021000 rw-s 00000000 00:01 77                         /memfd:sysv-00000005-3 (deleted)
00021000-00022000 r--s 00001000 00:01 77                         /memfd:sysv-00000005-3 (deleted)
00024000-00025000 rw-s 00002000 00:01 77                         /memfd:sysv-00000005-3 (deleted)
`);
  assert.equal(list.length, 4);
  const size = (ino: number): number => (ino === 77 ? 0x3000 : 0);
  assert.deepEqual(detaching(list, 0x10000, size).map((a) => a.start), [0x10000]);
  assert.deepEqual(detaching(list, 0x20000, size).map((a) => a.start), [0x20000, 0x21000]);
  assert.deepEqual(detaching(list, 0x21000, size), []);
});

test('/proc/sysvipc is told to vfs', () => {
  const id = g.call(NR.NR_msgget, 0x99, IPC_CREAT | 0o640) as number;
  messagesTo(rig, L.SRV_VFS);
  rig.ep.send(L.SRV_IPC, Msg.PROC_ASK, [3], 'msg');
  rig.ep.turn(false);
  rig.ep.turn(false);
  assert.deepEqual(messagesTo(rig, L.SRV_VFS).map((m) => [m.kind, m.w[0], m.w[1]]), [[Msg.PROC_TEXT, 3, 0]]);
  assert.equal(g.call(NR.NR_msgctl, id, IPC_RMID, 0), 0);
});
