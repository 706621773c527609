/**
 * What a program asks about names when it starts, told ahead; with it come the files that it opens (ahead.ts).
 *
 * Every process begins without memory of names (native/stub/names.c), and asks what the same program asked the last time: whether there is an ld.so.preload, a pyvenv.cfg, a
 * locale, the directories of its search path. So the absolute paths that processes of a program ask about first are kept with the program's inode, and a later process of
 * it gets the answers to them along with the answer to its first question, as far as the reply holds them, and to its next. Programs that ask about many (compilers, for each directory
 * that a header could be in) get the first SURE whatever happens, the others if two processes have asked.
 *
 *   EXE_SET ──► Start (nothing asked), Prepared while the host makes the process ──first question──► told of the program's list ──more questions──► added to the list, told of the rest ──WINDOW questions──► over
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
import { dropAhead, giveBack, type Made, makeAhead, type Open, Opens, tellAhead } from './ahead.js';
import { forgetOpened } from './again.js';
import { ABOUT_ROOM, missing, ReadyAnswer } from './answers.js';
import { fsGet } from './fs-struct.js';
import type { Caller, Inode } from './inode.js';
import { Nameidata, Walk, walk } from './namei.js';

/** Questions of a process that count as its start. */
const WINDOW = 256;
/** Paths that are kept for a program, and those among them that one process's question is enough for: what a reply holds. */
const LIST_MAX = 240, SURE = 80;
const RELEARN = 32;

/** A path that was asked about. run: the first process that did; sure: it is told. */
interface Question { readonly path: string; readonly follow: boolean; readonly run: number; sure: boolean }

/** What processes of a program ask about. Key: the path, with a mark when links are not followed. */
class Questions {
  runs = 0;
  readonly list = new Map<string, Question>();
  readonly opens = new Opens();

  /** A process has asked about a path. */
  count(path: string, follow: boolean): void {
    const key = follow ? path : `${path}\n`, q = this.list.get(key);
    if (q !== undefined) { if (q.run !== this.runs) q.sure = true; }
    else if (this.list.size < LIST_MAX) this.list.set(key, { path, follow, run: this.runs, sure: this.list.size < SURE });
  }
}

/** A process that has begun a program. */
class Start {
  left = WINDOW;
  told: boolean;
  /** What there was no room for yet. */
  rest: Prepared | undefined = undefined;
  constructor(readonly questions: Questions) {
    this.told = questions.runs++ % RELEARN === 0;
    if (this.told) questions.list.clear();
    questions.opens.begin(this.told);
  }
}

const ofProgram = new WeakMap<Inode, Questions>();
const starting = new Map<number, Start>();
const $nd = new Nameidata();

function begin(ep: Endpoint, tg: number, program: Inode | undefined): void {
  unprepare(tg);
  dropAhead(tg);
  forgetOpened(tg);
  if (program === undefined) { starting.delete(tg); return; }
  let q = ofProgram.get(program);
  if (q === undefined) ofProgram.set(program, q = new Questions());
  const s = new Start(q);
  starting.set(tg, s);
  if (!s.told) prepare(ep, tg, q);
}

/** What a path means to the process of c, for its later answer. */
function find(c: Caller, path: string, follow: boolean): ReadyAnswer | undefined {
  $nd.reset();
  const r = walk($nd, c, undefined, path, follow ? Walk.FOLLOW : 0), asked = follow ? L.ASK_FOLLOW : L.ASK_NOFOLLOW;
  if (r < 0) return r === -E.ENOENT && $nd.absent?.hashed === true ? new ReadyAnswer(path, asked, $nd.absent, undefined, 0) : undefined;
  const { inode } = $nd;
  if ($nd.ofd !== 0 || !$nd.settled || !inode.isSettled || (!follow && inode.isLink) || inode.refresh() < 0) return undefined;
  return new ReadyAnswer(path, asked, $nd.dentry, inode, $nd.mnt.id);
}

/** What a process will be told of its program's beginning, looked up and opened with these credentials and directories, some at a time. */
class Prepared {
  private readonly names: ReadyAnswer[] = [];
  private readonly opens: Made[] = [];
  private readonly toOpen: readonly Open[];
  private readonly toFind: readonly Question[];
  private at = 0;
  private told = 0;
  constructor(readonly c: Caller, readonly tgid: number, readonly questions: Questions) {
    this.toOpen = [...questions.opens.list.values()];
    this.toFind = [...questions.list.values()].filter((q) => q.sure);
  }

  /** Look up n more. True: there is more. */
  step(n: number): boolean {
    const opens = this.toOpen.length, all = opens + this.toFind.length;
    for (const end = Math.min(all, this.at + n); this.at < end; this.at++) {
      if (this.at < opens) {
        const made = makeAhead(this.c, this.tgid, this.toOpen[this.at] as Open);
        if (made !== undefined) this.opens.push(made);
      } else {
        const { path, follow } = this.toFind[this.at - opens] as Question;
        const found = find(this.c, path, follow);
        if (found !== undefined) this.names.push(found);
      }
    }
    return this.at < all;
  }

  /** For the caller of f, which has just asked about `path`. True: there is more than the reply holds. */
  tell(f: Frame, path: string): boolean {
    this.step(Infinity);
    tellAhead(f, this.opens, path);
    return this.tellNames(f, path);
  }

  /** The same of names that it was not told of yet. */
  tellNames(f: Frame, path: string): boolean {
    for (; this.told < this.names.length; this.told++) {
      const n = this.names[this.told] as ReadyAnswer;
      if (n.about !== path && n.stands && !n.give(f)) return true;
    }
    return false;
  }

  drop(): void { giveBack(this.opens); }
}

/** Per thread group: what is being made ready for the program that it begins. */
const prepared = new Map<number, Prepared>();
/** Names and files that are looked up before other requests are looked at. */
const AT_A_TIME = 6;

function unprepare(tg: number): void {
  prepared.get(tg)?.drop();
  prepared.delete(tg);
}

/** While the host makes the process of tg, what it will be told is made ready. */
function prepare(ep: Endpoint, tg: number, questions: Questions): void {
  const task = L.tgLeader(tg), fs = fsGet(L.taskFs(task));
  if (fs === undefined) return;
  const p = new Prepared({ task, tg, cred: L.taskCred(task), fs }, L.tgTgid(tg), questions);
  prepared.set(tg, p);
  const more = (): void => { if (prepared.get(tg) === p && p.step(AT_A_TIME)) ep.whenIdle(more); };
  ep.whenIdle(more);
}

/** Tell what is known of the program's beginning. path: what has just been answered. */
function tell(f: Frame, c: Caller, s: Start, path: string): void {
  if (path.length > ABOUT_ROOM) return;
  if (s.told) { tellRest(f, c, s, path); return; }
  s.told = true;
  let p = prepared.get(f.tg);
  if (p?.questions === s.questions && isFor(p, c)) prepared.delete(f.tg);
  else {
    unprepare(f.tg);
    p = new Prepared({ ...c }, L.tgTgid(f.tg), s.questions);
  }
  if (p.tell(f, path)) s.rest = p;
}

/** Was it looked up with the rights and from the root of c? */
const isFor = (p: Prepared, c: Caller): boolean => p.c.cred === c.cred && p.c.fs === c.fs;

/** A later question: what the replies before had no room for. */
function tellRest(f: Frame, c: Caller, s: Start, path: string): void {
  if (s.rest !== undefined && (!isFor(s.rest, c) || !s.rest.tellNames(f, path))) s.rest = undefined;
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
  tell(f, c, s, path);
  if (path.startsWith('/') && path.length <= ABOUT_ROOM) s.questions.count(path, follow);
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
  ep.on(Msg.EXE_SET, (m) => { begin(ep, m.w[0] as number, (m.w[2] as number) < 0 ? undefined : programOf(m.w[1] as number)); });
  ep.on(Msg.TG_GONE, (m) => { starting.delete(m.w[0] as number); unprepare(m.w[0] as number); dropAhead(m.w[0] as number); forgetOpened(m.w[0] as number); });
}
