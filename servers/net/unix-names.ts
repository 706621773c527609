/**
 * Names of AF_UNIX sockets, kept apart from the host's and other containers'. Pure.
 *
 * Every bound guest name, abstract or path, stands for a fresh abstract name on the host: "\0carrick/<container>/<serial>". Both directions are looked up here; all of a
 * container's sockets live in this worker, so the registry is complete. An abstract name is its own key; a path's key is its socket
 * inode's (path-names.ts), so renames, links and relative paths mean what they mean on Linux. An entry ends with its socket; the inode
 * of a path stays until somebody unlinks it, and connecting to it is refused.
 */
import { E } from '../../shared/errno.js';
import { AF_UNIX, SOCKADDR_UN } from './abi.js';

export interface UnixName {
  /** Key in byGuest. */
  readonly key: string;
  /** sun_path on the host, with its leading NUL. */
  readonly hostPath: string;
  /** sun_path as the guest gave it; with its leading NUL when abstract, without the closing one otherwise. */
  readonly guestPath: string;
  /** OFD row of the bound socket. */
  readonly ofd: number;
}

export class UnixNames {
  private readonly byGuest = new Map<string, UnixName>();
  private readonly byHost = new Map<string, UnixName>();
  private serial = 0;
  private auto = 0;

  constructor(private readonly container: string) {}

  /**
   * sun_path of a guest's address of `len` bytes at `off`: '' = autobind (family only). -EINVAL: wrong length or family.
   */
  static parse(b: Buffer, off: number, len: number): string | number {
    if (len < 2 || len > SOCKADDR_UN || b.readUInt16LE(off) !== AF_UNIX) return -E.EINVAL;
    if (len === 2) return '';
    const path = b.latin1Slice(off + 2, off + len);
    if (path.charCodeAt(0) === 0) return path;
    const nul = path.indexOf('\0');
    return nul < 0 ? path : path.slice(0, nul);
  }

  /** A name of our own for autobind: five hexadecimal digits. unix(7). */
  autoName(): string {
    for (;;) {
      const path = `\0${(this.auto++ & 0xfffff).toString(16).padStart(5, '0')}`;
      if (!this.byGuest.has(path)) return path;
    }
  }

  /** Key of a path name whose socket inode is `inode`. */
  static pathKey(inode: number): string { return `/${inode}`; }

  /** Reserve a name for a socket: the entry, or -EADDRINUSE. Undo with `remove`. */
  add(guestPath: string, ofd: number, key = guestPath): UnixName | number {
    if (this.byGuest.has(key)) return -E.EADDRINUSE;
    const name: UnixName = { key, hostPath: `\0carrick/${this.container}/${++this.serial}`, guestPath, ofd };
    this.byGuest.set(name.key, name);
    this.byHost.set(name.hostPath, name);
    return name;
  }

  remove(name: UnixName): void {
    if (this.byGuest.get(name.key) === name) this.byGuest.delete(name.key);
    this.byHost.delete(name.hostPath);
  }

  /** The guest's sun_path for a host's, both latin1; '' = no such name. */
  guestPath(hostPath: string): string { return this.byHost.get(hostPath)?.guestPath ?? ''; }

  /** A name as /proc/net/unix shows it ('@' for every NUL): the guest's for the host's, '' = none. */
  shown(hostShown: string): string { return this.guestPath(`\0${hostShown.slice(1)}`).replaceAll('\0', '@'); }

  /** Who is bound there (an abstract name, or pathKey); -ECONNREFUSED when nobody is. */
  lookup(key: string): UnixName | number { return this.byGuest.get(key) ?? -E.ECONNREFUSED; }

  /** Write a host sun_path as an address; its length. */
  static write(b: Buffer, off: number, path: string): number {
    b.writeUInt16LE(AF_UNIX, off);
    b.latin1Write(path, off + 2);
    return 2 + path.length;
  }

  /** Turn the host address of `len` bytes at `off` into the guest's, in place; its length. */
  toGuest(b: Buffer, off: number, len: number): number {
    if (len <= 2) return len;
    const name = this.byHost.get(b.latin1Slice(off + 2, off + len));
    if (name === undefined) return 2;
    const n = UnixNames.write(b, off, name.guestPath);
    if (name.guestPath.charCodeAt(0) === 0) return n;
    b[off + n] = 0;
    return n + 1;
  }
}
