/**
 * Pipes and FIFOs: ends of host pipes.
 *
 * Every guest end is one OFD whose host_fd is an end of a host pipe. Guests with a grant read and write it themselves; this module
 * answers for everybody else. The host fd blocks unless the guest asked for O_NONBLOCK, and the guest may change that at any moment, so served reads and writes use a
 * private description of the same pipe, opened through /proc/self/fd with O_NONBLOCK on first need.
 *
 * The host counts descriptions: a reader sees end of file when the last writing one is closed. So when the guest's last reference of an end
 * goes (RELEASE), host_fd and the private description are closed at once; nothing here outlives the guest's end.
 *
 * Waits (B5): data or room (host watch on host_fd), signal, death of the task. pipe(7) knows no timeout.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E, Ret } from '../../shared/errno.js';
import { Ofd, ofdAlloc, ofdFree } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { EPOLLIN, EPOLLOUT } from '../../shared/hostwatch.js';
import { gather, IO_MAX, scatter } from '../../shared/iobuf.js';
import { Msg } from '../../shared/messages.js';
import { Why } from '../../shared/wait.js';
import { F_GETPIPE_SZ, F_SETPIPE_SZ, FIONREAD, O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY, SIGPIPE } from './abi.js';
import { fstat, ST_GID, ST_MODE, ST_UID, takeStat } from './hostcalls.js';
import { type Ops, setOps } from './ops.js';
import type { Readiness } from './ready.js';
import { Slab } from './slab.js';

const F_SETFL = 4;
/** st_mode of a pipe: S_IFIFO | 0600. pipe(7), fs/pipe.c get_pipe_inode. */
const PIPE_MODE = 0o010600;

export class PipeEnd {
  /** Private non-blocking description, -1 = not open. */
  priv = -1;
  /** Of O_NONBLOCK and O_DIRECT, what `priv` has. */
  privFlags = 0;
  constructor(readonly hostFd: number, readonly uid: number, readonly gid: number, readonly onRelease: (() => void) | undefined) {}
}

export class Pipes {
  private readonly ends = new Slab<PipeEnd>();

  constructor(private readonly ep: Endpoint, private readonly ready: Readiness) {
    const ops: Ops = {
      read: (f, ofd, len, nowait) => this.read(f, ofd, len, nowait),
      write: (f, ofd, len, nowait) => this.write(f, ofd, len, nowait),
      ioctl: (f, ofd, request) => ioctl(f, ofd, request),
      fcntl: (f, ofd, cmd) => pipeSize(f, ofd, cmd),
      fstat: (_f, ofd, bytes, off) => this.fstat(ofd, bytes, off),
      release: (ofd, obj) => this.release(ofd, obj),
      noopSeek: false,
    };
    for (const kind of [Ofd.PIPE_R, Ofd.PIPE_W, Ofd.FIFO]) setOps(kind, ops);
  }

  /**
   * An OFD for an end of a host pipe; takes hostFd over (closed on failure).
   * flags: access mode and status flags as F_GETFL shows them. uid, gid: the pipe's owner. onRelease: called when the end is closed.
   */
  adopt(kind: Ofd, hostFd: number, flags: number, uid: number, gid: number, onRelease?: () => void): number {
    const obj = this.ends.add(new PipeEnd(hostFd, uid, gid, onRelease));
    const row = ofdAlloc(L.SRV_IPC, kind, obj, flags, hostFd);
    if (row < 0) {
      this.ends.remove(obj);
      host.close(hostFd);
      return row;
    }
    const mode = flags & O_ACCMODE;
    L.setOfdPollable(row, 1);
    L.setOfdGrantable(row, mode === O_RDONLY ? L.HINT_READ : mode === O_WRONLY ? L.HINT_WRITE : L.HINT_READ | L.HINT_WRITE);
    return row;
  }

  private end(ofd: number): PipeEnd | undefined { return this.ends.get(L.ofdObj(ofd)); }

  /** The private description of an end, its flags brought up to date; or -errno. */
  private private_(end: PipeEnd, ofdFlags: number): number {
    const want = O_NONBLOCK | (ofdFlags & O_DIRECT);
    if (end.priv < 0) {
      // O_DIRECT only afterwards: open(2) refuses it for pipes, F_SETFL does not.
      const r = host.openat(host.AT_FDCWD, `/proc/self/fd/${end.hostFd}`, (ofdFlags & O_ACCMODE) | O_NONBLOCK);
      if (r < 0) return r;
      end.priv = r;
      end.privFlags = O_NONBLOCK;
    }
    if (end.privFlags !== want) {
      const r = host.fcntl(end.priv, F_SETFL, want);
      if (r < 0) return r;
      end.privFlags = want;
    }
    return end.priv;
  }

  /** Bytes; 0 = end of file; -EBADF (write end), -EAGAIN, -EFAULT. Source: pipe(7), read(2). */
  private read(f: Frame, ofd: number, len: number, nowait: boolean): number {
    const end = this.end(ofd);
    const flags = L.ofdFlags(ofd);
    if (end === undefined || (flags & O_ACCMODE) === O_WRONLY) return -E.EBADF;
    if (len === 0) return 0;
    const fd = this.private_(end, flags);
    if (fd < 0) return fd;
    const n = host.read(fd, host.DATA, Math.min(len, IO_MAX));
    if (n > 0) return scatter(f, n);
    if (n !== -E.EAGAIN) return n;
    if (nowait || (flags & O_NONBLOCK) !== 0) return -E.EAGAIN;
    if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
    return this.ready.park(f, ofd, EPOLLIN);
  }

  /**
   * Bytes; -EBADF (read end), -EPIPE with SIGPIPE, -EAGAIN, -EFAULT. A blocking write goes on until all is written; f.p[0] counts. Up to PIPE_BUF
   * bytes are written by one host write, so they stay together. Source: pipe(7), write(2).
   */
  private write(f: Frame, ofd: number, len: number, nowait: boolean): number {
    const end = this.end(ofd);
    const flags = L.ofdFlags(ofd);
    if (end === undefined || (flags & O_ACCMODE) === O_RDONLY) return -E.EBADF;
    if (len === 0) return 0;
    const fd = this.private_(end, flags);
    // A FIFO that nobody reads cannot be opened for writing once more.
    if (fd === -E.ENXIO) { raiseSigpipe(this.ep, f); return -E.EPIPE; }
    if (fd < 0) return fd;
    let done = f.p[0] as number;
    for (;;) {
      const want = gather(f, done, len - done);
      if (want < 0) return done > 0 ? done : want;
      const n = host.write(fd, host.DATA, want);
      if (n === -E.EAGAIN) break;
      if (n === -E.EPIPE) raiseSigpipe(this.ep, f);
      if (n < 0) return done > 0 ? done : n;
      done += n;
      f.p[0] = done;
      if (done >= len) return done;
    }
    if (nowait || (flags & O_NONBLOCK) !== 0) return done > 0 ? done : -E.EAGAIN;
    if (f.why === Why.SIGNAL) return done > 0 ? done : -E.ERESTARTSYS;
    const r = this.ready.park(f, ofd, EPOLLOUT);
    return r === Ret.BLOCKED || done === 0 ? r : done;
  }

  private fstat(ofd: number, bytes: Buffer, off: number): number {
    const end = this.end(ofd);
    if (end === undefined) return -E.EBADF;
    const r = fstat(end.hostFd);
    if (r < 0) return r;
    takeStat(bytes, off);
    bytes.writeUInt32LE(PIPE_MODE, off + ST_MODE);
    bytes.writeUInt32LE(end.uid, off + ST_UID);
    bytes.writeUInt32LE(end.gid, off + ST_GID);
    return 0;
  }

  private release(ofd: number, obj: number): void {
    const end = this.ends.remove(obj);
    if (end !== undefined) {
      if (end.priv >= 0) host.close(end.priv);
      host.close(end.hostFd);
      end.onRelease?.();
    }
    ofdFree(ofd);
  }
}

/** EPIPE sends SIGPIPE to the writing task. RF_SIGNAL makes the stub fetch it before the call returns, as on Linux. */
export function raiseSigpipe(ep: Endpoint, f: Frame): void {
  ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [f.task, SIGPIPE, 0 /* SI_USER */, L.tgTgid(f.tg), L.credUid(L.taskCred(f.task))]);
  f.setReplyFlag(L.RF_SIGNAL);
}

function ioctl(f: Frame, ofd: number, request: number): number {
  if (request !== FIONREAD) return -E.ENOTTY;
  const r = host.ioctlPtr(L.ofdHostFd(ofd), FIONREAD, host.STRUCT);
  if (r < 0) return r;
  const n = f.copyOut(f.argU64(2), host.STRUCT, 4);
  return n < 0 ? n : 0;
}

/** F_SETPIPE_SZ, F_GETPIPE_SZ: the host decides (EBUSY, EPERM, EINVAL). Source: fcntl(2). */
function pipeSize(f: Frame, ofd: number, cmd: number): number {
  if (cmd !== F_GETPIPE_SZ && cmd !== F_SETPIPE_SZ) return -E.EINVAL;
  return host.fcntl(L.ofdHostFd(ofd), cmd, f.argU32(2));
}
