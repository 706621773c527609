/**
 * File descriptors of this server: signalfd and timerfd.
 *
 * A timerfd is a host timerfd, always non-blocking on our side, so that a served read parks instead of sleeping in the host; the host's poll
 * is the truth for ipc (ofd.pollable). A signalfd looks at the pending signals of the process that made it: its readiness mask is kept in
 * ofd.ready whenever that process's queues change. Source: signalfd(2), timerfd_create(2).
 */
import { filesOf, installFdCalls, ownOfd } from '../../../shared/fdcalls.js';
import { fdInstall, fdLookup, nofile, ofdAlloc, ofdFree, ofdUnref, Ofd } from '../../../shared/fdtable.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { announceFd } from '../../../shared/grant.js';
import * as host from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { WaitQueue, Why } from '../../../shared/wait.js';
import type { Delivery, PendingWatcher } from '../delivery.js';
import { writeSignalfdInfo } from '../siginfo.js';
import { SIGKILL, SIGSTOP, bitLo } from '../sigset.js';

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const EPOLLIN = 1;
const S_IFREG_ANON = 0o600;

class SignalFd implements PendingWatcher {
  readonly readers = new WaitQueue();
  constructor(private readonly ep: Endpoint, private readonly d: Delivery, readonly ofd: number, readonly tg: number, public lo: number, public hi: number) {
    d.group(tg).watchers.add(this);
    this.pendingChanged(tg);
  }

  /** Task-directed signals of the leader count too: a single-threaded program signals itself that way. */
  pendingChanged(_tg: number): void {
    const leader = L.tgLeader(this.tg);
    const ready = ((this.d.pendingLo(this.tg, leader) & this.lo) | (this.d.pendingHi(this.tg, leader) & this.hi)) !== 0 ? EPOLLIN : 0;
    if (ready !== 0) this.readers.wakeAll();
    if (L.ofdReady(this.ofd) === ready) return;
    L.setOfdReady(this.ofd, ready);
    if (L.ofdWatched(this.ofd) > 0) this.ep.send(L.SRV_IPC, Msg.READY, [this.ofd, ready]);
  }

  close(): void { this.d.group(this.tg).watchers.delete(this); }
}

class TimerFd {
  readonly readers = new WaitQueue();
  token = -1;
  constructor(readonly fd: number) {}
}

export class SignalFds {
  private readonly byOfd = new Map<number, SignalFd | TimerFd>();

  constructor(private readonly ep: Endpoint, private readonly d: Delivery) {
    installFdCalls(ep, () => -E.EINVAL);
    ep.handle(NR.NR_signalfd, (f) => this.sys_signalfd(f, 0));
    ep.handle(NR.NR_signalfd4, (f) => this.sys_signalfd(f, f.argInt(3)));
    ep.handle(NR.NR_timerfd_create, (f) => this.sys_timerfd_create(f));
    ep.handle(NR.NR_timerfd_settime, (f) => this.timerfdTime(f));
    ep.handle(NR.NR_timerfd_gettime, (f) => this.timerfdTime(f));
    ep.handle(NR.NR_read, (f) => this.sys_read(f));
    ep.handle(NR.NR_fstat, (f) => this.sys_fstat(f));
    // Since Linux 6.12 these objects ignore a seek instead of refusing it.
    ep.handle(NR.NR_lseek, (f) => { const o = ownOfd(ep, f, f.argInt(0)); return o < 0 ? o : f.argU32(2) > 4 ? -E.EINVAL : 0; });
    ep.on(Msg.RELEASE, (m) => { this.release(m.w[0] as number); });
  }

  private release(ofd: number): void {
    const o = this.byOfd.get(ofd);
    if (o instanceof SignalFd) o.close();
    if (o instanceof TimerFd) {
      if (o.token >= 0) this.ep.unwatch(o.token, o.fd);
      host.close(o.fd);
    }
    this.byOfd.delete(ofd);
    ofdFree(ofd);
  }

  private install(f: Frame, ofd: number, cloexec: boolean): number {
    const fd = fdInstall(filesOf(f), ofd, cloexec, nofile(f.tg));
    if (fd < 0) { ofdUnref(this.ep, ofd); return fd; }
    announceFd(f, fd, ofd);
    return fd;
  }

  /** signalfd4(2). EINVAL (size, flags, not a signalfd), EBADF, EMFILE, ENFILE. */
  private sys_signalfd(f: Frame, flags: number): number {
    const at = f.inOff(1);
    if (f.argU64(2) !== 8 || (flags & ~(O_NONBLOCK | O_CLOEXEC)) !== 0) return -E.EINVAL;
    if (at < 0) return at;
    const lo = (f.bytes.readUInt32LE(at) & ~(bitLo(SIGKILL) | bitLo(SIGSTOP))) >>> 0;
    const hi = f.bytes.readUInt32LE(at + 4);
    const fd = f.argInt(0);
    if (fd !== -1) {
      const o = fdLookup(filesOf(f), fd);
      if (o < 0) return o;
      const s = this.byOfd.get(o);
      if (L.ofdOwner(o) !== this.ep.srv || !(s instanceof SignalFd)) return -E.EINVAL;
      s.lo = lo;
      s.hi = hi;
      s.pendingChanged(s.tg);
      return fd;
    }
    const ofd = ofdAlloc(this.ep.srv, Ofd.SIGNALFD, 0, 2 | (flags & O_NONBLOCK));
    if (ofd < 0) return ofd;
    this.byOfd.set(ofd, new SignalFd(this.ep, this.d, ofd, f.tg, lo, hi));
    return this.install(f, ofd, (flags & O_CLOEXEC) !== 0);
  }

  /** timerfd_create(2). EINVAL, EMFILE, ENFILE, ENOMEM. */
  private sys_timerfd_create(f: Frame): number {
    const flags = f.argInt(1);
    if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) !== 0) return -E.EINVAL;
    const hostFd = native.sys(NR.NR_timerfd_create, 0, f.argInt(0), O_NONBLOCK | O_CLOEXEC);
    if (hostFd < 0) return hostFd;
    const ofd = ofdAlloc(this.ep.srv, Ofd.TIMERFD, 0, 2 | (flags & O_NONBLOCK), hostFd);
    if (ofd < 0) { host.close(hostFd); return ofd; }
    L.setOfdPollable(ofd, 1);
    this.byOfd.set(ofd, new TimerFd(hostFd));
    return this.install(f, ofd, (flags & O_CLOEXEC) !== 0);
  }

  /** timerfd_settime(2), timerfd_gettime(2): the host's, on the host timerfd. EBADF, EINVAL, EFAULT, ECANCELED. */
  private timerfdTime(f: Frame): number {
    const o = fdLookup(filesOf(f), f.argInt(0));
    if (o < 0) return o;
    const t = this.byOfd.get(o);
    if (L.ofdOwner(o) !== this.ep.srv || !(t instanceof TimerFd)) return -E.EINVAL;
    const set = f.nr === NR.NR_timerfd_settime;
    const outArg = set ? 3 : 1;
    const wantOld = f.argU64(outArg) !== 0;
    if (set) {
      const at = f.inOff(2);
      if (at < 0) return at;
      f.bytes.copy(host.scratch, host.STRUCT, at, at + 32);
    } else if (!wantOld) return -E.EFAULT;
    const r = set ? native.sys(f.nr, 0b1100, t.fd, f.argInt(1), host.STRUCT, host.STRUCT + 64) : native.sys(f.nr, 0b10, t.fd, host.STRUCT + 64);
    if (r < 0) return r;
    t.readers.wakeAll();
    if (!wantOld) return 0;
    const out = f.outOff(outArg);
    if (out < 0) return out;
    host.scratch.copy(f.bytes, out, host.STRUCT + 64, host.STRUCT + 96);
    f.setOut(outArg, 32);
    return 0;
  }

  private sys_read(f: Frame): number {
    const o = ownOfd(this.ep, f, f.argInt(0));
    if (o < 0) return o;
    const s = this.byOfd.get(o);
    if (s instanceof SignalFd) return this.readSignals(f, o, s);
    return s instanceof TimerFd ? this.readTimer(f, o, s) : -E.EBADF;
  }

  /** EAGAIN, EINVAL (room under 128 bytes). As many whole records as fit. */
  private readSignals(f: Frame, o: number, s: SignalFd): number {
    const room = Math.floor(Math.min(f.argU64(2), 8192) / L.SIGINFO_SIZE);
    if (room === 0) return -E.EINVAL;
    const out = f.outOff(1);
    if (out < 0) return out;
    let n = 0;
    while (n < room) {
      const info = this.d.take(f.tg, f.task, s.lo, s.hi);
      if (info === undefined) break;
      writeSignalfdInfo(f.bytes, out + n * L.SIGINFO_SIZE, info);
      n++;
    }
    if (n > 0) { f.setOut(1, n * L.SIGINFO_SIZE); return n * L.SIGINFO_SIZE; }
    if ((L.ofdFlags(o) & O_NONBLOCK) !== 0) return -E.EAGAIN;
    if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
    return this.ep.park(f, s.readers);
  }

  /** EAGAIN, EINVAL (room under 8 bytes), ECANCELED. */
  private readTimer(f: Frame, o: number, t: TimerFd): number {
    if (f.argU64(2) < 8) return -E.EINVAL;
    const out = f.outOff(1);
    if (out < 0) return out;
    const r = host.read(t.fd, host.STRUCT, 8);
    if (r > 0) {
      host.scratch.copy(f.bytes, out, host.STRUCT, host.STRUCT + 8);
      f.setOut(1, 8);
      return r;
    }
    if (r !== -E.EAGAIN || (L.ofdFlags(o) & O_NONBLOCK) !== 0) return r;
    if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
    if (t.token < 0) {
      const token = this.ep.watch(t.fd, EPOLLIN, () => { this.disarm(t); t.readers.wakeAll(); });
      if (token < 0) return token;
      t.token = token;
    }
    return this.ep.park(f, t.readers);
  }

  private disarm(t: TimerFd): void {
    if (t.token < 0) return;
    this.ep.unwatch(t.token, t.fd);
    t.token = -1;
  }

  /** fstat(2) of an anonymous inode. */
  private sys_fstat(f: Frame): number {
    const o = ownOfd(this.ep, f, f.argInt(0));
    if (o < 0) return o;
    const out = f.outOff(1);
    if (out < 0) return out;
    f.bytes.fill(0, out, out + 144);
    f.bytes.writeUInt32LE(14, out);
    f.bytes.writeUInt32LE(o, out + 8);
    f.bytes.writeUInt32LE(1, out + 16);
    f.bytes.writeUInt32LE(S_IFREG_ANON, out + 24);
    f.bytes.writeUInt32LE(4096, out + 56);
    f.setOut(1, 144);
    return 0;
  }
}
