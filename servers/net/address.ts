/** Socket addresses between the guest and NAME in scratch, with AF_UNIX names translated. Source: net/socket.c move_addr_to_user. */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as host from '../../shared/host.js';
import { AF_UNIX, AF_UNSPEC, SOCKADDR_MAX } from './abi.js';
import * as h from './hostcalls.js';
import { confineDestination } from './network.js';
import { NAME_LOOKUP } from './path-names.js';
import type { Sock, Socks } from './sock.js';
import { type UnixName, UnixNames } from './unix-names.js';

/** Bring the address carried by argument i, of `len` bytes, to NAME: len, or -EINVAL (longer than any), -EFAULT. */
export function addressArg(f: Frame, i: number, len: number): number {
  if (len > SOCKADDR_MAX || len < 0) return -E.EINVAL;
  if (len === 0) return 0;
  const at = f.inOff(i);
  if (at < 0) return at;
  if (f.argLen(i) < len) return -E.EFAULT;
  f.bytes.copy(host.scratch, h.NAME, at, at + len);
  return len;
}

/** Who a guest AF_UNIX address at NAME means; the destination found by the last `toHost`. */
export let destination: UnixName | undefined;

/**
 * Turn the guest's destination address at NAME into the host's: its length, -errno (-ENETUNREACH: there is no network, and it is elsewhere), or Ret.BLOCKED while
 * vfs looks for a path. connects: connect(2) asks, to which AF_UNSPEC is no destination.
 */
export function toHost(f: Frame, socks: Socks, self: Sock, len: number, connects: boolean): number {
  destination = undefined;
  const dissolves = connects && len >= 2 && host.scratchView.getUint16(h.NAME, true) === AF_UNSPEC;
  if (socks.network.confined && !dissolves && confineDestination(host.scratch, h.NAME, len) < 0) return -E.ENETUNREACH;
  if (self.domain !== AF_UNIX || len < 2 || host.scratchView.getUint16(h.NAME, true) !== AF_UNIX) return len;
  const path = UnixNames.parse(host.scratch, h.NAME, len);
  if (typeof path === 'number') return path;
  if (path === '') return -E.EINVAL;
  let key = path;
  if (path.charCodeAt(0) !== 0) {
    const inode = socks.paths.ask(f, NAME_LOOKUP, path);
    if (inode < 0) return inode;
    key = UnixNames.pathKey(inode);
  }
  const name = socks.names.lookup(key);
  if (typeof name === 'number') return name;
  // Found by its inode, the other may be of any type; an abstract name of another type is another name.
  if (socks.of(name.ofd)?.type !== self.type) return key === path ? -E.ECONNREFUSED : -E.EPROTOTYPE;
  destination = name;
  return UnixNames.write(host.scratch, h.NAME, name.hostPath);
}

/** Turn the host's address at NAME (h.nameLen bytes) into the guest's; its length. */
export function toGuest(names: UnixNames, domain: number): number {
  return domain === AF_UNIX ? names.toGuest(host.scratch, h.NAME, h.nameLen) : h.nameLen;
}

/**
 * Give the address of `len` bytes at NAME to the guest: as much as *lenPtr allows, and its true length to *lenPtr. addrPtr 0 = not wanted.
 * -EFAULT, -EINVAL (negative room).
 */
export function putAddress(f: Frame, addrPtr: number, lenPtr: number, len: number): number {
  if (addrPtr === 0) return 0;
  let r = f.copyIn(lenPtr, host.STRUCT, 4);
  if (r < 0) return r;
  const room = host.scratchView.getInt32(host.STRUCT, true);
  if (room < 0) return -E.EINVAL;
  r = f.copyOut(addrPtr, h.NAME, Math.min(room, len));
  if (r < 0) return r;
  host.scratchView.setUint32(host.STRUCT, len, true);
  r = f.copyOut(lenPtr, host.STRUCT, 4);
  return r < 0 ? r : 0;
}
