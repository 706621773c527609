/** The journal of the upper layer: what was flushed is there after a crash, whatever happened since; what was not is as if it had never been. */
import assert from 'node:assert/strict';
import { existsSync, linkSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import * as NR from '../../../shared/gen/syscalls.js';
import { World } from '../test-kit.js';
import { Journal, removeJournal, replay } from './journal.js';
import { readIndex, type SavedTree } from './saved.js';
import { Files, ok } from './tree-kit.js';

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_DIRECTORY = 0o200000, O_DSYNC = 0o10000, S_IFIFO = 0o010000;

let w: World, f: Files, journal: Journal;
beforeEach(() => {
  w = new World({ a: 'lower a', b: 'lower b', 'd/x': 'xx', 'd/y': 'yyy', 'd/sub/z': 'z', 'moved/deep/f': 'f', 'ln/one': 'linked', 'mnt/': '' });
  linkSync(join(w.lower, 'ln/one'), join(w.lower, 'ln/two'));
  f = new Files(w);
  journal = w.sb.journal = new Journal(w.sb, w.upper, 'lower', 0, [], w.ep.timers);
  journal.begin();
});
afterEach(() => { w.end(); });

const file = (): string => join(w.upper, 'journal');
const data = (): string[] => readdirSync(w.upper).filter((name) => /^\d+$/.test(name)).sort();

/** What a start after a crash would find. */
function crashed(): SavedTree {
  const tree = replay(w.upper, 'lower', readIndex(w.upper, 'lower'));
  assert.ok(tree !== undefined);
  return tree;
}

/** It must look as it did when `before` was taken. */
function looksLike(before: ReadonlyMap<string, string>): void {
  f.mount(crashed());
  assert.deepEqual([...f.picture('/mnt')], [...before]);
  ok(w.call(NR.NR_umount2, '/mnt', 2));
}

/** Calls that change names and attributes in every way, none of them the contents of a file that was there. */
const STEPS: ReadonlyArray<() => number> = [
  () => { f.write('/new', 'made here'); return 0; },
  () => w.call(NR.NR_chmod, '/a', 0o4711),
  () => w.call(NR.NR_mkdir, '/dir', 0o2755),
  () => { f.write('/dir/in', 'inside'); return 0; },
  () => w.call(NR.NR_link, '/dir/in', '/dir/again'),
  () => w.call(NR.NR_symlink, '../a', '/dir/link'),
  () => w.call(NR.NR_mknod, '/dir/fifo', S_IFIFO | 0o600, 0),
  () => w.call(NR.NR_setxattr, '/dir/in', 'user.note', Buffer.from('hello'), 5, 0),
  () => w.call(NR.NR_rename, '/moved/deep', '/dir/redirected'),
  () => w.call(NR.NR_unlink, '/dir/redirected/f'),
  () => w.call(NR.NR_rename, '/dir', '/d/dir'),
  () => w.call(NR.NR_unlink, '/d/dir/in'),
  () => w.call(NR.NR_rename, '/new', '/d/x'),
  () => w.call(NR.NR_unlink, '/d/sub/z'),
  () => w.call(NR.NR_rmdir, '/d/sub'),
  () => w.call(NR.NR_mkdir, '/d/sub', 0o700),
  () => w.call(NR.NR_renameat2, -100, '/d', -100, '/ln', 2),
  () => w.call(NR.NR_chown, '/d/one', 7, 8),
  () => w.call(NR.NR_rename, '/d/two', '/d/three'),
  () => w.call(NR.NR_unlink, '/b'),
];

describe('the journal of the upper layer', () => {
  it('leads from one whole tree to the next, wherever it is cut', () => {
    const pictures: Array<ReadonlyMap<string, string>> = [], sizes: number[] = [];
    for (const step of STEPS) {
      ok(step());
      // Unsynced: so the data of names that go stay, and earlier trees can be looked at.
      assert.equal(journal.flush(false), 0);
      pictures.push(f.picture('/'));
      sizes.push(readFileSync(file()).length);
    }
    looksLike(pictures.at(-1) ?? new Map());
    for (let i = STEPS.length - 1; i > 0; i--) {
      // Its last byte is missing: the batch never was.
      truncateSync(file(), (sizes[i] as number) - 1);
      looksLike(pictures[i - 1] as Map<string, string>);
    }
    truncateSync(file(), (sizes[0] as number) - 1);
    assert.equal(replay(w.upper, 'lower', undefined), undefined);
  });

  it('takes a batch that was altered, and what follows it, for nothing', () => {
    ok(w.call(NR.NR_mkdir, '/one', 0o755));
    journal.flush(false);
    const one = f.picture('/'), size = readFileSync(file()).length;
    ok(w.call(NR.NR_mkdir, '/two', 0o755));
    journal.flush(false);
    ok(w.call(NR.NR_mkdir, '/three', 0o755));
    journal.flush(false);
    const bytes = readFileSync(file());
    bytes[size + 20] = (bytes[size + 20] as number) ^ 1;
    writeFileSync(file(), bytes);
    looksLike(one);
  });

  it('is written by fsync, of a file and of a directory, and by an open with O_DSYNC', () => {
    f.write('/a', 'changed');
    assert.ok(!existsSync(file()));
    const fd = ok(w.call(NR.NR_open, '/file', O_RDWR | O_CREAT, 0o600));
    ok(w.call(NR.NR_write, fd, Buffer.from('text'), 4));
    ok(w.call(NR.NR_fsync, fd));
    looksLike(f.picture('/'));
    ok(w.call(NR.NR_rename, '/file', '/d/renamed'));
    const dir = ok(w.call(NR.NR_open, '/d', O_DIRECTORY, 0));
    ok(w.call(NR.NR_fsync, dir));
    looksLike(f.picture('/'));
    ok(w.call(NR.NR_open, '/direct', O_WRONLY | O_CREAT | O_DSYNC, 0o600));
    looksLike(f.picture('/'));
  });

  it('is written a second after the first change', () => {
    assert.equal(w.ep.timers.next(), Infinity);
    ok(w.call(NR.NR_mkdir, '/later', 0o755));
    assert.ok(w.ep.timers.next() < Infinity);
    w.ep.timers.expire(Number.MAX_VALUE);
    looksLike(f.picture('/'));
    assert.equal(w.ep.timers.next(), Infinity);
  });

  it('keeps the data of a name that was replaced until that is on the disk', () => {
    f.write('/file', 'old');
    journal.flush(true);
    const before = f.picture('/'), [old] = data();
    f.write('/file.new', 'new');
    ok(w.call(NR.NR_rename, '/file.new', '/file'));
    assert.ok(data().includes(old ?? ''), 'a crash now brings the old name back');
    looksLike(before);
    journal.flush(true);
    assert.ok(!data().includes(old ?? ''));
    looksLike(f.picture('/'));
  });

  it('removes data at once that it never spoke of', () => {
    f.write('/file', 'x');
    ok(w.call(NR.NR_unlink, '/file'));
    assert.deepEqual(data(), []);
  });

  it('does not write what boot alone has done', () => {
    journal.begin();
    ok(w.call(NR.NR_stat, '/a', Buffer.alloc(144)));
    journal.flush(true);
    assert.deepEqual(readdirSync(w.upper), []);
  });

  it('gives way to the index at the end, and an old one is not believed', () => {
    for (const step of STEPS) ok(step());
    journal.flush(true);
    const old = readFileSync(file());
    ok(w.call(NR.NR_mkdir, '/last', 0o755));
    const before = f.picture('/');
    journal.close();
    assert.ok(!existsSync(file()));
    writeFileSync(file(), old);
    const index = readIndex(w.upper, 'lower');
    assert.ok(index !== undefined);
    assert.equal(replay(w.upper, 'lower', index), undefined);
    f.mount(index);
    assert.deepEqual([...f.picture('/mnt')], [...before]);
    removeJournal(w.upper);
  });

  it('begins anew when it has grown, and goes on from the new index', () => {
    f.write('/big', 'b');
    const note = Buffer.alloc(60_000, 'n');
    let checkpoints = 0;
    for (let i = 0, last = 0; i < 200; i++) {
      note.writeUInt32LE(i, 0);
      ok(w.call(NR.NR_setxattr, '/big', 'user.note', note, note.length, 0));
      if (i % 10 === 0) ok(w.call(NR.NR_mkdir, `/dir${i}`, 0o755));
      assert.equal(journal.flush(false), 0);
      const size = readFileSync(file()).length;
      if (size < last) checkpoints++;
      last = size;
    }
    assert.ok(checkpoints > 0 && existsSync(join(w.upper, 'index')));
    ok(w.call(NR.NR_rmdir, '/dir10'));
    ok(w.call(NR.NR_mkdir, '/dir20/below', 0o700));
    assert.equal(journal.flush(false), 0);
    looksLike(f.picture('/'));
  });

  it('refuses the root of another', () => {
    ok(w.call(NR.NR_mkdir, '/x', 0o755));
    journal.flush(false);
    assert.throws(() => replay(w.upper, 'elsewhere', undefined), /belongs to the root lower/);
  });
});
