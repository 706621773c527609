/**
 * Calls on an fd that every kind of object here answers in its own way: read, write, readv, writev (and their *2 forms without an
 * offset), ioctl, fstat, lseek, and fcntl commands beyond the descriptor. Dispatch goes by ofd.kind through ops.ts.
 */
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { FD_CLOEXEC, fdFlags, setFdFlags } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd } from '../../../shared/held.js';
import * as host from '../../../shared/host.js';
import { planBuffer, planIovec, structRoom } from '../../../shared/iobuf.js';
import { Msg } from '../../../shared/messages.js';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi.js';
import { STAT_BYTES } from '../hostcalls.js';
import { opsOf } from '../ops.js';

const F_SETFL = 4;
/** Highest whence of lseek(2): SEEK_HOLE. */
const SEEK_MAX = 4;
/** preadv2(2). */
const RWF_NOWAIT = 8;
const RWF_ANY = 0x1f;

/** read(2), readv(2): EBADF (not open for reading), EINVAL (no such operation, bad count), EFAULT, then the object's own. */
function readInto(f: Frame, ofd: number, len: number, nowait: boolean): number {
  if ((L.ofdFlags(ofd) & O_ACCMODE) === O_WRONLY) return -E.EBADF;
  const read = opsOf(L.ofdKind(ofd))?.read;
  if (read === undefined) return -E.EINVAL;
  return len < 0 ? len : read(f, ofd, len, nowait);
}

/** write(2), writev(2): as readInto. */
function writeFrom(f: Frame, ofd: number, len: number, nowait: boolean): number {
  if ((L.ofdFlags(ofd) & O_ACCMODE) === O_RDONLY) return -E.EBADF;
  const write = opsOf(L.ofdKind(ofd))?.write;
  if (write === undefined) return -E.EINVAL;
  return len < 0 ? len : write(f, ofd, len, nowait);
}

/** Flags of preadv2 and pwritev2 on objects without a position: -ESPIPE for an offset, -EOPNOTSUPP for unknown flags, else 0. */
function checkV2(f: Frame): number {
  if ((f.argU32(5) & ~RWF_ANY) !== 0) return -E.EOPNOTSUPP;
  return f.argOff(3) === -1 ? 0 : -E.ESPIPE;
}

/** ioctl(2): the requests that Linux answers for any file, then the object's own. */
function ioctl(f: Frame, ofd: number): number {
  const request = f.argU32(1);
  switch (request) {
    case FIOCLEX:
    case FIONCLEX: {
      const files = filesOf(f);
      setFdFlags(files, f.argInt(0), request === FIOCLEX ? FD_CLOEXEC : fdFlags(files, f.argInt(0)) & ~FD_CLOEXEC);
      return 0;
    }
    case FIONBIO: {
      const r = f.copyIn(f.argU64(2), host.STRUCT, 4);
      if (r < 0) return r;
      return setNonblock(ofd, host.scratchView.getInt32(host.STRUCT, true) !== 0);
    }
    // Linux: ENOTTY when the object has no fasync operation; pipes have one, but nobody sends SIGIO for them here.
    case FIOASYNC: return -E.ENOTTY;
    default: return opsOf(L.ofdKind(ofd))?.ioctl?.(f, ofd, request) ?? -E.ENOTTY;
  }
}

function setNonblock(ofd: number, on: boolean): number {
  const words = L.ofdI32();
  const at = L.OFD_FLAGS_AT(ofd);
  const flags = on ? Atomics.or(words, at, O_NONBLOCK) | O_NONBLOCK : Atomics.and(words, at, ~O_NONBLOCK) & ~O_NONBLOCK;
  const hostFd = L.ofdHostFd(ofd);
  return hostFd < 0 ? 0 : host.fcntl(hostFd, F_SETFL, flags & ~O_ACCMODE);
}

/** fstat(2). EBADF, EFAULT. */
function fstat(f: Frame, ofd: number): number {
  const ops = opsOf(L.ofdKind(ofd));
  if (ops === undefined) return -E.EBADF;
  const out = structRoom(f, 1, STAT_BYTES);
  if (out < 0) return out;
  const r = ops.fstat(f, ofd, f.bytes, out);
  if (r < 0) return r;
  f.setOut(1, STAT_BYTES);
  return 0;
}

/** fcntl(2) commands that the shared code does not know. */
export const extraFcntl = (f: Frame, ofd: number, cmd: number): number => opsOf(L.ofdKind(ofd))?.fcntl?.(f, ofd, cmd) ?? -E.EINVAL;

export function installFileCalls(ep: Endpoint): void {
  const on = (nr: number, h: (f: Frame, ofd: number) => number): void => { ep.handle(nr, onOfd(ep, h)); };
  on(NR.NR_read, (f, ofd) => readInto(f, ofd, planBuffer(f, 1, 2), false));
  on(NR.NR_write, (f, ofd) => writeFrom(f, ofd, planBuffer(f, 1, 2), false));
  on(NR.NR_readv, (f, ofd) => readInto(f, ofd, planIovec(f, 1, 2), false));
  on(NR.NR_writev, (f, ofd) => writeFrom(f, ofd, planIovec(f, 1, 2), false));
  on(NR.NR_preadv2, (f, ofd) => {
    const r = checkV2(f);
    return r < 0 ? r : readInto(f, ofd, planIovec(f, 1, 2), (f.argU32(5) & RWF_NOWAIT) !== 0);
  });
  on(NR.NR_pwritev2, (f, ofd) => {
    const r = checkV2(f);
    return r < 0 ? r : writeFrom(f, ofd, planIovec(f, 1, 2), (f.argU32(5) & RWF_NOWAIT) !== 0);
  });
  on(NR.NR_ioctl, ioctl);
  on(NR.NR_fstat, fstat);
  on(NR.NR_lseek, (f, ofd) => (f.argU32(2) > SEEK_MAX ? -E.EINVAL : opsOf(L.ofdKind(ofd))?.noopSeek === true ? 0 : -E.ESPIPE));
  ep.on(Msg.RELEASE, (m) => { opsOf(m.w[1] as number)?.release(m.w[0] as number, m.w[2] as number); });
}
