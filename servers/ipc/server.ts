/** Everything that the ipc server registers in its endpoint; apart from main.ts, so that tests can be the server. */
import type { Endpoint } from '../../shared/endpoint.js';
import { installFdCalls, setCloseHook } from '../../shared/fdcalls.js';
import { Ofd } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import { dropHeld } from '../../shared/held.js';
import { AsyncIo } from './async.js';
import { Epolls } from './epoll.js';
import { EventFds } from './eventfd.js';
import { Fifos } from './fifo.js';
import { MqTable } from './mqueue/table.js';
import { Pipes } from './pipe.js';
import { PollWaits } from './poll-wait.js';
import { Readiness } from './ready.js';
import { installEpollCalls } from './syscalls/epoll.js';
import { installEventfdCalls } from './syscalls/eventfd.js';
import { extraFcntl, installFileCalls } from './syscalls/file.js';
import { dropMqueue, installMqueueCalls } from './syscalls/mqueue.js';
import { installPipeCalls } from './syscalls/pipe.js';
import { installPollCalls } from './syscalls/poll.js';
import { installSelectCalls } from './syscalls/select.js';
import { holdsSplice, installSpliceCalls, releaseSplice } from './syscalls/splice.js';
import { installSysv } from './sysv/install.js';

/** dir: a host directory of the container's own. */
export function installIpc(ep: Endpoint, dir: string): void {
  const ready = new Readiness(ep);
  installFdCalls(ep, extraFcntl);
  new AsyncIo(ep, ready);
  const pipes = new Pipes(ep, ready);
  new Fifos(ep, pipes, dir);
  const events = new EventFds(ready);
  const epolls = new Epolls(ready);
  const waits = new PollWaits(ep, ready);
  installFileCalls(ep);
  installPipeCalls(ep, pipes);
  installSpliceCalls(ep, ready);
  installEventfdCalls(ep, events);
  installEpollCalls(ep, epolls, ready);
  installPollCalls(ep, waits);
  installSelectCalls(ep, waits);
  const queues = new MqTable(ready);
  installMqueueCalls(ep, queues);
  // Who closes a descriptor of a queue is not told of its messages any more.
  setCloseHook((f, ofd) => {
    const q = L.ofdOwner(ofd) === L.SRV_IPC && L.ofdKind(ofd) === Ofd.MQUEUE ? queues.queueOf(ofd) : undefined;
    if (q !== undefined) queues.forget(q, f.tg);
  });
  const dropSysv = installSysv(ep);
  ep.onDropped = (f) => {
    dropHeld(ep, f);
    dropSysv(f);
    dropMqueue(f);
    waits.release(f);
    if (holdsSplice(f)) releaseSplice(ep, f);
  };
}
