/**
 * `carrick run -d`: the container runs in a process of its own session, which outlives this one.
 *
 *   run -d ── makes the directory ── starts `run-detached ID`, output to the directory's logs ─► adopts the directory, runs the container
 *     │◄──────────── a byte on fd 3: the first process runs ───────────────────────────────────────┘
 *     └─ prints the id                 (end of file instead: it failed; the log says why)
 *
 * `carrick start` (start.ts) does the same with the directory of a container that has ended.
 *
 * `run -it --detach-keys` is `run -d -it` and `attach` in one (attach.ts): what ends by the keys is only the watching.
 *
 * With -i the first program reads a FIFO of the directory, which this process has open for writing as well, so that it never ends; `carrick attach` (attach.ts) writes to it.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSpec } from '../../shared/spec.js';
import * as host from '../../shared/host.js';
import { commandBundle, loadAddon } from '../addon.js';
import { toBytes } from '../bytes.js';
import { createDir, runContainer } from '../container.js';
import { ContainerDir, type State, readState, removeContainer } from '../container-dir.js';
import { EXIT_CARRICK, Failure, complain } from '../failure.js';
import { STDIN, beAt, parseKeys } from './attach.js';
import { LOGS, LogClock, makeLogs } from './log-times.js';
import { LogReader } from './logs.js';

const REPORT_FD = 3;
const S_IFIFO = 0o010000, EEXIST = 17;

/** Start it; the exit status of the command. */
export async function runDetached(spec: RunSpec): Promise<number> {
  const { dir, status } = await begin(spec);
  if (status === 0) process.stdout.write(`${spec.id}\n`);
  else discard(dir);
  return status;
}

/** `run -it --detach-keys`: start it, and be at it until it ends or the keys come; the exit status of the command. */
export async function runAttached(spec: RunSpec, detachKeys: string): Promise<number> {
  parseKeys(detachKeys);
  let log: LogReader | undefined;
  const { dir, state, status, ended } = await begin(spec, (made) => { log = new LogReader(made); });
  if (status !== 0 || log === undefined) { discard(dir); return status; }
  return beAt(state, log, { sigProxy: true, stdin: true, detachKeys }, () => ended);
}

function discard(dir: string): void {
  const state = readState(dir);
  if (state !== undefined) removeContainer(state);
}

/** Make its directory, and start it there. status: of launch; ended: the exit status of the process that stays. */
async function begin(spec: RunSpec, made: (state: State) => void = () => undefined): Promise<{ readonly dir: string; readonly state: State; readonly status: number; readonly ended: Promise<number> }> {
  const config: RunSpec = { ...spec, stdio: [-1, 1, 2] };
  const { path: dir } = createDir(config, { detached: true, keep: spec.keep, config });
  makeLogs(dir);
  const state = readState(dir);
  if (state === undefined) throw new Failure(`container ${spec.id} has just been removed`);
  made(state);
  let ended = Promise.resolve(0);
  const status = await launch(spec.id, dir, (end) => { ended = end; });
  return { dir, state, status, ended };
}

/** Start the process that stays; 0 once the first program runs, else the exit status that says why not, with its words on standard error. ending: its exit status. */
export async function launch(id: string, dir: string, ending: (status: Promise<number>) => void = () => undefined): Promise<number> {
  makeLogs(dir);
  const [out, err] = LOGS.map((name) => openSync(join(dir, name), 'a+', 0o600)) as [number, number], begin = fstatSync(err).size;
  const child = spawn(process.execPath, [...process.execArgv, commandBundle, 'run-detached', id], { detached: true, stdio: ['ignore', out, err, 'pipe'] });
  closeSync(out);
  const ended = new Promise<number>((done) => { child.on('exit', (code) => { done(code ?? EXIT_CARRICK); }); child.on('error', () => { done(EXIT_CARRICK); }); });
  ending(ended);
  const started = await new Promise<boolean>((done) => {
    child.on('error', () => { done(false); });
    const report = child.stdio[REPORT_FD];
    report?.on('data', () => { done(true); });
    report?.on('error', () => { done(false); });
    report?.on('close', () => { done(false); });
  });
  const status = started ? 0 : await ended;
  if (!started) {
    // By its descriptor: with --rm the log has gone with the rest.
    const said = Buffer.alloc(fstatSync(err).size - begin);
    complain(said.subarray(0, readSync(err, said, 0, said.length, begin)).toString('utf8'));
  }
  closeSync(err);
  if (started) return 0;
  return status === 0 ? EXIT_CARRICK : status;
}

/** A standard input that `attach` can write to: the fd to read. The one for writing stays open. */
function openStdin(dir: string): number {
  const path = join(dir, STDIN), r = host.mknodat(host.AT_FDCWD, toBytes(path), S_IFIFO | 0o600, 0);
  if (r < 0 && r !== -EEXIST) throw new Failure(`cannot make ${path} (errno ${-r})`);
  openSync(path, constants.O_RDWR);
  return openSync(path, constants.O_RDONLY);
}

/** The process that stays: runs the container of a directory that was made for it. */
export async function continueDetached(id: string): Promise<number> {
  loadAddon();
  const dir = ContainerDir.adopt(id, true);
  if (dir.config === undefined) throw new Failure(`container ${id} has no configuration`);
  const clock = new LogClock(dir.path);
  // Without -i it reads nothing: fd 0 is /dev/null, a terminal has no keys.
  const { status } = await runContainer({ ...dir.config, stdio: [dir.config.interactive ? openStdin(dir.path) : -1, 1, 2] }, { dir, onStarted: () => {
    try {
      writeSync(REPORT_FD, '.');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error; // nobody waits any more: run on
    }
    closeSync(REPORT_FD);
  } });
  clock.stop();
  return status;
}
