/**
 * Reading ahead among names: who asks for one name of a directory after another (git status, ls -l, find -newer, make) is told of others in it along with the answer.
 *
 * It is a guess, so the window grows with every question that comes back for more of the same directory: none, 8, 32, 96 names (what a reply holds). The next directory begins where
 * the last has come to, with its first question, as long as more than one is asked about each. If the task has
 * read the directory before it asks, the names are told in the order in which it has seen them, and looked up for it; otherwise only what is known anyway, in the
 * order of the dentry cache. Each name is told once, then from the start again. Whoever may look up one name of a directory may look up all; the attributes need no right of
 * their own (path_resolution(7)).
 *
 * A directory whose listing is told with its open (listings.ts) comes with what this task uses to ask about next: its subdirectories (find, which knows what is a directory from the listing), or all
 * names. After WALK directories it has to show again that it asks.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { addAnswer } from './answers.js';
import { dlookup } from './dcache.js';
import { permission } from './dac.js';
import type { Entry } from './dirent.js';
import { type Caller, type Dentry, type Inode, MAY_EXEC } from './inode.js';
import { Last, type Nameidata } from './namei.js';

const FIRST = 8, GROWTH = 4, MOST = 96;
/** Dentries looked at for one reply, told or not. */
const LOOKS = 4 * MOST;
/** Directories that a task is in the middle of: find and the like come back to the parent. */
const SCANS = 8;

/** Directories that come with what is in them after a question about a name in one. */
const WALK = 32;
const DT_DIR = 4;

/** The first two names of a listing are '.' and '..'. */
const FIRST_NAME = 2;

/** One directory that a task asks about. */
class Scan {
  asked = 0;
  /** How many names the next answer may bring. */
  window = FIRST;
  private names: IterableIterator<Dentry> | undefined = undefined;
  private at = FIRST_NAME;

  /** The next name of the listing, undefined = that was all. */
  nextListed(): Entry | undefined { return this.list?.[this.at++]; }

  get wasListed(): boolean { return this.list !== undefined; }

  /** list: what the task has read of it, if it has. */
  constructor(readonly dir: Dentry, private readonly list: readonly Entry[] | undefined) {}

  /** The next dentry to tell of; undefined when all were. */
  next(c: Caller): Dentry | undefined {
    if (this.list !== undefined) {
      while (this.at < this.list.length) {
        const d = dlookup(c, this.dir, (this.list[this.at++] as Entry).name);
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
  /** Directories that will yet be told with what is in them; of those only the directories; links at the end were followed. */
  walk = 0;
  onlyDirs = true;
  follow = false;

  /** The task has asked about a name of a directory that it has read. */
  walks(isDir: boolean, follow: boolean): void {
    this.onlyDirs = isDir && (this.walk === 0 || this.onlyDirs);
    this.follow = follow;
    this.walk = WALK;
  }

  /** The scan of a directory that is asked about: the last one from now on. */
  find(dir: Dentry): Scan | undefined {
    const ix = this.scans.findIndex((x) => x.dir === dir);
    if (ix <= 0) return this.scans[ix];
    const s = this.scans.splice(ix, 1)[0] as Scan;
    this.scans.unshift(s);
    return s;
  }

  begin(s: Scan): void {
    const gone = this.scans.splice(this.victim(s.dir), 1)[0];
    if (gone?.asked === 1) { this.eager = false; this.window = FIRST; }
    this.scans.unshift(s);
  }

  /** Which one makes room for a scan of `dir`: its own last one; the oldest that is not of a directory above it, to which a walk through a tree comes back; the oldest. */
  private victim(dir: Dentry): number {
    const had = this.scans.findIndex((x) => x.dir === dir);
    if (had >= 0 || this.scans.length < SCANS) return had >= 0 ? had : SCANS;
    for (let i = SCANS - 1; i > 0; i--) if (!isAbove((this.scans[i] as Scan).dir, dir)) return i;
    return SCANS - 1;
  }
}

function isAbove(a: Dentry, d: Dentry): boolean {
  for (let up = d.parent; up !== undefined; up = up.parent) if (up === a) return true;
  return false;
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
export function noteListing(f: Frame, dir: Dentry, list: readonly Entry[]): void { aheadOf(f).begin(new Scan(dir, list)); }

/** The listing of `dir`, which is open at fd, was told: tell what the task uses to ask next about what is in it. */
export function tellListed(f: Frame, c: Caller, fd: number, dir: Dentry, list: readonly Entry[], mntId: number): void {
  const a = aheadOf(f), scan = new Scan(dir, list);
  a.begin(scan);
  if (a.walk === 0 || permission(c, dir.inode as Inode, MAY_EXEC) < 0) return;
  const asked = a.follow ? L.ASK_IN_FOLLOW : L.ASK_IN_NOFOLLOW;
  let told = 0;
  for (let e = scan.nextListed(); e !== undefined && told < MOST; e = scan.nextListed()) {
    if (a.onlyDirs && e.type !== DT_DIR) continue;
    const d = dlookup(c, dir, e.name);
    if (typeof d === 'number' || !mayTell(d, a.follow)) continue;
    if (!addAnswer(f, d.name, asked, d, d.inode, mntId, fd)) break;
    told++;
  }
  if (told > 0) a.walk--;
}

/** May the attributes of what is found there be told? */
function mayTell(d: Dentry, follow: boolean): boolean {
  const { inode } = d;
  return inode !== undefined && d.mounted === 0 && !(follow && inode.isLink) && inode.isSettled && inode.refresh() >= 0;
}

/** After answerFound for the path that `nd` has walked: add what may be asked next. follow: links were followed, so they are not told. */
export function tellSiblings(f: Frame, c: Caller, nd: Nameidata, follow: boolean): void {
  const found = nd.dentry, dir = found.parent;
  // The path's last word must be the name of what was found: no link on the way, no mount on top, no '.' or '..'.
  if (dir === undefined || nd.links !== 0 || nd.lastType !== Last.NORM || found === nd.mnt.root || found.name !== nd.last) return;
  const a = aheadOf(f);
  let scan = a.find(dir);
  if (scan === undefined) a.begin(scan = new Scan(dir, undefined));
  scan.asked++;
  if (scan.wasListed) a.walks(nd.inode.isDir, follow);
  if (scan.asked === 2) a.eager = true;
  if (scan.asked === 1) {
    if (!a.eager) return;
    scan.window = a.window;
  }
  let left = scan.window;
  for (let looks = 0; looks < LOOKS && left > 0; looks++) {
    const d = scan.next(c);
    if (d === undefined) break;
    if (d === found || !mayTell(d, follow)) continue;
    if (!addAnswer(f, d.name, 0, d, d.inode, nd.mnt.id)) break;
    left--;
  }
  scan.window = Math.min(MOST, scan.window * GROWTH);
  if (scan.window > a.window) a.window = scan.window;
}

export function installSiblings(ep: Endpoint): void {
  ep.on(Msg.TG_GONE, (m) => { forget(m.w[0] as number); });
}
