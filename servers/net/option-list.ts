/**
 * Which socket options reach the host. An allow-list: options that carry pointers or descriptors of their own (filters, zero-copy receive, BPF) would be read in
 * carrick's memory, completions of zero-copy sending (SO_ZEROCOPY) could not be told, and packet-filter tables belong to the host's administrator even when carrick runs as root. Pure. Sources: asm-generic/socket.h,
 * linux/tcp.h, linux/in.h, linux/in6.h, linux/udp.h, linux/netlink.h.
 */
import { E } from '../../shared/errno.js';
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } from './abi.js';

export const SOL_IP = 0, SOL_TCP = 6, SOL_UDP = 17, SOL_IPV6 = 41, SOL_ICMPV6 = 58, SOL_NETLINK = 270;
/** Asked for only. */
const SO_PEERNAME = 28;

const SOCKET_GET: ReadonlySet<number> = new Set([
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 25, SO_PEERNAME, 29, 30, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 53, 56, 57, 61, 63, 64, 65, 66, 67,
]);
const SOCKET_SET: ReadonlySet<number> = new Set([2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 21, 25, 29, 34, 35, 37, 40, 41, 42, 43, 45, 46, 47, 49, 61, 63, 64, 65, 66, 67]);
/** SO_DEBUG, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, SO_BINDTOIFINDEX: privileged on Linux. */
const SOCKET_PRIVILEGED: ReadonlySet<number> = new Set([32, 33, 36, 62]);
/** TCP_NODELAY .. TCP_QUICKACK, CONGESTION, USER_TIMEOUT, FASTOPEN and its kin, TIMESTAMP, NOTSENT_LOWAT, INQ, TX_DELAY. */
const TCP: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 23, 24, 25, 26, 27, 28, 30, 36, 37]);
const UDP: ReadonlySet<number> = new Set([1, 101, 102, 103, 104]);
/** First option of the packet filter (iptables), in SOL_IP and SOL_IPV6. */
const FILTER_BASE = 64;
/** Options of linux/in6.h among the packet filter's numbers: RECVTCLASS, TCLASS, AUTOFLOWLABEL .. RECVFRAGSIZE. 68 and 69 are the filter's own. */
const IPV6_HIGH: ReadonlySet<number> = new Set([66, 67, 70, 72, 73, 74, 75, 76, 77, 78]);
/** IPV6_IPSEC_POLICY, IPV6_XFRM_POLICY; IP_IPSEC_POLICY, IP_XFRM_POLICY. */
const IPV6_POLICY: ReadonlySet<number> = new Set([34, 35]);
const IP_POLICY: ReadonlySet<number> = new Set([16, 17]);

/**
 * What an option that is not passed on gets: -ENOPROTOOPT; -EOPNOTSUPP at a level that is none of the socket's own: always on AF_UNIX, and when
 * asked for on AF_INET. As the host.
 */
function refusal(domain: number, type: number, level: number, set: boolean): number {
  if (level === SOL_SOCKET || level === SOL_NETLINK) return -E.ENOPROTOOPT;
  if (domain === AF_UNIX) return -E.EOPNOTSUPP;
  if (set || domain !== AF_INET) return -E.ENOPROTOOPT;
  const own = level === SOL_IP || (level === SOL_TCP && type === SOCK_STREAM) || (level === SOL_UDP && type === SOCK_DGRAM);
  return own ? -E.ENOPROTOOPT : -E.EOPNOTSUPP;
}

/** Whether an option of a socket is passed on: 0; -EPERM for what only an administrator may set, else as refusal(). */
export function checkOption(domain: number, type: number, level: number, opt: number, set: boolean): number {
  const r = listed(level, opt, set);
  // The host knows names of carrick's own for AF_UNIX peers.
  if (level === SOL_SOCKET && opt === SO_PEERNAME && domain === AF_UNIX) return -E.ENOPROTOOPT;
  return r === -E.ENOPROTOOPT ? refusal(domain, type, level, set) : r;
}

function listed(level: number, opt: number, set: boolean): number {
  switch (level) {
    case SOL_SOCKET:
      if (set && SOCKET_PRIVILEGED.has(opt)) return -E.EPERM;
      return (set ? SOCKET_SET : SOCKET_GET).has(opt) ? 0 : -E.ENOPROTOOPT;
    case SOL_IP: return opt >= 0 && opt < FILTER_BASE && !(set && IP_POLICY.has(opt)) ? 0 : -E.ENOPROTOOPT;
    case SOL_IPV6: return ((opt >= 0 && opt < FILTER_BASE) || IPV6_HIGH.has(opt)) && !(set && IPV6_POLICY.has(opt)) ? 0 : -E.ENOPROTOOPT;
    case SOL_TCP: return TCP.has(opt) ? 0 : -E.ENOPROTOOPT;
    case SOL_UDP: return UDP.has(opt) ? 0 : -E.ENOPROTOOPT;
    case SOL_ICMPV6: return opt === 1 ? 0 : -E.ENOPROTOOPT;
    case SOL_NETLINK: return opt >= 1 && opt <= 12 ? 0 : -E.ENOPROTOOPT;
    // Raw sockets' own level (ICMP_FILTER).
    case 255: return opt === 1 ? 0 : -E.ENOPROTOOPT;
    default: return -E.ENOPROTOOPT;
  }
}
