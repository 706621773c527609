/**
 * The container's tree of mounts, as the command line asks for it:
 *
 *   /          layered over the host's root, a directory or the layers of an image
 *   /proc /sys /dev /dev/pts /dev/shm /tmp /run    carrick's own
 *   /etc/hosts, /etc/hostname, /etc/resolv.conf    files that the command line brings, each a mount of its own, as with docker
 *   --tmpfs, -v in the order given, over all of these
 *
 * A missing mount point is made in the layer below it (in the root's upper layer, never on the host).
 */
import { posix } from 'node:path';
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import * as host from '../../shared/host.js';
import type { BindSpec, FileSpec, RootfsSpec, RunSpec } from '../../shared/spec.js';
import { dinstantiate, dlookup, rootDentry } from './dcache.js';
import { populateDev } from './devfs/dev.js';
import { fillVolume } from './fill.js';
import { FsStruct } from './fs-struct.js';
import { HostDir } from './host/dir.js';
import { hostSuper } from './hostfs/hostfs.js';
import type { Mount} from './inode.js';
import { type Caller, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, Path, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type SuperBlock } from './inode.js';
import { setDataDir } from './layered/data.js';
import { Journal, removeJournal, replay } from './layered/journal.js';
import { loadTree, readIndex, removeStray, writeIndex } from './layered/saved.js';
import { ImageDir, openLayers } from './layered/image-lower.js';
import { HostLower, type LowerDir } from './layered/lower.js';
import { LayeredSuper } from './layered/super.js';
import { crossMounts, mountAt, mountRoot } from './mounts.js';
import { Nameidata, walk, Walk } from './namei.js';
import { ProcFs } from './procfs/proc-fs.js';
import { mountFlags } from './syscalls/mount.js';
import { SysFs } from './sysfs/sysfs.js';
import { DevptsFs } from './tty/devpts.js';

const O_WRONLY = 1, O_PATH = 0o10000000, O_DIRECTORY = 0o200000;
/** Symlinks without a target on the way to a mount point. */
const LINKS_MAX = 40;

/** Boot cannot go on: named step and path; ends the worker with this message. */
function fail(what: string, path: string, errno: number): never {
  throw new Error(`${what} ${path}: errno ${-errno}`);
}

function openDir(path: string, what: string): number {
  const fd = host.openat(host.AT_FDCWD, path, O_PATH | O_DIRECTORY);
  return fd < 0 ? fail(what, path, fd) : fd;
}

/** The read-only tree below the writable layer; its attributes are in $st then. */
function openLower(rootfs: RootfsSpec): LowerDir {
  const lower = rootfs.kind === 'layers' ? ImageDir.root(openLayers(rootfs.layers ?? [])) : new HostLower(new HostDir(undefined, '', openDir(rootfs.dir, 'the root file system')));
  const st = lower.stat('.');
  return st < 0 ? fail('the root file system', rootfs.dir, st) : lower;
}

export class Tree {
  readonly root: Path;
  private readonly nd = new Nameidata();
  /** The root's writable layer. */
  private readonly upper: LayeredSuper;
  /** carrick itself: may do everything. */
  readonly caller: Caller;

  constructor(private readonly ep: Endpoint, private readonly spec: RunSpec) {
    setDataDir(openDir(spec.upperDir, 'the writable layer'));
    const lower = openLower(spec.rootfs);
    const sb = new LayeredSuper('overlay', lower, 0);
    this.upper = sb;
    sb.source = 'overlay';
    const mnt: Mount = mountRoot(sb, 0);
    this.root = new Path(mnt, mnt.root);
    this.caller = { task: 0, tg: 0, cred: 0, fs: new FsStruct(this.root, this.root) };
    this.caller.fs.umask = 0;
    this.loadUpper(lower);
    this.standardMounts();
    this.mountFiles(spec.files, spec.readOnly);
    for (const t of spec.tmpfs) this.mountTmpfs(t.target, t.mode, t.size, mountFlags(t.flags));
    for (const b of spec.binds) this.mountBind(b);
    if (spec.readOnly) mnt.flags |= MNT_RDONLY;
    sb.journal?.begin();
  }

  /** Take up what an earlier run has left in the writable layer, and note from now on what changes, if it is to be kept. */
  private loadUpper(lower: LowerDir): void {
    const { upperDir, rootfs, keep } = this.spec;
    const index = readIndex(upperDir, rootfs.dir);
    const played = replay(upperDir, rootfs.dir, index);
    let saved = played ?? index;
    if (played !== undefined) writeIndex(upperDir, saved = { ...played, epoch: played.epoch + 1 });
    removeJournal(upperDir);
    removeStray(upperDir, saved?.nodes ?? []);
    const nodes = saved === undefined ? [] : loadTree(this.upper, lower, saved, this.caller);
    if (keep) this.upper.journal = new Journal(this.upper, upperDir, rootfs.dir, saved?.epoch ?? 0, nodes, this.ep.timers);
  }

  /** The container ends: write the root's index if the guest has changed anything. Mount points that were made at boot are none of its doing. */
  save(): void { this.upper.journal?.close(); }

  private standardMounts(): void {
    const locked = MNT_NOSUID | MNT_NODEV | MNT_NOEXEC;
    this.mount(new ProcFs(), '/proc', locked);
    this.mount(new SysFs(), '/sys', locked | MNT_RDONLY);
    const dev = this.mountTmpfs('/dev', 0o755, 0, MNT_NOSUID);
    const r = populateDev(dev.sb.root, this.caller, this.spec.tty);
    if (r < 0) fail('making device nodes in', '/dev', r);
    this.mount(new DevptsFs(this.ep), '/dev/pts', MNT_NOSUID | MNT_NOEXEC);
    this.mountTmpfs('/dev/shm', 0o1777, 0, locked);
    if (this.spec.hostTmp) return;
    // No nodev, no nosuid: programs, and tests of programs, expect /tmp to be like the disk below it. Devices are carrick's own anyway.
    this.mountTmpfs('/tmp', 0o1777, 0, 0);
    this.mountTmpfs('/run', 0o755, 0, MNT_NOSUID | MNT_NODEV);
  }

  private mount(sb: SuperBlock, target: string, flags: number): Mount {
    const at = this.makePath(target, true);
    return mountAt(sb, undefined, at, flags);
  }

  private mountTmpfs(target: string, mode: number, size: number, flags: number): Mount {
    const sb = new LayeredSuper('tmpfs', undefined, S_IFDIR | mode, size);
    sb.source = 'tmpfs';
    sb.options = `mode=${mode.toString(8)}${size > 0 ? `,size=${Math.ceil(size / 1024)}k` : ''}`;
    return this.mount(sb, target, flags);
  }

  /** What the guest writes to them is in memory, and gone with the run. */
  private mountFiles(files: readonly FileSpec[], readOnly: boolean): void {
    if (files.length === 0) return;
    const sb = new LayeredSuper('tmpfs', undefined, S_IFDIR | 0o755, 0);
    sb.source = 'tmpfs';
    for (const [i, { target, text }] of files.entries()) {
      const inode = sb.root.create(this.caller, String(i), S_IFREG | 0o644);
      if (typeof inode === 'number') fail('making', target, inode);
      const dentry = rootDentry(inode);
      const file = inode.open(this.caller, new Path(this.root.mnt, dentry), O_WRONLY);
      if (typeof file === 'number') fail('writing', target, file);
      host.scratch.latin1Write(text, host.DATA);
      const n = host.write(file.hostFd, host.DATA, text.length);
      host.close(file.hostFd);
      if (n !== text.length) fail('writing', target, n < 0 ? n : -E.EIO);
      const at = this.makePath(target, false);
      if (at.inode.isDir) fail('laying a file over', target, -E.EISDIR);
      mountAt(sb, dentry, at, MNT_NODEV | MNT_NOSUID | (readOnly ? MNT_RDONLY : 0));
    }
  }

  private mountBind({ source, target, readOnly, fill }: BindSpec): void {
    const sb = hostSuper(host.AT_FDCWD, source);
    if (typeof sb === 'number') fail('the volume', source, sb);
    sb.source = source;
    const at = this.makePath(target, sb.root.isDir);
    if (at.inode.isDir !== sb.root.isDir) fail(`mounting ${source} at`, target, -E.ENOTDIR);
    if (fill === true) {
      const r = fillVolume(this.caller, at, sb.root);
      if (r < 0) fail(`filling the volume ${source} from`, target, r);
    }
    mountAt(sb, undefined, at, readOnly ? MNT_RDONLY : 0);
  }

  /** Path of a guest directory (or file), made with its parents when it is missing. Symlinks are followed, and what they lead to is made too. */
  makePath(target: string, isDir: boolean, links = 0): Path {
    const have = this.walk(target);
    if (typeof have !== 'number') return have;
    const parts = target.split('/').filter((p) => p !== '' && p !== '.');
    let at = this.root;
    for (const [i, name] of parts.entries()) {
      const above = `/${parts.slice(0, i).join('/')}`;
      const here = posix.join(above, name);
      const next = this.walk(here);
      if (typeof next !== 'number') { at = next; continue; }
      const below = isDir || i < parts.length - 1;
      const link = this.nowhere(at, name);
      if (link !== '' && links >= LINKS_MAX) fail('the mount point', target, -E.ELOOP);
      at = link === '' ? this.makeOne(at, name, below, target) : this.makePath(posix.resolve(above, link), below, links + 1);
    }
    return at;
  }

  /** Text of a symlink that leads nowhere, '' when there is none. */
  private nowhere(parent: Path, name: string): string {
    const d = parent.inode.isDir ? dlookup(this.caller, parent.dentry, name) : undefined;
    const text = typeof d === 'object' && d.inode !== undefined && (d.inode.mode & S_IFMT) === S_IFLNK ? d.inode.readlink(this.caller) : '';
    return typeof text === 'string' ? text : '';
  }

  private makeOne(parent: Path, name: string, isDir: boolean, target: string): Path {
    if (!parent.inode.isDir) fail('the mount point', target, -E.ENOTDIR);
    const d = dlookup(this.caller, parent.dentry, name);
    if (typeof d === 'number') fail('the mount point', target, d);
    if (d.inode === undefined) {
      const n = isDir ? parent.inode.mkdir(this.caller, name, S_IFDIR | 0o755) : parent.inode.create(this.caller, name, S_IFREG | 0o644);
      if (typeof n === 'number') fail('the mount point', target, n);
      dinstantiate(d, n);
    }
    return crossMounts(parent.mnt, d) ?? new Path(parent.mnt, d);
  }

  /** Guest path as carrick itself sees it, from the root: a Path or -errno. */
  walk(path: string): Path | number {
    this.nd.links = 0;
    const r = walk(this.nd, this.caller, undefined, path, Walk.FOLLOW);
    return r < 0 ? r : this.nd.path;
  }
}
