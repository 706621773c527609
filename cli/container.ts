/**
 * The life of a container, in the main thread.
 *
 *   directory, tables, rings ──► kernel, vfs ──► kernel.start() ──► guest runs ──► 'exited' ───┐
 *                                    │ a worker dies     │ start refused  │ 'needed': one more  ├──► end(): kill, flush, tidy up, exit
 *                                    │                   │                ▼ worker              │
 *                                    └───────────────────┴────────────────┴── second Ctrl-C ────┘
 *
 * The other workers are started when somebody needs them (kernel/late-servers.ts).
 *
 * Owns: the workers, the control ports, the caller's terminal and signals, the container's directory. The guests are children of the kernel
 * worker and die with it (PDEATHSIG); end() kills them by pidfd first, so that a worker's death leaves none behind either.
 *
 * The process ends by the host's exit_group: process.exit() would join the workers, which sleep in the addon and never come back to be
 * stopped. Whatever has to be on disk or on a terminal is written synchronously before.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, constants } from 'node:os';
import { basename, join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { type BootData, type WorkerReady, comlinkPort } from '../shared/boot.js';
import { nowNs } from '../shared/clock.js';
import type { KernelControl, KernelEvent, ReportControl, SignalControl, VfsControl } from '../shared/control.js';
import type { ReportPart } from '../shared/report.js';
import * as L from '../shared/gen/layout.js';
import { STAT_ROWS } from '../shared/endpoint.js';
import { native } from '../shared/native.js';
import { allocRings } from '../shared/rings.js';
import { SERVER_NAMES } from '../shared/server-names.js';
import type { RunSpec } from '../shared/spec.js';
import { TgState } from '../shared/tasks.js';
import { addonPath, bundles, loadAddon } from './addon.js';
import { toText } from './bytes.js';
import { allowCodeCaches, holdOptimiser } from './compilers.js';
import { ContainerDir, type Description, sweep } from './container-dir.js';
import { EXIT_CARRICK, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_SIGNAL, Failure, complain, report } from './failure.js';
import { returnsAreLost } from './returns.js';
import { RawTerminal, windowSize } from './terminal.js';
import { ensureVolumes } from './volume-dir.js';

/** Signals that are handed on to the container's first program, or to what an exec runs. */
export const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** A second Ctrl-C within this time ends the container at once. ns. */
const IMPATIENCE_NS = 2e9;
/** How long workers may take to flush before the container is given up. ms. */
const SHUTDOWN_MS = 5000;
/** Servers that start when they are needed: many programs make no socket, no pipe, and get no signal. */
const LATE: readonly number[] = [L.SRV_NET, L.SRV_IPC, L.SRV_SIGNAL];
/** exit_group(2). */
const SYS_exit_group = process.arch === 'arm64' ? 94 : 231;

export interface Outcome {
  /** Exit status for the caller. */
  readonly status: number;
  /** The workers' counts of calls, errors and ns, and at last the stubs': Float64 [SRV_COUNT + 1][STAT_ROWS][3]. */
  readonly stats: Float64Array;
  /** Of every worker, for a compat report. */
  readonly reports: readonly ReportPart[];
}

/** Watches a container from the main thread: `carrick profile`. */
export interface Observer {
  /** Where each server logs its calls. */
  readonly callLogs: readonly SharedArrayBuffer[];
  /** A worker serves; its thread on the host. */
  worker(name: string, tid: number): void;
  /** The first process is there; result as KernelEvent 'sampling'. */
  sampling(result: number): void;
  /** The container has ended; the workers are still there. */
  ended(): void;
}

/** End the process now, with every thread; see the header. */
export function exitNow(status: number): never {
  if (native.sys !== undefined) native.sys(SYS_exit_group, 0, status);
  process.exit(status);
}

/** Below this many host fds guests get few beyond their own, and no files that were opened ahead. */
const LOW_NOFILE = 512;

/** First of the fds that guests' stubs keep for themselves (docs/internals.md, section 2). */
function fdrBase(): number {
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  const all = Math.min(1024, hard === null ? 1024 : Number(hard[1]));
  return all - L.FDR_COUNT - (all < LOW_NOFILE ? L.FDR_COUNT : L.FDR_ROOM);
}

/** Exit status of a wait(2) status word, as a shell gives it. */
export function exitStatus(word: number): number {
  const signo = word & 0x7f;
  return signo === 0 ? (word >> 8) & 0xff : EXIT_SIGNAL + signo;
}

/**
 * What to tell the caller when the first program could not be started. The kernel's message begins with "exec" when execve refused it; anything
 * else (no such user, no mount) is the container's failure, not the program's.
 */
export function startFailure(errno: number, message: string, spec: Pick<RunSpec, 'argv'>): Failure {
  if (message !== '' && !message.startsWith('exec')) return new Failure(message.split('\n', 1)[0] ?? '');
  const program = toText(spec.argv[0] ?? '');
  const { ENOENT, EACCES, EPERM, ENOEXEC, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EINVAL, ETXTBSY, ELIBBAD, E2BIG } = { ELIBBAD: 80, ...constants.errno };
  switch (errno) {
    case ENOENT:
      if (!program.includes('/')) return new Failure(`${program}: command not found in the container's PATH; give its path, or check the rootfs`, EXIT_NOT_FOUND);
      return new Failure(`${program}: no such file in the container, or its interpreter is missing; check the path and the rootfs`, EXIT_NOT_FOUND);
    case EACCES: case EPERM: return new Failure(`${program}: permission denied; it must be a file that the user may execute`, EXIT_NOT_EXECUTABLE);
    case ENOEXEC: case ELIBBAD: case EINVAL:
      return new Failure(`${program}: exec format error; it must be a Linux program for this machine, or a script that starts with #!`, EXIT_NOT_EXECUTABLE);
    case ENOTDIR: return new Failure(`${program}: a part of the path is not a directory`, EXIT_NOT_EXECUTABLE);
    case EISDIR: return new Failure(`${program}: is a directory; name a program`, EXIT_NOT_EXECUTABLE);
    case ELOOP: return new Failure(`${program}: too many levels of symbolic links`, EXIT_NOT_EXECUTABLE);
    case ENAMETOOLONG: return new Failure(`${program}: the path is too long`, EXIT_NOT_EXECUTABLE);
    case ETXTBSY: return new Failure(`${program}: the file is being written to`, EXIT_NOT_EXECUTABLE);
    case E2BIG: return new Failure(`${program}: arguments and environment are too long together`, EXIT_NOT_EXECUTABLE);
    default: return new Failure(`${program}: cannot be started (errno ${errno})${message === '' ? '' : `: ${message}`}`);
  }
}

/** The directory of a new container. */
export function createDir(spec: RunSpec, more: Description): ContainerDir {
  ensureVolumes(spec.binds);
  return ContainerDir.create(spec.id, spec.name, spec.argv.map(toText), spec.rootfs.layers?.map((dir) => basename(dir)), more);
}

class Container {
  private readonly spec: RunSpec;
  private readonly dir: ContainerDir;
  private readonly terminal = new RawTerminal();
  private readonly addon = addonPath();
  private readonly tables = L.allocTables();
  private readonly rings = allocRings(LATE);
  /** By SRV_*; those that have been started. */
  private readonly workers: Array<Worker | undefined> = [];
  private readonly channels = SERVER_NAMES.map(() => new MessageChannel());
  private readonly apis: unknown[] = [];
  private readonly stats = new SharedArrayBuffer((L.SRV_COUNT + 1) * STAT_ROWS * 3 * 8);
  private ending = false;
  private interruptNs = 0;
  /** The first process is there, and gets the signals that we are sent. */
  private started = false;
  private done: (outcome: Outcome) => void = () => undefined;

  /** dir: made before (-d); onStarted: told when the first process runs. */
  constructor(spec: RunSpec, dir?: ContainerDir, private readonly onStarted: () => void = () => undefined, private readonly observer?: Observer) {
    this.dir = dir ?? createDir(spec, { keep: spec.keep, config: spec });
    this.spec = { ...spec, upperDir: Buffer.from(this.dir.upper, 'utf8').toString('latin1') };
  }

  run(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.done = resolve;
      try {
        this.start();
      } catch (error) {
        void this.end(report(error));
      }
    });
  }

  private start(): void {
    const fds = native.createDoorbells();
    if (fds < 0) throw new Failure(`cannot make the workers' pipes (errno ${-fds}); raise the limit of open files`);
    L.attachTables(this.tables);
    L.setMetaFdrBase(1, fdrBase());
    L.setMetaTrace(1, this.spec.trace.mode === 'off' ? 0 : 1);
    L.setMetaNofast(1, this.spec.fastpath ? 0 : 1);
    L.setMetaRewrite(1, this.spec.rewrite);
    L.setMetaRefill(1, returnsAreLost() ? 1 : 0);
    L.setMetaNogrants(1, this.spec.grants ? 0 : 1);
    L.setMetaBootNs(1, nowNs());
    L.setMetaNproc(1, availableParallelism());

    // Whatever ends this process must not wait for the workers (see the header), nor leave the terminal raw.
    process.on('uncaughtException', (error) => { this.died('main', error); });
    process.on('exit', (code) => { this.terminal.restore(); exitNow(code); });
    for (const signal of FORWARDED) process.on(signal, () => this.forward(signal));
    if (this.spec.tty) {
      process.on('SIGWINCH', () => this.resize());
      this.terminal.enter(this.spec.interactive);
    }
    for (const srv of SERVER_NAMES.keys()) if (!LATE.includes(srv)) this.startWorker(srv);
    this.port(L.SRV_KERNEL).on('message', (message: KernelEvent | WorkerReady) => {
      if (message.carrick === 'sampling') this.observer?.sampling(message.result);
      if (message.carrick === 'needed') this.startWorker(message.srv);
      if (message.carrick === 'started') { this.started = true; holdOptimiser(); this.onStarted(); }
      if (message.carrick === 'exited') void this.end(exitStatus(message.status));
      if (message.carrick === 'failed') void this.end(report(startFailure(message.errno, message.message, this.spec)));
    });
    // Not awaited: the kernel tells the outcome by an event, and a worker that dies first ends the run by itself.
    this.control<KernelControl, void>(L.SRV_KERNEL, (kernel) => kernel.start()).catch((error: unknown) => { this.died('kernel', error); });
    // What crashed containers left is nobody's hurry: it is looked for while the workers boot.
    setImmediate(sweep);
  }

  private startWorker(srv: number): void {
    if (this.ending) return;
    const name = SERVER_NAMES[srv] ?? '';
    const { port1, port2 } = this.channels[srv] as MessageChannel;
    const boot: BootData = {
      srv, tables: this.tables, rings: this.rings, stats: this.stats, addonPath: this.addon, spec: this.spec, control: port2,
      traceFd: this.spec.trace.mode === 'lines' ? this.spec.trace.fd : -1, callLog: this.observer?.callLogs[srv],
    };
    const booted = allowCodeCaches();
    const worker = new Worker(join(bundles, 'worker.cjs'), {
      workerData: boot, transferList: [port2], name: `carrick-${name}`,
      // Else Node pipes the worker's console into process.stdout, and for that makes our standard output, which is the guest's too, non-blocking.
      stdout: true, stderr: true,
    });
    worker.on('error', (error) => this.died(name, error));
    worker.on('exit', () => this.died(name, undefined));
    this.workers[srv] = worker;
    port1.on('message', (message: KernelEvent | WorkerReady) => {
      if (message.carrick !== 'ready') return;
      booted();
      this.observer?.worker(name, message.tid);
    });
  }

  private port(srv: number): MessagePort {
    return (this.channels[srv] as MessageChannel).port1;
  }

  /** Ask a worker something: post the call, then wake the worker for it, or have it started. */
  private control<T, R>(srv: number, call: (api: Comlink.Remote<T>) => Promise<R>): Promise<R> {
    // Wrapped once: every wrap leaves a listener on the port.
    this.apis[srv] ??= Comlink.wrap(comlinkPort(this.port(srv)));
    const answer = call(this.apis[srv] as Comlink.Remote<T>);
    native.ringDoorbell(srv, L.DB_CONTROL);
    return answer;
  }

  private forward(signal: (typeof FORWARDED)[number]): void {
    if (this.ending) return;
    // There is nobody yet to get it, and so nobody who handles it: it ends the container, as it would end a program that has just been started.
    if (!this.started) { void this.end(EXIT_SIGNAL + constants.signals[signal]); return; }
    if (signal === 'SIGINT') {
      const now = nowNs();
      if (this.interruptNs > 0 && now - this.interruptNs < IMPATIENCE_NS) {
        void this.end(EXIT_SIGNAL + constants.signals.SIGKILL);
        return;
      }
      this.interruptNs = now;
    }
    void this.control<SignalControl, void>(L.SRV_SIGNAL, (server) => server.signalInit(constants.signals[signal]));
  }

  private resize(): void {
    const { rows, cols } = windowSize();
    if (!this.ending) void this.control<VfsControl, void>(L.SRV_VFS, (vfs) => vfs.resize(rows, cols));
  }

  /** A worker is gone, which it never is by itself: the container cannot go on. */
  private died(name: string, error: unknown): void {
    if (this.ending) return;
    const reason = error instanceof Error ? error : new Error('it ended');
    const text = (reason.message.split('\n', 1)[0] ?? '').trim();
    void this.end(report(new Failure(`the ${name} thread failed: ${text}; the container was stopped (CARRICK_DEBUG=1 says more)`, EXIT_CARRICK, { cause: reason })));
  }

  private async end(status: number): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    for (let row = 1; row < L.TG_ROWS; row++) {
      const state = L.tgState(row);
      if (state !== TgState.FREE && state !== TgState.ZOMBIE) native.killProcess(row, constants.signals.SIGKILL);
    }
    const reports = this.spec.trace.mode === 'report' && status !== EXIT_CARRICK ? await this.reports() : [];
    // With --rm nothing of the layer is kept; a terminal's last output, though, has to be written.
    if (status !== EXIT_CARRICK && (this.spec.keep || this.spec.tty)) await this.flush();
    this.terminal.restore();
    this.observer?.ended();
    try {
      this.dir.finish(this.spec.keep, status);
    } catch (error) {
      complain(`carrick: cannot tidy up ${this.dir.path}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
    this.done({ status, stats: new Float64Array(this.stats), reports });
  }

  /** What the workers counted. One that does not answer in time, or never had anything to do, is left out. */
  private async reports(): Promise<ReportPart[]> {
    const late = new Promise<undefined>((resolve) => { setTimeout(() => { resolve(undefined); }, SHUTDOWN_MS); });
    const started = [...SERVER_NAMES.keys()].filter((srv) => this.workers[srv] !== undefined);
    const parts = await Promise.all(started.map((srv) => Promise.race([late, this.control<ReportControl, ReportPart | undefined>(srv, (server) => server.report())])));
    return parts.filter((part) => part !== undefined);
  }

  private flush(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, SHUTDOWN_MS);
      const ready = (): void => { clearTimeout(late); resolve(); };
      this.control<VfsControl, void>(L.SRV_VFS, (vfs) => vfs.shutdown()).then(ready, ready);
    });
  }
}

/** Run a container to its end. The caller then reports and calls exitNow: the workers are still there. */
export function runContainer(spec: RunSpec, more: { readonly dir?: ContainerDir; readonly onStarted?: () => void; readonly observer?: Observer } = {}): Promise<Outcome> {
  loadAddon();
  return new Container(spec, more.dir, more.onStarted, more.observer).run();
}
