/**
 * open(2) of a FIFO. The name and the permission are ours, the pipe is ipc's:
 *
 *   vfs ── PEER_CALL [slot, 1, inode key, flags, task] ──► ipc      waits for the other end if it must, makes the OFD
 *   vfs ◄── PEER_REPLY [slot, ofd row or -errno] ───────── ipc
 *   vfs ── PEER_CALL [slot, 2, inode key] ───────────────► ipc      the opener was interrupted or died
 *
 * The request stays parked here meanwhile, on no queue: the reply wakes it. The path is held, so that the walk is not done twice.
 */
import { E, Ret } from '../../shared/errno.js';
import { ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { type Message } from '../../shared/rings.js';
import { Msg } from '../../shared/messages.js';
import { grantFds } from '../../shared/grant.js';
import { Why } from '../../shared/wait.js';
import { pathGet, pathPut } from './dcache.js';
import { vfsEndpoint } from './file.js';
import { rememberFifo } from './foreign.js';
import type { Path } from './inode.js';
import { IN_OPEN, tellDentry } from './inotify/watch.js';
import { installOfd } from './open-file.js';

const FIFO_OPEN = 1, FIFO_CANCEL = 2;

/** Progress of a parked open; lives in frame.obj. */
class FifoOpen {
  reply: number | undefined = undefined;
  constructor(readonly path: Path, readonly flags: number, readonly cloexec: boolean) {}
}

/** Start opening. Returns Ret.BLOCKED; the open handlers call `fifoResume` first when they are dispatched again. */
export function fifoOpen(f: Frame, path: Path, flags: number, cloexec: boolean): number {
  path.inode.pin();
  pathGet(path);
  f.obj = new FifoOpen(path, flags, cloexec);
  vfsEndpoint().send(L.SRV_IPC, Msg.PEER_CALL, [f.slot, FIFO_OPEN, path.inode.key, flags, f.task]);
  return Ret.BLOCKED;
}

export const isFifoOpen = (f: Frame): boolean => f.obj instanceof FifoOpen;

/** The parked open was dispatched again: the reply is there, or a signal. */
export function fifoResume(f: Frame): number {
  const w = f.obj as FifoOpen;
  if (w.reply === undefined) {
    if (f.why !== Why.SIGNAL) return Ret.BLOCKED;
    fifoCancel(f);
    return -E.ERESTARTSYS;
  }
  f.obj = undefined;
  pathPut(w.path);
  if (w.reply < 0) return w.reply;
  rememberFifo(w.reply, w.path);
  const fd = installOfd(f, w.reply, w.cloexec);
  if (fd >= 0) {
    tellDentry(w.path.dentry, IN_OPEN);
    grantFds(f, [fd], [w.reply], w.cloexec);
  }
  return fd;
}

/** The opener gives up or is gone. */
export function fifoCancel(f: Frame): void {
  if (!(f.obj instanceof FifoOpen)) return;
  const w = f.obj;
  f.obj = undefined;
  if (w.reply !== undefined) {
    if (w.reply > 0) ofdUnref(vfsEndpoint(), w.reply);
  } else {
    vfsEndpoint().send(L.SRV_IPC, Msg.PEER_CALL, [f.slot, FIFO_CANCEL, w.path.inode.key]);
  }
  pathPut(w.path);
}

/** PEER_REPLY from ipc. Nobody waits any more: the OFD goes again. */
export function fifoReply(m: Message): void {
  const f = vfsEndpoint().parkedFrame(m.w[0] as number);
  const ret = m.w[1] as number;
  if (f !== undefined && f.obj instanceof FifoOpen && f.obj.reply === undefined) {
    f.obj.reply = ret;
    vfsEndpoint().wake(f);
  } else if (ret > 0) {
    ofdUnref(vfsEndpoint(), ret);
  }
}
