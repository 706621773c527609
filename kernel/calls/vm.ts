/** process_vm_readv(2), process_vm_writev(2), kcmp(2): looking into other processes. */
import { E } from '../../shared/errno.js';
import { fdSeen } from '../../shared/fdcalls.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { IOV_MAX, RW_MAX, structAt } from '../../shared/iobuf.js';
import { native } from '../../shared/native.js';
import { inStub } from '../../shared/stub-range.js';
import { TgState, taskByTid } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';
import { mayAttach } from './pidfd.js';

/** Moved at a time, by way of scratch. */
const PIECE = 1 << 20;
/** TASK_SIZE_MAX of x86-64. */
const ADDR_MAX = 0x7ffffffff000;

/** A list of buffers in a process. One per direction, refilled for every call. */
class Vector {
  private readonly addr = new Float64Array(IOV_MAX);
  private readonly size = new Float64Array(IOV_MAX);
  private n = 0;
  /** Where a copy has got to: buffer and bytes of it. */
  private ix = 0;
  private done = 0;
  total = 0;

  /** From argument `arg`, counted by the next one: 0; -EINVAL too many, or a length below 0; -EFAULT. local: its addresses are looked at, its lengths cut to RW_MAX. */
  read(f: Frame, arg: number, local: boolean): number {
    const n = f.argU64(arg + 1);
    if (n > IOV_MAX) return -E.EINVAL;
    this.n = n;
    this.ix = this.done = this.total = 0;
    if (n === 0) return 0;
    let v: DataView = f.view;
    let at = structAt(f, arg, 16 * n);
    if (at < 0) {
      const r = f.copyIn(f.argU64(arg), host.DATA, 16 * n);
      if (r < 0) return r;
      v = host.scratchView;
      at = host.DATA;
    }
    for (let i = 0; i < n; i++, at += 16) {
      const addr = v.getUint32(at, true) + v.getUint32(at + 4, true) * 4294967296;
      let size = v.getUint32(at + 8, true) + v.getUint32(at + 12, true) * 4294967296;
      if (size >= 2 ** 63) return -E.EINVAL;
      if (local && addr + size > ADDR_MAX) return -E.EFAULT;
      if (local) size = Math.min(size, RW_MAX - this.total);
      this.addr[i] = addr;
      this.size[i] = size;
      this.total += size;
    }
    return 0;
  }

  /** Bytes left in the buffer that the copy has got to, after empty ones; 0 = the end. */
  get left(): number {
    while (this.ix < this.n && this.done === this.size[this.ix]) { this.ix++; this.done = 0; }
    return this.ix < this.n ? (this.size[this.ix] as number) - this.done : 0;
  }
  get at(): number { return (this.addr[this.ix] as number) + this.done; }
  advance(n: number): void { this.done += n; }
}

const $local = new Vector(), $remote = new Vector();

/** As far as it goes without the stub's own memory, which no guest sees. */
const outsideStub = (addr: number, len: number): number => (!inStub(addr, len) ? len : addr < L.STUB_ADDR ? L.STUB_ADDR - addr : 0);

/**
 * process_vm_readv(2), process_vm_writev(2) - move data between address spaces.
 *
 *   ssize_t process_vm_readv(pid_t pid, const struct iovec *local_iov, unsigned long liovcnt, const struct iovec *remote_iov, unsigned long riovcnt, unsigned long flags);
 *
 * Errors, in Linux's order of checks:
 *   -EINVAL  flags; liovcnt; -EFAULT, -EINVAL the local list; 0 when it asks for nothing; the same of the remote one
 *   -ESRCH   no such process; -EPERM by the rules of ptrace(2); -EFAULT when nothing could be moved
 * Source: man-pages 6.9 process_vm_readv(2), mm/process_vm_access.c. Deviations: code whose call sites were rewritten is read as it is (docs/internals.md §10).
 */
function processVm(f: Frame, write: boolean): number {
  if (f.argU64(5) !== 0) return -E.EINVAL;
  let r = $local.read(f, 1, true);
  if (r < 0 || $local.total === 0) return r;
  r = $remote.read(f, 3, false);
  if (r < 0 || $remote.total === 0) return r;
  const task = taskByTid(f.argInt(0));
  const tg = task === 0 ? 0 : L.taskTg(task);
  if (tg === 0 || L.tgState(tg) !== TgState.RUNNING) return -E.ESRCH;
  if (!mayAttach(f.task, tg)) return -E.EPERM;
  const [from, fromTg, to, toTg] = write ? [$local, f.tg, $remote, tg] : [$remote, tg, $local, f.tg];
  let done = 0;
  for (;;) {
    const want = Math.min(from.left, to.left, PIECE);
    if (want === 0) return done;
    const len = outsideStub($remote.at, want);
    const n = len === 0 ? -E.EFAULT : native.readMemory(fromTg, from.at, host.DATA, len);
    const m = n <= 0 ? n : native.writeMemory(toTg, to.at, host.DATA, n);
    if (m <= 0) return done > 0 ? done : -E.EFAULT;
    from.advance(m);
    to.advance(m);
    done += m;
    if (m < want) return done;
  }
}

const enum Kcmp { FILE = 0, VM = 1, FILES = 2, FS = 3, SIGHAND = 4, IO = 5, SYSVSEM = 6, EPOLL_TFD = 7 }

/** Order of two objects by what they are known by: 0 equal, 1 less, 2 greater. */
const order = (a: number, b: number): number => (a === b ? 0 : a < b ? 1 : 2);

/** Adjustments of semaphores: a process that has none has the same as all others. */
const undoOf = (task: number): number => { const tg = L.taskTg(task); return L.tgSysv(tg) === 0 ? 0 : tg; };

/**
 * kcmp(2) - do two processes share a resource?
 *
 *   int kcmp(pid_t pid1, pid_t pid2, int type, unsigned long idx1, unsigned long idx2);
 *
 * -ESRCH; -EPERM by the rules of ptrace(2); -EBADF a descriptor that is not open; -EINVAL type. Source: man-pages 6.9 kcmp(2). Deviations: KCMP_EPOLL_TFD is -EOPNOTSUPP, as without epoll.
 */
function kcmp(f: Frame): number {
  const a = taskByTid(f.argInt(0)), b = taskByTid(f.argInt(1));
  if (a === 0 || b === 0) return -E.ESRCH;
  if (!mayAttach(f.task, L.taskTg(a)) || !mayAttach(f.task, L.taskTg(b))) return -E.EPERM;
  switch (f.argInt(2) as Kcmp) {
    case Kcmp.FILE: {
      const x = fdSeen(a, f.argU32(3)), y = fdSeen(b, f.argU32(4));
      return x < 0 || y < 0 ? -E.EBADF : order(x, y);
    }
    case Kcmp.VM: return order(L.tgArea(L.taskTg(a)), L.tgArea(L.taskTg(b)));
    case Kcmp.FILES: return order(L.taskFiles(a), L.taskFiles(b));
    case Kcmp.FS: return order(L.taskFs(a), L.taskFs(b));
    case Kcmp.SIGHAND: return order(L.taskTg(a), L.taskTg(b));
    // Nobody has an I/O context of its own.
    case Kcmp.IO: return 0;
    case Kcmp.SYSVSEM: return order(undoOf(a), undoOf(b));
    case Kcmp.EPOLL_TFD: return -E.EOPNOTSUPP;
    default: return -E.EINVAL;
  }
}

export function installVm(k: Kernel): void {
  k.ep.handle(NR.NR_process_vm_readv, (f) => processVm(f, false));
  k.ep.handle(NR.NR_process_vm_writev, (f) => processVm(f, true));
  k.ep.handle(NR.NR_kcmp, kcmp);
}
