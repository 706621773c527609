/** Why rows are missed, by mechanism: written by hand, after looking. [mechanism, suites and rows, what would mend it] */
export const MECHANISMS: ReadonlyArray<readonly [string, string, string]> = [
  ['ptrace(2) is absent', 'go runtime: TestGdbPython, TestGdbPythonCgo, TestGdbBacktrace, TestGdbPanic; go net/http: TestLinuxSendfile (uses strace); kselftest ptrace', 'ptrace in the kernel server and the stub'],
  ['the table of open file descriptions has fewer rows than a hard RLIMIT_NOFILE of 20,000 allows', 'cpython test_selectors: test_above_fd_setsize', 'a larger table, or one that grows'],
  ['pidfd_send_signal(2) takes no directory of /proc', 'cpython test_signal: test_pidfd_send_signal', 'the signal server asks vfs which process an open directory of /proc is'],
];
