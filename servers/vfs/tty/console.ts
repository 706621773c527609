/**
 * The terminal of `run -t`, and of every `exec -t`: a pty whose master is carrick itself, relayed to the caller's standard input and output.
 *
 *   host stdin ──epoll──► pty.input      pty.ldisc.out ──► $spill ──► host stdout (EPOLLOUT when it is slow)
 *
 * The CLI has put the caller's terminal in raw mode; every key comes here. The caller's descriptions are shared with its shell, so their flags are never
 * changed: we open private, non-blocking ones through /proc/self/fd. Where that cannot be done (sockets, a terminal of another user) the caller's own are used,
 * only ever when epoll says they are ready.
 *
 * The container's own lives as long as carrick. That of an exec ends with its process: end() closes it when the last output has gone out.
 *
 * Output is pumped at the end of a turn (a timer that is due at once), because this worker's scratch may hold a request's data while the line discipline
 * produces output. When the caller's side is gone, the guest's terminal hangs up, as an emulator's closing would do it.
 */
import type { BootData } from '../../../shared/boot.js';
import { nowNs } from '../../../shared/clock.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import { logLine } from '../../../shared/log.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { Timer } from '../../../shared/wait.js';
import { EPOLLIN, EPOLLOUT, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../file.js';
import { S_IFCHR, S_IFIFO, S_IFMT } from '../inode.js';
import { type Pty, ptyAlloc } from './pty.js';
import { V } from './termios.js';

/** Bytes moved per host call. */
const CHUNK = 4096;
/** ioctl_tty(2). */
const TCGETS = 0x5401, TIOCGWINSZ = 0x5413;
/** poll(2). */
const SYS_poll = 7;
const POLLOUT = 4;

/** What a console is relayed to: host fds, which stay the caller's (-1 = no input, output thrown away), and the window at start. */
export interface ConsoleSpec { readonly input: number; readonly output: number; readonly rows: number; readonly cols: number }

/** shared: somebody else's description, which may block; owned: to be closed. */
interface HostEnd { readonly fd: number; readonly shared: boolean; readonly owned: boolean }

/** A private description of a terminal or pipe, or a duplicate where there can be none (or, files, where the offset is to be shared). */
function privately(fd: number, mode: number): HostEnd {
  const duplicate = (): HostEnd => {
    const own = host.dup(fd);
    return { fd: own >= 0 ? own : fd, shared: true, owned: own >= 0 };
  };
  if (fd < 0 || host.statx(fd, '', host.AT_EMPTY_PATH) < 0) return duplicate();
  const type = host.scratchView.getUint16(host.STRUCT + 28, true) & S_IFMT;
  if (type !== S_IFCHR && type !== S_IFIFO) return duplicate();
  const own = host.openat(host.AT_FDCWD, `/proc/self/fd/${fd}`, mode | O_NONBLOCK | O_NOCTTY);
  return own >= 0 ? { fd: own, shared: false, owned: true } : duplicate();
}

/** Living consoles by the index of their pty. */
export const consoles = new Map<number, Console>();

export class Console {
  private readonly inEnd: HostEnd;
  private readonly outEnd: HostEnd;
  private readonly inFd: number;
  private readonly outFd: number;
  /** outFd is the caller's own description and may block: ask before every write. */
  private readonly outShared: boolean;
  private inToken = -1;
  private outToken = -1;
  /** A regular file cannot be watched: it is read whenever there is room. */
  private inAlways = false;
  /** Size of the caller's window when it was last asked for. A guest may give its own terminal another. */
  private rows: number;
  private cols: number;
  /** The input is a terminal. */
  private readonly inTty: boolean;
  private inEnded = false;
  private outFailed = false;
  /** New sizes of the window that the signal server has not told the guest of yet: until then nothing is read. */
  private sizesToTell = 0;
  /** end() was called: told once the output is out and everything closed. */
  private whenEnded: (() => void) | undefined;
  private readonly pumpSoon: Timer;
  private readonly readSoon: Timer;

  private constructor(private readonly ep: Endpoint, readonly pty: Pty, spec: ConsoleSpec) {
    pty.locked = false;
    this.rows = pty.winsize[0] = spec.rows;
    this.cols = pty.winsize[1] = spec.cols;
    this.pumpSoon = new Timer(() => this.pump());
    this.readSoon = new Timer(() => this.readHost());
    this.inEnd = privately(spec.input, O_RDONLY);
    this.outEnd = privately(spec.output, O_WRONLY);
    this.inFd = this.inEnd.fd;
    this.outFd = this.outEnd.fd;
    this.outShared = this.outEnd.shared;
    this.inTty = this.inFd >= 0 && host.ioctlPtr(this.inFd, TCGETS, host.STRUCT) >= 0;
    this.inEnded = this.inFd < 0;
    this.outFailed = this.outFd < 0;
    pty.onOutput = (): void => { if (this.pumpSoon.ix < 0 && this.outToken < 0 && pty.ldisc.out.size > 0) ep.timers.arm(this.pumpSoon, 0); };
    pty.onInputRoom = (): void => this.wantInput(true);
    this.wantInput(true);
    consoles.set(pty.index, this);
  }

  /** A new terminal, or undefined when there are too many. */
  static open(ep: Endpoint, spec: ConsoleSpec): Console | undefined {
    const pty = ptyAlloc(ep, Math.floor(Date.now() / 1000));
    return pty === undefined ? undefined : new Console(ep, pty, spec);
  }

  // ---- host to guest ----

  /** Watch the input or stop: taken out of the set altogether, since epoll reports a hang-up even to those who ask for nothing. */
  private wantInput(on: boolean): void {
    if (this.inEnded || this.pty.masterClosed || (on && this.sizesToTell > 0)) return;
    if (this.inAlways) { if (on && this.readSoon.ix < 0) this.ep.timers.arm(this.readSoon, 0); return; }
    if (on === this.inToken >= 0) return;
    if (!on) { this.ep.unwatch(this.inToken, this.inFd); this.inToken = -1; return; }
    const t = this.ep.watch(this.inFd, EPOLLIN, () => this.readHost());
    if (t >= 0) { this.inToken = t; return; }
    if (t === -E.EPERM) { this.inAlways = true; this.ep.timers.arm(this.readSoon, 0); return; }
    logLine(`terminal: standard input cannot be watched: errno ${-t}`);
    this.inEnded = true;
  }

  private readHost(): void {
    if (this.inEnded || this.pty.masterClosed || this.sizesToTell > 0) return;
    // Level-triggered readiness that nobody can use would keep the loop busy: onInputRoom starts it again.
    if (!this.pty.inputRoom) { this.wantInput(false); return; }
    if (this.resized()) return;
    const room = this.pty.inputFree;
    const n = host.read(this.inFd, host.DATA, Math.min(CHUNK, room));
    if (n === -E.EAGAIN || n === -E.EINTR) return;
    // A raw terminal has no end of file: 0, like an error, means that its other side has gone. A pipe or file just ends.
    if (n <= 0) { this.inputGone(n < 0 || this.inTty); return; }
    this.pty.input(host.scratch, host.DATA, n, nowNs());
    if (this.inAlways && this.readSoon.ix < 0) this.ep.timers.arm(this.readSoon, nowNs());
  }

  /**
   * Has the caller's window another size by now? Then the guest's has it too. The CLI tells us when it hears of that (SIGWINCH), which may be later than what is typed
   * afterwards; on the host the signal comes first.
   */
  private resized(): boolean {
    if (host.ioctlPtr(this.outFd, TIOCGWINSZ, host.STRUCT) < 0) return false;
    const rows = host.scratchView.getUint16(host.STRUCT, true), cols = host.scratchView.getUint16(host.STRUCT + 2, true);
    if (rows === this.rows && cols === this.cols) return false;
    this.resize(rows, cols);
    return this.sizesToTell > 0;
  }

  /** No more input: an end of file for the guest, or a hang-up. */
  private inputGone(hangUp: boolean): void {
    this.wantInput(false);
    this.inEnded = true;
    if (hangUp) { this.pty.hangUp(); return; }
    // A line that is unfinished is ended by a VEOF, as somebody at a keyboard would.
    const eof = this.pty.ldisc.termios.cc[V.EOF] as number;
    if (this.pty.canonical && eof !== 0 && this.pty.ldisc.lineStarted) {
      host.scratch[host.DATA] = eof;
      this.pty.input(host.scratch, host.DATA, 1, nowNs());
    }
    this.pty.endInput();
  }

  // ---- guest to host ----

  /** Write out what there is; stops at a full host fd and goes on when epoll says so. */
  private pump(): void {
    const { out } = this.pty.ldisc;
    let moved = false;
    while (out.size > 0) {
      const n = out.peek(host.scratch, host.DATA, CHUNK);
      const w = this.outFailed ? n : this.outShared && !this.writable(0) ? -E.EAGAIN : host.write(this.outFd, host.DATA, n);
      if (w === -E.EINTR) continue;
      if (w === -E.EAGAIN) { this.wantOutput(true); break; }
      // Nobody reads any more: swallow it, as the guest's terminal did with its emulator gone.
      if (w < 0) { this.outputGone(); continue; }
      out.skip(w);
      moved = true;
    }
    if (out.size === 0) this.wantOutput(false);
    if (moved) this.pty.ldisc.outputTaken();
    if (out.size === 0 && this.whenEnded !== undefined) this.close();
  }

  /** poll(2) the output, for `ms` at most. Errors count as writable: the write reports them. */
  private writable(ms: number): boolean {
    host.scratchView.setInt32(host.STRUCT, this.outFd, true);
    host.scratchView.setInt32(host.STRUCT + 4, POLLOUT, true);
    return native.sys(SYS_poll, 0b1, host.STRUCT, 1, ms) !== 0;
  }

  private wantOutput(on: boolean): void {
    if (on === this.outToken >= 0) return;
    if (!on) { this.ep.unwatch(this.outToken, this.outFd); this.outToken = -1; return; }
    const t = this.ep.watch(this.outFd, EPOLLOUT, () => this.pump());
    if (t >= 0) this.outToken = t;
    else this.ep.timers.arm(this.pumpSoon, nowNs() + 1e6);
  }

  private outputGone(): void {
    this.outFailed = true;
    this.wantOutput(false);
    this.pty.hangUp();
  }

  // ---- control ----

  /** The caller's window has a new size. The guest's SIGWINCH comes before whatever is typed from now on, as on the host, though another server sends it. */
  resize(rows: number, cols: number): void {
    const { winsize } = this.pty;
    this.rows = rows;
    this.cols = cols;
    if (rows === winsize[0] && cols === winsize[1]) return;
    this.pty.resize(rows, cols, 0, 0);
    this.wantInput(false);
    this.sizesToTell++;
    this.ep.fence(1 << L.SRV_SIGNAL, () => {
      this.sizesToTell--;
      this.wantInput(true);
    });
  }

  /** The caller has gone. */
  hangUp(): void {
    if (this.pty.masterClosed) return;
    if (!this.inEnded) { this.wantInput(false); this.inEnded = true; }
    this.outputGone();
    this.pump();
  }

  /** The process that it was made for has ended; others that have it open are hung up. */
  end(done: () => void): void {
    if (this.pty.masterClosed) { done(); return; }
    this.whenEnded = done;
    if (!this.inEnded) { this.wantInput(false); this.inEnded = true; }
    this.pump();
  }

  private close(): void {
    const done = this.whenEnded;
    this.whenEnded = undefined;
    this.wantOutput(false);
    consoles.delete(this.pty.index);
    this.pty.onOutput = undefined;
    this.pty.onInputRoom = undefined;
    this.pty.masterGone();
    for (const timer of [this.pumpSoon, this.readSoon]) this.ep.timers.disarm(timer);
    for (const end of [this.inEnd, this.outEnd]) if (end.owned) host.close(end.fd);
    done?.();
  }

  /** Last output before carrick ends; waits for a slow reader, but not for ever. */
  flush(): void {
    const until = nowNs() + 2e9;
    const { out } = this.pty.ldisc;
    while (out.size > 0 && !this.outFailed && nowNs() < until) {
      this.pump();
      if (out.size > 0) this.writable(100);
    }
  }
}

/** Make the container's console. Its pty is the first: /dev/pts/0. */
export function openConsole(ep: Endpoint, boot: BootData): Console {
  const { stdio, rows, cols } = boot.spec;
  const con = Console.open(ep, { input: stdio[0], output: stdio[1], rows, cols });
  if (con === undefined) throw new Error('no pty for the console');
  return con;
}
