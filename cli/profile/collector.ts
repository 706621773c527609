/**
 * Puts the host's records and the servers' logs together: where each guest thread was at every moment.
 *
 *   on a processor    program counters, sampled             → program; functions…                       (in the stub: carrick's part, fast path and traps)
 *   off, preempted                                          → program; [waiting for a processor]
 *   off, call answered meanwhile   out ─ arrival ─ answer ─ in  → program; call; queue │ handler │ parked │ wake-up
 *   off, nothing of the kind       futex, sleep, granted I/O    → program; [asleep in the host]
 *
 * Events come in the order of their times. A thread that is off a processor sleeps in one call, so the call that a server answered between the thread's leaving and
 * its return is that one.
 */
import { basename } from 'node:path';
import type { LoggedCall } from '../../shared/call-log.js';
import * as L from '../../shared/gen/layout.js';
import { NR_MAX, SYSCALL_NAMES } from '../../shared/gen/syscalls.js';
import { SERVER_NAMES } from '../../shared/server-names.js';
import type { PerfRecord } from './perf-records.js';
import type { Symbols } from './symbols.js';
import { StackNode } from './tree.js';

export type ProfileEvent = PerfRecord | (LoggedCall & { readonly kind: 'call'; readonly ns: number });

export interface CallTotals { readonly name: string; readonly server: string; calls: number; errors: number; queueNs: number; handlerNs: number; parkedNs: number; wakeNs: number }

export interface ProgramTotals { readonly name: string; processes: number; cpuNs: number; stubNs: number; kernelNs: number; callNs: number; asleepNs: number; readyNs: number }

interface Mapping { readonly start: number; readonly end: number; readonly offset: number; readonly ino: number; readonly path: string }
interface Process { name: string; maps: Mapping[] }
interface Thread { readonly process: Process; offNs: number; preempted: boolean; call: LoggedCall | undefined }

const STUB_END = L.STUB_ADDR + L.STUB_MAX;

export class Collector {
  readonly tree = new StackNode('');
  readonly programs = new Map<string, ProgramTotals>();
  readonly calls = new Map<string, CallTotals>();
  /** Functions by their own processor time. */
  readonly functions = new Map<string, number>();
  lostRecords = 0;
  samples = 0;
  private readonly processes = new Map<number, Process>();
  private readonly threads = new Map<number, Thread>();

  /** sampled: the host's records come too, so that waiting is seen from the thread's side; else only what the servers saw counts. */
  constructor(private readonly symbols: Symbols, private readonly stub: string, private readonly sampleNs: number, private readonly sampled: boolean) {}

  take(e: ProfileEvent): void {
    switch (e.kind) {
      case 'call': this.call(e); break;
      case 'sample': this.sample(e.pid, e.tid, e.kernel, e.pcs); break;
      case 'switch': this.switched(e.pid, e.tid, e.ns, e.out, e.preempted); break;
      case 'map': this.map(this.process(e.pid), e); break;
      case 'comm': this.named(e.pid, e.tid, e.comm, e.exec); break;
      case 'fork': this.forked(e.pid, e.tid, e.parent); break;
      case 'exit': this.threads.delete(e.tid); if (e.pid === e.tid) this.processes.delete(e.pid); break;
      case 'lost': this.lostRecords += e.records; break;
    }
  }

  private process(pid: number): Process {
    let p = this.processes.get(pid);
    if (p === undefined) this.processes.set(pid, p = { name: '?', maps: [] });
    return p;
  }

  private thread(pid: number, tid: number): Thread {
    let t = this.threads.get(tid);
    if (t === undefined) this.threads.set(tid, t = { process: this.process(pid), offNs: NaN, preempted: false, call: undefined });
    return t;
  }

  private program(name: string): ProgramTotals {
    let p = this.programs.get(name);
    if (p === undefined) this.programs.set(name, p = { name, processes: 0, cpuNs: 0, stubNs: 0, kernelNs: 0, callNs: 0, asleepNs: 0, readyNs: 0 });
    return p;
  }

  private forked(pid: number, tid: number, parent: number): void {
    if (pid === parent) { this.thread(pid, tid); return; }
    const from = this.process(parent);
    this.processes.set(pid, { name: from.name, maps: [...from.maps] });
    this.program(from.name).processes++;
  }

  /** A name: of the host's exec (the stub; its mappings are gone), then of the guest's program, which the stub sets. */
  private named(pid: number, tid: number, comm: string, exec: boolean): void {
    const p = this.process(pid);
    if (exec) { p.maps = []; return; }
    if (pid !== tid || comm === p.name) return;
    const before = this.programs.get(p.name);
    if (before !== undefined && before.processes > 0) before.processes--;
    p.name = comm;
    this.program(comm).processes++;
  }

  private map(p: Process, m: Mapping): void {
    p.maps = p.maps.filter((old) => old.end <= m.start || old.start >= m.end);
    p.maps.push(m);
  }

  private frame(p: Process, pc: number): string {
    if (pc >= L.STUB_ADDR && pc < STUB_END) return `${this.symbols.atAddress(this.stub, pc) ?? '?'} [carrick]`;
    const m = p.maps.find((one) => pc >= one.start && pc < one.end);
    if (m === undefined) return '[unknown]';
    if (!m.path.startsWith('/') || m.path.startsWith('//')) return m.path.startsWith('[') ? m.path : '[generated code]';
    return this.symbols.at(m.path, m.ino, pc - m.start + m.offset) ?? `[${basename(m.path)}]`;
  }

  private sample(pid: number, tid: number, kernel: boolean, pcs: readonly number[]): void {
    const p = this.thread(pid, tid).process;
    const stack = pcs.map((pc) => this.frame(p, pc)).reverse();
    if (kernel) stack.push('[host kernel]');
    const totals = this.program(p.name), pc = pcs[0] ?? 0;
    this.samples++;
    if (pc >= L.STUB_ADDR && pc < STUB_END) totals.stubNs += this.sampleNs;
    else if (kernel) totals.kernelNs += this.sampleNs;
    else totals.cpuNs += this.sampleNs;
    const leaf = stack.at(-1) ?? '[unknown]';
    this.functions.set(leaf, (this.functions.get(leaf) ?? 0) + this.sampleNs);
    this.tree.add([p.name, ...stack], this.sampleNs);
  }

  private call(c: LoggedCall): void {
    const t = c.tid > 0 ? this.threads.get(c.tid) : undefined;
    if (t !== undefined) t.call = c;
    const totals = this.callTotals(c);
    // The second half of a clone: its time counts, it is no call of its own.
    if (c.nr < NR_MAX) totals.calls++;
    if (c.ret < 0) totals.errors++;
    totals.handlerNs += c.busyNs;
    if (this.sampled) return;
    const parked = c.endNs - c.startNs - c.busyNs;
    totals.parkedNs += parked;
    this.tree.add(['(all programs)', totals.name, `handler (${totals.server})`], c.busyNs);
    this.tree.add(['(all programs)', totals.name, 'parked'], parked);
  }

  private callTotals(c: LoggedCall): CallTotals {
    const name = c.nr === L.NR_CLONE_COMMIT ? 'clone' : c.nr >= NR_MAX ? `[stub request ${c.nr}]` : SYSCALL_NAMES[c.nr] ?? `syscall_${c.nr}`;
    const server = SERVER_NAMES[c.srv] ?? '?', key = `${server} ${name}`;
    let totals = this.calls.get(key);
    if (totals === undefined) this.calls.set(key, totals = { name, server, calls: 0, errors: 0, queueNs: 0, handlerNs: 0, parkedNs: 0, wakeNs: 0 });
    return totals;
  }

  private switched(pid: number, tid: number, ns: number, out: boolean, preempted: boolean): void {
    const t = this.thread(pid, tid);
    if (out) { t.offNs = ns; t.preempted = preempted; return; }
    const off = t.offNs, call = t.call, totals = this.program(t.process.name);
    t.offNs = NaN;
    if (Number.isNaN(off)) return;
    if (call !== undefined && call.endNs >= off && call.endNs <= ns) { this.waited(t, call, off, ns, totals); return; }
    if (t.preempted) totals.readyNs += ns - off; else totals.asleepNs += ns - off;
    this.tree.add([t.process.name, t.preempted ? '[waiting for a processor]' : '[asleep in the host]'], ns - off);
  }

  /** A thread was off from `off` to `ns`, in which a server answered its call. */
  private waited(t: Thread, call: LoggedCall, off: number, ns: number, program: ProgramTotals): void {
    const totals = this.callTotals(call);
    const start = Math.max(off, call.startNs), served = call.endNs - start, busy = Math.min(call.busyNs, served);
    const parts: ReadonlyArray<readonly [string, number]> = [['queue', start - off], [`handler (${totals.server})`, busy], ['parked', served - busy], ['wake-up', ns - call.endNs]];
    totals.queueNs += start - off;
    totals.parkedNs += served - busy;
    totals.wakeNs += ns - call.endNs;
    program.callNs += ns - off;
    for (const [part, took] of parts) if (took > 0) this.tree.add([t.process.name, totals.name, part], took);
  }
}
