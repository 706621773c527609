/**
 * From a File to a descriptor and back: OFD rows, counting, grants, release.
 *
 * An installed file holds its path (dentry and mount) and counts in inode.writers while it may write. RELEASE, sent by whoever
 * drops the last reference to the OFD, undoes all of it.
 */
import { fdFlags, fdInstall, FD_CLOEXEC, nofile, Ofd, ofdAlloc, ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { announceFd, grantFds, mayGrant } from '../../shared/grant.js';
import { native } from '../../shared/native.js';
import { touched } from './answers.js';
import { pathGet, pathPut } from './dcache.js';
import { type File, fileAdd, fileDrop, fileOf, O_ACCMODE, O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY, O_RDONLY, O_TRUNC, vfsEndpoint } from './file.js';
import type { Path } from './inode.js';
import { grantableOf, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, isOpeningWatched, tellDentry } from './inotify/watch.js';
import { noteClosed } from './listings.js';
import { dropFileLocks } from './locks.js';
import { DirFile } from './path-file.js';

/** Flags that do not last beyond open(2). */
const ONCE = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
/** Served reads and writes of one file after which its host fd is granted: programs that only look at the start of a file never pay for a grant. */
export const GRANT_AFTER = 3;
/** Uses of one open file that show that a grant would have paid: a read, and the one that finds the end. */
const WORTH_IT = 2;
/** Opens for reading that a file is then granted with. After them it has to show again that it is read. */
const EAGER_OPENS = 16;
const RLIMIT_FSIZE = 1;

/** Does it keep its file from being executed? memfds do not: fexecve(3) of one that is open for writing is common, and allowed. */
const countsAsWriter = (file: File): boolean => file.writable && file.kind === Ofd.REGULAR;

/** Make the OFD of a new file (reference 1): its row, or -ENFILE, with the file closed. */
export function makeOfd(file: File): number {
  const id = fileAdd(file);
  const row = ofdAlloc(L.SRV_VFS, file.kind, id, file.openFlags & ~ONCE, file.hostFd);
  if (row < 0) {
    file.release();
    fileDrop(file);
    return row;
  }
  file.ofd = row;
  L.setOfdReady(row, file.ready);
  L.setOfdGrantable(row, grantableOf(file));
  L.setOfdPollable(row, file.pollable);
  if (file.kind === Ofd.DIR) L.setOfdProcPid(row, file.inode.procPid);
  pathGet(file.path);
  if (countsAsWriter(file)) {
    // It cannot be executed any more (ETXTBSY).
    touched(file.inode);
    file.inode.writers++;
  }
  if (file.kind === Ofd.REGULAR) file.inode.opened();
  return row;
}

/** Give a new file a descriptor of the caller's: fd, or -EMFILE, -ENFILE with the file closed. */
export function installFile(f: Frame, file: File, cloexec: boolean): number {
  const row = makeOfd(file);
  return row < 0 ? row : installOfd(f, row, cloexec);
}

/** Give an OFD (its reference passes) a descriptor. */
export function installOfd(f: Frame, row: number, cloexec: boolean): number {
  const fd = fdInstall(L.taskFiles(f.task), row, cloexec, nofile(f.tg));
  if (fd < 0) { ofdUnref(vfsEndpoint(), row); return fd; }
  announceFd(f, fd, row);
  return fd;
}

/** RELEASE: nobody has the OFD any more. */
export function releaseFile(row: number): void {
  const file = fileOf(row);
  if (file === undefined) return;
  dropFileLocks(file);
  // What was opened ahead and not taken was never open.
  if (file.kind !== Ofd.PATH && L.ofdAhead(row) === 0) tellDentry(file.path.dentry, file.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  if (file instanceof DirFile) noteClosed(file);
  file.release();
  if (countsAsWriter(file)) file.inode.writers--;
  if (file.kind === Ofd.REGULAR) {
    if (file.uses >= WORTH_IT) learnUse(file);
    file.inode.opens--;
    if (file.readable && file.writable && L.ofdGiven(row) !== 0) file.inode.loosen();
  }
  const path = file.path;
  fileDrop(file);
  pathPut(path);
}

/**
 * What is told of a new descriptor (OPENED_*). Nobody can tell when a file is closed that was only read, which no mount waits for (umount: EBUSY) and
 * whose locks are not dropped by it.
 */
export function openedBits(path: Path, file: number, cloexec: boolean): number {
  const kind = L.ofdKind(file);
  if (kind !== Ofd.REGULAR && kind !== Ofd.DIR) return 0;
  const late = (L.ofdFlags(file) & O_ACCMODE) === O_RDONLY && path.mnt.parent === undefined && path.inode.locks === undefined && !isOpeningWatched(path.dentry);
  return L.OPENED_NEW | (cloexec ? L.OPENED_CLOEXEC : 0) | (late ? L.OPENED_LATE : 0);
}

/** Would a file size limit have to be watched over? Then writes are not left to the guest. */
const sizeLimited = (tg: number): boolean => L.tgRlimCur(tg, RLIMIT_FSIZE) < Number.MAX_SAFE_INTEGER;

/** Grant fd's host fd with this reply, if it may be and is not yet. True when it was sent. */
function grantNow(f: Frame, fd: number, file: File): boolean {
  if (!mayGrant(f.task, f.tg, fd, file.ofd)) return false;
  if ((native.hintGet(f.tg, fd) & L.HINT_GRANTED) !== 0) return false;
  if ((file.grantable & L.HINT_WRITE) !== 0 && sizeLimited(f.tg)) return false;
  grantFds(f, [fd], [file.ofd], (fdFlags(L.taskFiles(f.task), fd) & FD_CLOEXEC) !== 0);
  return (f.rflags & L.RF_GRANT) !== 0;
}

/** What is read once is read again: shared libraries, modules, configuration. */
function learnUse(file: File): void {
  if (!file.writable && file.kind === Ofd.REGULAR) file.inode.eager = EAGER_OPENS;
}

/** Grant a file for what is being done with it. True when it was sent. */
export function grantUsed(f: Frame, fd: number, file: File): boolean {
  if (!grantNow(f, fd, file)) return false;
  learnUse(file);
  return true;
}

/** fd was just opened. A file that was worth a grant before gets it with the reply. */
export function grantOpened(f: Frame, fd: number, file: File): void {
  if (file.inode.eager === 0 || file.writable || file.kind !== Ofd.REGULAR) return;
  file.inode.eager--;
  grantNow(f, fd, file);
}

/** Count a served read, write or fstat, which stands for `weight` of them; a file that is used repeatedly is granted, so that the loop runs without us. */
export function countUse(f: Frame, fd: number, file: File, weight = 1): void {
  if (file.grantable === 0) return;
  file.uses += weight;
  if (file.uses >= GRANT_AFTER) grantUsed(f, fd, file);
}
