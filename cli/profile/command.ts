/**
 * `carrick profile`: runs a container, gathers what the host's kernel and the servers note meanwhile, writes a profile at the end.
 *
 *   host's rings (perfRead) ──┐ every DRAIN_MS, in this (the main) thread,
 *   servers' call logs ───────┴─► sorted by time ─► Collector ─► text │ html │ speedscope
 *
 * An event is taken when it is older than the begin of the drain that brought it: all rings have then told everything before it.
 */
import { readFileSync, writeSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CallLogReader, allocCallLog } from '../../shared/call-log.js';
import { nowNs } from '../../shared/clock.js';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import type { RunSpec } from '../../shared/spec.js';
import { toPath, toText } from '../bytes.js';
import { type Observer, runContainer } from '../container.js';
import { Failure, why } from '../failure.js';
import { Collector, type ProfileEvent } from './collector.js';
import { FORMATS, type Format, type WorkerLoad, format } from './formats.js';
import { perfRecords } from './perf-records.js';
import { Symbols } from './symbols.js';

export interface ProfileFlags { readonly format: string; readonly output?: string; readonly hz: string }

const DRAIN_MS = 20;
const BUFFER = 4 << 20;
const EACCES = 13, EPERM = 1;
const HZ_MAX = 10000;

/** Processor time of one of our threads: on a processor, waiting for one; ns. proc_pid_schedstat(5). */
function schedstat(tid: number): readonly [number, number] {
  const [on = 0, waiting = 0] = readFileSync(`/proc/self/task/${tid}/schedstat`, 'latin1').split(' ').map(Number);
  return [on, waiting];
}

class Recorder implements Observer {
  readonly callLogs = Array.from({ length: L.SRV_COUNT }, allocCallLog);
  readonly notes: string[] = [];
  readonly workers: WorkerLoad[] = [];
  collector: Collector | undefined;
  wallNs = 0;
  private readonly readers = this.callLogs.map((log, srv) => new CallLogReader(srv, log));
  private readonly tids = new Map<string, number>();
  private readonly scratch = Buffer.from(new SharedArrayBuffer(BUFFER));
  private pending: ProfileEvent[] = [];
  private sampled = false;
  private beginNs = nowNs();
  private timer: NodeJS.Timeout | undefined;
  private before = new Map<string, readonly [number, number]>();

  constructor(private readonly hz: number) {}

  worker(name: string, tid: number): void { this.tids.set(name, tid); }

  sampling(result: number): void {
    this.sampled = result > 0;
    if (!this.sampled) {
      this.notes.push(result === -EACCES || result === -EPERM
        ? 'guests could not be sampled: this host allows it to root only; as root: sysctl kernel.perf_event_paranoid=2'
        : `guests could not be sampled: perf_event_open failed (errno ${-result})`);
    }
    const stub = resolve(dirname(fileURLToPath(import.meta.url)), '../native/build/stub');
    this.collector = new Collector(new Symbols(), stub, 1e9 / this.hz, this.sampled);
    native.setScratch(this.scratch);
    this.beginNs = nowNs();
    for (const [name, tid] of this.tids) this.before.set(name, schedstat(tid));
    this.timer = setInterval(() => { this.drain(); }, DRAIN_MS);
  }

  ended(): void {
    this.wallNs = nowNs() - this.beginNs;
    clearInterval(this.timer);
    if (this.collector === undefined) return;
    this.drain();
    this.settle(Infinity);
    for (const [name, tid] of this.tids) {
      const [on, waiting] = schedstat(tid), [onBefore, waitingBefore] = this.before.get(name) ?? [0, 0];
      this.workers.push({ name, cpuNs: on - onBefore, waitNs: waiting - waitingBefore });
    }
    const lost = this.readers.reduce((sum, reader) => sum + reader.lost, 0);
    if (lost > 0) this.notes.push(`${lost} answered calls came too fast and are missing`);
    if (this.collector.lostRecords > 0) this.notes.push(`the host dropped ${this.collector.lostRecords} records: times are too low`);
  }

  private drain(): void {
    const before = nowNs();
    for (const reader of this.readers) reader.drain((call) => { this.pending.push({ ...call, kind: 'call', ns: call.endNs }); });
    for (let n; (n = this.sampled ? native.perfRead(0, BUFFER) : 0) > 0;) for (const record of perfRecords(this.scratch, n)) this.pending.push(record);
    this.settle(before);
  }

  /** Take what happened before a time, in order. */
  private settle(before: number): void {
    this.pending.sort((a, b) => a.ns - b.ns);
    let n = 0;
    while (n < this.pending.length && (this.pending[n] as ProfileEvent).ns < before) this.collector?.take(this.pending[n++] as ProfileEvent);
    this.pending = this.pending.slice(n);
  }
}

/** Run and profile; the run's exit status. */
export async function profileRun(spec: RunSpec, flags: ProfileFlags): Promise<number> {
  const hz = Number(flags.hz);
  if (!Number.isInteger(hz) || hz < 1 || hz > HZ_MAX) throw new Failure(`--hz ${toText(flags.hz)}: give a number from 1 to ${HZ_MAX}`);
  const as = FORMATS.find((one) => one === flags.format);
  if (as === undefined) throw new Failure(`--format ${toText(flags.format)}: give one of ${FORMATS.join(', ')}`);
  const recorder = new Recorder(hz);
  const { status } = await runContainer({ ...spec, profileHz: hz }, { observer: recorder });
  if (recorder.collector === undefined) return status;
  write(recorder, spec, as, flags.output);
  return status;
}

function write(recorder: Recorder, spec: RunSpec, as: Format, output: string | undefined): void {
  const text = format({
    command: spec.argv.map(toText).join(' '), wallNs: recorder.wallNs, collector: recorder.collector as Collector, workers: recorder.workers, notes: recorder.notes,
  }, as);
  try {
    if (output === undefined) writeAll(2, text); else writeFileSync(toPath(output), text);
  } catch (error) {
    throw new Failure(`cannot write the profile${output === undefined ? '' : ` to ${toText(output)}`}: ${why(error)}`, undefined, { cause: error });
  }
}

function writeAll(fd: number, text: string): void {
  for (let bytes = Buffer.from(text); bytes.length > 0;) bytes = bytes.subarray(writeSync(fd, bytes));
}
