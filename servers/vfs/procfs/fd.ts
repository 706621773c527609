/**
 * /proc/PID/fd and fdinfo, from the shared file tables. proc_pid_fd(5), proc_pid_fdinfo(5).
 *
 * An fd of a file leads to the file itself, whatever its name leads to now (a magic link); pipes, sockets and the like lead to their open file description, which
 * open(2) may reopen or refuse.
 */
import { E } from '../../../shared/errno.js';
import { fdSeen } from '../../../shared/fdcalls.js';
import { FD_CLOEXEC, Ofd, fdFlags } from '../../../shared/fdtable.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { absolutePath } from '../dpath.js';
import { type File, O_ACCMODE, O_CLOEXEC, O_PATH, O_RDONLY, O_WRONLY, fileOf } from '../file.js';
import type { Caller, DirList, Inode, LinkTarget, Path, SuperBlock } from '../inode.js';
import { fifoPath } from '../foreign.js';
import { Inotify } from '../inotify/instance.js';
import { guestName } from './maps.js';
import { LinkInode, LiveDir, TextInode } from './node.js';
import { type Target, alive, fsOf, mayInspect } from './target.js';

const DT_LNK = 10, DT_REG = 8;
const SEEK_CUR = 1;
/** Numbers below it may be duplicates that are in no table yet (native/stub/fds.c). */
const OWED_TOP = 256;
/** Low numbers of a directory's inode range that fds take; see pidIno. */
export const FD_INO = 0x10000, FDINFO_INO = 0x80000;

const ANON: ReadonlyMap<number, string> = new Map([
  [Ofd.EVENTFD, 'anon_inode:[eventfd]'], [Ofd.EPOLL, 'anon_inode:[eventpoll]'], [Ofd.SIGNALFD, 'anon_inode:[signalfd]'], [Ofd.TIMERFD, 'anon_inode:[timerfd]'],
  [Ofd.PIDFD, 'anon_inode:[pidfd]'], [Ofd.INOTIFY, 'anon_inode:inotify'],
]);

/** A file of this server that has a place in the tree of mounts. */
function placed(ofd: number): File | undefined {
  if (L.ofdOwner(ofd) !== L.SRV_VFS || L.ofdKind(ofd) === Ofd.STDIO || L.ofdKind(ofd) === Ofd.INOTIFY) return undefined;
  return fileOf(ofd);
}

/** Place of a file: also of an open FIFO, whose data are ipc's. */
const placeOf = (ofd: number): Path | undefined => placed(ofd)?.path ?? fifoPath(ofd);

/** Inode number of an object of another server: its host fd's where there is one, else its id there. */
function objectIno(ofd: number): number {
  const fd = L.ofdHostFd(ofd);
  if (fd >= 0 && host.statx(fd, '', host.AT_EMPTY_PATH) >= 0) {
    return host.scratchView.getUint32(host.STRUCT + 32, true) + host.scratchView.getUint32(host.STRUCT + 36, true) * 4294967296;
  }
  return L.ofdObj(ofd);
}

/** What the host calls a file that has no place in the guest: pipes, sockets and terminals as there, other files by their guest name if they have one. */
function hostName(fd: number): string {
  const s = host.readlinkat(host.AT_FDCWD, `/proc/self/fd/${fd}`);
  if (typeof s === 'number') return '';
  return s.startsWith('/') && !s.startsWith('/dev/') && !s.startsWith('/memfd:') ? guestName(s) : s;
}

/** Text of the link. */
export function ofdName(ofd: number, t: Target): string {
  const path = placeOf(ofd);
  if (path !== undefined) return absolutePath(path, fsOf(t)?.root, true);
  const kind = L.ofdKind(ofd);
  const anon = ANON.get(kind);
  if (anon !== undefined) return anon;
  if (kind === Ofd.PIPE_R || kind === Ofd.PIPE_W) return `pipe:[${objectIno(ofd)}]`;
  if (kind === Ofd.SOCKET) return `socket:[${objectIno(ofd)}]`;
  const fd = L.ofdHostFd(ofd);
  const name = fd >= 0 ? hostName(fd) : '';
  return name !== '' ? name : `anon_inode:[${L.ofdObj(ofd)}]`;
}

class FdLink extends LinkInode {
  constructor(sb: SuperBlock, t: Target, fd: number, ino: number, mode: number) {
    const row = (): number => (alive(t) ? fdSeen(t.task, fd) : -E.ENOENT);
    super(sb,
      () => { const o = row(); return o < 0 ? -E.ENOENT : ofdName(o, t); },
      (c: Caller): LinkTarget | number => {
        const no = mayInspect(c, t);
        if (no < 0) return no;
        const o = row();
        if (o < 0) return -E.ENOENT;
        return placeOf(o) ?? { ofd: o };
      },
      ino, mode);
  }
}

/** Permissions of the link tell how the fd was opened. */
function linkMode(ofd: number): number {
  const flags = L.ofdFlags(ofd);
  if ((flags & O_PATH) !== 0) return 0o100;
  const acc = flags & O_ACCMODE;
  return 0o100 | (acc !== O_WRONLY ? 0o400 : 0) | (acc !== O_RDONLY ? 0o200 : 0);
}

/** The watches of an inotify instance, one a line. */
function watchesText(ofd: number): string {
  const file = L.ofdKind(ofd) === Ofd.INOTIFY && L.ofdOwner(ofd) === L.SRV_VFS ? fileOf(ofd) : undefined;
  if (!(file instanceof Inotify)) return '';
  return file.list.map((w) => `inotify wd:${w.wd.toString(16)} ino:${w.inode.ino.toString(16)} sdev:${w.inode.dev.toString(16)} mask:${(w.mask >>> 0).toString(16)} ignored_mask:0 \n`).join('');
}

function infoText(t: Target, fd: number): string | number {
  const files = L.taskFiles(t.task);
  const o = alive(t) ? fdSeen(t.task, fd) : -E.ENOENT;
  if (o < 0) return -E.ENOENT;
  const file = placed(o);
  const hostFd = L.ofdHostFd(o);
  const off = hostFd >= 0 ? host.lseek(hostFd, 0, SEEK_CUR) : file?.position ?? 0;
  const flags = L.ofdFlags(o) | ((fdFlags(files, fd) & FD_CLOEXEC) !== 0 ? O_CLOEXEC : 0);
  return `pos:\t${Math.max(0, off)}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${file?.path.mnt.id ?? 15}\nino:\t${file?.inode.ino ?? objectIno(o)}\n${watchesText(o)}`;
}

/** fd number from a name as Linux accepts it: decimal without leading zeros; -1 = none. */
const fdOfName = (name: string): number => (/^(0|[1-9]\d{0,6})$/.test(name) ? Number(name) : -1);

export class FdDir extends LiveDir {
  /** info: this is fdinfo. base: first inode number of the process's range. */
  constructor(sb: SuperBlock, private readonly t: Target, ino: number, private readonly base: number, private readonly info: boolean) {
    super(sb, info ? 0o555 : 0o500, ino);
    const cred = L.taskCred(t.task);
    this.uid = L.credEuid(cred);
    this.gid = L.credEgid(cred);
  }

  /** Threads of the process may always look; others by the rules of ptrace. */
  override permission(c: Caller, _mask: number): number {
    const no = mayInspect(c, this.t);
    return no === 0 ? 0 : no === -E.ESRCH ? no : -E.EACCES;
  }

  override lookup(_c: Caller, name: string): Inode | number {
    const fd = fdOfName(name);
    if (fd < 0 || !alive(this.t)) return -E.ENOENT;
    const o = fdSeen(this.t.task, fd);
    if (o < 0) return -E.ENOENT;
    const { t } = this;
    const i = this.info
      ? new TextInode(this.sb, 0o444, () => infoText(t, fd), undefined, this.base + FDINFO_INO + fd, (c) => mayInspect(c, t))
      : new FdLink(this.sb, t, fd, this.base + FD_INO + fd, linkMode(o));
    i.uid = this.uid;
    i.gid = this.gid;
    if (!this.info) i.size = 64;
    return i;
  }

  override readdir(_c: Caller, list: DirList): number {
    if (!alive(this.t)) return -E.ENOENT;
    const { task } = this.t;
    const top = Math.max(L.filesTop(L.taskFiles(task)), OWED_TOP);
    for (let fd = 0; fd < top; fd++) {
      if (fdSeen(task, fd) < 0) continue;
      list.add(String(fd), this.base + (this.info ? FDINFO_INO : FD_INO) + fd, this.info ? DT_REG : DT_LNK);
    }
    return 0;
  }
}
