/** /proc without a guest: formats, lookups and access rules, on real tables and a fake host whose files are given by the test. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it, mock } from 'node:test';
import { E } from '../../../shared/errno.js';
import { Ofd, fdInstall, ofdAlloc } from '../../../shared/fdtable.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import type { RunSpec } from '../../../shared/spec.js';
import { TaskState, TgState } from '../../../shared/tasks.js';
import { type File, O_RDONLY, O_RDWR, O_WRONLY } from '../file.js';
import type { Caller, Inode, Path } from '../inode.js';
import { setProgram } from './exe.js';
import { loadavgText, statText as machineStat } from './global.js';
import { mapPrefixesOf, setHostPathOf, setMapPrefixes, translateMaps } from './maps.js';
import { mangle } from './mounts.js';
import { ProcFs } from './proc-fs.js';
import { keyed, limitsText, parseStat, statText, statusText } from './status.js';
import { leaderOf } from './target.js';

/** The host's files by path. */
let files: Record<string, string> = {};
const open = new Map<number, { text: string; at: number }>();
let nextFd = 100;

/** openat 257, read 0, close 3, readlinkat 267; everything else fails. */
function sys(nr: number, _mask: number, a0 = 0, a1 = 0, a2 = 0): number {
  const name = (at: number): string => host.scratch.latin1Slice(at, host.scratch.indexOf(0, at));
  switch (nr) {
    case 257: {
      const text = files[name(a1)];
      if (text === undefined) return -E.ENOENT;
      open.set(nextFd, { text, at: 0 });
      return nextFd++;
    }
    case 0: {
      const f = open.get(a0);
      if (f === undefined) return -E.EBADF;
      const part = f.text.slice(f.at, f.at + a2);
      f.at += part.length;
      return host.scratch.latin1Write(part, a1);
    }
    case 3: open.delete(a0); return 0;
    default: return -E.ENOSYS;
  }
}

/** Slot and pctx words by offset. */
let slotWords: Record<number, number> = {};
let handlers: Record<number, number> = {};

Object.assign(native, {
  sys,
  hostPid: (tg: number): number => 5000 + tg,
  hostTid: (tg: number, _slot: number, tid: number): number => 6000 + tid + 0 * tg,
  slotLoad: (_slot: number, off: number): number => slotWords[off] ?? 0,
  pctxLoad: (_area: number, _ix: number, off: number): number => handlers[off] ?? 0,
});

function process(row: number, pid: number, uid: number): void {
  L.setTgTgid(row, pid); L.setTgPpid(row, 1); L.setTgPgid(row, pid); L.setTgSid(row, pid); L.setTgLeader(row, row); L.setTgNtasks(row, 1); L.setTgDumpable(row, 1);
  L.setTgState(row, TgState.RUNNING);
  L.setTaskTid(row, pid); L.setTaskTg(row, row); L.setTaskCred(row, row); L.setTaskFiles(row, row); L.setTaskState(row, TaskState.RUNNING);
  for (const set of [L.setCredUid, L.setCredEuid, L.setCredSuid, L.setCredFsuid, L.setCredGid, L.setCredEgid, L.setCredSgid, L.setCredFsgid]) set(row, uid);
  for (let i = 0; i < 16; i++) { L.setTgRlimCur(row, i, Infinity); L.setTgRlimMax(row, i, Infinity); }
  comm(row, `proc${row}`);
}
function comm(task: number, name: string): void { for (let i = 0; i < 16; i++) L.setTaskComm(task, i, name.charCodeAt(i) || 0); }

const as = (row: number): Caller => ({ task: row, tg: row, cred: row }) as Caller;
const fs = new ProcFs();

function walk(c: Caller, path: string): Inode | number {
  let i: Inode = fs.root;
  for (const name of path.split('/')) {
    const n = i.lookup(c, name);
    if (typeof n === 'number') return n;
    i = n;
  }
  return i;
}

function readAll(file: File): string | number {
  let out = '';
  for (;;) {
    const n = file.read(undefined as unknown as Frame, host.DATA, 4096, -1);
    if (n < 0) return n;
    if (n === 0) return out;
    out += host.scratch.latin1Slice(host.DATA, host.DATA + n);
  }
}

function cat(c: Caller, path: string): string | number {
  const i = walk(c, path);
  if (typeof i === 'number') return i;
  const f = i.open(c, { inode: i } as Path, O_RDONLY);
  return typeof f === 'number' ? f : readAll(f);
}

function put(c: Caller, path: string, text: string): number {
  const i = walk(c, path) as Inode;
  const f = i.open(c, { inode: i } as Path, O_WRONLY);
  if (typeof f === 'number') return f;
  host.scratch.latin1Write(text, host.DATA);
  return f.write(undefined as unknown as Frame, host.DATA, text.length, -1);
}

function list(c: Caller, path: string): string[] {
  const names: string[] = [];
  const i = path === '' ? fs.root : walk(c, path);
  if (typeof i === 'number') return [];
  i.readdir(c, { add: (name, ino) => { names.push(name); const at = i.lookup(c, name); assert.equal(typeof at === 'number' ? at : at.ino, ino, `d_ino of ${name}`); } });
  return names;
}

beforeEach(() => {
  L.attachTables(L.allocTables());
  L.setMetaTopTg(1, 8);
  L.setMetaTopTask(1, 8);
  files = {};
  slotWords = {};
  handlers = {};
  process(1, 10, 0);
  L.setCredCapEff(1, 0, 0xffffffff);
  process(2, 20, 1000);
  process(3, 30, 1000);
  process(4, 40, 1001);
});

describe('maps', () => {
  const line = (range: string, dev: string, ino: number, path: string): string => `${`${range} r--p 00000000 ${dev} ${ino} `.padEnd(73)}${path}\n`;
  beforeEach(() => {
    setMapPrefixes([['/var/run/c/upper', ''], ['', '']]);
    setHostPathOf((major, minor, ino) => (major === 0xfe && minor === 0 && ino === 77 ? '/tmp/known' : undefined));
  });
  it('hides the stub, its area and stacks', () => {
    const text = line('7e0000000000-7e0000004000', '00:01', 5, '/memfd:carrick-stub (deleted)') + line('7e0010000000-7e0010c40000', '00:01', 6, '/memfd:carrick-area (deleted)')
      + line('7e0020000000-7e0020010000', '00:00', 0, '') + line('7ffc00000000-7ffc00021000', '00:00', 0, '[stack]');
    assert.equal(translateMaps(text), line('7ffc00000000-7ffc00021000', '00:00', 0, '[stack]'));
  });
  it('names files by device and inode first, then by the longest known directory', () => {
    assert.equal(translateMaps(line('400000-401000', 'fe:00', 77, '/var/run/c/upper/x')), line('400000-401000', 'fe:00', 77, '/tmp/known'));
    assert.equal(translateMaps(line('400000-401000', 'fe:00', 1, '/var/run/c/upper/bin/sh')), line('400000-401000', 'fe:00', 1, '/bin/sh'));
    assert.equal(translateMaps(line('400000-401000', 'fe:00', 1, '/usr/lib/libc.so.6 (deleted)')), line('400000-401000', 'fe:00', 1, '/usr/lib/libc.so.6 (deleted)'));
  });
  it('shows no path of a host file that is nowhere in the guest', () => {
    setMapPrefixes([['/lower', '']]);
    assert.equal(translateMaps(line('400000-401000', 'fe:00', 1, '/home/someone/secret')), '400000-401000 r--p 00000000 fe:00 1 \n');
  });
  it('knows a container\'s directories: volumes by target, the writable layer by inode only', () => {
    setMapPrefixes(mapPrefixesOf({ rootfs: { kind: 'host', dir: '/' }, upperDir: '/var/c/upper', binds: [{ source: '/home/me/', target: '/data', readOnly: false }] } as unknown as RunSpec));
    const name = (path: string): string => translateMaps(line('400000-401000', 'fe:00', 1, path)).slice(73).trimEnd();
    assert.deepEqual([name('/usr/bin/sh'), name('/home/me/lib.so'), name('/home/mel/x'), name('/var/c/upper/7')], ['/usr/bin/sh', '/data/lib.so', '/home/mel/x', '']);
  });
  it('joins the pieces of a file mapping whose pages the stub has rewritten, and no others', () => {
    const piece = (range: string, perms: string, off: string, ino: number, path: string): string => `${`${range} ${perms} ${off} fe:00 ${ino} `.padEnd(73)}${path}\n`;
    const lib = (range: string, perms: string, off: string): string => piece(range, perms, off, 5, '/lib/a.so');
    const text = [lib('500000-502000', 'r-xp', '00001000'), lib('502000-503000', 'r-xp', '00003000'), lib('503000-510000', 'r-xp', '00004000')];
    assert.equal(translateMaps(text.join('')), lib('500000-510000', 'r-xp', '00001000'));
    const apart: ReadonlyArray<readonly [string, string]> = [
      ['a gap between them', lib('503000-504000', 'r-xp', '00003000')],
      ['other rights', lib('502000-504000', 'r--p', '00003000')],
      ['another part of the file', lib('502000-504000', 'r-xp', '00004000')],
      ['another file', piece('502000-504000', 'r-xp', '00003000', 6, '/lib/b.so')],
    ];
    for (const [what, second] of apart) assert.equal(translateMaps((text[0] as string) + second), (text[0] as string) + second, what);
    const anonymous = '500000-501000 rw-p 00000000 00:00 0 \n501000-502000 rw-p 00001000 00:00 0 \n';
    assert.equal(translateMaps(anonymous), anonymous);
  });
  it('smaps: amounts of joined pieces are added up', () => {
    const piece = (range: string, off: string, size: number, dirty: number, flags: string): string => `${`${range} r-xp ${off} fe:00 5 `.padEnd(73)}/lib/a.so\n`
      + `Size:           ${String(size).padStart(8)} kB\nKernelPageSize:        4 kB\nPrivate_Dirty:  ${String(dirty).padStart(8)} kB\nTHPeligible:           0\nVmFlags: ${flags}\n`;
    assert.equal(translateMaps(piece('500000-502000', '00001000', 8, 0, 'rd ex mr mw me') + piece('502000-503000', '00003000', 4, 4, 'rd ex mr mw me ac')),
      piece('500000-503000', '00001000', 12, 4, 'rd ex mr mw me'));
  });
  it('smaps: the details of a hidden mapping are hidden with it', () => {
    const text = `${line('7e0000000000-7e0000004000', '00:00', 0, '')}Size: 16 kB\n${line('400000-401000', '00:00', 0, '[heap]')}Size: 4 kB\n`;
    assert.equal(translateMaps(text), `${line('400000-401000', '00:00', 0, '[heap]')}Size: 4 kB\n`);
  });
});

describe('status and stat', () => {
  it('takes ids, names and signals from the tables and memory from the host', () => {
    files['/proc/5002/status'] = 'Name:\tstub\nState:\tS (sleeping)\nPid:\t99\nVmPeak:\t    3708 kB\nVmRSS:\t     100 kB\nSeccomp:\t2\nCpus_allowed:\t3\nvoluntary_ctxt_switches:\t7\n';
    slotWords = { [L.SLOT_SIGMASK]: 0x10000, [L.SLOT_SIGPEND]: 2 };
    handlers = { [L.PCTX_SA_HANDLER]: 1, [L.PCTX_SA_HANDLER + 8]: 0x401000 };
    comm(2, 'a\nb\\');
    L.setCredNgroups(2, 2); L.setCredGroups(2, 0, 5); L.setCredGroups(2, 1, 6);
    const text = statusText(leaderOf(2)!);
    const s = keyed(text);
    assert.equal(s.get('Name'), 'a\\nb\\\\');
    assert.equal(s.get('Pid'), '20');
    assert.equal(s.get('PPid'), '1');
    assert.equal(s.get('Uid'), '1000\t1000\t1000\t1000');
    assert.equal(s.get('Groups'), '5 6 ');
    assert.ok(text.includes('VmPeak:\t    3708 kB\n'), 'padding as on Linux');
    assert.equal(s.get('SigBlk'), '0000000000010000');
    assert.equal(s.get('SigPnd'), '0000000000000002');
    assert.equal(s.get('SigIgn'), '0000000000000001');
    assert.equal(s.get('SigCgt'), '0000000000000002');
    assert.equal(s.get('Seccomp'), '0');
    assert.equal(s.get('voluntary_ctxt_switches'), '7');
  });
  it('a zombie has no memory and state Z', () => {
    L.setTgState(2, TgState.ZOMBIE);
    const s = keyed(statusText(leaderOf(2)!));
    assert.equal(s.get('State'), 'Z (zombie)');
    assert.equal(s.has('VmPeak'), false);
  });
  it('stat has 52 fields, whatever is in comm', () => {
    comm(2, 'a) R (b');
    files['/proc/5002/stat'] = `99 (x) S ${Array.from({ length: 49 }, (_, i) => i + 4).join(' ')}\n`;
    const f = parseStat(statText(leaderOf(2)!));
    assert.equal(f.length, 52);
    assert.deepEqual(f.slice(0, 6), ['20', 'a) R (b', 'S', '1', '20', '20']);
    assert.equal(f[6], '0');
    assert.equal(f[22], '23', 'vsize is the host\'s');
    assert.equal(f[19], '1', 'num_threads is ours');
  });
  it('a stopped process says T', () => {
    L.setTgStopped(2, 19);
    assert.equal(parseStat(statText(leaderOf(2)!))[2], 'T');
  });
  it('limits are laid out in fixed columns', () => {
    L.setTgRlimCur(2, 7, 1024);
    const lines = limitsText(leaderOf(2)!).split('\n');
    assert.equal(lines[0], 'Limit                     Soft Limit           Hard Limit           Units     ');
    assert.equal(lines[8], 'Max open files            1024                 unlimited            files     ');
    assert.equal(lines[14], 'Max nice priority         unlimited            unlimited            ');
  });
});

describe('directories', () => {
  it('the root lists processes, self leads to the caller', () => {
    const names = list(as(2), '');
    for (const n of ['10', '20', '30', '40', 'self', 'thread-self', 'meminfo', 'sys', 'mounts']) assert.ok(names.includes(n), n);
    assert.equal((walk(as(2), 'self') as Inode).readlink(as(2)), '20');
    assert.equal((walk(as(2), 'thread-self') as Inode).readlink(as(2)), '20/task/20');
    assert.equal(walk(as(2), '21'), -E.ENOENT);
    assert.equal(walk(as(2), '020'), -E.ENOENT);
  });
  it('inode numbers are the same at every lookup and as readdir says', () => {
    assert.ok(list(as(2), '20').includes('status'));
    assert.deepEqual(list(as(2), '20/task'), ['20']);
    assert.equal((walk(as(2), '20/status') as Inode).ino, (walk(as(2), '20/status') as Inode).ino);
    assert.notEqual((walk(as(2), '20/status') as Inode).ino, (walk(as(2), '30/status') as Inode).ino);
  });
  it('a process directory is its owner\'s, or root\'s when not dumpable', () => {
    assert.equal((walk(as(1), '20') as Inode).uid, 1000);
    L.setTgDumpable(2, 0);
    assert.equal((walk(as(1), '20') as Inode).uid, 0);
  });
  it('what is left of a process that has gone: ESRCH', () => {
    const dir = walk(as(2), '30') as Inode;
    const status = dir.lookup(as(2), 'status') as Inode;
    const file = status.open(as(2), { inode: status } as Path, O_RDONLY) as File;
    L.setTgState(3, TgState.FREE);
    assert.equal(readAll(file), -E.ESRCH);
    assert.equal(dir.lookup(as(2), 'status'), -E.ENOENT);
  });
  it('threads are found by tid, listed only under task', () => {
    L.setTaskTid(5, 21); L.setTaskTg(5, 2); L.setTaskCred(5, 2); L.setTaskState(5, TaskState.RUNNING); L.setTgNtasks(2, 2);
    assert.deepEqual(list(as(2), '20/task'), ['20', '21']);
    assert.equal(list(as(2), '').includes('21'), false);
    assert.equal(keyed(cat(as(2), '21/status') as string).get('Tgid'), '20');
    assert.equal(walk(as(2), '30/task/21'), -E.ENOENT);
  });
  it('a thread that ends right after the open is still told of, but not for long, and not beyond its process', () => {
    L.setTaskTid(5, 21); L.setTaskTg(5, 2); L.setTaskCred(5, 2); L.setTaskState(5, TaskState.RUNNING); L.setTgNtasks(2, 2);
    const open = (): File => { const i = walk(as(2), '20/task/21/comm') as Inode; return i.open(as(2), { inode: i } as Path, O_RDONLY) as File; };
    const first = open(), second = open(), third = open(), before = readAll(open());
    L.setTaskState(5, TaskState.FREE);
    assert.equal(walk(as(2), '20/task/21'), -E.ENOENT);
    assert.equal(readAll(first), before);
    L.setTgState(2, TgState.ZOMBIE);
    assert.equal(readAll(second), -E.ESRCH);
    L.setTgState(2, TgState.RUNNING);
    mock.method(performance, 'now', () => Number.MAX_VALUE);
    assert.equal(readAll(third), -E.ESRCH);
    mock.restoreAll();
  });
});

describe('access', () => {
  it('environ, maps and their like: the same ids or CAP_SYS_PTRACE, and dumpable', () => {
    setProgram(3, 3, 'ls\0A=1\0');
    assert.equal(cat(as(2), '30/environ'), 'A=1\0');
    assert.equal(cat(as(4), '30/environ'), -E.EACCES);
    assert.equal(cat(as(1), '30/environ'), 'A=1\0');
    L.setTgDumpable(3, 0);
    assert.equal(cat(as(2), '30/environ'), -E.EACCES);
    assert.equal(cat(as(3), '30/environ'), 'A=1\0');
  });
  it('status and cmdline are everybody\'s', () => {
    setProgram(3, 0, 'ls\0-l');
    assert.equal(cat(as(4), '30/cmdline'), 'ls\0-l\0');
    assert.equal(typeof cat(as(4), '30/status'), 'string');
  });
  it('a child shows its parent\'s arguments until it executes', () => {
    setProgram(2, 0, 'sh\0');
    L.setTgParent(3, 2);
    setProgram(3, -1, '');
    assert.equal(cat(as(2), '30/cmdline'), 'sh\0');
  });
  it('oom_score_adj: EINVAL, EACCES below what the privileged have set, remembered', () => {
    assert.equal(put(as(2), '20/oom_score_adj', '1001'), -E.EINVAL);
    assert.equal(put(as(2), '20/oom_score_adj', 'x'), -E.EINVAL);
    assert.equal(put(as(2), '20/oom_score_adj', '500\n'), 4);
    assert.equal(put(as(2), '20/oom_score_adj', '100'), 3);
    assert.equal(put(as(2), '20/oom_score_adj', '-1'), -E.EACCES);
    assert.equal(put(as(1), '20/oom_score_adj', '-5'), 2);
    assert.equal(cat(as(2), '20/oom_score_adj'), '-5\n');
    assert.equal(put(as(2), '20/oom_score_adj', '-5'), 2);
  });
  it('comm is written by the process itself only', () => {
    assert.equal(put(as(3), '20/comm', 'evil'), -E.EINVAL);
    assert.equal(put(as(2), '20/comm', 'a-name-longer-than-fifteen\n'), 27);
    assert.equal(cat(as(3), '20/comm'), 'a-name-longer-t\n');
  });
  it('attr and sysctls refuse', () => {
    assert.equal(cat(as(2), '20/attr/current'), -E.EINVAL);
    assert.equal(put(as(1), 'sys/kernel/hostname', 'x'), -E.EROFS);
  });
});

describe('fd', () => {
  it('lists what the file table holds; links tell kind and access mode', () => {
    const pipe = ofdAlloc(L.SRV_IPC, Ofd.PIPE_R, 7, O_RDONLY);
    const ev = ofdAlloc(L.SRV_IPC, Ofd.EVENTFD, 8, O_RDWR);
    assert.equal(fdInstall(2, pipe, false, 100), 0);
    assert.equal(fdInstall(2, ev, true, 100, 5), 5);
    assert.deepEqual(list(as(2), '20/fd'), ['0', '5']);
    const link = walk(as(2), '20/fd/5') as Inode;
    assert.equal(link.readlink(as(2)), 'anon_inode:[eventfd]');
    assert.equal(link.mode & 0o777, 0o700);
    assert.equal((walk(as(2), '20/fd/0') as Inode).mode & 0o777, 0o500);
    assert.equal((walk(as(2), '20/fd/0') as Inode).readlink(as(2)), 'pipe:[7]');
    assert.deepEqual((walk(as(2), '20/fd/0') as Inode).getLink(as(2)), { ofd: pipe });
    assert.equal(link.getLink(as(4)), -E.EACCES);
    assert.equal((walk(as(2), '20/fd') as Inode).permission(as(4), 4), -E.EACCES);
    assert.equal(walk(as(2), '20/fd/1'), -E.ENOENT);
    assert.match(cat(as(2), '20/fdinfo/5') as string, /^pos:\t0\nflags:\t02000002\nmnt_id:\t\d+\nino:\t8\n$/);
  });
});

describe('machine', () => {
  it('host values where the host has them, else documented ones', () => {
    assert.equal(cat(as(2), 'sys/vm/max_map_count'), '65530\n');
    files['/proc/sys/vm/max_map_count'] = '262144\n';
    assert.equal(cat(as(2), 'sys/vm/max_map_count'), '262144\n');
    files['/proc/sys/kernel/pid_max'] = '99\n';
    assert.equal(cat(as(2), 'sys/kernel/pid_max'), '99\n');
    assert.equal(cat(as(2), 'sys/kernel/cap_last_cap'), '40\n');
  });
  it('a file is read on from where it was, and a pread does not move it', () => {
    const i = walk(as(2), 'filesystems') as Inode;
    const f = i.open(as(2), { inode: i } as Path, O_RDONLY) as File;
    const at = (pos: number): string => { const n = f.read(undefined as unknown as Frame, host.DATA, 5, pos); return host.scratch.latin1Slice(host.DATA, host.DATA + n); };
    assert.equal(at(-1), 'nodev');
    assert.equal(at(0), 'nodev');
    assert.equal(at(-1), '\tsysf');
    assert.equal(i.size, 0);
  });
  it('loadavg and stat count the container\'s processes', () => {
    assert.equal(loadavgText('0.10 0.20 0.30 4/999 12345\n'), '0.10 0.20 0.30 1/4 40\n');
    L.setMetaForks(1, 12);
    assert.equal(machineStat('cpu  1 2 3\ncpu0 1 2 3\nintr 100 1 2 3\nctxt 5\nbtime 9\nprocesses 9999\nsoftirq 7 1\n'), 'cpu  1 2 3\ncpu0 1 2 3\nintr 100\nctxt 5\nbtime 9\nsoftirq 7\nprocesses 12\nprocs_running 1\nprocs_blocked 0\n');
  });
  it('mount names are escaped as in fstab', () => { assert.equal(mangle('/a b\t\\#'), '/a\\040b\\011\\134\\043'); });
});
