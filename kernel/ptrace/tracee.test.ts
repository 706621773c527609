/** Tracing: what a tracer's wait reports, who sees a death first, and what becomes of tracees without a tracer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E, Ret } from '../../shared/errno.js';
import type { Handler } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { installPtrace } from '../calls/ptrace.js';
import { installWait } from '../calls/wait.js';
import { endGroup } from '../task-end.js';
import type { Proc } from '../proc.js';
import { type World, addProc, makeFrame, makeWorld } from '../testing.js';
import { State, type Tracee } from './tracee.js';

const WNOHANG = 1, WALL = 0x40000000;
const ATTACH = 16, CONT = 7, DETACH = 17, SETOPTIONS = 0x4200, SEIZE = 0x4206, INTERRUPT = 0x4207, LISTEN = 0x4208;
const SIGTRAP = 5, SIGKILL = 9, SIGSTOP = 19;

interface Scene { w: World; tracer: Proc; parent: Proc; child: Proc; ptrace: (p: Proc, op: number, pid: number, addr?: number, data?: number) => number; wait: (p: Proc, pid: number) => [number, number] }

/** A child of `parent` that `tracer` is going to trace; both are children of the first process. */
function scene(): Scene {
  const w = makeWorld();
  installPtrace(w.k);
  installWait(w.k);
  const init = addProc(w, { pid: 1 });
  const tracer = addProc(w, { pid: 10, parent: init });
  const parent = addProc(w, { pid: 20, parent: init });
  const child = addProc(w, { pid: 21, parent });
  const call = w.k.ep.handlerOf(NR.NR_ptrace) as Handler;
  const wait4 = w.k.ep.handlerOf(NR.NR_wait4) as Handler;
  return {
    w, tracer, parent, child,
    ptrace: (p, op, pid, addr = 0, data = 0) => call(makeFrame(p, NR.NR_ptrace, [op, pid, addr, data])),
    wait: (p, pid) => {
      const f = makeFrame(p, NR.NR_wait4, [pid, 0, WNOHANG | WALL, 0], { 1: 4 });
      const ret = wait4(f);
      return [ret, ret > 0 ? f.view.getInt32(f.payload, true) : 0];
    },
  };
}

/** The child's stub asks. */
function ask(s: Scene, kind: number, what: number): number {
  return (s.w.k.ep.handlerOf(L.NR_PTRACE_STOP) as Handler)(makeFrame(s.child, L.NR_PTRACE_STOP, [0x1000, kind, what, 0]));
}

const tracee = (s: Scene): Tracee => s.w.k.trace.of(L.tgLeader(s.child.tg)) as Tracee;

test('attach: SIGSTOP is sent, the process is marked; a second tracer, oneself and nobody are refused', () => {
  const s = scene();
  assert.equal(s.ptrace(s.tracer, ATTACH, 10), -E.EPERM);
  assert.equal(s.ptrace(s.tracer, ATTACH, 999), -E.ESRCH);
  assert.equal(s.ptrace(s.tracer, ATTACH, 21), 0);
  assert.equal(s.ptrace(s.parent, ATTACH, 21), -E.EPERM);
  assert.equal(L.taskTracerPid(L.tgLeader(s.child.tg)), 10);
  assert.ok(s.w.sent.some((m) => m.kind === Msg.SIG_TASK && m.words[1] === SIGSTOP));
  assert.equal(s.ptrace(s.tracer, CONT, 21), -E.ESRCH, 'it has not stopped yet');
  assert.equal(s.ptrace(s.parent, CONT, 21), -E.ESRCH, 'it is not his');
});

test('a stop is waited for once, and the tracee goes on with the signal that the tracer gives', () => {
  const s = scene();
  s.ptrace(s.tracer, SEIZE, 21);
  assert.deepEqual(s.wait(s.tracer, 21), [0, 0]);
  assert.equal(ask(s, L.PTSTOP_SIGNAL, 10), Ret.BLOCKED);
  assert.deepEqual(s.wait(s.parent, 21), [0, 0], 'the parent sees nothing of it');
  assert.deepEqual(s.wait(s.tracer, 21), [21, (10 << 8) | 0x7f]);
  assert.deepEqual(s.wait(s.tracer, 21), [0, 0]);
  assert.equal(s.ptrace(s.tracer, CONT, 21, 0, 999), -E.EIO);
  assert.equal(s.ptrace(s.tracer, CONT, 21, 0, 10), 0);
  assert.equal(tracee(s).resume, 10);
  assert.equal(tracee(s).state, State.RUNNING);
});

test('places that nobody asked about are no stops', () => {
  const s = scene();
  assert.equal(ask(s, L.PTSTOP_SIGNAL, 10), 10, 'untraced: the signal is delivered');
  assert.equal(ask(s, L.PTSTOP_EVENT, 1), 0);
  s.ptrace(s.tracer, SEIZE, 21);
  assert.equal(ask(s, L.PTSTOP_EVENT, 4), 0);
  assert.equal(ask(s, L.PTSTOP_TRAP, 0), 0);
  assert.equal(ask(s, L.PTSTOP_SIGNAL, 10), Ret.BLOCKED);
  assert.equal(s.ptrace(s.tracer, SETOPTIONS, 21, 0, 0x40000000), -E.EINVAL);
  assert.equal(s.ptrace(s.tracer, SETOPTIONS, 21, 0, 1 << 4), 0);
  s.ptrace(s.tracer, CONT, 21);
  assert.equal(ask(s, L.PTSTOP_EVENT, 4), Ret.BLOCKED);
  assert.deepEqual(s.wait(s.tracer, 21), [21, ((SIGTRAP | (4 << 8)) << 8) | 0x7f]);
});

test('interrupt and listen: a stop of no signal; listening it stops anew', () => {
  const s = scene();
  s.ptrace(s.tracer, SEIZE, 21);
  assert.equal(s.ptrace(s.tracer, INTERRUPT, 21), 0);
  assert.ok(s.w.sent.some((m) => m.kind === Msg.TRACE_TRAP));
  assert.equal(ask(s, L.PTSTOP_TRAP, 0), Ret.BLOCKED);
  const stop: [number, number] = [21, ((SIGTRAP | (128 << 8)) << 8) | 0x7f];
  assert.deepEqual(s.wait(s.tracer, 21), stop);
  assert.equal(s.ptrace(s.tracer, LISTEN, 21), 0);
  assert.equal(s.ptrace(s.tracer, CONT, 21), -E.ESRCH);
  assert.deepEqual(s.wait(s.tracer, 21), [0, 0]);
  assert.equal(s.ptrace(s.tracer, INTERRUPT, 21), 0);
  assert.deepEqual(s.wait(s.tracer, 21), stop);
});

test('a death is the tracer\'s to see first, then the parent\'s', () => {
  const s = scene();
  s.ptrace(s.tracer, SEIZE, 21);
  s.child.announced = 3 << 8;
  endGroup(s.w.k, s.child);
  assert.deepEqual(s.wait(s.parent, 21), [0, 0]);
  assert.deepEqual(s.wait(s.tracer, 21), [21, 3 << 8]);
  assert.deepEqual(s.wait(s.tracer, 21), [-E.ECHILD, 0]);
  assert.deepEqual(s.wait(s.parent, 21), [21, 3 << 8]);
});

test('tracees of a dead tracer go on, or die with EXITKILL', () => {
  const s = scene();
  s.ptrace(s.tracer, SEIZE, 21, 0, 0x100000);
  endGroup(s.w.k, s.tracer);
  assert.equal(s.w.k.trace.of(L.tgLeader(s.child.tg)), undefined);
  assert.equal(L.taskTracer(L.tgLeader(s.child.tg)), 0);
  assert.ok(s.w.sent.some((m) => m.kind === Msg.SIG_TG && m.words[0] === s.child.tg && m.words[1] === SIGKILL));
});

test('detach: the tracee gets the signal and is nobody\'s', () => {
  const s = scene();
  s.ptrace(s.tracer, SEIZE, 21);
  ask(s, L.PTSTOP_SIGNAL, 10);
  const t = tracee(s);
  assert.equal(s.ptrace(s.tracer, DETACH, 21, 0, 15), 0);
  assert.equal(t.resume, 15);
  assert.deepEqual(s.wait(s.tracer, 21), [-E.ECHILD, 0]);
});
