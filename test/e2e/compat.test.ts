/** carrick compat-report and carrick syscalls, as users type them; and the syscall table against what guests see. */
import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SYSCALL_NAMES, SYSCALL_STATUS } from '../../shared/gen/syscalls.js';
import { carrick, scratchDir } from './harness.js';

interface Report { readonly programs: ReadonlyArray<{ readonly program: string; readonly calls: ReadonlyArray<{ readonly name: string; readonly calls: number }>; readonly missed: ReadonlyArray<{ readonly what: string }> }>; readonly verdict: string }

const dir = scratchDir('compat');
const report = join(dir, 'report.json');

/** With HOME and SHELL: without them bash looks up its user, and asks nscd by a socket of its own. */
function compat(...command: string[]): Report {
  const r = carrick(['compat-report', '--format', 'json', '-o', report, '--', ...command], { env: { HOME: '/', SHELL: '/bin/sh' } });
  assert.equal(r.status, 0, r.err);
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

const callsOf = (r: Report, program: RegExp): Map<string, number> =>
  new Map(r.programs.filter((p) => program.test(p.program)).flatMap((p) => p.calls.map((c) => [c.name, c.calls] as const)));

test('each call is under the program that made it', () => {
  const r = compat('bash', '-c', 'ls | wc -l; /usr/bin/python3 -c "import socket; socket.socket()"');
  assert.ok(callsOf(r, /bash$/).has('pipe2'));
  assert.ok(callsOf(r, /python3/).has('socket'));
  assert.ok(!callsOf(r, /bash$/).has('socket'));
  assert.deepEqual(['ls', 'wc'].map((name) => r.programs.some((p) => p.program.endsWith(`/${name}`))), [true, true]);
  assert.match(r.verdict, /^nothing missing.*: \d+ calls of \d+ kinds by \d+ programs, exit 0$/);
});

test('no process is lost: two hundred children, calls of the stub\'s included', () => {
  const r = compat('/bin/sh', '-c', 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done');
  const calls = callsOf(r, /\/true$/);
  assert.equal(calls.get('exit_group'), 200);
  assert.equal(calls.get('execve'), 200);
  assert.ok((calls.get('mprotect') ?? 0) >= 200, `mprotect ${calls.get('mprotect')}`);
});

test('what is missing is named, with its program', () => {
  const r = compat('/usr/bin/python3', '-c', 'import ctypes; ctypes.CDLL(None).syscall(425, 8, 0)');
  assert.deepEqual(r.programs.filter((p) => p.program.includes('python')).flatMap((p) => p.missed.map((m) => m.what)).filter((what) => what === 'io_uring_setup'), ['io_uring_setup']);
  assert.match(r.verdict, /^\d+ missing/);
});

test('a static scan of a program and its libraries', () => {
  const r = carrick(['compat-report', '--static', '/bin/ls']);
  assert.equal(r.status, 0, r.err);
  for (const name of ['openat', 'getdents64', 'mmap', 'exit_group']) assert.match(r.out, new RegExp(`^ *\\d+  \\w+ +${name} `, 'm'));
  assert.match(r.out, /verdict: \d+ calls can be made, \d+ of them absent/);
});

test('syscalls by name and by number', () => {
  assert.equal(carrick(['syscalls', 'openat']).out, carrick(['syscalls', '257']).out);
  assert.match(carrick(['syscalls', 'openat']).out, /^openat\(dirfd, pathname, flags, mode\)\nnumber {3}257\nstatus {3}\w+\nserver {3}vfs, fast path in the stub\n[^]*tests {4}test\/probes\//);
  assert.equal(carrick(['syscalls', 'nosuch']).status, 1);
});

/** Calls that the host's kernel answers before any seccomp filter is asked (seccomp(2) of Linux 6.14): carrick never sees them. */
const UNSEEN = new Set(['uretprobe', 'uprobe']);
/** Calls that do not return. */
const LEFT_OUT = new Set(['rt_sigreturn', 'exit', 'exit_group', 'fork', 'vfork', 'pause']);

/** Calls each number in a child of its own with arguments that no call accepts. Prints the numbers that answer ENOSYS. */
const PROGRAM = `
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long nr = 0; nr <= 520; nr++) {
		int status;
		pid_t pid;
		if (nr == SYS_rt_sigreturn || nr == SYS_exit || nr == SYS_exit_group || nr == SYS_fork || nr == SYS_vfork || nr == SYS_pause)
			continue;
		pid = fork();
		if (pid == 0) {
			alarm(5);
			errno = 0;
			long r = syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
			_exit(r == -1 && errno == ENOSYS ? 38 : 0);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 38)
			printf("%ld\\n", nr);
	}
	puts("done");
	return 0;
}
`;

test('the table\'s absent calls answer ENOSYS, and no others do', () => {
  const source = join(dir, 'all.c');
  const binary = join(dir, 'all');
  writeFileSync(source, PROGRAM);
  assert.equal(spawnSync('cc', ['-O1', '-o', binary, source], { stdio: 'inherit' }).status, 0);
  const r = carrick(['run-elf', binary], { timeoutMs: 60000 });
  assert.equal(r.status, 0, r.err);
  const lines = r.out.trim().split('\n');
  assert.equal(lines.pop(), 'done');
  const enosys = new Set(lines.map(Number));
  // Linux itself says ENOSYS to an operation of futex(2) that there is not.
  const host = new Set(spawnSync(binary, { encoding: 'utf8' }).stdout.split('\n').map(Number));
  const wrong: string[] = [];
  for (let nr = 0; nr <= 520; nr++) {
    const name = SYSCALL_NAMES[nr] ?? '';
    const absent = name === '' || (SYSCALL_STATUS[nr] ?? 0) === 0;
    if (LEFT_OUT.has(name) || UNSEEN.has(name)) continue;
    if (absent ? !enosys.has(nr) : enosys.has(nr) && !host.has(nr)) wrong.push(`${nr} ${name}: the table says ${absent ? 'absent' : 'present'}`);
  }
  assert.deepEqual(wrong, []);
});
