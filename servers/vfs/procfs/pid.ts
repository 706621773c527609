/**
 * /proc/PID and /proc/PID/task/TID: what they hold and who may see it. proc_pid(5) and its neighbours.
 *
 * Entries are rows of one table; an inode is made when its name is looked up and numbered by pid and row, so that it looks the same every time. A task directory
 * shows the same rows but those marked as being about the process only.
 */
import { E } from '../../../shared/errno.js';
import { Ofd } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { native } from '../../../shared/native.js';
import { inStub } from '../../../shared/stub-range.js';
import { TgState, eachTaskOf, taskByTid, taskName } from '../../../shared/tasks.js';
import { absolutePath } from '../dpath.js';
import { File } from '../file.js';
import { type Caller, type DirList, Inode, type LinkTarget, type Path, S_IFDIR, S_IFREG, type SuperBlock, dtype } from '../inode.js';
import { auxvText, cmdlineText, environText, exePath } from './exe.js';
import { FdDir } from './fd.js';
import { translateMaps } from './maps.js';
import { mountinfoText, mountstatsText, mountsText } from './mounts.js';
import { netDir } from './asked.js';
import { type Gen, LinkInode, LiveDir, StaticDir, type Store, TextInode } from './node.js';
import { filterText, loginText, mapIsWritten, sessionText, setComm, setFilter, setLogin, setOomAdj } from './settable.js';
import { ioText, limitsText, statText, statmText, statusText } from './status.js';
import { type Target, alive, fsOf, groupLives, guardFor, heapOf, hostText, isZombie, leaderOf, mayInspect } from './target.js';

const DT_DIR = 4;
/** Inode numbers of one directory: rows first, then fds (fd.ts). */
const RANGE = 0x100000;
/** First inode number of /proc/PID, or of a task directory. */
const inoBase = (t: Target, task: boolean): number => ((task ? t.tid : t.tgid) * 2 + (task ? 1 : 0)) * RANGE;

type Make = (sb: SuperBlock, t: Target, ino: number, base: number) => Inode;
interface Entry { readonly name: string; readonly mode: number; readonly make: Make; /** In /proc/PID only. */ readonly processOnly?: boolean }

/** For how long an open file still tells of a thread that has ended since, ms. */
const LINGER = 100;

/**
 * A file about a thread of a process. On Linux a thread that ends stays to be seen until the host releases it, a moment after it has told its process, so who opens
 * its `stat` and reads it at once is all but sure to get it (ESRCH: 1 in 1,000). Here a trip lies between the two: 1 in 5 got ESRCH, and programs that know only
 * ENOENT as the end of a thread (Go's runtime tests) failed. So what the file told when it was opened is told for a moment more. The end
 * of a process is known exactly, by wait(2): then ESRCH it is.
 */
class ThreadText extends TextInode {
  constructor(sb: SuperBlock, mode: number, gen: Gen, put: Store, ino: number, private readonly t: Target) { super(sb, mode, gen, put, ino); }

  protected override genFor(c: Caller, gen: Gen): Gen | number {
    const told = gen(c);
    if (told === -E.ESRCH) return -E.ENOENT;
    const until = performance.now() + LINGER;
    return (opener) => {
      const now = gen(opener);
      return now === -E.ESRCH && L.tgState(this.t.tg) !== TgState.ZOMBIE && groupLives(this.t) && performance.now() <= until ? told : now;
    };
  }
}

function text(name: string, gen: (t: Target) => string | number, mode = 0o444, store?: (c: Caller, t: Target, s: string) => number): Entry {
  return {
    name, mode: S_IFREG | mode,
    make: (sb, t, ino) => {
      const read: Gen = () => (alive(t) ? gen(t) : -E.ESRCH);
      const write: Store = (c, s) => (store === undefined ? -E.EINVAL : alive(t) ? store(c, t, s) : -E.ESRCH);
      return t.tid === t.tgid ? new TextInode(sb, mode, read, write, ino) : new ThreadText(sb, mode, read, write, ino, t);
    },
  };
}

/** A file that only those see who may inspect the process. */
function secret(name: string, gen: (t: Target) => string | number, mode = 0o444): Entry {
  return { name, mode: S_IFREG | mode, make: (sb, t, ino) => new TextInode(sb, mode, () => (alive(t) ? gen(t) : -E.ESRCH), () => -E.EINVAL, ino, guardFor(t)) };
}

/** A magic link to a place; `at` undefined = ENOENT (zombie). */
function place(name: string, at: (t: Target) => Path | undefined, root: (t: Target) => Path | undefined): Entry {
  const find = (c: Caller, t: Target): Path | number => {
    const no = mayInspect(c, t);
    if (no < 0) return no;
    return isZombie(t) ? -E.ENOENT : at(t) ?? -E.ENOENT;
  };
  return {
    name, mode: 0o120777,
    make: (sb, t, ino) => new LinkInode(sb,
      (c) => { const p = find(c, t); return typeof p === 'number' ? p : absolutePath(p, root(t), true); },
      (c): LinkTarget | number => find(c, t), ino),
  };
}

const rootOf = (t: Target): Path | undefined => fsOf(t)?.root;

/** Where a task is blocked: number and arguments are not kept, so only the number is told. proc_pid_syscall(5). */
function syscallText(t: Target): string {
  return L.taskParked(t.task) === 0 ? 'running\n' : `${L.taskNr(t.task)} 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n`;
}

const NAMESPACES: ReadonlyArray<readonly [string, string, number]> = [
  ['cgroup', 'cgroup', 4026531835], ['ipc', 'ipc', 4026531839], ['mnt', 'mnt', 4026531841], ['net', 'net', 4026531840], ['pid', 'pid', 4026531836],
  ['pid_for_children', 'pid', 4026531836], ['time', 'time', 4026531834], ['time_for_children', 'time', 4026531834], ['user', 'user', 4026531837], ['uts', 'uts', 4026531838],
];

function nsDir(sb: SuperBlock, t: Target, ino: number): Inode {
  const d = new StaticDir(sb, 0o511, ino);
  // They can be read and compared, not opened: setns(2) knows no namespaces.
  NAMESPACES.forEach(([name, type, id], i) => d.put(name, new LinkInode(sb, (c) => { const no = mayInspect(c, t); return no < 0 ? no : `${type}:[${id}]`; }, () => -E.EACCES, ino + 0x1000 + i)));
  return d;
}

function attrDir(sb: SuperBlock, t: Target, ino: number): Inode {
  const d = new StaticDir(sb, 0o555, ino);
  // Without a security module Linux answers EINVAL.
  ['current', 'prev', 'exec', 'fscreate', 'keycreate', 'sockcreate'].forEach((name, i) => d.put(name, new TextInode(sb, name === 'prev' ? 0o444 : 0o666, () => -E.EINVAL, () => -E.EINVAL, ino + 0x2000 + i)));
  return d;
}

/** /proc/PID/mem: the guest's memory by offset, to where the stub's begins. proc_pid_mem(5). EIO: nothing there. */
class MemFile extends File {
  constructor(path: Path, flags: number, private readonly t: Target) { super(Ofd.PROC, path, flags); }

  override get seekable(): boolean { return true; }

  private move(off: number, len: number, pos: number, write: boolean): number {
    if (!alive(this.t)) return 0;
    const at = pos < 0 ? this.pos : pos;
    if (inStub(at, 1)) return len === 0 ? 0 : -E.EIO;
    if (inStub(at, len)) len = L.STUB_ADDR - at;
    const n = write ? native.pokeMemory(this.t.tg, at, off, len) : native.readMemory(this.t.tg, at, off, len);
    if (n < 0) return len === 0 ? 0 : -E.EIO;
    if (pos < 0) this.pos = at + n;
    return n;
  }

  override read(_f: Frame, off: number, len: number, pos: number): number { return this.move(off, len, pos, false); }
  override write(_f: Frame, off: number, len: number, pos: number): number { return this.move(off, len, pos, true); }

  override seek(off: number, whence: number): number {
    if (whence > 1) return -E.EINVAL;
    return (this.pos = whence === 0 ? off : this.pos + off);
  }
}

class MemInode extends Inode {
  constructor(sb: SuperBlock, private readonly t: Target, ino: number) {
    super(sb, S_IFREG | 0o600);
    this.ino = ino;
  }

  override open(c: Caller, path: Path, flags: number): File | number {
    const no = mayInspect(c, this.t);
    return no < 0 ? no : new MemFile(path, flags, this.t);
  }
}

const ID_MAP = `${'0'.padStart(10)} ${'0'.padStart(10)} ${'4294967295'.padStart(10)}\n`;

const ENTRIES: readonly Entry[] = [
  { name: 'task', mode: S_IFDIR | 0o555, processOnly: true, make: (sb, t, ino) => new TaskList(sb, t, ino) },
  { name: 'fd', mode: S_IFDIR | 0o500, make: (sb, t, ino, base) => new FdDir(sb, t, ino, base, false) },
  { name: 'fdinfo', mode: S_IFDIR | 0o555, make: (sb, t, ino, base) => new FdDir(sb, t, ino, base, true) },
  { name: 'ns', mode: S_IFDIR | 0o511, make: nsDir },
  { name: 'net', mode: S_IFDIR | 0o555, make: (sb, _t, ino) => netDir(sb, ino) },
  { name: 'attr', mode: S_IFDIR | 0o555, make: attrDir },
  secret('environ', (t) => (isZombie(t) ? '' : environText(t.tg)), 0o400),
  secret('auxv', (t) => (isZombie(t) ? '' : auxvText(t.tg)), 0o400),
  text('status', statusText),
  text('personality', () => '00000000\n', 0o400),
  text('limits', limitsText),
  text('comm', (t) => `${taskName(t.task)}\n`, 0o644, setComm),
  secret('syscall', syscallText, 0o400),
  text('cmdline', (t) => (isZombie(t) ? '' : cmdlineText(t.tg))),
  text('stat', statText),
  text('statm', statmText),
  secret('maps', (t) => translateMaps(hostText(t, 'maps'), heapOf(t))),
  secret('smaps', (t) => translateMaps(hostText(t, 'smaps'), heapOf(t))),
  secret('smaps_rollup', (t) => hostText(t, 'smaps_rollup')),
  { name: 'mem', mode: S_IFREG | 0o600, make: (sb, t, ino) => new MemInode(sb, t, ino) },
  place('cwd', (t) => fsOf(t)?.cwd, rootOf),
  place('root', (t) => fsOf(t)?.root, rootOf),
  place('exe', (t) => exePath(t.tg), rootOf),
  text('mounts', (t) => mountsText(rootOf(t))),
  text('mountinfo', (t) => mountinfoText(rootOf(t))),
  text('mountstats', (t) => mountstatsText(rootOf(t)), 0o400),
  text('wchan', () => '0'),
  text('schedstat', (t) => hostText(t, 'schedstat') || '0 0 0\n'),
  text('cpuset', () => '/\n'),
  text('cgroup', () => '0::/\n'),
  text('oom_score', () => '0\n'),
  text('oom_score_adj', (t) => `${L.tgOomAdj(t.tg)}\n`, 0o644, setOomAdj),
  text('loginuid', loginText, 0o644, setLogin),
  text('sessionid', sessionText),
  text('coredump_filter', filterText, 0o644, setFilter),
  secret('io', ioText, 0o400),
  text('timerslack_ns', () => '50000\n', 0o666),
  text('uid_map', () => ID_MAP, 0o644, mapIsWritten),
  text('gid_map', () => ID_MAP, 0o644, mapIsWritten),
  text('setgroups', () => 'allow\n', 0o644, mapIsWritten),
  secret('stack', () => '', 0o400),
];
const ROWS: ReadonlyMap<string, number> = new Map(ENTRIES.map((e, i) => [e.name, i]));

/** /proc/PID, or /proc/PID/task/TID. */
export class PidDir extends LiveDir {
  private readonly base: number;

  constructor(sb: SuperBlock, readonly t: Target, private readonly isTask: boolean) {
    super(sb, 0o555, inoBase(t, isTask));
    this.base = inoBase(t, isTask);
    this.nlink = 7;
    this.own(this);
  }

  /** Owned by the process's effective ids; by root when it is not dumpable. */
  private own(i: Inode): void {
    const dumpable = L.tgDumpable(this.t.tg) === 1;
    const cred = L.taskCred(this.t.task);
    i.uid = dumpable ? L.credEuid(cred) : 0;
    i.gid = dumpable ? L.credEgid(cred) : 0;
  }

  override get procPid(): number { return this.isTask ? 0 : this.t.tgid; }

  override refresh(): number {
    if (!alive(this.t)) return -E.ENOENT;
    this.own(this);
    return 0;
  }

  override lookup(_c: Caller, name: string): Inode | number {
    const row = ROWS.get(name);
    if (row === undefined || !alive(this.t)) return -E.ENOENT;
    const e = ENTRIES[row] as Entry;
    if (this.isTask && e.processOnly === true) return -E.ENOENT;
    const i = e.make(this.sb, this.t, this.base + 1 + row, this.base);
    this.own(i);
    return i;
  }

  override readdir(_c: Caller, list: DirList): number {
    if (!alive(this.t)) return -E.ENOENT;
    ENTRIES.forEach((e, row) => { if (!this.isTask || e.processOnly !== true) list.add(e.name, this.base + 1 + row, dtype(e.mode)); });
    return 0;
  }
}

/** pid or tid from a name: decimal, no leading zero; 0 = none. */
export const pidOfName = (name: string): number => (/^[1-9]\d{0,9}$/.test(name) ? Number(name) : 0);

class TaskList extends LiveDir {
  constructor(sb: SuperBlock, private readonly t: Target, ino: number) {
    super(sb, 0o555, ino);
    this.nlink = 2 + Math.max(1, L.tgNtasks(t.tg));
  }

  override lookup(_c: Caller, name: string): Inode | number {
    const task = taskByTid(pidOfName(name));
    if (task === 0 || L.taskTg(task) !== this.t.tg || !alive(this.t)) return -E.ENOENT;
    return new PidDir(this.sb, { tg: this.t.tg, tgid: this.t.tgid, task, tid: L.taskTid(task) }, true);
  }

  override readdir(_c: Caller, list: DirList): number {
    if (!alive(this.t)) return -E.ENOENT;
    const seen = new Set<number>();
    const add = (task: number): void => {
      const tid = L.taskTid(task);
      if (seen.has(tid)) return;
      seen.add(tid);
      list.add(String(tid), (tid * 2 + 1) * RANGE, DT_DIR);
    };
    add(L.tgLeader(this.t.tg));
    eachTaskOf(this.t.tg, (task) => { add(task); });
    return 0;
  }
}

/** Directory of a pid as /proc shows it: also of a thread's tid, which /proc finds but does not list. */
export function pidDir(sb: SuperBlock, pid: number): Inode | undefined {
  const task = taskByTid(pid);
  if (task === 0) return undefined;
  const t = L.taskTid(task) === L.tgTgid(L.taskTg(task)) ? leaderOf(L.taskTg(task)) : { tg: L.taskTg(task), tgid: L.tgTgid(L.taskTg(task)), task, tid: pid };
  return t === undefined ? undefined : new PidDir(sb, t, t.tid !== t.tgid);
}

/** Inode number of /proc/PID in the root's list. */
export const pidDirIno = (pid: number): number => pid * 2 * RANGE;

