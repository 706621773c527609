/** `carrick run`: output, exit status, flags, and nothing left behind. */
import assert from 'node:assert/strict';
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Footprint, bash, carrick, listing, native, runHost, scratchDir } from './harness.js';
import { ORDINARY_UID } from '../public.js';

test('the first command of the README', () => {
  const r = bash('echo hello from $(uname -s); ls / | head -3; python3 -c "print(sum(range(10)))"');
  assert.equal(r.err, '');
  assert.equal(r.status, 0);
  assert.match(r.out, /^hello from Linux\n/);
  assert.match(r.out, /45\n$/);
});

test('exit status: the guest\'s own, 125, 126, 127, 128 + signal', () => {
  assert.equal(bash('exit 42').status, 42);
  assert.equal(bash('kill -9 $$').status, 137);
  assert.equal(bash('kill -TERM $$').status, 143);
  const missing = runHost(['nosuch-program']);
  assert.equal(missing.status, 127);
  assert.match(missing.err, /^carrick: .*nosuch-program.*\n$/);
  const notExec = runHost(['/etc/passwd']);
  assert.equal(notExec.status, 126);
  assert.equal(notExec.err.trim().split('\n').length, 1);
  assert.equal(carrick(['run', '--no-such-flag', 'host', '--', 'true']).status, 125);
  assert.equal(carrick(['run', 'rootfs:/no/such/dir', '--', 'true']).status, 125);
});

test('stdin, pipes and large output pass unchanged', () => {
  const data = Array.from({ length: 20000 }, (_, i) => `line ${i}`).join('\n');
  const r = bash('cat | tee /dev/null | cat', { input: data });
  assert.ok(r.out === data, `${r.out.length} bytes came back of ${data.length}: ${r.err}`);
  assert.equal(bash('wc -c', { input: data }).out.trim(), String(data.length));
});

test('-it with an input that ends: who reads the terminal sees the end, in canonical and in raw mode', () => {
  for (const [argv, input] of [[['bash', '--norc', '--noprofile'], 'echo "$((6 * 7)) bash"\n'], [['bash', '--norc', '--noprofile'], ''], [['sh', '-c', 'cat; cat; echo "$((6 * 7)) sh"'], 'text'], [['sh', '-c', 'stty raw; cat; echo "$((6 * 7)) raw"'], '']] as const) {
    const r = carrick(['run', '--rm', '-it', 'host', '--', ...argv], { input, timeoutMs: 60000 });
    assert.equal(r.status, 0, r.err);
    if (input !== '' || argv[0] === 'sh') assert.match(r.out, /42 (bash|sh|raw)/);
  }
});

test('root in the container has a home, whoever runs it', () => {
  for (const ordinary of process.getuid?.() === 0 ? [false, true] : [false]) {
    const r = carrick(['run', '--rm', 'host', '--', 'sh', '-c', 'cd && touch .carrick-test && test -e ~/.carrick-test && stat -c %u . && pwd'], new Footprint(ordinary).options);
    assert.deepEqual([r.out, r.err, r.status], ['0\n/root\n', '', 0]);
  }
});

test('flags: environment, directory, user, hostname, entrypoint, tmpfs', () => {
  assert.equal(carrick(['run', '--rm', '-e', 'A=b c', 'host', '--', 'sh', '-c', 'echo $A']).out, 'b c\n');
  assert.equal(carrick(['run', '--rm', '-w', '/usr/bin', 'host', 'pwd']).out, '/usr/bin\n');
  assert.equal(carrick(['run', '--rm', '-u', '12:34', 'host', '--', 'sh', '-c', 'id -u; id -g']).out, '12\n34\n');
  assert.equal(carrick(['run', '--rm', '-u', 'nobody', 'host', '--', 'id', '-un']).out, 'nobody\n');
  assert.equal(carrick(['run', '--rm', '--hostname', 'box', 'host', '--', 'uname', '-n']).out, 'box\n');
  assert.equal(carrick(['run', '--rm', '--entrypoint', '/bin/echo', 'host', 'hi']).out, 'hi\n');
  assert.equal(carrick(['run', '--rm', '--tmpfs', '/mnt/t', 'host', '--', 'sh', '-c', 'echo x > /mnt/t/f && cat /mnt/t/f']).out, 'x\n');
  assert.equal(carrick(['run', '--rm', '--read-only', 'host', '--', 'sh', '-c', 'echo x > /etc/f']).status === 0, false);
});

test('children and their programs have their call sites rewritten, too', () => {
  const calls = 'import os\nfor i in range(5000): os.stat("/")';
  for (const argv of [['python3', '-c', `import os\nif os.fork() == 0: exec(${JSON.stringify(calls)})\nelse: os.wait()`], ['sh', '-c', 'python3 -c "$0"; true', calls]]) {
    const r = carrick(['trace', '-c', 'run', '--rm', 'host', '--', ...argv]);
    const [, thunks, traps] = /(\d+) calls came by them, (\d+) trapped/.exec(r.err)?.map(Number) ?? [];
    assert.ok((thunks ?? 0) > 4 * (traps ?? Infinity), `${argv.join(' ')}: ${r.err.slice(-300)}`);
  }
});

test('a name that another process sets is what uname says from then on', () => {
  const program = 'import os, socket\nbefore = os.uname().nodename\nchild = os.fork()\nif child == 0:\n  socket.sethostname("other")\n  os._exit(0)\nos.waitpid(child, 0)\nprint(before, os.uname().nodename)';
  assert.equal(carrick(['run', '--rm', '--hostname', 'box', 'host', '--', 'python3', '-c', program]).out, 'box other\n');
});

test('volumes: read-write reaches the host, read-only does not', () => {
  const dir = scratchDir('vol');
  writeFileSync(join(dir, 'in'), 'from host\n');
  const r = carrick(['run', '--rm', '-v', `${dir}:/vol`, 'host', '--', 'sh', '-c', 'cat /vol/in; echo from guest > /vol/out; mkdir /vol/d; mv /vol/out /vol/d/moved']);
  assert.equal(r.err, '');
  assert.equal(r.out, 'from host\n');
  assert.equal(readFileSync(join(dir, 'd/moved'), 'utf8'), 'from guest\n');
  assert.equal(carrick(['run', '--rm', '-v', `${dir}:/vol:ro`, 'host', '--', 'sh', '-c', 'echo no > /vol/out2']).status === 0, false);
  assert.deepEqual(listing(dir), ['d', 'in']);
});

test('volumes of an ordinary user: a file that is made without write permission can be written by who made it', () => {
  const ordinary = process.getuid?.() === 0;
  const dir = scratchDir('vol');
  if (ordinary) chownSync(dir, ORDINARY_UID, ORDINARY_UID);
  const r = carrick(['run', '--rm', '-v', `${dir}:/vol`, 'host', '--', 'sh', '-c', 'umask 0333; echo made > /vol/made; echo more >> /vol/made; cat /vol/made; stat -c %a /vol/made'], new Footprint(ordinary).options);
  assert.deepEqual([r.out, r.err], ['made\nmore\n444\n', '']);
  assert.equal(statSync(join(dir, 'made')).mode & 0o777, 0o444);
});

test('run-elf: a static and a dynamic program, arguments and environment as natively', () => {
  const dir = scratchDir('elf');
  writeFileSync(join(dir, 'a.c'), '#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) { printf("%d %s %s\\n", c, v[1], getenv("PROBE")); return c; }\n');
  for (const flags of [[], ['-static']]) {
    assert.equal(native(['gcc', ...flags, '-o', join(dir, 'a'), join(dir, 'a.c')]).status, 0);
    const r = carrick(['run-elf', join(dir, 'a'), 'x y'], { env: { PROBE: 'seen' } });
    assert.equal(r.out, '2 x y seen\n');
    assert.equal(r.status, 2);
  }
});

test('nothing is left behind: processes, container directories, files', () => {
  const footprint = new Footprint();
  for (let i = 0; i < 3; i++) {
    const r = carrick(['run', '--rm', 'host', '--', 'sh', '-c', 'sleep 100 & (setsid sleep 100 &) ; echo x > /etc/new; exit 0'], footprint.options);
    assert.equal(r.status, 0, r.err);
  }
  assert.deepEqual(footprint.left(), []);
});
