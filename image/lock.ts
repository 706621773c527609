/**
 * Locks of the store: flock(2) on the very file or directory that is guarded. The host drops them with the process, however it ends, so
 * nothing is ever stale and nothing has to be unlocked after a crash.
 *
 *   layers/HEX      shared while a container or a pull needs the layer; exclusive to remove it
 *   layers/HEX.new  exclusive while it is being unpacked
 *   blobs/.../HEX.part  exclusive while it is being fetched
 *   store           exclusive while references change and unneeded things are removed
 *
 * What is locked may be renamed or removed by the one who had the lock before; so after every lock it is looked whether the name still
 * leads to what was locked.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { E } from '../shared/errno.js';
import { native } from '../shared/native.js';
import { errorCode } from './error.js';

/** flock(2), syncfs(2). */
const [SYS_flock, SYS_syncfs] = process.arch === 'arm64' ? [32, 267] : [73, 306];
const LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4;
/** How often a lock that another process has is asked for again. ms. */
const RETRY_MS = 100;

export type Mode = 'shared' | 'exclusive';

export class Lock {
  constructor(readonly fd: number) {}
  /** Others may share it from now on. */
  share(): void { native.sys(SYS_flock, 0, this.fd, LOCK_SH | LOCK_NB); }
  release(): void { closeSync(this.fd); }
}

/** Lock what is at `path`: the lock, `busy` when another process has it, undefined when there is nothing there. `flags`: of open(2), node's spelling. */
export function tryLock(path: string, mode: Mode, flags = 'r'): Lock | 'busy' | undefined {
  for (;;) {
    let fd: number;
    try {
      fd = openSync(path, flags, 0o600);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const r = native.sys(SYS_flock, 0, fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB);
    if (r === -E.EAGAIN) { closeSync(fd); return 'busy'; }
    // Some network file systems have no locks; then there is one user at a time, or none is safe.
    if (r < 0) { closeSync(fd); throw new Error(`flock ${path}: errno ${-r}`); }
    const have = fstatSync(fd), now = statSync(path, { throwIfNoEntry: false });
    if (now !== undefined && now.ino === have.ino && now.dev === have.dev) return new Lock(fd);
    closeSync(fd);
  }
}

/** As tryLock, but wait for the other process; `waiting` is called once when that happens. */
export async function lock(path: string, mode: Mode, flags = 'r', waiting: () => void = () => undefined): Promise<Lock | undefined> {
  for (let said = false; ;) {
    const l = tryLock(path, mode, flags);
    if (l !== 'busy') return l;
    if (!said) waiting();
    said = true;
    await sleep(RETRY_MS);
  }
}

/** Everything written to the file system of this fd is on the disk when it returns. */
export function syncFileSystem(fd: number): void {
  native.sys(SYS_syncfs, 0, fd);
}
