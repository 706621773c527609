/** strace and gdb inside a container see what they see on the host. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { carrick, native, scratchDir } from './harness.js';

const dir = scratchDir('debuggers');
const program = join(dir, 'program');
const TIMEOUT_MS = 120_000;

/** Makes each call below once, from a thread and from a child too. */
const SOURCE = `
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int counter;
int add(int a, int b)
{
	int c = a + b;
	counter += c;
	return c;
}
static void *work(void *p)
{
	syscall(SYS_getpgid, 0);
	return (void *)(long)add(10, *(int *)p);
}
int main(void)
{
	int x = 5;
	pthread_t t;
	void *r;
	for (int i = 0; i < 3; i++)
		x = add(x, i);
	pthread_create(&t, NULL, work, &x);
	pthread_join(t, &r);
	if (fork() == 0) {
		syscall(SYS_getppid);
		_exit(3);
	}
	wait(NULL);
	printf("x=%d r=%ld\\n", x, (long)r);
	return 0;
}
`;

before(() => {
  writeFileSync(`${program}.c`, SOURCE);
  execFileSync('cc', ['-g', '-O0', '-o', program, `${program}.c`, '-lpthread']);
});

const inside = (argv: readonly string[]): string => {
  const r = carrick(['run', '--rm', '-v', `${dir}:${dir}`, 'host', '--', ...argv], { timeoutMs: TIMEOUT_MS });
  return r.out + r.err;
};

const outside = (argv: readonly string[]): string => {
  const r = native(argv);
  return r.out + r.err;
};

/** Numbers of processes and addresses differ from run to run. */
const plain = (text: string): string[] => text.split('\n').map((line) => line.replace(/^\[pid +\d+\] /, '').replace(/0x[0-9a-f]+/g, 'ADDR').replace(/(LWP|process) \d+/g, '$1 N')
  .replace(/= \d{2,}$/, '= N').trimEnd()).filter((line) => line !== '');

test('strace follows threads and children, and names their calls and ends', () => {
  const argv = ['strace', '-f', '-e', 'trace=getpgid,getppid,wait4,write', '-e', 'signal=SIGCHLD', program];
  const calls = (text: string): string[] => plain(text).flatMap((line) => /^(getpgid|getppid|write|wait4)\(/.exec(line)?.[1] ?? /^(\+\+\+ exited with \d+ \+\+\+)/.exec(line)?.[1] ?? []).sort();
  assert.deepEqual(calls(inside(argv)), calls(outside(argv)));
  assert.equal(calls(inside(argv)).filter((line) => line.startsWith('+++')).length, 3);
});

test('gdb: breakpoints, backtraces, steps, values, threads', () => {
  const commands = ['set debuginfod enabled off', 'set width 0', 'break add', 'run', 'bt', 'print a', 'next', 'print c', 'finish', 'continue', 'print b', 'delete', 'break work', 'continue', 'thread', 'stepi', 'delete', 'continue'];
  const argv = ['gdb', '-nx', '-batch', ...commands.flatMap((c) => ['-ex', c]), program];
  const seen = (text: string): string[] => plain(text).filter((line) => !/^\[(New|Thread|Switching|Detaching|Inferior)|^warning|libthread_db/.test(line));
  const host = seen(outside(argv));
  assert.ok(host.some((line) => line.includes('hit Breakpoint')), host.join('\n'));
  assert.deepEqual(seen(inside(argv)), host);
});
