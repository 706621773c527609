/**
 * Why rows are missed, by mechanism. What a mechanism is, and what would mend it, is written by hand, after looking; which rows it explains is checked
 * against the baselines: every miss is claimed by exactly one mechanism, and every claim finds a miss (`docs --check` and docs.test.ts fail otherwise). So a
 * miss cannot be forgotten here, and one that is mended cannot stay.
 */
import type { ScoredProgram } from './baseline.js';

/** Rows of the programs of a suite whose names match; all rows when `row` is absent. */
export interface Claim { readonly suite: string; readonly program: RegExp; readonly row?: RegExp }

export interface Mechanism {
  readonly what: string;
  readonly mend: string;
  readonly claims: readonly Claim[];
}

export interface Miss { readonly suite: string; readonly program: string; readonly as: string; readonly row: string }

/** What explains the misses of the baselines, and what is wrong with the explanation. */
export interface Explained {
  /** Mechanisms with their misses, most rows first. */
  readonly found: ReadonlyArray<readonly [Mechanism, readonly Miss[]]>;
  readonly unclaimed: readonly Miss[];
  /** Misses claimed more than once, and claims without a miss, in words. */
  readonly faults: readonly string[];
}

const claims = (c: Claim, m: Miss): boolean => c.suite === m.suite && c.program.test(m.program) && (c.row?.test(m.row) ?? true);
const claimText = (c: Claim): string => `${c.suite} ${c.program}${c.row === undefined ? '' : ` ${c.row}`}`;

export function missesOf(suite: string, programs: readonly ScoredProgram[]): Miss[] {
  return programs.flatMap((p) => p.rows.filter((r) => r.state === 'MISS' || r.state === 'FLAKY').map((r) => ({ suite, program: p.program, as: p.as, row: r.row })));
}

export function explain(misses: readonly Miss[], mechanisms: readonly Mechanism[]): Explained {
  const faults: string[] = [];
  const found = mechanisms.map((mechanism) => [mechanism, misses.filter((m) => mechanism.claims.some((c) => claims(c, m)))] as const);
  for (const { what, claims: list } of mechanisms) {
    for (const c of list) if (!misses.some((m) => claims(c, m))) faults.push(`"${what}" claims ${claimText(c)}: no such miss`);
  }
  for (const m of misses) {
    const by = found.filter(([, rows]) => rows.includes(m)).map(([{ what }]) => `"${what}"`);
    if (by.length > 1) faults.push(`${m.suite} ${m.program} (${m.as}) ${m.row} is claimed by ${by.join(' and ')}`);
  }
  return {
    found: [...found].sort((a, b) => b[1].length - a[1].length),
    unclaimed: misses.filter((m) => found.every(([, rows]) => !rows.includes(m))),
    faults,
  };
}

const kselftest = (program: RegExp, row?: RegExp): Claim => ({ suite: 'kselftest', program, ...(row === undefined ? {} : { row }) });
const cpython = (program: RegExp, row?: RegExp): Claim => ({ suite: 'cpython', program, ...(row === undefined ? {} : { row }) });

const ltp = (program: RegExp): Claim => ({ suite: 'ltp', program });

export const MECHANISMS: readonly Mechanism[] = [
  { what: 'AF_VSOCK sockets are absent: vsock(7)', mend: 'the family in the net server, granted as the others', claims: [cpython(/^test_socket$/, /BasicVSOCKTest/)] },
  {
    what: 'no namespaces for guests: setns(2), unshare(2), clone(2) with CLONE_NEW*, clone3(2) with pids chosen for them', mend: 'namespaces in the kernel server',
    claims: [kselftest(/^(timens|nsfs|pid_namespace)\//), kselftest(/^pidfd\/pidfd_setns_test$/), kselftest(/^proc\/(setns-\w+|proc-loadavg-001)$/), kselftest(/^mount\/unprivileged-remount-test$/),
      kselftest(/^tmpfs\/bug-link-o-tmpfile$/), kselftest(/^pidfd\/pidfd_fdinfo_test$/), kselftest(/^clone3\/clone3(_set_tid)?$/), ltp(/^syscalls\/ioctl_ns04$/)],
  },
  {
    what: 'System V IPC was absent when these were measured; ids that a program chooses (/proc/sys/kernel/msg_next_id) still are', mend: 'measure again; the sysctls, for those who checkpoint',
    claims: [kselftest(/^ipc\/msgque$/), kselftest(/^futex\/functional\/futex_waitv?$/, /^(?!.* private)/), ltp(/^syscalls\/msg[a-z]+\d+$/)],
  },
  {
    what: 'calls that are absent: asynchronous I/O, keys, Landlock, remap_file_pages(2), fanotify, userfaultfd, perf events, io_uring, bpf, mounts by descriptor',
    mend: 'each by itself; the report of a program says which it uses (carrick compat-report)',
    claims: [ltp(/^syscalls\/(io_submit01|request_key03|landlock01|listmount03|shmctl05|epoll_pwait06|splice07)$/)],
  },
  {
    what: 'no block devices: the test formats one and mounts it', mend: 'loop devices and file systems on them; not planned', claims: [ltp(/^syscalls\/(fanotify19|getxattr03|utime03)$/)],
  },
  {
    what: 'files of /proc/sys that are not there or cannot be written: fs/mqueue, vm/drop_caches, net/ipv4/conf, fs/inotify', mend: 'more of vfs\'s procfs', claims: [kselftest(/^mqueue\/mq_open_tests$/), ltp(/^syscalls\/(cachestat03|clone09|inotify06)$/)],
  },
  {
    what: 'mended since it was measured: seals of a memfd opened by its name, the offset that sendfile(2) stores back, POSIX message queues, process_vm_readv(2)', mend: 'measure again', claims: [ltp(/^syscalls\/(memfd_create01|mq_notify03|process_vm_readv01|sendfile04_64)$/)],
  },
  {
    what: 'probes that differ in this runner only: its scratch directory is a sticky tmpfs here, which refuses others\' links as Linux\'s would, and the host\'s process group is an orphaned one, where stops are nothing; why 8 GiB cannot be asked for there (meta-stat) is not known',
    mend: 'the same directory and group on both sides', claims: [{ suite: 'probes', program: /^glibc\/(meta-chown|meta-stat|proc-death)$/ }],
  },
  { what: 'no core dumps, and no bit for one in a status', mend: 'the kernel server writes the file from the guest\'s memory', claims: [ltp(/^syscalls\/abort01$/)] },
  { what: 'no seccomp(2) filters for guests', mend: 'filters evaluated by the stub', claims: [kselftest(/^seccomp\//), ltp(/^syscalls\/prctl02$/)] },
  {
    what: '/proc lacks files and mount options: hidepid and subset of proc(5), map_files, syscall', mend: 'more of vfs\'s procfs',
    claims: [kselftest(/^proc\/(proc-fsconfig-hidepid|proc-pid-vm|proc-self-map-files-\d+|proc-self-syscall|proc-subset-pid)$/)],
  },
  {
    what: 'ptrace(2): absent when these were measured; debug registers still are', mend: 'measure again; hardware breakpoints by perf events of the host',
    claims: [ltp(/^syscalls\/ptrace10$/), { suite: 'go', program: /^net\/http$/, row: /^TestLinuxSendfile$/ }],
  },
  {
    what: 'the table of open file descriptions has fewer rows than a hard RLIMIT_NOFILE of 20,000 allows', mend: 'a larger table, or one that grows',
    claims: [cpython(/^test_selectors$/, /test_above_fd_setsize$/)],
  },
  {
    what: 'pidfd_send_signal(2) takes no directory of /proc', mend: 'the signal server asks vfs which process an open directory of /proc is',
    claims: [cpython(/^test_signal$/, /test_pidfd_send_signal$/), kselftest(/^pidfd\/pidfd_test$/)],
  },
  {
    what: 'checks that are not there: MS_NOSYMFOLLOW, F_SEAL_FUTURE_WRITE, close_range(2) with CLOSE_RANGE_UNSHARE and CLOEXEC, F_NOTIFY, mount(2) over a descriptor of /proc', mend: 'each by itself',
    claims: [kselftest(/^mount\/nosymfollow-test$/), kselftest(/^memfd\/memfd_test$/), kselftest(/^core\/close_range_test$/, /unshare_syzbot/), kselftest(/^exec\/recursion-depth$/), ltp(/^syscalls\/(fcntl39|mount08)$/)],
  },
];
