/**
 * `carrick top`: a running container's processes and carrick's own workers, live.
 *
 *   control socket: which processes there are, their requests; each server's answers and parked requests (kernel/usage.ts)
 *   host's /proc:   processor time, memory and state of both
 *
 * Rates are differences between two rounds; the first round has none. On a terminal the page is drawn anew on the alternate screen, which is left as it was.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { ReadStream, isatty } from 'node:tty';
import type { ControlReply, UsageReply } from '../../shared/control-wire.js';
import { SERVER_NAMES } from '../../shared/server-names.js';
import { toText } from '../bytes.js';
import { duration, printable, table } from '../columns.js';
import type { State } from '../container-dir.js';
import { Failure } from '../failure.js';
import { windowSize } from '../terminal.js';
import { Client } from './client.js';
import { findRunning } from './lookup.js';

const TICK_MS = 10;
const PAGE_KIB = 4;
/** Stop reading keys, show the cursor, go back to the other screen. */
const ENTER = '\x1b[?1049h\x1b[?25l', LEAVE = '\x1b[?25h\x1b[?1049l', HOME = '\x1b[H', CLEAR_LINE = '\x1b[K', CLEAR_BELOW = '\x1b[J';

export interface Sample {
  /** ms, of any clock. */
  readonly at: number;
  readonly usage: UsageReply;
  /** By host pid: state, processor time ms, resident KiB. Without those that have gone. */
  readonly host: ReadonlyMap<number, { readonly state: string; readonly cpuMs: number; readonly rssKib: number }>;
  /** Processor time of each worker, ms, in the order of SRV_*. */
  readonly workers: readonly number[];
}

/** What may end at any moment: `none` when it has. */
function ifThere<T>(read: () => T, none: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return none;
    throw error;
  }
}

const textOf = (path: string): string => ifThere(() => readFileSync(path, 'latin1'), '');

function sampleOf(carrick: number, usage: UsageReply): Sample {
  const host = new Map<number, { state: string; cpuMs: number; rssKib: number }>();
  for (const { hostPid } of usage.processes) {
    const stat = textOf(`/proc/${hostPid}/stat`), f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat !== '') host.set(hostPid, { state: f[0] ?? '?', cpuMs: (Number(f[11]) + Number(f[12])) * TICK_MS, rssKib: Number(f[21]) * PAGE_KIB });
  }
  const workers = SERVER_NAMES.map(() => 0);
  for (const tid of ifThere(() => readdirSync(`/proc/${carrick}/task`), [])) {
    const srv = SERVER_NAMES.findIndex((name) => textOf(`/proc/${carrick}/task/${tid}/comm`).trim() === `carrick-${name}`);
    if (srv >= 0) workers[srv] = Number(textOf(`/proc/${carrick}/task/${tid}/schedstat`).split(' ')[0]) / 1e6;
  }
  return { at: performance.now(), usage, host, workers };
}

/** The tables of one round; `before` undefined: the first, without rates. */
export function page(title: string, now: Sample, before: Sample | undefined): string {
  const ms = before === undefined ? NaN : now.at - before.at;
  const percent = (a: number, b: number | undefined): string => Number.isNaN(ms) || b === undefined ? '-' : (Math.max(0, a - b) / ms * 100).toFixed(1);
  const rate = (a: number, b: number | undefined): string => Number.isNaN(ms) || b === undefined ? '-' : Math.max(0, Math.round((a - b) / ms * 1000)).toString();
  const requestsBefore = new Map(before?.usage.processes.map((p) => [p.hostPid, p.requests]));
  const processes = [...now.usage.processes].map((p) => ({ ...p, host: now.host.get(p.hostPid), used: (now.host.get(p.hostPid)?.cpuMs ?? 0) - (before?.host.get(p.hostPid)?.cpuMs ?? 0) }))
    .sort((a, b) => b.used - a.used || a.pid - b.pid);
  return `${title}\n\n${table([
    ['WORKER', 'CPU%', 'CALLS/S', 'PARKED', 'CALLS'],
    ...SERVER_NAMES.map((name, srv) => [name, percent(now.workers[srv] ?? 0, before?.workers[srv]), rate(now.usage.servers[srv]?.calls ?? 0, before?.usage.servers[srv]?.calls),
      String(now.usage.servers[srv]?.parked ?? 0), String(now.usage.servers[srv]?.calls ?? 0)]),
  ])}\n${table([
    ['PID', 'HOST PID', 'S', 'CPU%', 'RSS MiB', 'THREADS', 'REQUESTS/S', 'COMMAND'],
    ...processes.map((p) => [String(p.pid), String(p.hostPid), p.host?.state ?? '-', percent(p.host?.cpuMs ?? 0, before?.host.get(p.hostPid)?.cpuMs), ((p.host?.rssKib ?? 0) / 1024).toFixed(1),
      String(p.tasks), rate(p.requests, requestsBefore.get(p.hostPid)), printable(toText(p.name))]),
  ])}`;
}

/** The terminal as a page, and its keys; nothing of it without a terminal. */
class Screen {
  private input: ReadStream | undefined;
  private readonly drawn = isatty(1);

  open(quit: () => void): void {
    if (!this.drawn) return;
    process.stdout.write(ENTER);
    if (!isatty(0)) return;
    this.input = new ReadStream(0);
    this.input.setRawMode(true);
    this.input.on('data', (keys: Buffer) => { if (/[q\x03]/.test(keys.toString('latin1'))) quit(); });
  }

  show(text: string): void {
    if (!this.drawn) { process.stdout.write(`${text}\n`); return; }
    const { rows, cols } = windowSize();
    process.stdout.write(`${HOME}${text.split('\n').slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, cols)).join(`${CLEAR_LINE}\n`)}${CLEAR_LINE}${CLEAR_BELOW}`);
  }

  close(): void {
    this.input?.setRawMode(false);
    this.input?.destroy();
    if (this.drawn) process.stdout.write(LEAVE);
  }
}

/** Until q, the container's end, or so many rounds. */
export async function topCommand(ref: string, delay: number, rounds: number | undefined): Promise<void> {
  if (delay === 0 || rounds === 0) throw new Failure('the delay and the rounds must be at least 1');
  const state: State = findRunning(ref);
  const client = Client.open(state, { op: 'usage' });
  const screen = new Screen();
  await new Promise<void>((done) => {
    let before: Sample | undefined, n = 0, timer: NodeJS.Timeout | undefined;
    const end = (): void => { clearTimeout(timer); client.onReply = (): void => undefined; done(); };
    // Without keys Ctrl-C is a signal: the screen is given back all the same.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
    screen.open(end);
    client.onReply = (reply: ControlReply | undefined): void => {
      if (reply === undefined) { end(); return; }
      if (reply.event !== 'usage') return;
      const now = sampleOf(state.pid, reply);
      screen.show(page(`${state.name}  up ${duration(Date.now() - Date.parse(state.started ?? state.created))}`, now, before));
      before = now;
      if (++n === rounds) { end(); return; }
      timer = setTimeout(() => { client.send({ op: 'usage' }); }, delay * 1000);
    };
  });
  screen.close();
  client.close();
}
