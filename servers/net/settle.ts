/**
 * Calls that may throw messages with descriptors away: closing a socket, receiving without room for them. Linux closes what was in such a message before
 * the call returns, so the other end of a pipe sees the end of file at once. Here the host closes our tickets (rights.ts) at once, but what they stood
 * for is other servers' to close. So while anything is in flight such a call is answered in steps:
 *
 *   handler done ──► message to oneself (behind the RELEASE of the socket) ──► tickets looked at; those that are gone are retired, which may release
 *   sockets of our own with more messages in them: once more ──► fence to the owners that were told ──► answer
 *
 * The frame is not parked meanwhile: nothing can interrupt it, and a task that dies simply never takes the answer.
 */
import type { Endpoint, Handler } from '../../shared/endpoint.js';
import { Ret } from '../../shared/errno.js';
import { takeReleased } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import type { Rights } from './rights.js';

const CALLS: readonly number[] = [NR.NR_close, NR.NR_close_range, NR.NR_dup2, NR.NR_dup3, NR.NR_recvmsg, NR.NR_recvmmsg, NR.NR_recvfrom, NR.NR_read, NR.NR_readv];

export class Settling {
  /** Answers that wait for the sweep, with the owners told so far. */
  private waiting: Array<{ readonly f: Frame; readonly ret: number }> = [];
  private told = 0;

  constructor(private readonly ep: Endpoint, private readonly rights: Rights) {
    ep.on(Msg.SETTLE, () => { this.sweep(); });
    for (const nr of CALLS) {
      const h = ep.handlerOf(nr);
      if (h !== undefined) ep.handle(nr, this.settled(h));
    }
  }

  private settled(h: Handler): Handler {
    return (f) => {
      if (this.rights.inFlight === 0) return h(f);
      takeReleased();
      const ret = h(f);
      if (ret < 0) return ret;
      this.told |= takeReleased();
      this.waiting.push({ f, ret });
      if (this.waiting.length === 1) this.ep.send(this.ep.srv, Msg.SETTLE, []);
      return Ret.NO_RETURN;
    };
  }

  private sweep(): void {
    const again = this.rights.sweep();
    const told = takeReleased();
    this.told |= told;
    // Behind the RELEASE of our own sockets.
    if (again && (told & (1 << this.ep.srv)) !== 0) { this.ep.send(this.ep.srv, Msg.SETTLE, []); return; }
    const list = this.waiting;
    const mask = this.told;
    this.waiting = [];
    this.told = 0;
    this.ep.fence(mask, () => { for (const w of list) this.ep.finish(w.f, w.ret); });
  }
}
