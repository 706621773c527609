/**
 * Files of /proc whose content another server knows: /proc/net, the same for every process, is net's, /proc/sysvipc ipc's. It is asked when a file is read from
 * its beginning, and the reader waits, on no queue, until the pieces have come (shared/proc-text.ts has the protocol). The serial number of the question, not the
 * slot of who waits, tells which file an answer is for: a reader that was interrupted is gone by then.
 */
import { Ret } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { type File, TextFile, vfsEndpoint } from '../file.js';
import { type Caller, Inode, type Path, S_IFREG, type SuperBlock, allocIno } from '../inode.js';
import { StaticDir, stamp } from './node.js';

const NET_NAMES = [
  'dev', 'route', 'if_inet6', 'ipv6_route', 'snmp', 'snmp6', 'netstat', 'sockstat', 'sockstat6', 'dev_mcast', 'igmp', 'igmp6', 'mcfilter', 'mcfilter6', 'anycast6', 'protocols', 'arp', 'fib_trie',
  'fib_triestat', 'rt_cache', 'rt6_stats', 'ptype', 'softnet_stat', 'wireless', 'tcp', 'tcp6', 'udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6', 'icmp', 'icmp6', 'unix', 'netlink', 'packet',
];

interface Question { text: string; done: boolean; readonly slots: number[] }

const questions = new Map<number, Question>();
let serial = 0;

class AskedFile extends TextFile {
  private question: Question | undefined = undefined;

  /** srv: SRV_*, whom to ask. */
  constructor(path: Path, flags: number, private readonly srv: number, private readonly name: string) { super(path, flags); }

  /** Who reads without a frame (carrick itself) finds it empty. */
  protected override content(f: Frame | undefined): string | number {
    if (f === undefined) return '';
    const asked = this.question;
    if (asked?.done === true) { this.question = undefined; return asked.text; }
    if (asked !== undefined) { if (!asked.slots.includes(f.slot)) asked.slots.push(f.slot); return Ret.BLOCKED; }
    serial = (serial % 0x7fffffff) + 1;
    this.question = { text: '', done: false, slots: [f.slot] };
    questions.set(serial, this.question);
    vfsEndpoint().send(this.srv, Msg.PROC_ASK, [serial], this.name);
    return Ret.BLOCKED;
  }
}

class AskedInode extends Inode {
  constructor(sb: SuperBlock, private readonly srv: number, private readonly name: string, ino: number) {
    super(sb, S_IFREG | 0o444);
    this.ino = ino;
    stamp(this, sb);
  }

  override open(_c: Caller, path: Path, flags: number): File { return new AskedFile(path, flags, this.srv, this.name); }
}

export function installAsked(ep: Endpoint): void {
  ep.on(Msg.PROC_TEXT, (m) => {
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

/** /proc/net of one process; numbered from `ino`, so that each looks the same at every lookup. */
export function netDir(sb: SuperBlock, ino: number): StaticDir {
  const dir = new StaticDir(sb, 0o555, ino);
  let n = ino + 0x3000;
  for (const name of NET_NAMES) dir.put(name, new AskedInode(sb, L.SRV_NET, name, n++));
  return dir;
}

/** Fill /proc/sysvipc. */
export function fillSysv(dir: StaticDir): void {
  for (const name of ['shm', 'msg', 'sem']) dir.put(name, new AskedInode(dir.sb, L.SRV_IPC, name, allocIno()));
}
