/**
 * /proc/net, the same for every process. Its files' content is net's to know: it is asked when a file is read from its beginning, and the reader waits, on no
 * queue, until the pieces have come (net/proc-net.ts has the protocol). The serial number of the question, not the slot of who waits, tells which file an
 * answer is for: a reader that was interrupted is gone by then.
 */
import { Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { type File, TextFile, vfsEndpoint } from '../file.js';
import { type Caller, Inode, type Path, S_IFREG, type SuperBlock } from '../inode.js';
import { StaticDir, stamp } from './node.js';

const NAMES = [
  'dev', 'route', 'if_inet6', 'ipv6_route', 'snmp', 'snmp6', 'netstat', 'sockstat', 'sockstat6', 'dev_mcast', 'igmp', 'igmp6', 'mcfilter', 'mcfilter6', 'anycast6', 'protocols', 'arp', 'fib_trie',
  'fib_triestat', 'rt_cache', 'rt6_stats', 'ptype', 'softnet_stat', 'wireless', 'tcp', 'tcp6', 'udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6', 'icmp', 'icmp6', 'unix', 'netlink', 'packet',
];

interface Question { text: string; done: boolean; readonly slots: number[] }

const questions = new Map<number, Question>();
let serial = 0;

class NetFile extends TextFile {
  private question: Question | undefined = undefined;

  constructor(path: Path, flags: number, private readonly name: string) { super(path, flags); }

  /** Who reads without a frame (carrick itself) finds it empty. */
  protected override content(f: Frame | undefined): string | number {
    if (f === undefined) return '';
    const asked = this.question;
    if (asked?.done === true) { this.question = undefined; return asked.text; }
    if (asked !== undefined) { if (!asked.slots.includes(f.slot)) asked.slots.push(f.slot); return Ret.BLOCKED; }
    serial = (serial % 0x7fffffff) + 1;
    this.question = { text: '', done: false, slots: [f.slot] };
    questions.set(serial, this.question);
    vfsEndpoint().send(L.SRV_NET, Msg.PROC_NET, [serial], this.name);
    return Ret.BLOCKED;
  }
}

class NetInode extends Inode {
  constructor(sb: SuperBlock, private readonly name: string, ino: number) {
    super(sb, S_IFREG | 0o444);
    this.ino = ino;
    stamp(this, sb);
  }

  override open(_c: Caller, path: Path, flags: number): File { return new NetFile(path, flags, this.name); }
}

export function installProcNet(ep: Endpoint): void {
  ep.on(Msg.PROC_NET_TEXT, (m) => {
    const q = questions.get(m.w[0] as number);
    if (q === undefined) return;
    q.text += m.text;
    if (m.w[1] !== 0) return;
    q.done = true;
    questions.delete(m.w[0] as number);
    for (const slot of q.slots) {
      const f = ep.parkedFrame(slot);
      if (f !== undefined) ep.wake(f);
    }
  });
}

/** The directory for one process; numbered from `ino`, so that each looks the same at every lookup. */
export function netDir(sb: SuperBlock, ino: number): StaticDir {
  const dir = new StaticDir(sb, 0o555, ino);
  let n = ino + 0x3000;
  for (const name of NAMES) dir.put(name, new NetInode(sb, name, n++));
  return dir;
}
