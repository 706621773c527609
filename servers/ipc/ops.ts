/**
 * Operations of this server's kinds of open file description, by ofd.kind. The modules of pipes, eventfds and epoll fill the table; syscalls/file.ts
 * dispatches to it.
 */
import type { Frame } from '../../shared/frame.js';

export interface Ops {
  /** Bytes were planned with shared/iobuf.ts: `len` in all. `nowait`: behave as with O_NONBLOCK. */
  read?(f: Frame, ofd: number, len: number, nowait: boolean): number;
  write?(f: Frame, ofd: number, len: number, nowait: boolean): number;
  /** Its own ioctl requests; -ENOTTY for others. */
  ioctl?(f: Frame, ofd: number, request: number): number;
  fcntl?(f: Frame, ofd: number, cmd: number): number;
  /** struct stat into `bytes` at off. */
  fstat(f: Frame, ofd: number, bytes: Buffer, off: number): number;
  /** The last reference is gone: let go of the object. */
  release(ofd: number, obj: number): void;
  /** lseek(2) answers 0 (noop_llseek) instead of ESPIPE. */
  readonly noopSeek: boolean;
}

const table: Array<Ops | undefined> = [];

export function setOps(kind: number, ops: Ops): void { table[kind] = ops; }
export const opsOf = (kind: number): Ops | undefined => table[kind];
