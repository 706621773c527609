/**
 * Reading and writing host fds that may be in blocking mode without ever blocking this worker.
 *
 * preadv2/pwritev2 with RWF_NOWAIT does it where the host's file knows it (pipes, sockets). Elsewhere (terminals) the fd is polled first, and at most
 * PIPE_BUF bytes are written, which a descriptor that polls writable takes at once.
 */
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';

const SYS_preadv2 = 327, SYS_pwritev2 = 328;
const RWF_NOWAIT = 8;
const POLLIN = 1, POLLOUT = 4;
/** pipe(7). */
const PIPE_BUF = 4096;
/** struct iovec in scratch, above what other host calls use. */
const IOV = host.STRUCT + 768;

function putIov(off: number, len: number): void {
  const at = native.scratchAddress() + off;
  host.scratchView.setUint32(IOV, at >>> 0, true);
  host.scratchView.setUint32(IOV + 4, Math.floor(at / 4294967296), true);
  host.scratchView.setUint32(IOV + 8, len, true);
  host.scratchView.setUint32(IOV + 12, 0, true);
}

/** Would poll(2) report any of `events` (or an error) now? */
function isReady(fd: number, events: number): boolean {
  host.scratchView.setInt32(host.STRUCT, fd, true);
  host.scratchView.setUint32(host.STRUCT + 4, events, true);
  return host.pollNow(host.STRUCT, 1) > 0;
}

/** Bytes read to scratch at off; -EAGAIN when it would block. */
export function tryRead(fd: number, off: number, len: number): number {
  putIov(off, len);
  const n = native.sys(SYS_preadv2, 0b10, fd, IOV, 1, -1, 0, RWF_NOWAIT);
  if (n !== -E.EOPNOTSUPP) return n;
  return isReady(fd, POLLIN) ? host.read(fd, off, len) : -E.EAGAIN;
}

/** Bytes written from scratch at off; -EAGAIN when it would block. */
export function tryWrite(fd: number, off: number, len: number): number {
  putIov(off, len);
  const n = native.sys(SYS_pwritev2, 0b10, fd, IOV, 1, -1, 0, RWF_NOWAIT);
  if (n !== -E.EOPNOTSUPP) return n;
  return isReady(fd, POLLOUT) ? host.write(fd, off, Math.min(len, PIPE_BUF)) : -E.EAGAIN;
}
