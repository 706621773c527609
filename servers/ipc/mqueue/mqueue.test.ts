/** POSIX message queues through the ipc server's endpoint: names, order, who waits, readiness, who is told. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { messagesTo, MiniGuest, PARKED, setUpServer } from '../../../shared/testing/mini-guest.js';
import { installIpc } from '../server.js';

const rig = setUpServer(L.SRV_IPC);
const scratch = mkdtempSync(join(tmpdir(), 'carrick-mq-'));
process.on('exit', () => { rmSync(scratch, { recursive: true, force: true }); });
installIpc(rig.ep, scratch);
const g = new MiniGuest(rig);
const h = new MiniGuest(rig, g);
L.setTgRlimCur(g.tg, 12, 819200);
L.setTgArea(g.tg, g.slotId >> L.SLOT_BITS);
L.setTgPctx(g.tg, 0);

const O_CREAT = 0o100, O_EXCL = 0o200, O_NONBLOCK = 0o4000, O_RDWR = 2;
const NAME = 0, ATTR = 256, BUF = 1024, PRIO = 512, EVENT = 640, FDS = 768;
const SIGUSR1 = 10;

afterEach(() => { g.abandon(); h.abandon(); for (let fd = 0; fd < 16; fd++) g.call(NR.NR_close, fd); messagesTo(rig, L.SRV_SIGNAL); });

function open(name: string, flags = O_RDWR, max = 2, size = 16): number | typeof PARKED {
  g.mem.latin1Write(`${name}\0`, NAME);
  g.mem.fill(0, ATTR, ATTR + 64);
  g.mem.writeUInt32LE(max, ATTR + 8);
  g.mem.writeUInt32LE(size, ATTR + 16);
  native.pctxStore(L.tgArea(g.tg), 0, L.PCTX_UMASK, L.UMASK_OWN | 0o22);
  return g.call(NR.NR_mq_open, g.ptr(NAME), flags, 0o666, g.ptr(ATTR));
}
function send(who: MiniGuest, fd: number, text: string, prio = 0): number | typeof PARKED {
  who.mem.latin1Write(text, BUF);
  return who.call(NR.NR_mq_timedsend, fd, who.ptr(BUF), text.length, prio, 0);
}
const receive = (who: MiniGuest, fd: number): number | typeof PARKED => who.call(NR.NR_mq_timedreceive, fd, who.ptr(BUF), 100, who.ptr(PRIO), 0);
function received(fd: number): string {
  const n = receive(g, fd) as number;
  return `${g.mem.latin1Slice(BUF, BUF + n)} ${g.mem.readUInt32LE(PRIO)}`;
}
function unlink(name: string): number | typeof PARKED {
  g.mem.latin1Write(`${name}\0`, NAME);
  return g.call(NR.NR_mq_unlink, g.ptr(NAME));
}
function revents(fd: number): number {
  g.mem.writeInt32LE(fd, FDS);
  g.mem.writeInt32LE(5, FDS + 4);
  g.call(NR.NR_poll, g.ptr(FDS), 1, 0);
  return g.mem.readUInt16LE(FDS + 6);
}

test('names, sizes, O_EXCL, the umask; a queue lives while it is open', () => {
  assert.equal(open('none'), -E.ENOENT);
  assert.equal(open('a/b', O_RDWR | O_CREAT), -E.EACCES);
  assert.equal(open('q', O_RDWR | O_CREAT, 0), -E.EINVAL);
  const fd = open('q', O_RDWR | O_CREAT) as number;
  assert.equal(open('q', O_RDWR | O_CREAT | O_EXCL), -E.EEXIST);
  assert.equal(g.call(NR.NR_fstat, fd, g.ptr(BUF)), 0);
  assert.equal(g.mem.readUInt32LE(BUF + 24), 0o100644);
  assert.equal(unlink('q'), 0);
  assert.equal(unlink('q'), -E.ENOENT);
  assert.equal(send(g, fd, 'still'), 0);
  assert.equal(received(fd), 'still 0');
});

test('the umask of vfs is asked for', () => {
  g.mem.latin1Write('asked\0', NAME);
  native.pctxStore(L.tgArea(g.tg), 0, L.PCTX_UMASK, 0);
  messagesTo(rig, L.SRV_VFS);
  assert.equal(g.call(NR.NR_mq_open, g.ptr(NAME), O_RDWR | O_CREAT, 0o666, 0), PARKED);
  assert.deepEqual(messagesTo(rig, L.SRV_VFS).map((m) => [m.kind, m.w[0]]), [[Msg.UMASK_ASK, g.slotId]]);
  rig.ep.send(L.SRV_IPC, Msg.UMASK_TOLD, [g.slotId, 0o077]);
  const fd = g.settle() as number;
  assert.equal(g.call(NR.NR_fstat, fd, g.ptr(BUF)), 0);
  assert.equal(g.mem.readUInt32LE(BUF + 24), 0o100600);
  assert.equal(unlink('asked'), 0);
});

test('by priority, then age; who waits to send goes on; readiness', () => {
  const fd = open('q', O_RDWR | O_CREAT) as number;
  assert.equal(revents(fd), 4);
  assert.equal(send(g, fd, 'x'.repeat(17)), -E.EMSGSIZE);
  assert.equal(send(g, fd, 'low', 1), 0);
  assert.equal(revents(fd), 5);
  assert.equal(send(g, fd, 'high', 9), 0);
  assert.equal(revents(fd), 1);
  assert.equal(send(h, fd, 'late', 1), PARKED);
  assert.equal(received(fd), 'high 9');
  assert.equal(h.settle(), 0);
  assert.deepEqual([received(fd), received(fd)], ['low 1', 'late 1']);
  assert.equal(receive(h, fd), PARKED);
  assert.equal(h.interrupt(), -E.ERESTARTSYS);
  assert.equal(unlink('q'), 0);
});

test('mq_notify: told once, of the first message that nobody waits for', () => {
  const fd = open('q', O_RDWR | O_CREAT | O_NONBLOCK) as number;
  g.mem.fill(0, EVENT, EVENT + 64);
  g.mem.writeInt32LE(77, EVENT);
  g.mem.writeInt32LE(SIGUSR1, EVENT + 8);
  assert.equal(g.call(NR.NR_mq_notify, fd, g.ptr(EVENT)), 0);
  assert.equal(g.call(NR.NR_mq_notify, fd, g.ptr(EVENT)), -E.EBUSY);
  assert.equal(send(g, fd, 'one'), 0);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL).map((m) => [m.kind, m.w[0], m.w[1], m.w[2], m.w[5]]), [[Msg.SIG_TG, g.tg, SIGUSR1, -3, 77]]);
  assert.equal(received(fd), 'one 0');
  assert.equal(receive(g, fd), -E.EAGAIN);
  assert.equal(send(g, fd, 'two'), 0);
  assert.deepEqual(messagesTo(rig, L.SRV_SIGNAL), []);
  assert.equal(g.call(NR.NR_mq_notify, fd, g.ptr(EVENT)), 0);
  rig.ep.send(L.SRV_IPC, Msg.TG_GONE, [g.tg, 1]);
  rig.ep.turn(false);
  assert.equal(g.call(NR.NR_mq_notify, fd, g.ptr(EVENT)), 0);
  assert.equal(unlink('q'), 0);
});
