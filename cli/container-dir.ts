/**
 * A container's directory, $CARRICK_HOME/containers/ID:
 *
 *   upper/        the writable layer (vfs owns what is in it)
 *   state.json    who runs it, and what: the directory's lock as well
 *   control.sock  while it runs: shared/control-wire.ts
 *   log           with -d: standard output and error
 *
 * Alive means: the process of state.json exists and was started when state.json says; so a recycled pid is not mistaken for the owner, and
 * nothing has to be unlocked after a crash. The directory is made under another name and renamed when state.json is in it, so that a sweep
 * never sees a living container without state. Kept directories (no --rm, and something written or -d) have status "exited". A name is
 * held by names/NAME, a symbolic link to the id, which only one process can make. With -d the command that was called makes the directory, and the
 * process that goes on running adopts it.
 */
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { RunSpec } from '../shared/spec.js';
import { Lock, tryLock } from '../image/lock.js';
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
/** An unfinished directory (a crash between mkdir and rename) is swept when it is older. ms. */
const UNFINISHED_MS = 60_000;

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
    const unfinished = `${dir.path}.new`;
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
    const state = readState(join(home, 'containers', id));
    if (state === undefined) throw new Failure(`no container ${id}`);
    const path = join(home, 'containers', id);
    const mine = tryLock(path, 'exclusive');
    if (!(mine instanceof Lock)) throw new Failure(`container ${id} is running`);
    const { exitStatus: _, finished: __, ...rest } = state;
    const dir = new ContainerDir(home, { ...rest, detached: detached || rest.detached === true, status: 'running', pid: process.pid, startTime: startTime(process.pid) });
    // Held as long as this process lives: of two that start it again, one does.
    dir.mine = mine;
    if (state.name !== id) dir.namePath = join(home, 'names', state.name);
    dir.write();
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
      const holder = readlinkSync(path);
      const dir = join(this.home, 'containers', holder);
      const state = readState(dir);
      if (state !== undefined && (isAlive(state) || state.status === 'exited')) {
        throw new Failure(`the name "${name}" is taken by container ${holder}, ${state.status === 'exited' ? `which has ended; choose another, or: carrick rm ${name}` : 'which is running; choose another'}`);
      }
      unlinkSync(path);
    }
    throw new Failure(`the name "${name}" was just taken by another container; choose another`);
  }

  /**
   * The container has ended. Keeps the directory when `keep` and the guest has left something in the upper layer, or it ran with -d and has a log and
   * an exit status to ask for; otherwise nothing remains.
   */
  finish(keep: boolean, exitStatus: number): void {
    if (keep && isWorthKeeping(this.path, this.state)) {
      this.state = ended(this.state, exitStatus);
      this.write();
      return;
    }
    remove(this.path);
    if (this.namePath !== '') unlinkSync(this.namePath);
  }
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
  remove(directoryOf(state));
  const name = join(carrickHome(), 'names', state.name);
  try {
    if (readlinkSync(name) === state.id) unlinkSync(name);
  } catch (error) {
    if (errorCode(error) === '') throw error; // it had no name, or another has it by now
  }
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

/** Remove what containers whose carrick was killed have left behind; of those that are kept only note that they have ended. Errors are not this container's business: the next start tries again. */
export function sweep(): void {
  const containers = join(carrickHome(), 'containers');
  for (const name of namesOf(containers)) {
    const dir = join(containers, name);
    try {
      const state = readState(dir);
      const age = Date.now() - lstatSync(dir).mtimeMs;
      if (state === undefined || name.endsWith('.new')) { if (age > UNFINISHED_MS) remove(dir); continue; }
      if (state.status !== 'running' || isAlive(state)) continue;
      if (state.keep === true && isWorthKeeping(dir, state)) writeState(dir, ended(state, EXIT_SIGNAL + SIGKILL)); else remove(dir);
    } catch (error) {
      if (errorCode(error) === '') throw error;
    }
  }
}
