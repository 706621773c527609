/**
 * Calls on descriptors that any server can answer from the shared tables: close, dup, dup2, dup3, close_range and the descriptor
 * commands of fcntl. `installFdCalls` registers them in a server, with the fallback for calls on an fd whose object does not support them.
 *
 * The stub has its part (docs/internals.md §7): it closes a granted host fd before it posts close, and mirrors dup and FD_CLOEXEC after success.
 */
import { E, Ret } from './errno.js';
import type { Endpoint } from './endpoint.js';
import { FD_CLOEXEC, FD_LIMIT, fdFlags, fdInstall, fdLookup, fdRemove, fdReplace, filesClose, nofile, nofileOwed, Ofd, ofdRef, ofdUnref, setFdFlags, SIG_TO_TASK, takeAhead } from './fdtable.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import * as NR from './gen/syscalls.js';
import * as host from './host.js';
import { Msg } from './messages.js';
import { native } from './native.js';
import { pgrpExists, taskByTid, tgByPid } from './tasks.js';

export const O_CLOEXEC = 0o2000000;
export const O_NONBLOCK = 0o4000;
export const O_APPEND = 0o2000;
export const O_ASYNC = 0o20000;
const INT_MIN = -0x80000000;
const O_DIRECT = 0o40000;
const O_NOATIME = 0o1000000;
/** What F_SETFL changes besides O_ASYNC. */
const SETFL_MASK = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
const O_PATH = 0o10000000;

const F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_SETOWN = 8, F_GETOWN = 9, F_SETSIG = 10, F_GETSIG = 11, F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ = 1031, F_GETPIPE_SZ = 1032;
const F_SETOWN_EX = 15, F_GETOWN_EX = 16, F_OWNER_TID = 0, F_OWNER_PID = 1, F_OWNER_PGRP = 2;

/** Close-on-exec, in a word of slot.owed: of a duplicate, of an open. */
const OWED_CLOEXEC = 1 << 24, OWED_OPEN_CLOEXEC = 1 << 28;

const isPipe = (kind: Ofd): boolean => kind === Ofd.PIPE_R || kind === Ofd.PIPE_W || kind === Ofd.FIFO;

/** Files of the calling task. */
export const filesOf = (f: Frame): number => L.taskFiles(f.task);

/**
 * The OFD of fd when this server owns it: its row (> 0); -EBADF; or Ret.NO_RETURN after forwarding the request to the owner, which the
 * handler passes on: `if (o < 0) return o`.
 */
export function ownOfd(ep: Endpoint, f: Frame, fd: number): number {
  const o = fdLookup(filesOf(f), fd);
  if (o < 0) return o;
  const owner = L.ofdOwner(o);
  return owner === ep.srv ? o : ep.forward(f, owner);
}

/** The hint of a duplicate: like the original when the stub will duplicate the host fd too. */
function copyHint(f: Frame, from: number, to: number): void {
  const h = native.hintGet(f.tg, from);
  native.hintSet(f.tg, to, to < L.metaFdrBase(1) ? h : h & L.HINT_OWNER);
}

/**
 * The server that has to close fd because it holds the last reference of that server's object, -1 = any may. The owner lets go of the object before the
 * guest gets its answer, so that the other end of a pipe sees the end of file by then.
 */
function lastElsewhere(ep: Endpoint, f: Frame, fd: number): number {
  const o = fdLookup(filesOf(f), fd);
  return o > 0 && L.ofdOwner(o) !== ep.srv && L.ofdRef(o) === 1 ? L.ofdOwner(o) : -1;
}

/** close(2). EBADF. */
function sys_close(ep: Endpoint, f: Frame): number {
  const fd = f.argInt(0);
  const elsewhere = lastElsewhere(ep, f, fd);
  if (elsewhere >= 0) return ep.forward(f, elsewhere);
  const o = fdRemove(filesOf(f), fd, f.tg);
  if (o < 0) return o;
  closeHook(f, o);
  ofdUnref(ep, o);
  return 0;
}

/** Called before an fd's OFD loses this reference (vfs drops POSIX locks). */
let closeHook: (f: Frame, ofd: number) => void = () => undefined;
export function setCloseHook(h: (f: Frame, ofd: number) => void): void { closeHook = h; }

/** dup(2). EBADF, EMFILE. */
function sys_dup(f: Frame): number { return dupAtLeast(f, f.argInt(0), 0, false); }

function dupAtLeast(f: Frame, old: number, min: number, cloexec: boolean): number {
  const files = filesOf(f);
  const o = fdLookup(files, old);
  if (o < 0) return o;
  const limit = nofile(f.tg);
  if (min < 0 || min >= limit) return -E.EINVAL;
  ofdRef(o);
  const fd = fdInstall(files, o, cloexec, limit, min);
  if (fd < 0) { Atomics.sub(L.ofdI32(), L.OFD_REF_AT(o), 1); return fd; }
  copyHint(f, old, fd);
  return fd;
}

/** dup2(2), dup3(2). EBADF; dup3: EINVAL when old == new or for unknown flags. */
function dupTo(ep: Endpoint, f: Frame, old: number, fd: number, cloexec: boolean): number {
  const files = filesOf(f);
  const o = fdLookup(files, old);
  if (o < 0) return o;
  const limit = nofile(f.tg);
  if (fd < 0 || fd >= limit) return -E.EBADF;
  const elsewhere = lastElsewhere(ep, f, fd);
  if (elsewhere >= 0) return ep.forward(f, elsewhere);
  ofdRef(o);
  const was = fdReplace(files, fd, o, cloexec, limit);
  if (was < 0) { Atomics.sub(L.ofdI32(), L.OFD_REF_AT(o), 1); return was; }
  copyHint(f, old, fd);
  if (was > 0) { closeHook(f, was); ofdUnref(ep, was); }
  return fd;
}

function sys_dup2(ep: Endpoint, f: Frame): number {
  const old = f.argInt(0);
  const fd = f.argInt(1);
  if (old !== fd) return dupTo(ep, f, old, fd, false);
  const o = fdLookup(filesOf(f), old);
  return o < 0 ? o : fd;
}

function sys_dup3(ep: Endpoint, f: Frame): number {
  const flags = f.argInt(2);
  if ((flags & ~O_CLOEXEC) !== 0 || f.argInt(0) === f.argInt(1)) return -E.EINVAL;
  return dupTo(ep, f, f.argInt(0), f.argInt(1), flags !== 0);
}

/** close_range(2). Flags CLOSE_RANGE_UNSHARE (2) and CLOSE_RANGE_CLOEXEC (4); EINVAL. UNSHARE acts as close: no table is shared across thread groups unless CLONE_FILES was asked for. */
function sys_close_range(ep: Endpoint, f: Frame): number {
  const first = f.argU32(0);
  const last = f.argU32(1);
  const flags = f.argU32(2);
  if ((flags & ~6) !== 0 || first > last) return -E.EINVAL;
  const files = filesOf(f);
  const end = Math.min(last, FD_LIMIT - 1, L.filesTop(files) - 1);
  for (let fd = first; fd <= end; fd++) {
    const o = fdLookup(files, fd);
    if (o < 0) continue;
    if ((flags & 4) !== 0) { setFdFlags(files, fd, fdFlags(files, fd) | FD_CLOEXEC); continue; }
    if (fdRemove(files, fd, f.tg) < 0) continue;
    closeHook(f, o);
    ofdUnref(ep, o);
  }
  return 0;
}

/**
 * A change that the stub has made on its own account (native/stub/fds.c, slot.owed). The guest could have written any word: it concerns its own table only,
 * within its limits, and is done as a close or a dup2 would be, but for the hints: those have been changed by the stub, for all words, before the first of them is done here.
 */
function doOwed(ep: Endpoint, f: Frame, word: number): void {
  const files = filesOf(f);
  const fd = word & 0xfff, to = (word >>> 12) & 0xfff;
  if (word >>> L.OWED_OP === L.OWED_CLOSE) {
    // The stub has changed the hint.
    const o = fdRemove(files, fd, 0);
    if (o < 0) return;
    ofdUnref(ep, o);
  } else if (word >>> L.OWED_OP === L.OWED_DUP) {
    const o = fdLookup(files, fd);
    if (o < 0) return;
    ofdRef(o);
    const was = fdReplace(files, to, o, (word & OWED_CLOEXEC) !== 0, nofileOwed(f.tg));
    if (was < 0) { Atomics.sub(L.ofdI32(), L.OFD_REF_AT(o), 1); return; }
    if (was > 0) ofdUnref(ep, was);
  } else if (word >>> L.OWED_OP === L.OWED_OPEN) {
    openOwed(ep, f, fd, word >>> 12 & 0xffff, (word & OWED_OPEN_CLOEXEC) !== 0);
  } else if (word >>> L.OWED_OP === L.OWED_LISTED) {
    const o = fdLookup(files, fd);
    if (o > 0 && L.ofdKind(o) === Ofd.DIR) L.setOfdListed(o, 1);
  }
}

/** An open that vfs made ahead, which the process has answered itself, or does not need. */
function openOwed(ep: Endpoint, f: Frame, fd: number, row: number, cloexec: boolean): void {
  const needed = fd !== L.OWED_NOBODY;
  if (!takeAhead(row, L.tgTgid(f.tg), needed ? 0 : -1)) return;
  // Nobody waits for the end of what was never open.
  if (!needed) { ep.later(() => { ofdUnref(ep, row); }); return; }
  const was = fdReplace(filesOf(f), fd, row, cloexec, nofileOwed(f.tg));
  if (was !== 0) ofdUnref(ep, was > 0 ? was : row);
}

/**
 * What fd `fd` of another process's task leads to, with what its stub has yet to tell: OFD row, or -EBADF. For /proc and pidfd_getfd(2).
 */
export function fdSeen(task: number, fd: number): number {
  const files = L.taskFiles(task), slot = L.taskSlot(task);
  if (native.slotLoad(slot, L.SLOT_OWED) === 0) return fdLookup(files, fd);
  let at = fd;
  // Backwards: the last word about a number decides; a duplicate is what its original was then.
  for (let i = L.OWED_MAX - 1; i >= 0; i--) {
    const word = native.slotLoad(slot, L.SLOT_OWED + 4 * i) >>> 0;
    if (word >>> L.OWED_OP === L.OWED_CLOSE && (word & 0xfff) === at) return -E.EBADF;
    if (word >>> L.OWED_OP === L.OWED_DUP && ((word >>> 12) & 0xfff) === at) at = word & 0xfff;
    if (word >>> L.OWED_OP === L.OWED_OPEN && (word & 0xfff) === at) return aheadRow(word >>> 12 & 0xffff, L.tgTgid(L.taskTg(task)));
  }
  return fdLookup(files, at);
}

const aheadRow = (row: number, tgid: number): number => row > 0 && row < L.OFD_ROWS && L.ofdAhead(row) === tgid ? row : -E.EBADF;

/** What has events to tell of; on all else F_SETFL leaves O_ASYNC unset, as Linux does. */
const ASYNC_KINDS: ReadonlySet<number> = new Set([Ofd.PIPE_R, Ofd.PIPE_W, Ofd.FIFO, Ofd.SOCKET, Ofd.TTY, Ofd.STDIO, Ofd.INOTIFY]);

/** ipc's own way to hear of O_ASYNC: it need not tell itself by message. */
let asyncHook: ((o: number, fd: number, on: boolean) => void) | undefined;
export function setAsyncHook(h: (o: number, fd: number, on: boolean) => void): void { asyncHook = h; }

/** Set or clear O_ASYNC of an OFD that `fd` leads to. 0, or Ret.NO_RETURN: the answer comes when ipc watches, so that nothing that happens after it is missed. */
export function setAsync(ep: Endpoint, f: Frame, o: number, fd: number, on: boolean): number {
  if (!ASYNC_KINDS.has(L.ofdKind(o))) return 0;
  const old = on ? Atomics.or(L.ofdI32(), L.OFD_FLAGS_AT(o), O_ASYNC) : Atomics.and(L.ofdI32(), L.OFD_FLAGS_AT(o), ~O_ASYNC);
  if (((old & O_ASYNC) !== 0) === on) return 0;
  if (asyncHook !== undefined) { asyncHook(o, fd, on); return 0; }
  ep.send(L.SRV_IPC, Msg.ASYNC, [o, fd, on ? 1 : 0]);
  ep.fence(1 << L.SRV_IPC, () => { ep.finish(f, 0); });
  return Ret.NO_RETURN;
}

/** Whom SIGIO goes to: `who` as fcntl(F_SETOWN) has it, a task with `tid`. 0; -EINVAL, -ESRCH: there is nobody of that number. */
export function setOwner(f: Frame, o: number, who: number, tid = false): number {
  if (who === INT_MIN) return -E.EINVAL;
  if (who > 0 && tgByPid(who) === 0 && taskByTid(who) === 0 && !pgrpExists(who)) return -E.ESRCH;
  if (who < 0 && !pgrpExists(-who)) return -E.ESRCH;
  const cred = L.taskCred(f.task);
  L.setOfdSigUid(o, L.credUid(cred));
  L.setOfdSigEuid(o, L.credEuid(cred));
  L.setOfdSig(o, (L.ofdSig(o) & ~SIG_TO_TASK) | (tid ? SIG_TO_TASK : 0));
  L.setOfdSigOwner(o, who);
  return 0;
}

/** F_SETFL: the settable status flags, on the host fd too, because granted reads use it directly. */
function setStatusFlags(o: number, arg: number): number {
  const old = L.ofdFlags(o);
  const next = (old & ~SETFL_MASK) | (arg & SETFL_MASK);
  L.setOfdFlags(o, next);
  const hostFd = L.ofdHostFd(o);
  // A host fd that is never granted may have flags of the server's own (timerfd is always non-blocking).
  if (hostFd >= 0 && L.ofdGrantable(o) !== 0) {
    const r = host.fcntl(hostFd, F_SETFL, next & (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME));
    if (r < 0) { L.setOfdFlags(o, old); return r; }
  }
  return 0;
}

/** F_SETOWN_EX: struct f_owner_ex {int type; pid_t pid}. -EFAULT, -EINVAL (type). */
function setOwnerEx(f: Frame, o: number): number {
  const r = f.copyIn(f.argU64(2), host.STRUCT, 8);
  if (r < 0) return r;
  const type = host.scratchView.getInt32(host.STRUCT, true);
  const pid = host.scratchView.getInt32(host.STRUCT + 4, true);
  if (type < F_OWNER_TID || type > F_OWNER_PGRP) return -E.EINVAL;
  return setOwner(f, o, type === F_OWNER_PGRP ? -pid : pid, type === F_OWNER_TID);
}

/** F_GETOWN_EX, which glibc uses for F_GETOWN too. -EFAULT. */
function ownerEx(f: Frame, o: number): number {
  const owner = L.ofdSigOwner(o);
  host.scratchView.setInt32(host.STRUCT, owner < 0 ? F_OWNER_PGRP : (L.ofdSig(o) & SIG_TO_TASK) !== 0 ? F_OWNER_TID : F_OWNER_PID, true);
  host.scratchView.setInt32(host.STRUCT + 4, Math.abs(owner), true);
  const r = f.copyOut(f.argU64(2), host.STRUCT, 8);
  return r < 0 ? r : 0;
}

/** fcntl(2), commands on descriptors and status flags; the rest belongs to the object's owner (`extra`). */
function sys_fcntl(ep: Endpoint, f: Frame, extra: (f: Frame, ofd: number, cmd: number) => number): number {
  const files = filesOf(f);
  const fd = f.argInt(0);
  const cmd = f.argInt(1);
  const o = fdLookup(files, fd);
  if (o < 0) return o;
  switch (cmd) {
    case F_DUPFD: return dupAtLeast(f, fd, f.argInt(2), false);
    case F_DUPFD_CLOEXEC: return dupAtLeast(f, fd, f.argInt(2), true);
    case F_GETFD: return fdFlags(files, fd) & FD_CLOEXEC;
    case F_SETFD: setFdFlags(files, fd, f.argInt(2) & FD_CLOEXEC); return 0;
    case F_GETFL: return L.ofdFlags(o);
    default: break;
  }
  if ((L.ofdFlags(o) & O_PATH) !== 0) return -E.EBADF;
  switch (cmd) {
    case F_SETFL: {
      const r = setStatusFlags(o, f.argInt(2));
      return r < 0 ? r : setAsync(ep, f, o, fd, (f.argInt(2) & O_ASYNC) !== 0);
    }
    case F_SETOWN: return setOwner(f, o, f.argInt(2));
    case F_GETOWN: return L.ofdSigOwner(o);
    case F_SETOWN_EX: return setOwnerEx(f, o);
    case F_GETOWN_EX: return ownerEx(f, o);
    case F_SETSIG: if (f.argInt(2) < 0 || f.argInt(2) > 64) return -E.EINVAL; L.setOfdSig(o, (L.ofdSig(o) & SIG_TO_TASK) | f.argInt(2)); return 0;
    case F_GETSIG: return L.ofdSig(o) & ~SIG_TO_TASK;
    default: break;
  }
  if ((cmd === F_SETPIPE_SZ || cmd === F_GETPIPE_SZ) && !isPipe(L.ofdKind(o))) return -E.EBADF;
  if (L.ofdOwner(o) !== ep.srv) return ep.forward(f, L.ofdOwner(o));
  return extra(f, o, cmd);
}

/** What Linux answers when an fd's object has no such operation. */
const WRONG_KIND: ReadonlyMap<number, number> = new Map([
  [NR.NR_getdents64, E.ENOTDIR], [NR.NR_getdents, E.ENOTDIR], [NR.NR_fchdir, E.ENOTDIR], [NR.NR_lseek, E.ESPIPE], [NR.NR_pread64, E.ESPIPE], [NR.NR_pwrite64, E.ESPIPE],
  [NR.NR_preadv, E.ESPIPE], [NR.NR_pwritev, E.ESPIPE], [NR.NR_ftruncate, E.EINVAL], [NR.NR_fsync, E.EINVAL], [NR.NR_fdatasync, E.EINVAL], [NR.NR_fallocate, E.ESPIPE],
  [NR.NR_fadvise64, E.ESPIPE], [NR.NR_ioctl, E.ENOTTY], [NR.NR_mmap, E.ENODEV], [NR.NR_read, E.EINVAL], [NR.NR_write, E.EINVAL], [NR.NR_readv, E.EINVAL], [NR.NR_writev, E.EINVAL],
  [NR.NR_socket, E.EINVAL], [NR.NR_sendto, E.ENOTSOCK], [NR.NR_recvfrom, E.ENOTSOCK], [NR.NR_sendmsg, E.ENOTSOCK], [NR.NR_recvmsg, E.ENOTSOCK], [NR.NR_bind, E.ENOTSOCK],
  [NR.NR_connect, E.ENOTSOCK], [NR.NR_listen, E.ENOTSOCK], [NR.NR_accept, E.ENOTSOCK], [NR.NR_accept4, E.ENOTSOCK], [NR.NR_shutdown, E.ENOTSOCK], [NR.NR_getsockname, E.ENOTSOCK],
  [NR.NR_getpeername, E.ENOTSOCK], [NR.NR_setsockopt, E.ENOTSOCK], [NR.NR_getsockopt, E.ENOTSOCK], [NR.NR_sendmmsg, E.ENOTSOCK], [NR.NR_recvmmsg, E.ENOTSOCK],
  [NR.NR_epoll_ctl, E.EINVAL], [NR.NR_epoll_wait, E.EINVAL], [NR.NR_epoll_pwait, E.EINVAL], [NR.NR_timerfd_settime, E.EINVAL], [NR.NR_timerfd_gettime, E.EINVAL], [NR.NR_sync_file_range, E.ESPIPE],
  [NR.NR_readahead, E.EINVAL], [NR.NR_flock, E.EINVAL], [NR.NR_pidfd_send_signal, E.EBADF], [NR.NR_copy_file_range, E.EINVAL], [NR.NR_sendfile, E.EINVAL],
]);

/** Calls about the attributes of whatever an fd leads to: vfs answers them for all servers' objects, and never sends them on. */
const ATTRIBUTES: ReadonlySet<number> = new Set([
  NR.NR_fstat, NR.NR_fchmod, NR.NR_fchown, NR.NR_fstatfs, NR.NR_fsetxattr, NR.NR_fgetxattr, NR.NR_flistxattr, NR.NR_fremovexattr,
]);

const CF_KNOWN = 1;
const CF_BYFD = 2;

/**
 * Register the descriptor calls in a server.
 * extra: fcntl commands that concern this server's objects (locks, pipe size, seals); returns a result or -EINVAL.
 */
export function installFdCalls(ep: Endpoint, extra: (f: Frame, ofd: number, cmd: number) => number): void {
  ep.onOwed = (f, word) => { doOwed(ep, f, word); };
  ep.handle(NR.NR_close, (f) => sys_close(ep, f));
  ep.handle(NR.NR_dup, sys_dup);
  ep.handle(NR.NR_dup2, (f) => sys_dup2(ep, f));
  ep.handle(NR.NR_dup3, (f) => sys_dup3(ep, f));
  ep.handle(NR.NR_close_range, (f) => sys_close_range(ep, f));
  ep.handle(NR.NR_fcntl, (f) => sys_fcntl(ep, f, extra));
  ep.fallback = (f) => wrongKind(ep, f);
}

/** exec: close what is marked close-on-exec. The host has closed its copies itself. */
export function closeOnExec(ep: Endpoint, files: number, tg: number): void {
  filesClose(ep, files, tg, (flags) => (flags & FD_CLOEXEC) !== 0);
}

function wrongKind(ep: Endpoint, f: Frame): number {
  // mmap names its fd in the fifth argument. A call that nobody answers is not there whatever its fd is.
  const flags = NR.SYSCALL_FLAGS[f.nr] ?? 0;
  const known = f.nr === NR.NR_mmap || (flags & CF_BYFD) !== 0 && (flags & CF_KNOWN) !== 0;
  if (known) {
    const fd = f.nr === NR.NR_mmap ? f.argInt(4) : f.argInt(0);
    const o = fdLookup(filesOf(f), fd);
    if (o < 0) return o;
    if (ATTRIBUTES.has(f.nr) && ep.srv !== L.SRV_VFS) return ep.forward(f, L.SRV_VFS);
    if (L.ofdOwner(o) !== ep.srv) return ep.forward(f, L.ofdOwner(o));
    if ((L.ofdFlags(o) & O_PATH) !== 0) return -E.EBADF;
    if (f.nr === NR.NR_lseek && f.argU32(2) > 4) return -E.EINVAL;
    const e = WRONG_KIND.get(f.nr);
    if (e !== undefined) return -e;
  }
  Atomics.add(L.metaI32(), L.META_ENOSYS_AT(1), 1);
  return -E.ENOSYS;
}
