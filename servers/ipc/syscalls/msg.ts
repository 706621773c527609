/** msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import type { Endpoint } from '../../../shared/endpoint.js';
import { Cap, capable } from '../../../shared/creds.js';
import { E, Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { MSGMAX, MSGMNB, MSGMNI } from '../../../shared/ipc-limits.js';
import { Why } from '../../../shared/wait.js';
import { IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, mayIpc, nowSeconds, ownsIpc, S_IRUGO, S_IWUGO, setPerm, storePerm } from '../sysv/ids.js';
import { find, type Message, MsgQueue, type Msgs, Receiver, Search, Sender } from '../sysv/msg.js';

const MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13;
const MSG_NOERROR = 0o10000, MSG_EXCEPT = 0o20000, MSG_COPY = 0o40000;
/** sizeof(struct msqid64_ds), struct msginfo. */
const MSQID_BYTES = 120, MSGINFO_BYTES = 32, QBYTES_AT = 88;
/** What struct msginfo says of structures that are no more. uapi linux/msg.h. */
const MSGSSZ = 16, MSGSEG = 0xffff;
const LONG_MAX = 2 ** 63;

const v = host.scratchView;

/** msgget(2): -EEXIST, -EACCES, -ENOENT, -ENOSPC. Source: man-pages 6.9 msgget(2). Deviations: none. */
function msgget(msgs: Msgs, f: Frame): number {
  const key = f.argInt(0), flags = f.argInt(1);
  return msgs.ids.get(f, key, flags, () => {
    const q = new MsgQueue(f, key, flags);
    const id = msgs.ids.add(q);
    return id < 0 ? id : q;
  }, () => 0);
}

/** A long at scratch, as a Number: message types are compared, and 2^53 of them are told apart. */
const longAt = (at: number): number => v.getUint32(at, true) + v.getInt32(at + 4, true) * 4294967296;

function storeLong(at: number, n: number): void {
  v.setUint32(at, n >>> 0, true);
  v.setInt32(at + 4, Math.floor(n / 4294967296), true);
}

/**
 * msgsnd(2) - send a message.
 *
 *   int msgsnd(int msqid, const void *msgp, size_t msgsz, int msgflg);
 *
 * Errors, in Linux's order of checks:
 *   -EFAULT  the type; -EINVAL msgsz > MSGMAX, msqid, type < 1; -EFAULT the text; -EINVAL no such queue; -EACCES
 *   -EAGAIN  IPC_NOWAIT and no room; -EIDRM removed meanwhile; -ERESTARTNOHAND a signal (EINTR when a handler runs)
 * Waits (B5): for room, removal, a signal, death of the task. Source: man-pages 6.9 msgop(2), ipc/msg.c. Deviations: none.
 */
function msgsnd(ep: Endpoint, msgs: Msgs, f: Frame): number {
  if (f.obj instanceof Sender) {
    const s = f.obj;
    if (s.sent || s.status !== 0) return s.status;
    if (f.why !== Why.SIGNAL) return Ret.BLOCKED;
    msgs.leave(s);
    return -E.ERESTARTNOHAND;
  }
  const id = f.argInt(0), at = f.argU64(1), size = f.argU64(2);
  let r = f.copyIn(at, host.STRUCT, 8);
  if (r < 0) return r;
  const type = longAt(host.STRUCT);
  if (size > MSGMAX || id < 0 || type < 1) return -E.EINVAL;
  r = f.copyIn(at + 8, host.DATA, size);
  if (r < 0) return r;
  const q = msgs.ids.lookup(id);
  if (q === undefined) return -E.EINVAL;
  r = mayIpc(f, q, S_IWUGO);
  if (r < 0) return r;
  const message: Message = { type, text: Buffer.from(host.scratch.subarray(host.DATA, host.DATA + size)) };
  const pid = L.tgTgid(f.tg);
  if (msgs.send(q, message, pid)) return 0;
  if ((f.argInt(3) & IPC_NOWAIT) !== 0) return -E.EAGAIN;
  const s = new Sender(q, message, pid, () => { ep.wake(f); });
  q.senders.push(s);
  f.obj = s;
  return Ret.BLOCKED;
}

/** A message to the guest: bytes of its text, or -EFAULT (it is lost, as on Linux). */
function deliver(f: Frame, m: Message): number {
  const n = Math.min(m.text.length, f.argU64(2));
  storeLong(host.DATA, m.type);
  m.text.copy(host.scratch, host.DATA + 8, 0, n);
  const r = f.copyOut(f.argU64(1), host.DATA, 8 + n);
  return r < 0 ? r : n;
}

function searchOf(type: number, flags: number): Search {
  if ((flags & MSG_COPY) !== 0) return Search.NUMBER;
  if (type === 0) return Search.ANY;
  if (type < 0) return Search.UP_TO;
  return (flags & MSG_EXCEPT) !== 0 ? Search.NOT_EQUAL : Search.EQUAL;
}

/**
 * msgrcv(2) - receive a message.
 *
 *   ssize_t msgrcv(int msqid, void *msgp, size_t msgsz, long msgtyp, int msgflg);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  msqid, msgsz < 0, MSG_COPY with MSG_EXCEPT or without IPC_NOWAIT; no such queue; -EACCES
 *   -E2BIG   the message is longer, no MSG_NOERROR; -ENOMSG IPC_NOWAIT and none
 *   -EIDRM   removed meanwhile; -ERESTARTNOHAND a signal (EINTR when a handler runs); -EFAULT
 * Waits (B5): for a message, removal, a signal, death of the task. Source: man-pages 6.9 msgop(2), ipc/msg.c. Deviations: none.
 */
function msgrcv(ep: Endpoint, msgs: Msgs, f: Frame): number {
  if (f.obj instanceof Receiver) {
    const w = f.obj;
    if (w.message !== undefined) return deliver(f, w.message);
    if (w.status !== 0) return w.status;
    if (f.why !== Why.SIGNAL) return Ret.BLOCKED;
    msgs.leave(w);
    return -E.ERESTARTNOHAND;
  }
  const id = f.argInt(0), size = f.argU64(2), flags = f.argInt(4);
  const asked = f.argOff(3);
  if (id < 0 || f.argHi(2) >= 0x80000000) return -E.EINVAL;
  if ((flags & MSG_COPY) !== 0 && ((flags & MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0)) return -E.EINVAL;
  const search = searchOf(asked, flags);
  const type = search === Search.UP_TO ? Math.min(-asked, LONG_MAX) : asked;
  const q = msgs.ids.lookup(id);
  if (q === undefined) return -E.EINVAL;
  const r = mayIpc(f, q, S_IRUGO);
  if (r < 0) return r;
  const ix = find(q, search, type);
  const pid = L.tgTgid(f.tg);
  if (ix >= 0) {
    const m = q.messages[ix] as Message;
    if (size < m.text.length && (flags & MSG_NOERROR) === 0) return -E.E2BIG;
    return deliver(f, search === Search.NUMBER ? m : msgs.take(q, ix, pid));
  }
  if ((flags & IPC_NOWAIT) !== 0) return -E.ENOMSG;
  const w = new Receiver(q, search, type, (flags & MSG_NOERROR) !== 0 ? Infinity : size, pid, () => { ep.wake(f); });
  q.receivers.push(w);
  f.obj = w;
  return Ret.BLOCKED;
}

/** IPC_STAT, MSG_STAT, MSG_STAT_ANY: 0, or the id of the queue with that index. */
function stat(msgs: Msgs, f: Frame, cmd: number): number {
  const q = cmd === IPC_STAT ? msgs.ids.lookup(f.argInt(0)) : msgs.ids.at(f.argInt(0));
  if (q === undefined) return -E.EINVAL;
  let r = cmd === MSG_STAT_ANY ? 0 : mayIpc(f, q, S_IRUGO);
  if (r < 0) return r;
  const at = host.STRUCT;
  host.scratch.fill(0, at, at + MSQID_BYTES);
  storePerm(v, at, q);
  v.setUint32(at + 48, q.stime, true);
  v.setUint32(at + 56, q.rtime, true);
  v.setUint32(at + 64, q.ctime, true);
  v.setUint32(at + 72, q.bytes, true);
  v.setUint32(at + 80, q.messages.length, true);
  storeLong(at + QBYTES_AT, q.maxBytes);
  v.setInt32(at + 96, q.lspid, true);
  v.setInt32(at + 100, q.lrpid, true);
  r = f.copyOut(f.argU64(2), at, MSQID_BYTES);
  return r < 0 ? r : cmd === IPC_STAT ? 0 : q.id;
}

/** IPC_INFO, MSG_INFO: limits, or what is in use; the highest index. */
function info(msgs: Msgs, f: Frame, cmd: number): number {
  const use = cmd === MSG_INFO;
  const words = [use ? msgs.ids.inUse : (MSGMNI * MSGMNB) / 1024, use ? msgs.messages : MSGMNB, MSGMAX, MSGMNB, MSGMNI, MSGSSZ, use ? msgs.bytes : MSGMNB, MSGSEG];
  words.forEach((w, i) => { v.setInt32(host.STRUCT + 4 * i, w, true); });
  const r = f.copyOut(f.argU64(2), host.STRUCT, MSGINFO_BYTES);
  return r < 0 ? r : msgs.ids.top;
}

/** IPC_SET, IPC_RMID. More than MSGMNB bytes: -EPERM without CAP_SYS_RESOURCE. */
function change(msgs: Msgs, f: Frame, cmd: number): number {
  if (cmd === IPC_SET) {
    const r = f.copyIn(f.argU64(2), host.STRUCT, MSQID_BYTES);
    if (r < 0) return r;
  }
  const q = msgs.ids.lookup(f.argInt(0));
  if (q === undefined) return -E.EINVAL;
  let r = ownsIpc(f, q);
  if (r < 0) return r;
  if (cmd === IPC_RMID) { msgs.destroy(q); return 0; }
  const maxBytes = v.getUint32(host.STRUCT + QBYTES_AT, true) + v.getUint32(host.STRUCT + QBYTES_AT + 4, true) * 4294967296;
  if (maxBytes > MSGMNB && !capable(f.task, Cap.SYS_RESOURCE)) return -E.EPERM;
  r = setPerm(v, host.STRUCT, q);
  if (r < 0) return r;
  q.maxBytes = maxBytes;
  q.ctime = nowSeconds();
  msgs.admit(q);
  return 0;
}

/** msgctl(2): -EINVAL (msqid, op), -EFAULT, -EACCES, -EPERM. Source: man-pages 6.9 msgctl(2), ipc/msg.c. Deviations: none. */
function msgctl(msgs: Msgs, f: Frame): number {
  const cmd = f.argInt(1);
  if (f.argInt(0) < 0) return -E.EINVAL;
  switch (cmd) {
    case IPC_INFO: case MSG_INFO: return info(msgs, f, cmd);
    case IPC_STAT: case MSG_STAT: case MSG_STAT_ANY: return stat(msgs, f, cmd);
    case IPC_SET: case IPC_RMID: return change(msgs, f, cmd);
    default: return -E.EINVAL;
  }
}

export function installMsgCalls(ep: Endpoint, msgs: Msgs): void {
  ep.handle(NR.NR_msgget, (f) => msgget(msgs, f));
  ep.handle(NR.NR_msgsnd, (f) => msgsnd(ep, msgs, f));
  ep.handle(NR.NR_msgrcv, (f) => msgrcv(ep, msgs, f));
  ep.handle(NR.NR_msgctl, (f) => msgctl(msgs, f));
}

/** For Endpoint.onDropped: a call that waited ends without an answer. */
export function dropMsgop(msgs: Msgs, f: Frame): void { if (f.obj instanceof Receiver || f.obj instanceof Sender) msgs.leave(f.obj); }
