/**
 * Directories of the host, opened one verified component at a time.
 *
 * A HostDir knows its parent and its name there; its fd (O_PATH, or one to read it by) is opened when it is needed and may be closed again: at most `LIMIT` are open,
 * chosen by a clock. So no host path is ever built from names, symlinks are never followed (O_NOFOLLOW), '..' is never used, and
 * mount points of the host are crossed as plain directories.
 */
import { E } from '../../../shared/errno.js';
import * as host from '../../../shared/host.js';

const O_PATH = 0o10000000, O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000, O_RDONLY = 0, SEEK_SET = 0;
const LIMIT = 1024;
const open: HostDir[] = [];
let hand = 0;

export class HostDir {
  private fdNo = -1;
  /** Is it open for reading? */
  private readable = false;
  private recent = false;

  /** `pinned`: an fd that is kept for ever (the root of a tree); otherwise parent and name say how to open it. */
  constructor(public parent: HostDir | undefined, public name: string, private readonly pinned = -1) {}

  /** Open fd of the directory, or -errno (ENOENT when it has gone from the host). Borrowed: valid until the next call of fd() on any HostDir. */
  fd(): number {
    if (this.pinned >= 0) return this.pinned;
    this.recent = true;
    return this.fdNo >= 0 ? this.fdNo : this.open(O_PATH);
  }

  /** The same, open for getdents, at its beginning: for the contents of a directory that nobody moves. */
  reading(): number {
    if (this.pinned >= 0) return this.fdNo >= 0 ? this.rewound() : (this.fdNo = this.openForReading());
    this.recent = true;
    return this.readable ? this.rewound() : this.open(O_RDONLY);
  }

  private rewound(): number {
    const r = host.lseek(this.fdNo, 0, SEEK_SET);
    return r < 0 ? r : this.fdNo;
  }

  private open(how: number): number {
    if (this.parent === undefined) return -E.ENOENT;
    const up = this.parent.fd();
    if (up < 0) return up;
    const fd = host.openat(up, this.name, how | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return fd;
    const had = this.fdNo;
    this.fdNo = fd;
    this.readable = how === O_RDONLY;
    if (had >= 0) host.close(had); else keep(this);
    return fd;
  }

  /** Path below the root of its tree, '' = the root itself. */
  get path(): string {
    if (this.parent === undefined) return '';
    const up = this.parent.path;
    return up === '' ? this.name : `${up}/${this.name}`;
  }

  /** A new fd for getdents; the caller closes it. */
  openForReading(): number {
    const fd = this.fd();
    return fd < 0 ? fd : host.openat(fd, '.', O_RDONLY | O_DIRECTORY);
  }

  /** It has moved or gone on the host: open it anew next time. */
  forget(): void {
    if (this.fdNo >= 0) host.close(this.fdNo);
    this.fdNo = -1;
    this.readable = false;
  }

  /** Called by the clock. True when it could be closed. */
  tire(): boolean {
    if (this.recent) { this.recent = false; return false; }
    this.forget();
    return true;
  }

  get isOpen(): boolean { return this.fdNo >= 0; }
}

function keep(d: HostDir): void {
  if (open.length < LIMIT) { open.push(d); return; }
  for (;;) {
    const victim = open[hand] as HostDir;
    // `d` itself and its parents are recent, so what fd() just returned is not closed here.
    if (!victim.isOpen || victim.tire()) { open[hand] = d; hand = (hand + 1) % LIMIT; return; }
    hand = (hand + 1) % LIMIT;
  }
}

const v = host.scratchView;

/**
 * Names of a host directory from an open fd, '.' and '..' left out. ino: as the host's dirent has it. Returns 0 or -errno.
 * Uses scratch DATA, so `each` must not.
 */
export function eachEntry(fd: number, each: (name: string, ino: number, type: number) => void): number {
  for (;;) {
    const n = host.getdents64(fd, host.DATA, 65536);
    if (n <= 0) return n;
    let at = host.DATA;
    const end = host.DATA + n;
    while (at < end) {
      const hi = v.getUint32(at + 4, true);
      const ino = v.getUint32(at, true) + ((hi & 0x1fffff) ^ (hi >>> 21)) * 4294967296;
      const reclen = v.getUint16(at + 16, true);
      const type = v.getUint8(at + 18);
      let z = at + 19;
      while (host.scratch[z] !== 0) z++;
      const name = host.scratch.latin1Slice(at + 19, z);
      if (name !== '.' && name !== '..') each(name, ino, type);
      at += reclen;
    }
  }
}
