/** What else there is to a container in the background: its input, its terminal, the times of its log, programs beside it that nobody waits for, files of one that has ended. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { CARRICK, carrick, carrickCommand, eventually, Footprint, listing, pause, type Result, testEnv } from './harness.js';
import { NO_TMUX, PROMPT, SHELL, Screen } from './screen.js';
import { ownDir } from './servers.js';

const amRoot = process.getuid?.() === 0;

for (const ordinary of [false, true]) {
  describe(ordinary ? 'as an ordinary user' : 'as the caller', { skip: ordinary && !amRoot ? 'only root can become another user' : false }, () => {
    const footprint = new Footprint(ordinary);
    const run = (...args: string[]): Result => carrick(args, footprint.options);
    const start = (name: string, script: string, ...flags: string[]): void => {
      const r = run('run', '-d', '--name', name, ...flags, 'host', '--', 'sh', '-c', script);
      assert.equal(r.status, 0, r.err);
    };
    after(() => { for (const id of run('ps', '-aq').out.split('\n')) if (id !== '') run('rm', '-f', id); });

    test('run -d -i: attach hands input on, of one after the other, and its end is not the container\'s', async () => {
      start('reader', 'while read -r line; do echo "got $line"; [ "$line" != end ] || exit 3; done; echo eof', '-i');
      for (const [input, status] of [['one\ntwo\n', null], ['three\nend\n', 3]] as const) {
        const [command = '', ...words] = carrickCommand(ordinary);
        const client = spawn(command, [...words, 'attach', 'reader'], { stdio: ['pipe', 'pipe', 'inherit'], env: testEnv(footprint.options.env, footprint.home) });
        let out = '';
        const ended = new Promise<number | null>((done) => { client.on('close', done); });
        client.stdout.setEncoding('utf8').on('data', (text: string) => {
          out += text;
          // The first one goes when it has seen its answers; the container does not.
          if (status === null && out === 'got one\ngot two\n') client.kill('SIGKILL');
        });
        client.stdin.end(input);
        assert.equal(await ended, status);
        assert.equal(out, input.replace(/^/gm, 'got ').replace(/got $/, ''));
      }
      assert.equal(run('logs', 'reader').out, 'got one\ngot two\ngot three\ngot end\n');
      // Again, and again with an input.
      run('start', 'reader');
      assert.ok(/Up /.test(run('ps').out), 'it waits for its input');
      run('rm', '-f', 'reader');
    });

    test('logs: times, since, until', () => {
      start('clock', 'echo first; while [ ! -e /opt/go ]; do sleep 0.02; done; printf "second "; printf "line\\n"; exec sleep 1000');
      assert.ok(eventually(() => run('logs', 'clock').out === 'first\n'));
      const stamps = (): string[] => run('logs', '-t', 'clock').out.split('\n').filter((line) => line !== '').map((line) => line.split(' ')[0] as string);
      assert.ok(eventually(() => stamps().length === 1 && run('logs', '--since', stamps()[0] as string, 'clock').out === 'first\n'));
      const [first = ''] = stamps(), between = new Date().toISOString();
      assert.ok(first <= between && Date.now() - Date.parse(first) < 600_000, first);
      pause(20);
      run('exec', 'clock', 'touch', '/opt/go');
      assert.ok(eventually(() => run('logs', 'clock').out === 'first\nsecond line\n'));
      const [, second = ''] = stamps();
      assert.ok(second > between, `${second} is not after ${between}`);
      assert.match(run('logs', '-t', 'clock').out, /^\S+Z first\n\S+Z second line\n$/);
      assert.equal(run('logs', '--since', between, 'clock').out, 'second line\n');
      assert.equal(run('logs', '--until', between, 'clock').out, 'first\n');
      assert.equal(run('logs', '--since', '1h', '-n', '1', 'clock').out, 'second line\n');
      assert.equal(run('logs', '--since', String(Math.floor(Date.now() / 1000) + 100), 'clock').out, '');
      assert.match(run('logs', '--since', 'yesterday', 'clock').err, /^carrick: bad --since "yesterday"; .*\n$/);
      assert.equal(run('kill', 'clock').status, 0);
      assert.equal(run('logs', '--until', between, 'clock').out, 'first\n', 'the times outlive the container');
      run('rm', 'clock');
    });

    test('logs: nobody reads on', () => {
      start('much', 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exec sleep 1000');
      assert.ok(eventually(() => run('logs', '-n', '1', 'much').out === 'line 19999\n'));
      for (const flags of ['', '-f']) {
        const command = [...carrickCommand(ordinary), 'logs', flags, 'much'].map((word) => `'${word}'`).join(' ').replace(" ''", '');
        const r = spawnSync('bash', ['-c', `${command} | head -n 1; echo ${'$'}{PIPESTATUS[0]}`], { encoding: 'utf8', env: { ...process.env, CARRICK_HOME: footprint.home } });
        assert.deepEqual([r.stdout, r.stderr], ['line 0\n141\n', '']);
      }
      run('rm', '-f', 'much');
    });

    test('logs: standard output and error apart; followed until a time', () => {
      start('both', 'echo out; echo err >&2; while [ ! -e /opt/go ]; do sleep 0.02; done; echo more; exec sleep 1000');
      const said = (...flags: string[]): string[] => { const r = run('logs', ...flags, 'both'); return [r.out, r.err]; };
      assert.ok(eventually(() => said().join('') === 'out\nerr\n'), said().join(''));
      assert.deepEqual(said(), ['out\n', 'err\n']);
      assert.deepEqual(said('-n', '1'), ['', 'err\n']);
      assert.deepEqual(said('-t').map((text) => text.replace(/^\S+Z /, '')), ['out\n', 'err\n']);
      const end = Date.now() + 2000;
      assert.deepEqual(said('-f', '--until', new Date(end).toISOString()), ['out\n', 'err\n']);
      assert.ok(Date.now() >= end, 'it follows until then');
      run('exec', 'both', 'touch', '/opt/go');
      assert.ok(eventually(() => said()[0] === 'out\nmore\n'));
      assert.deepEqual(said('-f', '--until', new Date(end).toISOString()), ['out\n', 'err\n'], 'a time that has been is not waited for');
      run('rm', '-f', 'both');
    });

    test('exec -d: nobody waits for it, nor is it killed when the client goes', () => {
      start('host', 'exec sleep 1000');
      const r = run('exec', '-d', '--env-file', envFile(ordinary), 'host', 'sh', '-c', 'echo "$ONE $TWO" >/opt/out; exec sleep 4711');
      assert.deepEqual([r.status, r.out, r.err], [0, '', '']);
      assert.ok(eventually(() => run('exec', 'host', 'cat', '/opt/out').out === '1 a b\n'));
      assert.match(run('exec', 'host', 'ps', 'ax').out, /sleep 4711/);
      assert.equal(run('exec', '-d', 'host', 'no-such-program').status, 127);
      const missing = run('run', '-d', '--rm', 'host', '--', 'no-such-program');
      assert.deepEqual([missing.status, missing.out], [127, '']);
      assert.match(missing.err, /^carrick: no-such-program: command not found/);
      run('rm', '-f', 'host');
    });

    test('cp from and to a container that has ended, which goes on having ended as it did', () => {
      assert.equal(run('run', '--name', 'box', 'host', '--', 'sh', '-c', 'mkdir /opt/d; echo inside >/opt/d/file; exit 6').status, 6);
      const dir = ownDir('cp-ended', ordinary), before = run('inspect', '-f', '{{json .State}}', 'box').out;
      const out = run('cp', 'box:/opt/d', join(dir, 'd'));
      assert.deepEqual([out.status, out.err], [0, '']);
      assert.equal(readFileSync(join(dir, 'd/file'), 'utf8'), 'inside\n');
      assert.equal(run('cp', join(dir, 'd/file'), 'box:/opt/d/new').status, 0);
      assert.equal(run('cp', join(dir, 'd'), 'box:/opt/d').status, 0);
      assert.match(run('cp', 'box:/none', dir).err, /no such file/i);
      assert.equal(run('inspect', '-f', '{{json .State}}', 'box').out, before);
      assert.equal(run('cp', 'box:/opt/d', join(dir, 'all')).status, 0);
      assert.deepEqual([readFileSync(join(dir, 'all/new'), 'utf8'), readFileSync(join(dir, 'all/d/file'), 'utf8')], ['inside\n', 'inside\n']);
      assert.equal(run('start', '-a', 'box').status, 6);
      run('rm', 'box');
    });

    test('several at once, some of them missing; labels, filters, formats', { skip: ordinary && 'the same for everybody' }, () => {
      for (const name of ['a', 'b']) start(name, 'trap "" TERM; echo up; while :; do sleep 1; done', '-l', `who=${name}`, '--stop-timeout', '1');
      for (const name of ['a', 'b']) assert.ok(eventually(() => run('logs', name).out === 'up\n'));
      assert.equal(run('ps', '-f', 'label=who=b', '--format', '{{.Names}} {{.Labels}} {{.State}}').out, 'b who=b running\n');
      assert.equal(run('ps', '-f', 'name=a', '--format', 'table {{.Names}}\t{{.State}}').out, 'NAMES   STATE\na       running\n');
      assert.equal(run('ps', '-l', '-q').out, run('inspect', '-f', '{{.Id}}', 'b').out);
      const stopped = run('stop', 'a', 'nobody', 'b');
      assert.deepEqual([stopped.status, stopped.out.split('\n').sort().join(' '), stopped.err], [125, ' a b', 'carrick: no container nobody; see carrick ps -a\n']);
      assert.equal(run('inspect', '-f', '{{.State.ExitCode}} {{index .Config.Labels "who"}}', 'a', 'b').out, '137 a\n137 b\n');
      assert.equal(run('ps', '-q', '-f', 'status=exited', '-f', 'exited=137').out.split('\n').length, 3);
      assert.match(run('ps', '--format', '{{.Nonsense}}').out + run('ps', '-a', '--format', '{{.Nonsense}}').err, /^carrick: --format: no field \.Nonsense; there are \.ID .*\n$/);
      assert.equal(run('rm', 'a', 'b').out, 'a\nb\n');
    });

    test('limits, /dev/shm and mounts are there; what cannot be done is said in one line', () => {
      const r = run('run', '--rm', '--ulimit', 'nofile=77:88', '--ulimit', 'core=0', '--shm-size', '1m', '--mount', 'type=tmpfs,target=/mnt,tmpfs-size=2m', '-h', 'box', '-p', '8080:8080', '--restart', 'no',
        'host', '--', 'sh', '-c', 'ulimit -n; ulimit -Hn; ulimit -c; df -k --output=size /dev/shm /mnt | tail -n 2; hostname; exec cat /proc/self/limits');
      assert.match(r.out, /^77\n88\n0\n +1024\n +2048\nbox\n[^]*Max open files +77 +88 /, r.err);
      // The host's own limits of a guest's process: a core is the host's to write.
      const big = run('run', '--rm', '--ulimit', 'fsize=4096', 'host', '--', 'sh', '-c', 'yes | head -c 9999 >/opt/big; stat -c %s /opt/big');
      assert.equal(big.out, '4096\n', big.err);
      if (ordinary) return;
      for (const flags of [['--memory', '1g'], ['--cpus', '2'], ['--restart', 'always'], ['--privileged'], ['-p', '80:8080'], ['-p', '127.0.0.1:80:80'], ['--platform', 'linux/s390x'], ['--ulimit', 'x=1'], ['--mount', 'type=volume,source=/a,target=/b']]) {
        const refused = run('run', '--rm', ...flags, 'host', '--', 'true');
        assert.deepEqual([refused.status, refused.out], [125, ''], flags.join(' '));
        assert.match(refused.err, /^carrick: [^\n]+\n$/, flags.join(' '));
      }
    });

    test('nothing is left', () => { assert.deepEqual(footprint.left(), []); });
  });
}

function envFile(ordinary: boolean): string {
  const path = join(ownDir('env', ordinary), 'env');
  writeFileSync(path, '# two variables\nONE=1\n\n  TWO=a b\n');
  return path;
}

test('run -dit: its terminal is attached to, left by the detach keys, and attached to again', { skip: existsSync('/usr/bin/tmux') ? false : 'no tmux here' }, () => {
  const footprint = new Footprint();
  const socket = `carrick-attach-${process.pid}`, env = { ...process.env, CARRICK_HOME: footprint.home };
  const tmux = (...args: string[]): string => spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8', env }).stdout;
  const until = (re: RegExp): void => {
    let screen = '';
    assert.ok(eventually(() => { screen = tmux('capture-pane', '-p', '-t', 's'); return re.test(screen); }, 20000), `${String(re)} is not on the screen:\n${screen}`);
  };
  const keys = (...what: string[]): void => { tmux('send-keys', '-t', 's', ...what); };
  try {
    const r = carrick(['run', '-dit', '--name', 't', '-e', 'PS1=ready> ', 'host', '--', 'bash', '--norc', '--noprofile'], footprint.options);
    assert.equal(r.status, 0, r.err);
    const attach = `${process.execPath} ${CARRICK} attach t`;
    tmux('new-session', '-d', '-s', 's', '-x', '90', '-y', '25', `${attach}; echo left=$?; read x; ${attach}; echo left=$?; sleep 100`);
    until(/ready>/);
    keys('tty; stty size; mark=here', 'Enter');
    until(/\/dev\/pts\/0\n25 90/);
    // What is typed before the shell has left its line editing is no line to cat: the terminal passed its Enter on as it was.
    keys('echo go-$((1 + 1)); cat', 'Enter');
    until(/^go-2$/m);
    keys('typed', 'Enter');
    until(/typed\n *typed/);
    // Ctrl-P alone is the program's, as is what follows it.
    keys('C-p', 'x', 'Enter');
    until(/\^Px\n/);
    keys('C-c');
    keys('C-p', 'C-q');
    until(/read escape sequence\nleft=0/);
    assert.match(carrick(['ps'], footprint.options).out, /Up .* t\n/);
    tmux('resize-window', '-t', 's', '-x', '70', '-y', '20');
    keys('Enter');
    keys('clear; stty size; echo mark=$mark', 'Enter');
    until(/^20 70\nmark=here$/m);
    keys('exit 7', 'Enter');
    until(/left=7/);
    assert.equal(carrick(['wait', 't'], footprint.options).out, '7\n');
  } finally {
    tmux('kill-server');
    carrick(['rm', '-f', 't'], footprint.options);
  }
  assert.deepEqual(footprint.left(), []);
  assert.deepEqual(listing(join(footprint.home, 'containers')), []);
});

test('run -it --detach-keys: left by the keys it goes on, and is attached to; one that ends at once says all it said', { skip: NO_TMUX }, () => {
  const footprint = new Footprint();
  const started = (argv: readonly string[]): Screen => new Screen([...carrickCommand(false), ...argv], footprint.options);
  const screens = [started(['run', '-it', '--rm', '--name', 'd', '--detach-keys', 'ctrl-p,ctrl-q', '-e', `PS1=${PROMPT}`, ...SHELL])];
  try {
    const [s] = screens as [Screen];
    s.until(/^ready>/m);
    assert.match(s.run('tty; stty size; mark=here'), /\/dev\/pts\/0\n30 100/);
    s.press('C-p', 'C-q').until(/read escape sequence\n\(status 0\)/);
    assert.match(carrick(['ps'], footprint.options).out, /Up .* d\n/);
    const again = started(['attach', 'd']);
    screens.push(again);
    again.press('Enter').until(/ready>/);
    again.line('echo mark=$mark').until(/^mark=here$/m);
    again.line('exit 5').until(/\(status 5\)/);
    const short = started(['run', '-it', '--rm', '--detach-keys', 'a,b', 'host', '--', 'sh', '-c', 'echo said; exit 3']);
    screens.push(short);
    short.until(/^said\n\(status 3\)/m);
    const missing = started(['run', '-it', '--rm', '--detach-keys', 'a,b', 'host', '--', 'no-such-program']);
    screens.push(missing);
    missing.until(/command not found[^]*\(status 127\)/m);
  } finally {
    for (const s of screens) s.close();
    carrick(['rm', '-f', 'd'], footprint.options);
  }
  for (const flags of [['-t'], ['-dit']]) assert.match(carrick(['run', '--rm', ...flags, '--detach-keys', 'a', 'host', '--', 'true'], footprint.options).err, /^carrick: --detach-keys are typed at a terminal: they need -it, and no -d\n$/);
  assert.deepEqual(footprint.left(), []);
});
