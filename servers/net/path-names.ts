/**
 * AF_UNIX path names live in the guest's file system: vfs makes the socket inode of a bind and finds that of a connect or send.
 *
 *   net ── UNIX_NAME [slot, op, task, umask-less mode]; path ──► vfs     make (bind) or look up (connect, send)
 *   net ◄── UNIX_NAMED [slot, inode key > 0 or -errno] ───────── vfs
 *
 * The request stays parked here meanwhile, on no queue: the answer wakes it, and always comes at once, so a signal does not interrupt the
 * question. The answer is kept in f.p until the call has used it, since a re-dispatch starts from the beginning.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { Ret } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';

export const NAME_BIND = 1;
export const NAME_LOOKUP = 2;

/** Index in Frame.p: 0 not asked, ASKED, else the answer. */
const P_NAME = 6;
const ASKED = Number.MIN_SAFE_INTEGER;

export class PathNames {
  constructor(private readonly ep: Endpoint) {
    ep.on(Msg.UNIX_NAMED, (m) => {
      const f = ep.parkedFrame(m.w[0] as number);
      if (f === undefined || f.p[P_NAME] !== ASKED) return;
      f.p[P_NAME] = m.w[1] as number;
      ep.wake(f);
    });
  }

  /** The inode key of a path (> 0), -errno, or Ret.BLOCKED while vfs looks. */
  ask(f: Frame, op: number, path: string): number {
    const have = f.p[P_NAME] as number;
    if (have === ASKED) return Ret.BLOCKED;
    if (have !== 0) return have;
    f.p[P_NAME] = ASKED;
    this.ep.send(L.SRV_VFS, Msg.UNIX_NAME, [f.slot, op, f.task], path);
    return Ret.BLOCKED;
  }

  /** The call has used the answer (sendmmsg: the next message may go elsewhere). */
  forget(f: Frame): void { f.p[P_NAME] = 0; }
}
