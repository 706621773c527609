/**
 * Signal-driven input and output: SIGIO, or the signal of F_SETSIG, to the owner (F_SETOWN) of an open file description with O_ASYNC, whatever server's it is.
 *
 * Where the host's poll is the truth, an edge-triggered watch tells of events; it is on a duplicate of the host fd, since the endpoint's epoll set may
 * hold the fd itself for poll (ready.ts). It reports once what is ready when it begins: that is no event. Which edges count is what Linux's own
 * kill_fasync calls are for: data and ends for all; room to write for pipes and TCP, whose wake-ups and signals have one cause, but not for AF_UNIX and
 * UDP, whose wake-ups for room have no signal with them. Where the owner publishes readiness (terminals), its reports are the events, if there is
 * input.
 *
 * Who set the owner must be allowed to signal it, which is looked at when it happens. Sources: fcntl(2), signal(7), fs/fcntl.c behaviour.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { O_ASYNC, setAsyncHook } from '../../shared/fdcalls.js';
import { Ofd, SIG_TO_TASK } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDBAND, EPOLLRDHUP, EPOLLRDNORM, EPOLLWRNORM } from '../../shared/hostwatch.js';
import { Msg } from '../../shared/messages.js';
import { eachTg, taskByTid, tgByPid } from '../../shared/tasks.js';
import { PollClass, type Readiness, type ReadyListener, pollClass } from './ready.js';

const SIGIO = 29, SI_KERNEL = 0x80;
/** si_code of SIGPOLL. sigaction(2). */
const POLL_IN = 1, POLL_OUT = 2, POLL_PRI = 5, POLL_HUP = 6;
const EPOLLET = 0x80000000 | 0;
const INPUT = EPOLLIN | EPOLLPRI | EPOLLRDHUP;

interface Async { readonly row: number; readonly fd: number; dup: number; token: number; listener: ReadyListener }

/** si_code and si_band for a readiness mask. */
export function pollEvent(mask: number): { readonly code: number; readonly band: number } {
  if ((mask & EPOLLIN) !== 0) return { code: POLL_IN, band: EPOLLIN | EPOLLRDNORM };
  if ((mask & (EPOLLHUP | EPOLLERR)) !== 0) return { code: POLL_HUP, band: EPOLLHUP | EPOLLERR };
  if ((mask & EPOLLPRI) !== 0) return { code: POLL_PRI, band: EPOLLPRI | EPOLLRDBAND };
  return (mask & EPOLLOUT) !== 0 ? { code: POLL_OUT, band: EPOLLOUT | EPOLLWRNORM } : { code: POLL_IN, band: EPOLLIN | EPOLLRDNORM };
}

/** May the one who set the owner signal a process of these ids? */
export function mayTell(setterUid: number, setterEuid: number, uid: number, suid: number): boolean {
  return setterEuid === 0 || setterEuid === suid || setterEuid === uid || setterUid === suid || setterUid === uid;
}

export class AsyncIo {
  private readonly byRow = new Map<number, Async>();

  constructor(private readonly ep: Endpoint, private readonly ready: Readiness) {
    setAsyncHook((row, fd, on) => { this.change(row, fd, on); });
    ep.on(Msg.ASYNC, (m) => { this.change(m.w[0] as number, m.w[1] as number, m.w[2] === 1); });
  }

  private change(row: number, fd: number, on: boolean): void {
    this.end(row);
    // Two messages may cross; the flag is what counts.
    if (on && (L.ofdFlags(row) & O_ASYNC) !== 0 && pollClass(row) !== PollClass.ALWAYS) this.begin(row, fd);
  }

  private begin(row: number, fd: number): void {
    const a: Async = { row, fd, dup: -1, token: -1, listener: { onReady: (mask) => { if ((mask & (INPUT | EPOLLHUP)) !== 0) this.tell(a, mask); }, onGone: () => { this.end(row); } } };
    if (pollClass(row) === PollClass.HOST) {
      a.dup = host.dup(L.ofdHostFd(row));
      if (a.dup < 0) return;
      const events = INPUT | (tellsOfRoom(row) ? EPOLLOUT : 0);
      let before = readyNow(a.dup, events);
      a.token = this.ep.watch(a.dup, events | EPOLLET, (mask) => {
        const old = before;
        before = 0;
        if (mask !== old || old === 0) this.tell(a, mask);
      });
      if (a.token < 0) { host.close(a.dup); return; }
    }
    this.byRow.set(row, a);
    this.ready.listen(row, a.listener);
  }

  private end(row: number): void {
    const a = this.byRow.get(row);
    if (a === undefined) return;
    this.byRow.delete(row);
    this.ready.unlisten(row, a.listener);
    if (a.dup < 0) return;
    this.ep.unwatch(a.token, a.dup);
    host.close(a.dup);
  }

  private tell(a: Async, mask: number): void {
    const who = L.ofdSigOwner(a.row);
    if (who === 0) return;
    const signo = L.ofdSig(a.row) & ~SIG_TO_TASK;
    const { code, band } = pollEvent(mask);
    // struct { long si_band; int si_fd; } lies where sender and value are.
    const info = signo === 0 ? [SIGIO, SI_KERNEL, 0, 0, 0, 0] : [signo, code, band, 0, a.fd, 0];
    if (who < 0) eachTg((tg) => { if (L.tgPgid(tg) === -who && this.may(a.row, L.tgLeader(tg))) this.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [tg, ...info]); });
    else if ((L.ofdSig(a.row) & SIG_TO_TASK) !== 0) {
      const task = taskByTid(who);
      if (task !== 0 && this.may(a.row, task)) this.ep.send(L.SRV_SIGNAL, Msg.SIG_TASK, [task, ...info]);
    } else {
      const tg = tgByPid(who);
      if (tg !== 0 && this.may(a.row, L.tgLeader(tg))) this.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [tg, ...info]);
    }
  }

  private may(row: number, task: number): boolean {
    const c = L.taskCred(task);
    return mayTell(L.ofdSigUid(row), L.ofdSigEuid(row), L.credUid(c), L.credSuid(c));
  }
}

/** Does Linux signal room to write on such a thing whenever it wakes writers? Pipes, and TCP. */
function tellsOfRoom(row: number): boolean {
  const kind = L.ofdKind(row);
  if (kind === Ofd.PIPE_W || kind === Ofd.FIFO) return true;
  return kind === Ofd.SOCKET && (L.ofdGrantable(row) & (L.HINT_INET | L.HINT_STREAM)) === (L.HINT_INET | L.HINT_STREAM);
}

/** What the host's poll says of fd now, of `events` and what is always told. */
function readyNow(fd: number, events: number): number {
  host.scratchView.setInt32(host.DATA, fd, true);
  host.scratchView.setInt32(host.DATA + 4, events & 0xffff, true);
  return host.pollNow(host.DATA, 1) > 0 ? host.scratchView.getUint16(host.DATA + 6, true) : 0;
}
