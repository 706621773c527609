/** Linux ABI numbers of sockets. Sources: linux/socket.h, linux/net.h, asm-generic/socket.h, linux/sockios.h, asm-generic/ioctls.h. */

export const AF_UNSPEC = 0, AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, AF_NETLINK = 16, AF_PACKET = 17;
/** AF_MAX: families from here on are unknown. */
export const AF_MAX = 46;
export const SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5;
/** Types from here on are unknown. linux/net.h SOCK_MAX. */
export const SOCK_MAX = 11;
export const SOCK_TYPE_MASK = 0xf;
export const SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
export const O_RDWR = 2, O_NONBLOCK = 0o4000;

export const MSG_OOB = 1, MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_WAITALL = 0x100, MSG_ERRQUEUE = 0x2000, MSG_NOSIGNAL = 0x4000,
  MSG_WAITFORONE = 0x10000, MSG_ZEROCOPY = 0x4000000, MSG_CMSG_CLOEXEC = 0x40000000;

export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1, SCM_CREDENTIALS = 2;
/** Most fds in one message. unix(7), SCM_MAX_FD. */
export const SCM_MAX_FD = 253;
export const SO_TYPE = 3, SO_PROTOCOL = 38, SO_DOMAIN = 39, SO_PEERCRED = 17, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21;

/** sizeof of struct sockaddr_in, sockaddr_in6, sockaddr_un, sockaddr_storage. */
export const SOCKADDR_IN = 16, SOCKADDR_IN6 = 28, SOCKADDR_UN = 110, SOCKADDR_MAX = 128;
export const SIGPIPE = 13;

/** Capability numbers. capabilities(7). */
export const CAP_NET_RAW = 13;
