/**
 * Which network guest sockets are in.
 *
 *   host                       the host's: carrick makes them itself
 *   none, with a namespace     the network namespace of the container's first process: made there (native.guestSocket), so the host's own rules apply
 *   none, without one          the host's, held to the loopback here: destinations elsewhere are ENETUNREACH, an address that is everybody's becomes
 *                              the loopback's when it is bound. Ports are shared with the host, and its interfaces can be seen.
 *
 * AF_UNIX needs none of this: its names are the container's own (unix-names.ts).
 */
import { readFileSync } from 'node:fs';
import { E } from '../../shared/errno.js';
import { native } from '../../shared/native.js';
import { type NetworkMode, NAMESPACE_NET } from '../../shared/spec.js';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from './abi.js';
import * as h from './hostcalls.js';

/** Offsets in sockaddr_in and sockaddr_in6, and their sizes up to the address's end. */
const IN_ADDR = 4, IN_END = 8, IN6_ADDR = 8, IN6_END = 24;
const LOOPBACK_NET = 127;

/** Is the IPv4 address at `at` 0.0.0.0? */
const isAny = (b: Buffer, at: number): boolean => b.readUInt32BE(at) === 0;

/** Where the IPv4 address is that an IPv6 one stands for (::ffff:a.b.c.d), or -1. */
const mapped = (b: Buffer, at: number): number => (b.readUInt32BE(at) === 0 && b.readUInt32BE(at + 4) === 0 && b.readUInt32BE(at + 8) === 0xffff ? at + 12 : -1);

const isAny6 = (b: Buffer, at: number): boolean => b.readUInt32BE(at) === 0 && b.readUInt32BE(at + 4) === 0 && b.readUInt32BE(at + 8) === 0 && b.readUInt32BE(at + 12) === 0;
const isLoopback6 = (b: Buffer, at: number): boolean => b.readUInt32BE(at) === 0 && b.readUInt32BE(at + 4) === 0 && b.readUInt32BE(at + 8) === 0 && b.readUInt32BE(at + 12) === 1;

/** Is the address at `off` one of IPv4? The host takes AF_UNSPEC for AF_INET when it sends a datagram, and when it binds the wildcard. */
function isInet(b: Buffer, off: number, len: number): boolean {
  const family = len >= IN_END ? b.readUInt16LE(off) : -1;
  return family === AF_INET || family === AF_UNSPEC;
}

/**
 * The address of `len` bytes at `off` as a datagram's destination: 0, or -ENETUNREACH when it is not the machine's own. What is too short or of another family is
 * the host's to judge. Pure.
 */
export function confineDestination(b: Buffer, off: number, len: number): number {
  const family = len >= 2 ? b.readUInt16LE(off) : AF_UNSPEC;
  let v4 = isInet(b, off, len) ? off + IN_ADDR : -1;
  if (family === AF_INET6 && len >= IN6_END) {
    const at = off + IN6_ADDR;
    v4 = mapped(b, at);
    if (v4 < 0) return isAny6(b, at) || isLoopback6(b, at) ? 0 : -E.ENETUNREACH;
  }
  return v4 < 0 || isAny(b, v4) || b[v4] === LOOPBACK_NET ? 0 : -E.ENETUNREACH;
}

/** The address at `off` to be bound: 0, the wildcard made the loopback's in place; or -EADDRNOTAVAIL. Pure. */
export function confineBinding(b: Buffer, off: number, len: number): number {
  if (confineDestination(b, off, len) < 0) return -E.EADDRNOTAVAIL;
  const family = len >= 2 ? b.readUInt16LE(off) : AF_UNSPEC;
  if (isInet(b, off, len) && isAny(b, off + IN_ADDR)) {
    b.writeUInt16LE(AF_INET, off);
    b.writeUInt32BE(LOOPBACK_NET * 0x1000000 + 1, off + IN_ADDR);
  }
  if (family !== AF_INET6 || len < IN6_END) return 0;
  const v4 = mapped(b, off + IN6_ADDR);
  if (v4 >= 0 && isAny(b, v4)) b.writeUInt32BE(LOOPBACK_NET * 0x1000000 + 1, v4);
  if (isAny6(b, off + IN6_ADDR)) b[off + IN6_END - 1] = 1;
  return 0;
}

/** May only a privileged process bind the address at `off`? ip(7), ip_unprivileged_port_start, which is `first`. Pure. */
export function isPrivilegedPort(b: Buffer, off: number, len: number, first: number): boolean {
  if (!isInet(b, off, len) && (len < IN_END || b.readUInt16LE(off) !== AF_INET6)) return false;
  const port = b.readUInt16BE(off + 2);
  return port !== 0 && port < first;
}

/** The host's net.ipv4.ip_unprivileged_port_start, 1024 where it is not shown. */
function hostUnprivilegedPorts(): number {
  try { return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1'), 10); } catch (e) {
    if (!(e instanceof Error && 'code' in e)) throw e;
    return 1024;
  }
}

export class Network {
  /** First port that everybody may bind. */
  readonly unprivilegedPorts = hostUnprivilegedPorts();
  /** Whether there is a namespace; known when the first process runs, so asked at the first socket. */
  private own: boolean | undefined = undefined;

  constructor(private readonly mode: NetworkMode) {}

  /** The container's sockets are in a namespace of its own. */
  get hasNamespace(): boolean { return (this.own ??= this.mode === 'none' && (native.namespacesGot() & NAMESPACE_NET) !== 0); }

  /** Sockets are in the host's network, and have to be held to its loopback. */
  get confined(): boolean { return this.mode === 'none' && !this.hasNamespace; }

  /** socket(2): a host fd, or the host's -errno. */
  socket(domain: number, type: number, protocol: number): number {
    return domain !== AF_UNIX && this.hasNamespace ? native.guestSocket(domain, type, protocol) : h.socket(domain, type, protocol);
  }
}
