/** Finding a container by what the user calls it, and a signal by its name. */
import { constants } from 'node:os';
import { type State, listContainers } from '../container-dir.js';
import { Failure, report } from '../failure.js';

/** By name, by id, or by the beginning of an id that no other has. */
export function pick(all: readonly State[], ref: string): State {
  const exact = all.find((s) => s.name === ref) ?? all.find((s) => s.id === ref);
  if (exact !== undefined) return exact;
  const by = /^[0-9a-f]+$/.test(ref) ? all.filter((s) => s.id.startsWith(ref)) : [];
  if (by.length > 1) throw new Failure(`${by.length} containers have an id that begins with ${ref}; write more of it`);
  if (by[0] === undefined) throw new Failure(`no container ${ref}; see carrick ps -a`);
  return by[0];
}

export const find = (ref: string): State => pick(listContainers(), ref);

export function findRunning(ref: string): State {
  const state = find(ref);
  if (state.status !== 'running') throw new Failure(`container ${ref} has ended`);
  return state;
}

/** Do it for every container that was named, also when it fails for one; the exit status, after a line for each failure. */
export async function each(refs: readonly string[], work: (ref: string) => Promise<void> | void): Promise<number> {
  let status = 0;
  for (const ref of refs) status = await told(ref, work) || status;
  return status;
}

/** The same, all at once: what waits for each. */
export async function eachAtOnce(refs: readonly string[], work: (ref: string) => Promise<void>): Promise<number> {
  return Math.max(0, ...await Promise.all(refs.map((ref) => told(ref, work))));
}

async function told(ref: string, work: (ref: string) => Promise<void> | void): Promise<number> {
  try {
    await work(ref);
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** KILL, SIGKILL, kill, 9, RTMIN+3. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name) && Number(name) >= 1 && Number(name) <= 64) return Number(name);
  const real = /^RTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (real !== null) {
    const signo = (real[1] === 'IN' ? 34 : 64) + (real[3] === undefined ? 0 : Number(`${real[2]}${real[3]}`));
    if (signo >= 34 && signo <= 64) return signo;
  }
  const known: Readonly<Record<string, number>> = constants.signals;
  const signo = known[`SIG${name}`];
  if (signo === undefined) throw new Failure(`no signal ${text}; write TERM, SIGTERM or 15`);
  return signo;
}
