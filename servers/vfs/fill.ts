/**
 * A named volume's first use: what the guest's root has at the mount point becomes what the volume has, as with docker. Done before the volume is mounted and before any
 * guest runs, by inodes alone, so the root may be the host's, a directory or an image, and what carrick cannot do on the host (give files away, make devices, as an ordinary user)
 * is left out as it is with bind mounts.
 */
import { E } from '../../shared/errno.js';
import * as host from '../../shared/host.js';
import { dlookup, dput, rootDentry } from './dcache.js';
import { O_RDONLY, O_WRONLY } from './file.js';
import { type Caller, type Dentry, type Inode, Path, type Mount, S_IFBLK, S_IFCHR, S_IFMT, type SetAttr } from './inode.js';

/** Bytes at a time, as many as scratch has for data. */
const PIECE = 65536;
const PERMISSIONS = 0o7777;

/** Names in a directory, or -errno. */
function namesIn(c: Caller, dir: Inode): string[] | number {
  const names: string[] = [];
  const r = dir.readdir(c, { add: (name) => { if (name !== '.' && name !== '..') names.push(name); } });
  return r < 0 ? r : names;
}

class Filler {
  /** Copies of files with several names: by the original's device and number. */
  private readonly links = new Map<string, Inode>();
  /** Copies that are looked at once more, and let go at the end. */
  private readonly held: Dentry[] = [];

  constructor(private readonly c: Caller, private readonly mnt: Mount) {}

  done(): void { for (const d of this.held) dput(d); }

  /** What a directory holds; 0 or the first -errno. */
  directory(from: Dentry, to: Inode): number {
    const names = namesIn(this.c, from.inode as Inode);
    if (typeof names === 'number') return names;
    for (const name of names) {
      const d = dlookup(this.c, from, name);
      if (typeof d === 'number') return d;
      const r = d.inode === undefined ? 0 : this.object(d, d.inode, to, name);
      if (r < 0) return r;
    }
    return this.attributes(from.inode as Inode, to);
  }

  private object(d: Dentry, from: Inode, dir: Inode, name: string): number {
    const key = `${from.dev}:${from.ino}`, same = this.links.get(key);
    if (same !== undefined) return dir.link(this.c, name, same);
    const made = this.make(from, dir, name);
    // A device as an ordinary user; a name that another container, which fills the volume as well, has made just now.
    if (made === -E.EPERM || made === -E.EEXIST) return 0;
    if (typeof made === 'number') return made;
    this.held.push(rootDentry(made));
    if (!from.isDir && from.nlink > 1) this.links.set(key, made);
    if (from.isDir) return this.directory(d, made);
    const r = from.isReg ? this.data(d, from, made) : 0;
    return r < 0 ? r : this.attributes(from, made);
  }

  private make(from: Inode, dir: Inode, name: string): Inode | number {
    if (from.isDir) return dir.mkdir(this.c, name, from.mode);
    if (from.isReg) return dir.create(this.c, name, from.mode);
    if (!from.isLink) return dir.mknod(this.c, name, from.mode, (from.mode & S_IFMT) === S_IFCHR || (from.mode & S_IFMT) === S_IFBLK ? from.rdev : 0);
    const target = from.readlink(this.c);
    return typeof target === 'number' ? target : dir.symlink(this.c, name, target);
  }

  private data(d: Dentry, from: Inode, to: Inode): number {
    const source = from.open(this.c, new Path(this.mnt, d), O_RDONLY);
    if (typeof source === 'number') return source;
    const target = to.open(this.c, new Path(this.mnt, this.held.at(-1) as Dentry), O_WRONLY);
    let n = typeof target === 'number' ? target : 1;
    for (let left = 0; n > 0 && typeof target !== 'number';) {
      n = left = host.read(source.hostFd, host.DATA, PIECE);
      for (let at = 0; left > 0 && n > 0; at += n, left -= n) n = host.write(target.hostFd, host.DATA + at, left);
    }
    for (const file of [source, target]) {
      if (typeof file === 'number') continue;
      file.release();
      host.close(file.hostFd);
    }
    return n;
  }

  /** Owner, permissions, times, and what programs noted. An owner that cannot be given stays carrick's user. */
  private attributes(from: Inode, to: Inode): number {
    from.refresh();
    const names = from.listxattr();
    for (const name of typeof names === 'number' ? [] : names) {
      const value = name.startsWith('user.') ? from.getxattr(name) : -E.ENODATA;
      if (typeof value === 'string') to.setxattr(name, value, 0);
    }
    const { atime, atimeNsec, mtime, mtimeNsec, ctime, ctimeNsec } = from;
    const owner: SetAttr = { uid: from.uid, gid: from.gid, ctime, ctimeNsec };
    const r = to.setattr(this.c, owner);
    if (r < 0 && r !== -E.EPERM) return r;
    return to.setattr(this.c, { ...(from.isLink ? {} : { mode: from.mode & PERMISSIONS }), atime, atimeNsec, mtime, mtimeNsec, ctime, ctimeNsec });
  }
}

/** Copy what the directory `at` shows to a volume, if that is empty: its root. 0 or -errno. */
export function fillVolume(c: Caller, at: Path, volume: Inode): number {
  const there = namesIn(c, volume);
  if (typeof there === 'number' || there.length > 0) return typeof there === 'number' ? there : 0;
  const filler = new Filler(c, at.mnt);
  const r = filler.directory(at.dentry, volume);
  filler.done();
  return r;
}
