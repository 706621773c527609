/**
 * Starting a process that no guest forked: the container's first one (boot.ts), and those of `carrick exec` (exec-session.ts).
 *
 *   start ─► PASSWD ─► GROUP ─► FS ─► STDIO ─► EXEC (once per PATH candidate) ─► spawn ─► RUNNING ─► (exec only) ended
 *            each phase is woken by vfs's answer with its serial: FILE_READ, FILE_READ, BOOT_FS_DONE, STDIO_DONE, EXEC_OPENED
 *   any failure ─► undo() for exec (for the first process the container ends anyway) ─► failed(code, errno, message), once
 *
 * Messages that begin with "exec" say that the program could not be executed (126, 127); others are carrick's own failure (125).
 *
 * The process is on the host before its pid is known here. It waits for its images (CTL_IMAGES), which are sent last: everything that it or a
 * server may look up by then is in place.
 */
import { E } from '../shared/errno.js';
import { nowNs } from '../shared/clock.js';
import type { Endpoint } from '../shared/endpoint.js';
import { fdLookup, filesAlloc } from '../shared/fdtable.js';
import * as L from '../shared/gen/layout.js';
import { mayGrant } from '../shared/grant.js';
import * as host from '../shared/host.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import type { Message } from '../shared/rings.js';
import { TaskState, TgState } from '../shared/tasks.js';
import { type Identity, identify } from './accounts.js';
import { BSET, EFF, PERM, fillCaps, setAllIds, setGroups } from './cred-rows.js';
import { adoptProgram, auxIds, mapImages, sendImages } from './exec/commit.js';
import { execCreds } from './exec/exec-creds.js';
import { Exec } from './exec/exec.js';
import { writePlan } from './exec/plan.js';
import { Strings } from './exec/strings.js';
import type { LimitSpec } from '../shared/spec.js';
import { initialLimits, mirrorLimits, tellIds, tellLimits } from './calls/limits.js';
import { ownPriorities } from './calls/priority.js';
import { tellKin } from './calls/pgrp.js';
import { type Kernel, Mm, type Proc, SIGKILL, SIGSEGV } from './proc.js';
import { endGroup } from './task-end.js';

/** MMF_DUMP_FILTER_DEFAULT: the mappings that a core file would hold. */
const CORE_FILTER = 0x33;
const enum Phase { IDLE, PASSWD, GROUP, FS, STDIO, EXEC, RUNNING, FAILED }

/** Exit statuses of carrick itself. */
export const FAILED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const NS_PID = 2;
const RLIMIT_STACK = 3;
const EPOLLIN = 1;

/** What kind of terminal fds 0, 1, 2 are; the second word of BOOT_STDIO. */
export const enum Tty { NONE = 0, /** The container's console, which vfs has made at boot. */ CONSOLE = 1, /** A new one. */ NEW = 2 }

export interface LaunchSpec {
  /** The container's first process: it makes the namespaces, the others join them. */
  readonly first: boolean;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly cwdMake: boolean;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[] | undefined;
  readonly homeFromPasswd: boolean;
  readonly tty: Tty;
  readonly rows: number;
  readonly cols: number;
  /** Host fds of standard input, output, error, which stay the caller's; -1 = /dev/null. With a terminal: what it is relayed to, -1 = no input. */
  readonly stdio: readonly [number, number, number];
  readonly namespaces: number;
  readonly hostname: string;
  readonly limits: readonly LimitSpec[];
}

/** What comes of it; each at most once, either failed or started first. */
export interface LaunchEvents {
  /** It is a process of the host, and runs nothing of the program yet. */
  spawned?(hostPid: number): void;
  started(p: Proc): void;
  failed(code: number, errno: number, message: string): void;
  /** wait(2) status word. Of the first process task-end.ts tells instead, but for one that died while being started. */
  ended(status: number): void;
}

/** Where a program may be: itself when it has a slash, else one path per element of PATH. An empty element is the working directory. */
export function candidates(program: string, path: string): string[] {
  if (program.includes('/')) return [program];
  return path.split(':').map((dir) => (dir === '' ? `./${program}` : `${dir}/${program}`));
}

/** Who waits for which answer of vfs, by serial. */
const waiting = new Map<number, (ret: number, text: string) => void>();

/** Once per kernel worker. */
export function installLaunches(ep: Endpoint): void {
  const answered = (m: Message, serial: number, ret: number): void => {
    const then = waiting.get(serial);
    waiting.delete(serial);
    then?.(ret, m.text);
  };
  ep.on(Msg.FILE_READ, (m) => { answered(m, m.w[0] as number, m.w[1] as number); });
  ep.on(Msg.BOOT_FS_DONE, (m) => { answered(m, m.w[1] as number, m.w[0] as number); });
  ep.on(Msg.STDIO_DONE, (m) => { answered(m, m.w[1] as number, m.w[0] as number); });
  ep.on(Msg.CONSOLE_ENDED, (m) => { answered(m, m.w[0] as number, 0); });
}

export class Launch {
  private phase = Phase.IDLE;
  private passwd = '';
  private group = '';
  private readonly env: string[];
  private who: Identity | undefined;
  private tries: string[] = [];
  /** What the PATH search will say if nothing is found: EACCES beats ENOENT, as in execvp(3). */
  private worst = -E.ENOENT;
  private task = 0;
  private proc: Proc | undefined;
  private guestCtl = -1;
  private exec: Exec | undefined;
  /** Index of its terminal, -1 = none. */
  private pty = -1;

  constructor(private readonly k: Kernel, private readonly spec: LaunchSpec, private readonly events: LaunchEvents) {
    this.env = [...spec.env];
  }

  start(): void {
    if (this.phase === Phase.IDLE) this.readFile(Phase.PASSWD, '/etc/passwd');
  }

  /** The process, once it runs. */
  get running(): Proc | undefined { return this.phase === Phase.RUNNING ? this.proc : undefined; }

  /** A new window size of its terminal. */
  resize(rows: number, cols: number): void {
    if (this.pty >= 0) this.k.ep.send(L.SRV_VFS, Msg.CONSOLE_SIZE, [this.pty, rows, cols]);
  }

  /** Whoever is at the other side of its terminal has gone. */
  hangUp(): void {
    if (this.pty >= 0) this.k.ep.send(L.SRV_VFS, Msg.CONSOLE_END, [this.pty, 0, 1]);
  }

  private ask(phase: Phase, then: (ret: number, text: string) => void): number {
    this.phase = phase;
    waiting.set(++this.k.serial, then);
    return this.k.serial;
  }

  private readFile(phase: Phase.PASSWD | Phase.GROUP, path: string): void {
    const serial = this.ask(phase, (ret, text) => {
      const content = ret >= 0 ? text : '';
      if (phase === Phase.PASSWD) { this.passwd = content; this.readFile(Phase.GROUP, '/etc/group'); return; }
      this.group = content;
      this.makeProcess();
    });
    this.k.ep.send(L.SRV_VFS, Msg.READ_FILE, [serial], path);
  }

  private fail(code: number, errno: number, message: string): void {
    if (this.phase === Phase.FAILED) return;
    this.phase = Phase.FAILED;
    this.exec?.closeFiles();
    this.undo(() => { this.events.failed(code, Math.abs(errno), message); });
  }

  /** Give back what was made for a process that will not be. */
  private undo(then: () => void): void {
    const p = this.proc;
    if (p === undefined || this.spec.first) { then(); return; }
    const { k, task } = this;
    this.proc = undefined;
    if (this.guestCtl >= 0) host.close(this.guestCtl);
    native.slotBind(L.taskSlot(task), 0, 0);
    k.dropTaskObjects(task);
    k.dropTaskCred(task);
    native.procFree(p.tg);
    k.leaveMm(p.mm, L.tgPctx(p.tg), [L.taskSlot(task)]);
    k.freeTask(task);
    k.freeProc(p);
    this.endTerminal(then);
  }

  /** The terminal's last output goes out, then it is no more. */
  private endTerminal(then: () => void): void {
    if (this.pty < 0 || this.spec.tty !== Tty.NEW) { then(); return; }
    waiting.set(++this.k.serial, then);
    this.k.ep.send(L.SRV_VFS, Msg.CONSOLE_END, [this.pty, this.k.serial, 0]);
    this.pty = -1;
  }

  /** Rows, credentials, area: everything that exists before the program is known. */
  private makeProcess(): void {
    const { k, spec } = this;
    const who = identify(this.passwd, this.group, spec.user, spec.uid, spec.gid, spec.groups);
    if (typeof who === 'string') { this.fail(FAILED, E.EINVAL, who); return; }
    this.who = who;
    if (spec.homeFromPasswd) this.env.push(`HOME=${who.home}`);
    const p = this.allocate();
    if (typeof p === 'number') { this.fail(FAILED, p, `cannot make a process (errno ${-p}); raise the limit of open files`); return; }
    const { tg } = p;
    const { area } = p.mm;
    const task = k.allocTask(tg);
    const pctx = native.pctxAlloc(area);
    const slot = native.slotAlloc(area, 0);
    const slotId = area * L.SLOT_MAX + slot;
    native.pctxInit(area, pctx, -1, 0, 0);
    native.pctxStore(area, pctx, L.PCTX_FLAGS, (L.metaTrace(1) !== 0 ? L.PF_TRACE : 0) | (L.metaNofast(1) !== 0 ? L.PF_NOFAST : 0) | (L.metaRefill(1) !== 0 ? L.PF_REFILL : 0));
    native.pctxStore(area, pctx, L.PCTX_RW_AFTER, L.metaRewrite(1));
    if (L.metaNofast(1) === 0) native.pctxStore(area, pctx, L.PCTX_UMASK, L.UMASK_OWN | L.UMASK_FIRST);
    native.pctxStore(area, pctx, L.PCTX_FDR_BASE, L.metaFdrBase(1));
    native.slotStore(slotId, L.SLOT_PCTX, pctx);
    L.setTgArea(tg, area);
    L.setTgPctx(tg, pctx);
    L.setTgLeader(tg, task);
    L.setTgDumpable(tg, 1);
    L.setTgCoreFilter(tg, CORE_FILTER);
    L.setTgStartNs(tg, nowNs());
    L.setTaskStartNs(task, nowNs());
    ownPriorities(task);
    L.setTaskSlot(task, slotId);
    L.setTaskCred(task, this.makeCred(who));
    L.setTaskFiles(task, filesAlloc());
    L.setTaskFs(task, Atomics.add(L.metaI32(), L.META_NEXT_FS_AT(1), 1) + 1);
    k.nprocAdd(who.uid, 1);
    k.timerSlack[task] = 50000;
    native.procBind(tg, -1, p.ctl, area, pctx);
    initialLimits(tg, spec.limits);
    tellLimits(tg);
    if (spec.first) L.setMetaInitTg(1, tg);
    this.proc = p;
    this.task = task;
    this.askFs();
  }

  /** Area, control socket and row; -errno. */
  private allocate(): Proc | number {
    const area = native.areaAlloc();
    if (area < 0) return area;
    const ctl = native.ctlPair();
    if (ctl < 0) { native.areaFree(area); return ctl; }
    this.guestCtl = native.lastFd();
    const p = this.k.allocProc(new Mm(area));
    if (p === undefined) {
      host.close(ctl);
      host.close(this.guestCtl);
      native.areaFree(area);
      return -E.EAGAIN;
    }
    p.ctl = ctl;
    return p;
  }

  private makeCred(who: Identity): number {
    const row = this.k.creds.alloc();
    setAllIds(row, who.uid, who.gid);
    setGroups(row, [...who.groups].sort((a, b) => a - b));
    fillCaps(BSET, row);
    if (who.uid === 0) { fillCaps(PERM, row); fillCaps(EFF, row); }
    return row;
  }

  private askFs(): void {
    const { spec, task } = this;
    const serial = this.ask(Phase.FS, (ret) => {
      if (ret < 0) this.fail(FAILED, ret, `cannot use the working directory ${spec.cwd} (errno ${-ret}); give another with -w`);
      else this.askStdio();
    });
    this.k.ep.send(L.SRV_VFS, Msg.BOOT_FS, [L.taskFs(task), L.taskCred(task), serial, spec.cwdMake ? 1 : 0], spec.cwd);
  }

  private askStdio(): void {
    const { spec, task, who } = this;
    const serial = this.ask(Phase.STDIO, (ret) => {
      if (ret < 0) { this.fail(FAILED, ret, `cannot set up standard input and output (errno ${-ret})`); return; }
      if (spec.tty !== Tty.NONE) this.pty = ret;
      this.searchProgram();
    });
    this.k.ep.send(L.SRV_VFS, Msg.BOOT_STDIO, [L.taskFiles(task), spec.tty, serial, (who as Identity).uid, ...spec.stdio, spec.rows, spec.cols]);
  }

  // ---- the program ----

  private searchProgram(): void {
    this.phase = Phase.EXEC;
    const path = this.env.find((e) => e.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH;
    this.tries = candidates(this.spec.argv[0] ?? '', path);
    this.tryNext();
  }

  private tryNext(): void {
    const path = this.tries.shift();
    if (path === undefined) { this.execFailed(this.worst); return; }
    const p = this.proc as Proc;
    const x = new Exec(this.k, {
      task: this.task, tg: p.tg, path, dirfd: 0, fd: -1, fdCloexec: false, flags: 0,
      argv: Strings.of(this.spec.argv), envp: Strings.of(this.env), argvAddr: 0, envpAddr: 0,
    }, () => { this.opened(x); });
    this.exec = x;
    x.start();
  }

  private opened(x: Exec): void {
    if (x.result === 0) { this.launch(x); return; }
    const r = x.result;
    // A missing interpreter or a directory in the way does not end the search, but a file that is no program does. execvp(3).
    if (r === -E.EACCES) this.worst = r;
    if (this.tries.length > 0 && (r === -E.ENOENT || r === -E.ENOTDIR || r === -E.EACCES)) { this.tryNext(); return; }
    this.execFailed(r === -E.ENOENT || r === -E.ENOTDIR ? (this.worst === -E.EACCES ? this.worst : r) : r);
  }

  private execFailed(r: number): void {
    this.fail(r === -E.ENOENT ? NOT_FOUND : NOT_EXECUTABLE, r, `exec ${this.spec.argv[0] ?? ''}: errno ${-r}`);
  }

  private launch(x: Exec): void {
    const p = this.proc as Proc;
    const images = mapImages(x);
    if (images === undefined) {
      // Linux would have started it, to die at once of SIGSEGV.
      x.closeFiles();
      this.phase = Phase.FAILED;
      this.undo(() => { this.events.ended(SIGSEGV); });
      return;
    }
    const creds = execCreds(this.k, this.task, x.mode, x.uid, x.gid);
    const old = L.taskCred(this.task);
    L.setTaskCred(this.task, creds.row);
    this.k.creds.unref(old);
    tellIds(p.tg, this.task);
    const r = writePlan(p.mm.area, {
      first: true, slot: L.taskSlot(this.task) & (L.SLOT_MAX - 1), sigmaskLo: 0, sigmaskHi: 0, program: images.program, interpreter: images.interpreter,
      argv: x.argv, envp: x.envp, execfn: x.filename, comm: x.comm, exePath: x.exePath, exeName: x.exeName, stackLimit: L.tgRlimCur(p.tg, RLIMIT_STACK), ids: auxIds(creds.row, creds.secure),
    });
    if (r < 0) { this.execFailed(r); return; }
    this.spawn(p, x);
  }

  /** Host fds that the process gets as 0, 1, 2, with their hints. */
  private stdio(tg: number): [number, number, number] {
    const fds: [number, number, number] = [-1, -1, -1];
    for (let fd = 0; fd < 3; fd++) {
      const o = fdLookup(L.taskFiles(this.task), fd);
      if (o < 0) continue;
      const granted = mayGrant(this.task, tg, fd, o);
      if (granted) fds[fd] = L.ofdHostFd(o);
      native.hintSet(tg, fd, (L.ofdOwner(o) + 1) | (granted ? L.ofdGrantable(o) | L.HINT_GRANTED : 0));
    }
    return fds;
  }

  private spawn(p: Proc, x: Exec): void {
    const { k, spec } = this;
    const { tg } = p;
    native.slotBind(L.taskSlot(this.task), this.task, tg);
    const pid = native.spawn({
      tg, area: p.mm.area, ctlGuestFd: this.guestCtl, fdrBase: L.metaFdrBase(1), stdio: this.stdio(tg), namespaces: spec.namespaces, hostname: spec.hostname, join: !spec.first,
    });
    const pidfd = native.lastFd();
    host.close(this.guestCtl);
    this.guestCtl = -1;
    if (pid < 0) { this.fail(FAILED, pid, `cannot start a process (errno ${-pid}); see carrick doctor`); return; }
    native.procBind(tg, pidfd, p.ctl, p.mm.area, L.tgPctx(tg));
    L.setTgPidfd(tg, pidfd);
    L.setTgHostPid(tg, pid);
    if (spec.first) L.setMetaPidns(1, (native.namespacesGot() & NS_PID) !== 0 ? 1 : 0);
    this.setPid(p, native.spawnedNsPid());
    this.setNumbered(p);
    this.publish(p, pid);
    this.events.spawned?.(pid);
    if (this.pty >= 0) k.ep.send(L.SRV_VFS, Msg.BOOT_TTY, [tg, this.pty]);
    if (spec.limits.length > 0) mirrorLimits(tg);
    adoptProgram(k, p, this.task, x);
    p.token = k.ep.watch(pidfd, EPOLLIN, () => { endGroup(k, p); });
    const sent = p.token < 0 ? p.token : sendImages(tg, x);
    if (sent < 0) this.lost(p, sent); else this.events.started(p);
  }

  private setPid(p: Proc, pid: number): void {
    p.pid = pid;
    L.setTgTgid(p.tg, pid);
    L.setTgPgid(p.tg, pid);
    L.setTgSid(p.tg, pid);
    L.setTgSessionLeader(p.tg, 1);
    L.setTaskTid(this.task, pid);
    native.pctxStore(p.mm.area, L.tgPctx(p.tg), L.PCTX_TGID, pid);
    native.slotStore(L.taskSlot(this.task), L.SLOT_TID, pid);
  }

  /** May children leave it to the kernel to find them? (It may not have forked yet: it waits for its images.) */
  private setNumbered(p: Proc): void {
    const { k } = this;
    if (this.spec.first) {
      const fd = native.pidfdByNumber(p.pid);
      k.numbered = fd >= 0;
      if (fd >= 0) host.close(fd);
    }
    const { area } = p.mm, pctx = L.tgPctx(p.tg);
    if (k.numbered) native.pctxStore(area, pctx, L.PCTX_FLAGS, native.pctxLoad(area, pctx, L.PCTX_FLAGS) | L.PF_NUMBERED);
  }

  private publish(p: Proc, hostPid: number): void {
    const { k, spec } = this;
    k.byPid.set(p.pid, p);
    k.byTid.set(p.pid, this.task);
    L.setTgNtasks(p.tg, 1);
    L.setTaskState(this.task, TaskState.RUNNING);
    L.setTgState(p.tg, TgState.RUNNING);
    tellKin(p.tg);
    L.setMetaForks(1, L.metaForks(1) + 1);
    this.phase = Phase.RUNNING;
    if (spec.first) { k.init = p; return; }
    p.root = p;
    p.joined = { hostPid, members: 1 };
    p.onEnd = (status): void => { this.endTerminal(() => { this.events.ended(status); }); };
  }

  /** It is there, but cannot be told what to run. */
  private lost(p: Proc, errno: number): void {
    if (this.spec.first) { this.fail(FAILED, errno, `cannot hand the program over (errno ${-errno})`); return; }
    p.announced = SIGKILL;
    native.killProcess(p.tg, SIGKILL);
    if (p.token < 0) endGroup(this.k, p);
    this.events.started(p);
  }
}
