/**
 * ioctl(2) on ptys. ioctl_tty(2), ioctl_console(2) says which are not for ptys.
 *
 * Both ends share the slave's settings: TCGETS on a master tells the slave's termios. Requests that change a terminal are job-control
 * operations: from a background process they send SIGTTOU. A pty has no line to drain (TIOCOUTQ is always 0), so tcdrain and TCSETSW do not wait. Arguments are guest addresses or plain values; structs pass through scratch at DATA.
 */
import { Cap, capable } from '../../../shared/creds.js';
import { nowNs } from '../../../shared/clock.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import { DATA, scratch, scratchView } from '../../../shared/host.js';
import type { File } from '../file.js';
import { SIGTTOU, checkForeground, dropCtty, hasTty, setCtty, setPgrp } from './job.js';
import { Pkt } from './ldisc.js';
import type { Pty } from './pty.js';
import {
  I, L as Lf, TERMIO_BYTES, TERMIOS2_BYTES, TERMIOS_BYTES, type Termios, V, decodeTermio, decodeTermios, encodeTermio, encodeTermios,
} from './termios.js';

/** Requests. asm-generic/ioctls.h. */
const enum R {
  TCGETS = 0x5401, TCSETS = 0x5402, TCSETSW = 0x5403, TCSETSF = 0x5404, TCGETA = 0x5405, TCSETA = 0x5406, TCSETAW = 0x5407, TCSETAF = 0x5408,
  TCSBRK = 0x5409, TCXONC = 0x540a, TCFLSH = 0x540b, TIOCEXCL = 0x540c, TIOCNXCL = 0x540d, TIOCSCTTY = 0x540e, TIOCGPGRP = 0x540f,
  TIOCSPGRP = 0x5410, TIOCOUTQ = 0x5411, TIOCSTI = 0x5412, TIOCGWINSZ = 0x5413, TIOCSWINSZ = 0x5414, TIOCGSOFTCAR = 0x5419, TIOCSSOFTCAR = 0x541a,
  FIONREAD = 0x541b, TIOCCONS = 0x541d, TIOCPKT = 0x5420, TIOCNOTTY = 0x5422, TIOCSETD = 0x5423, TIOCGETD = 0x5424, TCSBRKP = 0x5425,
  TIOCSBRK = 0x5427, TIOCCBRK = 0x5428, TIOCGSID = 0x5429, TIOCGLCKTRMIOS = 0x5456, TIOCSLCKTRMIOS = 0x5457,
  TCGETS2 = 0x802c542a, TCSETS2 = 0x402c542b, TCSETSW2 = 0x402c542c, TCSETSF2 = 0x402c542d,
  TIOCGPTN = 0x80045430, TIOCSPTLCK = 0x40045431, TIOCGDEV = 0x80045432, TIOCSIG = 0x40045436, TIOCGPKT = 0x80045438, TIOCGPTLCK = 0x80045439,
  TIOCGEXCL = 0x80045440, TIOCGPTPEER = 0x5441,
}

const START_DEFAULT = 0o21, STOP_DEFAULT = 0o23;

function putInt(f: Frame, arg: number, v: number): number {
  scratchView.setInt32(DATA, v, true);
  const r = f.copyOut(arg, DATA, 4);
  return r < 0 ? r : 0;
}

/** An int argument; NaN for EFAULT. */
function getInt(f: Frame, arg: number): number { return f.copyIn(arg, DATA, 4) < 0 ? NaN : scratchView.getInt32(DATA, true); }

function putStruct(f: Frame, arg: number, len: number): number {
  const r = f.copyOut(arg, DATA, len);
  return r < 0 ? r : 0;
}

/** What packet mode must tell of a change of settings. */
function packetChange(pty: Pty, old: Termios, t: Termios): void {
  if (!pty.packetMode) return;
  const flow = (x: Termios): boolean => (x.iflag & I.IXON) !== 0 && x.cc[V.STOP] === STOP_DEFAULT && x.cc[V.START] === START_DEFAULT;
  if (((old.lflag | t.lflag) & Lf.EXTPROC) !== 0) pty.packet(Pkt.IOCTL);
  if (flow(old) !== flow(t)) pty.packet(flow(t) ? Pkt.DOSTOP : Pkt.NOSTOP);
}

function setTermios(f: Frame, pty: Pty, request: R, arg: number): number {
  const fg = checkForeground(pty.ep, f, pty, SIGTTOU);
  if (fg < 0) return fg;
  const old = pty.ldisc.termios;
  let t: Termios;
  let flush = false;
  switch (request) {
    case R.TCSETA: case R.TCSETAW: case R.TCSETAF:
      if (f.copyIn(arg, DATA, TERMIO_BYTES) < 0) return -E.EFAULT;
      t = decodeTermio(scratchView, DATA, old);
      flush = request === R.TCSETAF;
      break;
    case R.TCSETS2: case R.TCSETSW2: case R.TCSETSF2:
      if (f.copyIn(arg, DATA, TERMIOS2_BYTES) < 0) return -E.EFAULT;
      t = decodeTermios(scratchView, DATA, old, true);
      flush = request === R.TCSETSF2;
      break;
    default:
      if (f.copyIn(arg, DATA, TERMIOS_BYTES) < 0) return -E.EFAULT;
      t = decodeTermios(scratchView, DATA, old, false);
      flush = request === R.TCSETSF;
  }
  if (flush) pty.flushInput();
  pty.ldisc.setTermios(t);
  packetChange(pty, old, t);
  pty.feed();
  return 0;
}

function getTermios(f: Frame, pty: Pty, request: R, arg: number): number {
  const t = pty.ldisc.termios;
  switch (request) {
    case R.TCGETA: encodeTermio(t, scratchView, DATA); return putStruct(f, arg, TERMIO_BYTES);
    case R.TCGETS2: encodeTermios(t, scratchView, DATA, true); return putStruct(f, arg, TERMIOS2_BYTES);
    default: encodeTermios(t, scratchView, DATA, false); return putStruct(f, arg, TERMIOS_BYTES);
  }
}

/** TIOCSTI: a byte as if typed. EPERM: not the caller's terminal and no CAP_SYS_ADMIN. */
function fakeInput(f: Frame, pty: Pty, arg: number): number {
  if (!hasTty(f.tg, pty) && !capable(f.task, Cap.SYS_ADMIN)) return -E.EPERM;
  if (f.copyIn(arg, DATA, 1) < 0) return -E.EFAULT;
  pty.input(scratch, DATA, 1, nowNs());
  return 0;
}

function winsize(f: Frame, pty: Pty, set: boolean, arg: number): number {
  if (!set) {
    for (let i = 0; i < 4; i++) scratchView.setUint16(DATA + 2 * i, pty.winsize[i] as number, true);
    return putStruct(f, arg, 8);
  }
  if (f.copyIn(arg, DATA, 8) < 0) return -E.EFAULT;
  const at = (i: number): number => scratchView.getUint16(DATA + 2 * i, true);
  pty.resize(at(0), at(1), at(2), at(3));
  return 0;
}

/** Requests that mean the same on both ends; undefined = not one of them. */
function common(f: Frame, pty: Pty, request: number, arg: number): number | undefined {
  switch (request) {
    case R.TCGETS: case R.TCGETA: case R.TCGETS2: return getTermios(f, pty, request, arg);
    case R.TCSETS: case R.TCSETSW: case R.TCSETSF: case R.TCSETA: case R.TCSETAW: case R.TCSETAF: case R.TCSETS2: case R.TCSETSW2: case R.TCSETSF2:
      return setTermios(f, pty, request, arg);
    case R.TIOCGWINSZ: return winsize(f, pty, false, arg);
    case R.TIOCSWINSZ: return winsize(f, pty, true, arg);
    case R.TIOCSPGRP: {
      const pgrp = getInt(f, arg);
      return Number.isNaN(pgrp) ? -E.EFAULT : setPgrp(pty.ep, f, pty, pgrp);
    }
    case R.TIOCEXCL: pty.exclusive = true; return 0;
    case R.TIOCNXCL: pty.exclusive = false; return 0;
    case R.TIOCGEXCL: return putInt(f, arg, pty.exclusive ? 1 : 0);
    // A pty's output is with its master at once.
    case R.TIOCOUTQ: return putInt(f, arg, 0);
    case R.TIOCGSOFTCAR: return putInt(f, arg, 0);
    case R.TIOCSSOFTCAR: return Number.isNaN(getInt(f, arg)) ? -E.EFAULT : 0;
    case R.TIOCGETD: return putInt(f, arg, 0);
    case R.TIOCSETD: {
      const line = getInt(f, arg);
      if (Number.isNaN(line)) return -E.EFAULT;
      // Only N_TTY exists here.
      return line === 0 ? checkForeground(pty.ep, f, pty, SIGTTOU) : -E.EINVAL;
    }
    case R.TIOCGDEV: return putInt(f, arg, pty.rdev);
    case R.TIOCGLCKTRMIOS: scratch.fill(0, DATA, DATA + TERMIOS_BYTES); return putStruct(f, arg, TERMIOS_BYTES);
    case R.TIOCSLCKTRMIOS: return capable(f.task, Cap.SYS_ADMIN) ? 0 : -E.EPERM;
    case R.TCSBRK: case R.TCSBRKP: case R.TIOCSBRK: case R.TIOCCBRK: return checkForeground(pty.ep, f, pty, SIGTTOU);
    case R.TIOCSTI: return fakeInput(f, pty, arg);
    default: return undefined;
  }
}

export function slaveIoctl(f: Frame, pty: Pty, request: number, arg: number, readable: boolean): number {
  const r = common(f, pty, request, arg);
  if (r !== undefined) return r;
  switch (request) {
    case R.TIOCSCTTY: return setCtty(f, pty, arg, readable);
    case R.TIOCNOTTY: return dropCtty(pty.ep, f, pty);
    case R.TIOCGPGRP: return hasTty(f.tg, pty) ? putInt(f, arg, pty.pgrp) : -E.ENOTTY;
    case R.TIOCGSID: return hasTty(f.tg, pty) && pty.session !== 0 ? putInt(f, arg, pty.session) : -E.ENOTTY;
    case R.FIONREAD: return putInt(f, arg, pty.ldisc.inputSize);
    case R.TIOCCONS: return capable(f.task, Cap.SYS_ADMIN) ? 0 : -E.EPERM;
    case R.TCXONC: return flow(f, pty, arg);
    case R.TCFLSH: {
      const fg = checkForeground(pty.ep, f, pty, SIGTTOU);
      if (fg < 0) return fg;
      if (arg < 0 || arg > 2) return -E.EINVAL;
      if (arg !== 1) pty.flushInput();
      if (arg !== 0) pty.ldisc.flushOutput();
      return 0;
    }
    default: return -E.ENOTTY;
  }
}

/** TCXONC: TCOOFF 0, TCOON 1, TCIOFF 2, TCION 3. */
function flow(f: Frame, pty: Pty, arg: number): number {
  const fg = checkForeground(pty.ep, f, pty, SIGTTOU);
  if (fg < 0) return fg;
  const { cc } = pty.ldisc.termios;
  switch (arg) {
    case 0: pty.ldisc.stop(true); return 0;
    case 1: pty.ldisc.start(true); pty.ldisc.outputTaken(); return 0;
    case 2: case 3: {
      const c = cc[arg === 2 ? V.STOP : V.START] as number;
      if (c !== 0) { pty.ldisc.out.put(c); pty.outputReady(); }
      return 0;
    }
    default: return -E.EINVAL;
  }
}

export function masterIoctl(f: Frame, pty: Pty, file: File, request: number, arg: number): number {
  const r = common(f, pty, request, arg);
  if (r !== undefined) return r;
  switch (request) {
    case R.TIOCGPTN: return putInt(f, arg, pty.index);
    case R.TIOCSPTLCK: {
      const v = getInt(f, arg);
      if (Number.isNaN(v)) return -E.EFAULT;
      pty.locked = v !== 0;
      return 0;
    }
    case R.TIOCGPTLCK: return putInt(f, arg, pty.locked ? 1 : 0);
    case R.TIOCPKT: {
      const v = getInt(f, arg);
      if (Number.isNaN(v)) return -E.EFAULT;
      if (v !== 0 && !pty.packetMode) pty.pktStatus = 0;
      pty.packetMode = v !== 0;
      return 0;
    }
    case R.TIOCGPKT: return putInt(f, arg, pty.packetMode ? 1 : 0);
    case R.TIOCSIG: {
      // The argument is the signal's number itself.
      if (arg < 1 || arg > 64) return -E.EINVAL;
      pty.signal(arg);
      return 0;
    }
    case R.TIOCGPTPEER: return openPeer(f, pty, file, arg);
    case R.TIOCGPGRP: return putInt(f, arg, pty.pgrp);
    case R.TIOCGSID: return pty.session !== 0 ? putInt(f, arg, pty.session) : -E.ENOTTY;
    case R.TIOCSCTTY: case R.TIOCNOTTY: return request === R.TIOCSCTTY ? -E.EPERM : -E.ENOTTY;
    case R.FIONREAD: return putInt(f, arg, pty.ldisc.out.size);
    // Someone else's console is not redirected to a pty master.
    case R.TIOCCONS: return -E.EINVAL;
    case R.TCXONC: return arg >= 0 && arg <= 3 ? 0 : -E.EINVAL;
    case R.TCFLSH:
      if (arg < 0 || arg > 2) return -E.EINVAL;
      if (arg !== 1) { pty.ldisc.out.clear(); pty.ldisc.outputTaken(); }
      if (arg !== 0) pty.flushInput();
      return 0;
    default: return -E.ENOTTY;
  }
}

/** TIOCGPTPEER: open the slave by its master, whatever /dev looks like: a new fd. `arg`: flags of open(2). Set by the devpts code, which knows the path and how fds are made. */
let openPeer: (f: Frame, pty: Pty, master: File, flags: number) => number = () => -E.EIO;
export function setOpenPeer(fn: typeof openPeer): void { openPeer = fn; }
