/**
 * What carrick has to survive: guests that die at bad moments, guests that mean harm (hostile.c), signals from outside. Each test says what must be left
 * standing. With namespaces, and without them (CARRICK_NAMESPACES=none), where guests end by other means.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, cpSync, openSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import { bash, carrick, carrickCommand, commandLine, eventually, guestProcesses, guestsOf, scratchDir, testEnv } from './harness.js';

const dir = scratchDir('faults');
const hostile = join(dir, 'hostile');

before(() => {
  const r = spawnSync('gcc', ['-O1', '-Wall', '-Werror', '-o', hostile, resolve('test/e2e/hostile.c')], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  // For guests that are not root.
  chmodSync(dir, 0o755);
});

interface Running { readonly child: ChildProcess; readonly pid: number; readonly line: () => Promise<string>; readonly ended: Promise<number | string> }

/** A container that goes on while the test looks at it. input: its standard input stays open, for the test to write to. */
function start(script: string, env: Record<string, string> = {}, input = false): Running {
  const [command = '', ...words] = carrickCommand(false);
  const child = spawn(command, [...words, 'run', '--rm', '-v', `${dir}:/hostile`, 'host', '--', '/bin/bash', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'], env: testEnv(env) });
  if (!input) child.stdin.end();
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child, pid: child.pid as number,
    line: async () => { const next = await lines.next(); return next.done === true ? '(end)' : next.value; },
    ended: new Promise((done) => child.on('close', (code, signal) => { done(code ?? signal ?? ''); })),
  };
}

/** Script on the host root with the hostile program at /hostile. */
const inGuest = (script: string): ReturnType<typeof carrick> => carrick(['run', '--rm', '-v', `${dir}:/hostile`, 'host', '--', '/bin/bash', '-c', script]);

for (const [how, env] of [['with namespaces', {}], ['without namespaces', { CARRICK_NAMESPACES: 'none' }]] as const) {
  test(`kill -9 of carrick leaves no guest, ${how}`, async () => {
    // By a number of their own: without a pid namespace, an orphan is the host's init's child.
    const sleep = `sleep ${1e6 + process.pid}`;
    const run = start(`${sleep} & (setsid ${sleep} &) ; while :; do :; done & echo ready; wait`, env);
    assert.equal(await run.line(), 'ready');
    const guests = (): number[] => [...new Set([...guestsOf([run.pid]), ...guestProcesses().filter((pid) => commandLine(pid) === sleep)])];
    assert.ok(eventually(() => guests().length >= 4), `${guests().length} guests`);
    const all = guests();
    run.child.kill('SIGKILL');
    assert.equal(await run.ended, 'SIGKILL');
    assert.ok(eventually(() => all.every((pid) => !guestProcesses().includes(pid))), 'guests outlived carrick');
  });

  test(`SIGTERM reaches the first program, and a second SIGINT ends the container at once, ${how}`, async () => {
    const polite = start('trap "echo got it; exit 9" TERM; echo ready; while :; do read -t 0.05 < <(sleep 1); done', env);
    assert.equal(await polite.line(), 'ready');
    polite.child.kill('SIGTERM');
    assert.equal(await polite.line(), 'got it');
    assert.equal(await polite.ended, 9);
    const stubborn = start('trap "echo no" INT; echo ready; while :; do read -t 0.05 < <(sleep 1); done', env);
    assert.equal(await stubborn.line(), 'ready');
    stubborn.child.kill('SIGINT');
    assert.equal(await stubborn.line(), 'no');
    stubborn.child.kill('SIGINT');
    assert.equal(await stubborn.ended, 137);
    assert.ok(eventually(() => guestsOf([stubborn.pid]).length === 0));
  });

  test(`a guest that the host kills is a death by SIGKILL to its parent, or 137, ${how}`, async () => {
    const run = start('sleep 1000 & echo ready; wait $!; echo "child $?"; kill -STOP $$', env);
    assert.equal(await run.line(), 'ready');
    const name = (pid: number): string => { try { return readFileSync(`/proc/${pid}/comm`, 'latin1').trim(); } catch { return ''; } };
    const sleeper = (): number => guestsOf([run.pid]).find((pid) => name(pid) === 'sleep') ?? 0;
    assert.ok(eventually(() => sleeper() !== 0));
    process.kill(sleeper(), 'SIGKILL');
    assert.equal(await run.line(), 'child 137');
    const shell = guestsOf([run.pid]).find((pid) => name(pid) === 'bash') ?? 0;
    process.kill(shell, 'SIGKILL');
    assert.equal(await run.ended, 137);
  });

  test(`a hundred children that fork, killed at random: each a SIGKILL to its parent, nobody stays, ${how}`, async () => {
    const run = start('/hostile/hostile massacre 7; echo done; read -t 1000 < <(sleep 1000)', env);
    assert.equal(await run.line(), 'killed 100');
    assert.equal(await run.line(), 'done');
    // The shell, its substitution, and sleep: children of the killed that were born but never committed are gone as well.
    const ok = eventually(() => guestsOf([run.pid]).length <= 3);
    assert.ok(ok, `${guestsOf([run.pid]).length} guests are left`);
    run.child.kill('SIGKILL');
    await run.ended;
  });
}

test('a fork bomb within ulimit -u ends with its container', () => {
  const r = carrick(['run', '--rm', '-u', '1000:1000', 'host', '--', '/bin/bash', '-c',
    'ulimit -u 60; b() { b | b & }; b 2>/dev/null; end=$((SECONDS + 3)); while ((SECONDS < end)); do :; done; exit 7'], { timeoutMs: 60000 });
  assert.equal(r.status, 7, r.err.slice(-500));
});

test('a guest that says it has ended and goes on is ended', () => {
  const r = inGuest('/hostile/hostile ghost; echo "alive $?"');
  assert.equal(r.out, 'ghost 1 5\nalive 0\n', r.err);
});

test('the stub\'s system call instruction does nothing for a guest that jumps there: forbidden calls are SIGSYS', () => {
  const r = inGuest('/hostile/hostile forbidden; echo "alive $?"');
  const lines = r.out.trim().split('\n');
  assert.equal(lines.pop(), 'alive 0', r.err);
  assert.ok(lines.length > 20);
  assert.deepEqual(lines.filter((l) => !l.endsWith(' signal 31')), []);
});

/** Lines `name result` of the hostile program, and that it lived to the last of them. */
function results(r: ReturnType<typeof carrick>): Map<string, string> {
  assert.deepEqual([r.status, r.err], [0, ''], r.out);
  return new Map(r.out.trim().split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const));
}

test('other ways into a kernel lead nowhere: int 0x80, x32, sysenter, numbers that are none; the vsyscall page is a call like others', () => {
  const got = results(inGuest('/hostile/hostile abi'));
  for (const way of ['int80-getpid', 'int80-open', 'x32-getpid', 'x32-open', 'x32-execve', 'negative', 'none']) assert.equal(got.get(way), '-38', way);
  // No such instruction (AMD), or a return to where no 64-bit program has code (Intel).
  assert.match(got.get('sysenter') ?? '', /^signal (4|11)$/);
  // A host may have no such page.
  assert.match(got.get('vsyscall-time') ?? '', /^(exit 1|signal 11)$/);
});

for (const [how, env] of [['with namespaces', {}], ['without namespaces', { CARRICK_NAMESPACES: 'none' }]] as const) {
  for (const user of ['0', '1000']) {
    test(`processes of the host are nobody to a guest of uid ${user}, ${how}`, async () => {
      const run = start(`while read -r pid; do setpriv --reuid ${user} --clear-groups /hostile/hostile reach $pid; done; exit 5`, env, true);
      // carrick itself, and who started it.
      for (const pid of [run.pid, process.pid]) {
        run.child.stdin?.write(`${pid}\n`);
        for (const call of ['kill', 'kill-group', 'tgkill', 'pidfd_open', 'ptrace-attach', 'ptrace-seize', 'process_vm_readv', 'process_vm_writev', 'prlimit64', 'setpriority', 'sched_setaffinity', 'setpgid']) {
          assert.match(await run.line(), new RegExp(`^${call} (ESRCH|ENOSYS)$`));
        }
        for (const file of ['mem', 'maps', 'root/etc', 'cwd', 'exe', 'fd/0', 'ns/mnt']) assert.equal(await run.line(), `${file} ENOENT`);
      }
      run.child.stdin?.end();
      assert.equal(await run.ended, 5);
    });
  }
}

test('calls that act on the machine or on the kernel are refused, to root and to others; a filter of the guest\'s own would judge the stub', () => {
  for (const user of ['0', '1000']) {
    const got = results(inGuest(`exec setpriv --reuid ${user} --clear-groups /hostile/hostile machine`));
    assert.ok(got.size > 25 && got.has('alive'));
    got.delete('alive');
    assert.deepEqual([...got].filter(([, result]) => !/^(EPERM|ENOSYS|EINVAL|ENODEV|ENOENT|EACCES|EROFS)$/.test(result)), []);
  }
});

test('the stub\'s memory is not the guest\'s: mapping calls and /proc/self/mem do not see it', () => {
  const got = results(inGuest('/hostile/hostile tamper'));
  assert.ok(got.size > 13 && got.has('alive'));
  got.delete('alive');
  assert.deepEqual([...got].filter(([, result]) => !/^(ENOMEM|EEXIST|EINVAL|EFAULT|EIO)$/.test(result)), []);
});

test('the stub\'s text, made writable and changed, may do what it might before', () => {
  const symbols = spawnSync('nm', [resolve('native/build/stub')], { encoding: 'utf8' });
  const path = / R exec_path$/m.exec(symbols.stdout)?.index ?? -1;
  assert.ok(path > 0, symbols.stderr);
  const got = results(inGuest(`/hostile/hostile patched ${symbols.stdout.slice(path - 16, path)}`));
  assert.ok(got.size > 20);
  // In the empty root there is no other program (ENOENT). Without one, one of the host's dies of its first call.
  assert.match(got.get('exec-other-path') ?? '', /^(exit 2|signal 31)$/);
  got.delete('exec-other-path');
  assert.deepEqual([...got].filter(([, result]) => result !== 'signal 31'), []);
});

/** A process that works and checks its results while others do harm; prints "well" at the end. */
const WORKER = '(for i in $(seq 300); do [ "$(echo $i | cat)" = $i ] || exit 1; done; echo well) & w=$!';

test('garbage in every server\'s doorbell harms nobody', () => {
  const r = inGuest(`${WORKER}; for s in 1 2 3; do /hostile/hostile doorbells $s; done; wait $w; echo "worker $?"`);
  assert.deepEqual([r.status, r.out.trim().split('\n').sort()], [0, ['rung', 'rung', 'rung', 'well', 'worker 0']], r.err);
  assert.doesNotMatch(r.err, /BUG|carrick:/);
});

test('a guest that scribbles over its area harms only itself', () => {
  const r = inGuest(`${WORKER}; for s in 1 2 3 4 5 6 7 8; do timeout -s KILL 2 /hostile/hostile scribble $s; done >/dev/null 2>&1; wait $w; echo "worker $?"; ls / | grep -c etc`);
  assert.deepEqual([r.status, r.out.trim().split('\n')], [0, ['well', 'worker 0', '1']], r.err);
  assert.doesNotMatch(r.err, /BUG/);
});

/** Names of carrick's threads, as far as they are servers. */
const servers = (pid: number): string[] => readdirSync(`/proc/${pid}/task`).map((tid) => readFileSync(`/proc/${pid}/task/${tid}/comm`, 'latin1').trim()).filter((name) => name.startsWith('carrick-')).sort();

test('net, ipc and signal start when somebody needs them', async () => {
  // Standard output is a file: Node's pipes are sockets, which are net's. And bash would ask whether its input is one.
  const path = join(dir, 'out'), out = openSync(path, 'w');
  const script = `echo ready; while [ ! -e /hostile/go ]; do :; done; : | :; echo piped; exec sleep ${1e6 + process.pid}`;
  const [command = '', ...words] = carrickCommand(false);
  const child = spawn(command, [...words, 'run', '--rm', '-v', `${dir}:/hostile`, 'host', '--', '/bin/sh', '-c', script], { stdio: ['ignore', out, 'inherit'], env: testEnv() });
  closeSync(out);
  const ended = new Promise((done) => child.on('close', done));
  const pid = child.pid as number;
  try {
    assert.ok(eventually(() => readFileSync(path, 'latin1') === 'ready\n'));
    assert.deepEqual(servers(pid), ['carrick-kernel', 'carrick-vfs']);
    writeFileSync(join(dir, 'go'), '');
    assert.ok(eventually(() => readFileSync(path, 'latin1') === 'ready\npiped\n'));
    assert.ok(eventually(() => servers(pid).length === 4), 'the death of a child is a signal');
    assert.deepEqual(servers(pid), ['carrick-ipc', 'carrick-kernel', 'carrick-signal', 'carrick-vfs']);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
});

test('a server that cannot be started when it is needed takes the container down, and says so', () => {
  const copy = scratchDir('incomplete');
  cpSync(resolve('dist'), join(copy, 'dist'), { recursive: true, filter: (path) => !path.includes('/dist/') || /\.(mjs|cjs)$/.test(path) });
  symlinkSync(resolve('native'), join(copy, 'native'));
  rmSync(join(copy, 'dist/ipc.cjs'));
  const run = (script: string): [number | null, string, string] => {
    const r = spawnSync(process.execPath, [join(copy, 'dist/carrick.mjs'), 'run', '--rm', 'host', '--', '/bin/sh', '-c', script], { encoding: 'utf8', env: testEnv() });
    return [r.status, r.stdout, r.stderr];
  };
  assert.deepEqual(run('echo one'), [0, 'one\n', '']);
  const [status, out, err] = run('echo one; echo two | cat');
  assert.deepEqual([status, out], [125, 'one\n']);
  assert.match(err, /^carrick: the ipc thread failed: .*ipc\.cjs.*; the container was stopped/);
});

test('carrick leaves the caller\'s standard output as it was: blocking', () => {
  const r = bash('while read -r key value; do [ "$key" = flags: ] && echo $((value & 04000)); done < /proc/self/fdinfo/1; head -c 3000000 /dev/zero | tr "\\0" x');
  assert.equal(r.status, 0, r.err);
  assert.equal(r.out.slice(0, 2), '0\n');
  assert.equal(r.out.length, 3000002);
});
