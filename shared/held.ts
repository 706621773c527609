/**
 * Open file descriptions of parked requests.
 *
 * Linux holds a reference to the file for as long as a call on it runs: when another thread closes the fd, a blocked read goes on. A request that parks takes a
 * reference of its OFD here and drops it when it ends, however it ends (answer, signal, death of the task). The fd is looked
 * up once, at first dispatch; later dispatches work on the same OFD even if the fd means something else by then.
 */
import type { Endpoint, Handler } from './endpoint.js';
import { Ret } from './errno.js';
import { ownOfd } from './fdcalls.js';
import { ofdRef, ofdUnref } from './fdtable.js';
import type { Frame } from './frame.js';

/** Index in Frame.p of the held OFD's row. Handlers use the words below it. */
const HELD = 7;

export type OfdHandler = (f: Frame, ofd: number) => number;

/** Handler of a call whose argument `fdArg` names an OFD of this server; on another's OFD it forwards. */
export function onOfd(ep: Endpoint, h: OfdHandler, fdArg = 0): Handler {
  return (f) => {
    let ofd = f.p[HELD] as number;
    if (ofd === 0) {
      ofd = ownOfd(ep, f, f.argInt(fdArg));
      if (ofd < 0) return ofd;
    }
    return settleHeld(ep, f, ofd, h(f, ofd));
  };
}

/** The row that a parked request holds; 0 at first dispatch. */
export const heldRow = (f: Frame): number => f.p[HELD] as number;

/** Take or drop the request's reference according to how the handler ended; returns `ret`. */
export function settleHeld(ep: Endpoint, f: Frame, ofd: number, ret: number): number {
  if (ret === Ret.BLOCKED) {
    if (f.p[HELD] === 0) {
      ofdRef(ofd);
      f.p[HELD] = ofd;
    }
  } else {
    dropHeld(ep, f);
  }
  return ret;
}

/** For Endpoint.onDropped: the request ends without an answer. */
export function dropHeld(ep: Endpoint, f: Frame): void {
  const ofd = f.p[HELD] as number;
  if (ofd === 0) return;
  f.p[HELD] = 0;
  ofdUnref(ep, ofd);
}
