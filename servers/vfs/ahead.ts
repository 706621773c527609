/**
 * Opens made ahead: the files that a program opens whenever it starts (libraries, modules, tables, configuration) are opened for its next process before that
 * asks for them, and told with what else it is told then (start-names.ts).
 *
 *   opened in two of a program's processes ──► opened for the next one: an OFD in nobody's table (ofd.ahead names the process), its host fd on the way
 *     ──► the process's open takes it, without a trip (native/stub/ahead.c), and owes its descriptor a place in the table (OWED_OPEN, shared/fdcalls.ts)
 *     ──► not taken: given back when the process says so (OWED_NOBODY), starts another program, or ends
 *
 * Each is an open of its own, made with the rights and the root of the process that gets it, and holds as long as an answer about the same name and its attributes
 * would (answers.ts). So only files and directories of settled directories are opened ahead, for reading, on the root mount, of whose opening and closing nobody is told.
 * What a program's processes open is learned anew from time to time (start-names.ts), so that it follows what the program is used for. What one process opens again and again: again.ts.
 */
import { ofdUnref, takeAhead } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { AHEAD_FDS, sendAhead } from '../../shared/grant.js';
import { ABOUT_ROOM, ReadyAnswer, replySink, type Sink } from './answers.js';
import { O_CLOEXEC, O_DIRECTORY, O_LARGEFILE, O_NOCTTY, O_NOFOLLOW, vfsEndpoint } from './file.js';
import type { Caller } from './inode.js';
import { checkAccess, checkType } from './may-open.js';
import { Nameidata, Walk, walk } from './namei.js';
import { makeOfd, openedBits } from './open-file.js';
import { DirFile } from './path-file.js';

/** Opens of a program that are kept, and that one process gets. */
const LIST_MAX = 40;
/** OFDs that were made for processes that are alive and that nobody has given back, in all: each is a host descriptor of ours. */
const WAITING_MAX = 512;
/** In so many processes of the program has a file to be opened. */
const TIMES = 2;
const O_NONBLOCK = 0o4000;
/** Flags of opens that are made ahead. */
const PLAIN = O_CLOEXEC | O_DIRECTORY | O_LARGEFILE | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;

/** reads: a directory that processes of the program read when they have opened it. */
export interface Open { readonly path: string; readonly flags: number; times: number; run: number; reads: boolean }

/** Can such an open be made ahead? */
export const isPlainOpen = (path: string, flags: number): boolean => path.startsWith('/') && path.length <= ABOUT_ROOM && (flags & ~PLAIN) === 0;

/** What processes of a program open. */
export class Opens {
  private run = 0;
  readonly list = new Map<string, Open>();

  /** Another process begins. */
  begin(relearn: boolean): void {
    this.run++;
    if (relearn) this.list.clear();
  }

  /** A process of the program has opened `path`. What is kept of that, if anything. */
  count(path: string, flags: number): Open | undefined {
    if (!isPlainOpen(path, flags)) return undefined;
    const lasting = flags & ~O_NOCTTY, key = `${lasting} ${path}`;
    const o = this.list.get(key);
    if (o === undefined) {
      if (this.list.size >= LIST_MAX) return undefined;
      const first = { path, flags: lasting, times: 1, run: this.run, reads: false };
      this.list.set(key, first);
      return first;
    }
    if (o.run !== this.run) {
      o.run = this.run;
      o.times++;
    }
    return o;
  }

  /** The process's first question is the open of `path`: that cannot be made ahead. */
  first(path: string): void {
    for (const o of this.list.values()) if (o.path === path) o.times = -Infinity;
  }
}

/** A file that was opened ahead; a directory, if it is one. */
export interface Made { readonly dir: DirFile | undefined; readonly row: number; readonly tgid: number; readonly hostFd: number; readonly again: boolean; readonly answer: ReadyAnswer }

/** Per thread group: the OFDs that it was told of. */
const told = new Map<number, readonly Made[]>();
let nwaiting = 0;
const $nd = new Nameidata();

/** Let go of what nobody took. */
export function giveBack(made: readonly Made[]): void {
  nwaiting -= made.length;
  for (const m of made) giveBackRow(m.row, m.tgid);
}

function giveBackRow(row: number, tgid: number): void {
  if (takeAhead(row, tgid, -1)) ofdUnref(vfsEndpoint(), row);
}

/** The process has begun another program, or ended. */
export function dropAhead(tg: number): void {
  const made = told.get(tg);
  if (made === undefined) return;
  told.delete(tg);
  giveBack(made);
}

/** Open one file for the process of c. again: it is a file that the process opens again and again. undefined: it cannot be, or may not be known ahead. */
function make(c: Caller, tgid: number, path: string, flags: number, again: boolean): Made | undefined {
  $nd.reset();
  const r = walk($nd, c, undefined, path, ((flags & O_NOFOLLOW) !== 0 ? 0 : Walk.FOLLOW) | ((flags & O_DIRECTORY) !== 0 ? Walk.DIRECTORY : 0));
  if (r < 0 || $nd.ofd !== 0 || !$nd.settled) return undefined;
  const at = $nd.path, { inode } = at;
  if (!(inode.isReg || (inode.isDir && !again)) || !inode.isSettled || inode.refresh() < 0 || checkType(inode, flags, at) < 0 || checkAccess(c, at, flags) < 0) return undefined;
  if (inode.isDir && inode.mayList() < 0) return undefined;
  const file = inode.isDir ? new DirFile(at, flags) : inode.open(c, at, flags);
  if (typeof file === 'number') return undefined;
  const row = makeOfd(file);
  if (row < 0) return undefined;
  L.setOfdAhead(row, tgid);
  const bits = openedBits(at, row, (flags & O_CLOEXEC) !== 0) | (again ? L.OPENED_AGAIN : 0);
  const grant = inode.isDir ? 0 : L.ofdGrantable(row);
  // One that the process could not read by itself, or whose attributes are open to change now.
  if ((bits & L.OPENED_LATE) === 0 || !inode.isSettled || (inode.isReg && (grant === 0 || file.hostFd < 0))) { giveBackRow(row, tgid); return undefined; }
  L.setOfdLate(row, 1);
  const hint = (L.SRV_VFS + 1) | (grant !== 0 ? grant | L.HINT_GRANTED : 0);
  const answer = new ReadyAnswer(path, L.ASK_AHEAD, at.dentry, inode, at.mnt.id, { row, bits: bits | hint * L.OPENED_HINT, oflags: L.ofdFlags(row) });
  return { dir: file instanceof DirFile ? file : undefined, row, tgid, hostFd: grant !== 0 ? file.hostFd : -1, again, answer };
}

/** Send the host fds of `made`. Per element its place (answer.place), 0 = it has none, -1 = it could not be sent. */
function send(tg: number, made: readonly Made[]): number[] {
  const places = made.map(() => 0);
  const withFd = [...made.keys()].filter((i) => (made[i] as Made).hostFd >= 0);
  for (let from = 0; from < withFd.length; from += AHEAD_FDS) {
    const group = withFd.slice(from, from + AHEAD_FDS);
    const sent = sendAhead(tg, group.map((i) => (made[i] as Made).hostFd));
    group.forEach((i, k) => {
      places[i] = sent > 0 ? sent << 3 | k : -1;
      if (sent > 0) L.setOfdGiven((made[i] as Made).row, 1);
    });
  }
  return places;
}

/** Open o for the process of c. undefined: not this time. The caller has to tell it, or to give it back. */
export function makeAhead(c: Caller, tgid: number, o: Open): Made | undefined {
  if (o.times < TIMES || isFull()) return undefined;
  const m = make(c, tgid, o.path, o.flags, false);
  // Not now, so probably not for the next one.
  if (m === undefined) { o.times = 0; return undefined; }
  nwaiting++;
  if (m.dir !== undefined) {
    m.dir.mark = o;
    if (o.reads) m.dir.takeAhead(c);
  }
  return m;
}

const isFull = (): boolean => nwaiting >= WAITING_MAX || L.metaNogrants(1) !== 0;

/** Open the file once more for the process of c. undefined: not this time. The caller has to tell it (tellAgain). */
export function makeAgain(c: Caller, tgid: number, path: string, flags: number): Made | undefined {
  const m = isFull() ? undefined : make(c, tgid, path, flags, true);
  if (m !== undefined) nwaiting++;
  return m;
}

/** May the caller of f be told of opens with this reply? */
const mayTell = (f: Frame, list: readonly Made[]): boolean =>
  L.tgNtasks(f.tg) === 1 && L.filesSharedUnlike(L.taskFiles(f.task)) === 0 && ReadyAnswer.fit(f, list.map((m) => m.answer));

/** Tell the caller of f, behind the answer to its open, of one more of the same file. From then on only the process gives it back, for whom its row stands for the file. */
export function tellAgain(f: Frame, m: Made): void {
  const place = mayTell(f, [m]) ? send(f.tg, [m])[0] as number : -1;
  if (place < 0) { giveBack([m]); return; }
  m.answer.give(replySink(f), place);
  told.set(f.tg, [...told.get(f.tg) ?? [], m]);
}

/** Files that the process of tg opens again and again, and that it has not taken for good. */
export function nwaitingAgain(tg: number): number {
  const made = told.get(tg);
  if (made === undefined) return 0;
  const left = made.filter((m) => L.ofdAhead(m.row) === m.tgid);
  nwaiting -= made.length - left.length;
  told.set(tg, left);
  return left.reduce((n, m) => n + (m.again ? 1 : 0), 0);
}


/** Tell the caller of f of these, behind the answer of its reply, as far as they hold and the reply holds them. asked: the path that it has just asked about. */
export function tellAhead(f: Frame, made: readonly Made[], asked: string): void {
  dropAhead(f.tg);
  if (made.length === 0) return;
  const good = made.filter((m) => m.answer.about !== asked && m.answer.stands);
  if (!mayTell(f, good)) { giveBack(made); return; }
  if (good.length < made.length) giveBack(made.filter((m) => !good.includes(m)));
  const places = send(f.tg, good), to = replySink(f);
  good.forEach((m, i) => { if ((places[i] as number) >= 0) m.answer.give(to, places[i]); });
  told.set(f.tg, good);
}

/**
 * Put these into the message that the program of tg begins with, as far as they hold and it has room. Those that are in it, and their host fds in the order of answer.place, which counts from 1. The
 * caller sends it and says so (startedAhead), or nothing was told.
 */
export function giveAhead(made: readonly Made[], to: Sink): { readonly given: readonly Made[]; readonly fds: readonly number[] } {
  const given: Made[] = [], fds: number[] = [];
  for (const m of made) {
    const place = m.hostFd >= 0 ? fds.length + 1 : 0;
    if (place > L.START_FDS || !m.answer.stands || !m.answer.give(to, place)) continue;
    given.push(m);
    if (place > 0) fds.push(m.hostFd);
  }
  return { given, fds };
}

/** The program of tg was told of `given` among `made`. */
export function startedAhead(tg: number, made: readonly Made[], given: readonly Made[]): void {
  if (given.length < made.length) giveBack(made.filter((m) => !given.includes(m)));
  for (const m of given) if (m.hostFd >= 0) L.setOfdGiven(m.row, 1);
  told.set(tg, given);
}
