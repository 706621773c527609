/**
 * read(2), write(2), pread64, pwrite64, readv, writev, preadv, pwritev, preadv2, pwritev2.
 *
 * Regular files move whole requests, in pieces of scratch size; everything else does one read or write per call, because it may park.
 * A file that is used again and again is granted (open-file.ts), after which these handlers see no more of it.
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { onOfd } from '../../../shared/held.js';
import { DATA } from '../../../shared/host.js';
import { gather, IO_MAX, planBuffer, planIovec, scatter } from '../../../shared/iobuf.js';
import { Msg } from '../../../shared/messages.js';
import { Why } from '../../../shared/wait.js';
import { CAP_FSETID, hasCap, killPriv } from '../dac.js';
import { type File, fileOf, O_APPEND, vfsEndpoint } from '../file.js';
import { readClock } from '../host/times.js';
import { S_ISGID, S_ISUID } from '../inode.js';
import { IN_ACCESS, IN_MODIFY, tellMoved } from '../inotify/watch.js';
import { countUse } from '../open-file.js';
import { callerOf } from './args.js';

const SEEK_CUR = 1, SEEK_END = 2;
const RLIMIT_FSIZE = 1, SIGXFSZ = 25;
/** RWF_* of preadv2(2): HIPRI, DSYNC, SYNC, NOWAIT, APPEND, NOAPPEND. What is known; the rest is EOPNOTSUPP. */
const RWF_APPEND = 0x10, RWF_KNOWN = 0x3f;
/** A whole piece of scratch. */
const PIECE = 1 << 20;

/** Uses that a positioned read stands for: such reads come in numbers, and loaders map the file after them. */
const POSITIONED = 2;

/** Is it a file whose reads and writes never wait and go to the end? */
const isPlain = (file: File): boolean => file.hostFd >= 0 && file.inode.isReg;

/** A signal ends the wait. Terminals answer for themselves: part of the request may be done. */
const interrupted = (f: Frame, file: File): boolean => f.why === Why.SIGNAL && file.kind !== Ofd.TTY;

/** Of n bytes read, r (or none: -EFAULT) reached the guest; what did not is there to be read again. Returns r. */
function took(file: File, pos: number, n: number, r: number): number {
  if (r < n && pos < 0 && file.seekable) file.seek(Math.max(r, 0) - n, SEEK_CUR);
  return r;
}

/** Read `len` planned bytes. single: argument of the one buffer, -1 for an iovec. */
function doRead(f: Frame, file: File, len: number, pos: number, single: number): number {
  if (!file.readable) return -E.EBADF;
  if (file.inode.isDir) return -E.EISDIR;
  if (interrupted(f, file)) return -E.ERESTARTSYS;
  if (len === 0) return 0;
  if (!isPlain(file) || len <= PIECE || single < 0) {
    const n = file.read(f, DATA, Math.min(len, IO_MAX), pos);
    return n <= 0 ? n : took(file, pos, n, scatter(f, n));
  }
  // A large buffer is elsewhere in the guest's memory.
  let done = 0;
  while (done < len) {
    const want = Math.min(PIECE, len - done);
    const n = file.read(f, DATA, want, pos < 0 ? pos : pos + done);
    if (n < 0) return done > 0 ? done : n;
    if (n === 0) break;
    const r = took(file, pos, n, f.copyOut(f.argU64(single) + done, DATA, n));
    if (r < 0) return done > 0 ? done : r;
    done += n;
    if (n < want) break;
  }
  return done;
}

/** RLIMIT_FSIZE: how much of a write at `at` is allowed; -EFBIG (with SIGXFSZ) when nothing. */
function limitWrite(f: Frame, file: File, len: number, pos: number): number {
  const limit = L.tgRlimCur(f.tg, RLIMIT_FSIZE);
  if (limit >= Number.MAX_SAFE_INTEGER || !file.inode.isReg) return len;
  let at = pos;
  if ((file.flags & O_APPEND) !== 0) { file.inode.refresh(); at = file.inode.size; } else if (pos < 0) at = file.seek(0, SEEK_CUR);
  if (at >= limit) {
    vfsEndpoint().send(L.SRV_SIGNAL, Msg.SIG_TASK, [f.task, SIGXFSZ, 0, L.tgTgid(f.tg), 0]);
    f.setReplyFlag(L.RF_SIGNAL);
    return -E.EFBIG;
  }
  return Math.min(len, limit - at);
}

/** Writing takes the set-id bits off a file, unless the writer is privileged. inode(7). */
function stripSetId(f: Frame, file: File): void {
  const inode = file.inode;
  if ((inode.mode & (S_ISUID | S_ISGID)) === 0 || !inode.isReg) return;
  const c = callerOf(f);
  if (hasCap(c.cred, CAP_FSETID)) return;
  const mode = killPriv(inode.mode);
  const t = readClock();
  if (mode !== inode.mode) inode.setattr(c, { mode, ctime: t.sec, ctimeNsec: t.nsec });
}

function putBytes(f: Frame, file: File, len: number, pos: number): number {
  if (!file.writable) return -E.EBADF;
  if (interrupted(f, file)) return -E.ERESTARTSYS;
  // Devices hear of empty writes too: /dev/full refuses even those.
  if (len === 0) return file.kind === Ofd.DEVICE ? file.write(f, DATA, 0, pos) : 0;
  const most = limitWrite(f, file, len, pos);
  if (most < 0) return most;
  stripSetId(f, file);
  const plain = isPlain(file);
  let done = 0;
  while (done < most) {
    const got = gather(f, done, plain ? Math.min(PIECE, most - done) : most);
    if (got < 0) return done > 0 ? done : got;
    if (got === 0) break;
    const n = file.write(f, DATA, got, pos < 0 ? pos : pos + done);
    if (n < 0) return done > 0 ? done : n;
    done += n;
    if (!plain || n < got) break;
  }
  return done;
}

/** Write `len` planned bytes. */
const doWrite = (f: Frame, file: File, len: number, pos: number): number => tellMoved(file, putBytes(f, file, len, pos), IN_MODIFY);

function withFile(ep: Endpoint, h: (f: Frame, file: File) => number, weight = 1): (f: Frame) => number {
  return onOfd(ep, (f, ofd) => {
    const file = fileOf(ofd);
    if (file === undefined) return -E.EBADF;
    const r = h(f, file);
    if (r >= 0) countUse(f, f.argInt(0), file, weight);
    return r;
  });
}

/** Checks of the positional calls. 0 or -errno. */
function checkPos(file: File, pos: number): number {
  if (pos < 0) return -E.EINVAL;
  return file.seekable ? 0 : -E.ESPIPE;
}

function readAt(f: Frame, file: File, pos: number, plan: number, single: number): number {
  if (!file.readable) return -E.EBADF;
  return plan < 0 ? plan : tellMoved(file, doRead(f, file, plan, pos, single), IN_ACCESS);
}

/** preadv2, pwritev2: -1 means the file's own offset; flags are checked before anything moves. */
function flagsV2(f: Frame): number { return (f.argU32(5) & ~RWF_KNOWN) !== 0 ? -E.EOPNOTSUPP : 0; }

function sys_preadv2(f: Frame, file: File): number {
  const pos = f.argOff(3);
  const r = flagsV2(f);
  if (r < 0) return r;
  if ((f.argU32(5) & RWF_APPEND) !== 0) return -E.EOPNOTSUPP;
  if (pos !== -1) { const p = checkPos(file, pos); if (p < 0) return p; }
  return readAt(f, file, pos === -1 ? -1 : pos, planIovec(f, 1, 2), -1);
}

function sys_pwritev2(f: Frame, file: File): number {
  let pos = f.argOff(3);
  const r = flagsV2(f);
  if (r < 0) return r;
  if (pos !== -1) { const p = checkPos(file, pos); if (p < 0) return p; }
  const n = planIovec(f, 1, 2);
  if (n < 0) return n;
  if ((f.argU32(5) & RWF_APPEND) !== 0 && file.inode.isReg) {
    if (pos === -1) file.seek(0, SEEK_END);
    else { file.inode.refresh(); pos = file.inode.size; }
  }
  return doWrite(f, file, n, pos);
}

export function installRw(ep: Endpoint): void {
  ep.handle(NR.NR_read, withFile(ep, (f, file) => readAt(f, file, -1, planBuffer(f, 1, 2), 1)));
  ep.handle(NR.NR_pread64, withFile(ep, (f, file) => {
    const pos = f.argOff(3), p = checkPos(file, pos);
    return p < 0 ? p : readAt(f, file, pos, planBuffer(f, 1, 2), 1);
  }, POSITIONED));
  ep.handle(NR.NR_readv, withFile(ep, (f, file) => readAt(f, file, -1, planIovec(f, 1, 2), -1)));
  ep.handle(NR.NR_preadv, withFile(ep, (f, file) => {
    const pos = f.argOff(3), p = checkPos(file, pos);
    return p < 0 ? p : readAt(f, file, pos, planIovec(f, 1, 2), -1);
  }));
  ep.handle(NR.NR_preadv2, withFile(ep, sys_preadv2));
  const write = (f: Frame, file: File, n: number, pos: number): number => (!file.writable ? -E.EBADF : n < 0 ? n : doWrite(f, file, n, pos));
  ep.handle(NR.NR_write, withFile(ep, (f, file) => write(f, file, planBuffer(f, 1, 2), -1)));
  ep.handle(NR.NR_pwrite64, withFile(ep, (f, file) => {
    const pos = f.argOff(3), p = checkPos(file, pos);
    return p < 0 ? p : write(f, file, planBuffer(f, 1, 2), pos);
  }));
  ep.handle(NR.NR_writev, withFile(ep, (f, file) => write(f, file, planIovec(f, 1, 2), -1)));
  ep.handle(NR.NR_pwritev, withFile(ep, (f, file) => {
    const pos = f.argOff(3), p = checkPos(file, pos);
    return p < 0 ? p : write(f, file, planIovec(f, 1, 2), pos);
  }));
  ep.handle(NR.NR_pwritev2, withFile(ep, sys_pwritev2));
}
