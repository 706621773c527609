/** `carrick stop`, `kill`, `wait`, `rm`: the end of containers that run elsewhere. */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { ControlReply } from '../../shared/control-wire.js';
import { type State, directoryOf, isAlive, removeContainer, sweep } from '../container-dir.js';
import { exitStatus } from '../container.js';
import { Failure } from '../failure.js';
import { Client } from './client.js';
import { each, eachAtOnce, find, findRunning, signalNumber } from './lookup.js';

const { SIGKILL, SIGTERM } = constants.signals;
/** How long carrick itself may take to end after its first process was killed; then it is killed, too. ms. */
const GIVE_UP_MS = 10_000;

/** Send a signal to the first process and wait until carrick has ended: false when it has not within `ms`. */
async function endBy(state: State, signo: number, ms: number): Promise<boolean> {
  const client = Client.tryOpen(state, { op: 'signal', signo });
  if (client === undefined) return gone(state, ms);
  const ended = await client.untilEnd(ms);
  client.close();
  // The connection is closed a moment before carrick is gone.
  return ended !== undefined && gone(state, GIVE_UP_MS);
}

/** Without its socket (it is starting or ending) the process table has to tell. */
async function gone(state: State, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; isAlive(state);) {
    if (Date.now() > end) return false;
    await new Promise((turn) => { setTimeout(turn, 20); });
  }
  return true;
}

async function killNow(state: State): Promise<void> {
  if (await endBy(state, SIGKILL, GIVE_UP_MS)) return;
  if (isAlive(state)) process.kill(state.pid, 'SIGKILL');
  await gone(state, GIVE_UP_MS);
  sweep();
}

/** Between stop's signal and SIGKILL when nobody says otherwise. Seconds. */
const STOP_SECONDS = 10;

/** Signal first, then SIGKILL after `seconds`, undefined = what the container was started with; nothing when it has ended. */
export async function stopOne(state: State, seconds = state.config?.stopTimeout ?? STOP_SECONDS, signal?: string): Promise<void> {
  if (state.status !== 'running') return;
  const asked = signal ?? state.config?.stopSignal ?? '';
  const signo = asked === '' ? SIGTERM : signalNumber(asked);
  if (seconds === 0 || !await endBy(state, signo, seconds * 1000)) await killNow(state);
}

/** All at once; prints each that has ended. */
export function stopCommand(refs: readonly string[], seconds: number | undefined, signal: string | undefined): Promise<number> {
  return eachAtOnce(refs, async (ref) => {
    await stopOne(find(ref), seconds, signal);
    process.stdout.write(`${ref}\n`);
  });
}

export function killCommand(refs: readonly string[], signal: string): Promise<number> {
  const signo = signalNumber(signal);
  return each(refs, async (ref) => {
    const client = Client.open(findRunning(ref), { op: 'signal', signo });
    const reply = await new Promise<ControlReply | undefined>((done) => { client.onReply = done; });
    if (reply === undefined) throw new Failure(`container ${ref} has ended`);
    // A container that this kills is to be gone when the command returns, as far as that takes no time.
    if (signo === SIGKILL) await client.untilEnd(GIVE_UP_MS);
    client.close();
    process.stdout.write(`${ref}\n`);
  });
}

/** Prints the exit status of each once it has ended. */
export function waitCommand(refs: readonly string[]): Promise<number> {
  return each(refs, async (ref) => { process.stdout.write(`${await statusOf(find(ref))}\n`); });
}

async function statusOf(state: State): Promise<number> {
  const client = state.status === 'running' ? Client.tryOpen(state, { op: 'wait' }) : undefined;
  const last = (await client?.untilEnd())?.findLast((reply) => reply.event === 'exited');
  if (last?.event === 'exited') return exitStatus(last.status);
  if (state.status === 'running') await gone(state, Number.POSITIVE_INFINITY);
  return find(state.id).exitStatus ?? 0;
}

export function rmCommand(refs: readonly string[], force: boolean): Promise<number> {
  return each(refs, async (ref) => {
    const state = find(ref);
    if (state.status === 'running') {
      if (!force) throw new Failure(`container ${ref} is running; stop it first, or: carrick rm -f ${ref}`);
      await killNow(state);
      // With --rm it has gone by itself.
      if (!existsSync(directoryOf(state))) { process.stdout.write(`${ref}\n`); return; }
    }
    removeContainer(state);
    process.stdout.write(`${ref}\n`);
  });
}
