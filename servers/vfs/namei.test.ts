/** Path walk and access control through the calls. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { E } from '../../shared/errno.js';
import * as NR from '../../shared/gen/syscalls.js';
import { MNT_RDONLY } from './inode.js';
import { Out, World } from './test-kit.js';

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000, O_PATH = 0o10000000;
const AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_EMPTY_PATH = 0x1000;
/** Users that the test itself is not, whoever runs it: the lower files are its own. */
const ROOT = { uid: 0, gid: 0, caps: true }, ANN = { uid: 61000, gid: 61000 }, BOB = { uid: 61001, gid: 61001 };

let w: World;
beforeEach(() => {
  w = new World({ 'f': 'file', 'd/e/g': 'deep', 'exec': '#!', 'mnt/': '' });
  symlinkSync('d/e', join(w.lower, 'rel'));
  symlinkSync('/d', join(w.lower, 'abs'));
  symlinkSync('loop', join(w.lower, 'loop'));
  symlinkSync('nothing', join(w.lower, 'dangling'));
});
afterEach(() => { w.end(); });

const open = (path: string, flags = 0, mode = 0o644): number => w.call(NR.NR_open, path, flags, mode);
const exists = (path: string): number => w.call(NR.NR_stat, path, new Out(144));
const lexists = (path: string): number => w.call(NR.NR_lstat, path, new Out(144));
function cwd(): string | number {
  const out = new Out(256);
  const n = w.call(NR.NR_getcwd, out, 256);
  return n < 0 ? n : out.data.latin1Slice(0, n - 1);
}
function openat2(path: string, resolve: number, dirfd = AT_FDCWD): number {
  const how = Buffer.alloc(24);
  how.writeUInt32LE(resolve, 16);
  return w.call(NR.NR_openat2, dirfd, path, how, 24);
}

describe('walk', () => {
  it('answers with the errors of path_resolution(7)', () => {
    assert.equal(exists('/f'), 0);
    assert.equal(exists(''), -E.ENOENT);
    assert.equal(exists('/nothing'), -E.ENOENT);
    assert.equal(exists('/f/'), -E.ENOTDIR);
    assert.equal(exists('/f/x'), -E.ENOTDIR);
    assert.equal(exists('/f/..'), -E.ENOTDIR);
    assert.equal(exists('/loop'), -E.ELOOP);
    assert.equal(lexists('/loop'), 0);
    assert.equal(lexists('/loop/'), -E.ELOOP);
    assert.equal(exists('/dangling'), -E.ENOENT);
    assert.equal(exists(`/${'n'.repeat(255)}`), -E.ENOENT);
    assert.equal(exists(`/${'n'.repeat(256)}`), -E.ENAMETOOLONG);
    assert.equal(exists(`/${'./'.repeat(2047)}f`), -E.ENAMETOOLONG);
    assert.equal(exists('//d///e//./g'), 0);
    assert.equal(exists('/rel/g'), 0);
    assert.equal(exists('/abs/e/../e/g'), 0);
    assert.equal(exists('/rel/../e/g'), 0);
  });

  it('follows symlinks where open does', () => {
    assert.ok(open('/rel', O_DIRECTORY) >= 0);
    assert.equal(open('/rel', O_NOFOLLOW), -E.ELOOP);
    assert.equal(open('/rel', O_NOFOLLOW | O_DIRECTORY), -E.ENOTDIR);
    assert.ok(open('/rel', O_NOFOLLOW | O_PATH) >= 0);
    assert.equal(open('/f', O_DIRECTORY), -E.ENOTDIR);
    assert.equal(open('/dangling', O_CREAT | O_EXCL | O_WRONLY), -E.EEXIST);
    assert.ok(open('/dangling', O_CREAT | O_WRONLY) >= 0);
    assert.equal(exists('/nothing'), 0);
    assert.equal(open('/d', O_CREAT | O_WRONLY), -E.EISDIR);
    assert.equal(open('/d', O_WRONLY), -E.EISDIR);
    assert.equal(open('/new/', O_CREAT | O_WRONLY), -E.EISDIR);
    assert.equal(open('/loop', O_CREAT | O_WRONLY), -E.ELOOP);
  });

  it('starts where dirfd says', () => {
    const dir = open('/d', O_DIRECTORY), file = open('/f');
    const st = new Out(144);
    assert.equal(w.call(NR.NR_newfstatat, dir, 'e/g', st, 0), 0);
    assert.equal(w.call(NR.NR_newfstatat, dir, '/f', st, 0), 0);
    assert.equal(w.call(NR.NR_newfstatat, file, 'x', st, 0), -E.ENOTDIR);
    assert.equal(w.call(NR.NR_newfstatat, 77, 'x', st, 0), -E.EBADF);
    assert.equal(w.call(NR.NR_newfstatat, 77, '/f', st, 0), 0);
    assert.equal(w.call(NR.NR_newfstatat, file, '', st, AT_EMPTY_PATH), 0);
    assert.equal(st.data.readBigUInt64LE(48), 4n);
    assert.equal(w.call(NR.NR_newfstatat, file, '', st, 0), -E.ENOENT);
    assert.equal(w.call(NR.NR_newfstatat, file, '', st, 0x80), -E.EINVAL);
  });

  it('keeps to the working directory and the root', () => {
    assert.equal(w.call(NR.NR_chdir, '/d/e'), 0);
    assert.equal(cwd(), '/d/e');
    assert.equal(exists('g'), 0);
    assert.equal(exists('../../f'), 0);
    assert.equal(exists('../../../../f'), 0);
    assert.equal(w.call(NR.NR_chdir, '/f'), -E.ENOTDIR);
    assert.equal(w.call(NR.NR_rename, '/d', '/moved'), 0);
    assert.equal(cwd(), '/moved/e');
    assert.equal(w.call(NR.NR_chroot, '/moved'), 0);
    assert.equal(exists('/e/g'), 0);
    assert.equal(exists('/../f'), -E.ENOENT);
    assert.equal(exists('../../f'), -E.ENOENT);
    assert.equal(w.call(NR.NR_getcwd, new Out(2), 2), -E.ERANGE);
  });

  it('says ENOENT from a removed working directory', () => {
    assert.equal(w.call(NR.NR_mkdir, '/gone', 0o755), 0);
    assert.equal(w.call(NR.NR_chdir, '/gone'), 0);
    assert.equal(w.call(NR.NR_rmdir, '/gone'), 0);
    assert.equal(cwd(), -E.ENOENT);
    assert.equal(open('x', O_CREAT | O_WRONLY), -E.ENOENT);
    assert.equal(exists('..'), 0);
  });

  it('crosses mounts both ways', () => {
    w.tmpfs('/mnt');
    assert.equal(w.call(NR.NR_mkdir, '/mnt/in', 0o755), 0);
    assert.equal(exists('/mnt/in/../../f'), 0);
    assert.equal(w.call(NR.NR_rename, '/f', '/mnt/f'), -E.EXDEV);
    assert.equal(w.call(NR.NR_link, '/f', '/mnt/f'), -E.EXDEV);
    assert.equal(w.call(NR.NR_rmdir, '/mnt'), -E.EBUSY);
    assert.equal(w.call(NR.NR_rename, '/mnt', '/other'), -E.EBUSY);
    assert.equal(w.call(NR.NR_chdir, '/mnt/in'), 0);
    assert.equal(cwd(), '/mnt/in');
    assert.equal(w.call(NR.NR_umount2, '/mnt', 0), -E.EBUSY);
    assert.equal(w.call(NR.NR_chdir, '/'), 0);
    assert.equal(w.call(NR.NR_umount2, '/mnt', 0), 0);
    assert.equal(exists('/mnt/in'), -E.ENOENT);
  });

  it('obeys openat2', () => {
    const dir = open('/d', O_DIRECTORY);
    assert.equal(openat2('e/../../f', 8, dir), -E.EXDEV);
    assert.equal(openat2('/f', 8, dir), -E.EXDEV);
    assert.ok(openat2('e/../e/g', 8, dir) >= 0);
    assert.ok(openat2('/e/g', 0x10, dir) >= 0);
    assert.ok(openat2('../../e/g', 0x10, dir) >= 0);
    assert.equal(openat2('/rel/g', 4), -E.ELOOP);
    assert.equal(openat2('/f', 0x40), -E.EINVAL);
    w.tmpfs('/mnt');
    assert.equal(openat2('mnt', 1), -E.EXDEV);
  });
});

describe('permissions', () => {
  beforeEach(() => {
    if (process.getuid?.() !== 0) return;
    chownSync(join(w.lower, 'f'), ANN.uid, ANN.gid);
    chmodSync(join(w.lower, 'f'), 0o640);
  });

  it('asks owner, group and others in that order', () => {
    assert.equal(w.call(NR.NR_chown, '/f', ANN.uid, ANN.gid), 0);
    assert.equal(w.call(NR.NR_chmod, '/f', 0o406), 0);
    w.be(ANN);
    assert.equal(open('/f', O_RDWR), -E.EACCES);
    assert.ok(open('/f') >= 0);
    w.be({ ...BOB, groups: [ANN.gid] });
    assert.equal(open('/f'), -E.EACCES);
    w.be(BOB);
    assert.ok(open('/f', O_RDWR) >= 0);
    w.be(ROOT);
    assert.ok(open('/f', O_RDWR) >= 0);
    assert.equal(w.call(NR.NR_access, '/f', 1), -E.EACCES);
    assert.equal(w.call(NR.NR_access, '/f', 6), 0);
  });

  it('needs search permission on the way and write permission to change a directory', () => {
    assert.equal(w.call(NR.NR_chmod, '/d', 0o700), 0);
    w.be(ANN);
    assert.equal(exists('/d/e/g'), -E.EACCES);
    assert.equal(open('/new', O_CREAT | O_WRONLY), -E.EACCES);
    assert.equal(w.call(NR.NR_mkdir, '/f', 0o755), -E.EEXIST);
    assert.equal(w.call(NR.NR_unlink, '/f'), -E.EACCES);
    assert.equal(w.call(NR.NR_chmod, '/exec', 0o777), -E.EPERM);
    assert.equal(w.call(NR.NR_chown, '/exec', ANN.uid, -1), -E.EPERM);
    assert.equal(w.call(NR.NR_mknod, '/node', 0o20644, 0x103), -E.EACCES);
  });

  it('protects names in sticky directories', () => {
    w.tmpfs('/mnt');
    w.be(ANN);
    assert.ok(open('/mnt/ann', O_CREAT | O_WRONLY) >= 0);
    assert.equal(w.call(NR.NR_symlink, '/f', '/mnt/link'), 0);
    w.be(BOB);
    assert.equal(w.call(NR.NR_unlink, '/mnt/ann'), -E.EPERM);
    assert.equal(w.call(NR.NR_rename, '/mnt/ann', '/mnt/bob'), -E.EPERM);
    assert.equal(open('/mnt/link'), -E.EACCES);
    assert.equal(w.call(NR.NR_link, '/mnt/ann', '/mnt/hard'), -E.EPERM);
    w.be(ANN);
    assert.equal(w.call(NR.NR_unlink, '/mnt/ann'), 0);
  });

  it('takes set-id bits off on write, chown and by a stranger to the group', () => {
    w.tmpfs('/mnt');
    w.be(ANN);
    const fd = open('/mnt/s', O_CREAT | O_RDWR, 0o755);
    const mode = (): number => { const st = new Out(144); w.call(NR.NR_fstat, fd, st); return st.data.readUInt32LE(24) & 0o7777; };
    assert.equal(w.call(NR.NR_fchmod, fd, 0o6755), 0);
    assert.equal(mode(), 0o6755);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('x'), 1), 1);
    assert.equal(mode(), 0o755);
    w.be(ROOT);
    assert.equal(w.call(NR.NR_fchown, fd, ANN.uid, 5), 0);
    w.be(ANN);
    assert.equal(w.call(NR.NR_fchmod, fd, 0o2755), 0);
    assert.equal(mode(), 0o755);
  });

  it('hands the group of a set-group-id directory on', () => {
    w.tmpfs('/mnt');
    assert.equal(w.call(NR.NR_mkdir, '/mnt/g', 0o777), 0);
    assert.equal(w.call(NR.NR_chown, '/mnt/g', -1, 50), 0);
    assert.equal(w.call(NR.NR_chmod, '/mnt/g', 0o2777), 0);
    w.be(ANN);
    assert.equal(w.call(NR.NR_mkdir, '/mnt/g/sub', 0o755), 0);
    const st = new Out(144);
    w.call(NR.NR_stat, '/mnt/g/sub', st);
    assert.equal(st.data.readUInt32LE(32), 50);
    assert.equal(st.data.readUInt32LE(24), 0o42755);
  });

  it('refuses changes through a read-only mount', () => {
    w.tmpfs('/mnt', MNT_RDONLY);
    assert.equal(open('/mnt/x', O_CREAT | O_WRONLY), -E.EROFS);
    assert.equal(w.call(NR.NR_mkdir, '/mnt/x', 0o755), -E.EROFS);
    assert.equal(w.call(NR.NR_unlink, '/mnt/x'), -E.EROFS);
    assert.equal(w.call(NR.NR_chmod, '/mnt', 0o755), -E.EROFS);
    assert.equal(w.call(NR.NR_access, '/mnt', 2), -E.EROFS);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/mnt', 0, 0), -E.EROFS);
  });

  it('asks for ownership to set times, for write permission to touch', () => {
    const times = Buffer.alloc(32);
    assert.equal(w.call(NR.NR_chmod, '/f', 0o666), 0);
    assert.equal(w.call(NR.NR_chown, '/f', 0, 0), 0);
    w.be(ANN);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/f', times, 0), -E.EPERM);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/f', 0, 0), 0);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/exec', 0, 0), -E.EACCES);
    times.writeBigInt64LE(-1n, 8);
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/f', times, 0), -E.EINVAL);
  });

  it('applies the umask', () => {
    assert.equal(w.call(NR.NR_umask, 0o077), 0o022);
    assert.ok(open('/m', O_CREAT | O_WRONLY, 0o666) >= 0);
    const st = new Out(144);
    w.call(NR.NR_stat, '/m', st);
    assert.equal(st.data.readUInt32LE(24) & 0o7777, 0o600);
  });

  it('works on the link itself when told so', () => {
    assert.equal(w.call(NR.NR_fchownat, AT_FDCWD, '/rel', 7, 8, AT_SYMLINK_NOFOLLOW), 0);
    const st = new Out(144);
    w.call(NR.NR_lstat, '/rel', st);
    assert.equal(st.data.readUInt32LE(28), 7);
    assert.equal(w.call(NR.NR_fchmodat2, AT_FDCWD, '/rel', 0o600, AT_SYMLINK_NOFOLLOW), -E.EOPNOTSUPP);
    const buf = new Out(3);
    assert.equal(w.call(NR.NR_readlink, '/rel', buf, 3), 3);
    assert.equal(buf.data.latin1Slice(0, 3), 'd/e');
    assert.equal(w.call(NR.NR_readlink, '/f', buf, 3), -E.EINVAL);
  });
});
