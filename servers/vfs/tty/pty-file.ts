/**
 * The open files of a pty: SlaveFile (a terminal to its user) and MasterFile (what a terminal emulator holds). pty(7), termios(3).
 *
 * Blocking is by parking on the pty's queues and looking again. Two words of the frame survive a re-dispatch: p[WRITTEN], bytes of this write that were
 * taken, and p[READ_SEEN], 1 + bytes that were buffered when the VTIME timer was last set.
 */
import { E } from '../../../shared/errno.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import { nowNs } from '../../../shared/clock.js';
import { scratch } from '../../../shared/host.js';
import { Why } from '../../../shared/wait.js';
import { File } from '../file.js';
import type { Path } from '../inode.js';
import { SIGTTIN, SIGTTOU, checkForeground } from './job.js';
import type { Pty, SlaveEnd } from './pty.js';
import { L as Lf, V } from './termios.js';
import { masterIoctl, slaveIoctl } from './tty-ioctl.js';

const WRITTEN = 6;
const READ_SEEN = 5;
/** VTIME counts tenths of a second. */
const TENTH_NS = 1e8;

export class SlaveFile extends File implements SlaveEnd {
  hungUp = false;

  constructor(path: Path, flags: number, readonly pty: Pty) {
    super(Ofd.TTY, path, flags);
    pty.slaveOpened(this);
    this.ready = pty.slaveReady();
  }

  /**
   * EIO: orphaned or SIGTTIN-ignoring background group. 0: end of file, or the terminal was hung up. -ERESTARTSYS: interrupted, or sent SIGTTIN.
   */
  override read(f: Frame, off: number, len: number, _pos: number): number {
    const { pty } = this;
    if (this.hungUp) return 0;
    const jc = checkForeground(pty.ep, f, pty, SIGTTIN);
    if (jc < 0) return jc;
    if (len === 0) return 0;
    const wait = this.mustWait(f, len);
    if (wait !== 0) return wait > 0 ? 0 : wait;
    const n = pty.ldisc.read(scratch, off, len);
    pty.atime = Math.floor(Date.now() / 1000);
    pty.feed();
    pty.updateSlaves();
    pty.updateMaster();
    return n;
  }

  /** 0: read now. 1: answer 0 (time is up, the input has ended). Else the result, mostly Ret.BLOCKED. */
  private mustWait(f: Frame, len: number): number {
    const { pty } = this;
    const { ldisc } = pty;
    const { termios } = ldisc;
    if ((termios.lflag & Lf.ICANON) !== 0) {
      if (ldisc.inputAvailable()) return 0;
      if (pty.inputIsOver) return 1;
      return this.interruption(f) ?? pty.ep.park(f, pty.readers);
    }
    const min = termios.cc[V.MIN] as number;
    const timeNs = (termios.cc[V.TIME] as number) * TENTH_NS;
    const have = ldisc.buffered;
    if (have > 0 && have >= Math.min(Math.max(min, 1), len)) return 0;
    if (pty.inputIsOver) return have > 0 ? 0 : 1;
    if (min === 0) {
      // VTIME bounds the whole read; without it nothing is waited for.
      if (timeNs === 0 || f.why === Why.TIMEOUT) return 1;
      const stop = this.interruption(f);
      if (stop !== undefined) return stop;
      if (f.p[READ_SEEN] === 0) { f.p[READ_SEEN] = 1; f.deadlineNs = nowNs() + timeNs; }
      return pty.ep.park(f, pty.readers);
    }
    // Some bytes but not VMIN of them: a timer between bytes, a signal, or a file that does not block make that enough.
    if (have > 0) {
      if (this.nonblock || f.why === Why.SIGNAL) return 0;
      if (timeNs > 0) {
        if (f.why === Why.TIMEOUT && f.p[READ_SEEN] === 1 + have) return 0;
        f.p[READ_SEEN] = 1 + have;
        f.deadlineNs = pty.lastInputNs + timeNs;
        if (f.deadlineNs <= nowNs()) return 0;
      }
      return pty.ep.park(f, pty.readers);
    }
    return this.interruption(f) ?? pty.ep.park(f, pty.readers);
  }

  private interruption(f: Frame): number | undefined {
    if (this.nonblock) return -E.EAGAIN;
    return f.why === Why.SIGNAL ? -E.ERESTARTSYS : undefined;
  }

  /** EIO: hung up. -ERESTARTSYS: interrupted before the first byte, or sent SIGTTOU (TOSTOP). EAGAIN. */
  override write(f: Frame, off: number, len: number, _pos: number): number {
    const { pty } = this;
    let done = f.p[WRITTEN] as number;
    if (this.hungUp) return done > 0 ? done : -E.EIO;
    if (done === 0 && (pty.ldisc.termios.lflag & Lf.TOSTOP) !== 0) {
      const jc = checkForeground(pty.ep, f, pty, SIGTTOU);
      if (jc < 0) return jc;
    }
    done += pty.ldisc.write(scratch, off + done, len - done);
    if (done > 0) pty.mtime = Math.floor(Date.now() / 1000);
    pty.updateSlaves();
    if (done === len) return done;
    if (this.nonblock) return done > 0 ? done : -E.EAGAIN;
    if (f.why === Why.SIGNAL) return done > 0 ? done : -E.ERESTARTSYS;
    f.p[WRITTEN] = done;
    return pty.ep.park(f, pty.writers);
  }

  override ioctl(f: Frame, request: number, arg: number): number {
    if (this.hungUp) return request === 0x5410 /* TIOCSPGRP */ ? -E.ENOTTY : -E.EIO;
    return slaveIoctl(f, this.pty, request, arg, this.readable);
  }

  override release(): void { this.pty.slaveClosed(this); }
}

export class MasterFile extends File {
  constructor(path: Path, flags: number, readonly pty: Pty) {
    super(Ofd.TTY, path, flags);
    pty.master = this;
    this.ready = pty.masterReady();
  }

  /** EIO: the last slave has closed. In packet mode every read begins with a status byte, and a status of its own comes alone. */
  override read(f: Frame, off: number, len: number, _pos: number): number {
    const { pty } = this;
    const { ldisc } = pty;
    if (len === 0) return 0;
    if (pty.packetMode && pty.pktStatus !== 0) {
      scratch[off] = pty.pktStatus;
      pty.pktStatus = 0;
      pty.updateMaster();
      return 1;
    }
    if (ldisc.out.size === 0) {
      if (pty.otherClosed) return -E.EIO;
      if (this.nonblock) return -E.EAGAIN;
      if (f.why === Why.SIGNAL) return -E.ERESTARTSYS;
      return pty.ep.park(f, pty.masterReaders);
    }
    let head = 0;
    if (pty.packetMode) { scratch[off] = 0; head = 1; }
    // Linux hands over at most what its input buffer holds.
    const n = ldisc.out.take(scratch, off + head, Math.min(len - head, 4095));
    ldisc.outputTaken();
    return n + head;
  }

  override write(f: Frame, off: number, len: number, _pos: number): number {
    const { pty } = this;
    let done = f.p[WRITTEN] as number;
    done += pty.input(scratch, off + done, len - done, nowNs());
    if (done === len) return done;
    if (this.nonblock) return done > 0 ? done : -E.EAGAIN;
    if (f.why === Why.SIGNAL) return done > 0 ? done : -E.ERESTARTSYS;
    f.p[WRITTEN] = done;
    return pty.ep.park(f, pty.masterWriters);
  }

  override ioctl(f: Frame, request: number, arg: number): number { return masterIoctl(f, this.pty, this, request, arg); }

  override release(): void { this.pty.masterGone(); }
}

/**
 * open(2) of a pty slave. EIO: locked, or the master has gone; EBUSY: TIOCEXCL and no CAP_SYS_ADMIN.
 */
export function openSlave(path: Path, flags: number, pty: Pty, privileged: boolean): SlaveFile | number {
  if (pty.locked || pty.masterClosed) return -E.EIO;
  if (pty.exclusive && pty.slaves.size > 0 && !privileged) return -E.EBUSY;
  return new SlaveFile(path, flags, pty);
}

