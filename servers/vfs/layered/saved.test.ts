/** The upper layer's index: a changed tree, saved and loaded over the same lower directory, looks the same through the calls. */
import assert from 'node:assert/strict';
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { HostDir } from '../host/dir.js';
import { HostLower } from './lower.js';
import { hostStatFd } from '../host/stat.js';
import { World } from '../test-kit.js';
import { loadTree, readIndex, removeStray, saveTree, writeIndex } from './saved.js';
import { LayeredSuper } from './super.js';
import { Files, ok } from './tree-kit.js';

const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_PATH = 0o10000000;
const S_IFIFO = 0o010000;

let w: World, f: Files;
const FILES = {
  'plain': 'untouched', 'a': 'lower a', 'gone': 'x', 'mode': 'm', 'cut': '0123456789', 'd/x': 'xx', 'd/y': 'yyy', 'd/sub/z': 'z', 'moved/deep/f': 'f', 'swap1/p': '1', 'swap2/q': '2',
  'opaque/old': 'old', 'ln/one': 'linked', 'mnt/': '',
};
beforeEach(() => {
  w = new World(FILES);
  f = new Files(w);
  linkSync(join(w.lower, 'ln/one'), join(w.lower, 'ln/two'));
});
afterEach(() => { w.end(); });

const write = (path: string, text: string, flags?: number): void => { f.write(path, text, flags); };
const read = (path: string): string => f.read(path);
const names = (path: string): string[] => f.names(path);
const picture = (top: string): Map<string, string> => f.picture(top);

function reload(): void {
  const tree = readIndex(w.upper, 'lower');
  assert.ok(tree !== undefined);
  f.mount(tree);
}

function save(): void {
  const tree = saveTree(w.sb, 'lower');
  writeIndex(w.upper, tree);
  removeStray(w.upper, tree.nodes);
}

function change(): void {
  write('/a', 'new contents');
  write('/d/x', ' and more', O_APPEND);
  write('/new', 'made here');
  ok(w.call(NR.NR_unlink, '/gone'));
  ok(w.call(NR.NR_chmod, '/mode', 0o4711));
  ok(w.call(NR.NR_chown, '/mode', 1000, 1001));
  ok(w.call(NR.NR_truncate, '/cut', 4));
  ok(w.call(NR.NR_mkdir, '/dir', 0o2755));
  write('/dir/in', 'inside');
  ok(w.call(NR.NR_link, '/dir/in', '/dir/again'));
  ok(w.call(NR.NR_symlink, '../a', '/dir/link'));
  ok(w.call(NR.NR_mknod, '/dir/fifo', S_IFIFO | 0o600, 0));
  ok(w.call(NR.NR_mknod, '/dir/dev', 0o020000 | 0o660, 0x103));
  ok(w.call(NR.NR_setxattr, '/dir/in', 'user.note', Buffer.from('hello'), 5, 0));
  ok(w.call(NR.NR_setxattr, '/d', 'user.note', Buffer.from('lower dir'), 9, 0));
  ok(w.call(NR.NR_rename, '/moved/deep', '/dir/redirected'));
  write('/dir/redirected/f', 'changed after the move');
  ok(w.call(NR.NR_renameat2, -100, '/swap1', -100, '/swap2', 2));
  for (const n of ['/opaque/old']) ok(w.call(NR.NR_unlink, n));
  ok(w.call(NR.NR_rmdir, '/opaque'));
  ok(w.call(NR.NR_mkdir, '/opaque', 0o700));
  write('/opaque/fresh', 'fresh');
  write('/ln/one', 'both names', O_TRUNC);
  ok(w.call(NR.NR_rename, '/ln/two', '/ln/three'));
  const times = Buffer.alloc(32);
  times.writeBigInt64LE(-5n, 0);
  times.writeBigInt64LE(1000n, 16);
  times.writeBigInt64LE(7n, 24);
  ok(w.call(NR.NR_utimensat, -100, '/new', times, 0));
}

describe('the index of the upper layer', () => {
  it('brings everything back', () => {
    change();
    const before = picture('/');
    save();
    reload();
    assert.deepEqual([...picture('/mnt')], [...before]);
  });

  it('is the same when it is saved, loaded and saved again', () => {
    change();
    save();
    const first = readFileSync(join(w.upper, 'index'));
    reload();
    const fd = ok(host.openat(host.AT_FDCWD, w.lower, O_PATH));
    const dir = new HostLower(new HostDir(undefined, '', fd));
    ok(hostStatFd(fd));
    const sb = new LayeredSuper('overlay', dir, 0);
    const tree = readIndex(w.upper, 'lower');
    assert.ok(tree !== undefined);
    loadTree(sb, dir, tree, { task: 0, tg: 0, cred: 0, fs: undefined as never });
    writeIndex(w.upper, saveTree(sb, 'lower'));
    assert.deepEqual(readFileSync(join(w.upper, 'index')), first);
  });

  it('lets the loaded tree be changed on', () => {
    change();
    save();
    reload();
    write('/mnt/new', '!', O_APPEND);
    write('/mnt/other', 'other');
    assert.equal(read('/mnt/new'), 'made here!');
    ok(w.call(NR.NR_unlink, '/mnt/dir/in'));
    assert.equal(read('/mnt/dir/again'), 'inside');
    assert.deepEqual(names('/mnt/opaque'), ['fresh']);
    assert.deepEqual(names('/mnt/ln'), ['one', 'three']);
    write('/mnt/ln/three', 'through the other name', O_TRUNC);
    assert.equal(read('/mnt/ln/one'), 'through the other name');
  });

  it('counts changes only', () => {
    const was = w.sb.changes;
    picture('/');
    assert.equal(w.sb.changes, was);
    change();
    assert.ok(w.sb.changes > was);
  });

  it('removes data that nothing names, and nothing else', () => {
    write('/keep', 'k');
    const fd = ok(w.call(NR.NR_open, '/open', O_WRONLY | O_CREAT, 0o600));
    ok(w.call(NR.NR_write, fd, Buffer.from('x'), 1));
    ok(w.call(NR.NR_unlink, '/open'));
    assert.equal(readdirSync(w.upper).length, 2);
    save();
    assert.equal(readdirSync(w.upper).length, 2, 'the index and one file');
    ok(w.call(NR.NR_close, fd));
    removeStray(w.upper, []);
    assert.deepEqual(readdirSync(w.upper), ['index']);
  });

  it('keeps a changed file whose lower one has gone', () => {
    write('/d/x', 'mine');
    write('/moved/deep/f', 'mine too');
    ok(w.call(NR.NR_chmod, '/d/y', 0o600));
    save();
    rmSync(join(w.lower, 'd/x'));
    rmSync(join(w.lower, 'd/y'));
    rmSync(join(w.lower, 'moved'), { recursive: true });
    reload();
    assert.equal(read('/mnt/d/x'), 'mine');
    assert.deepEqual(names('/mnt/d'), ['sub', 'x'], 'd/y had no contents of its own');
    assert.ok(!names('/mnt').includes('moved'));
  });

  it('refuses what it cannot use', () => {
    assert.equal(readIndex(w.upper, 'lower'), undefined);
    save();
    assert.throws(() => readIndex(w.upper, 'elsewhere'), /belongs to the root lower/);
    writeFileSync(join(w.upper, 'index'), Buffer.from([0x81, 0xa1, 0x76, 1]));
    assert.throws(() => readIndex(w.upper, 'lower'), /another version/);
    assert.ok(!existsSync(join(w.upper, 'index.new')));
  });
});
