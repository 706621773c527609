/**
 * System V message queues: messages, who waits for one, who waits for room.
 *
 * A message goes to the first waiting receiver that it fits, without being queued; receivers with a buffer that is too small for it are told so (E2BIG) on the
 * way. Otherwise it is queued, if there is room. Whoever takes a message lets go on who waits for room, in order, as far as it lasts; whose message is too large for
 * that goes to the end. A receiver that was given its message keeps it, whatever else happens to it. Sources: msgop(2), msgctl(2), ipc/msg.c behaviour.
 */
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import { MSGMNB, MSGMNI } from '../../../shared/ipc-limits.js';
import { IpcIds, IpcPerm, nowSeconds } from './ids.js';

/** How a receiver looks for a message: what msgtyp and the flags MSG_EXCEPT and MSG_COPY say. NUMBER: by its place in the queue. */
export const enum Search { ANY, EQUAL, NOT_EQUAL, UP_TO, NUMBER }

export interface Message { readonly type: number; readonly text: Buffer }

export class MsgQueue extends IpcPerm {
  stime = 0;
  rtime = 0;
  bytes = 0;
  maxBytes = MSGMNB;
  lspid = 0;
  lrpid = 0;
  readonly messages: Message[] = [];
  readonly receivers: Receiver[] = [];
  readonly senders: Sender[] = [];
  constructor(f: Frame, key: number, flags: number) { super(f, key, flags); }

  /** Is there room for `n` bytes more, and for one message? */
  fits(n: number): boolean { return n + this.bytes <= this.maxBytes && 1 + this.messages.length <= this.maxBytes; }
}

/** A call of msgrcv that waits. */
export class Receiver {
  /** 0 while it waits, else the call's -errno. */
  status = 0;
  /** What it was given. */
  message: Message | undefined = undefined;
  /** room: bytes of its buffer, Infinity with MSG_NOERROR. */
  constructor(readonly queue: MsgQueue, readonly search: Search, readonly type: number, readonly room: number, readonly pid: number, readonly wake: () => void) {}
}

/** A call of msgsnd that waits for room. */
export class Sender {
  status = 0;
  sent = false;
  constructor(readonly queue: MsgQueue, readonly message: Message, readonly pid: number, readonly wake: () => void) {}
}

function matches(m: Message, search: Search, type: number): boolean {
  switch (search) {
    case Search.EQUAL: return m.type === type;
    case Search.NOT_EQUAL: return m.type !== type;
    case Search.UP_TO: return m.type <= type;
    default: return true;
  }
}

/** Index of the message that such a receiver gets, -1 = none. UP_TO takes the lowest type, the first of them. */
export function find(q: MsgQueue, search: Search, type: number): number {
  if (search === Search.NUMBER) return type < q.messages.length ? type : -1;
  let best = -1;
  let lowest = type;
  for (let i = 0; i < q.messages.length; i++) {
    const m = q.messages[i] as Message;
    if (!matches(m, search, search === Search.UP_TO ? lowest : type)) continue;
    if (search !== Search.UP_TO) return i;
    if (best >= 0 && m.type === lowest) continue;
    best = i;
    lowest = m.type;
    if (lowest === 1) break;
  }
  return best;
}

function drop<T>(list: T[], item: T): void {
  const ix = list.indexOf(item);
  if (ix >= 0) list.splice(ix, 1);
}

export class Msgs {
  readonly ids = new IpcIds<MsgQueue>(MSGMNI);
  /** Messages and bytes in all queues. */
  messages = 0;
  bytes = 0;

  /** Queue a message, or hand it over, without looking whether there is room. */
  private put(q: MsgQueue, m: Message, pid: number): void {
    q.lspid = pid;
    q.stime = nowSeconds();
    for (const r of q.receivers.slice()) {
      if (!matches(m, r.search, r.type)) continue;
      drop(q.receivers, r);
      const fits = r.room >= m.text.length;
      if (fits) {
        r.message = m;
        q.lrpid = r.pid;
        q.rtime = nowSeconds();
      } else {
        r.status = -E.E2BIG;
      }
      r.wake();
      if (fits) return;
    }
    q.messages.push(m);
    q.bytes += m.text.length;
    this.messages++;
    this.bytes += m.text.length;
  }

  /** Send now: false when there is no room. */
  send(q: MsgQueue, m: Message, pid: number): boolean {
    if (!q.fits(m.text.length)) return false;
    this.put(q, m, pid);
    return true;
  }

  /** Take the message at index ix. */
  take(q: MsgQueue, ix: number, pid: number): Message {
    const m = q.messages.splice(ix, 1)[0] as Message;
    q.bytes -= m.text.length;
    this.messages--;
    this.bytes -= m.text.length;
    q.lrpid = pid;
    q.rtime = nowSeconds();
    this.admit(q);
    return m;
  }

  /** There is more room, or the limit has changed. */
  admit(q: MsgQueue): void {
    for (const s of q.senders.splice(0)) {
      if (!q.fits(s.message.text.length)) { q.senders.push(s); continue; }
      s.sent = true;
      this.put(q, s.message, s.pid);
      s.wake();
    }
  }

  leave(w: Receiver | Sender): void {
    if (w instanceof Receiver) drop(w.queue.receivers, w); else drop(w.queue.senders, w);
  }

  /** IPC_RMID: who waits gets EIDRM. */
  destroy(q: MsgQueue): void {
    this.ids.remove(q);
    this.messages -= q.messages.length;
    this.bytes -= q.bytes;
    for (const w of [...q.receivers.splice(0), ...q.senders.splice(0)]) {
      w.status = -E.EIDRM;
      w.wake();
    }
  }
}
