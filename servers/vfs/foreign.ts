/**
 * What stat, chmod, chown, statfs and their kin say about open files of other servers: pipes, sockets, eventfds...
 *
 * Names and attributes are this server's business, so the fd forms of these calls come here whoever owns the object (shared/fdcalls.ts forwards
 * them). Each answer is made anew, from the kind of the open file description and from what the host says about the fd behind it:
 *
 *   FIFO             the inode whose name was opened
 *   pipe, socket     the host's attributes; mode and times are changed there, owners are remembered here
 *   eventfd, epoll…  an anonymous inode, which cannot be changed (EOPNOTSUPP since Linux 6.17)
 *
 * Deviation: the owner of a pipe or socket is who asks, until somebody changes it: who made it is known to its server only.
 */
import { E } from '../../shared/errno.js';
import { Ofd } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { fsgidOf, fsuidOf } from './dac.js';
import { fileOf, O_PATH } from './file.js';
import { $st, fillInode, hostStatFd } from './host/stat.js';
import { encodeTimes, TIMES } from './host/times.js';
import { type Caller, Inode, Path, S_IFIFO, S_IFMT, S_IFSOCK, type SetAttr, type StatFs, SuperBlock } from './inode.js';
import { privateMount } from './mounts.js';

/** linux/magic.h. */
const PIPEFS_MAGIC = 0x50495045, SOCKFS_MAGIC = 0x534f434b, ANON_INODE_FS_MAGIC = 0x09041934, PID_FS_MAGIC = 0x50494446;
/** Most changed owners that are remembered; the oldest goes. */
const OWNERS_MAX = 1024;

/** Owners set by fchown, by the host's inode number: [uid, gid]. */
const owners = new Map<number, readonly [number, number]>();

/** An internal file system of the kernel: it is mounted nowhere. */
export class InternalSuper extends SuperBlock {
  override readonly root: Inode;

  constructor(override readonly fstype: string, private readonly magic: number) {
    super();
    this.root = new ForeignInode(this);
  }

  override statfs(out: StatFs): number {
    out.type = this.magic;
    return 0;
  }
}

class ForeignInode extends Inode {
  devNo = 0;
  hostFd = -1;
  /** An anonymous inode: nothing about it can be changed. */
  fixed = false;

  constructor(sb: SuperBlock) { super(sb, 0); }

  override get dev(): number { return this.devNo; }

  override setattr(_c: Caller, a: SetAttr): number {
    if (this.fixed || this.hostFd < 0) return -E.EOPNOTSUPP;
    if (a.size !== undefined) return -E.EINVAL;
    if (a.mode !== undefined) {
      const r = host.fchmod(this.hostFd, a.mode);
      if (r < 0) return r;
    }
    if (a.uid !== undefined || a.gid !== undefined) this.own(a.uid ?? this.uid, a.gid ?? this.gid);
    return encodeTimes(a) ? Math.min(0, host.futimens(this.hostFd, TIMES)) : 0;
  }

  private own(uid: number, gid: number): void {
    owners.delete(this.ino);
    owners.set(this.ino, [uid, gid]);
    if (owners.size > OWNERS_MAX) owners.delete(owners.keys().next().value as number);
  }
}

/** One file system and one inode of each, filled anew for every use. */
class Internal {
  readonly inode: ForeignInode;
  readonly path: Path;

  constructor(fstype: string, magic: number) {
    const sb = new InternalSuper(fstype, magic);
    this.inode = sb.root as ForeignInode;
    const mnt = privateMount(sb, this.inode);
    this.path = new Path(mnt, mnt.root);
  }
}

let internals: readonly [pipe: Internal, sock: Internal, anon: Internal, pid: Internal] | undefined;

function internalOf(kind: number): Internal {
  internals ??= [new Internal('pipefs', PIPEFS_MAGIC), new Internal('sockfs', SOCKFS_MAGIC), new Internal('anon_inodefs', ANON_INODE_FS_MAGIC), new Internal('pidfs', PID_FS_MAGIC)];
  switch (kind) {
    case Ofd.PIPE_R: case Ofd.PIPE_W: case Ofd.FIFO: return internals[0];
    case Ofd.SOCKET: return internals[1];
    case Ofd.PIDFD: return internals[3];
    default: return internals[2];
  }
}

/**
 * Where the FIFOs that are open were found, by OFD row. Every FIFO's OFD is announced here before it has an fd, so for a row whose kind is FIFO the
 * entry is its own.
 */
const fifos = new Map<number, Path>();
export function rememberFifo(ofd: number, path: Path): void { fifos.set(ofd, path); }
/** Place of an open FIFO; undefined for anything else. */
export const fifoPath = (ofd: number): Path | undefined => (L.ofdKind(ofd) === Ofd.FIFO ? fifos.get(ofd) : undefined);

/** Nameless place of an open file of another server, with its attributes as they are now. Borrowed: valid until the next call. */
function foreignPath(ofd: number, cred: number): Path {
  const fifo = fifoPath(ofd);
  if (fifo !== undefined) return fifo;
  const kind = L.ofdKind(ofd);
  const { inode, path } = internalOf(kind);
  const fd = L.ofdHostFd(ofd);
  const pipe = kind === Ofd.PIPE_R || kind === Ofd.PIPE_W || kind === Ofd.FIFO, sock = kind === Ofd.SOCKET;
  inode.fixed = !pipe && !sock;
  inode.hostFd = fd;
  if (fd >= 0 && hostStatFd(fd) === 0) {
    fillInode(inode);
    inode.devNo = $st.dev;
    inode.mode = (inode.mode & ~S_IFMT) | (pipe ? S_IFIFO : sock ? S_IFSOCK : 0);
  } else {
    // As fstat(2) shows an eventfd or epoll: mode 0600 without a type.
    inode.mode = pipe ? S_IFIFO | 0o600 : sock ? S_IFSOCK | 0o777 : kind === Ofd.PIDFD ? 0o700 : 0o600;
    inode.ino = 1000 + ofd;
    inode.nlink = 1;
    inode.size = inode.blocks = inode.rdev = 0;
    inode.devNo = inode.sb.dev;
  }
  const owner = owners.get(inode.ino);
  inode.uid = inode.fixed ? 0 : owner?.[0] ?? fsuidOf(cred);
  inode.gid = inode.fixed ? 0 : owner?.[1] ?? fsgidOf(cred);
  return path;
}

/** Place of any open file description: where it was opened, or a nameless one. O_PATH ones too. -EBADF: it is being released. */
export function pathOfOfd(ofd: number, cred: number): Path | number {
  return L.ofdOwner(ofd) === L.SRV_VFS ? fileOf(ofd)?.path ?? -E.EBADF : foreignPath(ofd, cred);
}

/** The same for calls that O_PATH descriptors refuse (-EBADF). */
export function changeableOfd(ofd: number, cred: number): Path | number {
  return (L.ofdFlags(ofd) & O_PATH) !== 0 ? -E.EBADF : pathOfOfd(ofd, cred);
}

/** Attributes of an anonymous inode cannot be changed, whoever asks: 0 or -EOPNOTSUPP. */
export const mayChange = (inode: Inode): number => (inode instanceof ForeignInode && inode.fixed ? -E.EOPNOTSUPP : 0);
