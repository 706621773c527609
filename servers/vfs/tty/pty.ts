/**
 * Pseudo terminals: the pair that opening /dev/ptmx makes, and the registry that /dev/pts shows. pty(7), ptmx(4).
 *
 *   MasterFile ──write──► flip queue ──► Ldisc input ──► SlaveFile.read       one Pty object per pair;
 *   MasterFile ◄──read─── Ldisc.out ◄── echo, OPOST ◄─── SlaveFile.write      the console (-t) has carrick itself as its master
 *
 * Life: the pair exists from the master's open to its close; then the slave's open files are hung up (reads end, writes fail with EIO) and the
 * index is free again. While no slave is open *after one was*, the master reads EIO (otherClosed). Readers and writers park on the four queues
 * here; whoever changes a condition stores it, then wakes. Index i is device 136:i (65,536 indexes on: makeDev's minor has 20 bits).
 */
import type { Endpoint } from '../../../shared/endpoint.js';
import { WaitQueue } from '../../../shared/wait.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDNORM, EPOLLWRNORM, type File, setReady } from '../file.js';
import { makeDev } from '../inode.js';
import { ByteQueue } from './byte-queue.js';
import { type JobTty, hangUpSession, signalPgrp } from './job.js';
import { Ldisc, type LdiscSink, Pkt } from './ldisc.js';
import { L as Lf, V, defaultTermios } from './termios.js';

/** Major number of the first pty slaves. Documentation/admin-guide/devices.txt. */
export const PTS_MAJOR = 136;
/** As kernel.pty.max. */
export const PTY_MAX = 4096;

const IN = EPOLLIN | EPOLLRDNORM;
const OUT = EPOLLOUT | EPOLLWRNORM;
const HUNG_UP_READY = IN | OUT | EPOLLERR | EPOLLHUP;

/** An open slave file, as the pty sees it. */
export interface SlaveEnd extends File { hungUp: boolean }

export class Pty implements LdiscSink, JobTty {
  readonly ldisc: Ldisc;
  /** Bytes of the master that the line discipline has no room for yet. */
  private readonly flip = new ByteQueue(8192);
  /** struct winsize: rows, columns, pixels. */
  readonly winsize = [0, 0, 0, 0];
  session = 0;
  pgrp = 0;
  /** TIOCSPTLCK: the slave can't be opened. */
  locked = true;
  /** TIOCEXCL. */
  exclusive = false;
  /** TIOCPKT: the master's reads are prefixed. */
  packetMode = false;
  /** Pkt bits that the master has not read. */
  pktStatus = 0;
  /** The last slave has closed, none has opened since. */
  otherClosed = false;
  /** The master has gone. */
  masterClosed = false;
  master: File | undefined = undefined;
  readonly slaves = new Set<SlaveEnd>();
  /** Slave: waits for input, for room. Master: the same. */
  readonly readers = new WaitQueue();
  readonly writers = new WaitQueue();
  readonly masterReaders = new WaitQueue();
  readonly masterWriters = new WaitQueue();
  /** CLOCK_MONOTONIC ns of the last input, for VTIME. */
  lastInputNs = 0;
  /** Owner and permissions of /dev/pts/N; kept here because the inode is only a view. */
  uid = 0;
  gid = 0;
  mode = 0o620;
  /** Seconds since the epoch. */
  readonly born: number;
  atime: number;
  mtime: number;
  /** The console's input was a pipe or a file, and has ended: who has read all of it reads 0 from then on, in every mode. */
  private over = false;
  /** The console's master is carrick: told of output, and of room for input. */
  onOutput: (() => void) | undefined = undefined;
  onInputRoom: (() => void) | undefined = undefined;

  constructor(readonly index: number, readonly ep: Endpoint, nowSec: number) {
    this.ldisc = new Ldisc(defaultTermios(), this);
    this.born = this.atime = this.mtime = nowSec;
  }

  get rdev(): number { return makeDev(PTS_MAJOR + (this.index >> 20), this.index & 0xfffff); }

  // ---- LdiscSink ----

  signal(signo: number): void { signalPgrp(this.ep, this.pgrp, signo); }

  inputReady(): void {
    this.updateSlaves();
    this.readers.wakeAll();
    this.updateMaster();
  }

  outputReady(): void {
    this.updateMaster();
    this.masterReaders.wakeAll();
    if (this.ldisc.canWrite) {
      this.updateSlaves();
      this.writers.wakeAll();
    }
    this.onOutput?.();
  }

  packet(bits: number): void {
    if (!this.packetMode) return;
    const opposite = (bits & Pkt.STOP) !== 0 ? Pkt.START : (bits & Pkt.START) !== 0 ? Pkt.STOP : (bits & Pkt.DOSTOP) !== 0 ? Pkt.NOSTOP : (bits & Pkt.NOSTOP) !== 0 ? Pkt.DOSTOP : 0;
    this.pktStatus = (this.pktStatus & ~opposite) | bits;
    this.updateMaster();
    this.masterReaders.wakeAll();
  }

  // ---- readiness ----

  /** Bytes a poll waits for: VMIN, unless a timer would end the wait. */
  private get pollMin(): number {
    const { cc } = this.ldisc.termios;
    return cc[V.TIME] === 0 ? (cc[V.MIN] as number) : 1;
  }

  slaveReady(): number {
    return (this.inputIsOver || this.ldisc.inputAvailable(this.pollMin) ? IN : 0) | (this.ldisc.canWrite ? OUT : 0);
  }

  masterReady(): number {
    let m = this.ldisc.out.size > 0 ? IN : 0;
    if (this.pktStatus !== 0) m |= EPOLLPRI | IN;
    if (this.otherClosed) m |= EPOLLHUP;
    if (this.flip.room > 0) m |= OUT;
    return m;
  }

  updateSlaves(): void {
    if (this.slaves.size === 0) return;
    const m = this.slaveReady();
    for (const s of this.slaves) setReady(s, m);
  }

  updateMaster(): void { if (this.master !== undefined) setReady(this.master, this.masterReady()); }

  // ---- master to slave ----

  /** Bytes from the master: how many were taken, 0 when the queues are full. */
  input(src: Uint8Array, off: number, len: number, nowNs: number): number {
    let n = 0;
    this.lastInputNs = nowNs;
    this.feed();
    if (this.flip.size === 0) n = this.ldisc.receive(src, off, len);
    if (n < len) n += this.flip.putAll(src, off + n, len - n);
    this.updateMaster();
    return n;
  }

  /** Has all input been handed to the line discipline, and will no more come? */
  get inputIsOver(): boolean { return this.over && this.flip.size === 0; }

  /** No more input will come, though nothing is hung up: output still has a reader. Such an end is not of one line, as VEOF is, but lasts, as that of a pipe does. */
  endInput(): void {
    this.over = true;
    this.updateSlaves();
    this.readers.wakeAll();
  }

  /** Room for more input? */
  get inputRoom(): boolean { return this.flip.room > 0; }

  /** Bytes of input that will surely be taken. */
  get inputFree(): number { return this.flip.room; }

  /** Move waiting bytes on, after a read or a flush made room. */
  feed(): void {
    if (this.flip.size === 0) return;
    const n = this.flip.peek($feed, 0, $feed.length);
    const took = this.ldisc.receive($feed, 0, n);
    if (took === 0) return;
    this.flip.skip(took);
    this.updateMaster();
    this.masterWriters.wakeAll();
    this.onInputRoom?.();
  }

  /** TCIFLUSH on the slave, TCOFLUSH on the master. */
  flushInput(): void {
    this.flip.clear();
    this.ldisc.flushInput();
    this.updateSlaves();
    this.updateMaster();
    this.masterWriters.wakeAll();
    this.onInputRoom?.();
  }

  // ---- life ----

  slaveOpened(s: SlaveEnd): void {
    this.slaves.add(s);
    this.otherClosed = false;
    this.updateMaster();
  }

  slaveClosed(s: SlaveEnd): void {
    if (!this.slaves.delete(s) || this.slaves.size > 0) return;
    this.otherClosed = true;
    this.exclusive = false;
    this.updateMaster();
    this.masterReaders.wakeAll();
  }

  /** Every open slave file stops working; the session is told. */
  hangUp(): void {
    for (const s of this.slaves) {
      s.hungUp = true;
      setReady(s, HUNG_UP_READY);
    }
    this.slaves.clear();
    hangUpSession(this.ep, this);
    this.readers.wakeAll();
    this.writers.wakeAll();
  }

  masterGone(): void {
    this.masterClosed = true;
    this.master = undefined;
    this.hangUp();
    ptys.delete(this.index);
  }

  /** New window size; SIGWINCH to the foreground when it differs. */
  resize(rows: number, cols: number, xpixel: number, ypixel: number): void {
    const w = this.winsize;
    if (w[0] === rows && w[1] === cols && w[2] === xpixel && w[3] === ypixel) return;
    w[0] = rows; w[1] = cols; w[2] = xpixel; w[3] = ypixel;
    signalPgrp(this.ep, this.pgrp, 28 /* SIGWINCH */);
  }

  /** May canonical input end with VEOF? For a console whose input has ended. */
  get canonical(): boolean { return (this.ldisc.termios.lflag & Lf.ICANON) !== 0; }
}

const $feed = new Uint8Array(4096);

/** Living ptys by index. */
export const ptys = new Map<number, Pty>();

/** New pty at the lowest free index, or undefined when there are PTY_MAX. */
export function ptyAlloc(ep: Endpoint, nowSec: number): Pty | undefined {
  let i = 0;
  while (ptys.has(i)) i++;
  if (i >= PTY_MAX) return undefined;
  const pty = new Pty(i, ep, nowSec);
  ptys.set(i, pty);
  return pty;
}

/** The controlling terminal of a thread group by its table word (1 + index), or undefined. */
export function ptyOfCtty(ctty: number): Pty | undefined { return ctty > 0 ? ptys.get(ctty - 1) : undefined; }
