/** Watches through the VFS server's handlers: who is told what, what keeps a removed file, what is not granted while it is watched. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { E, Ret } from '../../../shared/errno.js';
import { fdLookup } from '../../../shared/fdtable.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { World } from '../test-kit.js';
import * as W from './watch.js';

const O_CREAT = 0o100, O_NONBLOCK = 0o4000, O_RDWR = 2;
const world = new World({ 'd/f': 'text', 'd/g': 'more' });
process.on('exit', () => { world.end(); });
/** A process has been granted what was given. */
const hints = new Map<number, number>();
native.hintSet = (_tg, fd, hint) => { hints.set(fd, hint); return 0; };
native.hintGet = (_tg, fd) => hints.get(fd) ?? 0;

afterEach(() => { for (let fd = 0; fd < 32; fd++) close(fd); });

const open = (path: string, flags = O_RDWR): number => world.call(NR.NR_open, path, flags, 0o644);
function close(fd: number): void {
  const o = fdLookup(L.taskFiles(1), fd);
  if (o > 0) world.call(NR.NR_close, fd);
}
const init = (): number => world.call(NR.NR_inotify_init1, O_NONBLOCK);
const watch = (ifd: number, path: string, mask = W.IN_ALL_EVENTS): number => world.call(NR.NR_inotify_add_watch, ifd, path, mask >>> 0);
const rowOf = (fd: number): number => fdLookup(L.taskFiles(1), fd);

/** What is in the queue: [wd, mask, name]. */
function events(ifd: number): Array<[number, number, string]> {
  const n = world.call(NR.NR_read, ifd, world.at(0), 60000);
  const list: Array<[number, number, string]> = [];
  for (let at = 0; at < n;) {
    const len = world.memory.readUInt32LE(at + 12);
    list.push([world.memory.readInt32LE(at), world.memory.readUInt32LE(at + 4), world.memory.latin1Slice(at + 16, at + 16 + len).replace(/\0+$/, '')]);
    at += 16 + len;
  }
  return n < 0 && n !== -E.EAGAIN ? [[n, 0, '']] : list;
}

test('a directory hears of its names, a file of itself; the same twice is told once', () => {
  const i = init();
  assert.equal(watch(i, '/d'), 1);
  assert.equal(watch(i, '/d/f', W.IN_ATTRIB), 2);
  assert.equal(watch(i, '/d/f', W.IN_ATTRIB), 2);
  assert.equal(world.call(NR.NR_chmod, '/d/f', 0o600), 0);
  assert.equal(world.call(NR.NR_chmod, '/d/f', 0o640), 0);
  assert.equal(world.call(NR.NR_mkdir, '/d/sub', 0o755), 0);
  assert.equal(world.call(NR.NR_rename, '/d/sub', '/d/moved'), 0);
  assert.equal(world.call(NR.NR_rmdir, '/d/moved'), 0);
  assert.deepEqual(events(i), [
    [1, W.IN_ATTRIB, 'f'], [2, W.IN_ATTRIB, ''], [1, W.IN_ATTRIB, 'f'], [2, W.IN_ATTRIB, ''], [1, W.IN_CREATE | W.IN_ISDIR, 'sub'],
    [1, W.IN_MOVED_FROM | W.IN_ISDIR, 'sub'], [1, W.IN_MOVED_TO | W.IN_ISDIR, 'moved'], [1, W.IN_DELETE | W.IN_ISDIR, 'moved'],
  ]);
});

test('a removed file is told of when nothing but the watch holds it', () => {
  const i = init(), fd = open('/d/gone', O_RDWR | O_CREAT);
  const wd = watch(i, '/d/gone', W.IN_DELETE_SELF);
  assert.equal(world.call(NR.NR_link, '/d/gone', '/d/other'), 0);
  assert.equal(world.call(NR.NR_unlink, '/d/gone'), 0);
  close(fd);
  assert.deepEqual(events(i), []);
  assert.equal(world.call(NR.NR_unlink, '/d/other'), 0);
  assert.deepEqual(events(i), [[wd, W.IN_DELETE_SELF, ''], [wd, W.IN_IGNORED, '']]);
  assert.equal(world.call(NR.NR_inotify_rm_watch, i, wd), -E.EINVAL);
});

test('what is watched is not granted, and a grant that is out is withdrawn', () => {
  const fd = open('/d/g');
  const row = rowOf(fd);
  assert.notEqual(L.ofdGrantable(row), 0);
  L.setOfdGiven(row, 1);
  hints.set(fd, (L.SRV_VFS + 1) | L.HINT_GRANTED | L.HINT_READ | L.HINT_WRITE | L.HINT_SEEK);
  L.setTgState(1, 2);
  L.setTgLeader(1, 1);
  L.setMetaTopTg(1, 2);
  L.setMetaFdrBase(1, 1008);
  const i = init();
  watch(i, '/d', W.IN_CREATE);
  assert.equal(hints.get(fd), (L.SRV_VFS + 1) | L.HINT_GRANTED | L.HINT_READ | L.HINT_WRITE | L.HINT_SEEK);
  watch(i, '/d', W.IN_MODIFY);
  assert.equal(hints.get(fd), (L.SRV_VFS + 1) | L.HINT_GRANTED);
  assert.equal(L.ofdGrantable(row), 0);
  const later = open('/d/g');
  assert.equal(L.ofdGrantable(rowOf(later)), 0);
  host.scratch.latin1Write('x', host.DATA);
  assert.equal(world.call(NR.NR_pwrite64, later, Buffer.from('x'), 1, 0), 1);
  world.ep.deliver(Msg.DATA_MOVED, [row, 1]);
  assert.deepEqual(events(i), [[1, W.IN_MODIFY, 'g']]);
});

test('errors; a blocking read waits; a full queue says so once', () => {
  assert.equal(world.call(NR.NR_inotify_init1, 1), -E.EINVAL);
  const i = init();
  assert.equal(watch(i, '/d', 0), -E.EINVAL);
  assert.equal(watch(i, '/none'), -E.ENOENT);
  assert.equal(watch(99, '/d'), -E.EBADF);
  assert.equal(watch(open('/d/f'), '/d'), -E.EINVAL);
  const waits = world.call(NR.NR_inotify_init);
  assert.equal(world.call(NR.NR_read, waits, world.at(0), 100), Ret.BLOCKED);
  assert.equal(watch(i, '/d', W.IN_ATTRIB), 1);
  for (let n = 0; n < 10000; n++) { world.call(NR.NR_chmod, '/d/f', 0o600); world.call(NR.NR_chmod, '/d/g', 0o600); }
  assert.equal(world.call(NR.NR_read, i, world.at(0), 20), -E.EINVAL);
  let all: Array<[number, number, string]> = [];
  for (let some = events(i); some.length > 0; some = events(i)) all = all.concat(some);
  assert.equal(all.length, 16385);
  assert.deepEqual(all[16384], [-1, W.IN_Q_OVERFLOW, '']);
});
