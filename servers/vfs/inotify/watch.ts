/**
 * Watches on inodes, and telling them what happens: what inotify(7) is made of.
 *
 *   Inode ──marks──► Marks ──watches──► Watch ──group──► WatchGroup (an inotify instance, instance.ts)
 *
 * Whatever changes something calls one of the tell functions when it has succeeded, in Linux's order of events. An event of a name in a directory, or of what the
 * name stands for, goes to the watches of the directory with the name, then to those of the inode itself without it.
 *
 * Marks hold one dentry of the inode, so that the dentry cache keeps the inode and no second one is made for it. That does not keep a removed file: when nothing but
 * the marks holds it (dcache.ts says so: `idle`), IN_DELETE_SELF is told and the watches go.
 *
 * Data that a process reads or writes through a grant pass this server by. So files with a watch for that, on themselves or on their directory, are not granted,
 * and when such a watch is made grants of theirs that are out are withdrawn by their hints (`withdraw`). For the same reason their closing is not left
 * to the stub (OPENED_LATE). A descriptor for which that was promised before is told of when its process makes its next request.
 *
 * Sources: inotify(7), fs/notify behaviour, observed on Linux 6.
 */
import { hintsWithdraw } from '../../../shared/fdtable.js';
import * as L from '../../../shared/gen/layout.js';
import { eachTg } from '../../../shared/tasks.js';
import { waysChanged } from '../answers.js';
import { dget, dput, setIdle } from '../dcache.js';
import { eachFile, type File } from '../file.js';
import type { Dentry, Inode, SuperBlock } from '../inode.js';

/** uapi linux/inotify.h. */
export const IN_ACCESS = 1, IN_MODIFY = 2, IN_ATTRIB = 4, IN_CLOSE_WRITE = 8, IN_CLOSE_NOWRITE = 0x10, IN_OPEN = 0x20, IN_MOVED_FROM = 0x40, IN_MOVED_TO = 0x80, IN_CREATE = 0x100,
  IN_DELETE = 0x200, IN_DELETE_SELF = 0x400, IN_MOVE_SELF = 0x800, IN_UNMOUNT = 0x2000, IN_Q_OVERFLOW = 0x4000, IN_IGNORED = 0x8000, IN_EXCL_UNLINK = 0x04000000, IN_ISDIR = 0x40000000,
  IN_ONESHOT = 0x80000000;
export const IN_ALL_EVENTS = 0xfff;
const OPENING = IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE;
/** What executing a file tells. */
const EXECUTING = IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE;

/** Whoever is told. */
export interface WatchGroup {
  /** An event for watch `wd`. name: '' for the watched thing itself. */
  push(wd: number, mask: number, cookie: number, name: string): void;
  /** A watch of this group is no more; IN_IGNORED was pushed. */
  forget(w: Watch): void;
}

export class Watch {
  constructor(readonly group: WatchGroup, readonly wd: number, readonly inode: Inode, public mask: number) {}
}

/** The watches of an inode, and the dentry that they hold. */
export class Marks {
  readonly watches: Watch[] = [];
  constructor(readonly dentry: Dentry) {}
  /** Events that somebody wants. */
  get mask(): number { let m = 0; for (const w of this.watches) m |= w.mask; return m; }
}

/** All inodes that are watched. */
const marked = new Set<Marks>();

const deliver = (marks: Marks, mask: number, cookie: number, name: string, unlinked: boolean): void => {
  for (const w of marks.watches.slice()) {
    if ((w.mask & mask & IN_ALL_EVENTS) === 0 || (unlinked && (w.mask & IN_EXCL_UNLINK) !== 0)) continue;
    w.group.push(w.wd, mask, cookie, name);
    if ((w.mask & IN_ONESHOT) !== 0) removeWatch(w);
  }
};

/** Something has happened to an inode. Of being moved or deleted Linux does not say whether it is a directory. */
export function tellInode(inode: Inode, mask: number): void {
  const { marks } = inode;
  if (marks === undefined) return;
  deliver(marks, inode.isDir && (mask & (IN_MOVE_SELF | IN_DELETE_SELF)) === 0 ? mask | IN_ISDIR : mask, 0, '', false);
}

/** Something has happened to the name `name` of directory `dir`. */
export function tellName(dir: Inode, name: string, mask: number, isDir: boolean, cookie = 0): void {
  if (dir.marks !== undefined) deliver(dir.marks, isDir ? mask | IN_ISDIR : mask, cookie, name, false);
}

/** Something has happened to what a dentry stands for: its directory is told, and itself. */
export function tellDentry(d: Dentry, mask: number): void {
  if (marked.size === 0 || d.inode === undefined) return;
  const above = d.parent?.inode?.marks;
  if (above !== undefined) deliver(above, d.inode.isDir ? mask | IN_ISDIR : mask, 0, d.name, d.deleted);
  tellInode(d.inode, mask);
}

/** A new name. */
export function tellCreated(d: Dentry): void {
  if (marked.size !== 0 && d.parent?.inode !== undefined) tellName(d.parent.inode, d.name, IN_CREATE, d.inode?.isDir === true);
}

/** r bytes of a file were moved, or r is an error. Returns r. */
export function tellMoved(file: File, r: number, mask: number): number {
  if (r > 0) tellDentry(file.path.dentry, mask);
  return r;
}

/** A change of what a dentry stands for has succeeded, if r is 0. Returns r. */
export function tellChange(r: number, d: Dentry, mask: number): number {
  if (r === 0) tellDentry(d, mask);
  return r;
}

let cookies = 0;
/** What ties IN_MOVED_FROM to its IN_MOVED_TO. */
export function nextCookie(): number { return (cookies = (cookies + 1) >>> 0); }

/** Is any of these events of the file, or of names in its directory, wanted? */
export function isWatched(d: Dentry, mask: number): boolean {
  if (marked.size === 0) return false;
  return ((d.inode?.marks?.mask ?? 0) & mask) !== 0 || ((d.parent?.inode?.marks?.mask ?? 0) & mask) !== 0;
}

/** Is the opening or closing of the file watched? */
export const isOpeningWatched = (d: Dentry): boolean => isWatched(d, OPENING);
/** Is its execution? */
export const isExecutingWatched = (d: Dentry): boolean => isWatched(d, EXECUTING);

/** Events that a file's grant keeps from this server. */
const hidden = (file: File): number => ((file.grantable & L.HINT_READ) !== 0 ? IN_ACCESS : 0) | ((file.grantable & L.HINT_WRITE) !== 0 ? IN_MODIFY : 0);

/** HINT_* bits of the grants that may be given of the file. */
export const grantableOf = (file: File): number => (isWatched(file.path.dentry, hidden(file)) ? 0 : file.grantable);

/** A watch of this inode for `mask` begins: what is open of it, or in it, comes back to this server. */
function withdraw(inode: Inode, mask: number): void {
  const rows = new Set<number>();
  eachFile((file) => {
    if (file.ofd === 0 || (file.inode !== inode && file.path.dentry.parent?.inode !== inode)) return;
    if ((mask & OPENING) !== 0) L.setOfdLate(file.ofd, 0);
    if ((hidden(file) & mask) === 0) return;
    L.setOfdGrantable(file.ofd, 0);
    if (L.ofdGiven(file.ofd) !== 0) rows.add(file.ofd);
  });
  if (rows.size === 0) return;
  eachTg((tg) => { hintsWithdraw(L.taskFiles(L.tgLeader(tg)), tg, L.metaFdrBase(1), rows, L.HINT_READ | L.HINT_WRITE | L.HINT_SEEK); });
}

/** Begin a watch. d: where the inode was found. */
export function addWatch(group: WatchGroup, wd: number, d: Dentry, mask: number): Watch {
  const inode = d.inode as Inode;
  let { marks } = inode;
  if (marks === undefined) {
    marks = inode.marks = new Marks(d);
    dget(d);
    marked.add(marks);
    L.setMetaWatching(1, 1);
  }
  const w = new Watch(group, wd, inode, 0);
  marks.watches.push(w);
  setMask(w, mask);
  return w;
}

export function setMask(w: Watch, mask: number): void {
  w.mask = mask;
  withdraw(w.inode, mask & IN_ALL_EVENTS);
  // Files that were opened ahead are not taken any more, nor is their closing kept quiet; programs that the kernel keeps are asked for again.
  if ((mask & (OPENING | EXECUTING)) !== 0) waysChanged();
}

/** End a watch without a word. */
export function dropWatch(w: Watch): void {
  const { marks } = w.inode;
  const ix = marks?.watches.indexOf(w) ?? -1;
  if (marks === undefined || ix < 0) return;
  marks.watches.splice(ix, 1);
  if (marks.watches.length > 0) return;
  marked.delete(marks);
  if (marked.size === 0) L.setMetaWatching(1, 0);
  w.inode.marks = undefined;
  dput(marks.dentry);
}

/** End a watch: IN_IGNORED. */
export function removeWatch(w: Watch): void {
  w.group.push(w.wd, IN_IGNORED, 0, '');
  w.group.forget(w);
  dropWatch(w);
}

/** Nothing but its marks may hold a removed inode any more. */
setIdle((inode: Inode): void => {
  const { marks } = inode;
  if (marks === undefined || inode.users > 1) return;
  const d = marks.dentry;
  if (d.hashed || d.count > 1 || !d.deleted) return;
  if (!inode.isDir && inode.refresh() === 0 && inode.nlink > 0) return;
  tellInode(inode, IN_DELETE_SELF);
  for (const w of marks.watches.slice()) removeWatch(w);
});

/** A file system is not mounted anywhere any more. */
export function tellUnmounted(sb: SuperBlock): void {
  for (const marks of [...marked]) {
    if (marks.dentry.inode?.sb !== sb) continue;
    for (const w of marks.watches.slice()) {
      w.group.push(w.wd, IN_UNMOUNT, 0, '');
      removeWatch(w);
    }
  }
}
