/** Answers that a process may remember: what they depend on, and that every change of it advances a cell that they name. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { cellValue } from './answers.js';
import { hostSuper } from './hostfs/hostfs.js';
import { mountAt } from './mounts.js';
import { type Arg, Out, World } from './test-kit.js';

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100;
const ROOM = L.ANSWER_SIZE + 64;

let w: World;
beforeEach(() => { w = new World({ f: '0123456789', 'd/a': 'x', 'd/b': '' }); });
afterEach(() => { w.end(); });

interface Answer { readonly ret: number; readonly kind: number; readonly mode: number; readonly length: number; readonly fd: number; readonly opened: number; readonly target: string; holds(): boolean }

/** A call with room for an answer, as the stub makes it; undefined: none came. */
function ask(nr: number, ...args: readonly Arg[]): Answer | undefined {
  const f = w.frame(nr, [...args, ...new Array<number>(5 - args.length).fill(0), new Out(ROOM)]);
  const ret = w.run(f), n = f.produced(5), at = f.answerOff(ROOM);
  if (n === 0) return undefined;
  const b = Buffer.from(f.bytes.subarray(at, at + n));
  const u32 = (off: number): number => b.readUInt32LE(off);
  const holds = (): boolean => u32(L.ANSWER_GEN) === cellValue(0) && [L.ANSWER_NAME_CELL, L.ANSWER_INODE_CELL].every((at) => u32(at) === 0 || u32(at + 4) === cellValue(u32(at)));
  return { ret, kind: u32(L.ANSWER_KIND), mode: u32(L.ANSWER_MODE), length: u32(L.ANSWER_LENGTH), fd: b.readInt32LE(L.ANSWER_FD), opened: u32(L.ANSWER_OPENED), target: b.latin1Slice(L.ANSWER_SIZE), holds };
}

const stat = (path: string): Answer | undefined => ask(NR.NR_stat, path, new Out(144));
/** The answer to stat, which must be there and hold until `change`. */
function ends(path: string, change: () => number): void {
  const a = stat(path);
  assert.ok(a?.holds() === true, `${path} is answered`);
  assert.ok(change() >= 0);
  assert.equal(a.holds(), false, `${path} has changed`);
}

describe('answers about names', () => {
  it('say what stat says, and which names are missing', () => {
    const a = stat('/f');
    assert.deepEqual([a?.ret, a?.kind, a?.length, a?.fd], [0, L.ANSWER_FOUND, 10, -1]);
    const none = stat('/none');
    assert.deepEqual([none?.ret, none?.kind], [-E.ENOENT, L.ANSWER_ABSENT]);
    assert.equal(ask(NR.NR_open, '/none', 0, 0)?.kind, L.ANSWER_ABSENT);
    assert.equal(ask(NR.NR_access, '/f', 4)?.kind, L.ANSWER_FOUND);
    w.call(NR.NR_symlink, '/f', '/l');
    assert.equal(ask(NR.NR_readlink, '/l', new Out(64), 64)?.target, '/f');
    assert.equal(ask(NR.NR_readlink, '/f', new Out(64), 64)?.ret, -E.EINVAL);
  });

  it('end with every change of the name', () => {
    ends('/new', () => w.call(NR.NR_mknod, '/new', 0o644, 0));
    ends('/new', () => w.call(NR.NR_rename, '/new', '/newer'));
    ends('/newer', () => w.call(NR.NR_rename, '/f', '/newer'));
    ends('/newer', () => w.call(NR.NR_unlink, '/newer'));
    ends('/dir', () => w.call(NR.NR_mkdir, '/dir', 0o755));
    ends('/dir/../d/a', () => w.call(NR.NR_rmdir, '/dir'));
    ends('/d/a', () => w.call(NR.NR_rename, '/d', '/e'));
    w.call(NR.NR_symlink, '/e', '/l');
    ends('/l/a', () => w.call(NR.NR_unlink, '/l'));
  });

  it('end with every change of attributes, and of rights on the way', () => {
    ends('/f', () => w.call(NR.NR_chmod, '/f', 0o600));
    ends('/f', () => w.call(NR.NR_chown, '/f', 1, 1));
    ends('/f', () => w.call(NR.NR_link, '/f', '/g'));
    ends('/f', () => w.call(NR.NR_truncate, '/f', 3));
    ends('/d', () => w.call(NR.NR_mknod, '/d/c', 0o644, 0));
    ends('/d/a', () => w.call(NR.NR_chmod, '/d', 0o700));
  });

  it('are not given about files that guests may be writing', () => {
    const fd = w.call(NR.NR_open, '/u', O_WRONLY | O_CREAT, 0o644);
    assert.equal(stat('/u'), undefined);
    w.call(NR.NR_close, fd);
    ends('/u', () => w.call(NR.NR_open, '/u', 0, 0));
    const both = w.call(NR.NR_open, '/m', O_RDWR | O_CREAT, 0o644);
    w.call(NR.NR_mmap, 0, 4096, 3, 1, both, 0);
    w.call(NR.NR_close, both);
    assert.equal(stat('/m'), undefined, 'a mapping may be left');
  });

  it('are not given about volumes', () => {
    mkdirSync(`${w.dir}/vol`);
    const sb = hostSuper(host.AT_FDCWD, `${w.dir}/vol`);
    assert.ok(typeof sb !== 'number');
    const a = stat('/d/a');
    mountAt(sb, undefined, w.pathOf('/d'), 0);
    assert.equal(a?.holds(), false);
    assert.equal(stat('/d'), undefined);
    assert.equal(stat('/d/none'), undefined);
  });

  it('come with what was opened', () => {
    const a = ask(NR.NR_open, '/f', 0, 0);
    assert.deepEqual([a?.fd, a?.length], [a?.ret, 10]);
    assert.equal(ask(NR.NR_fstat, a?.ret ?? -1, new Out(144))?.fd, a?.ret);
    assert.equal(a?.opened, L.OPENED_NEW | L.OPENED_LATE);
    assert.equal(ask(NR.NR_open, '/f', 0o2000000, 0)?.opened, L.OPENED_NEW | L.OPENED_LATE | L.OPENED_CLOEXEC);
    const up = ask(NR.NR_open, '/up', O_WRONLY | O_CREAT, 0o644);
    assert.deepEqual([up?.kind, up?.opened], [L.ANSWER_LIVE, L.OPENED_NEW], 'guests write it by themselves, and exec looks for writers');
  });
});
