/**
 * What a program asks about names when it starts, told ahead.
 *
 * Every process begins without memory of names (native/stub/names.c), and asks what the same program asked the last time: whether there is an ld.so.preload, a pyvenv.cfg, a
 * locale, the directories of its search path. So the absolute paths that processes of a program ask about first are kept with the program's inode, and a later process of
 * it gets the answers to all of them along with the answer to its first question, as far as the reply holds them.
 *
 *   EXE_SET ──► Start (nothing asked) ──first question──► told of the program's list ──more questions──► added to the list ──WINDOW questions──► over
 *
 * Only the list is shared between processes: each answer is looked up anew, with the rights and the root of the process that gets it, and depends on cells like
 * any other (answers.ts). Every RELEARN-th process is told nothing and the list is made from what it asks, so that it follows what the program is used for.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { E } from '../../shared/errno.js';
import { ABOUT_ROOM, addAnswer, missing } from './answers.js';
import type { Caller, Inode } from './inode.js';
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
}

/** A process that has begun a program. */
class Start {
  left = WINDOW;
  told: boolean;
  constructor(readonly questions: Questions) {
    this.told = questions.runs++ % RELEARN === 0;
    if (this.told) questions.list.clear();
  }
}

const ofProgram = new WeakMap<Inode, Questions>();
const starting = new Map<number, Start>();
const $nd = new Nameidata();

function begin(tg: number, program: Inode | undefined): void {
  if (program === undefined) { starting.delete(tg); return; }
  let q = ofProgram.get(program);
  if (q === undefined) ofProgram.set(program, q = new Questions());
  starting.set(tg, new Start(q));
}

/** Look up one path for the caller of f, and put the answer behind those that are there. False: the reply is full. */
function tellOne(f: Frame, c: Caller, path: string, follow: boolean): boolean {
  $nd.reset();
  const r = walk($nd, c, undefined, path, follow ? Walk.FOLLOW : 0);
  const asked = follow ? L.ASK_FOLLOW : L.ASK_NOFOLLOW;
  if (r < 0) return r !== -E.ENOENT || $nd.absent?.hashed !== true || addAnswer(f, path, asked, $nd.absent, undefined, 0);
  if ($nd.ofd !== 0 || !$nd.settled) return true;
  const { inode } = $nd;
  return !inode.isSettled || (!follow && inode.isLink) || inode.refresh() < 0 || addAnswer(f, path, asked, $nd.dentry, inode, $nd.mnt.id);
}

/**
 * A question about `path` was answered so that its process may remember it. If the process has just begun its program, the question is kept for later ones, and what was
 * asked in earlier ones is told. follow: a link at the path's end was followed.
 */
export function startQuestion(f: Frame, c: Caller, path: string, follow: boolean): void {
  const s = starting.get(f.tg);
  if (s === undefined || f.produced(5) === 0) return;
  const { list } = s.questions;
  if (!s.told && path.length <= ABOUT_ROOM) {
    s.told = true;
    for (const q of list.values()) if (q.path !== path && !tellOne(f, c, q.path, q.follow)) break;
  }
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
  ep.on(Msg.TG_GONE, (m) => { starting.delete(m.w[0] as number); });
}
