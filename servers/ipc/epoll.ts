/**
 * epoll instances as open file descriptions: an EpollSet each, with the host set as pollable host_fd, granted for the stub's own epoll_ctl and epoll_wait.
 */
import { E } from '../../shared/errno.js';
import { Ofd, ofdAlloc, ofdFree } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { O_RDWR } from './abi.js';
import { statAnonymous } from './anon.js';
import { type EpollEnv, EpollSet } from './epoll-set.js';
import { hostEpoll } from './hostcalls.js';
import { setOps } from './ops.js';
import type { Readiness } from './ready.js';
import { Slab } from './slab.js';

const O_NONBLOCK = 0o4000;

export class Epolls {
  private readonly sets = new Slab<EpollSet>();
  private readonly env: EpollEnv;

  constructor(ready: Readiness) {
    this.env = {
      host: hostEpoll,
      listen: (row, l) => { ready.listen(row, l); },
      unlisten: (row, l) => { ready.unlisten(row, l); },
      readiness: (row) => ready.mask(row, -1),
      dup: host.dup,
      close: (fd) => { host.close(fd); },
      newBell: () => host.eventfd(0, O_NONBLOCK),
      ring: (bell) => {
        host.scratchView.setUint32(host.STRUCT, 1, true);
        host.scratchView.setUint32(host.STRUCT + 4, 0, true);
        host.write(bell, host.STRUCT, 8);
      },
      silence: (bell) => { host.read(bell, host.STRUCT, 8); },
    };
    setOps(Ofd.EPOLL, {
      fstat: (_f, _ofd, bytes, off) => statAnonymous(bytes, off),
      release: (ofd, obj) => { this.release(ofd, obj); },
      noopSeek: true,
    });
  }

  /** A new instance: OFD row, or -EMFILE, -ENFILE, -ENOMEM. */
  create(): number {
    const fd = hostEpoll.create();
    if (fd < 0) return fd === -E.EMFILE ? -E.ENFILE : fd;
    const set = new EpollSet(this.env, fd);
    const obj = this.sets.add(set);
    const row = ofdAlloc(L.SRV_IPC, Ofd.EPOLL, obj, O_RDWR, fd);
    if (row < 0) {
      this.sets.remove(obj);
      host.close(fd);
      return row;
    }
    L.setOfdPollable(row, 1);
    L.setOfdGrantable(row, L.HINT_EPOLL);
    return row;
  }

  setOf(row: number): EpollSet | undefined { return L.ofdKind(row) === Ofd.EPOLL ? this.sets.get(L.ofdObj(row)) : undefined; }

  private release(ofd: number, obj: number): void {
    const set = this.sets.remove(obj);
    if (set !== undefined) {
      set.close();
      host.close(set.hostFd);
    }
    ofdFree(ofd);
  }
}
