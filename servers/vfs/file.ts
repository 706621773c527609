/**
 * Open files of the VFS: the object behind an OFD whose owner is SRV_VFS.
 *
 * `ofd.obj` is the file's id in `files`. Data always passes through this worker's scratch (shared/host.ts): read puts bytes there, write takes them
 * from there; the syscall layer moves them between scratch and the guest. A file with `hostFd` >= 0 keeps its offset there (docs/internals.md §7), others in `pos`.
 *
 * Blocking: read, write, ioctl and open of devices may return ep.park(f, queue) (Ret.BLOCKED); the call is then dispatched again from
 * the start. The syscall layer makes only one read or write per call on files that are not regular, so nothing is lost by it.
 */
import { E } from '../../shared/errno.js';
import { Ofd, ofdFree } from '../../shared/fdtable.js';
import type { Endpoint } from '../../shared/endpoint.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import type { Inode, Path } from './inode.js';

/** open(2) flags, x86-64. */
export const O_ACCMODE = 3, O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_NOCTTY = 0o400, O_TRUNC = 0o1000, O_APPEND = 0o2000,
  O_NONBLOCK = 0o4000, O_DSYNC = 0o10000, O_ASYNC = 0o20000, O_DIRECT = 0o40000, O_LARGEFILE = 0o100000, O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000,
  O_NOATIME = 0o1000000, O_CLOEXEC = 0o2000000, O_SYNC = 0o4010000, O_PATH = 0o10000000, O_TMPFILE = 0o20200000;

/** Readiness bits, epoll(7). */
export const EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 16, EPOLLRDNORM = 64, EPOLLWRNORM = 256, EPOLLRDHUP = 0x2000;
/** What an always-ready file reports. */
const READY_ALWAYS = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

export abstract class File {
  /** Row in table ofd; set when it is installed. */
  ofd = 0;
  /** Id in `files`. */
  id = 0;
  /** Host fd that carries the data, -1 = none. Closed by release(). */
  hostFd = -1;
  /** Reads and writes served so far (open-file.ts: when to grant). */
  uses = 0;
  /** Offset of files without a host fd. */
  pos = 0;
  /** HINT_* bits that a grant gives (L.HINT_READ...), 0 = never granted. */
  grantable = 0;
  /** 1 when the host's poll on hostFd tells readiness. */
  pollable = 0;
  /** Does fstat(2) on hostFd say of size, blocks and times what this file's inode would after refresh() (of ctime: the later of the two)? */
  live = false;
  /** Readiness at open; later changes by setReady. */
  ready = READY_ALWAYS;

  constructor(
    readonly kind: Ofd,
    /** Where it was opened; held (counted) while the file is open. */
    readonly path: Path,
    /** Flags at open; the live ones (F_SETFL) are in `flags`. */
    readonly openFlags: number,
  ) {}

  get inode(): Inode { return this.path.inode; }
  /** Access mode and status flags as they are now. */
  get flags(): number { return this.ofd > 0 ? L.ofdFlags(this.ofd) : this.openFlags; }
  get readable(): boolean { return (this.openFlags & O_ACCMODE) !== O_WRONLY && (this.openFlags & O_PATH) === 0; }
  get writable(): boolean { return (this.openFlags & O_ACCMODE) !== O_RDONLY && (this.openFlags & O_PATH) === 0; }
  get nonblock(): boolean { return (this.flags & O_NONBLOCK) !== 0; }

  /** Read up to len bytes to scratch at off. pos < 0: at the file's own offset, which moves. Bytes, 0 at the end, -errno or Ret.BLOCKED. */
  read(_f: Frame, _off: number, _len: number, _pos: number): number { return -E.EINVAL; }
  /** Write len bytes from scratch at off. pos < 0: at the file's own offset (the end with O_APPEND), which moves. */
  write(_f: Frame, _off: number, _len: number, _pos: number): number { return -E.EINVAL; }
  /** The offset of one without a host fd, as it is now. */
  get position(): number { return this.pos; }
  /** New offset or -errno. whence: SEEK_*, checked by the caller to be 0..4. */
  seek(_off: number, _whence: number): number { return -E.ESPIPE; }
  /** May pread and pwrite be used? */
  get seekable(): boolean { return false; }
  /** request as unsigned 32 bits; arg: raw argument (guest address or value). -ENOTTY when unknown. */
  ioctl(_f: Frame, _request: number, _arg: number): number { return -E.ENOTTY; }
  /** Host fd to be mapped, or -ENODEV. Anonymous zero pages for /dev/zero are a host fd of the host's /dev/zero. */
  mapFd(): number { return -E.ENODEV; }
  /** fallocate(2): mode FALLOC_FL_*. */
  fallocate(_mode: number, _off: number, _len: number): number { return -E.ENODEV; }
  /** fsync(2); data: fdatasync. */
  fsync(_data: boolean): number { return -E.EINVAL; }
  /** The file's own part of the last close: forget waiters, hang up... hostFd is closed by the caller. */
  release(): void { /* nothing of its own */ }
}

/** A file whose whole content is a string made when it is first read at offset 0 (proc, sysfs). Subclasses say what it is. */
export abstract class TextFile extends File {
  private text: string | undefined = undefined;

  constructor(path: Path, flags: number, kind: Ofd = Ofd.PROC) { super(kind, path, flags); }

  /** The content now, latin1, or -errno. */
  protected abstract content(f: Frame | undefined): string | number;
  /** Written text (whole write); bytes taken or -errno. */
  protected store(_f: Frame, _text: string, _pos: number): number { return -E.EINVAL; }

  override get seekable(): boolean { return true; }

  override read(f: Frame, off: number, len: number, pos: number): number {
    const at = pos < 0 ? this.pos : pos;
    if (this.text === undefined || at === 0) {
      const t = this.content(f);
      if (typeof t === 'number') return t;
      this.text = t;
    }
    const n = Math.min(len, this.text.length - at);
    if (n <= 0) return 0;
    host.scratch.latin1Write(this.text.slice(at, at + n), off);
    if (pos < 0) this.pos = at + n;
    return n;
  }

  override write(f: Frame, off: number, len: number, pos: number): number {
    const n = this.store(f, host.scratch.latin1Slice(off, off + len), pos < 0 ? this.pos : pos);
    if (n > 0 && pos < 0) this.pos += n;
    this.text = undefined;
    return n;
  }

  override seek(off: number, whence: number): number {
    const to = whence === 0 ? off : whence === 1 ? this.pos + off : -1;
    if (to < 0) return -E.EINVAL;
    return (this.pos = to);
  }
}

/** Open files by id. Index 0 is never used. */
const table: Array<File | undefined> = [undefined];
const freeIds: number[] = [];

export function fileAdd(file: File): number {
  const id = freeIds.pop() ?? table.length;
  table[id] = file;
  file.id = id;
  return id;
}

export function fileDrop(file: File): void {
  if (file.hostFd >= 0) host.close(file.hostFd);
  file.hostFd = -1;
  table[file.id] = undefined;
  freeIds.push(file.id);
  if (file.ofd > 0) ofdFree(file.ofd);
  file.ofd = 0;
}

/** File of an OFD row that vfs owns; undefined only if the row is being released. */
export function fileOf(ofd: number): File | undefined { return table[L.ofdObj(ofd)]; }
/** Every open file. */
export function eachFile(fn: (file: File) => void): void { for (const file of table) if (file !== undefined) fn(file); }

let endpoint: Endpoint | undefined;
/** This worker's endpoint: parking, timers, messages. Set once by main.ts before anything is opened. */
export function setEndpoint(ep: Endpoint): void { endpoint = ep; }
export function vfsEndpoint(): Endpoint {
  if (endpoint === undefined) throw new Error('the vfs endpoint is not set');
  return endpoint;
}

/** The readiness of an open file has changed: store it and tell ipc if somebody watches (STYLE B3: store first, then look at watched). */
export function setReady(file: File, mask: number): void {
  file.ready = mask;
  if (file.ofd === 0 || L.ofdReady(file.ofd) === mask) return;
  Atomics.store(L.ofdI32(), L.OFD_READY_AT(file.ofd), mask);
  if (Atomics.load(L.ofdI32(), L.OFD_WATCHED_AT(file.ofd)) > 0) vfsEndpoint().send(L.SRV_IPC, Msg.READY, [file.ofd, mask]);
}
