/**
 * What a program asks about names when it starts, told ahead; with it come the files that it opens (ahead.ts).
 *
 * Every process begins without memory of names (native/stub/names.c), and asks what the same program asked the last time: whether there is an ld.so.preload, a pyvenv.cfg, a
 * locale, the directories of its search path. So the absolute paths that processes of a program ask about first are kept with the program's inode, and a later process of
 * it gets the answers to all of them along with the answer to its first question, as far as the reply holds them.
 *
 *   EXEC_OPEN ──► Prepared, while the kernel makes the process ──► EXE_SET ──► Start (nothing asked) ──first question──► told of the program's list ──more questions──► added to the list ──WINDOW questions──► over
 *
 * Only the list is shared between processes: each answer is looked up anew, with the rights and the root of the process that gets it, and depends on cells like
 * any other (answers.ts). Every RELEARN-th process is told nothing and the list is made from what it asks, so that it follows what the program is used for.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { fdLookup } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { E } from '../../shared/errno.js';
import { dropAhead, giveBack, type Made, makeAhead, Opens, tellAhead } from './ahead.js';
import { ABOUT_ROOM, addAnswer, missing, type Stake, stakeOf, stands } from './answers.js';
import type { Caller, Dentry, Inode } from './inode.js';
import { Nameidata, Walk, walk } from './namei.js';

/** Questions of a process that count as its start. */
const WINDOW = 256;
/** Paths that are kept for a program: what a reply holds. */
const LIST_MAX = 80;
const RELEARN = 32;

/** What processes of a program ask about. Key: the path, with a mark when links are not followed. */
class Questions {
  runs = 0;
  readonly list = new Map<string, { readonly path: string; readonly follow: boolean }>();
  readonly opens = new Opens();
}

/** A process that has begun a program. */
class Start {
  left = WINDOW;
  told: boolean;
  constructor(readonly questions: Questions) {
    this.told = questions.runs++ % RELEARN === 0;
    if (this.told) questions.list.clear();
    questions.opens.begin(this.told);
  }
}

const ofProgram = new WeakMap<Inode, Questions>();
const starting = new Map<number, Start>();
const $nd = new Nameidata();

function begin(tg: number, program: Inode | undefined): void {
  dropAhead(tg);
  if (program === undefined) { starting.delete(tg); return; }
  let q = ofProgram.get(program);
  if (q === undefined) ofProgram.set(program, q = new Questions());
  starting.set(tg, new Start(q));
}

/** What a path means to a process: inode undefined = nothing is there. */
interface Found { readonly path: string; readonly asked: number; readonly name: Dentry; readonly inode: Inode | undefined; readonly mntId: number; readonly stake: Stake }

function find(c: Caller, path: string, follow: boolean): Found | undefined {
  $nd.reset();
  const r = walk($nd, c, undefined, path, follow ? Walk.FOLLOW : 0), asked = follow ? L.ASK_FOLLOW : L.ASK_NOFOLLOW;
  if (r < 0) {
    const name = $nd.absent;
    return r === -E.ENOENT && name?.hashed === true ? { path, asked, name, inode: undefined, mntId: 0, stake: stakeOf(name, undefined) } : undefined;
  }
  const { inode, dentry } = $nd;
  if ($nd.ofd !== 0 || !$nd.settled || !inode.isSettled || (!follow && inode.isLink) || inode.refresh() < 0) return undefined;
  return { path, asked, name: dentry, inode, mntId: $nd.mnt.id, stake: stakeOf(dentry, inode) };
}

/** What a process will be told of its program's beginning, looked up and opened with these credentials and directories. */
class Prepared {
  readonly names: Found[] = [];
  readonly opens: Made[];
  readonly cred: number;
  readonly fs: Caller['fs'];
  constructor(c: Caller, tgid: number, readonly questions: Questions) {
    this.cred = c.cred;
    this.fs = c.fs;
    this.opens = makeAhead(c, tgid, questions.opens);
    for (const q of questions.list.values()) {
      const found = find(c, q.path, q.follow);
      if (found !== undefined) this.names.push(found);
    }
  }

  tell(f: Frame, path: string): void {
    tellAhead(f, this.opens, path);
    for (const n of this.names) if (n.path !== path && stands(n.stake) && !addAnswer(f, n.path, n.asked, n.name, n.inode, n.mntId)) break;
  }
}

/** Per thread group: the program that it is about to begin, and what is ready for it. */
const preparing = new Map<number, Questions>();
const prepared = new Map<number, Prepared>();

function unprepare(tg: number): void {
  preparing.delete(tg);
  const p = prepared.get(tg);
  if (p === undefined) return;
  prepared.delete(tg);
  giveBack(p.opens);
}

/** The process of c is about to execute `program`: while the kernel sees to that, what it will be told is made ready. */
export function prepareStart(ep: Endpoint, c: Caller, program: Inode): void {
  const q = ofProgram.get(program);
  // Programs' interpreters are opened as well.
  if (c.tg === 0 || q === undefined) return;
  unprepare(c.tg);
  if (q.runs % RELEARN === 0) return;
  const caller = { ...c }, tgid = L.tgTgid(c.tg);
  preparing.set(c.tg, q);
  ep.whenIdle(() => {
    if (preparing.get(caller.tg) === q && L.tgTgid(caller.tg) === tgid) prepared.set(caller.tg, new Prepared(caller, tgid, q));
  });
}

/** Tell what is known of the program's beginning, once. path: what has just been answered. */
function tell(f: Frame, c: Caller, s: Start, path: string): void {
  if (s.told || path.length > ABOUT_ROOM) return;
  s.told = true;
  const p = prepared.get(f.tg);
  if (p?.questions === s.questions && p.cred === c.cred && p.fs === c.fs) {
    preparing.delete(f.tg);
    prepared.delete(f.tg);
    p.tell(f, path);
  } else {
    unprepare(f.tg);
    new Prepared(c, L.tgTgid(f.tg), s.questions).tell(f, path);
  }
}

/** `path` was opened with `flags` as fd, and the process may remember that. */
export function startOpened(f: Frame, c: Caller, path: string, flags: number, fd: number): void {
  const s = starting.get(f.tg);
  if (s === undefined || f.produced(5) === 0) return;
  const row = fdLookup(L.taskFiles(f.task), fd);
  if (!s.told) s.questions.opens.first(path);
  else if (row > 0 && L.ofdLate(row) !== 0) s.questions.opens.count(path, flags);
  tell(f, c, s, path);
}

/**
 * A question about `path` was answered so that its process may remember it. If the process has just begun its program, the question is kept for later ones, and what was
 * asked in earlier ones is told. follow: a link at the path's end was followed.
 */
export function startQuestion(f: Frame, c: Caller, path: string, follow: boolean): void {
  const s = starting.get(f.tg);
  if (s === undefined || f.produced(5) === 0) return;
  const { list } = s.questions;
  tell(f, c, s, path);
  if (path.startsWith('/') && path.length <= ABOUT_ROOM && list.size < LIST_MAX) {
    const key = follow ? path : `${path}\n`;
    if (!list.has(key)) list.set(key, { path, follow });
  }
  if (--s.left === 0) starting.delete(f.tg);
}

/** The walk of nd along `path` has failed with errno, which is returned: what the caller may remember of that. follow: as startQuestion's. */
export function notThere(f: Frame, c: Caller, nd: Nameidata, path: string, follow: boolean, errno: number): number {
  const r = missing(f, nd, errno);
  startQuestion(f, c, path, follow);
  return r;
}

/** programOf: the file that an executable's id leads to (exec.ts keeps them). */
export function installStartNames(ep: Endpoint, programOf: (id: number) => Inode | undefined): void {
  // A fork child has what its parent knew of names, or forgets it; it starts no program.
  ep.on(Msg.EXE_SET, (m) => { begin(m.w[0] as number, (m.w[2] as number) < 0 ? undefined : programOf(m.w[1] as number)); });
  ep.on(Msg.TG_GONE, (m) => { starting.delete(m.w[0] as number); unprepare(m.w[0] as number); dropAhead(m.w[0] as number); });
}
