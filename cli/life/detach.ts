/**
 * `carrick run -d`: the container runs in a process of its own session, which outlives this one.
 *
 *   run -d ── makes the directory ── starts `run-detached ID`, output to the directory's log ──► adopts the directory, runs the container
 *     │◄──────────── a byte on fd 3: the first process runs ───────────────────────────────────────┘
 *     └─ prints the id                 (end of file instead: it failed; the log says why)
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunSpec } from '../../shared/spec.js';
import { createDir, runContainer } from '../container.js';
import { ContainerDir, readState, removeContainer } from '../container-dir.js';
import { EXIT_CARRICK, Failure, complain } from '../failure.js';

export const LOG = 'log';
const REPORT_FD = 3;

/** Start it; the exit status of the command. */
export async function runDetached(spec: RunSpec, keep: boolean): Promise<number> {
  // It reads nothing: fd 0 is /dev/null, a terminal has no keys.
  const config: RunSpec = { ...spec, stdio: [-1, 1, 2], interactive: false };
  const dir = createDir(config, { detached: true, keep, config });
  const log = openSync(join(dir.path, LOG), 'a', 0o600);
  const bundle = resolve(dirname(fileURLToPath(import.meta.url)), 'carrick.mjs');
  const child = spawn(process.execPath, [...process.execArgv, bundle, 'run-detached', spec.id], { detached: true, stdio: ['ignore', log, log, 'pipe'] });
  closeSync(log);
  const started = await new Promise<boolean>((done) => {
    child.on('error', () => { done(false); });
    const report = child.stdio[REPORT_FD];
    report?.on('data', () => { done(true); });
    report?.on('error', () => { done(false); });
    report?.on('close', () => { done(false); });
  });
  if (started) {
    process.stdout.write(`${spec.id}\n`);
    return 0;
  }
  const status = child.exitCode ?? await new Promise<number>((done) => { child.on('exit', (code) => { done(code ?? EXIT_CARRICK); }); child.on('error', () => { done(EXIT_CARRICK); }); });
  try {
    complain(readFileSync(join(dir.path, LOG), 'utf8'));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error; // --rm: the log has gone with the rest
  }
  const state = readState(dir.path);
  if (state !== undefined) removeContainer(state);
  return status === 0 ? EXIT_CARRICK : status;
}

/** The process that stays: runs the container of a directory that was made for it. */
export async function continueDetached(id: string): Promise<number> {
  const dir = ContainerDir.adopt(id);
  if (dir.config === undefined) throw new Failure(`container ${id} has no configuration`);
  const { status } = await runContainer(dir.config, dir.keep, { dir, onStarted: () => {
    try {
      writeSync(REPORT_FD, '.');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error; // nobody waits any more: run on
    }
    closeSync(REPORT_FD);
  } });
  return status;
}
