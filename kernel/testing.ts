/** For unit tests of the kernel worker: tables, an endpoint and frames without native or guests. */
import { Endpoint } from '../shared/endpoint.js';
import { Frame } from '../shared/frame.js';
import * as L from '../shared/gen/layout.js';
import { filesAlloc } from '../shared/fdtable.js';
import { native } from '../shared/native.js';
import { allocRings } from '../shared/rings.js';
import { TaskState, TgState } from '../shared/tasks.js';
import { Timer } from '../shared/wait.js';
import { BSET, EFF, PERM, fillCaps, setAllIds } from './cred-rows.js';
import { Kernel, Mm, type Proc } from './proc.js';
import { Tracing } from './ptrace/tracee.js';

export interface Sent { readonly to: number; readonly kind: number; readonly words: readonly number[] }

export interface World {
  readonly k: Kernel;
  /** Messages that were sent, in order. */
  readonly sent: Sent[];
  /** pctx words that native.pctxLoad gives, by byte offset. */
  readonly pctx: Map<number, number>;
  /** Thread groups that were killed. */
  readonly killed: number[];
}

/** A kernel over fresh tables; every native call is a stand-in that succeeds. */
export function makeWorld(): World {
  const sent: Sent[] = [];
  const pctx = new Map<number, number>();
  const killed: number[] = [];
  const calls: Record<string, (...a: number[]) => number> = {
    endpointInit: () => 0, replyNow: () => 0, ringDoorbell: () => 0, watchFd: () => 0, sigDeliverable: () => 0, areaAlloc: () => 1, areaFree: () => 0, areaFd: () => 9,
    pctxAlloc: () => 0, pctxInit: () => 0, pctxFree: () => 0, pctxStore: () => 0, pctxLoad: (_a, _i, off) => pctx.get(off as number) ?? 0,
    slotAlloc: () => 0, slotFree: () => 0, slotBind: () => 0, slotUnborn: () => 0, expectSlot: () => 0, revisitSlot: () => 0, slotLoad: () => 1, slotStore: () => 0, slotWake: () => 0, slotOr64: () => 0,
    procBind: () => 0, procFree: () => 0, hostPid: () => -3, hostTid: () => -3, hintSet: () => 0, hintGet: () => 0, ctlPair: () => 5, lastFd: () => 6, ctlSend: () => 1,
    killProcess: (tg) => { killed.push(tg as number); return 0; }, sys: () => -38, readMemory: () => -14, writeMemory: () => -14, readString: () => -14, setScratch: () => 0,
  };
  Object.assign(native, calls);
  L.attachTables(L.allocTables());
  const ep = new Endpoint(L.SRV_KERNEL, allocRings(), new Float64Array(L.SRV_COUNT * 1024 * 3));
  ep.send = ep.quiet = (to, kind, words): void => { sent.push({ to, kind, words: [...words] }); };
  ep.nudge = (): void => undefined;
  const k = new Kernel(ep);
  k.trace = new Tracing(k);
  return { k, sent, pctx, killed };
}

export interface ProcSpec { pid: number; parent?: Proc; uid?: number; pgid?: number; sid?: number; exitSignal?: number }

/** A running process with one task; row numbers as the pools give them. uid 0 has every capability. */
export function addProc(w: World, s: ProcSpec): Proc {
  const { k } = w;
  const p = k.allocProc(new Mm(1));
  if (p === undefined) throw new Error('table full');
  const task = k.allocTask(p.tg);
  const uid = s.uid ?? 0;
  const cred = k.creds.alloc();
  setAllIds(cred, uid, uid);
  fillCaps(BSET, cred);
  if (uid === 0) { fillCaps(PERM, cred); fillCaps(EFF, cred); }
  k.nprocAdd(uid, 1);
  L.setTaskCred(task, cred);
  L.setTaskTid(task, s.pid);
  L.setTaskFiles(task, filesAlloc());
  L.setTaskFs(task, s.pid);
  L.setTaskState(task, TaskState.RUNNING);
  L.setTgTgid(p.tg, s.pid);
  L.setTgLeader(p.tg, task);
  L.setTgNtasks(p.tg, 1);
  L.setTgPgid(p.tg, s.pgid ?? s.parent?.pid ?? s.pid);
  L.setTgSid(p.tg, s.sid ?? 1);
  L.setTgExitSignal(p.tg, s.exitSignal ?? 17);
  for (let i = 0; i < 16; i++) { L.setTgRlimCur(p.tg, i, Infinity); L.setTgRlimMax(p.tg, i, Infinity); }
  L.setTgState(p.tg, TgState.RUNNING);
  p.pid = s.pid;
  p.parent = s.parent;
  if (s.parent !== undefined) {
    s.parent.children.push(p);
    p.creator = L.tgLeader(s.parent.tg);
    L.setTgParent(p.tg, s.parent.tg);
    L.setTgPpid(p.tg, s.parent.pid);
  } else k.init ??= p;
  k.byPid.set(s.pid, p);
  k.byTid.set(s.pid, task);
  return p;
}

export const taskOf = (p: Proc): number => L.tgLeader(p.tg);

/** A request of a process's leader. `out`: bytes of room for each out argument, by index; such an argument gets a non-zero address. */
export function makeFrame(p: Proc, nr: number, args: readonly number[], out: Readonly<Record<number, number>> = {}): Frame {
  const b = Buffer.alloc(L.SLOT_STRIDE);
  const u32 = new Uint32Array(b.buffer, b.byteOffset, L.SLOT_STRIDE / 4);
  const f = new Frame(0, u32, b, new DataView(b.buffer, b.byteOffset, b.length), () => undefined, (fire) => new Timer(fire));
  args.forEach((a, i) => {
    b.writeUInt32LE(a >>> 0, L.SLOT_ARGS + 8 * i);
    b.writeUInt32LE(a < 0 ? 0xffffffff : Math.floor(a / 4294967296), L.SLOT_ARGS + 8 * i + 4);
  });
  let at = 0;
  for (const [i, len] of Object.entries(out)) {
    b.writeUInt32LE(0x1000, L.SLOT_ARGS + 8 * Number(i));
    b.writeUInt32LE(at, L.SLOT_ARGOFF + 4 * Number(i));
    b.writeUInt32LE(len, L.SLOT_ARGLEN + 4 * Number(i));
    at += (len + 7) & ~7;
  }
  f.nr = nr;
  f.tg = p.tg;
  f.task = taskOf(p);
  f.slot = 512;
  return f;
}
