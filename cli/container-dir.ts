/**
 * A container's directory, $CARRICK_HOME/containers/ID:
 *
 *   upper/        the writable layer (vfs owns what is in it)
 *   state.json    who runs it, and what: the directory's lock as well
 *   control.sock  while it runs: shared/control-wire.ts
 *   log, log.err  with -d: standard output and error; log.index says when (life/log-times.ts)
 *   stdin         with -d and -i: a FIFO, standard input (life/attach.ts)
 *
 * Alive means: the process of state.json exists and was started when state.json says; so a recycled pid is not mistaken for the owner, and
 * nothing has to be unlocked after a crash. The directory is made under another name, which says whose it is, and renamed when state.json is in it, so that
 * a sweep never sees a living container without state. Kept directories (no --rm, and something written or -d) have status "exited", also when their carrick
 * was killed. A name is held by names/NAME, a symbolic link to the id, which only one process can make, and which counts as long as the directory is there.
 * With -d the command that was called makes the directory, and the process that goes on running adopts it. Whoever adopts a directory, notes that it has
 * ended, or moves it away to remove it, has its flock and has looked at its state again.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { RunSpec } from '../shared/spec.js';
import { type Lock, tryLock } from '../image/lock.js';
import { loadAddon } from './addon.js';
import { EXIT_SIGNAL, Failure, why } from './failure.js';

export interface State {
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTime: string;
  readonly status: 'running' | 'exited';
  /** Exit status of `carrick run`, once exited. */
  readonly exitStatus?: number;
  readonly command: readonly string[];
  /** Names in $CARRICK_HOME/layers of the image below the writable layer: they are kept as long as this container (image/store.ts). */
  readonly layers?: readonly string[];
  readonly created: string;
  /** When it was started last, if that was not when it was made. */
  readonly started?: string;
  /** When it ended, ISO 8601; once exited. */
  readonly finished?: string;
  /** Started with -d: it stays until `carrick rm`, unless --rm was given. */
  readonly detached?: boolean;
  /** --rm was not given. */
  readonly keep?: boolean;
  readonly config?: RunSpec;
}

/** What a new container's state says of it besides its id and name. */
export type Description = Pick<State, 'detached' | 'keep' | 'config'>;

const SIGKILL = 9;
/** What is nobody's (a directory without state, a link that was being removed) is swept when it is older. ms. */
const UNFINISHED_MS = 60_000;
/** How long to wait for another process's lock of a directory, which it holds for some system calls only. ms. */
const HOLD_MS = 5000;
/** Beginning of names of links in names/ that are being removed; no container's name begins so. */
const GONE = '.gone-';

/** This process, as nobody else is called on this machine: pid and start time. */
const myself = (): string => `${process.pid}.${startTime(process.pid)}`;

/** Whether what myself() said elsewhere still lives. */
function lives(who: string): boolean {
  const [pid = '', start = ''] = who.split('.');
  return start !== '' && startTime(Number(pid)) === start;
}

export function carrickHome(): string {
  return resolve(process.env['CARRICK_HOME'] || join(homedir(), '.carrick'));
}

/**
 * Make a directory and what is missing above it. Not mkdirSync's own way of doing so: that one asks for ever where a parent is there and mkdir
 * says ENOENT all the same, as in /proc.
 */
export function makeDirs(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    return;
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && statSync(path).isDirectory()) return;
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  makeDirs(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Start time of a process, or '' when there is none that lives. */
export function startTime(pid: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (errorCode(error) !== '') return '';
    throw error;
  }
  // The command name, field 2, may hold anything, parentheses too; fields are counted after its last one.
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie does nothing any more, and may stay for long where nobody reaps.
  return words[0] === 'Z' ? '' : words[19] ?? '';
}

export function readState(dir: string): State | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as State;
  } catch {
    return undefined; // none, or half written by a crash
  }
}

export function isAlive(state: State): boolean {
  return state.status === 'running' && state.startTime !== '' && startTime(state.pid) === state.startTime;
}

/**
 * Remove a tree. Names are bytes (a guest may use any), and directories that a guest made without permissions for their owner are given
 * some first.
 */
export function removeTree(path: string | Buffer): void {
  try {
    if (!lstatSync(path).isDirectory()) { unlinkSync(path); return; }
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return;
    throw error;
  }
  const prefix = Buffer.concat([Buffer.from(path), Buffer.from('/')]);
  for (const name of namesIn(path)) removeTree(Buffer.concat([prefix, name]));
  rmdirSync(path);
}

function namesIn(path: string | Buffer): Buffer[] {
  if ((lstatSync(path).mode & 0o700) !== 0o700) chmodSync(path, 0o700);
  return readdirSync(path, { encoding: 'buffer' });
}

export class ContainerDir {
  readonly path: string;
  readonly upper: string;
  private namePath = '';
  private mine: Lock | undefined = undefined;
  private visiting = false;

  private constructor(private readonly home: string, private state: State) {
    this.path = join(home, 'containers', state.id);
    this.upper = join(this.path, 'upper');
  }

  /** Make the directory of a new container that this process runs. */
  static create(id: string, name: string, command: readonly string[], layers?: readonly string[], more: Description = {}): ContainerDir {
    const home = carrickHome();
    const state: State = {
      id, name, pid: process.pid, startTime: startTime(process.pid), status: 'running', command, ...(layers === undefined ? {} : { layers }), ...more, created: new Date().toISOString(),
    };
    const dir = new ContainerDir(home, state);
    const unfinished = `${dir.path}.${myself()}.new`;
    try {
      makeDirs(join(unfinished, 'upper'));
      writeFileSync(join(unfinished, 'state.json'), JSON.stringify(state));
      renameSync(unfinished, dir.path);
      if (name !== id) dir.claimName(name);
    } catch (error) {
      removeTree(unfinished);
      removeTree(dir.path);
      if (error instanceof Failure) throw error;
      throw new Failure(`cannot make ${dir.path}: ${why(error)}; set CARRICK_HOME to a directory you can write to`, undefined, { cause: error });
    }
    return dir;
  }

  /** Take a directory over: from the process that made it, which waits for that, or of a container that has ended. */
  static adopt(id: string, detached: boolean): ContainerDir {
    const home = carrickHome();
    const path = join(home, 'containers', id);
    const mine = hold(path);
    const state = mine === undefined ? undefined : readState(path);
    if (mine === undefined || state === undefined) throw new Failure(`no container ${id}`);
    const { exitStatus: _, finished, ...rest } = state;
    const dir = new ContainerDir(home, {
      ...rest, detached: detached || rest.detached === true, status: 'running', pid: process.pid, startTime: startTime(process.pid),
      ...(finished === undefined ? {} : { started: new Date().toISOString() }),
    });
    // Held as long as this process lives: of two that start it again, one does.
    dir.mine = mine;
    if (state.name !== id) dir.namePath = join(home, 'names', state.name);
    dir.write();
    return dir;
  }

  /** Hold the directory of a container that has ended, to look into it or to change files there: it stays what it is. */
  static visit(id: string): ContainerDir {
    const home = carrickHome();
    const path = join(home, 'containers', id);
    const mine = hold(path);
    const state = mine === undefined ? undefined : readState(path);
    if (mine === undefined || state === undefined) throw new Failure(`no container ${id}`);
    if (isAlive(state)) { mine.release(); throw new Failure(`container ${state.name} is running`); }
    const dir = new ContainerDir(home, state);
    dir.mine = mine;
    dir.visiting = true;
    return dir;
  }

  get config(): RunSpec | undefined { return this.state.config; }

  private write(): void { writeState(this.path, this.state); }

  /** Hold a name; a holder that is gone loses it. */
  private claimName(name: string): void {
    const path = join(this.home, 'names', name);
    makeDirs(join(this.home, 'names'));
    // Twice: the second try is for after a dead holder was cleared away.
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        symlinkSync(this.state.id, path);
        this.namePath = path;
        return;
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      const holder = linkAt(path);
      const dir = join(this.home, 'containers', holder);
      const state = readState(dir);
      if (state !== undefined && (isAlive(state) || state.status === 'exited')) {
        throw new Failure(`the name "${name}" is taken by container ${holder}, ${state.status === 'exited' ? `which has ended; choose another, or: carrick rm ${name}` : 'which is running; choose another'}`);
      }
      releaseName(this.home, name, holder);
    }
    throw new Failure(`the name "${name}" was just taken by another container; choose another`);
  }

  /**
   * The container has ended. Keeps the directory when `keep` and the guest has left something in the upper layer, or it ran with -d and has a log and
   * an exit status to ask for; otherwise nothing remains.
   */
  finish(keep: boolean, exitStatus: number): void {
    if (this.visiting) { this.mine?.release(); return; }
    if (keep && isWorthKeeping(this.path, this.state)) {
      this.state = ended(this.state, exitStatus);
      this.write();
      return;
    }
    remove(this.path);
    if (this.namePath !== '') releaseName(this.home, this.state.name, this.state.id);
  }
}

/**
 * Lock a container's directory against everybody who would change its owner; undefined when it is not there. Who holds it and does not run it, or not any more
 * (the last of a dying process's threads close its files), is waited for.
 */
function hold(dir: string): Lock | undefined {
  loadAddon();
  for (const end = Date.now() + HOLD_MS; ;) {
    const held = tryLock(dir, 'exclusive');
    if (held !== 'busy') return held;
    const state = readState(dir);
    if (state !== undefined && isAlive(state)) throw new Failure(`container ${state.name} is running`);
    if (Date.now() > end) throw new Failure(`container ${basename(dir)} is just being started or removed by another carrick; try again`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
}

/** Target of a symbolic link, '' when it has gone. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errorCode(error) === '') throw error;
    return '';
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * Give a name up that leads to `id`. It is moved aside first and looked at again, because between a look and an unlink another process may have removed
 * the old link and made its own.
 */
function releaseName(home: string, name: string, id: string): void {
  const path = join(home, 'names', name);
  if (linkAt(path) !== id) return;
  const aside = join(home, 'names', `${GONE}${process.pid}-${name}`);
  try {
    renameSync(path, aside);
    if (linkAt(aside) !== id) linkSync(aside, path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EEXIST') throw error;
  }
  unlinkIfThere(aside);
}

/** With -d there is a log and an exit status to ask for, else only what was written. */
const isWorthKeeping = (dir: string, state: State): boolean => state.detached === true || readdirSync(join(dir, 'upper')).length > 0;

function ended(state: State, exitStatus: number): State { return { ...state, status: 'exited', exitStatus, finished: new Date().toISOString() }; }

function writeState(dir: string, state: State): void {
  writeFileSync(join(dir, 'state.json.new'), JSON.stringify(state), { mode: 0o600 });
  renameSync(join(dir, 'state.json.new'), join(dir, 'state.json'));
}

/** What there is of every container, oldest first: those that run, those that were kept. A dead one's remains are not there: sweep() is for those. */
export function listContainers(): State[] {
  sweep();
  const containers = join(carrickHome(), 'containers');
  const found: State[] = [];
  for (const name of namesOf(containers)) {
    const state = name.endsWith('.new') ? undefined : readState(join(containers, name));
    if (state !== undefined && (state.status === 'exited' || isAlive(state))) found.push(state);
  }
  return found.sort((a, b) => a.created.localeCompare(b.created));
}

/** Host directory of a container. */
export function directoryOf(state: State): string { return join(carrickHome(), 'containers', state.id); }

/** Remove an ended container, and its name. */
export function removeContainer(state: State): void {
  const dir = directoryOf(state);
  const held = hold(dir);
  if (held !== undefined) discard(dir, state, held);
}

/** Remove a container that we hold. Moved away first: what is left of a removal that is cut short is nobody's container any more. */
function discard(dir: string, state: State, held: Lock): void {
  const now = readState(dir);
  if (now !== undefined && isAlive(now)) { held.release(); throw new Failure(`container ${state.name} is running`); }
  const aside = `${dir}.${myself()}.new`;
  renameSync(dir, aside);
  held.release();
  releaseName(carrickHome(), state.name, state.id);
  remove(aside);
}

function namesOf(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errorCode(error) !== '') return [];
    throw error;
  }
}

/** state.json goes last, so that a removal that is cut short is still recognised and finished by a later sweep. */
function remove(dir: string): void {
  removeTree(join(dir, 'upper'));
  removeTree(dir);
}

/**
 * Look after what containers whose carrick was killed have left behind: those that are kept are noted to have ended, the others go. Errors are not this
 * container's business: the next start tries again.
 */
export function sweep(): void {
  const containers = join(carrickHome(), 'containers');
  for (const name of namesOf(containers)) {
    try {
      sweepOne(join(containers, name), name);
    } catch (error) {
      // A Failure: somebody else looks after it.
      if (errorCode(error) === '' && !(error instanceof Failure)) throw error;
    }
  }
  sweepNames();
}

const older = (path: string): boolean => Date.now() - lstatSync(path).mtimeMs > UNFINISHED_MS;
const hasDied = (state: State | undefined): state is State => state?.status === 'running' && !isAlive(state);

function sweepOne(dir: string, name: string): void {
  if (name.endsWith('.new')) {
    const who = name.split('.').slice(1, 3).join('.');
    if (who.includes('.') ? !lives(who) : older(dir)) remove(dir);
    return;
  }
  const state = readState(dir);
  if (state === undefined) { if (older(dir)) remove(dir); return; }
  if (!hasDied(state)) return;
  const held = hold(dir);
  if (held === undefined) return;
  const now = readState(dir);
  if (!hasDied(now)) { held.release(); return; }
  if (now.keep !== true || !isWorthKeeping(dir, now)) { discard(dir, now, held); return; }
  writeState(dir, ended(now, EXIT_SIGNAL + SIGKILL));
  held.release();
}

/** Names whose container has gone: its carrick was killed in between. */
function sweepNames(): void {
  const home = carrickHome();
  for (const name of namesOf(join(home, 'names'))) {
    try {
      const path = join(home, 'names', name);
      if (name.startsWith(GONE)) { if (older(path)) unlinkIfThere(path); continue; }
      const id = linkAt(path);
      if (id !== '' && namesOf(join(home, 'containers', id)).length === 0) releaseName(home, name, id);
    } catch (error) {
      if (errorCode(error) === '') throw error;
    }
  }
}
