/** eventfd(2), eventfd2(2). */
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { O_CLOEXEC, O_NONBLOCK } from '../abi.js';
import type { EventFds } from '../eventfd.js';
import { installOfd } from '../newfd.js';

/** eventfd(2), EFD_SEMAPHORE. */
const EFD_SEMAPHORE = 1;

/**
 * eventfd2(2) - create a file descriptor for event notification.
 *
 *   int eventfd2(unsigned int initval, int flags);
 *
 * Errors: -EINVAL (unknown flags), -EMFILE, -ENFILE. Source: man-pages 6.9 eventfd(2). Deviations: none.
 */
function eventfd2(ep: Endpoint, events: EventFds, f: Frame, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) !== 0) return -E.EINVAL;
  const row = events.create(f.argU32(0), flags & ~O_CLOEXEC);
  return row < 0 ? row : installOfd(ep, f, row, (flags & O_CLOEXEC) !== 0);
}

export function installEventfdCalls(ep: Endpoint, events: EventFds): void {
  ep.handle(NR.NR_eventfd, (f) => eventfd2(ep, events, f, 0));
  ep.handle(NR.NR_eventfd2, (f) => eventfd2(ep, events, f, f.argInt(1)));
}
