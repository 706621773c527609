/** For the tests of what is saved: file calls in a World, and everything that a guest can see of a tree as text. */
import assert from 'node:assert/strict';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { HostDir } from '../host/dir.js';
import { hostStatFd } from '../host/stat.js';
import { mountAt } from '../mounts.js';
import { Out, type World } from '../test-kit.js';
import { HostLower } from './lower.js';
import { loadTree, type SavedTree } from './saved.js';
import { LayeredSuper } from './super.js';

const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_DIRECTORY = 0o200000, O_PATH = 0o10000000;
const S_IFMT = 0o170000, S_IFDIR = 0o040000, S_IFREG = 0o100000, S_IFLNK = 0o120000;

export const ok = (r: number): number => { assert.ok(r >= 0, `errno ${-r}`); return r; };

export class Files {
  constructor(private readonly w: World) {}

  write(path: string, text: string, flags = O_CREAT | O_TRUNC): void {
    const fd = ok(this.w.call(NR.NR_open, path, O_WRONLY | flags, 0o640));
    ok(this.w.call(NR.NR_write, fd, Buffer.from(text), text.length));
    ok(this.w.call(NR.NR_close, fd));
  }

  read(path: string): string {
    const fd = ok(this.w.call(NR.NR_open, path, 0, 0));
    const out = new Out(4096);
    const n = ok(this.w.call(NR.NR_read, fd, out, 4096));
    ok(this.w.call(NR.NR_close, fd));
    return out.data.latin1Slice(0, n);
  }

  names(path: string): string[] {
    const fd = ok(this.w.call(NR.NR_open, path, O_DIRECTORY, 0));
    const found: string[] = [];
    for (;;) {
      const out = new Out(1024);
      const n = ok(this.w.call(NR.NR_getdents64, fd, out, 1024));
      if (n === 0) break;
      for (let at = 0; at < n; at += out.data.readUInt16LE(at + 16)) found.push(out.data.latin1Slice(at + 19, out.data.indexOf(0, at + 19)));
    }
    ok(this.w.call(NR.NR_close, fd));
    return found.filter((n) => n !== '.' && n !== '..').sort();
  }

  xattr(path: string): string {
    const out = new Out(64);
    const n = this.w.call(NR.NR_lgetxattr, path, 'user.note', out, 64);
    return n < 0 ? `errno ${-n}` : out.data.latin1Slice(0, n);
  }

  /** Everything a guest can see below `top`, by name. `inodes`: whose numbers must be equal to each other. */
  picture(top: string): Map<string, string> {
    const seen = new Map<string, string>();
    const groups = new Map<string, string>();
    const look = (path: string, name: string): void => {
      const out = new Out(144);
      ok(this.w.call(NR.NR_lstat, path, out));
      const b = out.data;
      const mode = b.readUInt32LE(24), type = mode & S_IFMT;
      const ino = `${b.readBigUInt64LE(0)}:${b.readBigUInt64LE(8)}`;
      if (!groups.has(ino)) groups.set(ino, name);
      let what = '';
      if (type === S_IFREG) what = this.read(path);
      if (type === S_IFLNK) {
        const t = new Out(256);
        const n = ok(this.w.call(NR.NR_readlink, path, t, 256));
        what = t.data.latin1Slice(0, n);
      }
      // atime is left out: reading changes it.
      seen.set(name, [mode.toString(8), b.readUInt32LE(28), b.readUInt32LE(32), b.readBigUInt64LE(16), b.readBigUInt64LE(40), b.readBigUInt64LE(48), b.readBigUInt64LE(88), b.readBigUInt64LE(96),
        b.readBigUInt64LE(104), b.readBigUInt64LE(112), groups.get(ino), this.xattr(path), what].join(' '));
      if (type === S_IFDIR) for (const n of this.names(path)) if (`${name}/${n}` !== '/mnt') look(`${path}/${n}`, `${name}/${n}`);
    };
    look(top, '');
    return seen;
  }

  /** A second superblock over the same lower directory, with a saved tree, mounted at /mnt. */
  mount(tree: SavedTree): void {
    const fd = ok(host.openat(host.AT_FDCWD, this.w.lower, O_PATH));
    const dir = new HostLower(new HostDir(undefined, '', fd));
    ok(hostStatFd(fd));
    const sb = new LayeredSuper('overlay', dir, 0);
    loadTree(sb, dir, tree, { task: 0, tg: 0, cred: 0, fs: undefined as never });
    mountAt(sb, undefined, this.w.pathOf('/mnt'), 0);
  }
}
