/**
 * The system as a whole: uname, sethostname, setdomainname, sysinfo, personality; calls that no container may make (EPERM); unshare of what is
 * shared between tasks. uname(2), sysinfo(2), personality(2), unshare(2).
 */
import { Cap, capable } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import { filesCopy, filesUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { eachTg } from '../../shared/tasks.js';
import type { Kernel } from '../proc.js';

const NR_HOST_uname = 63, NR_HOST_sysinfo = 99;
/** Bytes of each of the six fields of struct utsname. */
const FIELD = 65;
const NAME_MAX = 64;
const SYSINFO_BYTES = 112;
const SYSINFO_PROCS = 80;
const PERSONALITY_QUERY = 0xffffffff;

/** Store a name in meta; longer ones are cut. */
export function setName(byte: number, name: string): void {
  const b = L.metaU8();
  for (let i = 0; i < FIELD; i++) b[byte + i] = i < NAME_MAX && i < name.length ? name.charCodeAt(i) : 0;
}

/** struct utsname into the scratch: the host's kernel, the container's names. -errno of the host. */
function utsname(): number {
  const r = native.sys(NR_HOST_uname, 0b1, host.STRUCT);
  if (r < 0) return r;
  const m = L.metaU8();
  for (let i = 0; i < FIELD; i++) {
    host.scratch[host.STRUCT + FIELD + i] = m[L.META_HOSTNAME_BYTE(1) + i] as number;
    host.scratch[host.STRUCT + 5 * FIELD + i] = m[L.META_DOMAINNAME_BYTE(1) + i] as number;
  }
  return 0;
}

let told = 0;

/** Leave what uname says where every guest can read it (behind the cells), under its sequence word. Before a change of names is answered. */
export function tellNames(): void {
  if (utsname() < 0) return;
  native.namesStore(L.NAMES_SYSTEM, ++told);
  for (let i = 0; i < L.UTSNAME_LEN; i += 4) native.namesStore(L.NAMES_SYSTEM + 1 + i / 4, host.scratchView.getUint32(host.STRUCT + i, true));
  native.namesStore(L.NAMES_SYSTEM, ++told);
}

/** uname(2). EFAULT. */
function sys_uname(f: Frame): number {
  const at = f.outOff(0);
  if (at < 0) return at;
  const r = utsname();
  if (r < 0) return r;
  host.scratch.copy(f.bytes, at, host.STRUCT, host.STRUCT + L.UTSNAME_LEN);
  f.setOut(0, L.UTSNAME_LEN);
  return 0;
}

/** sethostname(2), setdomainname(2). EPERM, EINVAL (length), EFAULT. */
function setSystemName(f: Frame, byte: number): number {
  if (!capable(f.task, Cap.SYS_ADMIN)) return -E.EPERM;
  const len = f.argOff(1);
  if (len < 0 || len > NAME_MAX) return -E.EINVAL;
  const at = len === 0 ? 0 : f.inOff(0);
  if (at < 0) return at;
  setName(byte, f.bytes.latin1Slice(at, at + len));
  tellNames();
  return 0;
}

/** sysinfo(2): the host's memory, load and uptime; the container's number of tasks. EFAULT. */
function sys_sysinfo(f: Frame): number {
  const at = f.outOff(0);
  if (at < 0) return at;
  const r = native.sys(NR_HOST_sysinfo, 0b1, host.STRUCT);
  if (r < 0) return r;
  host.scratch.copy(f.bytes, at, host.STRUCT, host.STRUCT + SYSINFO_BYTES);
  let tasks = 0;
  eachTg((tg) => { tasks += L.tgNtasks(tg); });
  f.view.setUint16(at + SYSINFO_PROCS, tasks, true);
  f.setOut(0, SYSINFO_BYTES);
  return 0;
}

/** personality(2): recorded and reported; the host runs every guest as PER_LINUX. */
function sys_personality(k: Kernel, f: Frame): number {
  const p = k.procOf(f.tg);
  const old = p.personality;
  if (f.argU32(0) !== PERSONALITY_QUERY) p.personality = f.argU32(0);
  return old;
}

const CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800, CLONE_THREAD = 0x10000, CLONE_SYSVSEM = 0x40000;
const CLONE_NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x80;

/** unshare(2). EINVAL: unknown flags, or VM, SIGHAND, THREAD in a process with threads; EPERM: namespaces; ENOMEM. */
function sys_unshare(k: Kernel, f: Frame): number {
  const flags = f.argU32(0);
  if ((flags & ~(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_NAMESPACES)) !== 0) return -E.EINVAL;
  if ((flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)) !== 0 && L.tgNtasks(f.tg) > 1) return -E.EINVAL;
  if ((flags & CLONE_NAMESPACES) !== 0) return -E.EPERM;
  const files = L.taskFiles(f.task);
  if ((flags & CLONE_FILES) !== 0 && L.filesRef(files) > 1) {
    const copy = filesCopy(files);
    if (copy === 0) return -E.ENOMEM;
    // Threads keep one host fd table between them, so neither table may be granted from now on.
    if (L.tgNtasks(f.tg) > 1) { L.setFilesSharedUnlike(copy, 1); L.setFilesSharedUnlike(files, 1); }
    L.setTaskFiles(f.task, copy);
    filesUnref(k.ep, files);
  }
  if ((flags & CLONE_FS) !== 0) {
    const old = L.taskFs(f.task);
    const id = Atomics.add(L.metaI32(), L.META_NEXT_FS_AT(1), 1) + 1;
    k.ep.send(L.SRV_VFS, Msg.FS_CLONE, [old, id]);
    L.setTaskFs(f.task, id);
    k.ep.send(L.SRV_VFS, Msg.FS_DROP, [old]);
  }
  return 0;
}

/** Calls that need a privilege over the machine which no container has. */
const NOT_PERMITTED: readonly number[] = [
  NR.NR_acct, NR.NR_reboot, NR.NR_swapon, NR.NR_swapoff, NR.NR_init_module, NR.NR_finit_module, NR.NR_delete_module, NR.NR_kexec_load, NR.NR_kexec_file_load,
  NR.NR_iopl, NR.NR_ioperm, NR.NR_syslog, NR.NR_setns,
];

export function installSystem(k: Kernel): void {
  const { ep } = k;
  ep.handle(NR.NR_uname, sys_uname);
  ep.handle(NR.NR_sethostname, (f) => setSystemName(f, L.META_HOSTNAME_BYTE(1)));
  ep.handle(NR.NR_setdomainname, (f) => setSystemName(f, L.META_DOMAINNAME_BYTE(1)));
  ep.handle(NR.NR_sysinfo, sys_sysinfo);
  ep.handle(NR.NR_personality, (f) => sys_personality(k, f));
  ep.handle(NR.NR_unshare, (f) => sys_unshare(k, f));
  for (const nr of NOT_PERMITTED) ep.handle(nr, () => -E.EPERM);
}
