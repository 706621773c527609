/**
 * A container's directory, $CARRICK_HOME/containers/ID:
 *
 *   upper/       the writable layer (vfs owns what is in it)
 *   state.json   who runs it: the directory's lock as well
 *
 * Alive means: the process of state.json exists and was started when state.json says; so a recycled pid is not mistaken for the owner, and
 * nothing has to be unlocked after a crash. The directory is made under another name and renamed when state.json is in it, so that a sweep
 * never sees a living container without state. Kept directories (no --rm, something written) have status "exited". A name is
 * held by names/NAME, a symbolic link to the id, which only one process can make.
 */
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Failure, why } from './failure.js';

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
  readonly created: string;
}

/** An unfinished directory (a crash between mkdir and rename) is swept when it is older. ms. */
const UNFINISHED_MS = 60_000;

export function carrickHome(): string {
  return resolve(process.env['CARRICK_HOME'] || join(homedir(), '.carrick'));
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Start time of a process, or '' when there is none. */
export function startTime(pid: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (errorCode(error) !== '') return '';
    throw error;
  }
  // The command name, field 2, may hold anything, parentheses too; fields are counted after its last one.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readState(dir: string): State | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as State;
  } catch {
    return undefined; // none, or half written by a crash
  }
}

function isAlive(state: State): boolean {
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

  private constructor(private readonly home: string, private state: State) {
    this.path = join(home, 'containers', state.id);
    this.upper = join(this.path, 'upper');
  }

  /** Make the directory of a new container that this process runs. */
  static create(id: string, name: string, command: readonly string[]): ContainerDir {
    const home = carrickHome();
    const state: State = { id, name, pid: process.pid, startTime: startTime(process.pid), status: 'running', command, created: new Date().toISOString() };
    const dir = new ContainerDir(home, state);
    const unfinished = `${dir.path}.new`;
    try {
      mkdirSync(join(unfinished, 'upper'), { recursive: true, mode: 0o700 });
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

  /** Hold a name; a holder that is gone loses it. */
  private claimName(name: string): void {
    const path = join(this.home, 'names', name);
    mkdirSync(join(this.home, 'names'), { recursive: true, mode: 0o700 });
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
        throw new Failure(`the name "${name}" is taken by container ${holder}; choose another, or remove ${dir} if it has ended`);
      }
      unlinkSync(path);
    }
    throw new Failure(`the name "${name}" was just taken by another container; choose another`);
  }

  /**
   * The container has ended. Keeps the directory when `keep` and the guest has left something in the upper layer; otherwise nothing remains.
   */
  finish(keep: boolean, exitStatus: number): void {
    if (keep && readdirSync(this.upper).length > 0) {
      this.state = { ...this.state, status: 'exited', exitStatus };
      writeFileSync(join(this.path, 'state.json.new'), JSON.stringify(this.state));
      renameSync(join(this.path, 'state.json.new'), join(this.path, 'state.json'));
      return;
    }
    remove(this.path);
    if (this.namePath !== '') unlinkSync(this.namePath);
  }
}

/** state.json goes last, so that a removal that is cut short is still recognised and finished by a later sweep. */
function remove(dir: string): void {
  removeTree(join(dir, 'upper'));
  removeTree(dir);
}

/** Remove what containers whose carrick was killed have left behind. Errors are not this container's business: the next start tries again. */
export function sweep(): void {
  const containers = join(carrickHome(), 'containers');
  let names: string[];
  try {
    names = readdirSync(containers);
  } catch (error) {
    if (errorCode(error) !== '') return;
    throw error;
  }
  for (const name of names) {
    const dir = join(containers, name);
    try {
      const state = readState(dir);
      const age = Date.now() - lstatSync(dir).mtimeMs;
      if (state === undefined || name.endsWith('.new') ? age > UNFINISHED_MS : state.status === 'running' && !isAlive(state)) remove(dir);
    } catch (error) {
      if (errorCode(error) === '') throw error;
    }
  }
}
