/**
 * Reading ahead among names: who asks for one name of a directory after another (git status, ls -l, make) is told of others in it along with the answer.
 *
 * It is a guess, so the window grows with every question that comes back for more of the same directory: none, 8, 32, 96 names (what a reply holds). Only what is known anyway is told: positive dentries, in the order of the directory's cache; each name once, then from the start
 * again. Whoever may look up one name of a directory may look up all; the attributes need no right of their own (path_resolution(7)).
 */
import type { Frame } from '../../shared/frame.js';
import { addSibling } from './answers.js';
import type { Dentry } from './inode.js';
import { Last, type Nameidata } from './namei.js';

const FIRST = 8, GROWTH = 4, MOST = 96;
/** Dentries looked at for one reply, told or not. */
const LOOKS = 4 * MOST;

class Ahead {
  /** Directory of the last question. */
  dir: Dentry | undefined = undefined;
  /** How many names the next answer may bring. */
  window = 0;
  names: IterableIterator<Dentry> | undefined = undefined;
}

/** By task row. A row's next task begins with what is left of the last one's, which only makes a guess about the first question worse. */
const tasks: Array<Ahead | undefined> = [];

/** After answerFound for the path that `nd` has walked: add what may be asked next. follow: links were followed, so they are not told. */
export function tellSiblings(f: Frame, nd: Nameidata, follow: boolean): void {
  const at = nd.dentry, dir = at.parent;
  // The path's last word must be the name of what was found: no link on the way, no mount on top, no '.' or '..'.
  if (dir === undefined || nd.links !== 0 || nd.lastType !== Last.NORM || at === nd.mnt.root || at.name !== nd.last) return;
  const a = tasks[f.task] ??= new Ahead();
  if (a.dir !== dir) {
    a.dir = dir;
    a.window = FIRST;
    a.names = undefined;
    return;
  }
  a.names ??= dir.children?.values();
  let left = a.window;
  for (let looks = 0; looks < LOOKS && left > 0 && a.names !== undefined; looks++) {
    const next = a.names.next();
    if (next.done === true) {
      a.names = undefined;
      break;
    }
    const d = next.value;
    const inode = d.inode;
    if (d === at || inode === undefined || d.mounted > 0 || (follow && inode.isLink) || !inode.isSettled || inode.refresh() < 0) continue;
    if (!addSibling(f, d, inode, nd.mnt.id)) break;
    left--;
  }
  a.window = Math.min(MOST, a.window * GROWTH);
}
