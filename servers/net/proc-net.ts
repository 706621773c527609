/**
 * The files of /proc/net, which vfs asks for when a guest reads one (shared/proc-text.ts).
 *
 * What describes interfaces, routes and protocols is the host's, or that of the container's namespace. Tables of sockets show the container's own
 * alone: the host's lines are kept whose inode is one of ours, with the guest's owner, and AF_UNIX names as guests know them. In a namespace of its own
 * the connections that nobody has any more (TIME_WAIT) are the container's too. Formats: proc_pid_net(5).
 */
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { tellProc } from '../../shared/proc-text.js';
import type { Sock, Socks } from './sock.js';

/** sl, local, remote, state, queues, timer, retransmits; then owner, timeout, inode. */
const INET = /^((?: *[^ ]+){7} +)(\d+)( +\d+ )(\d+)/;
/** Num RefCount Protocol Flags Type St, Inode, name. */
const UNIX = /^((?:[^ ]+ ){6} *)(\d+)(?: (.*))?$/;
/** The inode is the last word. */
const LAST = /(\d+) *$/;

/** The container's sockets by inode number. */
export function byInode(socks: Socks): Map<number, Sock> {
  const map = new Map<number, Sock>();
  for (const s of socks.all()) map.set(s.ino, s);
  return map;
}

/** A line of tcp, udp, raw and the like, or '' = not ours. Pure. */
export function inetLine(line: string, own: ReadonlyMap<number, { readonly uid: number }>, orphans: boolean): string {
  const m = INET.exec(line);
  if (m === null) return '';
  const ino = Number(m[4]);
  const s = own.get(ino);
  if (s === undefined) return ino === 0 && orphans ? line : '';
  const uid = String(s.uid).padStart((m[2] as string).length);
  // Columns are as wide as the host made them, as far as the number fits.
  const before = (m[1] as string).slice(0, Math.max(0, (m[1] as string).length - Math.max(0, uid.length - (m[2] as string).length)));
  return `${before.endsWith(' ') ? before : `${before} `}${uid}${line.slice((m[1] as string).length + (m[2] as string).length)}`;
}

/** A line of unix, or '' = not ours. nameOf: the guest's name for the host's, '' = none. Pure. */
export function unixLine(line: string, own: ReadonlyMap<number, unknown>, nameOf: (hostName: string) => string): string {
  const m = UNIX.exec(line);
  if (m === null || !own.has(Number(m[2]))) return '';
  const name = m[3] === undefined ? '' : nameOf(m[3]);
  return `${m[1]}${m[2]}${name === '' ? '' : ` ${name}`}`;
}

export class ProcNet {
  constructor(private readonly socks: Socks) {}

  /** Folder on the host whose files describe the guests' network. */
  private get dir(): string { return this.socks.network.hasNamespace ? `/proc/${L.tgHostPid(L.metaInitTg(1))}/net` : '/proc/self/net'; }

  /** A host's file; '' when it has none. */
  private read(dir: string, name: string): string {
    const text = host.readSmallFile(host.AT_FDCWD, `${dir}/${name}`);
    return typeof text === 'number' ? '' : text;
  }

  /** Head line, and those lines that `keep` makes something of. */
  private table(text: string, keep: (line: string) => string): string {
    const lines = text.split('\n');
    const head = lines.shift();
    if (head === undefined || head === '') return '';
    return [head, ...lines.map((l) => (l === '' ? '' : keep(l))).filter((l) => l !== ''), ''].join('\n');
  }

  text(name: string): string {
    switch (name) {
      case 'tcp': case 'tcp6': case 'udp': case 'udp6': case 'udplite': case 'udplite6': case 'raw': case 'raw6': case 'icmp': case 'icmp6': {
        const own = byInode(this.socks);
        return this.table(this.read(this.dir, name), (l) => inetLine(l, own, this.socks.network.hasNamespace));
      }
      case 'unix': {
        const own = byInode(this.socks);
        // AF_UNIX sockets are in carrick's own namespace whatever the mode (network.ts).
        return this.table(this.read('/proc/self/net', name), (l) => unixLine(l, own, (n) => this.socks.names.shown(n)));
      }
      case 'netlink': case 'packet': {
        const own = byInode(this.socks);
        return this.table(this.read(this.dir, name), (l) => (own.has(Number(LAST.exec(l)?.[1] ?? -1)) ? l : ''));
      }
      default: return this.read(this.dir, name);
    }
  }
}

export function installProcNet(ep: Endpoint, socks: Socks): void {
  const tables = new ProcNet(socks);
  tellProc(ep, (name) => tables.text(name));
}
