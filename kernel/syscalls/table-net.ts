/** Sockets. One row per call; `types.ts` explains the columns. */
import { row, type SyscallRow } from './types.js';

export const NET_CALLS: readonly SyscallRow[] = [
  row(41, 198, 'socket', 'net', 'partial', '', 'domain:sockdomain type:socktype protocol:int'),
  row(42, 203, 'connect', 'net', 'partial', 'byfd', 'sockfd:fd addr:inbuf:1:2 addrlen:uint'),
  row(43, 202, 'accept', 'net', 'partial', 'fast byfd', 'sockfd:fd addr:ptr addrlen:ptr'),
  row(44, 206, 'sendto', 'net', 'partial', 'fast byfd', 'sockfd:fd buf:inbuf:1:2 len:size flags:msgflags dest_addr:inbuf:1:5 addrlen:uint'),
  row(45, 207, 'recvfrom', 'net', 'partial', 'fast byfd', 'sockfd:fd buf:outbuf:1:2 len:size flags:msgflags src_addr:ptr addrlen:ptr'),
  row(46, 211, 'sendmsg', 'net', 'partial', 'fast byfd', 'sockfd:fd msg:ptr flags:msgflags'),
  row(47, 212, 'recvmsg', 'net', 'partial', 'byfd', 'sockfd:fd msg:ptr flags:msgflags'),
  row(48, 210, 'shutdown', 'net', 'partial', 'fast byfd', 'sockfd:fd how:shuthow'),
  row(49, 200, 'bind', 'net', 'partial', 'byfd', 'sockfd:fd addr:inbuf:1:2 addrlen:uint'),
  row(50, 201, 'listen', 'net', 'partial', 'byfd', 'sockfd:fd backlog:int'),
  row(51, 204, 'getsockname', 'net', 'partial', 'fast byfd', 'sockfd:fd addr:ptr addrlen:ptr'),
  row(52, 205, 'getpeername', 'net', 'partial', 'fast byfd', 'sockfd:fd addr:ptr addrlen:ptr'),
  row(53, 199, 'socketpair', 'net', 'partial', '', 'domain:sockdomain type:socktype protocol:int sv:out:8'),
  row(54, 208, 'setsockopt', 'net', 'partial', 'fast byfd', 'sockfd:fd level:socklevel optname:int optval:inbuf:1:4 optlen:uint'),
  row(55, 209, 'getsockopt', 'net', 'partial', 'fast byfd', 'sockfd:fd level:socklevel optname:int optval:ptr optlen:ptr'),
  row(288, 242, 'accept4', 'net', 'partial', 'fast byfd', 'sockfd:fd addr:ptr addrlen:ptr flags:socktype'),
  row(299, 243, 'recvmmsg', 'net', 'partial', 'byfd', 'sockfd:fd msgvec:ptr vlen:uint flags:msgflags timeout:inout:16'),
  row(307, 269, 'sendmmsg', 'net', 'partial', 'byfd', 'sockfd:fd msgvec:ptr vlen:uint flags:msgflags'),
];
