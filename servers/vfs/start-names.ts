/**
 * What a program asks about names when it starts, told ahead; with it come the files that it opens (ahead.ts).
 *
 * Every process begins without memory of names (native/stub/names.c), and asks what the same program asked the last time: whether there is an ld.so.preload, a pyvenv.cfg, a
 * locale, the directories of its search path. So the absolute paths that processes of a program ask about first are kept with the program's inode, and a later process of
 * it gets the answers to them along with the answer to its first question, as far as the reply holds them, and to its next. Programs that ask about many (compilers, for each directory
 * that a header could be in) get the first SURE whatever happens, the others if two processes have asked.
 *
 *   EXE_SET ──► Start (nothing asked), Prepared while the host makes the process ──► sent before it asks (CTL_START), or told with the first answer ──more questions──► added to the list, told of the rest
 *     ──WINDOW questions──► over
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
import { sendStart } from '../../shared/grant.js';
import { DATA, scratch } from '../../shared/host.js';
import { dropAhead, giveAhead, giveBack, type Made, makeAhead, type Open, Opens, startedAhead, tellAhead } from './ahead.js';
import { forgetOpened } from './again.js';
import { ABOUT_ROOM, missing, ReadyAnswer, replySink, type Sink } from './answers.js';
import { fileOf } from './file.js';
import { fsGet } from './fs-struct.js';
import type { Caller, Inode } from './inode.js';
import { giveAheadListing } from './listings.js';
import { mayAccess } from './may-access.js';
import { Nameidata, Walk, walk } from './namei.js';
import { DirFile } from './path-file.js';

/** Questions of a process that count as its start. */
const WINDOW = 256;
/** Paths that are kept for a program, and those among them that one process's question is enough for: what a reply holds. */
const LIST_MAX = 240, SURE = 80;
const RELEARN = 32;

/** A path that was asked about, and how (ASK_*). run: the first process that did; sure: it is told. */
interface Question { readonly path: string; readonly asked: number; readonly run: number; sure: boolean }

/** What processes of a program ask about. Key: how, and the path. */
class Questions {
  runs = 0;
  readonly list = new Map<string, Question>();
  readonly opens = new Opens();

  /** A process has asked about a path. */
  count(path: string, asked: number): void {
    const key = `${asked} ${path}`, q = this.list.get(key);
    if (q !== undefined) { if (q.run !== this.runs) q.sure = true; }
    else if (this.list.size < LIST_MAX) this.list.set(key, { path, asked, run: this.runs, sure: this.list.size < SURE });
  }
}

/** A process that has begun a program, in this area and pctx. */
class Start {
  left = WINDOW;
  told: boolean;
  /** What there was no room for yet. */
  rest: Prepared | undefined = undefined;
  constructor(readonly questions: Questions, readonly area: number, readonly pctx: number) {
    this.told = questions.runs++ % RELEARN === 0;
    if (this.told) questions.list.clear();
    questions.opens.begin(this.told);
  }
}

const ofProgram = new WeakMap<Inode, Questions>();
const starting = new Map<number, Start>();
const $nd = new Nameidata();

function begin(ep: Endpoint, tg: number, program: Inode | undefined, area: number, pctx: number): void {
  unprepare(tg);
  dropAhead(tg);
  forgetOpened(tg);
  if (program === undefined) { starting.delete(tg); return; }
  let q = ofProgram.get(program);
  if (q === undefined) ofProgram.set(program, q = new Questions());
  const s = new Start(q, area, pctx);
  starting.set(tg, s);
  if (!s.told) prepare(ep, tg, s);
}

/** What a path means to the process of c, for its later answer. */
function find(who: Caller, path: string, asked: number): ReadyAnswer | undefined {
  $nd.reset();
  const how = asked >= L.ASK_ACCESS ? asked - L.ASK_ACCESS : -1, c = how >= 0 && (how & L.ASK_EFFECTIVE) === 0 ? { ...who, real: true } : who;
  const r = walk($nd, c, undefined, path, asked === L.ASK_NOFOLLOW ? 0 : Walk.FOLLOW);
  // Of a missing name all that is to be known is that.
  if (r < 0) return r === -E.ENOENT && $nd.absent?.hashed === true ? new ReadyAnswer(path, how >= 0 ? L.ASK_FOLLOW : asked, $nd.absent, undefined, 0) : undefined;
  const { inode } = $nd;
  if (how >= 0 && ($nd.ofd !== 0 || mayAccess(c, $nd.path, how & 7) < 0)) return undefined;
  if ($nd.ofd !== 0 || !$nd.settled || !inode.isSettled || inode.refresh() < 0) return undefined;
  const target = inode.isLink ? inode.readlink(c) : '';
  if (typeof target === 'number' || path.length + 1 + target.length > ABOUT_ROOM) return undefined;
  return new ReadyAnswer(path, asked, $nd.dentry, inode, $nd.mnt.id, undefined, target);
}

/** The text of CTL_START, in scratch. */
class StartText implements Sink {
  readonly bytes = scratch;
  length = 0;

  room(len: number): number {
    const at = (this.length + 7) & ~7;
    if (at + len > L.START_MAX) return -1;
    this.length = at + len;
    return DATA + at;
  }
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
        const { path, asked } = this.toFind[this.at - opens] as Question;
        const found = find(this.c, path, asked);
        if (found !== undefined) this.names.push(found);
      }
    }
    return this.at < all;
  }

  /** Tell all of it before the process asks, as far as the message holds it. */
  send(tg: number, s: Start): void {
    const text = new StartText(), { given, fds } = giveAhead(this.opens, text);
    let n = 0;
    while (n < this.names.length && (!this.names[n]?.stands || this.names[n]?.give(text))) n++;
    for (const { dir } of given) if (dir !== undefined) giveAheadListing(text, dir);
    if (text.length === 0 || sendStart(tg, s.area, s.pctx, fds, DATA, text.length) < 0) return;
    startedAhead(tg, this.opens, given);
    this.told = n;
    s.told = true;
    prepared.delete(tg);
    if (n < this.names.length) s.rest = this;
  }

  /** For the caller of f, which has just asked about `path`. True: there is more than the reply holds. */
  tell(f: Frame, path: string): boolean {
    this.step(Infinity);
    tellAhead(f, this.opens, path);
    return this.tellNames(f, path);
  }

  /** The same of names that it was not told of yet. */
  tellNames(f: Frame, path: string): boolean {
    const to = replySink(f);
    for (; this.told < this.names.length; this.told++) {
      const n = this.names[this.told] as ReadyAnswer;
      if (n.about !== path && n.stands && !n.give(to)) return true;
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

/** While the host makes the process of tg, what it will be told is made ready, and sent. */
function prepare(ep: Endpoint, tg: number, s: Start): void {
  const task = L.tgLeader(tg), fs = fsGet(L.taskFs(task));
  if (fs === undefined) return;
  const c = { task, tg, cred: L.taskCred(task), fs }, p = new Prepared(c, L.tgTgid(tg), s.questions);
  prepared.set(tg, p);
  const more = (): void => {
    if (prepared.get(tg) !== p) return;
    if (p.step(AT_A_TIME)) ep.whenIdle(more);
    else if (isAsBegun(c)) p.send(tg, s);
  };
  ep.whenIdle(more);
}

/** Has the process still what it began with, and does it remember what it is told? */
const isAsBegun = (c: Caller): boolean =>
  L.metaNofast(1) === 0 && L.tgNtasks(c.tg) === 1 && L.filesSharedUnlike(L.taskFiles(c.task)) === 0 && L.taskCred(c.task) === c.cred && fsGet(L.taskFs(c.task)) === c.fs;

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
  else if (row > 0 && L.ofdLate(row) !== 0) {
    const kept = s.questions.opens.count(path, flags), file = fileOf(row);
    if (file instanceof DirFile) file.mark = kept;
  }
  tell(f, c, s, path);
}

/** How a question is asked: is a link at the path's end followed? */
export const askedBy = (follow: boolean): number => (follow ? L.ASK_FOLLOW : L.ASK_NOFOLLOW);

/**
 * A question about `path` was answered so that its process may remember it. If the process has just begun its program, the question is kept for later ones, and what was
 * asked in earlier ones is told. asked: ASK_*, how.
 */
export function startQuestion(f: Frame, c: Caller, path: string, asked: number): void {
  const s = starting.get(f.tg);
  if (s === undefined || f.produced(5) === 0) return;
  tell(f, c, s, path);
  if (path.startsWith('/') && path.length <= ABOUT_ROOM) s.questions.count(path, asked);
  if (--s.left === 0) starting.delete(f.tg);
}

/** The walk of nd along `path` has failed with errno, which is returned: what the caller may remember of that. follow: a link at the path's end was followed. */
export function notThere(f: Frame, c: Caller, nd: Nameidata, path: string, follow: boolean, errno: number): number {
  const r = missing(f, nd, errno);
  startQuestion(f, c, path, askedBy(follow));
  return r;
}

/** programOf: the file that an executable's id leads to (exec.ts keeps them). */
export function installStartNames(ep: Endpoint, programOf: (id: number) => Inode | undefined): void {
  // A fork child has what its parent knew of names, or forgets it; it starts no program.
  ep.on(Msg.EXE_SET, (m) => { begin(ep, m.w[0] as number, (m.w[2] as number) < 0 ? undefined : programOf(m.w[1] as number), m.w[3] as number, m.w[4] as number); });
  ep.on(Msg.TG_GONE, (m) => { starting.delete(m.w[0] as number); unprepare(m.w[0] as number); dropAhead(m.w[0] as number); forgetOpened(m.w[0] as number); });
}
