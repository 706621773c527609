/**
 * `carrick start` and `restart`: the first program of an ended container again, on what it has left in its layer; in the background, output to its log, or
 * with -a here, with this process's own standard input and output.
 */
import { ContainerDir, directoryOf } from '../container-dir.js';
import { runContainer } from '../container.js';
import { Failure } from '../failure.js';
import { launch } from './detach.js';
import { stopOne } from './end.js';
import { each, find } from './lookup.js';

interface Window { readonly rows: number; readonly cols: number }

/** 0, or the status of its failure, which has been told. */
async function startOne(ref: string): Promise<number> {
  const state = find(ref);
  const status = state.status === 'running' ? 0 : await launch(state.id, directoryOf(state));
  if (status === 0) process.stdout.write(`${ref}\n`);
  return status;
}

async function attached(refs: readonly string[], { rows, cols }: Window): Promise<number> {
  const [ref = '', ...more] = refs;
  if (more.length > 0) throw new Failure('only one container can be started here; leave -a out');
  const state = find(ref);
  if (state.status === 'running') throw new Failure(`container ${ref} is running; see carrick attach, carrick exec and carrick logs -f`);
  if (state.config === undefined) throw new Failure(`container ${ref} has no configuration`);
  return (await runContainer({ ...state.config, stdio: [0, 1, 2], interactive: true, rows, cols }, { dir: ContainerDir.adopt(state.id, false) })).status;
}

/** The exit status of the command: with `attach` the program's. One that runs is started already. */
export async function startCommand(refs: readonly string[], attach: boolean, window: Window): Promise<number> {
  if (attach) return attached(refs, window);
  let failed = 0;
  const missing = await each(refs, async (ref) => { failed = await startOne(ref) || failed; });
  return missing || failed;
}

/** Stop those that run, start all in the background. */
export async function restartCommand(refs: readonly string[], seconds: number | undefined): Promise<number> {
  let failed = 0;
  const missing = await each(refs, async (ref) => {
    await stopOne(find(ref), seconds);
    failed = await startOne(ref) || failed;
  });
  return missing || failed;
}
