/**
 * Servers that start when they are first needed. Many containers never make a socket, and a worker that nobody waits for takes a core from the program that everybody
 * waits for (docs/decisions/0016-start.md).
 *
 * A server that has not been started is one that sleeps: its rings fill, and whoever needs it rings its doorbell: a guest's stub, a server with a message
 * (rings.ts, UNBORN), the main thread. The words wait in the pipe, which this worker watches meanwhile, and reads nothing of. The first one makes it ask the main thread for the
 * worker; when that serves, it begins with its rings and its doorbell like after any sleep.
 */
import type { KernelEvent } from '../shared/control.js';
import type { Endpoint } from '../shared/endpoint.js';
import { SRV_COUNT } from '../shared/gen/layout.js';
import { native } from '../shared/native.js';

const EPOLLIN = 1;

/** Once, when the kernel boots. Throws when the doorbells cannot be watched. */
export function watchLateServers(ep: Endpoint, tell: (event: KernelEvent) => void): void {
  for (let srv = 0; srv < SRV_COUNT; srv++) {
    if (!ep.isUnborn(srv)) continue;
    const fd = native.doorbellFd(srv);
    const token = ep.watch(fd, EPOLLIN, () => {
      ep.unwatch(token, fd);
      ep.needed(srv);
      tell({ carrick: 'needed', srv });
    });
    if (token < 0) throw new Error(`cannot watch a doorbell: errno ${-token}`);
  }
}
