/**
 * POSIX message queues: their messages, who waits for one or for room, and who is to be told of the first.
 *
 * Messages lie in the order in which they are received: by priority, the oldest first. A message goes straight to who waits longest for one; otherwise it is
 * queued, and if it is the only one then, the process that has registered is told, once (Notify). Who takes a message puts that of who waits longest for room
 * in its place. Pure but for `wake` and Notify. Sources: mq_overview(7), mq_notify(3), ipc/mqueue.c behaviour.
 */
import { E } from '../../../shared/errno.js';

export interface Message { readonly prio: number; readonly text: Buffer }

/** A registration of mq_notify. */
export interface Notify {
  /** tg row of who is told. */
  readonly tg: number;
  readonly pid: number;
  /** sigev_notify and, of SIGEV_SIGNAL, sigev_signo: shown by read(2). */
  readonly how: number;
  readonly signo: number;
  /** OFD that it was made by: its end is the registration's. */
  readonly ofd: number;
  /** A message has come; by: task row of who sent it. */
  tell(by: number): void;
  /** The registration ends untold. */
  drop(): void;
}

/** A call that waits. */
export class Waiting {
  /** Of a receiver: what it was given. Of a sender: what it sends, undefined once it is sent. */
  message: Message | undefined;
  constructor(readonly queue: MqQueue, readonly sends: boolean, message: Message | undefined, readonly wake: () => void) { this.message = message; }
}

export class MqQueue {
  readonly messages: Message[] = [];
  readonly receivers: Waiting[] = [];
  readonly senders: Waiting[] = [];
  notify: Notify | undefined;
  /** Bytes of all messages. */
  bytes = 0;
  /** OFD rows by which it is open. */
  readonly opens = new Set<number>();
  /** It has a name. */
  named = true;
  /** Seconds. */
  readonly born = Math.floor(Date.now() / 1000);

  constructor(readonly ino: number, readonly mode: number, readonly uid: number, readonly gid: number, readonly maxMessages: number, readonly maxBytes: number, readonly changed: (q: MqQueue) => void) {}

  get full(): boolean { return this.messages.length >= this.maxMessages; }

  private insert(m: Message): void {
    let at = this.messages.length;
    while (at > 0 && (this.messages[at - 1] as Message).prio < m.prio) at--;
    this.messages.splice(at, 0, m);
    this.bytes += m.text.length;
  }

  /** Send: false when there is no room. by: task row. */
  send(m: Message, by: number): boolean {
    if (this.full) return false;
    const r = this.receivers.shift();
    if (r !== undefined) {
      r.message = m;
      r.wake();
      return true;
    }
    this.insert(m);
    if (this.messages.length === 1) {
      const n = this.notify;
      this.notify = undefined;
      n?.tell(by);
    }
    this.changed(this);
    return true;
  }

  /** Receive: undefined when there is none. */
  receive(): Message | undefined {
    const m = this.messages.shift();
    if (m === undefined) return undefined;
    this.bytes -= m.text.length;
    const s = this.senders.shift();
    if (s !== undefined) {
      this.insert(s.message as Message);
      s.message = undefined;
      s.wake();
    }
    this.changed(this);
    return m;
  }

  leave(w: Waiting): void {
    const list = w.sends ? this.senders : this.receivers;
    const ix = list.indexOf(w);
    if (ix >= 0) list.splice(ix, 1);
  }

  /** mq_notify: 0, or -EBUSY when somebody is registered. */
  register(n: Notify): number {
    if (this.notify !== undefined) return -E.EBUSY;
    this.notify = n;
    return 0;
  }

  unregister(): void {
    const n = this.notify;
    this.notify = undefined;
    n?.drop();
  }
}
