/** Open files through the calls: offsets, vectors, large buffers, directories, memfd, sendfile, bind mounts, release. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { E } from '../../shared/errno.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { hostSuper } from './hostfs/hostfs.js';
import { type Inode, MNT_RDONLY } from './inode.js';
import { mountAt } from './mounts.js';
import { Out, World } from './test-kit.js';

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_APPEND = 0o2000, O_DIRECTORY = 0o200000, O_PATH = 0o10000000;
const AT_FDCWD = -100;

let w: World;
beforeEach(() => { w = new World({ f: '0123456789', 'd/a': '', 'd/b': '', 'mnt/': '' }); });
afterEach(() => { w.end(); });

const open = (path: string, flags = 0, mode = 0o644): number => w.call(NR.NR_open, path, flags, mode);
const pread = (fd: number, pos: number, n = 64): string | number => {
  const out = new Out(n);
  const r = w.call(NR.NR_pread64, fd, out, n, pos);
  return r < 0 ? r : out.data.latin1Slice(0, r);
};
const u64s = (...n: readonly number[]): Buffer => {
  const b = Buffer.alloc(8 * n.length);
  n.forEach((x, i) => b.writeBigUInt64LE(BigInt(x), 8 * i));
  return b;
};
/** Host fds of this process on files below the World. */
const hostFds = (): string[] => readdirSync('/proc/self/fd').flatMap((fd) => {
  try { const t = readlinkSync(`/proc/self/fd/${fd}`); return t.startsWith(w.dir) ? [t.slice(w.dir.length)] : []; } catch { return []; }
});

describe('open files', () => {
  it('check the access mode', () => {
    const r = open('/f'), wr = open('/f', O_WRONLY), path = open('/f', O_PATH), dir = open('/d');
    assert.equal(w.call(NR.NR_write, r, Buffer.from('x'), 1), -E.EBADF);
    assert.equal(w.call(NR.NR_read, wr, new Out(1), 1), -E.EBADF);
    assert.equal(w.call(NR.NR_read, path, new Out(1), 1), -E.EBADF);
    assert.equal(w.call(NR.NR_lseek, path, 0, 0), -E.EBADF);
    assert.equal(w.call(NR.NR_read, dir, new Out(1), 1), -E.EISDIR);
    assert.equal(w.call(NR.NR_pread64, r, new Out(1), 1, -1), -E.EINVAL);
    assert.equal(w.call(NR.NR_read, 99, new Out(1), 1), -E.EBADF);
    assert.equal(w.call(NR.NR_getdents64, r, new Out(99), 99), -E.ENOTDIR);
    assert.equal(w.call(NR.NR_ftruncate, r, 1), -E.EINVAL);
    assert.equal(w.call(NR.NR_fchmod, path, 0o600), -E.EBADF);
  });

  it('seek, with holes', () => {
    const fd = open('/n', O_CREAT | O_RDWR);
    assert.equal(w.call(NR.NR_lseek, fd, 1 << 20, 0), 1 << 20);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('end'), 3), 3);
    assert.equal(w.call(NR.NR_lseek, fd, -3, 2), 1 << 20);
    assert.equal(w.call(NR.NR_lseek, fd, -1, 0), -E.EINVAL);
    assert.equal(w.call(NR.NR_lseek, fd, 0, 9), -E.EINVAL);
    assert.equal(w.call(NR.NR_lseek, fd, 2 ** 33, 0), 2 ** 33);
    assert.equal(w.call(NR.NR_lseek, fd, 1 << 22, 3), -E.ENXIO);
  });

  it('move vectors and large buffers through guest memory', () => {
    const fd = open('/n', O_CREAT | O_RDWR);
    w.memory.write('hello world');
    assert.equal(w.call(NR.NR_writev, fd, u64s(w.at(0), 6, w.at(6), 5), 2), 11);
    assert.equal(w.call(NR.NR_preadv, fd, u64s(w.at(100), 5, w.at(200), 50), 2, 6, 0), 5);
    assert.equal(w.memory.latin1Slice(100, 105), 'world');
    assert.equal(w.call(NR.NR_writev, fd, u64s(1, 6), 1), -E.EFAULT);
    assert.equal(w.call(NR.NR_pwritev2, fd, u64s(w.at(0), 1), 1, 0, 0, 0x40), -E.EOPNOTSUPP);
    assert.equal(pread(fd, 0), 'hello world');
  });

  it('append at the end whatever the offset says', () => {
    const fd = open('/f', O_RDWR | O_APPEND);
    assert.equal(w.call(NR.NR_lseek, fd, 0, 0), 0);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('X'), 1), 1);
    assert.equal(pread(fd, 0), '0123456789X');
  });

  it('share an offset between duplicates and leave no host fd behind', () => {
    const before = hostFds().length;
    const fd = open('/f'), dup = w.call(NR.NR_dup, fd);
    const out = new Out(4);
    assert.equal(w.call(NR.NR_read, fd, out, 4), 4);
    assert.equal(w.call(NR.NR_close, fd), 0);
    assert.equal(w.call(NR.NR_read, dup, out, 4), 4);
    assert.equal(out.data.latin1Slice(0, 4), '4567');
    assert.equal(hostFds().length, before + 1);
    assert.equal(w.call(NR.NR_close, dup), 0);
    assert.equal(hostFds().length, before);
  });

  it('list a directory piecewise while it changes', () => {
    const fd = open('/d', O_DIRECTORY);
    const names = (): string[] => {
      const got: string[] = [];
      for (;;) {
        const out = new Out(56);
        const n = w.call(NR.NR_getdents64, fd, out, 56);
        if (n <= 0) { assert.equal(n, 0); return got; }
        for (let at = 0; at < n; at += out.data.readUInt16LE(at + 16)) got.push(out.data.latin1Slice(at + 19, out.data.indexOf(0, at + 19)));
        w.call(NR.NR_unlink, '/d/a');
      }
    };
    assert.deepEqual(names().sort(), ['.', '..', 'a', 'b']);
    assert.equal(w.call(NR.NR_lseek, fd, 0, 0), 0);
    assert.deepEqual(names().sort(), ['.', '..', 'b']);
    assert.equal(w.call(NR.NR_lseek, fd, 0, 0), 0);
    assert.equal(w.call(NR.NR_getdents64, fd, new Out(10), 10), -E.EINVAL);
  });

  it('send and copy', () => {
    const from = open('/f'), to = open('/n', O_CREAT | O_RDWR);
    assert.equal(w.call(NR.NR_sendfile, to, from, 0, 4), 4);
    assert.equal(w.call(NR.NR_sendfile, to, from, u64s(8), 10), 2);
    assert.equal(pread(to, 0), '012389');
    assert.equal(w.call(NR.NR_copy_file_range, from, 0, to, 0, 3, 0), 3);
    assert.equal(pread(to, 0), '012389456');
    assert.equal(w.call(NR.NR_copy_file_range, to, u64s(0), to, u64s(2), 5, 0), -E.EINVAL);
    assert.equal(w.call(NR.NR_sendfile, from, to, 0, 1), -E.EBADF);
  });

  it('lock ranges by fcntl, and let go at close', () => {
    const fd = open('/f', O_RDWR), lock = (task: number, type: number): number => {
      w.memory.fill(0, 0, 32);
      w.memory.writeInt16LE(type, 0);
      return w.callAs(task, NR.NR_fcntl, task === 1 ? fd : other, 6, w.at(0));
    };
    const other = w.callAs(2, NR.NR_open, '/f', O_RDWR, 0);
    assert.equal(lock(1, 1), 0);
    assert.equal(lock(2, 1), -E.EAGAIN);
    const again = open('/f');
    assert.equal(w.call(NR.NR_close, again), 0);
    assert.equal(lock(2, 1), 0);
  });

  it('seal a memfd', () => {
    const fd = w.call(NR.NR_memfd_create, 'name', 2);
    assert.ok(fd >= 0);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('abc'), 3), 3);
    assert.equal(w.call(NR.NR_fcntl, fd, 1033, 2 | 4 | 8), 0);
    assert.equal(w.call(NR.NR_fcntl, fd, 1034, 0), 14);
    assert.equal(w.call(NR.NR_ftruncate, fd, 0), -E.EPERM);
    assert.equal(w.call(NR.NR_pwrite64, fd, Buffer.from('x'), 1, 0), -E.EPERM);
    assert.equal(pread(fd, 0), 'abc');
    assert.equal(w.call(NR.NR_memfd_create, 'n', 0x100), -E.EINVAL);
    assert.equal(w.call(NR.NR_fcntl, open('/f'), 1034, 0), -E.EINVAL);
  });

  it('allocate and refuse what is no file', () => {
    const fd = open('/n', O_CREAT | O_RDWR);
    assert.equal(w.call(NR.NR_fallocate, fd, 0, 0, 100), 0);
    const st = new Out(144);
    w.call(NR.NR_fstat, fd, st);
    assert.equal(st.data.readBigUInt64LE(48), 100n);
    assert.equal(w.call(NR.NR_fallocate, fd, 0, -1, 100), -E.EINVAL);
    assert.equal(w.call(NR.NR_fallocate, open('/f'), 0, 0, 1), -E.EBADF);
  });
});

describe('bind mounts', () => {
  let src: string;
  let root: Inode;
  beforeEach(() => {
    src = join(w.dir, 'src');
    mkdirSync(join(src, 'sub'), { recursive: true });
    writeFileSync(join(src, 'h'), 'host');
    symlinkSync('/etc/passwd', join(src, 'out'));
    const sb = hostSuper(host.AT_FDCWD, src);
    assert.ok(typeof sb !== 'number');
    mountAt(sb, undefined, w.pathOf('/mnt'), 0);
    root = sb.root;
  });

  it('open what somebody else makes at the same moment, unless it had to be new', () => {
    for (const [name, flags, misses, want] of [['r1', 0, 1, 0], ['r2', 0, 3, 0], ['r3', O_EXCL, 1, -E.EEXIST], ['r4', 0, Infinity, -E.EEXIST]] as const) {
      let left: number = misses;
      const lookup = root.lookup.bind(root);
      // It is made between the look and the creation.
      root.lookup = (c, n): Inode | number => {
        if (n !== name || left-- <= 0) return lookup(c, n);
        writeFileSync(join(src, name), name);
        return -E.ENOENT;
      };
      const fd = open(`/mnt/${name}`, O_CREAT | O_RDWR | flags);
      if (want < 0) assert.equal(fd, want, name); else assert.equal(pread(fd, 0), name);
      root.lookup = lookup;
    }
  });

  it('work on the host directly', () => {
    const fd = open('/mnt/h', O_RDWR | O_APPEND);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('!'), 1), 1);
    assert.equal(readFileSync(join(src, 'h'), 'latin1'), 'host!');
    assert.ok(open('/mnt/new', O_CREAT | O_WRONLY, 0o640) >= 0);
    assert.ok(existsSync(join(src, 'new')));
    assert.equal(w.call(NR.NR_mkdir, '/mnt/dir', 0o755), 0);
    assert.equal(w.call(NR.NR_rename, '/mnt/new', '/mnt/dir/moved'), 0);
    assert.equal(w.call(NR.NR_link, '/mnt/dir/moved', '/mnt/sub/again'), 0);
    assert.ok(existsSync(join(src, 'sub/again')));
    assert.equal(w.call(NR.NR_chmod, '/mnt/h', 0o600), 0);
    assert.equal(w.call(NR.NR_truncate, '/mnt/h', 2), 0);
    assert.equal(readFileSync(join(src, 'h'), 'latin1'), 'ho');
    assert.equal(w.call(NR.NR_rename, '/mnt/dir', '/mnt/sub/dir'), 0);
    assert.ok(open('/mnt/sub/dir/moved') >= 0);
    assert.equal(w.call(NR.NR_unlink, '/mnt/sub/dir/moved'), 0);
    assert.equal(w.call(NR.NR_rmdir, '/mnt/sub/dir'), 0);
    assert.equal(existsSync(join(src, 'sub/dir')), false);
  });

  it('see what others change', () => {
    assert.equal(open('/mnt/later'), -E.ENOENT);
    writeFileSync(join(src, 'later'), 'now');
    const fd = open('/mnt/later');
    assert.equal(pread(fd, 0), 'now');
    writeFileSync(join(src, 'later'), 'longer');
    const st = new Out(144);
    w.call(NR.NR_stat, '/mnt/later', st);
    assert.equal(st.data.readBigUInt64LE(48), 6n);
  });

  it('resolve symlinks in the guest, not on the host', () => {
    assert.equal(open('/mnt/out'), -E.ENOENT);
    const buf = new Out(64);
    assert.equal(w.call(NR.NR_readlink, '/mnt/out', buf, 64), 11);
  });

  it('keep an unlinked file alive', () => {
    const fd = open('/mnt/h');
    assert.equal(w.call(NR.NR_unlink, '/mnt/h'), 0);
    assert.equal(pread(fd, 0), 'host');
    const st = new Out(144);
    assert.equal(w.call(NR.NR_fstat, fd, st), 0);
    assert.equal(st.data.readBigUInt64LE(16), 0n);
  });

  it('may be read-only, and may be a single file', () => {
    const ro = hostSuper(host.AT_FDCWD, src), one = hostSuper(host.AT_FDCWD, join(src, 'h'));
    assert.ok(typeof ro !== 'number' && typeof one !== 'number');
    mountAt(ro, undefined, w.pathOf('/d'), MNT_RDONLY);
    assert.equal(open('/d/h', O_WRONLY), -E.EROFS);
    assert.equal(w.call(NR.NR_unlink, '/d/h'), -E.EROFS);
    mountAt(one, undefined, w.pathOf('/f'), 0);
    const fd = open('/f', O_RDWR);
    assert.equal(w.call(NR.NR_write, fd, Buffer.from('H'), 1), 1);
    assert.equal(readFileSync(join(src, 'h'), 'latin1'), 'Host');
    assert.equal(w.call(NR.NR_utimensat, AT_FDCWD, '/f', Buffer.alloc(32), 0), 0);
  });
});
