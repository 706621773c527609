/**
 * The second half of execve: from a program that was found to be good to the answer that makes the stub exec.
 *
 *   prepare (may fail: -ENOMEM) ── area, pctx, slot, plan, credentials
 *   ──────────── point of no return ────────────
 *   siblings end (TASK_GONE) ── CTL_EXEC (counted on the old pctx) ── new binding ── CTL_IMAGES (ordinal 1 on the new one)
 *   ── close-on-exec ── EXE_SET, SIG_EXEC ── answer by replyNow, so that the old slot can be unbound at once
 *
 * The host's exec, done by the stub, then kills the siblings, releases a vfork parent and drops the old memory. The old slot, pctx and (if nobody
 * else uses it) area are kept as Proc.left until the process is heard of again.
 */
import { E, Ret } from '../../shared/errno.js';
import { closeOnExec } from '../../shared/fdcalls.js';
import { filesCopy, filesUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { CTL_EXEC, CTL_IMAGES } from '../../shared/grant.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { TaskState, eachTaskOf } from '../../shared/tasks.js';
import { answerNow } from '../answer.js';
import { tellIds, tellLimits } from '../calls/limits.js';
import { type Kernel, Mm, type Proc, SIGKILL, SIGSEGV, setComm } from '../proc.js';
import { endTask } from '../task-end.js';
import type { Exec } from './exec.js';
import { execCreds } from './exec-creds.js';
import { mapOf } from './elf.js';
import { type PlanSpec, type Program, writePlan } from './plan.js';

const RLIMIT_STACK = 3;
/** Scratch for the fds of a control message; see grant.ts. */
const FDS = host.STRUCT + 1024;
/** Bytes of argv and of the environment that /proc shows. A ring message must stay small. */
const CMDLINE_MAX = 4096, ENVIRON_MAX = 8192;

/** The images' mappings; undefined when Linux would find them impossible after the point of no return. */
export function mapImages(x: Exec): { program: Program; interpreter: Program | undefined } | undefined {
  if (x.program === undefined || x.programFile === undefined) return undefined;
  const map = mapOf(x.programFile, x.program);
  if (map === undefined) return undefined;
  if (x.interpreter === undefined || x.interpreterFile === undefined) return { program: { elf: x.program, map }, interpreter: undefined };
  const imap = mapOf(x.interpreterFile, x.interpreter);
  return imap === undefined ? undefined : { program: { elf: x.program, map }, interpreter: { elf: x.interpreter, map: imap } };
}

/** Ids of a cred row for the auxiliary vector. */
export function auxIds(cred: number, secure: boolean): PlanSpec['ids'] {
  return { uid: L.credUid(cred), euid: L.credEuid(cred), gid: L.credGid(cred), egid: L.credEgid(cred), secure };
}

/** Send the images' files to be mapped by the stub, and the cells of names after them; closes the files here. The message's ordinal or -errno. */
export function sendImages(tg: number, x: Exec): number {
  let n = 0;
  if (x.programFile !== undefined) host.scratchView.setInt32(FDS + 4 * n++, x.programFile.fd, true);
  if (x.interpreterFile !== undefined) host.scratchView.setInt32(FDS + 4 * n++, x.interpreterFile.fd, true);
  const names = native.namesFd();
  if (names >= 0) host.scratchView.setInt32(FDS + 4 * n++, names, true);
  const r = native.ctlSend(tg, CTL_IMAGES, n, FDS, 0, 0);
  x.closeFiles();
  return r;
}

/** What every exec does to a process once its program is certain. */
export function adoptProgram(k: Kernel, p: Proc, task: number, x: Exec): void {
  setComm(task, x.comm);
  L.setTgDidExec(p.tg, 1);
  L.setTgExe(p.tg, x.exe);
  k.ep.report?.program(p.tg, x.exePath);
  p.freshProgram = true;
  // argv, then the environment, for /proc/PID/cmdline and environ: the stub alone knows where they lie in the guest.
  const argv = x.argv.bytes.latin1Slice(0, Math.min(x.argv.len, CMDLINE_MAX));
  const envp = x.envp.bytes.latin1Slice(0, Math.min(x.envp.len, ENVIRON_MAX));
  k.ep.quiet(L.SRV_VFS, Msg.EXE_SET, [p.tg, x.exe, argv.length, L.tgArea(p.tg), L.tgPctx(p.tg)], argv + envp);
  k.ep.quiet(L.SRV_SIGNAL, Msg.SIG_EXEC, [p.tg]);
}

function undo(mm: Mm, x: Exec): void {
  native.areaFree(mm.area);
  x.closeFiles();
}

/** Answer an execve whose program is ready: -errno, or Ret.NO_RETURN after the answer has gone out. */
export function commitExec(k: Kernel, f: Frame, x: Exec): number {
  const p = k.procOf(f.tg);
  const images = mapImages(x);
  if (images === undefined) {
    // Linux notices while mapping, when the old program is already gone: force_fatal_sig(SIGSEGV).
    x.closeFiles();
    if (p.announced < 0) p.announced = SIGSEGV;
    native.killProcess(p.tg, SIGKILL);
    k.ep.drop(f);
    return Ret.NO_RETURN;
  }
  const area = native.areaAlloc();
  if (area < 0) { x.closeFiles(); return -E.ENOMEM; }
  const mm = new Mm(area);
  const pctx = native.pctxAlloc(area);
  const slot = native.slotAlloc(area, 0);
  if (pctx < 0 || slot < 0 || native.pctxInit(area, pctx, p.mm.area, L.tgPctx(p.tg), 1) < 0) { undo(mm, x); return -E.ENOMEM; }
  const creds = execCreds(k, f.task, x.mode, x.uid, x.gid);
  if (creds.row === 0) { undo(mm, x); return -E.ENOMEM; }
  const r = writePlan(area, {
    first: false, slot, sigmaskLo: native.slotLoad(f.slot, L.SLOT_SIGMASK), sigmaskHi: native.slotLoad(f.slot, L.SLOT_SIGMASK + 4),
    program: images.program, interpreter: images.interpreter, argv: x.argv, envp: x.envp, execfn: x.filename, comm: x.comm, exePath: x.exePath, exeName: x.exeName,
    stackLimit: L.tgRlimCur(p.tg, RLIMIT_STACK), ids: auxIds(creds.row, creds.secure),
  });
  if (r < 0) { k.creds.unref(creds.row); undo(mm, x); return r; }
  const files = unshareFiles(k, p, f.task);
  if (files < 0) { k.creds.unref(creds.row); undo(mm, x); return files; }

  // ---- point of no return ----
  k.freeLeftover(p);
  k.onGroupEnd(p);
  const formerTid = L.taskTid(f.task);
  const oldSlots = endSiblings(k, p, f.task);
  oldSlots.push(f.slot);
  host.scratchView.setInt32(FDS, native.areaFd(area), true);
  const need = native.ctlSend(p.tg, CTL_EXEC, 1, FDS, 0, 0);
  // Of what a vfork child may have attached, its parent has it still.
  if (L.tgSysv(p.tg) !== 0 && p.mm.users === 1) k.ep.quiet(L.SRV_IPC, Msg.SHM_EXEC, [p.tg, p.pid]);
  p.left = { mm: p.mm, pctx: L.tgPctx(p.tg), slots: oldSlots };
  p.mm = mm;
  const slotId = area * L.SLOT_MAX + slot;
  // Before anybody looks there: what is blocked stays blocked until the stub has written the same.
  native.slotStore(slotId, L.SLOT_SIGMASK, native.slotLoad(f.slot, L.SLOT_SIGMASK));
  native.slotStore(slotId, L.SLOT_SIGMASK + 4, native.slotLoad(f.slot, L.SLOT_SIGMASK + 4));
  L.setTgArea(p.tg, area);
  L.setTgPctx(p.tg, pctx);
  L.setTaskSlot(f.task, slotId);
  native.pctxStore(area, pctx, L.PCTX_TGID, p.pid);
  tellLimits(p.tg);
  native.slotStore(slotId, L.SLOT_PCTX, pctx);
  native.slotStore(slotId, L.SLOT_TID, p.pid);
  // Task-directed pending signals survive exec; the process-directed ones are published anew by signal (SIG_EXEC).
  native.slotOr64(slotId, L.SLOT_SIGPEND, native.slotLoad(f.slot, L.SLOT_SIGPEND), native.slotLoad(f.slot, L.SLOT_SIGPEND + 4));
  native.procBind(p.tg, L.tgPidfd(p.tg), p.ctl, area, pctx);
  native.slotBind(slotId, f.task, p.tg);
  k.trace.onExec(f.task, formerTid);
  sendImages(p.tg, x);
  setCred(k, f.task, creds.row, creds.setid);
  tellIds(p.tg, f.task);
  closeOnExec(k.ep, L.taskFiles(f.task), p.tg);
  adoptProgram(k, p, f.task, x);
  // Signal publishes what is pending anew in the new pctx. If it was about to publish in the old one, it is awake and sees SIG_EXEC before it sleeps.
  if (native.pctxLoad(p.left.mm.area, p.left.pctx, L.PCTX_SIGPEND) !== 0 || native.pctxLoad(p.left.mm.area, p.left.pctx, L.PCTX_SIGPEND + 4) !== 0) k.ep.nudge(L.SRV_SIGNAL);
  if (creds.setid) k.pdeathsig[f.task] = 0;
  f.setCtlNeed(need > 0 ? need : 0);
  f.setReplyFlag(L.RF_EXEC);
  const oldSlot = f.slot;
  const ret = answerNow(k.ep, f, 0);
  native.slotBind(oldSlot, 0, 0);
  // A dynamic program asks about names at once: vfs makes its answers ready while the host makes the process.
  if (x.interpreter !== undefined) k.ep.nudge(L.SRV_VFS);
  if (need < 0) native.killProcess(p.tg, SIGKILL);
  return ret;
}

/** exec gives the process a file table of its own (unshare_files): 0, or -EMFILE when the tables are full. */
function unshareFiles(k: Kernel, p: Proc, task: number): number {
  const files = L.taskFiles(task);
  let own = 0;
  eachTaskOf(p.tg, (t) => { if (L.taskFiles(t) === files) own++; });
  if (L.filesRef(files) <= own) return 0;
  const copy = filesCopy(files);
  if (copy === 0) return -E.EMFILE;
  L.setTaskFiles(task, copy);
  filesUnref(k.ep, files);
  return 0;
}

/** End every other thread; the caller takes the leader's place. Slot ids that they leave. */
function endSiblings(k: Kernel, p: Proc, task: number): number[] {
  const slots: number[] = [];
  const others: number[] = [];
  eachTaskOf(p.tg, (t) => { if (t !== task) others.push(t); });
  for (const t of others) {
    slots.push(L.taskSlot(t));
    native.slotBind(L.taskSlot(t), 0, 0);
    endTask(k, t);
  }
  const leader = L.tgLeader(p.tg);
  if (leader !== task) {
    // A dead leader's row has served: the caller takes over its tid.
    if (L.taskState(leader) === TaskState.DEAD) { k.dropTaskCred(leader); k.freeTask(leader); }
    k.byTid.delete(L.taskTid(task));
    L.setTaskTid(task, p.pid);
    k.byTid.set(p.pid, task);
    L.setTgLeader(p.tg, task);
  }
  return slots;
}

function setCred(k: Kernel, task: number, row: number, setid: boolean): void {
  const old = L.taskCred(task);
  L.setTaskCred(task, row);
  k.creds.unref(old);
  // The real uid never changes here, so RLIMIT_NPROC's count stays.
  L.setTgDumpable(L.taskTg(task), setid ? 0 : 1);
}
