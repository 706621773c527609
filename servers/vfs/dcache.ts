/**
 * The dentry cache: which names are known to exist, or not to.
 *
 * Every dentry hangs in its parent's `children` (hashed), so a walk is one Map lookup per component and a directory moves with
 * all that is below it. Eviction is a clock: `ring` lists hashed dentries in order of birth; when there are more than `limit`, the hand takes the oldest, gives what was used
 * since a second chance and drops what nobody stands on and nothing hangs below. A dentry counts as one user of its inode while it is
 * hashed or held; at zero users the inode may drop what it keeps (Inode.evict).
 *
 * Invariant: the parents of a hashed or held dentry are hashed or held themselves or were removed by the guest, so a live directory
 * inode is never duplicated by a second lookup of its name.
 */
import { E } from '../../shared/errno.js';
import { forgetName, waysChanged } from './answers.js';
import { Cache, type Caller, Dentry, type Inode, type Path } from './inode.js';

let limit = 60000;
let nhashed = 0;
let ring: Dentry[] = [];
let hand = 0;

/** For tests: how many dentries may stay. */
export function setDentryLimit(n: number): void { limit = n; }

/** Told of a watched inode that lost a user, or whose last dentry did: perhaps only its watches hold it any more. */
let idle: (i: Inode) => void = () => undefined;
export function setIdle(h: (i: Inode) => void): void { idle = h; }

function inodePut(i: Inode): void {
  if (--i.users === 0) i.evict(); else if (i.marks !== undefined) idle(i);
}

function hash(d: Dentry): void {
  const p = d.parent as Dentry;
  (p.children ??= new Map()).set(d.name, d);
  d.hashed = true;
  if (d.inode !== undefined && d.count === 0) d.inode.users++;
  nhashed++;
  ring.push(d);
  if (nhashed > limit) evictSome();
}

function unhash(d: Dentry): void {
  if (!d.hashed) return;
  d.hashed = false;
  if (d.cell !== 0) forgetName(d);
  nhashed--;
  const kids = (d.parent as Dentry).children;
  if (kids?.get(d.name) === d) kids.delete(d.name);
  if (d.inode !== undefined && d.count === 0) inodePut(d.inode); else if (d.inode?.marks !== undefined) idle(d.inode);
}

/** Move the hand over a few dentries: more than are born, so that the cache shrinks back to its limit. */
function evictSome(): void {
  for (let i = 0; i < 4 && hand < ring.length; i++) {
    const d = ring[hand++] as Dentry;
    if (!d.hashed) continue;
    const busy = d.count > 0 || d.mounted > 0 || (d.children !== undefined && d.children.size > 0);
    if (busy || d.recent) { d.recent = false; ring.push(d); continue; }
    unhash(d);
  }
  if (hand > 4096 && hand * 2 > ring.length) { ring = ring.slice(hand); hand = 0; }
}

/** Hold a dentry (open file, working directory, mount). */
export function dget(d: Dentry): void {
  if (d.count++ === 0 && !d.hashed && d.inode !== undefined) d.inode.users++;
}

export function dput(d: Dentry): void {
  if (--d.count === 0 && !d.hashed && d.inode !== undefined) inodePut(d.inode); else if (d.inode?.marks !== undefined) idle(d.inode);
}

export function pathGet(p: Path): void { dget(p.dentry); p.mnt.count++; }
export function pathPut(p: Path): void { p.mnt.count--; dput(p.dentry); }

/** Root dentry of a superblock or of an object without a name; held for ever by its mount. */
export function rootDentry(inode: Inode, name = ''): Dentry {
  const d = new Dentry(name, undefined, inode);
  dget(d);
  return d;
}

/**
 * Entry `name` of a directory: its dentry, negative (no inode) when it does not exist; or -errno. The name is legal, not '.' or
 * '..', and search permission was checked.
 */
export function dlookup(c: Caller, parent: Dentry, name: string): Dentry | number {
  const dir = parent.inode as Inode;
  const have = parent.children?.get(name);
  if (have !== undefined) {
    const cache = dir.cache;
    if (cache === Cache.ALWAYS || have.mounted > 0 || (cache === Cache.REVALIDATE && dir.revalidate(name, have.inode))) {
      have.recent = true;
      return have;
    }
    ddrop(have);
  }
  const r = dir.lookup(c, name);
  if (typeof r === 'number') {
    if (r !== -E.ENOENT || dir.sb.absentIsError) return r;
    const d = new Dentry(name, parent, undefined);
    // Absence is remembered only where nobody else can end it.
    if (dir.cache === Cache.ALWAYS) hash(d);
    return d;
  }
  const d = new Dentry(name, parent, r);
  if (dir.cache !== Cache.NEVER) hash(d);
  return d;
}

/** A name has come into being: turn its negative dentry positive. */
export function dinstantiate(d: Dentry, inode: Inode): void {
  if (d.cell !== 0) forgetName(d);
  if (!d.hashed) {
    d.inode = inode;
    hash(d);
    return;
  }
  d.inode = inode;
  inode.users++;
}

/** Do paths lead through it? */
const isWay = (d: Dentry): boolean => d.inode !== undefined && (d.inode.isDir || d.inode.isLink);

/** The name is gone (unlink, rmdir, replaced by rename). Who holds the dentry keeps its inode; the name becomes known to be absent. */
export function ddelete(d: Dentry): void {
  const parent = d.parent as Dentry;
  const name = d.name;
  if (isWay(d)) waysChanged();
  // A name that is not kept may still be remembered, of a program that runs.
  if (d.cell !== 0) forgetName(d);
  d.deleted = true;
  unhash(d);
  if ((parent.inode as Inode).cache === Cache.ALWAYS) hash(new Dentry(name, parent, undefined));
}

/** Forget a cached entry, and what is below it, without saying anything about the name. */
function ddrop(d: Dentry): void {
  if (d.children !== undefined) for (const kid of [...d.children.values()]) ddrop(kid);
  unhash(d);
}

/** Rename: d becomes newParent/newName; `over`, the dentry that was there, goes. */
export function dmove(d: Dentry, newParent: Dentry, newName: string, over: Dentry | undefined): void {
  const oldParent = d.parent as Dentry;
  const oldName = d.name;
  if (isWay(d) || (over !== undefined && isWay(over))) waysChanged();
  if (over !== undefined) {
    if (over.inode !== undefined) over.deleted = true;
    unhash(over);
  }
  // Held across, so that the inode is not evicted between the two places.
  dget(d);
  unhash(d);
  d.parent = newParent;
  d.name = newName;
  hash(d);
  dput(d);
  if ((oldParent.inode as Inode).cache === Cache.ALWAYS) hash(new Dentry(oldName, oldParent, undefined));
}

/** RENAME_EXCHANGE: the two names swap. */
export function dexchange(a: Dentry, b: Dentry): void {
  const ap = a.parent as Dentry, an = a.name, bp = b.parent as Dentry, bn = b.name;
  if (isWay(a) || isWay(b)) waysChanged();
  dget(a);
  dget(b);
  unhash(a);
  unhash(b);
  a.parent = bp; a.name = bn;
  b.parent = ap; b.name = an;
  hash(a);
  hash(b);
  dput(a);
  dput(b);
}
