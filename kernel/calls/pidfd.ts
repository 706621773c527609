/**
 * pidfds: pidfd_open, pidfd_getfd, and the open file descriptions behind them. A pidfd's OFD has kind PIDFD, obj = the process's pid (0 once it has been reaped), host_fd = a
 * host pidfd, whose own readiness (readable once the process has ended) poll and epoll ask. pidfd_send_signal is answered by signal from obj.
 */
import { E } from '../../shared/errno.js';
import { Cap, credCapable } from '../../shared/creds.js';
import { O_NONBLOCK, fdSeen, installFdCalls } from '../../shared/fdcalls.js';
import { Ofd, fdInstall, fdLookup, nofile, ofdAlloc, ofdFree, ofdRef, ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { TgState, taskByTid, tgByPid } from '../../shared/tasks.js';
import type { Kernel, Proc } from '../proc.js';

const O_RDWR = 2;

/** New pidfd for a process in a task's file table: the fd, or -errno. */
function makePidfd(k: Kernel, tg: number, task: number, child: Proc, flags: number): number {
  const dup = L.tgPidfd(child.tg) >= 0 ? host.dup(L.tgPidfd(child.tg)) : endedFd();
  if (dup < 0) return dup;
  const o = ofdAlloc(L.SRV_KERNEL, Ofd.PIDFD, child.pid, O_RDWR | flags, dup);
  if (o < 0) { host.close(dup); return o; }
  L.setOfdPollable(o, 1);
  child.pidfds.add(o);
  const fd = fdInstall(L.taskFiles(task), o, true, nofile(tg));
  if (fd < 0) { ofdUnref(k.ep, o); return fd; }
  native.hintSet(tg, fd, L.SRV_KERNEL + 1);
  return fd;
}

/** A zombie's host pidfd is gone: something that is always readable stands in. */
function endedFd(): number { return host.eventfd(1, O_NONBLOCK); }

/** CLONE_PIDFD: the parent gets an fd for the new child. A failure here is too late to fail the clone: the number stored is then -1. */
export function pidfdForChild(k: Kernel, tg: number, task: number, child: Proc, addr: number): void {
  const fd = makePidfd(k, tg, task, child, 0);
  host.scratchView.setInt32(host.STRUCT, fd < 0 ? -1 : fd, true);
  native.writeMemory(tg, addr, host.STRUCT, 4);
}

/**
 * pidfd_open(2), as Linux before 6.9, without PIDFD_THREAD. EINVAL (flags, pid <= 0), ENOENT (a thread that is no leader), ESRCH, EMFILE. Source: man-pages 6.9.
 */
function sys_pidfd_open(k: Kernel, f: Frame): number {
  const pid = f.argInt(0);
  const flags = f.argU32(1);
  if ((flags & ~O_NONBLOCK) !== 0 || pid <= 0) return -E.EINVAL;
  const tg = tgByPid(pid);
  if (tg === 0) return taskByTid(pid) !== 0 ? -E.ENOENT : -E.ESRCH;
  return makePidfd(k, f.tg, f.task, k.procOf(tg), flags);
}

/** ptrace's rule for reading another process's things: same ids throughout and dumpable, or CAP_SYS_PTRACE. ptrace(2). */
export function mayAttach(task: number, tg: number): boolean {
  if (L.taskTg(task) === tg) return true;
  const c = L.taskCred(task);
  const t = L.taskCred(L.tgLeader(tg));
  const uid = L.credUid(c);
  const gid = L.credGid(c);
  const same = L.credEuid(t) === uid && L.credSuid(t) === uid && L.credUid(t) === uid && L.credEgid(t) === gid && L.credSgid(t) === gid && L.credGid(t) === gid;
  return (same && L.tgDumpable(tg) === 1) || credCapable(c, Cap.SYS_PTRACE);
}

/** pidfd_getfd(2). EINVAL (flags), EBADF (pidfd, or targetfd there), ESRCH, EPERM, EMFILE. */
function sys_pidfd_getfd(k: Kernel, f: Frame): number {
  if (f.argU32(2) !== 0) return -E.EINVAL;
  const o = pidfdOf(f, f.argInt(0));
  if (o < 0) return o;
  const tg = tgByPid(L.ofdObj(o));
  if (tg === 0 || L.tgState(tg) !== TgState.RUNNING) return -E.ESRCH;
  if (!mayAttach(f.task, tg)) return -E.EPERM;
  const target = fdSeen(L.tgLeader(tg), f.argInt(1));
  if (target < 0) return target;
  ofdRef(target);
  const fd = fdInstall(L.taskFiles(f.task), target, true, nofile(f.tg));
  if (fd < 0) { ofdUnref(k.ep, target); return fd; }
  native.hintSet(f.tg, fd, L.ofdOwner(target) + 1);
  return fd;
}

/** The OFD row of a pidfd, or -EBADF for any other fd. */
export function pidfdOf(f: Frame, fd: number): number {
  const o = fdLookup(L.taskFiles(f.task), fd);
  return o > 0 && L.ofdKind(o) !== Ofd.PIDFD ? -E.EBADF : o;
}

export function installPidfd(k: Kernel): void {
  installFdCalls(k.ep, () => -E.EINVAL);
  k.ep.handle(NR.NR_pidfd_open, (f) => sys_pidfd_open(k, f));
  k.ep.handle(NR.NR_pidfd_getfd, (f) => sys_pidfd_getfd(k, f));
  k.ep.on(Msg.RELEASE, (m) => {
    const o = m.w[0] as number;
    k.byPid.get(L.ofdObj(o))?.pidfds.delete(o);
    host.close(L.ofdHostFd(o));
    ofdFree(o);
  });
}

