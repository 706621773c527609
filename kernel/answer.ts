/** Answering a request before the handler returns. */
import { nowNs } from '../shared/clock.js';
import type { Endpoint } from '../shared/endpoint.js';
import { Ret } from '../shared/errno.js';
import type { Frame } from '../shared/frame.js';
import { native } from '../shared/native.js';

/**
 * Send the answer now instead of with the endpoint's next turn, because the slot is about to be unbound or freed, after which native would
 * drop it. The frame is over; the handler returns what this returns.
 */
export function answerNow(ep: Endpoint, f: Frame, ret: number): number {
  ep.trace?.(f, ret, nowNs() - f.startNs);
  f.seal(ret);
  native.replyNow(f.rec);
  f.reset();
  return Ret.NO_RETURN;
}
