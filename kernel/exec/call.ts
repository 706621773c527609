/** execve(2), execveat(2): arguments, waiting for the program to be found, commit. */
import { E, Ret } from '../../shared/errno.js';
import { FD_CLOEXEC, fdFlags, fdLookup } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { WaitQueue, Why } from '../../shared/wait.js';
import type { Kernel } from '../proc.js';
import { commitExec } from './commit.js';
import { AT_EMPTY_PATH, AT_EXECVE_CHECK, Exec, installExecOpened } from './exec.js';
import { Strings } from './strings.js';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** An exec under way, and the queue on which its frame waits. */
class Waiting {
  readonly queue = new WaitQueue();
  readonly exec: Exec;
  constructor(k: Kernel, req: ConstructorParameters<typeof Exec>[1]) {
    this.exec = new Exec(k, req, () => { this.queue.wakeAll(); });
  }
}

/**
 * execveat(2); execve is execveat(AT_FDCWD, path, argv, envp, 0).
 * Errors before anything is looked up: -EINVAL unknown flags; -EFAULT, -ENAMETOOLONG path; -ENOENT empty path; -EBADF dirfd. Then see Exec.
 */
function execAt(k: Kernel, f: Frame, dirfd: number, pathArg: number, flags: number): number {
  if (f.obj instanceof Waiting) return goOn(k, f, f.obj);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK)) !== 0) return -E.EINVAL;
  const path = f.str(pathArg);
  if (typeof path === 'number') return path;
  if (path === '' && (flags & AT_EMPTY_PATH) === 0) return -E.ENOENT;
  let ofd = 0;
  let fd = -1;
  if (!path.startsWith('/') && dirfd !== AT_FDCWD) {
    ofd = fdLookup(L.taskFiles(f.task), dirfd);
    if (ofd < 0) return ofd;
    fd = dirfd;
  }
  const w = new Waiting(k, {
    task: f.task, tg: f.tg, path, dirfd: ofd, fd, fdCloexec: fd >= 0 && (fdFlags(L.taskFiles(f.task), fd) & FD_CLOEXEC) !== 0, flags,
    argv: Strings.carried(f, pathArg + 1), envp: Strings.carried(f, pathArg + 2), argvAddr: f.argU64(pathArg + 1), envpAddr: f.argU64(pathArg + 2),
  });
  f.obj = w;
  w.exec.start();
  return w.exec.done ? goOn(k, f, w) : k.ep.park(f, w.queue);
}

function goOn(k: Kernel, f: Frame, w: Waiting): number {
  if (!w.exec.done) {
    // A signal does not interrupt execve on Linux either; it is delivered when the call is over.
    return f.why === Why.SIGNAL ? k.ep.park(f, w.queue) : Ret.BLOCKED;
  }
  if (w.exec.result < 0 || w.exec.program === undefined) return w.exec.result;
  return commitExec(k, f, w.exec);
}

export function installExec(k: Kernel): void {
  installExecOpened(k);
  k.ep.handle(NR.NR_execve, (f) => execAt(k, f, AT_FDCWD, 0, 0));
  k.ep.handle(NR.NR_execveat, (f) => execAt(k, f, f.argInt(0), 1, f.argInt(4)));
  const before = k.ep.onDropped;
  k.ep.onDropped = (f): void => {
    before(f);
    if (f.obj instanceof Waiting) f.obj.exec.abort();
  };
}
