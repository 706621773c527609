/**
 * Memory that a guest address space shares with the servers: the area.
 *
 *   area (memfd, sealed against resizing, mapped at AREA_ADDR in the guest, anywhere in carrick)
 *   ┌──────────┬───────────────────┬─────────────────────────────┬───────────────────┐
 *   │ header   │ pctx[PCTX_MAX]    │ slot[SLOT_MAX]              │ exec plan         │
 *   │ 4 KiB    │ 8 KiB each        │ 16 KiB each                 │ PLAN_MAX          │
 *   └──────────┴───────────────────┴─────────────────────────────┴───────────────────┘
 *
 * One area per address space (mm). A thread group has one pctx (dispositions, fd hints); a task has one slot. Threads
 * share the pctx; a vfork child shares the area but has its own pctx and slot. Everything here is guest-writable: carrick
 * treats it as untrusted input, copies once, and never uses a word of it as an index unchecked.
 */
import { i32, struct, u32, u64, u8 } from './schema.js';

/** Constants that C and TypeScript share; emitted as #define and `const enum`-like exports. */
export const CONSTANTS = {
  /** Fixed guest addresses, chosen above any PIE and below the host's mmap area. */
  STUB_ADDR: 0x7e0000000000,
  /** Bytes from there on that are not the guest's: stub, cells, answers, area, stub stacks. /proc does not show them, tracers cannot look at them. */
  STUB_RANGE: 0x30000000,
  STUB_MAX: 0x100000,
  AREA_ADDR: 0x7e0010000000,
  /** The cells (native/stub/names.c): one read-only mapping for all guests; and what a process remembers, private to its address space. */
  NAMES_ADDR: 0x7e0008000000,
  NAMES_CELLS: 8192,
  /** Behind the cells: what uname(2) says, in words: a sequence (even and not 0: it holds), then struct utsname. Writer: kernel. */
  NAMES_SYSTEM: 8192,
  NAMES_SYSTEM_WORDS: 99,
  NAMES_WORDS: 9216,
  UTSNAME_LEN: 390,
  /** sizeof(siginfo_t), which is that of struct signalfd_siginfo too. */
  SIGINFO_SIZE: 128,
  ANSWERS_ADDR: 0x7e000c000000,
  /** Private stub stacks, one per slot: STACKS_ADDR + slot * STACK_SIZE. Copied by fork like any private memory. */
  STACKS_ADDR: 0x7e0020000000,
  STACK_SIZE: 0x10000,

  PCTX_MAX: 16,
  PCTX_OFF: 0x1000,
  PCTX_STRIDE: 0x2000,
  SLOT_MAX: 512,
  SLOT_BITS: 9,
  SLOT_OFF: 0x40000,
  SLOT_STRIDE: 0x4000,
  /** Offset of a slot's payload, and its bytes. */
  PAYLOAD_OFF: 256,
  PAYLOAD_MAX: 0x4000 - 256,
  PLAN_OFF: 0x40000 + 512 * 0x4000,
  PLAN_MAX: 0x400000,
  AREA_SIZE: 0x40000 + 512 * 0x4000 + 0x400000,
  AREA_MAX: 4096,

  /** Host fds that belong to the stub: FDR_* added to the reserve base that the plan names. */
  FDR_CTL: 0,
  FDR_AREA: 1,
  FDR_STUB: 2,
  FDR_DOORBELL: 3,
  FDR_COUNT: 8,
  /** Host fds above the reserve, if the host's limit is not low: for what control messages bring and is not installed yet. */
  FDR_ROOM: 56,

  /** Slot states. */
  SLOT_FREE: 0,
  SLOT_READY: 1,
  SLOT_POSTED: 2,
  SLOT_REPLIED: 3,
  SLOT_DEAD: 4,

  /** arglen values that are no length. */
  ARG_FAULT: 0xffffffff,
  ARG_ELSEWHERE: 0xfffffffe,
  ARG_TOOLONG: 0xfffffffd,

  /** Reply flags. */
  RF_GRANT: 1,
  RF_EXEC: 2,
  RF_CLONE: 4,
  RF_SIGNAL: 8,
  RF_MMAP_FD: 16,
  RF_REAP: 32,
  /** With RF_REAP: it is still ending; the stub waits for that. */
  RF_REAP_LIVE: 128,
  RF_DIR_END: 64,
  RF_PIECES: 128,

  /** answer.kind. */
  ANSWER_FOUND: 1,
  ANSWER_ABSENT: 2,
  /** Nothing to remember but what `opened` says. */
  ANSWER_NONE: 3,
  /** Attributes of an open file, but what its data decide (size, blocks, times) is the host's to tell, by the granted descriptor. */
  ANSWER_LIVE: 4,
  /** What was asked: about a path (links at its end followed, or not), about what is open, from ASK_ACCESS on one for each mode and flag of access. */
  ASK_FOLLOW: 1,
  ASK_NOFOLLOW: 2,
  ASK_OPENED: 3,
  /** A further answer: of an open that was made ahead (servers/vfs/ahead.ts). */
  ASK_AHEAD: 4,
  /** A further answer: the names of a directory that was opened (servers/vfs/listings.ts), as getdents64(2) has them; and how many bytes of them there may be. */
  ASK_LISTING: 5,
  LISTING_MAX: 8192,
  /** A further answer: about a name in the directory that was opened, as ASK_FOLLOW and ASK_NOFOLLOW. */
  ASK_IN_FOLLOW: 6,
  ASK_IN_NOFOLLOW: 7,
  ASK_ACCESS: 16,
  /** Added to it: by the effective ids, faccessat(2) with AT_EACCESS. */
  ASK_EFFECTIVE: 8,
  /** Bytes of the text of CTL_START, and host fds in it. */
  START_MAX: 32768,
  START_FDS: 40,
  /** answer.opened: a new open file description; its descriptor is close-on-exec; nobody can tell when it is closed; with ASK_AHEAD: the process opens it again and again. */
  OPENED_NEW: 1,
  OPENED_CLOEXEC: 2,
  OPENED_LATE: 4,
  OPENED_AGAIN: 8,
  /** With ASK_AHEAD: the hint byte of the descriptor, in bits 8-15. */
  OPENED_HINT: 256,

  /**
   * Words of slot.owed: OWED_* in bits 29-31, descriptor in bits 0-11, for a duplicate its number in bits 12-23 and close-on-exec in bit 24. Of an open that was made ahead: its OFD in
   * bits 12-27, close-on-exec in bit 28; descriptor OWED_NOBODY: it is not needed. LISTED: the directory was read to its end.
   */
  OWED_OP: 29,
  OWED_CLOSE: 1,
  OWED_DUP: 2,
  OWED_OPEN: 3,
  OWED_LISTED: 4,
  OWED_NOBODY: 0xfff,
  OWED_MAX: 9,

  /** Doorbell words: slot id (area << SLOT_BITS | slot), or-ed with these. */
  DB_CANCEL: 0x80000000,
  DB_FORWARD: 0x40000000,
  DB_RINGS: 0x3fffffff,
  DB_CONTROL: 0x3ffffffe,

  /** fd hint byte: owner (SRV_* + 1, 0 = not known) in the low three bits. */
  HINT_OWNER: 7,
  HINT_READ: 8,
  HINT_WRITE: 16,
  HINT_MAP: 32,
  HINT_SEEK: 64,
  HINT_GRANTED: 128,
  HINT_FDS: 4096,
  /** The same two bits for fds of net (family AF_INET or AF_INET6, whose addresses are the host's; SOCK_STREAM) and of ipc (an epoll instance), which can be neither mapped nor sought. */
  HINT_INET: 32,
  HINT_STREAM: 64,
  HINT_EPOLL: 32,

  /** epoll_event.data of the bell (servers/ipc/epoll-set.ts), low and high word: "ask the server". */
  BELL_LO: 0xca22bee1,
  BELL_HI: 0x9d1cb311,

  SRV_KERNEL: 0,
  SRV_VFS: 1,
  SRV_NET: 2,
  SRV_IPC: 3,
  SRV_SIGNAL: 4,
  SRV_COUNT: 5,

  /** Requests of the stub itself, above every Linux number. */
  NR_CLONE_COMMIT: 1000,
  NR_SIG_FETCH: 1001,
  NR_SIG_RAISE: 1002,
  NR_FATAL: 1003,
  NR_TRACE: 1004,
  NR_SIG_FLUSH: 1005,
  /** A default action that a signal without a handler has after a tracer has seen it. */
  NR_SIG_ENACT: 1006,
  /** A traced task has come to a place where it stops (ptstop). */
  NR_PTRACE_STOP: 1007,
  /** vfs shall have the umask: it is about to be shared in a way of its own. */
  NR_UMASK_GIVE: 1008,
  /** A fork spare is taken: its parent makes the host's clone. */
  NR_CLONE_BEGIN: 1009,
  NR_OWN_LAST: 1009,

  /** sigdelivery.action. */
  SIGACT_DELIVER: 0,
  SIGACT_NOTHING: 1,
  SIGACT_TRAP: 2,

  /** slot.traced. */
  PT_TRACED: 1,
  PT_SYSCALL: 2,
  PT_STEP: 4,
  PT_EMULATE: 8,

  /** Where a traced task is: kinds of NR_PTRACE_STOP. */
  PTSTOP_ENTRY: 1,
  PTSTOP_EXIT: 2,
  PTSTOP_SIGNAL: 3,
  PTSTOP_EVENT: 4,
  PTSTOP_TRAP: 5,
  PTSTOP_STEP: 6,
  PTSTOP_VFORKED: 7,
  /** The answer: the signal to deliver, and perhaps this: one was sent that must be fetched at once. */
  PTSTOP_FETCH: 256,

  /** The reserved host signal that interrupts a task: SIGSTKFLT, which nobody sends. Not a real-time one: those queue, up to a limit that all processes of a user share, and are then refused. */
  KICK_SIGNAL: 16,

  /** pctx.umask: the process has it; and what a first process begins with. */
  UMASK_OWN: 0x8000,
  UMASK_FIRST: 0o022,

  /** pctx flags. */
  PF_TRACE: 1,
  PF_NOFAST: 2,
  /** The soft RLIMIT_NOFILE is below POLL_FAST, so that a poll of so many may be EINVAL. */
  PF_FEW_FDS: 4,
  /** The kernel finds the pidfds of children by their numbers, which their commits tell (native.pidfdByNumber). */
  PF_NUMBERED: 8,
  /** What the processor remembers of returns is the host's after a system call (decision 0025): the stub puts its own there. */
  PF_REFILL: 16,
  /** Most entries of a poll that the stub makes itself. */
  POLL_FAST: 256,

  /** Traps of a call site before it is rewritten, unless CARRICK_REWRITE says otherwise: about what the rewriting costs (decision 0008). */
  RW_AFTER: 8,
  /** Why a call site was not rewritten: indices of pctx.rw_declined. */
  RW_NOT_TEXT: 0,
  RW_PATTERN: 1,
  RW_NO_ROOM: 2,
  RW_FULL: 3,
  RW_REFUSED: 4,
  RW_ENTERED: 5,
  RW_REASONS: 6,

  /** Plan flags. */
  PLAN_FIRST: 1,
} as const;

export const pctx = struct('pctx', 'What the threads of one thread group share with the servers.', 0x2000, {
  tgid: i32('Guest pid. Writer: kernel. Readers: stub.'),
  flags: u32('PF_*. Writer: kernel.'),
  sigpend: u64('Process-directed pending signals, bit signo-1. @atomic. Writer: signal. Readers: stub.'),
  fdr_base: u32('First reserved host fd. Writer: kernel.'),
  ctl_lock: u32('@futex. Mutex of the stub around recvmsg on the control socket: 0 free, 1 held, 2 held and awaited.'),
  ctl_seen: u32('Control messages received so far. Writer: stub under ctl_lock.'),
  ppid: u32('What getppid says, plus 1; 0 = ask the kernel. Writer: kernel, before it answers whatever changed it. Reader: stub.'),
  rw_calls: u64('Calls that came by a thunk, counted when PF_TRACE is set. @atomic. Writer: stub. Reader: kernel, for trace -c.'),
  rw_traps: u64('Calls that trapped, the same.'),
  rw_sites: u32('Call sites rewritten in this process. Writer: stub.'),
  rw_fixups: u32('Arrivals in the middle of a rewritten site, each a trap. Under the stub\'s lock of rewriting.'),
  rw_declined: u32('Per RW_* reason: sites, for RW_NOT_TEXT and RW_FULL calls. @atomic. Writer: stub.', 6),
  spare_fork: u32('Embryo of a fork child that is prepared in advance, 0 = none. @atomic: taken by exchange with 0. Writers: kernel, stub.'),
  spare_slot: u32('Its slot index: only the task in the same slot of the parent may take it. Writer: kernel, before spare_fork.'),
  spare_ctl: u32('The control message that brings its area and control socket. Writer: kernel, before spare_fork; the next not before NR_CLONE_BEGIN of this one.'),
  spare_thread: u32('Embryo of a thread that is prepared in advance, 0 = none. @atomic, as spare_fork.'),
  spare_thread_slot: u32('Its slot index. Writer: kernel, before spare_thread.'),
  spare_vfork: u32('Embryo of a vfork child that is prepared in advance, 0 = none. @atomic, as spare_fork.'),
  spare_vfork_slot: u32('Its slot index, in this area. Writer: kernel, before spare_vfork.'),
  spare_vfork_pctx: u32('Its pctx index, in this area. Writer: kernel, before spare_vfork.'),
  spare_vfork_ctl: u32('The control message that brings its control socket; as spare_ctl.'),
  childless: u32('1 = the process has nobody to wait for: no child, none on its way, no tracee. Writers: kernel; stub: 0, before a clone. Reader: stub, of a process of one thread.'),
  pad: u32('0'),
  limits_seq: u32('Even and not 0: rlim holds. Odd: it is being written. Writer: kernel.'),
  ids_seq: u32('The same of uid to groups: the credentials with which the program or the process began. The stub knows of later changes, which are its tasks\' own.'),
  uid: u32('Writer: kernel. Reader: stub.'),
  euid: u32('Writer: kernel.'),
  gid: u32('Writer: kernel.'),
  egid: u32('Writer: kernel.'),
  suid: u32('Writer: kernel.'),
  sgid: u32('Writer: kernel.'),
  ngroups: u32('Supplementary groups. Writer: kernel.'),
  groups: u32('The groups. Writer: kernel.', 32),
  pgid: u32('Process group, plus 1; as ppid.'),
  sid: u32('Session, plus 1; as ppid.'),
  rlim: u64('Soft and hard limit of each RLIMIT_*, bytes and the like, ~0 = none. Writer: kernel.', 32),
  sa_handler: u64('Disposition of signal i-1: SIG_DFL 0, SIG_IGN 1 or address. Writer: stub.', 64),
  sa_flags: u64('SA_*. Writer: stub.', 64),
  sa_restorer: u64('Guest restorer. Writer: stub.', 64),
  sa_mask: u64('Mask while the handler runs. Writer: stub.', 64),
  rw_after: u32('Traps of a call site before it is rewritten; 0 = never. Among what children and new programs inherit. Writer: kernel, of a first process. Reader: stub.'),
  umask: u32('UMASK_OWN | the umask of the process; 0 = it is shared in a way of its own, and vfs has it (servers/vfs/umask.ts). Inherited like what is above. @atomic. Writers: kernel, of a first process; stub; vfs, which takes it by exchange with 0.'),
  fdhint: u8('Per guest fd: HINT_*. Writer: servers, by atomic store; cleared by the stub never.', 4096),
  brk_start: u64('Where the heap begins. Writer: stub. Reader: vfs, for /proc/PID/maps.'),
  brk: u64('The break. Writer: stub.'),
  auxv: u64('Where the stub keeps the auxiliary vector that the program began with. Writer: stub. Reader: vfs, for /proc/PID/auxv.'),
  auxv_len: u32('Its bytes, with AT_NULL. Writer: stub.'),
  exit_word: u32('0x100 | status once exit_group was called: the first call counts. Writer: stub. Reader: kernel, when the host process has ended.'),
});

export const slot = struct('slot', 'A guest task\'s mailbox; the payload follows at PAYLOAD_OFF.', 256, {
  state: u32('SLOT_*. @futex. READY->POSTED stub, POSTED->REPLIED server, REPLIED->READY stub.'),
  seq: u32('Requests posted so far. Writer: stub.'),
  nr: i32('System call number or NR_*. Writer: stub.'),
  server: u32('SRV_* it was posted to. Writer: stub.'),
  args: u64('Raw arguments. Writer: stub.', 6),
  argoff: u32('Payload offset of what argument i points to, bytes from PAYLOAD_OFF. Writer: stub.', 6),
  arglen: u32('Bytes there, or ARG_*. For an out argument: room in the request, bytes produced in the reply.', 6),
  inlen: u32('Payload bytes that the request carries. Writer: stub.'),
  rflags: u32('RF_*. Writer: server, in the reply.'),
  ret: u64('Result, two\'s complement; -errno in -4095..-1. Writer: server.'),
  ctl_need: u32('Control messages that must have been received before this reply is acted on. Writer: server.'),
  cancel: u32('1 while the stub asks the server to give up a parked request. Writer: stub.'),
  sigmask: u64('Guest\'s blocked signals, bit signo-1. Writer: stub. Reader: signal.'),
  sigpend: u64('Task-directed pending signals. @atomic. Writer: signal. Readers: stub.'),
  tid: i32('Guest tid. Writer: kernel, or the stub in a clone child.'),
  pctx: u32('Index of the task\'s pctx. Writer: kernel.'),
  alt_flags: u32('SS_*. Writer: stub.'),
  sleeping: u32('1 while the stub sleeps in the host on behalf of the guest (futex, nanosleep, granted read). Writer: stub.'),
  insyscall: u32('1 while the stub answers a system call. Writer: stub. Reader: kernel, for /proc.'),
  saved_mask_valid: u32('1 when saved_mask must be restored after the next delivery or return (sigsuspend, ppoll, pselect).'),
  saved_mask: u64('Mask to restore. Writer: stub.'),
  rpid: i32('With RF_REAP: guest pid that the stub must also reap on the host. Writer: server.'),
  watched: u32('Bit SRV_*: that server looks at `state` right now, so a post to it needs no doorbell. @atomic. Writers: the servers. Reader: stub.'),
  waiting: u32('1 while the stub sleeps on `state`: a reply must wake it. Writer: stub. Reader: servers.'),
  traced: u32('PT_*: how a tracer has let the task go on, 0 = not traced. Writer: kernel. Reader: stub.'),
  born: u32('@futex. 0 in a thread made from a spare until the kernel has heard its maker\'s commit, and in the maker of a fork child until the child is committed: the stub waits for 1 before it posts. Writers: kernel; stub: 0, before a fork.'),
  owed: u32('Changes of descriptors that the stub has made and the request brings along, done before it in this order; 0 = no more. Writers: stub while READY, native when it takes the request: 0.', CONSTANTS.OWED_MAX),
  alt_sp: u64('Guest sigaltstack. Writer: stub. From here on nothing is part of a request.'),
  alt_size: u64('Its bytes. Writer: stub.'),
});

export const sigdelivery = struct('sigdelivery', 'Payload of the reply to NR_SIG_FETCH, at payload offset 0.', 144, {
  signo: i32('Signal to deliver, 0 = none (somebody else took it).'),
  action: u32('SIGACT_*: DELIVER it (to its handler, or to the tracer first); NOTHING to do, the server has dealt with stop, continue and death itself; TRAP: stop for the tracer or with the group.'),
  info: u8('siginfo_t.', CONSTANTS.SIGINFO_SIZE),
});

export const plan = struct('plan', 'How the stub builds a new program; at PLAN_OFF. Writer: kernel, before the host exec.', 1024, {
  magic: u32('PLAN_MAGIC 0x4e414c50.'),
  flags: u32('PLAN_*.'),
  fdr_base: u32('First reserved host fd.'),
  slot: u32('Slot of the first task.'),
  nimage: u32('Images: 1 (static) or 2 (program, interpreter).'),
  nseg: u32('Segments in all.'),
  nfd: u32('Fds that arrive in one control message: the images\' files, in image order.'),
  argc: u32('argc.'),
  sigmask: u64('Initial blocked mask.'),
  stack_off: u64('Offset in the plan of the initial stack\'s strings: argv, envp, execfn, platform; relocated by the stub.'),
  stack_len: u64('Bytes of it.'),
  envc: u32('Environment strings, which follow the arguments.'),
  exec_stack: u32('1 when the program wants an executable stack.'),
  auxv: u64('Pairs type,value without AT_NULL; the stub fills AT_SYSINFO_EHDR, AT_BASE, AT_PHDR, AT_ENTRY, AT_RANDOM, AT_EXECFN, AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ, AT_PLATFORM.', 48),
  nauxv: u32('Pairs.'),
  brk_random: u32('1: start brk at a random distance after the image.'),
  comm: u8('Task name for the host\'s process list.', 16),
  stack_limit: u64('RLIMIT_STACK soft limit, bytes.'),
  execfn_index: u32('Index of the string that is AT_EXECFN, counted from argv[0]: argc + envc or more.'),
  exe_len: u32('Bytes of exe; 0: the program is not told.'),
  exe_gen: u32('Value of cell 0 for which exe holds.'),
  exe_cell: u32('Cell of the program\'s name.'),
  exe_val: u32('Its value for which exe holds.'),
  exe: u8('What /proc/self/exe leads to, without NUL.', 112),
});

export const image = struct('image', 'One ELF file of a plan; array after the plan header at PLAN_OFF + 1024.', 64, {
  kind: u32('0 = fixed addresses (ET_EXEC), 1 = program anywhere (PIE), 2 = interpreter.'),
  fd_index: u32('Which fd of the control message.'),
  first_seg: u32('First segment.'),
  nseg: u32('Segments.'),
  lo: u64('Lowest virtual address, page aligned.'),
  hi: u64('End of the highest, page aligned up.'),
  entry: u64('e_entry, unrelocated.'),
  phdr: u64('Virtual address of the program headers, unrelocated, 0 if none.'),
  align: u64('Largest p_align.'),
});

export const segment = struct('segment', 'One PT_LOAD; array after the images at PLAN_OFF + 1024 + 2 * 64.', 48, {
  vaddr: u64('Page-aligned start, unrelocated.'),
  file_off: u64('Page-aligned file offset.'),
  file_len: u64('Bytes mapped from the file, from vaddr; may be 0.'),
  mem_len: u64('Bytes in memory from vaddr; what is past file_len is zero.'),
  prot: u32('PROT_*.'),
  pad: u32('0.'),
});

export const ctlmsg = struct('ctlmsg', 'A message on the control socket (SOCK_SEQPACKET), with its fds as SCM_RIGHTS.', 64, {
  kind: u32('CTL_GRANT 1, CTL_EXEC 2, CTL_CLONE 3, CTL_IMAGES 4, CTL_MMAP 5, CTL_AHEAD 7, CTL_START 8, which text follows; guest to carrick: CTL_PIDFD 6.'),
  nfd: u32('Fds that come with it.'),
  fd: i32('CTL_GRANT: guest fd number of each.', 4),
  cloexec: u32('CTL_GRANT: 1 for close-on-exec, per fd.', 4),
});

/** vfs → stub: what a path or an open file is, for the stub to remember (native/stub/names.c). Out argument 5 of calls that have no sixth argument. */
export const answer = struct('answer', 'An answer that holds as long as the cells that it names have the values that it names. A link\'s target follows it; then, 8-byte aligned, further answers, each followed by what it is about: another name in the same directory, or an absolute path.', 160, {
  kind: u32('ANSWER_*.'),
  gen: u32('Value of cell 0: what paths lead through.'),
  name_cell: u32('Cell of the last name, 0 = none.'),
  name_val: u32('Its value.'),
  inode_cell: u32('Cell of the attributes, 0 = none.'),
  inode_val: u32('Its value.'),
  fd: i32('Which descriptor it is about, -1 = what the path argument says.'),
  target_len: u32('Bytes that follow: of a symlink\'s target (0 = not a symlink, or not told), or of what a further answer is about (and, of a link, NUL and its target), or of a listing.'),
  mask: u32('stx_mask.'),
  blksize: u32('Bytes.'),
  nlink: u32('Links.'),
  uid: u32('Owner.'),
  gid: u32('Group.'),
  mode: u32('st_mode.'),
  mnt_id: u32('stx_mnt_id.'),
  dev: u32('st_dev as stat reports it.'),
  rdev: u32('st_rdev.'),
  asked: u32('Of a further answer: ASK_FOLLOW, ASK_NOFOLLOW, ASK_ACCESS and above or ASK_AHEAD about an absolute path, ASK_LISTING (or of row) and ASK_IN_* about the directory at fd, 0 = as the first, about another name in its directory.'),
  ino: u64('st_ino.'),
  length: u64('st_size, bytes.'),
  blocks: u64('512-byte units.'),
  atime: u64('Seconds, two\'s complement.'),
  btime: u64('Seconds.'),
  ctime: u64('Seconds.'),
  mtime: u64('Seconds.'),
  nsec: u32('Nanoseconds of atime, btime, ctime, mtime.', 4),
  opened: u32('OPENED_*: of the descriptor that open returned.'),
  oflags: u32('What F_GETFL says of it.'),
  row: u32('ASK_AHEAD: its OFD. ASK_LISTING: that of a directory that was opened ahead, 0 = of the one at fd.'),
  place: u32('ASK_AHEAD: which control message brings its host fd, and in bits 0-2 which of the message\'s it is; in CTL_START: which of its fds, counted from 1; 0 = it has none.'),
});

/** Kernel → stub: what clone has prepared. In the reply payload at offset 0. */
export const cloneplan = struct('cloneplan', 'Payload of the reply to clone, fork, vfork, clone3.', 32, {
  slot: u32('Child\'s slot index, in this area (CLONE_VM) or in the new one.'),
  pctx: u32('Child\'s pctx index there.'),
  new_area: u32('1: CTL_CLONE brings area and control socket; 2: CTL_CLONE brings a control socket only (CLONE_VM without CLONE_THREAD).'),
  flags: u32('Low 32 bits of the host clone flags to use; namespaces are never among them.'),
  embryo: u32('Task row, opaque; given back in NR_CLONE_COMMIT.'),
  exit_signal: u32('Host exit signal, SIGCHLD or 0.'),
  clear_sighand: u32('1: a copying child starts with no signal handlers (CLONE_CLEAR_SIGHAND).'),
});

/** Stub → kernel: a stopped task's registers, on its stub stack; the kernel reads and writes them there until it answers (docs/internals.md §11). */
export const ptstop = struct('ptstop', 'A stop of a traced task.', 368, {
  regs: u64('struct user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs.', 27),
  fp: u64('Address of the extended state, in the layout of xsave; 0 = none.'),
  fp_size: u32('Its bytes without the trailing magic; 512 = a bare fxsave image.'),
  pad: u32('0.'),
  info: u8('siginfo_t of the signal.', CONSTANTS.SIGINFO_SIZE),
});
