/** The expected lines follow strace 6.1, but for decoded structs, which the records do not hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NR_brk, NR_clone, NR_execve, NR_exit_group, NR_fcntl, NR_futex, NR_getcwd, NR_kill, NR_lseek, NR_mknodat, NR_mmap, NR_openat, NR_pause, NR_read,
  NR_socket, NR_wait4, NR_write, NR_ioctl, NR_access, NR_newfstatat, NR_pipe2,
} from './gen/syscalls.js';
import { SYSCALL_ARGS } from './gen/syscalls.js';
import { ENUMS, FLAG_SETS } from './trace-flags.js';
import { formatSyscall, quote, signalName, waitStatus, type TraceArgs } from './trace-format.js';

/** Arguments as numbers; a string stands for a pointer to those bytes. */
function args(...list: Array<number | string>): TraceArgs {
  return {
    num: (i) => { const v = list[i]; return typeof v === 'number' ? v : 0x1000; },
    hex: (i) => { const v = list[i]; return BigInt.asUintN(64, BigInt(typeof v === 'number' ? v : 0x1000)).toString(16); },
    str: (i) => { const v = list[i]; return typeof v === 'string' ? v : undefined; },
  };
}

const cases: ReadonlyArray<readonly [string, number, TraceArgs, number | undefined]> = [
  ['openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3', NR_openat, args(-100, '/etc/passwd', 0o2000000, 0o644), 3],
  ['openat(5, "x", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 EACCES (Permission denied)', NR_openat, args(5, 'x', 0o1101, 0o644), -13],
  ['openat(AT_FDCWD, ".", O_RDWR|O_TMPFILE, 0600) = 4', NR_openat, args(-100, '.', 0o20200002, 0o600), 4],
  ['openat(AT_FDCWD, NULL, O_RDONLY) = -1 EFAULT (Bad address)', NR_openat, args(0xffffff9c, 0, 0, 0), -14],
  ['read(3, "root:x:0", 4096) = 8', NR_read, args(3, 'root:x:0', 4096), 8],
  ['read(3, "ro", 4096) = 2', NR_read, args(3, 'root:x:0', 4096), 2],
  ['read(3, 0x1000, 4096) = -1 EBADF (Bad file descriptor)', NR_read, args(3, 'junk', 4096), -9],
  ['read(3, 0x1000, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)', NR_read, args(3, 0x1000, 10), -512],
  ['write(1, "a\\tb\\n", 4) = 4', NR_write, args(1, 'a\tb\n', 4), 4],
  ['write(1, "01234567890123456789012345678901"..., 40) = 40', NR_write, args(1, '0123456789'.repeat(4), 40), 40],
  ['write(1, "abc"..., 100000) = 100000', NR_write, args(1, 'abc', 100000), 100000],
  ['mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000', NR_mmap,
    args(0, 8192, 3, 0x22, -1, 0), 0x7f0000001000],
  ['brk(NULL) = 0x555555559000', NR_brk, args(0), 0x555555559000],
  ['lseek(3, -5, SEEK_END) = 10', NR_lseek, args(3, -5, 2), 10],
  ['kill(-1, SIGTERM) = 0', NR_kill, args(-1, 15), 0],
  ['fcntl(3, F_GETFL) = 32768', NR_fcntl, args(3, 3, 77), 32768],
  ['fcntl(3, F_SETFD, FD_CLOEXEC) = 0', NR_fcntl, args(3, 2, 1), 0],
  ['fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0', NR_fcntl, args(3, 4, 0o4002), 0],
  ['futex(0x5000, FUTEX_WAKE_PRIVATE, 1) = 1', NR_futex, args(0x5000, 129, 1, 9, 9, 9), 1],
  ['futex(0x5000, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, 2, NULL, 0xffffffff) = -1 EAGAIN (Resource temporarily unavailable)',
    NR_futex, args(0x5000, 265, 2, 0, 0, 0xffffffff), -11],
  ['clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, NULL, NULL, 0x6000, 0) = 7', NR_clone, args(0x1200011, 0, 0, 0x6000, 0), 7],
  ['wait4(-1, 0x7000, WNOHANG|WSTOPPED, NULL) = 0', NR_wait4, args(-1, 0x7000, 3, 0), 0],
  ['mknodat(AT_FDCWD, "n", S_IFCHR|0666, 0x103) = 0', NR_mknodat, args(-100, 'n', 0o20666, 0x103), 0],
  ['mknodat(AT_FDCWD, "f", S_IFIFO|0644) = 0', NR_mknodat, args(-100, 'f', 0o10644, 0), 0],
  ['socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3', NR_socket, args(1, 0o2000001, 0), 3],
  ['ioctl(0, TCGETS, 0x1000) = -1 ENOTTY (Inappropriate ioctl for device)', NR_ioctl, args(0, 0x5401, 0x1000), -25],
  ['access("/x", F_OK) = 0', NR_access, args('/x', 0), 0],
  ['access("/x", R_OK|X_OK) = 0', NR_access, args('/x', 5), 0],
  ['newfstatat(3, "", 0x9000, AT_EMPTY_PATH) = 0', NR_newfstatat, args(3, '', 0x9000, 0x1000), 0],
  ['getcwd("/tmp\\0", 100) = 5', NR_getcwd, args('/tmp\0', 100), 5],
  ['pause() = ? ERESTARTNOHAND (To be restarted if no handler)', NR_pause, args(), -514],
  ['execve("/bin/ls", ["ls", "", "-l"], 0x1000 /* 1 vars */) = 0', NR_execve, args('/bin/ls', '\x03\0\0\0ls\0\0-l\0', '\x01\0\0\0A=1\0'), 0],
  ['execve("/bin/ls", 0x5000, NULL) = -1 E2BIG (Argument list too long)', NR_execve, args('/bin/ls', 0x5000, 0), -7],
  ['exit_group(3) = ?', NR_exit_group, args(3), 0],
  ['syscall_0x190(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)', 400, args(1, 2, 3, 4, 5, 6), -38],
];

for (const [line, nr, a, ret] of cases) test(line, () => assert.equal(formatSyscall(nr, a, ret), line));

test('octal escapes are as short as they may be', () => {
  assert.equal(quote('\x7fELF\x02\x01'), '"\\177ELF\\2\\1"');
  assert.equal(quote('\x017'), '"\\0017"');
  assert.equal(quote('\xff"\\'), '"\\377\\"\\\\"');
  assert.equal(quote('a'.repeat(32)), `"${'a'.repeat(32)}"`);
  assert.equal(quote('a'.repeat(33)), `"${'a'.repeat(32)}"...`);
});

test('what a call has stored: a child\'s status, a pipe\'s ends', () => {
  const stored = (list: readonly number[], ...ints: number[]): TraceArgs => ({ ...args(...list), int: (_i, n) => ints[n] });
  assert.equal(formatSyscall(NR_wait4, stored([-1, 0x7000, 0, 0], 0x0300), 7), 'wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 7');
  assert.equal(formatSyscall(NR_wait4, stored([-1, 0x7000, 0, 0], 9), 7), 'wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 7');
  assert.equal(formatSyscall(NR_wait4, stored([-1, 0x7000, 0, 0], 9), -10), 'wait4(-1, 0x7000, 0, NULL) = -1 ECHILD (No child processes)');
  assert.equal(formatSyscall(NR_pipe2, stored([0x7000, 0o2000000], 3, 4), 0), 'pipe2([3, 4], O_CLOEXEC) = 0');
  assert.equal(waitStatus(0x137f), '{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}');
});

test('a record that holds fewer arguments says so', () => {
  assert.equal(formatSyscall(NR_mmap, { ...args(0, 4096, 1, 2), recorded: 4 }, 0x1000), 'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ...) = 0x1000');
});

test('signals', () => {
  assert.equal(signalName(9), 'SIGKILL');
  assert.equal(signalName(31), 'SIGSYS');
  assert.equal(signalName(33), 'SIGRT_1');
  assert.equal(signalName(65), '65');
});

test('every trace format of the table has a printer', () => {
  const plain = new Set(['int', 'pid', 'fd', 'uint', 'long', 'ulong', 'size', 'ptr', 'hex', 'dirfd', 'mode', 'filemode', 'signo',
    'futexop', 'cloneflags', 'ioctlcmd', 'str', 'in', 'out', 'inout', 'inbuf', 'outbuf', 'strv']);
  for (const spec of SYSCALL_ARGS) {
    for (const word of spec === '' ? [] : spec.split(' ')) {
      const kind = word.split(':')[1] ?? '';
      assert.ok(plain.has(kind) || FLAG_SETS.has(kind) || ENUMS.has(kind), word);
    }
  }
});
