/**
 * /proc/net, the same for every process. Guests share the host's interfaces, so what describes those is the host's; tables of sockets would show the
 * host's processes, and have only their head lines.
 */
import * as host from '../../../shared/host.js';
import type { SuperBlock } from '../inode.js';
import { StaticDir, TextInode } from './node.js';

const FROM_HOST = ['dev', 'route', 'if_inet6', 'ipv6_route', 'snmp', 'snmp6', 'netstat', 'sockstat', 'sockstat6', 'dev_mcast', 'igmp', 'igmp6', 'mcfilter', 'mcfilter6', 'anycast6', 'protocols'];
const TCP = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n';
const UDP = '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n';
const SIX = '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEADS: ReadonlyArray<readonly [string, string]> = [
  ['tcp', TCP], ['udp', UDP], ['udplite', UDP], ['raw', UDP], ['tcp6', `${SIX}\n`], ['udp6', `${SIX} ref pointer drops\n`], ['raw6', `${SIX} ref pointer drops\n`],
  ['unix', 'Num       RefCount Protocol Flags    Type St Inode Path\n'], ['packet', 'sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n'],
  ['netlink', 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n'],
  ['arp', 'IP address       HW type     Flags       HW address            Mask     Device\n'],
];

/** The host's text; '' when it has none. */
function fromHost(path: string): string {
  const t = host.readSmallFile(host.AT_FDCWD, path);
  return typeof t === 'number' ? '' : t;
}

/** The directory for one process; numbered from `ino`, so that each looks the same at every lookup. */
export function netDir(sb: SuperBlock, ino: number): StaticDir {
  const dir = new StaticDir(sb, 0o555, ino);
  let n = ino + 0x3000;
  for (const name of FROM_HOST) dir.put(name, new TextInode(sb, 0o444, () => fromHost(`/proc/self/net/${name}`), undefined, n++));
  for (const [name, head] of HEADS) dir.put(name, new TextInode(sb, 0o444, () => head, undefined, n++));
  return dir;
}
