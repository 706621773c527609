/**
 * Spares: children that are prepared before anybody asks, so that a clone costs its caller one request, not two.
 *
 *   a process has forked, or made a thread ─► a spare is made ─► its number is stored in the pctx (armed)
 *   the stub takes it (exchange with 0), says so if it is a process (NR_CLONE_BEGIN), makes the host clone; the commit comes as for any
 *   other embryo ─► the next spare is made
 *
 * Made when a child has been committed, so a process that makes none never has one; a fork child when nobody waits for an answer, and the next
 * while the host makes the clone for which the last was taken; a vfork child when the last has executed its program, or ended. One of each kind per process (fork, vfork, thread), besides a child that is on its way. A prepared vfork
 * child has a slot and a pctx in its parent's area and counts among the users of its memory, though it does not run there yet (Proc.aloneInMm).
 *
 * A taken spare cannot be refused, so what may refuse a clone is settled before. RLIMIT_NPROC: tasks and spares together stay below the limit; whoever finds
 * that they do not takes the spares back first (reclaimSpares), and a new limit or user takes back those of the process. A spare for a child process is
 * for a process of one thread, since nothing may change between the host's clone and the commit; the next thread's commit disarms it. Taking back is an
 * exchange with 0 too, so stub and kernel cannot both have it. A spare that was taken back is armed again when it may be.
 *
 * None is made for a process that is traced or has no fast paths: the requests that they replace are then to be seen.
 */
import { Cap, capable } from '../shared/creds.js';
import { filesAlloc } from '../shared/fdtable.js';
import * as L from '../shared/gen/layout.js';
import { native } from '../shared/native.js';
import { TgState } from '../shared/tasks.js';
import { Clone, type Embryo, addEmbryo, allocChild, allocThread, countSpare } from './embryos.js';
import type { Kernel, Proc } from './proc.js';

export const RLIMIT_NPROC = 6;
const VFORK_FLAGS = Clone.VM | Clone.VFORK;
const THREAD_FLAGS = Clone.VM | Clone.FS | Clone.FILES | Clone.SIGHAND | Clone.THREAD;
/** Most spares at a time, so that they never are what fills the tables. */
const SPARES_MAX = L.TG_ROWS / 8;

/** May a task make one task more, if `others` are to be made besides? RLIMIT_NPROC of setrlimit(2). */
function roomFor(k: Kernel, task: number, others: number): boolean {
  const uid = L.credUid(L.taskCred(task));
  return k.nprocOf(uid) + others < L.tgRlimCur(L.taskTg(task), RLIMIT_NPROC) || uid === 0 || capable(task, Cap.SYS_RESOURCE) || capable(task, Cap.SYS_ADMIN);
}

/** Must a task be refused another one? */
export function nprocFull(k: Kernel, task: number): boolean {
  if (roomFor(k, task, k.spares)) return false;
  reclaimSpares(k);
  return !roomFor(k, task, k.spares);
}

/** The words of the pctx that name a process's spares, and those. */
const SPARES = [L.PCTX_SPARE_FORK, L.PCTX_SPARE_VFORK, L.PCTX_SPARE_THREAD] as const;
function spareAt(p: Proc, off: (typeof SPARES)[number]): Embryo | undefined {
  return off === L.PCTX_SPARE_FORK ? p.spareFork : off === L.PCTX_SPARE_VFORK ? p.spareVfork : p.spareThread;
}

const swap = (p: Proc, off: number, value: number): number => native.pctxSwap(p.tg, off, value);

/** The stub shall not take them. Counted as long as one could still be taken, or has been. */
function disarm(k: Kernel, p: Proc, off: (typeof SPARES)[number]): void {
  const e = spareAt(p, off);
  if (e === undefined || !e.armed || swap(p, off, 0) !== e.task) return;
  countSpare(k, e, -1);
}

function arm(k: Kernel, p: Proc, e: Embryo, off: number): void {
  countSpare(k, e, 1);
  swap(p, off, e.task);
}

/** Take back what is armed for a process. */
function disarmAll(k: Kernel, p: Proc): void {
  for (const off of SPARES) disarm(k, p, off);
}

/** Take back every spare that was not taken yet. */
function reclaimSpares(k: Kernel): void {
  if (k.spares === 0) return;
  for (const p of k.byPid.values()) if (L.tgState(p.tg) === TgState.RUNNING) disarmAll(k, p);
}

/**
 * A spare for a child process of thread `parentTask`, unless there is one that was not taken; or that one armed again. vfork: it will share its parent's memory, and area, until it executes
 * something; a fork child goes on in the copy of its parent's stub stack, so it gets the same slot index in an area of its own.
 */
function prepareChild(k: Kernel, p: Proc, parentTask: number, vfork: boolean): void {
  if (L.tgState(p.tg) !== TgState.RUNNING || k.procs[p.tg] !== p || L.tgNtasks(p.tg) !== 1 || (!vfork && !p.aloneInMm)) return;
  const task = L.tgLeader(p.tg);
  if (task !== parentTask || k.spares >= SPARES_MAX || !roomFor(k, task, k.spares + 1)) return;
  const off = vfork ? L.PCTX_SPARE_VFORK : L.PCTX_SPARE_FORK;
  const slot = L.taskSlot(task) % L.SLOT_MAX;
  const e = spareAt(p, off);
  if (e !== undefined) {
    if (!e.armed && (vfork || L.taskSlot(e.task) % L.SLOT_MAX === slot)) arm(k, p, e, off);
    return;
  }
  const files = filesAlloc();
  if (files === 0) return;
  const child = allocChild(k, p, vfork ? p.mm : undefined, slot);
  if (typeof child === 'number') { L.clearFiles(files); return; }
  L.setTaskFiles(child.task, files);
  const fresh: Embryo = { task: child.task, proc: child.proc, creator: p, parent: p, parentTask: 0, flags: vfork ? VFORK_FLAGS : 0, pidfdAddr: 0, token: -1, armed: false, filled: false };
  if (!addEmbryo(k, fresh)) return;
  const { area } = p.mm, pctx = L.tgPctx(p.tg);
  if (vfork) {
    p.spareVfork = fresh;
    // What it inherits there its maker's stub copies, when it takes it.
    native.pctxInit(area, L.tgPctx(child.proc.tg), -1, 0, 0);
    native.pctxStore(area, pctx, L.PCTX_SPARE_VFORK_SLOT, L.taskSlot(child.task) % L.SLOT_MAX);
    native.pctxStore(area, pctx, L.PCTX_SPARE_VFORK_PCTX, L.tgPctx(child.proc.tg));
    native.pctxStore(area, pctx, L.PCTX_SPARE_VFORK_CTL, child.ctlNeed);
  } else {
    p.spareFork = fresh;
    native.pctxStore(area, pctx, L.PCTX_SPARE_SLOT, slot);
    native.pctxStore(area, pctx, L.PCTX_SPARE_CTL, child.ctlNeed);
  }
  arm(k, p, fresh, off);
}

function prepareThread(k: Kernel, p: Proc, parentTask: number): void {
  if (k.spares >= SPARES_MAX || !roomFor(k, parentTask, k.spares + 1)) return;
  if (p.spareThread !== undefined) {
    if (!p.spareThread.armed) arm(k, p, p.spareThread, L.PCTX_SPARE_THREAD);
    return;
  }
  const { area } = p.mm;
  const task = allocThread(k, p.tg, area);
  if (task === 0) return;
  const pctx = L.tgPctx(p.tg);
  native.slotStore(L.taskSlot(task), L.SLOT_PCTX, pctx);
  // Its maker does not wait for the commit; it waits before its first request.
  native.slotStore(L.taskSlot(task), L.SLOT_BORN, 0);
  const fresh: Embryo = { task, proc: undefined, creator: p, parent: p, parentTask: 0, flags: THREAD_FLAGS, pidfdAddr: 0, token: -1, armed: false, filled: false };
  addEmbryo(k, fresh);
  p.spareThread = fresh;
  native.pctxStore(area, pctx, L.PCTX_SPARE_THREAD_SLOT, L.taskSlot(task) % L.SLOT_MAX);
  arm(k, p, fresh, L.PCTX_SPARE_THREAD);
}

/** A child that thread `task` has made has been committed: prepare the next of its kind. */
function onBirth(k: Kernel, e: Embryo, task: number): void {
  if (L.metaTrace(1) !== 0 || L.metaNofast(1) !== 0) return;
  const p = e.creator;
  if (e.proc === undefined) {
    disarm(k, p, L.PCTX_SPARE_FORK);
    disarm(k, p, L.PCTX_SPARE_VFORK);
    prepareThread(k, p, task);
  } else if (kindOf(e) === 'fork') {
    k.ep.whenIdle(() => { prepareChild(k, p, task, false); });
  } else {
    e.proc.vforked = kindOf(e) === 'vfork';
  }
}

/**
 * A process, or its program, is over. Of a vfork child's parent the next is prepared now: it goes on when the host has made the new program. Before that the child, which executes it, would have
 * to wait for the preparation.
 */
export function vforkOver(k: Kernel, p: Proc): void {
  const maker = p.hostParent;
  if (!p.vforked || maker === undefined) return;
  p.vforked = false;
  k.ep.later(() => { if (k.procs[maker.tg] === maker) prepareChild(k, maker, L.tgLeader(maker.tg), true); });
}

/** Which spare would have served, if any. */
function kindOf(e: Embryo): 'fork' | 'vfork' | undefined {
  const shares = e.flags & (VFORK_FLAGS | Clone.FILES | Clone.FS | Clone.PARENT | Clone.SIGHAND);
  return shares === 0 ? 'fork' : shares === VFORK_FLAGS ? 'vfork' : undefined;
}

export function installSpares(k: Kernel): void {
  k.onBirth = (e, task): void => { onBirth(k, e, task); };
  k.onBegin = (e, task): void => { if (kindOf(e) === 'fork') k.ep.later(() => { prepareChild(k, e.creator, task, false); }); };
  k.onNproc = (tg): void => { disarmAll(k, k.procOf(tg)); };
}
