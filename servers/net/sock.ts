/**
 * Sockets: one host socket each (network.ts: in whose network). ofd.host_fd is the socket, pollable, and granted for receiving and sending, but
 * a netlink socket's messages are looked at before they are sent, and of one protocol when they come.
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
import { AF_INET, AF_INET6, AF_NETLINK, O_NONBLOCK, O_RDWR, SIGPIPE, SO_DOMAIN, SO_PROTOCOL, SO_RCVTIMEO, SO_SNDTIMEO, SO_TYPE, SOCK_STREAM, SOL_SOCKET } from './abi.js';
import { getsockopt, inodeOf } from './hostcalls.js';
import { NETLINK_SOCK_DIAG } from './netlink.js';
import type { Network } from './network.js';
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
  private inode = 0;
  constructor(readonly domain: number, readonly type: number, readonly protocol: number, readonly hostFd: number, readonly uid: number, readonly gid: number) {}

  /** Its messages are about other sockets (sock-diag.ts). */
  get isDiag(): boolean { return this.domain === AF_NETLINK && this.protocol === NETLINK_SOCK_DIAG; }
  /** st_ino, the host's. */
  get ino(): number { return (this.inode ||= inodeOf(this.hostFd)); }
}

export const ucredOf = (f: Frame): Ucred => {
  const c = L.taskCred(f.task);
  return { pid: L.tgTgid(f.tg), uid: L.credEuid(c), gid: L.credEgid(c) };
};

export class Socks {
  private readonly socks = new Map<number, Sock>();
  private nextId = 1;
  readonly watches: HostWatches;

  constructor(readonly ep: Endpoint, readonly names: UnixNames, readonly paths: PathNames, readonly network: Network) {
    this.watches = new HostWatches(ep);
    ep.on(Msg.RELEASE, (m) => { if (m.w[1] === Ofd.SOCKET) this.release(m.w[0] as number, m.w[2] as number); });
  }

  /** An OFD for a host socket; takes hostFd over (closed on failure). */
  adopt(f: Frame, domain: number, type: number, protocol: number, hostFd: number, nonblock: boolean): number {
    const c = L.taskCred(f.task);
    const row = ofdAlloc(L.SRV_NET, Ofd.SOCKET, 0, O_RDWR | (nonblock ? O_NONBLOCK : 0), hostFd);
    if (row < 0) { host.close(hostFd); return row; }
    L.setOfdObj(row, this.add(new Sock(domain, type, protocol, hostFd, L.credFsuid(c), L.credFsgid(c))));
    L.setOfdPollable(row, 1);
    L.setOfdGrantable(row, grants(domain, type, protocol));
    return row;
  }

  /** The socket behind an OFD; undefined when the OFD is none. */
  of(ofd: number): Sock | undefined {
    if (L.ofdKind(ofd) !== Ofd.SOCKET) return undefined;
    const id = L.ofdObj(ofd);
    return id === 0 ? this.inherited(ofd) : this.socks.get(id);
  }

  /** One that was carrick's own standard input or output: vfs has made its OFD, obj 0 until it is first used. */
  private inherited(ofd: number): Sock {
    const fd = L.ofdHostFd(ofd);
    const s = new Sock(intOption(fd, SO_DOMAIN), intOption(fd, SO_TYPE), intOption(fd, SO_PROTOCOL), fd, 0, 0);
    L.setOfdObj(ofd, this.add(s));
    return s;
  }

  all(): Iterable<Sock> { return this.socks.values(); }

  private add(s: Sock): number {
    const id = this.nextId;
    this.nextId = (this.nextId % 0x7fffffff) + 1;
    this.socks.set(id, s);
    return id;
  }

  private release(ofd: number, id: number): void {
    const s = this.socks.get(id);
    this.socks.delete(id);
    this.watches.drop(ofd);
    if (s?.name !== undefined) this.names.remove(s.name);
    host.close(L.ofdHostFd(ofd));
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

/** HINT_* bits: what the stub may do with such a socket by itself. */
function grants(domain: number, type: number, protocol: number): number {
  if (domain === AF_NETLINK) return protocol === NETLINK_SOCK_DIAG ? 0 : L.HINT_READ;
  const inet = domain === AF_INET || domain === AF_INET6;
  return L.HINT_READ | L.HINT_WRITE | (inet ? L.HINT_INET : 0) | (type === SOCK_STREAM ? L.HINT_STREAM : 0);
}

/** An int option of SOL_SOCKET, asked of the host; 0 when it has none. */
const intOption = (fd: number, opt: number): number => (getsockopt(fd, SOL_SOCKET, opt, 4) === 4 ? host.scratchView.getInt32(host.DATA, true) : 0);

/** SO_RCVTIMEO or SO_SNDTIMEO as ns, asked of the host; Infinity = none. */
function timeout(fd: number, opt: number): number {
  const n = getsockopt(fd, SOL_SOCKET, opt === SO_SNDTIMEO ? SO_SNDTIMEO : SO_RCVTIMEO, 16);
  if (n < 16) return Infinity;
  const sec = host.scratchView.getUint32(host.DATA, true) + host.scratchView.getInt32(host.DATA + 4, true) * 4294967296;
  const usec = host.scratchView.getUint32(host.DATA + 8, true);
  return sec === 0 && usec === 0 ? Infinity : sec * 1e9 + usec * 1000;
}
