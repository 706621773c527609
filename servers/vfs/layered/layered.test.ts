/** The layered file system through the calls: copy-up, whiteouts, opaque directories, renames, links; the host stays as it was. */
import assert from 'node:assert/strict';
import { existsSync, linkSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { E } from '../../../shared/errno.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { Out, World } from '../test-kit.js';

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_DIRECTORY = 0o200000, O_TMPFILE = 0o20200000;
const AT_FDCWD = -100;

let w: World;
const FILES = { 'a': 'lower a', 'd/x': 'xx', 'd/y': 'yyy', 'd/sub/z': 'z', 'empty/': '' };
beforeEach(() => { w = new World(FILES); });
afterEach(() => { w.end(); });

const open = (path: string, flags = 0, mode = 0o644): number => w.call(NR.NR_open, path, flags, mode);
const close = (fd: number): number => w.call(NR.NR_close, fd);

function read(path: string): string | number {
  const fd = open(path);
  if (fd < 0) return fd;
  const out = new Out(4096);
  const n = w.call(NR.NR_read, fd, out, 4096);
  close(fd);
  return n < 0 ? n : out.data.latin1Slice(0, n);
}

function write(path: string, text: string, flags = O_CREAT | O_TRUNC): number {
  const fd = open(path, O_WRONLY | flags);
  if (fd < 0) return fd;
  const n = w.call(NR.NR_write, fd, Buffer.from(text), text.length);
  close(fd);
  return n;
}

function stat(path: string): { ino: number; dev: number; nlink: number; mode: number; size: number; mtimeNs: bigint } | number {
  const out = new Out(144);
  const r = w.call(NR.NR_lstat, path, out);
  if (r < 0) return r;
  const b = out.data;
  return { dev: Number(b.readBigUInt64LE(0)), ino: Number(b.readBigUInt64LE(8)), nlink: Number(b.readBigUInt64LE(16)), mode: b.readUInt32LE(24), size: Number(b.readBigUInt64LE(48)),
    mtimeNs: b.readBigUInt64LE(88) * 1000000000n + b.readBigUInt64LE(96) };
}
function mustStat(path: string): Exclude<ReturnType<typeof stat>, number> {
  const s = stat(path);
  if (typeof s === 'number') throw new Error(`${path}: ${s}`);
  return s;
}

function list(path: string): string[] {
  const fd = open(path, O_DIRECTORY);
  assert.ok(fd >= 0, `open ${path}: ${fd}`);
  const names: string[] = [];
  for (;;) {
    const out = new Out(512);
    const n = w.call(NR.NR_getdents64, fd, out, 512);
    assert.ok(n >= 0);
    if (n === 0) break;
    for (let at = 0; at < n; at += out.data.readUInt16LE(at + 16)) {
      const end = out.data.indexOf(0, at + 19);
      names.push(out.data.latin1Slice(at + 19, end));
    }
  }
  close(fd);
  return names.filter((n) => n !== '.' && n !== '..').sort();
}

/** The lower tree as text, to prove that it never changes. */
function lowerImage(dir = w.lower): string {
  return readdirSync(dir, { withFileTypes: true }).map((e) => {
    const at = join(dir, e.name);
    const s = statSync(at);
    return e.isDirectory() ? `${e.name}/(${s.mode} ${s.mtimeMs} ${lowerImage(at)})` : `${e.name}:${s.mode}:${s.mtimeMs}:${readFileSync(at, 'latin1')}`;
  }).join(' ');
}

describe('layered', () => {
  it('reads the lower layer and shows its inode numbers', () => {
    assert.equal(read('/a'), 'lower a');
    const s = statSync(join(w.lower, 'a'));
    assert.equal(mustStat('/a').ino, s.ino);
    assert.equal(mustStat('/a').dev, s.dev);
    assert.deepEqual(list('/d'), ['sub', 'x', 'y']);
  });

  it('copies a file up when it is written, keeping inode, mode and the rest of the data', () => {
    const before = lowerImage();
    const s = mustStat('/a');
    assert.equal(write('/a', 'UPPER', 0), 5);
    assert.equal(read('/a'), 'UPPER a');
    assert.equal(mustStat('/a').ino, s.ino);
    assert.equal(mustStat('/a').dev, s.dev);
    assert.equal(mustStat('/a').mode, s.mode);
    assert.equal(lowerImage(), before);
  });

  it('does not copy data for chmod, utimes and truncation to 0', () => {
    assert.equal(w.call(NR.NR_chmod, '/a', 0o600), 0);
    assert.equal(mustStat('/a').mode & 0o7777, 0o600);
    const times = Buffer.alloc(32);
    times.writeBigInt64LE(11n, 0); times.writeBigInt64LE(22n, 8); times.writeBigInt64LE(33n, 16); times.writeBigInt64LE(44n, 24);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/a', times, 0), 0);
    assert.equal(mustStat('/a').mtimeNs, 33000000044n);
    assert.deepEqual(readdirSync(w.upper), []);
    assert.equal(read('/a'), 'lower a');
    assert.equal(write('/a', 'n'), 1);
    assert.equal(read('/a'), 'n');
  });

  it('keeps times across the copy-up that only opens the file', () => {
    const before = mustStat('/a').mtimeNs;
    close(open('/a', O_RDWR));
    assert.equal(mustStat('/a').mtimeNs, before);
  });

  it('shows the copied-up data to a file opened before', () => {
    const fd = open('/a');
    assert.equal(write('/a', 'later', 0), 5);
    const out = new Out(16);
    assert.equal(w.call(NR.NR_read, fd, out, 16), 7);
    assert.equal(out.data.latin1Slice(0, 7), 'later a');
    close(fd);
  });

  it('hides an unlinked lower file, and a new one of the same name is another', () => {
    const ino = mustStat('/a').ino;
    assert.equal(w.call(NR.NR_unlink, '/a'), 0);
    assert.equal(read('/a'), -E.ENOENT);
    assert.deepEqual(list('/'), ['d', 'empty']);
    assert.equal(open('/a', O_WRONLY | O_CREAT | O_EXCL) >= 0, true);
    assert.notEqual(mustStat('/a').ino, ino);
    assert.equal(mustStat('/a').size, 0);
    assert.equal(existsSync(join(w.lower, 'a')), true);
  });

  it('keeps an unlinked open file readable, and drops its data at the last close', () => {
    const fd = open('/new', O_RDWR | O_CREAT);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('hello'), 5), 5);
    assert.equal(readdirSync(w.upper).length, 1);
    assert.equal(w.call(NR.NR_unlink, '/new'), 0);
    const out = new Out(8);
    assert.equal(w.call(NR.NR_pread64, fd, out, 8, 0), 5);
    const st = new Out(144);
    assert.equal(w.call(NR.NR_fstat, fd, st), 0);
    assert.equal(st.data.readBigUInt64LE(16), 0n);
    close(fd);
    assert.deepEqual(readdirSync(w.upper), []);
  });

  it('removes a directory only when the merged view is empty; a new one over it is opaque', () => {
    assert.equal(w.call(NR.NR_rmdir, '/d'), -E.ENOTEMPTY);
    for (const n of ['/d/x', '/d/y', '/d/sub/z']) assert.equal(w.call(NR.NR_unlink, n), 0);
    assert.equal(w.call(NR.NR_rmdir, '/d/sub'), 0);
    assert.equal(w.call(NR.NR_rmdir, '/d'), 0);
    assert.equal(w.call(NR.NR_mkdir, '/d', 0o755), 0);
    assert.deepEqual(list('/d'), []);
    assert.equal(read('/d/x'), -E.ENOENT);
  });

  it('moves a lower directory with all that is below it', () => {
    assert.equal(write('/d/x', 'changed'), 7);
    assert.equal(w.call(NR.NR_rename, '/d', '/empty/moved'), 0);
    assert.equal(read('/d/x'), -E.ENOENT);
    assert.equal(read('/empty/moved/x'), 'changed');
    assert.equal(read('/empty/moved/sub/z'), 'z');
    assert.deepEqual(list('/empty/moved'), ['sub', 'x', 'y']);
    assert.deepEqual(list('/'), ['a', 'empty']);
    assert.equal(w.call(NR.NR_mkdir, '/d', 0o755), 0);
    assert.deepEqual(list('/d'), []);
  });

  it('survives the loss of every cached name', async () => {
    const { setDentryLimit } = await import('../dcache.js');
    setDentryLimit(2);
    assert.equal(write('/d/sub/z', 'kept'), 4);
    assert.equal(w.call(NR.NR_chmod, '/d/y', 0o640), 0);
    for (let i = 0; i < 50; i++) stat(`/nothing${i}`);
    assert.equal(read('/d/sub/z'), 'kept');
    assert.equal(mustStat('/d/y').mode & 0o7777, 0o640);
    setDentryLimit(60000);
  });

  it('keeps hard links of the lower layer together, before and after copy-up', () => {
    linkSync(join(w.lower, 'a'), join(w.lower, 'd/link'));
    assert.equal(mustStat('/d/link').nlink, 2);
    assert.equal(write('/a', 'both'), 4);
    assert.equal(read('/d/link'), 'both');
    assert.equal(w.call(NR.NR_link, '/d/link', '/third'), 0);
    assert.equal(mustStat('/a').nlink, 3);
    assert.equal(w.call(NR.NR_unlink, '/a'), 0);
    assert.equal(read('/third'), 'both');
    assert.equal(mustStat('/third').nlink, 2);
  });

  it('replaces on rename, refuses with NOREPLACE, swaps with EXCHANGE', () => {
    assert.equal(w.call(NR.NR_renameat2, AT_FDCWD, '/a', AT_FDCWD, '/d/x', 1), -E.EEXIST);
    assert.equal(w.call(NR.NR_renameat2, AT_FDCWD, '/a', AT_FDCWD, '/d', 2), 0);
    assert.equal(read('/d'), 'lower a');
    assert.equal(read('/a/x'), 'xx');
    assert.equal(w.call(NR.NR_rename, '/d', '/a/x'), 0);
    assert.equal(read('/a/x'), 'lower a');
    assert.equal(read('/d'), -E.ENOENT);
  });

  it('renames with the errors of Linux', () => {
    assert.equal(w.call(NR.NR_rename, '/d', '/d/sub/in'), -E.EINVAL);
    assert.equal(w.call(NR.NR_rename, '/d/sub', '/d'), -E.ENOTEMPTY);
    assert.equal(w.call(NR.NR_rename, '/empty', '/d'), -E.ENOTEMPTY);
    assert.equal(w.call(NR.NR_rename, '/a', '/d'), -E.EISDIR);
    assert.equal(w.call(NR.NR_rename, '/d', '/a'), -E.ENOTDIR);
    assert.equal(w.call(NR.NR_rename, '/no', '/a'), -E.ENOENT);
    assert.equal(w.call(NR.NR_rename, '/d/.', '/q'), -E.EBUSY);
    assert.equal(w.call(NR.NR_rename, '/a', '/q/'), -E.ENOTDIR);
    assert.equal(w.call(NR.NR_renameat2, AT_FDCWD, '/a', AT_FDCWD, '/q', 4), -E.EINVAL);
    assert.equal(w.call(NR.NR_rename, '/a', '/a'), 0);
  });

  it('appends, truncates and extends', () => {
    assert.equal(write('/a', '!', O_APPEND), 1);
    assert.equal(read('/a'), 'lower a!');
    assert.equal(w.call(NR.NR_truncate, '/a', 5), 0);
    assert.equal(read('/a'), 'lower');
    assert.equal(w.call(NR.NR_truncate, '/d/y', 5), 0);
    assert.equal(read('/d/y'), 'yyy\0\0');
    assert.equal(mustStat('/d/y').size, 5);
  });

  it('gives a nameless file a name', () => {
    const fd = open('/empty', O_TMPFILE | O_RDWR);
    assert.ok(fd >= 0);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('tmp'), 3), 3);
    assert.deepEqual(list('/empty'), []);
    assert.equal(w.call(NR.NR_linkat, fd, '', AT_FDCWD, '/empty/named', 0x1000), 0);
    close(fd);
    assert.equal(read('/empty/named'), 'tmp');
    assert.equal(mustStat('/empty/named').nlink, 1);
  });

  it('never leaves the lower tree through its symlinks', () => {
    symlinkSync('/etc', join(w.lower, 'abs'));
    symlinkSync('../../..', join(w.lower, 'd/up'));
    assert.equal(stat('/abs/passwd'), -E.ENOENT);
    assert.equal(read('/d/up/a'), 'lower a');
    assert.equal(read('/../../a'), 'lower a');
  });

  it('remembers xattrs of its own', () => {
    assert.equal(w.call(NR.NR_setxattr, '/a', 'user.k', Buffer.from('val'), 3, 0), 0);
    const out = new Out(10);
    assert.equal(w.call(NR.NR_getxattr, '/a', 'user.k', out, 10), 3);
    assert.equal(out.data.latin1Slice(0, 3), 'val');
    assert.equal(w.call(NR.NR_setxattr, '/a', 'user.k', Buffer.from('v'), 1, 1), -E.EEXIST);
    assert.equal(w.call(NR.NR_getxattr, '/a', 'user.none', out, 10), -E.ENODATA);
    assert.equal(w.call(NR.NR_removexattr, '/a', 'user.k'), 0);
  });

  it('leaves the host untouched by removing everything', () => {
    const before = lowerImage();
    for (const n of ['/d/x', '/d/y', '/d/sub/z', '/a']) assert.equal(w.call(NR.NR_unlink, n), 0);
    for (const n of ['/d/sub', '/d', '/empty']) assert.equal(w.call(NR.NR_rmdir, n), 0);
    assert.deepEqual(list('/'), []);
    assert.equal(lowerImage(), before);
  });

  it('keeps tmpfs data in memory, and on disk when the host fds run short', async () => {
    const { setMemBudget } = await import('./data.js');
    w.tmpfs('/empty');
    setMemBudget(1);
    for (const n of ['one', 'two']) assert.equal(write(`/empty/${n}`, n), 3);
    assert.equal(readdirSync(w.upper).length, 1);
    for (const n of ['one', 'two']) assert.equal(read(`/empty/${n}`), n);
    const ns = mustStat('/empty/one').mtimeNs;
    const times = Buffer.alloc(32);
    times.writeBigInt64LE(7n, 16);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/empty/one', times, 0), 0);
    assert.notEqual(mustStat('/empty/one').mtimeNs, ns);
    assert.equal(mustStat('/empty/one').mtimeNs, 7000000000n);
    for (const n of ['one', 'two']) assert.equal(w.call(NR.NR_unlink, `/empty/${n}`), 0);
    assert.deepEqual(readdirSync(w.upper), []);
    assert.equal(write('/empty/three', 'three'), 5);
    assert.deepEqual(readdirSync(w.upper), []);
    setMemBudget(1000);
  });

  it('limits a tmpfs that has a size', async () => {
    const { LayeredSuper } = await import('./super.js');
    const { mountAt } = await import('../mounts.js');
    mountAt(new LayeredSuper('tmpfs', undefined, 0o41777, 8192), undefined, w.pathOf('/empty'), 0);
    const fd = open('/empty/f', O_RDWR | O_CREAT);
    assert.equal(w.call(NR.NR_write, fd, Buffer.alloc(6000), 6000), 6000);
    assert.equal(w.call(NR.NR_write, fd, Buffer.alloc(6000), 6000), 2192);
    assert.equal(w.call(NR.NR_write, fd, Buffer.alloc(1), 1), -E.ENOSPC);
    assert.equal(w.call(NR.NR_ftruncate, fd, 0), 0);
    assert.equal(w.call(NR.NR_pwrite64, fd, Buffer.alloc(10), 10, 0), 10);
  });
});
