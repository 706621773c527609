/** mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2): what the functions of mq_overview(7) are made of. */
import { nowNs, readTimespec, realtimeNs } from '../../../shared/clock.js';
import { Cap, capable, fsuidOf, inGroup } from '../../../shared/creds.js';
import type { Endpoint, Handler } from '../../../shared/endpoint.js';
import { E, Ret } from '../../../shared/errno.js';
import { filesOf } from '../../../shared/fdcalls.js';
import { fdLookup, fdRoom, nofile, Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { heldRow, settleHeld } from '../../../shared/held.js';
import * as host from '../../../shared/host.js';
import { gather, planBuffer, scatter, structAt } from '../../../shared/iobuf.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { Why } from '../../../shared/wait.js';
import { O_ACCMODE, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi.js';
import { makeNotify } from '../mqueue/notify.js';
import { type Message, type MqQueue, Waiting } from '../mqueue/queue.js';
import { type MqTable, PRIO_MAX } from '../mqueue/table.js';
import { installOfd } from '../newfd.js';

const O_CREAT = 0o100;
/** sizeof(struct mq_attr), struct sigevent. */
const ATTR_BYTES = 64, SIGEVENT_BYTES = 64;
const MAY_READ = 4, MAY_WRITE = 2;
const LONG = 2 ** 53;

/** A long in the payload; beyond what a Number holds it is too large for anything here. */
const longAt = (f: Frame, at: number): number => {
  const n = f.view.getUint32(at, true) + f.view.getInt32(at + 4, true) * 4294967296;
  return Math.max(-LONG, Math.min(LONG, n));
};

/** May the caller open the queue so? 0 or -EACCES. */
function mayOpen(f: Frame, q: MqQueue, flags: number): number {
  if (capable(f.task, Cap.DAC_OVERRIDE)) return 0;
  const acc = flags & O_ACCMODE;
  const mask = acc === O_RDONLY ? MAY_READ : acc === O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
  const shift = fsuidOf(f.task) === q.uid ? 6 : inGroup(L.taskCred(f.task), q.gid) ? 3 : 0;
  return (mask & ~(q.mode >> shift)) === 0 ? 0 : -E.EACCES;
}

/** Word of Frame.p: 1 + the umask, once vfs has told it. */
const UMASK = 0;

/** The caller's umask, or Ret.BLOCKED until vfs has told it: it is vfs's where it is not the process's own (servers/vfs/umask.ts). */
function umaskOf(ep: Endpoint, f: Frame): number {
  const told = f.p[UMASK] as number;
  if (told > 0) return told - 1;
  const word = native.pctxLoad(L.tgArea(f.tg), L.tgPctx(f.tg), L.PCTX_UMASK);
  if (word > 0 && (word & L.UMASK_OWN) !== 0) return word & 0o777;
  if (f.why === Why.FIRST) ep.send(L.SRV_VFS, Msg.UMASK_ASK, [f.slot, L.taskFs(f.task)]);
  return f.why === Why.SIGNAL ? -E.ERESTARTNOINTR : Ret.BLOCKED;
}

/**
 * mq_open(2) - open a message queue.
 *
 *   mqd_t mq_open(const char *name, int oflag, mode_t mode, struct mq_attr *attr);
 *
 * The name is without the slash that the library takes off. Errors, in Linux's order of checks:
 *   -EFAULT  attr, name; -EMFILE; -ENOENT, -EACCES, -ENAMETOOLONG the name
 *   -ENOENT  there is none, no O_CREAT; -ENOSPC, -EINVAL (sizes), -EMFILE (RLIMIT_MSGQUEUE) of a new one
 *   -EEXIST  O_CREAT and O_EXCL; -EINVAL access mode 3; -EACCES; -ENFILE
 * Source: man-pages 6.9 mq_open(3), ipc/mqueue.c. Deviations: none known.
 */
function mqOpen(ep: Endpoint, table: MqTable, f: Frame): number {
  const flags = f.argInt(1);
  let sizes: number | undefined;
  if ((flags & O_CREAT) !== 0 && f.argU64(3) !== 0) {
    sizes = structAt(f, 3, ATTR_BYTES);
    if (sizes < 0) return sizes;
  }
  const name = f.str(0);
  if (typeof name === 'number') return name;
  let r = fdRoom(filesOf(f), nofile(f.tg)) || table.checkName(name);
  if (r < 0) return r;
  let q = table.lookup(name);
  if (q === undefined) {
    if ((flags & O_CREAT) === 0) return -E.ENOENT;
    const umask = umaskOf(ep, f);
    if (umask < 0) return umask;
    const fresh = table.create(f, name, f.argU32(2) & ~umask, sizes === undefined ? undefined : longAt(f, sizes + 8), sizes === undefined ? undefined : longAt(f, sizes + 16));
    if (typeof fresh === 'number') return fresh;
    q = fresh;
  } else {
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -E.EEXIST;
    if ((flags & O_ACCMODE) === O_ACCMODE) return -E.EINVAL;
    r = mayOpen(f, q, flags);
    if (r < 0) return r;
  }
  const row = table.open(q, flags & (O_ACCMODE | O_NONBLOCK));
  return row < 0 ? row : installOfd(ep, f, row, true);
}

/** mq_unlink(2): -ENOENT, -EACCES (also of another's queue), -ENAMETOOLONG. */
function mqUnlink(table: MqTable, f: Frame): number {
  const name = f.str(0);
  if (typeof name === 'number') return name;
  const r = table.checkName(name);
  if (r < 0) return r;
  const q = table.lookup(name);
  if (q === undefined) return -E.ENOENT;
  if (fsuidOf(f.task) !== q.uid && !capable(f.task, Cap.FOWNER)) return -E.EACCES;
  table.unlink(name, q);
  return 0;
}

/** The deadline of argument 4, a time of CLOCK_REALTIME: 0, -EFAULT, -EINVAL. First dispatch only. */
function setDeadline(f: Frame): number {
  if (f.why !== Why.FIRST || f.argU64(4) === 0) return 0;
  const at = structAt(f, 4, 16);
  if (at < 0) return at;
  const ns = readTimespec(f.view, at);
  if (Number.isNaN(ns)) return -E.EINVAL;
  f.deadlineNs = nowNs() + (ns - realtimeNs());
  return 0;
}

/** May the call wait? Its answer if not, else 0. */
function mayWait(f: Frame, ofd: number): number {
  if ((L.ofdFlags(ofd) & O_NONBLOCK) !== 0) return -E.EAGAIN;
  return f.deadlineNs <= nowNs() ? -E.ETIMEDOUT : 0;
}

/** A waiting call that was dispatched again without having got what it waits for. */
function stillWaiting(f: Frame, w: Waiting): number {
  if (f.why !== Why.SIGNAL && f.why !== Why.TIMEOUT) return Ret.BLOCKED;
  w.queue.leave(w);
  return f.why === Why.SIGNAL ? -E.ERESTARTSYS : -E.ETIMEDOUT;
}

function wait(ep: Endpoint, f: Frame, q: MqQueue, message: Message | undefined): number {
  const w = new Waiting(q, message !== undefined, message, () => { ep.wake(f); });
  (message !== undefined ? q.senders : q.receivers).push(w);
  f.obj = w;
  return Ret.BLOCKED;
}

/**
 * mq_timedsend(2): -EFAULT, -EINVAL the time; -EINVAL prio; -EBADF no queue, or not open for writing; -EMSGSIZE; -EFAULT; full: -EAGAIN (O_NONBLOCK), -ETIMEDOUT, -ERESTARTSYS.
 * Waits (B5): for room, the deadline, a signal, death of the task. Source: man-pages 6.9 mq_send(3), ipc/mqueue.c. Deviations: none.
 */
function mqSend(ep: Endpoint, table: MqTable, f: Frame, ofd: number): number {
  if (f.obj instanceof Waiting) return f.obj.message === undefined ? 0 : stillWaiting(f, f.obj);
  const q = table.queueOf(ofd);
  if (q === undefined || (L.ofdFlags(ofd) & O_ACCMODE) === O_RDONLY) return -E.EBADF;
  const len = f.argU64(2);
  if (len > q.maxBytes) return -E.EMSGSIZE;
  const n = planBuffer(f, 1, 2);
  const text = n < 0 ? n : textOf(f, n);
  if (typeof text === 'number') return text;
  const message: Message = { prio: f.argU32(3), text };
  return q.send(message, f.task) ? 0 : mayWait(f, ofd) || wait(ep, f, q, message);
}

/** The planned bytes, or -EFAULT. */
function textOf(f: Frame, n: number): Buffer | number {
  const text = Buffer.alloc(n);
  for (let at = 0; at < n;) {
    const got = gather(f, at, n - at);
    if (got <= 0) return got < 0 ? got : -E.EFAULT;
    host.scratch.copy(text, at, host.DATA, host.DATA + got);
    at += got;
  }
  return text;
}

/** A message to the guest: its length, or -EFAULT. */
function deliver(f: Frame, m: Message): number {
  const n = planBuffer(f, 1, 2);
  if (n < 0) return n;
  for (let at = 0; at < m.text.length;) {
    const part = m.text.copy(host.scratch, host.DATA, at, at + Math.min(m.text.length - at, 1 << 20));
    const r = scatter(f, part, at);
    if (r < 0) return r;
    at += part;
  }
  if (f.argU64(3) !== 0) {
    const at = f.outOff(3);
    if (at < 0) return at;
    f.view.setUint32(at, m.prio, true);
    f.setOut(3, 4);
  }
  return m.text.length;
}

/**
 * mq_timedreceive(2): -EFAULT, -EINVAL the time; -EBADF no queue, or not open for reading; -EMSGSIZE the buffer is smaller than mq_msgsize; none: -EAGAIN, -ETIMEDOUT, -ERESTARTSYS; -EFAULT.
 * Waits (B5): for a message, the deadline, a signal, death of the task. Source: man-pages 6.9 mq_receive(3), ipc/mqueue.c. Deviations: none.
 */
function mqReceive(ep: Endpoint, table: MqTable, f: Frame, ofd: number): number {
  if (f.obj instanceof Waiting) return f.obj.message !== undefined ? deliver(f, f.obj.message) : stillWaiting(f, f.obj);
  const q = table.queueOf(ofd);
  if (q === undefined || (L.ofdFlags(ofd) & O_ACCMODE) === O_WRONLY) return -E.EBADF;
  if (f.argU64(2) < q.maxBytes) return -E.EMSGSIZE;
  const m = q.receive();
  return m !== undefined ? deliver(f, m) : mayWait(f, ofd) || wait(ep, f, q, undefined);
}

/** mq_notify(2): -EFAULT, -EINVAL, -EBADF, -ENOTSOCK the event; -EBADF no queue; -EBUSY somebody is registered. NULL: ends one's own registration. */
function mqNotify(ep: Endpoint, table: MqTable, f: Frame): number {
  const ofd = fdLookup(filesOf(f), f.argInt(0));
  const q = ofd > 0 && L.ofdOwner(ofd) === L.SRV_IPC && L.ofdKind(ofd) === Ofd.MQUEUE ? table.queueOf(ofd) : undefined;
  if (f.argU64(1) === 0) {
    if (q === undefined) return -E.EBADF;
    table.forget(q, f.tg);
    return 0;
  }
  const at = structAt(f, 1, SIGEVENT_BYTES);
  if (at < 0) return at;
  const n = makeNotify(ep, f, at, ofd);
  if (typeof n === 'number') return n;
  const r = q === undefined ? -E.EBADF : q.register(n);
  if (r < 0) n.drop();
  return r;
}

/** mq_getsetattr(2): -EFAULT; -EINVAL flags but O_NONBLOCK; -EBADF. */
function mqAttr(table: MqTable, f: Frame, ofd: number): number {
  const q = table.queueOf(ofd);
  if (q === undefined) return -E.EBADF;
  const flags = L.ofdFlags(ofd) & O_NONBLOCK;
  if (f.argU64(1) !== 0) {
    const at = structAt(f, 1, ATTR_BYTES);
    if (at < 0) return at;
    const wanted = longAt(f, at);
    if (wanted !== 0 && wanted !== O_NONBLOCK) return -E.EINVAL;
    const words = L.ofdI32(), word = L.OFD_FLAGS_AT(ofd);
    if (wanted !== 0) Atomics.or(words, word, O_NONBLOCK); else Atomics.and(words, word, ~O_NONBLOCK);
  }
  if (f.argU64(2) === 0) return 0;
  const out = f.outOff(2);
  if (out < 0) return out;
  f.bytes.fill(0, out, out + ATTR_BYTES);
  [flags, q.maxMessages, q.maxBytes, q.messages.length].forEach((n, i) => { f.view.setUint32(out + 8 * i, n, true); });
  f.setOut(2, ATTR_BYTES);
  return 0;
}

/** A call on the queue of argument 0, which stays open while the call waits. before: what is checked first. -EBADF: it is none. */
function onQueue(ep: Endpoint, before: (f: Frame) => number, h: (f: Frame, ofd: number) => number): Handler {
  return (f) => {
    const r = before(f);
    if (r < 0) return r;
    let ofd = heldRow(f);
    if (ofd === 0) {
      ofd = fdLookup(filesOf(f), f.argInt(0));
      if (ofd < 0) return ofd;
      if (L.ofdOwner(ofd) !== L.SRV_IPC || L.ofdKind(ofd) !== Ofd.MQUEUE) return -E.EBADF;
    }
    return settleHeld(ep, f, ofd, h(f, ofd));
  };
}

export function installMqueueCalls(ep: Endpoint, table: MqTable): void {
  ep.handle(NR.NR_mq_open, (f) => mqOpen(ep, table, f));
  ep.handle(NR.NR_mq_unlink, (f) => mqUnlink(table, f));
  ep.handle(NR.NR_mq_timedsend, onQueue(ep, (f) => setDeadline(f) || (f.argU32(3) >= PRIO_MAX || f.argHi(3) !== 0 ? -E.EINVAL : 0), (f, ofd) => mqSend(ep, table, f, ofd)));
  ep.handle(NR.NR_mq_timedreceive, onQueue(ep, setDeadline, (f, ofd) => mqReceive(ep, table, f, ofd)));
  ep.handle(NR.NR_mq_notify, (f) => mqNotify(ep, table, f));
  ep.handle(NR.NR_mq_getsetattr, onQueue(ep, () => 0, (f, ofd) => mqAttr(table, f, ofd)));
  ep.on(Msg.UMASK_TOLD, (m) => {
    const f = ep.parkedFrame(m.w[0] as number);
    if (f === undefined || f.nr !== NR.NR_mq_open) return;
    f.p[UMASK] = 1 + (m.w[1] as number);
    ep.wake(f);
  });
  ep.on(Msg.TG_GONE, (m) => { table.gone(m.w[0] as number); });
}

/** For Endpoint.onDropped: a call that waited ends without an answer. */
export function dropMqueue(f: Frame): void { if (f.obj instanceof Waiting) f.obj.queue.leave(f.obj); }
