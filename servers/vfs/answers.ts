/**
 * What processes may remember of names and attributes, and how they learn that it no longer holds.
 *
 * A reply to a path call carries an `answer` (shared/layout): what the path means, with the values of the cells that this depends on. The stub repeats the
 * answer to the same process for as long as the cells have these values (native/stub/names.c). Cells are counters in memory that all guests can read:
 *
 *   cell 0          what paths lead through: directories and symlinks moved or removed, rights on directories, mounts
 *   name cells      one for a dentry that an answer was given about: the name came into being, went, moved, or its dentry was dropped
 *   inode cells     one for an inode whose attributes were told
 *
 * Cells are dealt out in turn, so that two names share one only when more are remembered than there are cells; that ends an answer early, never
 * late. Whoever changes an object advances its cell *first* (forgetName, touched, waysChanged) and in the same handler: nothing is answered in
 * between, and a process that sees an effect of the change (bytes in a file) cannot find the old answer valid any more. The object then has no cell until somebody asks again, so
 * changes to what nobody remembers cost nothing.
 *
 * Only what changes by this worker alone is answered: settled inodes (Inode.isSettled) found through settled directories (SuperBlock.isSettled). Not: volumes,
 * which others may change on the host; /proc, /sys, terminals; files of the upper layer that are open or mapped, since guests write them by
 * themselves. And only two results: it is there, or it is not (ENOENT).
 */
import { E } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import type { Dentry, Inode } from './inode.js';
import type { Nameidata } from './namei.js';

/** The cells' values: this worker alone writes them. */
const values = new Uint32Array(L.NAMES_CELLS);
let next = 0;

/** Value of a cell, for tests. */
export const cellValue = (cell: number): number => values[cell] as number;

/** A cell to be known by. Cell 0 is taken. */
function deal(): number {
  next = next + 1 < L.NAMES_CELLS ? next + 1 : 1;
  return next;
}

function advance(cell: number): void {
  values[cell] = (values[cell] as number) + 1;
  native.namesStore(cell, values[cell] as number);
}

/** The name that a dentry stands for is about to mean something else, or its dentry is dropped. */
export function forgetName(d: Dentry): void {
  advance(d.cell);
  d.cell = 0;
}

/** Attributes of an inode are about to change. */
export function touched(i: Inode): void {
  if (i.cell === 0) return;
  advance(i.cell);
  i.cell = 0;
}

/** Something that paths lead through is about to change: every answer about a path ends. */
export function waysChanged(): void { advance(0); }

function put64(v: DataView, off: number, n: number): void {
  v.setUint32(off, n >>> 0, true);
  v.setUint32(off + 4, Math.floor(n / 4294967296) >>> 0, true);
}

/** Cells at offset o. fd: -1 = about the path. */
function putCells(v: DataView, o: number, kind: number, name: Dentry | undefined, inode: Inode | undefined, fd: number): void {
  const n = name === undefined ? 0 : name.cell !== 0 ? name.cell : (name.cell = deal());
  const i = inode === undefined ? 0 : inode.cell !== 0 ? inode.cell : (inode.cell = deal());
  v.setUint32(o + L.ANSWER_KIND, kind, true);
  v.setUint32(o + L.ANSWER_GEN, values[0] as number, true);
  v.setUint32(o + L.ANSWER_NAME_CELL, n, true);
  v.setUint32(o + L.ANSWER_NAME_VAL, values[n] as number, true);
  v.setUint32(o + L.ANSWER_INODE_CELL, i, true);
  v.setUint32(o + L.ANSWER_INODE_VAL, values[i] as number, true);
  v.setInt32(o + L.ANSWER_FD, fd, true);
}

/** What an answer about a name and its inode (undefined: it is not there) depends on: value of cell 0, the name's cell and its value, the inode's; behind what `words` holds. */
export function pushCells(words: number[], name: Dentry, inode: Inode | undefined): void {
  if (name.cell === 0) name.cell = deal();
  words.push(values[0] as number, name.cell, values[name.cell] as number);
  if (inode === undefined) return;
  if (inode.cell === 0) inode.cell = deal();
  words.push(inode.cell, values[inode.cell] as number);
}

/** An inode's cell, and the value that it had. */
export interface Noted { readonly cell: number; readonly val: number }

/** Note what tells whether something about the inode changes: its attributes, and for a directory what is in it. */
export function noteInode(i: Inode): Noted {
  if (i.cell === 0) i.cell = deal();
  return { cell: i.cell, val: values[i.cell] as number };
}

export const isAsNoted = (n: Noted): boolean => values[n.cell] === n.val;

function putAttributes(v: DataView, o: number, i: Inode, mask: number, mntId: number): void {
  v.setUint32(o + L.ANSWER_MASK, mask, true);
  v.setUint32(o + L.ANSWER_BLKSIZE, i.blksize, true);
  v.setUint32(o + L.ANSWER_NLINK, i.nlink, true);
  v.setUint32(o + L.ANSWER_UID, i.uid, true);
  v.setUint32(o + L.ANSWER_GID, i.gid, true);
  v.setUint32(o + L.ANSWER_MODE, i.mode, true);
  v.setUint32(o + L.ANSWER_MNT_ID, mntId, true);
  v.setUint32(o + L.ANSWER_DEV, i.dev, true);
  v.setUint32(o + L.ANSWER_RDEV, i.rdev, true);
  put64(v, o + L.ANSWER_INO, i.ino);
  put64(v, o + L.ANSWER_LENGTH, i.size);
  put64(v, o + L.ANSWER_BLOCKS, i.blocks);
  put64(v, o + L.ANSWER_ATIME, i.atime);
  put64(v, o + L.ANSWER_BTIME, i.btime);
  put64(v, o + L.ANSWER_CTIME, i.ctime);
  put64(v, o + L.ANSWER_MTIME, i.mtime);
  v.setUint32(o + L.ANSWER_NSEC, i.atimeNsec, true);
  v.setUint32(o + L.ANSWER_NSEC + 4, i.btimeNsec, true);
  v.setUint32(o + L.ANSWER_NSEC + 8, i.ctimeNsec, true);
  v.setUint32(o + L.ANSWER_NSEC + 12, i.mtimeNsec, true);
}

/** STATX_BASIC_STATS | STATX_MNT_ID; STATX_BTIME where the birth time is known. linux/stat.h */
export const statxMask = (i: Inode): number => (i.btimeKnown ? 0x1fff : 0x17ff);

/**
 * Let the caller remember what a walk found. name: dentry that the path ended at, in directories that are all settled; inode: up to date (refresh).
 * target: of a symlink that was not followed, '' = not told.
 */
export function answerFound(f: Frame, name: Dentry, inode: Inode, mntId: number, target = ''): void {
  const o = f.answerOff(L.ANSWER_SIZE + target.length);
  if (o < 0 || !inode.isSettled) return;
  putCells(f.view, o, L.ANSWER_FOUND, name, inode, -1);
  putAttributes(f.view, o, inode, statxMask(inode), mntId);
  f.view.setUint32(o + L.ANSWER_TARGET_LEN, target.length, true);
  if (target !== '') f.bytes.latin1Write(target, o + L.ANSWER_SIZE);
  f.setOut(5, L.ANSWER_SIZE + target.length);
}

/** Bytes of the text of a further answer. NAME_MAX, PATH_MAX, but what is not remembered need not be told. */
export const ABOUT_ROOM = 128;

/**
 * Behind the answer of this reply: a further one. about: another name in the directory of the path that was asked about (asked 0: the same kind of question), in the one that was opened
 * at fd (ASK_IN_*), or an absolute path (asked ASK_*). inode: undefined = it is not there. False: there is no room left.
 */
export function addAnswer(f: Frame, about: string, asked: number, name: Dentry, inode: Inode | undefined, mntId: number, fd = -1): boolean {
  if (about.length > ABOUT_ROOM) return f.produced(5) !== 0;
  const o = roomAfter(f, L.ANSWER_SIZE + about.length);
  if (o >= 0) encode(f.bytes, f.view, o, about, asked, name, inode, mntId, fd);
  return o >= 0;
}

/** Room for `len` more bytes behind the answers of this reply, 8-byte aligned: where in the frame's bytes, or -1. */
function roomAfter(f: Frame, len: number): number {
  const from = f.produced(5);
  if (from === 0) return -1;
  const start = (from + 7) & ~7;
  const room = f.answerOff(start + len);
  if (room < 0) return -1;
  f.setOut(5, start + len);
  return room + start;
}

function encode(bytes: Buffer, v: DataView, o: number, about: string, asked: number, name: Dentry, inode: Inode | undefined, mntId: number, fd = -1): void {
  putCells(v, o, inode === undefined ? L.ANSWER_ABSENT : L.ANSWER_FOUND, name, inode, fd);
  v.setUint32(o + L.ANSWER_TARGET_LEN, about.length, true);
  if (inode !== undefined) putAttributes(v, o, inode, statxMask(inode), mntId);
  v.setUint32(o + L.ANSWER_ASKED, asked, true);
  bytes.latin1Write(about, o + L.ANSWER_SIZE);
}

/** Where answers that are ready are put: behind those of a reply, or into the message that a program begins with. */
export interface Sink {
  readonly bytes: Buffer;
  /** Where `len` more bytes go, 8-byte aligned, or -1: there is no room for them. */
  room(len: number): number;
}

export const replySink = (f: Frame): Sink => ({ bytes: f.bytes, room: (len) => roomAfter(f, len) });

/**
 * Put a listing of directory `dir` there, `len` bytes that `put(offset in its bytes)` makes: of descriptor fd, or (-1) of what was opened ahead as OFD `row`. It holds as long as nothing changes in the
 * directory. False: there is no room left.
 */
export function giveListing(to: Sink, fd: number, row: number, dir: Inode, len: number, put: (at: number) => void): boolean {
  const o = to.room(L.ANSWER_SIZE + len);
  if (o < 0) return false;
  const v = new DataView(to.bytes.buffer, to.bytes.byteOffset, to.bytes.length);
  putCells(v, o, L.ANSWER_NONE, undefined, dir, fd);
  v.setUint32(o + L.ANSWER_TARGET_LEN, len, true);
  v.setUint32(o + L.ANSWER_ASKED, L.ASK_LISTING, true);
  v.setUint32(o + L.ANSWER_ROW, row, true);
  v.setUint32(o + L.ANSWER_DEV, dir.dev, true);
  put64(v, o + L.ANSWER_INO, dir.ino);
  put(o + L.ANSWER_SIZE);
  return true;
}

/** The OFD of an open that was made ahead, OPENED_* with its hint, and what F_GETFL says of it. */
export interface Ahead { readonly row: number; readonly bits: number; readonly oflags: number }

/** A further answer that is ready before it is given. */
export class ReadyAnswer {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly cells: readonly [name: number, nameVal: number, inode: number, inodeVal: number];
  private readonly gen = values[0] as number;

  /** As addAnswer's; with `ahead`, of a file that was opened. target: of a link that is not followed. */
  constructor(readonly about: string, asked: number, name: Dentry, inode: Inode | undefined, mntId: number, ahead?: Ahead, target = '') {
    const text = target === '' ? about : `${about}\0${target}`;
    this.bytes = Buffer.alloc(L.ANSWER_SIZE + text.length);
    const v = this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    encode(this.bytes, v, 0, text, asked, name, inode, mntId);
    if (ahead !== undefined) {
      v.setUint32(L.ANSWER_OPENED, ahead.bits, true);
      v.setUint32(L.ANSWER_OFLAGS, ahead.oflags, true);
      v.setUint32(L.ANSWER_ROW, ahead.row, true);
    }
    const i = inode?.cell ?? 0;
    this.cells = [name.cell, values[name.cell] as number, i, values[i] as number];
  }

  /** Has nothing of it changed since? */
  get stands(): boolean {
    const [name, nameVal, inode, inodeVal] = this.cells;
    return values[0] === this.gen && values[name] === nameVal && values[inode] === inodeVal;
  }

  /** Put it there. place: answer.place. False: there is no room left. */
  give(to: Sink, place = 0): boolean {
    const o = to.room(this.bytes.length);
    if (o < 0) return false;
    this.view.setUint32(L.ANSWER_PLACE, place, true);
    this.bytes.copy(to.bytes, o);
    return true;
  }

  /** Is there room for these? */
  static fit(f: Frame, list: readonly ReadyAnswer[]): boolean {
    return f.produced(5) > 0 && f.answerOff(list.reduce((at, a) => ((at + 7) & ~7) + a.bytes.length, f.produced(5))) >= 0;
  }
}

/** A walk has failed with `errno`: if a name was not there, let the caller remember that. Returns errno. */
export function missing(f: Frame, nd: Nameidata, errno: number): number {
  const name = nd.absent;
  if (errno !== -E.ENOENT || name?.hashed !== true) return errno;
  const o = f.answerOff(L.ANSWER_SIZE);
  if (o < 0) return errno;
  putCells(f.view, o, L.ANSWER_ABSENT, name, undefined, -1);
  f.view.setUint32(o + L.ANSWER_TARGET_LEN, 0, true);
  f.setOut(5, L.ANSWER_SIZE);
  return errno;
}

/**
 * Let the caller remember the attributes of what it has open at fd, as far as they are settled. live: what the data decide is the host's to tell (File.live). opened: OPENED_* if it has just been opened, with what
 * F_GETFL says in oflags.
 */
export function answerOpen(f: Frame, fd: number, inode: Inode, mntId: number, live: boolean, opened = 0, oflags = 0): void {
  const settled = inode.isSettled;
  const told = (settled || live) && inode.refresh() === 0;
  if ((!told && opened === 0) || L.filesSharedUnlike(L.taskFiles(f.task)) !== 0) return;
  const o = f.answerOff(L.ANSWER_SIZE);
  if (o < 0) return;
  putCells(f.view, o, told ? (settled ? L.ANSWER_FOUND : L.ANSWER_LIVE) : L.ANSWER_NONE, undefined, told ? inode : undefined, fd);
  f.view.setUint32(o + L.ANSWER_TARGET_LEN, 0, true);
  if (told) putAttributes(f.view, o, inode, statxMask(inode), mntId);
  f.view.setUint32(o + L.ANSWER_OPENED, opened, true);
  f.view.setUint32(o + L.ANSWER_OFLAGS, oflags, true);
  f.setOut(5, L.ANSWER_SIZE);
}
