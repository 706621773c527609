/** ioctl(2), fstat(2), fcntl(2) beyond the descriptor, on sockets. */
import { E } from '../../../shared/errno.js';
import { filesOf, setAsync, setOwner } from '../../../shared/fdcalls.js';
import { FD_CLOEXEC, fdFlags, setFdFlags } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { structRoom } from '../../../shared/iobuf.js';
import { native } from '../../../shared/native.js';
import { O_NONBLOCK } from '../abi.js';
import * as h from '../hostcalls.js';
import { onSocket } from '../on-socket.js';
import type { Sock, Socks } from '../sock.js';

const FIOCLEX = 0x5451, FIONCLEX = 0x5450, FIONBIO = 0x5421, FIOASYNC = 0x5452, FIONREAD = 0x541b, SIOCOUTQ = 0x5411, SIOCATMARK = 0x8905;
const FIOSETOWN = 0x8901, SIOCSPGRP = 0x8902, FIOGETOWN = 0x8903, SIOCGPGRP = 0x8904;
const SIOCGIFCONF = 0x8912;
/** Questions about an interface: struct ifreq in and out, no pointer inside. */
const IFREQ_QUESTIONS: ReadonlySet<number> = new Set([
  0x8910, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8938, 0x8942, 0x8970,
]);
/** Settings of interfaces and routes: only for the host's administrator. */
const SIOC_SETTINGS: ReadonlySet<number> = new Set([
  0x890b, 0x890c, 0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e, 0x8922, 0x8923, 0x8924, 0x8930, 0x8931, 0x8932, 0x8936, 0x8937, 0x8939, 0x8943, 0x8971,
]);
const IFREQ_BYTES = 40;
const F_SETFL = 4;
/** Room for the interface list, bytes. */
const IFCONF_MAX = 65536;

/** Give `n` bytes at STRUCT to the guest's argument pointer. */
function give(f: Frame, n: number): number {
  const r = f.copyOut(f.argU64(2), host.STRUCT, n);
  return r < 0 ? r : 0;
}

/** ioctl(2) on sockets: -ENOTTY for what is unknown, -EPERM for settings, -EFAULT. Sources: socket(7), netdevice(7), tcp(7), unix(7). */
function ioctl(socks: Socks, f: Frame, ofd: number, s: Sock): number {
  const request = f.argU32(1);
  switch (request) {
    case FIOCLEX:
    case FIONCLEX: {
      const files = filesOf(f);
      const fd = f.argInt(0);
      setFdFlags(files, fd, request === FIOCLEX ? FD_CLOEXEC : fdFlags(files, fd) & ~FD_CLOEXEC);
      return 0;
    }
    case FIONBIO: return fionbio(f, ofd, s);
    case FIOASYNC: return fioasync(socks, f, ofd);
    case FIONREAD:
    case SIOCOUTQ:
    case SIOCATMARK: {
      const r = host.ioctlPtr(s.hostFd, request, host.STRUCT);
      return r < 0 ? r : give(f, 4);
    }
    case FIOSETOWN:
    case SIOCSPGRP: {
      const r = f.copyIn(f.argU64(2), host.STRUCT, 4);
      if (r < 0) return r;
      return setOwner(f, ofd, host.scratchView.getInt32(host.STRUCT, true));
    }
    case FIOGETOWN:
    case SIOCGPGRP:
      host.scratchView.setInt32(host.STRUCT, L.ofdSigOwner(ofd), true);
      return give(f, 4);
    case SIOCGIFCONF: return ifconf(f, s);
    default: break;
  }
  if (SIOC_SETTINGS.has(request)) return -E.EPERM;
  if (!IFREQ_QUESTIONS.has(request)) return -E.ENOTTY;
  let r = f.copyIn(f.argU64(2), host.STRUCT, IFREQ_BYTES);
  if (r < 0) return r;
  r = host.ioctlPtr(s.hostFd, request, host.STRUCT);
  return r < 0 ? r : give(f, IFREQ_BYTES);
}

function fionbio(f: Frame, ofd: number, s: Sock): number {
  const r = f.copyIn(f.argU64(2), host.STRUCT, 4);
  if (r < 0) return r;
  const on = host.scratchView.getInt32(host.STRUCT, true) !== 0;
  const at = L.OFD_FLAGS_AT(ofd);
  const flags = on ? Atomics.or(L.ofdI32(), at, O_NONBLOCK) | O_NONBLOCK : Atomics.and(L.ofdI32(), at, ~O_NONBLOCK) & ~O_NONBLOCK;
  return host.fcntl(s.hostFd, F_SETFL, flags & ~3);
}

/** FIOASYNC: as fcntl(F_SETFL, O_ASYNC). -EFAULT. */
function fioasync(socks: Socks, f: Frame, ofd: number): number {
  const r = f.copyIn(f.argU64(2), host.STRUCT, 4);
  return r < 0 ? r : setAsync(socks.ep, f, ofd, f.argInt(0), host.scratchView.getInt32(host.STRUCT, true) !== 0);
}

/** SIOCGIFCONF: struct ifconf {int len; ifreq *buf} names a buffer of the guest's; NULL asks for the length. */
function ifconf(f: Frame, s: Sock): number {
  let r = f.copyIn(f.argU64(2), host.STRUCT, 16);
  if (r < 0) return r;
  const v = host.scratchView;
  const room = v.getInt32(host.STRUCT, true);
  const to = v.getUint32(host.STRUCT + 8, true) + v.getUint32(host.STRUCT + 12, true) * 4294967296;
  if (room < 0) return -E.EINVAL;
  const at = native.scratchAddress() + host.DATA;
  v.setInt32(host.STRUCT, to === 0 ? 0 : Math.min(room, IFCONF_MAX), true);
  v.setUint32(host.STRUCT + 8, to === 0 ? 0 : at >>> 0, true);
  v.setUint32(host.STRUCT + 12, to === 0 ? 0 : Math.floor(at / 4294967296), true);
  r = host.ioctlPtr(s.hostFd, SIOCGIFCONF, host.STRUCT);
  if (r < 0) return r;
  const len = v.getInt32(host.STRUCT, true);
  if (to !== 0) {
    r = f.copyOut(to, host.DATA, len);
    if (r < 0) return r;
  }
  return give(f, 4);
}

/** fstat(2): the host's, with the guest's owner. -EFAULT. */
function fstat(f: Frame, s: Sock): number {
  const out = structRoom(f, 1, h.STAT_BYTES);
  if (out < 0) return out;
  const r = h.fstat(s.hostFd);
  if (r < 0) return r;
  host.scratch.copy(f.bytes, out, host.STRUCT, host.STRUCT + h.STAT_BYTES);
  f.bytes.writeUInt32LE(s.uid, out + 28); // st_uid
  f.bytes.writeUInt32LE(s.gid, out + 32); // st_gid
  f.setOut(1, h.STAT_BYTES);
  return 0;
}

export function installFileCalls(socks: Socks): void {
  socks.ep.handle(NR.NR_ioctl, onSocket(socks, (f, ofd, s) => ioctl(socks, f, ofd, s)));
  socks.ep.handle(NR.NR_fstat, onSocket(socks, (f, _ofd, s) => fstat(f, s)));
}
