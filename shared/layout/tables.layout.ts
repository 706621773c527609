/**
 * The kernel tables: state that several servers need, in SharedArrayBuffers that no guest can see (ARCHITECTURE D5).
 * Row 0 of every table is never used, so 0 means "none" everywhere. Each field has one writing server.
 */
import { f64, i32, table, u32, u8 } from './schema.js';

export const task = table('task', 'A guest thread.', 8192, 128, {
  state: i32('TASK_*: 0 free, 1 embryo, 2 running, 3 zombie/dead. Writer: kernel.'),
  tid: i32('Guest tid, 0 while embryo. Writer: kernel.'),
  tg: i32('Row of its thread group. Writer: kernel.'),
  slot: i32('Slot id: area << SLOT_BITS | slot index. Writer: kernel.'),
  files: i32('Row of its file table. Writer: kernel (clone, exec, unshare).'),
  fs: i32('Id of its fs_struct (cwd, root, umask), an object of vfs; allocated by kernel. Writer: kernel.'),
  cred: i32('Row of its credentials. Writer: kernel.'),
  parked: i32('1 + SRV_* of the server where its request is parked, 0 = none. Writer: that server.'),
  nr: i32('System call it is parked in, for /proc and the watchdog. Writer: that server.'),
  nice: i32('-20..19. Writer: kernel.'),
  policy: i32('SCHED_*. Writer: kernel.'),
  rt_priority: i32('0..99. Writer: kernel.'),
  host_tid: i32('Host tid as carrick sees it, 0 = not asked yet. Writer: kernel, signal (same value).'),
  dumpable: i32('Not used.'),
  start_ns: f64('CLOCK_MONOTONIC at creation, ns. Writer: kernel.'),
  parked_ns: f64('CLOCK_MONOTONIC when it parked, ns. Writer: that server.'),
  comm: u8('Task name, NUL padded. Writer: kernel.', 16),
});

export const tg = table('tg', 'A guest process: thread group.', 4096, 512, {
  state: i32('TG_*: 0 free, 1 embryo, 2 running, 3 zombie. Writer: kernel.'),
  tgid: i32('Guest pid. Writer: kernel.'),
  ppid: i32('Guest pid of the parent, 0 for the first process. Writer: kernel.'),
  parent: i32('Row of the parent, 0 = none. Writer: kernel.'),
  pgid: i32('Process group. Writer: kernel.'),
  sid: i32('Session. Writer: kernel.'),
  leader: i32('Row of the group leader\'s task. Writer: kernel.'),
  ntasks: i32('Living tasks. Writer: kernel.'),
  area: i32('Area index. Writer: kernel.'),
  pctx: i32('pctx index in the area. Writer: kernel.'),
  pidfd: i32('Host pidfd in carrick, -1 = none. Writer: kernel.'),
  host_pid: i32('Host pid as carrick sees it; 0 = not asked yet. Writer: kernel.'),
  exit_status: i32('wait(2) status word. Writer: kernel.'),
  exit_signal: i32('Signal for the parent at exit, SIGCHLD or 0. Writer: kernel.'),
  stopped: i32('Signal that stopped it, 0 = running. Writer: signal.'),
  ctty: i32('1 + index of the controlling tty in vfs, 0 = none. Writer: vfs.'),
  no_new_privs: i32('prctl(PR_SET_NO_NEW_PRIVS). Writer: kernel.'),
  dumpable: i32('PR_SET_DUMPABLE. Writer: kernel.'),
  did_exec: i32('1 once it has called execve (setpgid by the parent then fails). Writer: kernel.'),
  exe: i32('Id of its executable\'s path, an object of vfs. Writer: kernel.'),
  subreaper: i32('PR_SET_CHILD_SUBREAPER. Writer: kernel.'),
  session_leader: i32('1 when sid == tgid was set by setsid. Writer: kernel.'),
  locks: i32('1 once it has held a POSIX lock: vfs must hear of its end at once. Writer: vfs.'),
  start_ns: f64('CLOCK_MONOTONIC at creation, ns. Writer: kernel.'),
  cutime_ns: f64('User time of reaped children, ns. Writer: kernel.'),
  cstime_ns: f64('System time of reaped children, ns. Writer: kernel.'),
  arg_start: f64('Guest address of argv[0]\'s string. Writer: kernel.'),
  arg_end: f64('End of the argument strings.'),
  env_start: f64('Guest address of the first environment string.'),
  env_end: f64('End of the environment strings.'),
  rlim_cur: f64('Soft limits by RLIMIT_*, Infinity for RLIM_INFINITY. Writer: kernel.', 16),
  rlim_max: f64('Hard limits by RLIMIT_*. Writer: kernel.', 16),
});

export const cred = table('cred', 'Credentials; immutable once published, shared by reference count.', 4096, 256, {
  ref: i32('Users of the row. @atomic.'),
  uid: u32('Real uid. Writer: kernel.'),
  euid: u32('Effective uid.'),
  suid: u32('Saved uid.'),
  fsuid: u32('File system uid.'),
  gid: u32('Real gid.'),
  egid: u32('Effective gid.'),
  sgid: u32('Saved gid.'),
  fsgid: u32('File system gid.'),
  cap_eff: u32('Effective capabilities, low and high word.', 2),
  cap_perm: u32('Permitted.', 2),
  cap_inh: u32('Inheritable.', 2),
  cap_bset: u32('Bounding set.', 2),
  cap_amb: u32('Ambient.', 2),
  securebits: u32('prctl(PR_SET_SECUREBITS).'),
  ngroups: i32('Supplementary groups, up to 32.'),
  groups: u32('Their ids.', 32),
});

export const files = table('files', 'A file table: fds of one or several tasks. Entries live in fdchunk.', 4096, 2048, {
  ref: i32('Tasks that share it. Writer: kernel.'),
  lock: i32('Mutex on Atomics, held while fds are allocated or closed. Any server.'),
  top: i32('Highest fd ever used + 1. Under lock.'),
  lowest: i32('No fd below this one is free. Under lock.'),
  shared_unlike: i32('1 when tasks with different host fd tables share it: no grants. Writer: kernel.'),
  chunk: i32('Row in fdchunk of fds 64*i..64*i+63, 0 = none. Under lock.', 320),
});

export const fdchunk = table('fdchunk', '64 entries of a file table.', 16384, 576, {
  used: i32('Row of the file table that it belongs to, 0 = free. Under meta.lock_alloc.'),
  ofd: i32('Row of the open file description; 0 = free, -1 = reserved while a call is under way.', 64),
  flags: i32('FD_CLOEXEC.', 64),
});

export const ofd = table('ofd', 'An open file description.', 65536, 64, {
  ref: i32('Fds, in-flight messages and calls that hold it. @atomic. At 0 the owner gets a release message.'),
  owner: i32('SRV_*: whose object it is. Writer: the server that made it.'),
  kind: i32('OFD_*: what it is, for hints and /proc. Writer: owner.'),
  obj: i32('Object id inside the owner. Writer: owner.'),
  flags: i32('Access mode and status flags (O_APPEND, O_NONBLOCK, ...). @atomic. Any server (F_SETFL).'),
  host_fd: i32('Host fd in carrick that carries its data or readiness, -1 = none. Writer: owner.'),
  ready: i32('EPOLL* readiness mask, for those without pollable host fd. @atomic. Writer: owner.'),
  watched: i32('Number of poll/epoll watches. When > 0 the owner tells ipc of changes to ready. @atomic. Writer: ipc.'),
  grantable: i32('HINT_* bits that a grant of host_fd gives the guest, 0 = never granted. Writer: owner.'),
  pollable: i32('1 when the host\'s own poll on host_fd is the truth. Writer: owner.'),
  given: i32('1 once host_fd was handed to a process, which may keep a mapping of it. Writer: whoever hands it out.'),
  sig_owner: i32('F_SETOWN. Writer: any.'),
  sig: i32('F_SETSIG. Writer: any.'),
});

export const meta = table('meta', 'One row of container-wide words (row 1).', 2, 256, {
  init_tg: i32('Row of the container\'s first process. Writer: kernel.'),
  lock_alloc: i32('Mutex for the allocation of table rows. Any server.'),
  next_fs: i32('Last fs_struct id. @atomic.'),
  fdr_base: i32('First reserved host fd in guests. Writer: boot.'),
  trace: i32('1 = write trace records. Writer: boot.'),
  nofast: i32('1 = CARRICK_FASTPATH=0. Writer: boot.'),
  nogrants: i32('1 = CARRICK_GRANTS=0. Writer: boot.'),
  pidns: i32('1 = guests live in a pid namespace of their own. Writer: kernel.'),
  boot_ns: f64('CLOCK_MONOTONIC at the container\'s start, ns. Writer: boot.'),
  nproc: i32('CPUs. Writer: boot.'),
  forks: i32('Processes created. Writer: kernel.'),
  enosys: i32('Calls answered with ENOSYS. @atomic.'),
  threw: i32('Handlers that threw. @atomic.'),
  next_task: i32('Rotor for row allocation. Under lock_alloc.'),
  top_task: i32('No row of table task at or above this one was ever used. Writer: kernel.'),
  top_tg: i32('The same for table tg. Writer: kernel.'),
  hostname: u8('uname(2) nodename, NUL terminated. Writer: kernel.', 65),
  domainname: u8('uname(2) domainname, NUL terminated. Writer: kernel.', 65),
});
