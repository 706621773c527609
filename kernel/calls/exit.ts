/**
 * exit, exit_group, and deaths that others announce: NR_FATAL by the stub (a fault without a handler), FATAL by signal, BUG_KILL by a server whose handler
 * threw. A process is not gone before its pidfd says so (task-end.ts); here its status is only written down.
 */
import { Ret } from '../../shared/errno.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { logLine } from '../../shared/log.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { TgState } from '../../shared/tasks.js';
import { answerNow } from '../answer.js';
import { type Kernel, type Proc, SIGKILL } from '../proc.js';
import { childChanged, endTask, leaves } from '../task-end.js';

/** The first announcement counts: a process that is already exiting keeps its status. */
function announce(p: Proc, status: number): void { if (p.announced < 0) p.announced = status; }

const exitWord = (status: number): number => (status & 0xff) << 8;

/** exit_group(2). Does not return to the guest; the stub ends the host process, without waiting for the answer. */
function sys_exit_group(k: Kernel, f: Frame): number {
  const p = k.procOf(f.tg);
  announce(p, exitWord(f.argInt(0)));
  leaves(p);
  return 0;
}

/** exit(2): ends the calling thread. The status of a group whose threads all leave this way is its leader's. */
function sys_exit(k: Kernel, f: Frame): number {
  const p = k.procOf(f.tg);
  const leader = L.tgLeader(f.tg) === f.task;
  if (leader) p.leaderStatus = exitWord(f.argInt(0));
  if (L.tgNtasks(f.tg) <= 1) {
    announce(p, p.leaderStatus);
    // The rest is done when the pidfd tells of the host process's end.
    return 0;
  }
  const slotId = f.slot;
  const ret = answerNow(k.ep, f, 0);
  endTask(k, f.task, exitWord(f.argInt(0)));
  // Lingers in native until the thread has stored DEAD and left its stub stack.
  native.slotFree(p.mm.area, slotId & (L.SLOT_MAX - 1));
  return ret;
}

/** NR_FATAL(signo, code, addr): the guest dies of a fault. */
function fatal(k: Kernel, f: Frame): number {
  const p = k.procOf(f.tg);
  announce(p, f.argInt(0) & 0x7f);
  native.killProcess(f.tg, SIGKILL);
  k.ep.drop(f);
  return Ret.NO_RETURN;
}

export function installExit(k: Kernel): void {
  k.ep.handle(NR.NR_exit, (f) => sys_exit(k, f));
  k.ep.handle(NR.NR_exit_group, (f) => sys_exit_group(k, f));
  k.ep.handle(L.NR_FATAL, (f) => fatal(k, f));
  const running = (tg: number): Proc | undefined => (L.tgState(tg) === TgState.RUNNING ? k.procs[tg] : undefined);
  k.ep.on(Msg.FATAL, (m) => { const p = running(m.w[0] as number); if (p !== undefined) announce(p, m.w[1] as number); });
  k.ep.on(Msg.TG_STOPPED, (m) => { const p = running(m.w[0] as number); if (p !== undefined) childChanged(k, p, m.w[1] as number); });
  k.ep.on(Msg.TG_CONTINUED, (m) => { const p = running(m.w[0] as number); if (p !== undefined) childChanged(k, p, 0); });
  k.ep.on(Msg.BUG_KILL, (m) => {
    const p = running(m.w[0] as number);
    if (p === undefined) return;
    logLine(`killing process ${p.pid}: a server's handler threw on its behalf`);
    announce(p, SIGKILL);
    native.killProcess(p.tg, SIGKILL);
  });
}
