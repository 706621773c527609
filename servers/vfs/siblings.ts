/**
 * Reading ahead among names: who asks for one name of a directory after another (git status, ls -l, find -newer, make) is told of others in it along with the answer.
 *
 * It is a guess, so the window grows with every question that comes back for more of the same directory: none, 8, 32, 96 names (what a reply holds). The next directory begins where
 * the last has come to, with its first question, as long as more than one is asked about each. If the task has
 * read the directory before it asks, the names are told in the order in which it has seen them, and looked up for it; otherwise only what is known anyway, in the
 * order of the dentry cache. Each name is told once, then from the start again. Whoever may look up one name of a directory may look up all; the attributes need no right of
 * their own (path_resolution(7)).
 */
import type { Endpoint } from '../../shared/endpoint.js';
import type { Frame } from '../../shared/frame.js';
import { Msg } from '../../shared/messages.js';
import { addAnswer } from './answers.js';
import { dlookup } from './dcache.js';
import type { Caller, Dentry } from './inode.js';
import { Last, type Nameidata } from './namei.js';

const FIRST = 8, GROWTH = 4, MOST = 96;
/** Dentries looked at for one reply, told or not. */
const LOOKS = 4 * MOST;
/** Directories that a task is in the middle of: find and the like come back to the parent. */
const SCANS = 8;

/** A name as a directory lists it; the first two are '.' and '..'. */
export interface Listed { readonly name: string }
const FIRST_NAME = 2;

/** One directory that a task asks about. */
class Scan {
  asked = 0;
  /** How many names the next answer may bring. */
  window = FIRST;
  private names: IterableIterator<Dentry> | undefined = undefined;
  private at = FIRST_NAME;

  /** list: what the task has read of it, if it has. */
  constructor(readonly dir: Dentry, private readonly list: readonly Listed[] | undefined) {}

  /** The next dentry to tell of; undefined when all were. */
  next(c: Caller): Dentry | undefined {
    if (this.list !== undefined) {
      while (this.at < this.list.length) {
        const d = dlookup(c, this.dir, (this.list[this.at++] as Listed).name);
        if (typeof d !== 'number') return d;
      }
      this.at = FIRST_NAME;
      return undefined;
    }
    const next = (this.names ??= this.dir.children?.values())?.next();
    if (next?.done === false) return next.value;
    this.names = undefined;
    return undefined;
  }
}

class Ahead {
  /** The last one first. */
  readonly scans: Scan[] = [];
  /** The last directory was asked about more than once: so will the next that is read be, most likely. */
  eager = false;
  /** How many names an answer has come to bring: what the next directory begins with then. */
  window = FIRST;

  find(dir: Dentry): Scan | undefined {
    for (const s of this.scans) if (s.dir === dir) return s;
    return undefined;
  }

  begin(s: Scan): void {
    const had = this.scans.findIndex((x) => x.dir === s.dir);
    const gone = this.scans.splice(had >= 0 ? had : SCANS - 1, 1)[0];
    if (gone?.asked === 1) { this.eager = false; this.window = FIRST; }
    this.scans.unshift(s);
  }
}

/** By task row. After a thread its row's next task begins with what is left of it, which only makes a guess about the first question worse. */
const tasks: Array<Ahead | undefined> = [];
/** Rows in `tasks` by the process that they were made for, with whose end they are forgotten. */
const rowsOf = new Map<number, number[]>();

function aheadOf(f: Frame): Ahead {
  const known = tasks[f.task];
  if (known !== undefined) return known;
  const rows = rowsOf.get(f.tg);
  if (rows === undefined) rowsOf.set(f.tg, [f.task]); else rows.push(f.task);
  return tasks[f.task] = new Ahead();
}

function forget(tg: number): void {
  for (const row of rowsOf.get(tg) ?? []) tasks[row] = undefined;
  rowsOf.delete(tg);
}

/** The task has begun to read a directory. Most names are asked for in this order, if they are. */
export function noteListing(f: Frame, dir: Dentry, list: readonly Listed[]): void { aheadOf(f).begin(new Scan(dir, list)); }

/** After answerFound for the path that `nd` has walked: add what may be asked next. follow: links were followed, so they are not told. */
export function tellSiblings(f: Frame, c: Caller, nd: Nameidata, follow: boolean): void {
  const found = nd.dentry, dir = found.parent;
  // The path's last word must be the name of what was found: no link on the way, no mount on top, no '.' or '..'.
  if (dir === undefined || nd.links !== 0 || nd.lastType !== Last.NORM || found === nd.mnt.root || found.name !== nd.last) return;
  const a = aheadOf(f);
  let scan = a.find(dir);
  if (scan === undefined) a.begin(scan = new Scan(dir, undefined));
  scan.asked++;
  if (scan.asked === 2) a.eager = true;
  if (scan.asked === 1) {
    if (!a.eager) return;
    scan.window = a.window;
  }
  let left = scan.window;
  for (let looks = 0; looks < LOOKS && left > 0; looks++) {
    const d = scan.next(c);
    if (d === undefined) break;
    const inode = d.inode;
    if (d === found || inode === undefined || d.mounted > 0 || (follow && inode.isLink) || !inode.isSettled || inode.refresh() < 0) continue;
    if (!addAnswer(f, d.name, 0, d, inode, nd.mnt.id)) break;
    left--;
  }
  scan.window = Math.min(MOST, scan.window * GROWTH);
  if (scan.window > a.window) a.window = scan.window;
}

export function installSiblings(ep: Endpoint): void {
  ep.on(Msg.TG_GONE, (m) => { forget(m.w[0] as number); });
}
