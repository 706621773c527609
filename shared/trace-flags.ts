/**
 * Names of the flag and enumeration values that a trace prints. Data only; `trace-format.ts` does the printing.
 *
 * Sources: the x86-64 UAPI headers (fcntl.h, mman.h, sched.h, futex.h, wait.h, time.h, signal.h, resource.h, prctl.h,
 * socket.h, epoll.h) and the man pages of the calls.
 */

/** Bits of a flag word, longest first where one name includes another's bits. */
export type Bits = ReadonlyArray<readonly [number, string]>;
/** Values of an enumeration. */
export type Names = ReadonlyMap<number, string>;

export interface FlagSet {
  /** A field of the word that is an enumeration rather than a set of bits, such as the access mode of open(2). */
  readonly field?: { readonly mask: number; readonly names: Names };
  readonly bits: Bits;
  /** Printed for 0 when there is no field. */
  readonly zero: string;
}

const list = (first: number, names: string): Names => new Map(names.split(' ').map((name, i) => [first + i, name]));
const bits = (zero: string, ...pairs: Array<readonly [number, string]>): FlagSet => ({ bits: pairs, zero });

export const SIGNALS: Names = list(1,
  'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM '
  + 'SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO '
  + 'SIGPWR SIGSYS');

/** Flag words by trace format (FORMATS of kernel/syscalls/types.ts). */
export const FLAG_SETS: ReadonlyMap<string, FlagSet> = new Map<string, FlagSet>([
  ['openflags', {
    field: { mask: 3, names: list(0, 'O_RDONLY O_WRONLY O_RDWR O_ACCMODE') },
    bits: [
      [0o20200000, 'O_TMPFILE'], [0o4010000, 'O_SYNC'], [0o100, 'O_CREAT'], [0o200, 'O_EXCL'], [0o400, 'O_NOCTTY'],
      [0o1000, 'O_TRUNC'], [0o2000, 'O_APPEND'], [0o4000, 'O_NONBLOCK'], [0o10000, 'O_DSYNC'], [0o20000, 'O_ASYNC'],
      [0o40000, 'O_DIRECT'], [0o100000, 'O_LARGEFILE'], [0o200000, 'O_DIRECTORY'], [0o400000, 'O_NOFOLLOW'],
      [0o1000000, 'O_NOATIME'], [0o2000000, 'O_CLOEXEC'], [0o10000000, 'O_PATH'],
    ],
    zero: '0',
  }],
  ['mmapprot', bits('PROT_NONE', [1, 'PROT_READ'], [2, 'PROT_WRITE'], [4, 'PROT_EXEC'], [0x1000000, 'PROT_GROWSDOWN'])],
  ['mmapflags', {
    field: { mask: 0xf, names: new Map([[0, 'MAP_FILE'], [1, 'MAP_SHARED'], [2, 'MAP_PRIVATE'], [3, 'MAP_SHARED_VALIDATE']]) },
    bits: [
      [0x10, 'MAP_FIXED'], [0x20, 'MAP_ANONYMOUS'], [0x40, 'MAP_32BIT'], [0x100, 'MAP_GROWSDOWN'], [0x800, 'MAP_DENYWRITE'],
      [0x1000, 'MAP_EXECUTABLE'], [0x2000, 'MAP_LOCKED'], [0x4000, 'MAP_NORESERVE'], [0x8000, 'MAP_POPULATE'],
      [0x10000, 'MAP_NONBLOCK'], [0x20000, 'MAP_STACK'], [0x40000, 'MAP_HUGETLB'], [0x80000, 'MAP_SYNC'],
      [0x100000, 'MAP_FIXED_NOREPLACE'],
    ],
    zero: '0',
  }],
  ['mremapflags', bits('0', [1, 'MREMAP_MAYMOVE'], [2, 'MREMAP_FIXED'], [4, 'MREMAP_DONTUNMAP'])],
  ['msyncflags', bits('0', [1, 'MS_ASYNC'], [2, 'MS_INVALIDATE'], [4, 'MS_SYNC'])],
  ['cloneflags', bits('0',
    [0x80, 'CLONE_NEWTIME'], [0x100, 'CLONE_VM'], [0x200, 'CLONE_FS'], [0x400, 'CLONE_FILES'], [0x800, 'CLONE_SIGHAND'],
    [0x1000, 'CLONE_PIDFD'], [0x2000, 'CLONE_PTRACE'], [0x4000, 'CLONE_VFORK'], [0x8000, 'CLONE_PARENT'],
    [0x10000, 'CLONE_THREAD'], [0x20000, 'CLONE_NEWNS'], [0x40000, 'CLONE_SYSVSEM'], [0x80000, 'CLONE_SETTLS'],
    [0x100000, 'CLONE_PARENT_SETTID'], [0x200000, 'CLONE_CHILD_CLEARTID'], [0x400000, 'CLONE_DETACHED'],
    [0x800000, 'CLONE_UNTRACED'], [0x1000000, 'CLONE_CHILD_SETTID'], [0x2000000, 'CLONE_NEWCGROUP'],
    [0x4000000, 'CLONE_NEWUTS'], [0x8000000, 'CLONE_NEWIPC'], [0x10000000, 'CLONE_NEWUSER'], [0x20000000, 'CLONE_NEWPID'],
    [0x40000000, 'CLONE_NEWNET'], [0x80000000, 'CLONE_IO'])],
  ['timerflags', bits('0', [1, 'TIMER_ABSTIME'], [2, 'TFD_TIMER_CANCEL_ON_SET'])],
  ['lockop', bits('0', [1, 'LOCK_SH'], [2, 'LOCK_EX'], [4, 'LOCK_NB'], [8, 'LOCK_UN'])],
  ['fallocmode', bits('0',
    [1, 'FALLOC_FL_KEEP_SIZE'], [2, 'FALLOC_FL_PUNCH_HOLE'], [8, 'FALLOC_FL_COLLAPSE_RANGE'], [16, 'FALLOC_FL_ZERO_RANGE'],
    [32, 'FALLOC_FL_INSERT_RANGE'], [64, 'FALLOC_FL_UNSHARE_RANGE'])],
  ['memfdflags', bits('0', [1, 'MFD_CLOEXEC'], [2, 'MFD_ALLOW_SEALING'], [4, 'MFD_HUGETLB'], [8, 'MFD_NOEXEC_SEAL'], [16, 'MFD_EXEC'])],
  ['rwfflags', bits('0', [1, 'RWF_HIPRI'], [2, 'RWF_DSYNC'], [4, 'RWF_SYNC'], [8, 'RWF_NOWAIT'], [16, 'RWF_APPEND'], [32, 'RWF_NOAPPEND'])],
  ['closerangeflags', bits('0', [2, 'CLOSE_RANGE_UNSHARE'], [4, 'CLOSE_RANGE_CLOEXEC'])],
  ['accessmode', bits('F_OK', [4, 'R_OK'], [2, 'W_OK'], [1, 'X_OK'])],
  ['atflags', bits('0',
    [0x100, 'AT_SYMLINK_NOFOLLOW'], [0x200, 'AT_REMOVEDIR'], [0x400, 'AT_SYMLINK_FOLLOW'], [0x800, 'AT_NO_AUTOMOUNT'],
    [0x1000, 'AT_EMPTY_PATH'], [0x2000, 'AT_STATX_FORCE_SYNC'], [0x4000, 'AT_STATX_DONT_SYNC'], [0x8000, 'AT_RECURSIVE'])],
  ['atremove', bits('0', [0x200, 'AT_REMOVEDIR'])],
  ['ataccess', bits('0', [0x100, 'AT_SYMLINK_NOFOLLOW'], [0x200, 'AT_EACCESS'], [0x1000, 'AT_EMPTY_PATH'])],
  ['renameflags', bits('0', [1, 'RENAME_NOREPLACE'], [2, 'RENAME_EXCHANGE'], [4, 'RENAME_WHITEOUT'])],
  ['waitoptions', bits('0',
    [1, 'WNOHANG'], [2, 'WSTOPPED'], [4, 'WEXITED'], [8, 'WCONTINUED'], [0x1000000, 'WNOWAIT'],
    [0x20000000, '__WNOTHREAD'], [0x40000000, '__WALL'], [0x80000000, '__WCLONE'])],
  ['grndflags', bits('0', [1, 'GRND_NONBLOCK'], [2, 'GRND_RANDOM'], [4, 'GRND_INSECURE'])],
  ['socktype', {
    field: { mask: 0xf, names: list(0, '0 SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP') },
    bits: [[0o4000, 'SOCK_NONBLOCK'], [0o2000000, 'SOCK_CLOEXEC']],
    zero: '0',
  }],
  ['msgflags', bits('0',
    [1, 'MSG_OOB'], [2, 'MSG_PEEK'], [4, 'MSG_DONTROUTE'], [8, 'MSG_CTRUNC'], [0x20, 'MSG_TRUNC'], [0x40, 'MSG_DONTWAIT'],
    [0x80, 'MSG_EOR'], [0x100, 'MSG_WAITALL'], [0x800, 'MSG_CONFIRM'], [0x2000, 'MSG_ERRQUEUE'], [0x4000, 'MSG_NOSIGNAL'],
    [0x8000, 'MSG_MORE'], [0x10000, 'MSG_WAITFORONE'], [0x4000000, 'MSG_ZEROCOPY'], [0x20000000, 'MSG_FASTOPEN'],
    [0x40000000, 'MSG_CMSG_CLOEXEC'])],
]);

/** Enumerations by trace format. */
export const ENUMS: ReadonlyMap<string, Names> = new Map<string, Names>([
  ['whence', list(0, 'SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE')],
  ['madvice', new Map([
    ...list(0, 'MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED'),
    ...list(8, 'MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE '
      + 'MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE '
      + 'MADV_DONTNEED_LOCKED MADV_COLLAPSE'),
  ])],
  ['clockid', list(0,
    'CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW CLOCK_REALTIME_COARSE '
    + 'CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM CLOCK_SGI_CYCLE CLOCK_TAI')],
  ['fcntlcmd', new Map([
    ...list(0, 'F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG'),
    ...list(15, 'F_SETOWN_EX F_GETOWN_EX'),
    ...list(36, 'F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW'),
    ...list(1024, 'F_SETLEASE F_GETLEASE F_NOTIFY'),
    ...list(1030, 'F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS F_GET_RW_HINT F_SET_RW_HINT'),
  ])],
  ['fadvice', list(0,
    'POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED POSIX_FADV_DONTNEED POSIX_FADV_NOREUSE')],
  ['idtype', list(0, 'P_ALL P_PID P_PGID P_PIDFD')],
  ['schedpolicy', new Map([...list(0, 'SCHED_OTHER SCHED_FIFO SCHED_RR SCHED_BATCH'), ...list(5, 'SCHED_IDLE SCHED_DEADLINE SCHED_EXT')])],
  ['rlimit', list(0,
    'RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS '
    + 'RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME')],
  ['rusagewho', list(-1, 'RUSAGE_CHILDREN RUSAGE_SELF RUSAGE_THREAD')],
  ['prctlop', new Map([
    ...list(1, 'PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE PR_GET_UNALIGN PR_SET_UNALIGN PR_GET_KEEPCAPS '
      + 'PR_SET_KEEPCAPS PR_GET_FPEMU PR_SET_FPEMU PR_GET_FPEXC PR_SET_FPEXC PR_GET_TIMING PR_SET_TIMING PR_SET_NAME PR_GET_NAME'),
    ...list(21, 'PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP PR_GET_TSC PR_SET_TSC PR_GET_SECUREBITS '
      + 'PR_SET_SECUREBITS PR_SET_TIMERSLACK PR_GET_TIMERSLACK'),
    ...list(35, 'PR_SET_MM PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_GET_TID_ADDRESS '
      + 'PR_SET_THP_DISABLE PR_GET_THP_DISABLE'),
    [47, 'PR_CAP_AMBIENT'], [0x53564d41, 'PR_SET_VMA'], [0x59616d61, 'PR_SET_PTRACER'],
  ])],
  ['archprctl', list(0x1001, 'ARCH_SET_GS ARCH_SET_FS ARCH_GET_FS ARCH_GET_GS')],
  ['sighow', list(0, 'SIG_BLOCK SIG_UNBLOCK SIG_SETMASK')],
  ['itimer', list(0, 'ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF')],
  ['epollop', list(1, 'EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD')],
  ['sockdomain', new Map([
    ...list(0, 'AF_UNSPEC AF_UNIX AF_INET'), [10, 'AF_INET6'], [16, 'AF_NETLINK'], [17, 'AF_PACKET'], [38, 'AF_ALG'], [40, 'AF_VSOCK'],
  ])],
  ['shuthow', list(0, 'SHUT_RD SHUT_WR SHUT_RDWR')],
  ['socklevel', new Map([
    [0, 'SOL_IP'], [1, 'SOL_SOCKET'], [6, 'SOL_TCP'], [17, 'SOL_UDP'], [41, 'SOL_IPV6'], [263, 'SOL_PACKET'], [270, 'SOL_NETLINK'],
  ])],
]);

/** futex(2) operations, without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME. */
export const FUTEX_OPS: Names = list(0,
  'FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI '
  + 'FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2');

/** ioctl(2) requests that shells, editors and libraries make. */
export const IOCTLS: Names = new Map([
  ...list(0x5401, 'TCGETS TCSETS TCSETSW TCSETSF TCGETA TCSETA TCSETAW TCSETAF TCSBRK TCXONC TCFLSH TIOCEXCL TIOCNXCL TIOCSCTTY '
    + 'TIOCGPGRP TIOCSPGRP TIOCOUTQ TIOCSTI TIOCGWINSZ TIOCSWINSZ TIOCMGET'),
  [0x541b, 'FIONREAD'], [0x5420, 'TIOCPKT'], [0x5421, 'FIONBIO'], [0x5422, 'TIOCNOTTY'], [0x5429, 'TIOCGSID'],
  [0x5450, 'FIONCLEX'], [0x5451, 'FIOCLEX'], [0x5452, 'FIOASYNC'], [0x80045430, 'TIOCGPTN'], [0x40045431, 'TIOCSPTLCK'],
  [0x80045439, 'TIOCGPTLCK'], [0x5441, 'TIOCGPTPEER'], [0x80086601, 'FS_IOC_GETFLAGS'], [0x40049409, 'FICLONE'],
]);
