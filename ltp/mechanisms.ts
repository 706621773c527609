/** Why rows are missed, by mechanism: written by hand, after looking. [mechanism, suites and rows, what would mend it] */
export const MECHANISMS: ReadonlyArray<readonly [string, string, string]> = [
  ['no namespaces for guests: setns(2), unshare(2), clone(2) with CLONE_NEW*', 'kselftest pidfd_setns_test, setns-dcache, setns-sysvipc, unprivileged-remount-test', 'namespaces in the kernel server'],
  ['System V IPC is absent: shmget(2), msgget(2), semget(2)', 'kselftest ipc/msgque; futex_wait and futex_waitv, which wait in a shared segment', 'System V IPC in the ipc server'],
  ['/proc lacks files and mount options: hidepid and subset of proc(5), map_files, syscall, loadavg of a namespace', 'kselftest proc', 'more of vfs\'s procfs'],
  ['ptrace(2) is absent', 'kselftest ptrace, go net/http TestLinuxSendfile (uses strace) and, seen in single runs, go runtime TestGdb*', 'ptrace in the kernel server and the stub'],
  ['pidfd_getfd(2) and fdinfo of pidfds are incomplete', 'kselftest pidfd_getfd_test, pidfd_fdinfo_test', 'the kernel server\'s pidfds'],
  ['the table of open file descriptions has fewer rows than a hard RLIMIT_NOFILE of 20,000 allows', 'cpython test_selectors: test_above_fd_setsize', 'a larger table, or one that grows'],
  ['futexes with priority inheritance are not restarted after a signal', 'kselftest futex_requeue_pi_signal_restart (hangs)', 'FUTEX_WAIT_REQUEUE_PI in the stub\'s restartable section'],
  ['pidfd_send_signal(2) takes no directory of /proc', 'cpython test_signal: test_pidfd_send_signal', 'the signal server asks vfs which process an open directory of /proc is'],
  ['MS_NOSYMFOLLOW; openat2(2) with a mode and O_PATH; close_range(2) with CLOSE_RANGE_UNSHARE and CLOEXEC', 'kselftest nosymfollow-test, openat2_test, close_range_test', 'single checks'],
];
