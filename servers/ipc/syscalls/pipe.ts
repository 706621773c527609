/** pipe(2), pipe2(2). */
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdInstall, fdRemove, nofile, Ofd, ofdUnref } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { grantFds } from '../../../shared/grant.js';
import * as host from '../../../shared/host.js';
import { structRoom } from '../../../shared/iobuf.js';
import { O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi.js';
import type { Pipes } from '../pipe.js';

/**
 * pipe2(2) - create a pipe.
 *
 *   int pipe2(int pipefd[2], int flags);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  unknown flags
 *   -ENOPKG  O_NOTIFICATION_PIPE (= O_EXCL), as a kernel without CONFIG_WATCH_QUEUE says
 *   -ENFILE  too many pipes; -EMFILE too many fds
 *   -EFAULT  pipefd is NULL; no fd is left open
 * Source: man-pages 6.9 pipe(2). Deviations: a pipefd that faults otherwise is found by the stub after the fact; the fds stay open.
 */
function pipe2(ep: Endpoint, pipes: Pipes, f: Frame, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL)) !== 0) return -E.EINVAL;
  if ((flags & O_EXCL) !== 0) return -E.ENOPKG;
  let r = host.pipe2(flags & (O_NONBLOCK | O_DIRECT));
  if (r < 0) return r;
  const hostR = host.scratchView.getInt32(host.STRUCT, true);
  const hostW = host.scratchView.getInt32(host.STRUCT + 4, true);
  const cred = L.taskCred(f.task);
  const uid = L.credFsuid(cred);
  const gid = L.credFsgid(cred);
  const ofdR = pipes.adopt(Ofd.PIPE_R, hostR, O_RDONLY | (flags & O_NONBLOCK), uid, gid);
  if (ofdR < 0) { host.close(hostW); return ofdR; }
  const ofdW = pipes.adopt(Ofd.PIPE_W, hostW, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), uid, gid);
  if (ofdW < 0) { ofdUnref(ep, ofdR); return ofdW; }

  const files = filesOf(f);
  const limit = nofile(f.tg);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const fdR = fdInstall(files, ofdR, cloexec, limit);
  if (fdR < 0) { ofdUnref(ep, ofdR); ofdUnref(ep, ofdW); return fdR; }
  const fdW = fdInstall(files, ofdW, cloexec, limit);
  const out = structRoom(f, 0, 8);
  r = fdW < 0 ? fdW : out;
  if (r < 0) {
    fdRemove(files, fdR, 0);
    ofdUnref(ep, ofdR);
    if (fdW >= 0) fdRemove(files, fdW, 0);
    ofdUnref(ep, ofdW);
    return r;
  }
  f.bytes.writeInt32LE(fdR, out);
  f.bytes.writeInt32LE(fdW, out + 4);
  f.setOut(0, 8);
  grantFds(f, [fdR, fdW], [ofdR, ofdW], cloexec);
  return 0;
}

export function installPipeCalls(ep: Endpoint, pipes: Pipes): void {
  ep.handle(NR.NR_pipe, (f) => pipe2(ep, pipes, f, 0));
  ep.handle(NR.NR_pipe2, (f) => pipe2(ep, pipes, f, f.argInt(1)));
}
