/**
 * Sockets: one host socket each, in this worker's (the host's) network. ofd.host_fd is the socket, pollable, and granted for receiving and
 * sending, but a netlink socket's messages are looked at before they are sent.
 *
 * The server never blocks in the host. A call that would is parked on the host fd's readiness (`waitFor`), with the guest's SO_RCVTIMEO or
 * SO_SNDTIMEO as deadline. Frame.p: [0] bytes done, [1] deadline of the whole call, [2] wakes in a row that came at once and
 * brought nothing (handlers clear it when bytes moved), [3] when it parked last. Handlers may use [4] to [6].
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E, Ret } from '../../shared/errno.js';
import { nowNs } from '../../shared/clock.js';
import { Ofd, ofdAlloc, ofdFree } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { HostWatches } from '../../shared/hostwatch.js';
import { Msg } from '../../shared/messages.js';
import { Why } from '../../shared/wait.js';
import { AF_INET, AF_INET6, AF_NETLINK, O_NONBLOCK, O_RDWR, SIGPIPE, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM, SOL_SOCKET } from './abi.js';
import { getsockopt } from './hostcalls.js';
import type { PathNames } from './path-names.js';
import type { UnixName, UnixNames } from './unix-names.js';

/** struct ucred as the guest sees it. */
export interface Ucred { readonly pid: number; readonly uid: number; readonly gid: number }

export const P_DONE = 0;
const P_DEADLINE = 1;
export const P_IDLE = 2;
const P_PARKED = 3;
const IDLE_MAX = 3;
const AT_ONCE_NS = 300e3;
const RETRY_NS = 5e6;

export class Sock {
  /** AF_UNIX: where it is bound. */
  name: UnixName | undefined;
  /** SO_PEERCRED, once connected. */
  peer: Ucred | undefined;
  /** Who called listen. */
  listener: Ucred | undefined;
  /** Credentials of connections not accepted yet, oldest first. AF_UNIX. */
  readonly pending: Ucred[] = [];
  constructor(readonly domain: number, readonly type: number, readonly protocol: number, readonly hostFd: number, readonly uid: number, readonly gid: number) {}
}

export const ucredOf = (f: Frame): Ucred => {
  const c = L.taskCred(f.task);
  return { pid: L.tgTgid(f.tg), uid: L.credEuid(c), gid: L.credEgid(c) };
};

export class Socks {
  private readonly socks = new Map<number, Sock>();
  private nextId = 1;
  readonly watches: HostWatches;

  constructor(readonly ep: Endpoint, readonly names: UnixNames, readonly paths: PathNames) {
    this.watches = new HostWatches(ep);
    ep.on(Msg.RELEASE, (m) => { if (m.w[1] === Ofd.SOCKET) this.release(m.w[0] as number, m.w[2] as number); });
  }

  /** An OFD for a host socket; takes hostFd over (closed on failure). */
  adopt(f: Frame, domain: number, type: number, protocol: number, hostFd: number, nonblock: boolean): number {
    const c = L.taskCred(f.task);
    const id = this.nextId;
    this.nextId = (this.nextId % 0x7fffffff) + 1;
    const row = ofdAlloc(L.SRV_NET, Ofd.SOCKET, id, O_RDWR | (nonblock ? O_NONBLOCK : 0), hostFd);
    if (row < 0) { host.close(hostFd); return row; }
    this.socks.set(id, new Sock(domain, type, protocol, hostFd, L.credFsuid(c), L.credFsgid(c)));
    L.setOfdPollable(row, 1);
    const inet = domain === AF_INET || domain === AF_INET6;
    L.setOfdGrantable(row, L.HINT_READ | (domain === AF_NETLINK ? 0 : L.HINT_WRITE) | (inet ? L.HINT_INET : 0) | (type === SOCK_STREAM ? L.HINT_STREAM : 0));
    return row;
  }

  /** The socket behind an OFD; undefined when the OFD is none. */
  of(ofd: number): Sock | undefined { return L.ofdKind(ofd) === Ofd.SOCKET ? this.socks.get(L.ofdObj(ofd)) : undefined; }

  private release(ofd: number, id: number): void {
    const s = this.socks.get(id);
    this.socks.delete(id);
    this.watches.drop(ofd);
    if (s !== undefined) {
      if (s.name !== undefined) this.names.remove(s.name);
      host.close(s.hostFd);
    }
    ofdFree(ofd);
  }

  /**
   * The host said EAGAIN: may the call wait? 0 = yes, its limit is in f.p[P_DEADLINE]; else the answer:
   * -EAGAIN (non-blocking, or time is up); by signal -ERESTARTSYS, or -EINTR when the wait is limited (signal(7)).
   * `timeoutOpt` names the socket option that limits the wait. `nowait`: MSG_DONTWAIT.
   */
  mayWait(f: Frame, ofd: number, s: Sock, timeoutOpt: number, nowait: boolean): number {
    if (nowait || (L.ofdFlags(ofd) & O_NONBLOCK) !== 0) return -E.EAGAIN;
    if (f.p[P_DEADLINE] === 0) f.p[P_DEADLINE] = nowNs() + timeout(s.hostFd, timeoutOpt);
    const limit = f.p[P_DEADLINE] as number;
    if (f.why === Why.SIGNAL) return limit === Infinity ? -E.ERESTARTSYS : -E.EINTR;
    return limit !== Infinity && nowNs() >= limit ? -E.EAGAIN : 0;
  }

  /** The host said EAGAIN: park until `events`, or answer as mayWait. */
  waitFor(f: Frame, ofd: number, s: Sock, events: number, timeoutOpt: number, nowait: boolean): number {
    const may = this.mayWait(f, ofd, s, timeoutOpt, nowait);
    if (may < 0) return may;
    // Woken at once, for nothing, several times in a row: a standing error or a full peer. Watching again would spin.
    const now = nowNs();
    f.p[P_IDLE] = f.why === Why.WOKEN && now - (f.p[P_PARKED] as number) < AT_ONCE_NS ? (f.p[P_IDLE] as number) + 1 : 0;
    if ((f.p[P_IDLE] as number) > IDLE_MAX) return this.retryLater(f);
    f.p[P_PARKED] = now;
    f.deadlineNs = f.p[P_DEADLINE] as number;
    return this.watches.park(f, ofd, s.hostFd, events);
  }

  /** Park by the clock, after mayWait: for what no readiness announces. */
  retryLater(f: Frame): number {
    f.deadlineNs = Math.min(f.p[P_DEADLINE] as number, nowNs() + RETRY_NS);
    return Ret.BLOCKED;
  }

  /** EPIPE on a stream sends SIGPIPE; the stub fetches it before the call returns (RF_SIGNAL). */
  raiseSigpipe(f: Frame): void {
    this.ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [f.task, SIGPIPE, 0 /* SI_USER */, L.tgTgid(f.tg), L.credUid(L.taskCred(f.task))]);
    f.setReplyFlag(L.RF_SIGNAL);
  }
}

/** SO_RCVTIMEO or SO_SNDTIMEO as ns, asked of the host; Infinity = none. */
function timeout(fd: number, opt: number): number {
  const n = getsockopt(fd, SOL_SOCKET, opt === SO_SNDTIMEO ? SO_SNDTIMEO : SO_RCVTIMEO, 16);
  if (n < 16) return Infinity;
  const sec = host.scratchView.getUint32(host.DATA, true) + host.scratchView.getInt32(host.DATA + 4, true) * 4294967296;
  const usec = host.scratchView.getUint32(host.DATA + 8, true);
  return sec === 0 && usec === 0 ? Infinity : sec * 1e9 + usec * 1000;
}
