/**
 * The layered file system: a writable upper layer over an optional read-only tree, of the host or of an image. Without a lower layer it is tmpfs.
 *
 *   upper: names, metadata and whiteouts are this worker's objects; file data are host files or memfds (data.ts)
 *   lower: asked one component at a time (lower.ts), never changed: a host directory tree by statx, openat and getdents on directory fds, or
 *          the merged layers of an image by their indexes
 *
 * A lower object becomes an inode when it is first looked up, and stays clean until the guest changes it:
 *   - a clean inode is only a cache: it goes when the dentry cache lets go of it, and is made anew from the host
 *   - a changed one is *pinned*. Files, links and devices are found again through `known`, which maps the host's (st_dev, st_ino) to the
 *     inode, so all hard links of a lower file lead to the same inode, before and after copy-up. Directories are pinned by position: they
 *     enter their parent's `entries`, up to the root (dir.ts), since the host may show one directory at two places (bind mounts).
 *   - data are copied up at the first open for writing or truncation; chmod, chown, utimes, rename, link and xattrs change the inode only.
 *
 * The lower tree is assumed not to change while the container runs; attributes are read once. st_ino and st_dev of lower objects are
 * the host's and survive copy-up. Pseudo file systems of the host (proc, sysfs, cgroup...) below the lower tree appear as empty directories:
 * they would show the host's processes.
 */
import * as host from '../../../shared/host.js';
import { scratchView, STRUCT } from '../../../shared/host.js';
import { $st } from '../host/stat.js';
import { type StatFs, SuperBlock } from '../inode.js';
import { dataDir } from './data.js';
import { LDir } from './dir.js';
import type { Journal } from './journal.js';
import type { LowerDir } from './lower.js';
import type { LNode } from './node.js';

/** statfs(2) magic numbers. */
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630, TMPFS_MAGIC = 0x01021994;
/** proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, devpts, mqueue, pstore, efivarfs, configfs, selinuxfs, fusectl, binfmt_misc. statfs(2), linux/magic.h. */
const PSEUDO: ReadonlySet<number> = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x1cd1, 0x19800202, 0x6165676c,
  0xde5e81e4, 0x62656570, 0xf97cff8c, 0x65735543, 0x42494e4d]);

const u64 = (off: number): number => scratchView.getUint32(STRUCT + off, true) + scratchView.getUint32(STRUCT + off + 4, true) * 4294967296;

/** fstatfs(2) of a host fd into `out`; 0 or -errno. */
export function hostStatFs(fd: number, out: StatFs): number {
  const r = host.fstatfs(fd);
  if (r < 0) return r;
  out.type = scratchView.getUint32(STRUCT, true);
  out.bsize = u64(8);
  out.blocks = u64(16);
  out.bfree = u64(24);
  out.bavail = u64(32);
  out.files = u64(40);
  out.ffree = u64(48);
  out.namelen = u64(64);
  return 0;
}

/** Is the host fd on a file system that must not be shown to guests? */
export function isPseudo(fd: number): boolean {
  return host.fstatfs(fd) === 0 && PSEUDO.has(scratchView.getUint32(STRUCT, true));
}

export class LayeredSuper extends SuperBlock {
  override readonly isSettled: boolean = true;
  override readonly root: LDir;
  /** Non-directories that came from the lower layer and are cached, open or changed: st_dev → st_ino → inode. */
  private readonly known = new Map<number, Map<number, LNode>>();
  /** Bytes in upper data, kept only when there is a limit. */
  used = 0;
  /** Grows with every change of the tree: is there anything to save? */
  changes = 0;
  /** Only of a writable layer that is kept (journal.ts). */
  journal: Journal | undefined = undefined;
  private nextIno: number;

  /** lower: undefined for tmpfs; its attributes are in $st then. limit: bytes, 0 = none. */
  constructor(override readonly fstype: string, lower: LowerDir | undefined, mode: number, readonly limit = 0) {
    super(lower === undefined ? undefined : $st.dev);
    // New files of the root are numbered where no real inode number is likely to be; tmpfs counts from 1.
    this.nextIno = lower === undefined ? 1 : 0x100000000;
    this.root = new LDir(this, mode, lower);
  }

  /** tmpfs: data belong in memory. */
  get inMemory(): boolean { return this.fstype === 'tmpfs'; }

  /** A node is about to change. */
  touch(n: LNode): void {
    this.changes++;
    this.journal?.touch(n);
  }

  override sync(): number { return this.journal?.syncAll() ?? 0; }
  override commit(): number { return this.journal?.flush(true) ?? 0; }

  newIno(): number { return this.nextIno++; }
  /** Number of the next new inode; saved with the tree. */
  get inoCounter(): number { return this.nextIno; }
  set inoCounter(n: number) { this.nextIno = n; }

  knownNode(dev: number, ino: number): LNode | undefined { return this.known.get(dev)?.get(ino); }

  learn(n: LNode): void {
    let m = this.known.get(n.devNo);
    if (m === undefined) this.known.set(n.devNo, m = new Map());
    m.set(n.ino, n);
  }

  eachKnown(fn: (n: LNode) => void): void {
    for (const m of this.known.values()) for (const n of m.values()) fn(n);
  }

  unlearn(n: LNode): void {
    const m = this.known.get(n.devNo);
    if (m?.get(n.ino) === n) m.delete(n.ino);
  }

  override statfs(out: StatFs): number {
    const r = hostStatFs(dataDir(), out);
    if (r < 0) return r;
    out.namelen = 255;
    if (this.fstype !== 'tmpfs') { out.type = OVERLAYFS_SUPER_MAGIC; return 0; }
    out.type = TMPFS_MAGIC;
    if (this.limit > 0) {
      out.bsize = 4096;
      out.blocks = Math.ceil(this.limit / 4096);
      out.bfree = out.bavail = Math.max(0, Math.floor((this.limit - this.used) / 4096));
    }
    return 0;
  }
}
