/**
 * Programs: opening them for the kernel, and remembering who runs what.
 *
 * EXEC_OPEN names a file; the answer carries a host fd, the metadata that decide about set-id, and a *path id*. Ids are counted by EXE_SET (a thread group runs it
 * now) and dropped with the group; while one is in use, writing to the file is refused (inode.execs). An id that nobody took, because the exec failed, is dropped later.
 *
 * The kernel may keep an answer (kernel/exec/kept.ts) about a file of a lower layer on the root mount, where nothing is kept busy or from being freed by it: found through settled
 * names, unwatched, and as long as every process has the same root, since paths are all that the kernel knows. It asks again when the cells have moved, and until it lets go
 * (EXEC_DROP) the id lives.
 */
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import { EXEC_KEEP, EXEC_TELL_EXE, Msg } from '../../shared/messages.js';
import type { Message } from '../../shared/rings.js';
import { pushCells, waysChanged } from './answers.js';
import { permission } from './dac.js';
import { pathGet, pathPut } from './dcache.js';
import { absolutePath } from './dpath.js';
import { fileOf, O_RDONLY } from './file.js';
import { fsGet } from './fs-struct.js';
import type { Path} from './inode.js';
import { type Caller, MAY_EXEC, MNT_NOEXEC, MNT_NOSUID, S_ISGID, S_ISUID } from './inode.js';
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_OPEN, isExecutingWatched, tellDentry } from './inotify/watch.js';
import { rememberMapped } from './mapped.js';
import { Nameidata, walk, Walk } from './namei.js';

const AT_SYMLINK_NOFOLLOW = 0x100;

class Executable {
  users = 0;
  /** A process has run it. */
  taken = false;
  /** By the kernel. */
  kept = false;
  constructor(readonly path: Path) { pathGet(path); }
}

const byId = new Map<number, Executable>();
/** Ids that were given out and not yet taken, oldest first. */
let fresh: number[] = [];
const ofTg = new Map<number, number>();
let nextId = 1;
const FRESH_MAX = 64;

/** Where an executable's id leads; for /proc/PID/exe. */
export const exePath = (id: number): Path | undefined => byId.get(id)?.path;

/** Somebody has called chroot: what a path means depends on who asks. */
let rootsAreOne = true;

/** A process is about to have another root than the others. */
export function rootsDiffer(): void {
  rootsAreOne = false;
  waysChanged();
}

function newId(path: Path): number {
  const id = nextId++;
  byId.set(id, new Executable(path));
  freshId(id);
  return id;
}

/** An id that may be taken soon, or never. */
function freshId(id: number): void {
  fresh.push(id);
  if (fresh.length > FRESH_MAX) {
    const keep = fresh.slice(-FRESH_MAX / 2);
    for (const old of fresh.slice(0, -FRESH_MAX / 2)) forget(old);
    fresh = keep;
  }
}

function forget(id: number): void {
  const x = byId.get(id);
  if (x === undefined || x.users > 0 || x.kept) return;
  byId.delete(id);
  if (!x.taken) tellDentry(x.path.dentry, IN_CLOSE_NOWRITE);
  pathPut(x.path);
}

function drop(tg: number): void {
  const id = ofTg.get(tg);
  if (id === undefined) return;
  ofTg.delete(tg);
  const x = byId.get(id);
  if (x === undefined || --x.users > 0) return;
  x.path.inode.execs--;
  tellDentry(x.path.dentry, IN_CLOSE_NOWRITE);
  forget(id);
}

/** EXE_SET. */
function exeSet(tg: number, id: number): void {
  const x = byId.get(id);
  if (x !== undefined && x.users++ === 0) {
    x.path.inode.execs++;
    x.taken = true;
  }
  drop(tg);
  if (x !== undefined) ofTg.set(tg, id);
}

/** EXEC_DROP. An exec that found it kept may be under way: its EXE_SET came before this, or comes soon. */
function execDrop(id: number): void {
  const x = byId.get(id);
  if (x === undefined || !x.kept) return;
  x.kept = false;
  freshId(id);
}

const $nd = new Nameidata();
const $proc = new Nameidata();

/** Is /proc the file system of that name to a process with this root? */
function hasProc(c: Caller): boolean {
  $proc.links = 0;
  return walk($proc, c, undefined, '/proc', 0) === 0 && $proc.ofd === 0 && $proc.inode === $proc.mnt.sb.root && $proc.mnt.sb.fstype === 'proc';
}

/**
 * Find and open a program. Returns a host fd with path in $nd, or -errno: walk errors; -EACCES not a regular file, no execute permission, or noexec; -ELOOP a
 * symlink with AT_SYMLINK_NOFOLLOW; -ETXTBSY open for writing.
 */
function openProgram(c: Caller, start: Path | undefined, path: string, flags: number): number {
  $nd.links = 0;
  // An empty path stands for the fd itself; without an fd it names nothing.
  const w = ((flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : Walk.FOLLOW) | (start !== undefined ? Walk.EMPTY : 0);
  const r = walk($nd, c, start, path, w);
  if (r < 0) return r;
  if ($nd.ofd !== 0) return -E.EACCES;
  const inode = $nd.inode;
  if (inode.isLink) return -E.ELOOP;
  if (!inode.isReg || ($nd.mnt.flags & MNT_NOEXEC) !== 0) return -E.EACCES;
  const p = permission(c, inode, MAY_EXEC);
  if (p < 0) return p;
  if (inode.writers > 0) return -E.ETXTBSY;
  const file = inode.open(c, $nd.path, O_RDONLY);
  if (typeof file === 'number') return file;
  tellDentry($nd.dentry, IN_OPEN);
  tellDentry($nd.dentry, IN_ACCESS);
  const fd = file.hostFd;
  // The kernel gets the host fd; the file itself was never installed.
  file.release();
  return fd < 0 ? -E.EACCES : fd;
}

function onExecOpen(ep: Endpoint, m: Message): void {
  const mayKeep = m.w[0] === 1, fs = fsGet(m.w[1] as number), cred = m.w[2] as number, dirOfd = m.w[3] as number, flags = m.w[4] as number, serial = m.w[5] as number;
  const text = m.text;
  const answer = (ret: number, more: readonly number[] = [], name = ''): void => { ep.send(L.SRV_KERNEL, Msg.EXEC_OPENED, [ret, serial, ...more], name); };
  if (fs === undefined) { answer(-E.ENOENT); return; }
  let start: Path | undefined;
  if (dirOfd > 0 && !text.startsWith('/')) {
    const file = L.ofdOwner(dirOfd) === L.SRV_VFS ? fileOf(dirOfd) : undefined;
    if (file === undefined) { answer(text === '' ? -E.EACCES : -E.ENOTDIR); return; }
    start = file.path;
  }
  const c: Caller = { task: m.w[6] as number, tg: m.w[7] as number, cred, fs };
  const fd = openProgram(c, start, text, flags);
  if (fd < 0) {
    const words = [0, 0, 0, 0, EXEC_KEEP], none = fd === -E.ENOENT && mayKeep && rootsAreOne && $nd.absent?.hashed === true ? $nd.absent : undefined;
    if (none !== undefined) pushCells(words, none, undefined);
    answer(fd, none !== undefined ? words : []);
    return;
  }
  const path = $nd.path;
  const inode = path.inode;
  inode.refresh();
  rememberMapped(fd, path);
  const nosuid = (path.mnt.flags & MNT_NOSUID) !== 0;
  const id = newId(path), settled = $nd.settled;
  // Also of a volume, whose names others may change: what /proc/self/exe says goes by this worker's dentries alone.
  let bits = hasProc(c) ? EXEC_TELL_EXE : 0;
  if (mayKeep && rootsAreOne && settled && inode.isLower && path.mnt.parent === undefined && !isExecutingWatched(path.dentry)) {
    bits |= EXEC_KEEP;
    (byId.get(id) as Executable).kept = true;
  }
  const words = [nosuid ? inode.mode & ~(S_ISUID | S_ISGID) : inode.mode, inode.uid, inode.gid, id, bits];
  if (bits !== 0) pushCells(words, path.dentry, inode);
  answer(fd, words, absolutePath(path, fs.root));
}

export function installExec(ep: Endpoint): void {
  ep.on(Msg.EXEC_OPEN, (m) => onExecOpen(ep, m));
  ep.on(Msg.EXE_SET, (m) => exeSet(m.w[0] as number, m.w[1] as number));
  ep.on(Msg.EXEC_DROP, (m) => execDrop(m.w[0] as number));
  ep.on(Msg.TG_GONE, (m) => drop(m.w[0] as number));
}
