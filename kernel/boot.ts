/**
 * Starting the container's first process.
 *
 *   start ─► PASSWD ─► GROUP ─► FS ─► STDIO ─► EXEC (once per PATH candidate) ─► spawn ─► RUNNING
 *            each phase is woken by vfs's answer with its serial: FILE_READ, FILE_READ, BOOT_FS_DONE, STDIO_DONE, EXEC_OPENED
 *   any failure ─► {carrick: 'failed', code, errno, message} on the control port, once
 *
 * Messages that begin with "exec" say that the program could not be executed (126, 127); others are carrick's own failure (125).
 */
import { E } from '../shared/errno.js';
import type { BootData } from '../shared/boot.js';
import { nowNs } from '../shared/clock.js';
import { fdLookup, filesAlloc } from '../shared/fdtable.js';
import * as L from '../shared/gen/layout.js';
import { mayGrant } from '../shared/grant.js';
import * as host from '../shared/host.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import type { Message } from '../shared/rings.js';
import type { RunSpec } from '../shared/spec.js';
import { TaskState, TgState } from '../shared/tasks.js';
import { type Identity, identify } from './accounts.js';
import { BSET, EFF, PERM, fillCaps, setAllIds, setGroups } from './cred-rows.js';
import { adoptProgram, auxIds, mapImages, sendImages } from './exec/commit.js';
import { execCreds } from './exec/exec-creds.js';
import { Exec } from './exec/exec.js';
import { writePlan } from './exec/plan.js';
import { initialLimits } from './calls/limits.js';
import { setName } from './calls/system.js';
import { type Kernel, Mm, type Proc, SIGSEGV } from './proc.js';
import { endGroup } from './task-end.js';

const enum Phase { IDLE, PASSWD, GROUP, FS, STDIO, EXEC, RUNNING, FAILED }

/** Exit statuses of carrick itself. */
const FAILED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NR_HOST_getpriority = 140;
const NS_PID = 2;
const RLIMIT_STACK = 3;
const EPOLLIN = 1;

/** Where a program may be: itself when it has a slash, else one path per element of PATH. An empty element is the working directory. */
export function candidates(program: string, path: string): string[] {
  if (program.includes('/')) return [program];
  return path.split(':').map((dir) => (dir === '' ? `./${program}` : `${dir}/${program}`));
}

/** carrick's own nice value, which its guests start with as they would without carrick. */
function hostNice(): number {
  const r = native.sys(NR_HOST_getpriority, 0, 0 /* PRIO_PROCESS */, 0);
  return r > 0 ? 20 - r : 0;
}

export class Boot {
  private phase = Phase.IDLE;
  private serial = 0;
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

  constructor(private readonly k: Kernel, private readonly boot: BootData) {
    this.env = [...boot.spec.env];
    k.ep.on(Msg.FILE_READ, (m) => { this.answered(m, m.w[0] as number, m.w[1] as number); });
    k.ep.on(Msg.BOOT_FS_DONE, (m) => { this.answered(m, m.w[1] as number, m.w[0] as number); });
    k.ep.on(Msg.STDIO_DONE, (m) => { this.answered(m, m.w[1] as number, m.w[0] as number); });
  }

  private get spec(): RunSpec { return this.boot.spec; }

  start(): void {
    if (this.phase !== Phase.IDLE) return;
    setName(L.META_HOSTNAME_BYTE(1), this.spec.hostname);
    setName(L.META_DOMAINNAME_BYTE(1), '(none)');
    const stub = native.stubFd();
    if (stub < 0) { this.fail(FAILED, stub, `cannot load the stub (errno ${-stub}); build it with: npm run build:native`); return; }
    this.readFile(Phase.PASSWD, '/etc/passwd');
  }

  private readFile(phase: Phase, path: string): void {
    this.phase = phase;
    this.serial = ++this.k.serial;
    this.k.ep.send(L.SRV_VFS, Msg.READ_FILE, [this.serial], path);
  }

  private fail(code: number, errno: number, message: string): void {
    if (this.phase === Phase.FAILED) return;
    this.phase = Phase.FAILED;
    this.exec?.closeFiles();
    this.boot.control.postMessage({ carrick: 'failed', code, errno: Math.abs(errno), message });
  }

  /** An answer of vfs; those with another serial are not ours. */
  private answered(m: Message, serial: number, ret: number): void {
    if (serial !== this.serial) return;
    switch (this.phase) {
      case Phase.PASSWD:
        this.passwd = ret >= 0 ? m.text : '';
        this.readFile(Phase.GROUP, '/etc/group');
        return;
      case Phase.GROUP:
        this.group = ret >= 0 ? m.text : '';
        this.makeProcess();
        return;
      case Phase.FS:
        if (ret < 0) { this.fail(FAILED, ret, `cannot use the working directory ${this.spec.cwd} (errno ${-ret}); give another with -w`); return; }
        this.askStdio();
        return;
      case Phase.STDIO:
        if (ret < 0) { this.fail(FAILED, ret, `cannot set up standard input and output (errno ${-ret})`); return; }
        this.searchProgram();
        return;
      default: return;
    }
  }

  /** Rows, credentials, area: everything that exists before the program is known. */
  private makeProcess(): void {
    const { k, spec } = this;
    const who = identify(this.passwd, this.group, spec.user, spec.uid, spec.gid, spec.groups);
    if (typeof who === 'string') { this.fail(FAILED, E.EINVAL, who); return; }
    this.who = who;
    if (spec.homeFromPasswd) this.env.push(`HOME=${who.home}`);
    const area = native.areaAlloc();
    const ctl = native.ctlPair();
    this.guestCtl = native.lastFd();
    const p = area < 0 || ctl < 0 ? undefined : k.allocProc(new Mm(area));
    if (p === undefined) { this.fail(FAILED, area < 0 ? area : ctl, `cannot make the first process (errno ${-(area < 0 ? area : ctl)}); raise the limit of open files`); return; }
    const tg = p.tg;
    const task = k.allocTask(tg);
    const pctx = native.pctxAlloc(area);
    const slot = native.slotAlloc(area, 0);
    const slotId = area * L.SLOT_MAX + slot;
    native.pctxInit(area, pctx, -1, 0, 0);
    native.pctxStore(area, pctx, L.PCTX_FLAGS, (L.metaTrace(1) !== 0 ? L.PF_TRACE : 0) | (L.metaNofast(1) !== 0 ? L.PF_NOFAST : 0));
    native.pctxStore(area, pctx, L.PCTX_FDR_BASE, L.metaFdrBase(1));
    native.slotStore(slotId, L.SLOT_PCTX, pctx);
    L.setTgArea(tg, area);
    L.setTgPctx(tg, pctx);
    L.setTgLeader(tg, task);
    L.setTgDumpable(tg, 1);
    L.setTgStartNs(tg, nowNs());
    L.setTaskStartNs(task, nowNs());
    L.setTaskNice(task, hostNice());
    L.setTaskSlot(task, slotId);
    L.setTaskCred(task, this.makeCred(who));
    L.setTaskFiles(task, filesAlloc());
    L.setTaskFs(task, Atomics.add(L.metaI32(), L.META_NEXT_FS_AT(1), 1) + 1);
    k.nprocAdd(who.uid, 1);
    k.timerSlack[task] = 50000;
    p.ctl = ctl;
    native.procBind(tg, -1, ctl, area, pctx);
    initialLimits(tg);
    L.setMetaInitTg(1, tg);
    this.proc = p;
    this.task = task;
    // In a pid namespace of its own it will be 1; vfs wants to know whose terminal it makes.
    this.setPid((spec.namespaces & NS_PID) !== 0 ? 1 : 0);
    this.phase = Phase.FS;
    this.serial = ++k.serial;
    k.ep.send(L.SRV_VFS, Msg.BOOT_FS, [L.taskFs(task), L.taskCred(task), this.serial], spec.cwd);
  }

  private makeCred(who: Identity): number {
    const row = this.k.creds.alloc();
    setAllIds(row, who.uid, who.gid);
    setGroups(row, [...who.groups].sort((a, b) => a - b));
    fillCaps(BSET, row);
    if (who.uid === 0) { fillCaps(PERM, row); fillCaps(EFF, row); }
    return row;
  }

  private setPid(pid: number): void {
    const p = this.proc as Proc;
    p.pid = pid;
    L.setTgTgid(p.tg, pid);
    L.setTgPgid(p.tg, pid);
    L.setTgSid(p.tg, pid);
    L.setTgSessionLeader(p.tg, 1);
    L.setTaskTid(this.task, pid);
    native.pctxStore(p.mm.area, L.tgPctx(p.tg), L.PCTX_TGID, pid);
    native.slotStore(L.taskSlot(this.task), L.SLOT_TID, pid);
  }

  private askStdio(): void {
    this.phase = Phase.STDIO;
    this.serial = ++this.k.serial;
    this.k.ep.send(L.SRV_VFS, Msg.BOOT_STDIO, [L.taskFiles(this.task), this.spec.tty ? 1 : 0, this.serial, (this.proc as Proc).tg]);
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
      task: this.task, tg: p.tg, slot: L.taskSlot(this.task), path, dirfd: 0, fd: -1, fdCloexec: false, flags: 0, argvAddr: -1, envpAddr: -1,
    }, () => { this.opened(x); });
    for (const a of this.spec.argv) x.argv.push(a);
    for (const e of this.env) x.envp.push(e);
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
      this.phase = Phase.RUNNING;
      this.boot.control.postMessage({ carrick: 'exited', status: SIGSEGV });
      return;
    }
    const creds = execCreds(this.k, this.task, x.mode, x.uid, x.gid);
    const old = L.taskCred(this.task);
    L.setTaskCred(this.task, creds.row);
    this.k.creds.unref(old);
    const r = writePlan(p.mm.area, {
      first: true, slot: L.taskSlot(this.task) & (L.SLOT_MAX - 1), sigmaskLo: 0, sigmaskHi: 0, program: images.program, interpreter: images.interpreter,
      argv: x.argv, envp: x.envp, execfn: x.filename, comm: x.comm, stackLimit: L.tgRlimCur(p.tg, RLIMIT_STACK), ids: auxIds(creds.row, creds.secure),
    });
    if (r < 0) { this.execFailed(r); return; }
    const stdio = this.stdio(p.tg);
    const sent = sendImages(p.tg, x);
    if (sent < 0) { this.fail(FAILED, sent, `cannot hand the program over (errno ${-sent})`); return; }
    this.spawn(p, x, stdio);
  }

  /** Host fds that the first process gets as 0, 1, 2, with their hints. */
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

  private spawn(p: Proc, x: Exec, stdio: [number, number, number]): void {
    const { k, spec } = this;
    const { tg } = p;
    // Bound before it runs: its first request may come before spawn returns.
    native.slotBind(L.taskSlot(this.task), this.task, tg);
    const pid = native.spawn({ tg, area: p.mm.area, ctlGuestFd: this.guestCtl, fdrBase: L.metaFdrBase(1), stdio, namespaces: spec.namespaces, hostname: spec.hostname });
    const pidfd = native.lastFd();
    host.close(this.guestCtl);
    if (pid < 0) { this.fail(FAILED, pid, `cannot start a process (errno ${-pid}); see carrick doctor`); return; }
    native.procBind(tg, pidfd, p.ctl, p.mm.area, L.tgPctx(tg));
    L.setTgPidfd(tg, pidfd);
    L.setTgHostPid(tg, pid);
    L.setMetaPidns(1, (native.namespacesGot() & NS_PID) !== 0 ? 1 : 0);
    this.setPid(native.spawnedNsPid());
    k.byPid.set(p.pid, p);
    k.byTid.set(p.pid, this.task);
    L.setTgNtasks(tg, 1);
    L.setTaskState(this.task, TaskState.RUNNING);
    L.setTgState(tg, TgState.RUNNING);
    L.setMetaForks(1, 1);
    k.init = p;
    this.phase = Phase.RUNNING;
    adoptProgram(k, p, this.task, x);
    p.token = k.ep.watch(pidfd, EPOLLIN, () => { endGroup(k, p); });
    if (p.token < 0) this.fail(FAILED, p.token, `cannot watch the first process (errno ${-p.token})`);
  }
}
