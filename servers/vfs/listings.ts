/**
 * Names of a directory, told with its open: who reads one directory after another (find, ls -R, du, rm, a package manager) makes one request for each, not two.
 *
 *   a process reads a directory by request ──► the directories that it opens next are listed at once, the names put behind the answer to the open
 *     ──► its getdents64 is answered from that (native/stub/listing.c), and the end of the directory is owed (OWED_LISTED, ofd.listed)
 *     ──► not read: after CREDIT directories no more are told until it reads one by request again
 *
 * What is told holds as long as an answer does: nothing has changed in the directory, no path leads elsewhere, and nobody watches what is read. It is told
 * only if it can be used: all names, in a buffer as large as the process has brought before, by a process with one thread, of a descriptor that nobody else can notice (OPENED_LATE).
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { fdLookup } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { giveListing, replySink, type Sink } from './answers.js';
import { direntBytes, putDirent } from './dirent.js';
import { fileOf } from './file.js';
import type { Caller } from './inode.js';
import { IN_ACCESS, isWatched } from './inotify/watch.js';
import { DirFile } from './path-file.js';
import { tellListed } from './siblings.js';

/** Directories that are told to a process that does not read them. */
const CREDIT = 4;

/** A process that has read a directory. room: bytes of its buffer. */
interface Reader { room: number; credit: number }

const readers = new Map<number, Reader>();

/** The caller of f has begun to read a directory, by request, into `room` bytes. */
export function noteReading(f: Frame, file: DirFile, room: number): void {
  const r = readers.get(f.tg);
  if (r === undefined) readers.set(f.tg, { room, credit: CREDIT });
  else { r.room = room; r.credit = CREDIT; }
  if (file.mark !== undefined) file.mark.reads = true;
}

/** The last descriptor of a directory goes. */
export function noteClosed(file: DirFile): void {
  const r = file.toldTo > 0 && file.wasReadAhead ? readers.get(file.toldTo) : undefined;
  if (r !== undefined) r.credit = CREDIT;
}

/** Put the names that were taken ahead of a directory there, if they are no more than `room` bytes. fd, row: giveListing's. */
function give(to: Sink, file: DirFile, fd: number, row: number, room: number): boolean {
  const { names } = file;
  let len = 0;
  for (const e of names) len += direntBytes(e.name.length);
  if (len > Math.min(room, L.LISTING_MAX)) return false;
  const { buffer, byteOffset, length } = to.bytes;
  return giveListing(to, fd, row, file.inode, len, (at) => {
    const view = new DataView(buffer, byteOffset, length);
    let next = 0;
    for (const e of names) at += putDirent(to.bytes, view, at, e, ++next, true);
  });
}

/** May the names of a directory be told to a process that has it alone? */
const mayTell = (file: DirFile): boolean => file.inode.isSettled && !isWatched(file.path.dentry, IN_ACCESS);

/** The names of a directory that was opened ahead. False: there is no room for them, or they may not be told. */
export const giveAheadListing = (to: Sink, file: DirFile): boolean => mayTell(file) && file.isFresh && give(to, file, -1, file.ofd, L.LISTING_MAX);

/** fd was just opened, and the caller may remember so: tell the names with it, if it is a directory that will be read. */
export function tellListing(f: Frame, c: Caller, fd: number): void {
  const reader = readers.get(f.tg);
  if (reader === undefined || reader.credit === 0 || f.produced(5) === 0) return;
  const row = fdLookup(L.taskFiles(f.task), fd), file = row > 0 && L.ofdLate(row) !== 0 ? fileOf(row) : undefined;
  if (!(file instanceof DirFile) || L.tgNtasks(f.tg) !== 1 || !mayTell(file) || file.takeAhead(c) < 0) return;
  if (!give(replySink(f), file, fd, 0, reader.room)) return;
  reader.credit--;
  file.toldTo = f.tg;
  tellListed(f, c, fd, file.path.dentry, file.names, file.path.mnt.id);
}

export function installListings(ep: Endpoint): void {
  const forget = (tg: number): void => { readers.delete(tg); };
  ep.on(Msg.EXE_SET, (m) => { forget(m.w[0] as number); });
  ep.on(Msg.TG_GONE, (m) => { forget(m.w[0] as number); });
}
