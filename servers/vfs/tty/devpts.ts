/**
 * devpts: /dev/pts with a node per living pty and a ptmx of its own. pty(7), mount options as container runtimes give them
 * (gid=5,mode=620,ptmxmode=666). A node's owner and mode live in its Pty; names come and go with the masters, so nothing is cached.
 */
import { Cap, credCapable } from '../../../shared/creds.js';
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import * as L from '../../../shared/gen/layout.js';
import { type File, O_ACCMODE, O_NOCTTY, O_WRONLY } from '../file.js';
import { Cache, type Caller, type DirList, Inode, type Path, S_IFCHR, S_IFDIR, type SetAttr, type StatFs, SuperBlock, makeDev } from '../inode.js';
import { takeOnOpen } from './job.js';
import { MasterFile, openSlave } from './pty-file.js';
import { type Pty, ptyAlloc, ptys } from './pty.js';

/** statfs(2), DEVPTS_SUPER_MAGIC. */
const MAGIC = 0x1cd1;
const DT_CHR = 2;
/** Inode numbers: 1 the root, 2 ptmx, then 3 + index. */
const INO_ROOT = 1, INO_PTMX = 2, INO_PTS = 3;
/** Group `tty` of every Linux distribution. */
const GID_TTY = 5;
const PTMX_RDEV = makeDev(5, 2);

const now = (): number => Math.floor(Date.now() / 1000);

/** open(2) of ptmx: a new pair. ENOSPC: PTY_MAX are in use. */
export function openPtmx(ep: Endpoint, c: Caller, path: Path, flags: number): File | number {
  const pty = ptyAlloc(ep, now());
  if (pty === undefined) return -E.ENOSPC;
  pty.uid = c.cred === 0 ? 0 : L.credFsuid(c.cred);
  pty.gid = GID_TTY;
  return new MasterFile(path, flags, pty);
}

/** open(2) of a slave, by whatever name: takes it as controlling terminal where open(2) says so. */
export function openPts(c: Caller, path: Path, flags: number, pty: Pty): File | number {
  const file = openSlave(path, flags, pty, c.cred === 0 || credCapable(c.cred, Cap.SYS_ADMIN));
  if (typeof file !== 'number' && (flags & O_NOCTTY) === 0) takeOnOpen(c.tg, pty, (flags & O_ACCMODE) !== O_WRONLY);
  return file;
}

class PtsInode extends Inode {
  constructor(sb: SuperBlock, readonly pty: Pty) {
    super(sb, S_IFCHR | pty.mode);
    this.ino = INO_PTS + pty.index;
    this.rdev = pty.rdev;
    this.blksize = 1024;
    this.refresh();
  }

  override refresh(): number {
    const { pty } = this;
    this.mode = S_IFCHR | pty.mode;
    this.uid = pty.uid;
    this.gid = pty.gid;
    this.btime = this.ctime = pty.born;
    this.atime = pty.atime;
    this.mtime = pty.mtime;
    return 0;
  }

  override open(c: Caller, path: Path, flags: number): File | number { return openPts(c, path, flags, this.pty); }

  override setattr(_c: Caller, a: SetAttr): number {
    const { pty } = this;
    if (a.mode !== undefined) pty.mode = a.mode & 0o7777;
    if (a.uid !== undefined) pty.uid = a.uid;
    if (a.gid !== undefined) pty.gid = a.gid;
    if (a.atime !== undefined) pty.atime = a.atime;
    if (a.mtime !== undefined) pty.mtime = a.mtime;
    return this.refresh();
  }
}

class PtmxInode extends Inode {
  constructor(sb: SuperBlock, private readonly ep: Endpoint) {
    super(sb, S_IFCHR | 0o666);
    this.ino = INO_PTMX;
    this.rdev = PTMX_RDEV;
    this.atime = this.mtime = this.ctime = this.btime = now();
  }

  override open(c: Caller, path: Path, flags: number): File | number { return openPtmx(this.ep, c, path, flags); }
  override setattr(_c: Caller, a: SetAttr): number { return applyAttr(this, a); }
}

/** Attributes kept in the inode itself. */
export function applyAttr(inode: Inode, a: SetAttr): number {
  if (a.mode !== undefined) inode.mode = (inode.mode & ~0o7777) | (a.mode & 0o7777);
  if (a.uid !== undefined) inode.uid = a.uid;
  if (a.gid !== undefined) inode.gid = a.gid;
  if (a.atime !== undefined) { inode.atime = a.atime; inode.atimeNsec = a.atimeNsec ?? 0; }
  if (a.mtime !== undefined) { inode.mtime = a.mtime; inode.mtimeNsec = a.mtimeNsec ?? 0; }
  inode.ctime = a.ctime;
  inode.ctimeNsec = a.ctimeNsec;
  return 0;
}

class PtsDir extends Inode {
  private readonly ptmx: PtmxInode;
  /** One inode per pty, so that stat of an open terminal and of its name agree. */
  private readonly nodes = new WeakMap<Pty, PtsInode>();

  constructor(sb: SuperBlock, ep: Endpoint) {
    super(sb, S_IFDIR | 0o755);
    this.ino = INO_ROOT;
    this.nlink = 2;
    this.atime = this.mtime = this.ctime = this.btime = now();
    this.ptmx = new PtmxInode(sb, ep);
  }

  override get cache(): Cache { return Cache.NEVER; }

  node(pty: Pty): PtsInode {
    let n = this.nodes.get(pty);
    if (n === undefined) { n = new PtsInode(this.sb, pty); this.nodes.set(pty, n); }
    return n;
  }

  override lookup(_c: Caller, name: string): Inode | number {
    if (name === 'ptmx') return this.ptmx;
    const pty = /^(0|[1-9]\d{0,5})$/.test(name) ? ptys.get(Number(name)) : undefined;
    return pty === undefined ? -E.ENOENT : this.node(pty);
  }

  override readdir(_c: Caller, list: DirList): number {
    for (const i of ptys.keys()) list.add(String(i), INO_PTS + i, DT_CHR);
    list.add('ptmx', INO_PTMX, DT_CHR);
    return 0;
  }
}

export class DevptsFs extends SuperBlock {
  readonly fstype = 'devpts';
  readonly root: PtsDir;
  override source = 'devpts';
  override options = 'gid=5,mode=620,ptmxmode=666';

  constructor(ep: Endpoint) {
    super();
    this.root = new PtsDir(this, ep);
  }

  statfs(out: StatFs): number {
    Object.assign(out, { type: MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 });
    return 0;
  }
}
