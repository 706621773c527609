/** Containers in the background: run -d, ps, exec, logs, stop, kill, wait, rm, --init; as root and as an ordinary user. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ORDINARY_UID } from '../public.js';
import { ownDir } from './servers.js';
import { CARRICK, Footprint, carrick, carrickCommand, eventually, listing, pause, processesWith, type Result, testEnv } from './harness.js';

const amRoot = process.getuid?.() === 0;

/** Whether a process watches files, as one that follows a log does. */
function watches(pid: number): boolean {
  return listing(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === 'anon_inode:inotify';
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error; // closed meanwhile
      return false;
    }
  });
}

for (const ordinary of [false, true]) {
  describe(ordinary ? 'as an ordinary user' : 'as the caller', { skip: ordinary && !amRoot ? 'only root can become another user' : false }, () => {
    const footprint = new Footprint(ordinary);
    const run = (args: readonly string[], input?: string): Result => carrick(args, { ...footprint.options, ...(input === undefined ? {} : { input }), timeoutMs: 60000 });
    const start = (name: string, script: string, ...flags: string[]): void => {
      const r = run(['run', '-d', '--name', name, ...flags, 'host', '--', 'sh', '-c', script]);
      assert.equal(r.status, 0, r.err);
      assert.match(r.out, /^[0-9a-f]{12}\n$/);
    };
    const line = (name: string): string => run(['ps', '-a']).out.split('\n').find((l) => l.endsWith(` ${name}`)) ?? '';
    after(() => { for (const id of run(['ps', '-a', '-q']).out.split('\n')) if (id !== '') run(['rm', '-f', id]); });

    test('run -d, ps, logs, stop, wait, rm', () => {
      start('one', 'trap "echo bye; exit 5" TERM; echo hello; while :; do sleep 0.05; done');
      assert.match(line('one'), /Up /);
      assert.ok(eventually(() => run(['logs', 'one']).out === 'hello\n'));
      assert.match(run(['run', '--rm', '--name', 'one', 'host', '--', 'true']).err, /is running; choose another/);
      assert.match(run(['rm', 'one']).err, /is running/);
      assert.equal(run(['stop', 'one']).status, 0);
      assert.match(line('one'), /Exited \(5\)/);
      assert.equal(run(['wait', 'one']).out, '5\n');
      assert.equal(run(['logs', '-n', '1', 'one']).out, 'bye\n');
      assert.equal(run(['rm', 'one']).status, 0);
      assert.equal(line('one'), '');
    });

    test('exec: status, input, output, environment, directory, user, session', () => {
      start('two', 'exec sleep 1000', '-e', 'FROM=run');
      assert.equal(run(['exec', 'two', 'sh', '-c', 'exit 9']).status, 9);
      assert.equal(run(['exec', 'two', 'cat'], 'some data').out, 'some data');
      assert.equal(run(['exec', '-e', 'MORE=yes', '-w', '/usr', '-u', '12:34', 'two', '--', 'sh', '-c', 'echo $FROM $MORE $PWD $(id -u) $(id -g) $PPID']).out, 'run yes /usr 12 34 0\n');
      assert.match(run(['exec', 'two', 'sh', '-c', 'echo oops >&2']).err, /^oops\n$/);
      const missing = run(['exec', 'two', 'no-such-program']);
      assert.deepEqual([missing.status, /command not found/.test(missing.err)], [127, true]);
      assert.equal(run(['exec', 'two', 'sh', '-c', 'kill -9 $$']).status, 137);
      assert.equal(run(['exec', '-w', '/no/such', 'two', 'true']).status, 125);
      // What an exec leaves behind is the container's, and dies with it.
      assert.equal(run(['exec', 'two', 'sh', '-c', 'sleep 4711 >/dev/null 2>&1 & exit 0']).status, 0);
      assert.match(run(['exec', 'two', 'ps', 'ax']).out, /sleep 4711/);
      assert.equal(run(['rm', '-f', 'two']).status, 0);
      assert.equal(run(['exec', 'two', 'true']).status, 125);
    });

    test('cp: files, trees, new names, what a directory holds, both ways', () => {
      start('box', 'exec sleep 1000');
      const dir = ownDir('cp', ordinary), at = (name: string): string => join(dir, name);
      const make = 'cd "$1" && echo one >one && mkdir -p tree/sub && echo two >tree/two && ln -s two tree/link && ln tree/two tree/hard && echo three >"tree/sub/a b" && chmod 550 tree/sub';
      assert.equal(spawnSync('sh', ['-c', `umask 022; ${make}`, 'sh', dir]).status, 0);
      if (ordinary) spawnSync('chown', ['-R', String(ORDINARY_UID), dir]);
      for (const args of [[at('one'), 'box:/opt'], [at('one'), 'box:/opt/renamed'], [at('tree'), 'box:/opt/t,&.x'], [at('tree/.'), 'box:/opt/new'], [at('tree'), 'box:opt/new']]) {
        const r = run(['cp', ...args]);
        assert.deepEqual([r.status, r.err], [0, ''], args.join(' '));
      }
      assert.equal(run(['exec', 'box', 'sh', '-c', 'cat /opt/one /opt/renamed; stat -c %u:%g /opt/renamed "/opt/t,&.x/sub"']).out, 'one\none\n0:0\n0:0\n');
      // Type, permissions, links and what they lead to, of all names in a tree.
      const list = 'cd "$1" && find . -mindepth 1 -name tree -prune -o -printf "%P %y %m %n %l\\n" | sort; find . -mindepth 1 -name tree -prune -o -type f -exec md5sum {} + | sort';
      const tree = spawnSync('sh', ['-c', list, 'sh', at('tree')], { encoding: 'utf8' }).stdout;
      assert.match(tree, /^sub\/a b f 644 1 $/m);
      const inside = (path: string): string => run(['exec', 'box', 'sh', '-c', list, 'sh', path]).out;
      assert.deepEqual([inside('/opt/t,&.x'), inside('/opt/new'), inside('/opt/new/tree')], [tree, tree, tree]);
      for (const args of [['box:/opt/t,&.x', at('out')], ['box:/opt/new/tree', at('out')], ['box:/opt/renamed', at('one')], ['box:/opt/new/.', at('all')]]) {
        const r = run(['cp', ...args]);
        assert.deepEqual([r.status, r.err], [0, ''], args.join(' '));
      }
      const outside = (name: string): string => spawnSync('sh', ['-c', list, 'sh', at(name)], { encoding: 'utf8' }).stdout;
      assert.deepEqual([outside('out'), outside('out/tree'), outside('all'), outside('all/tree')], [tree, tree, tree, tree]);
      for (const [words, args] of [[/no such file/i, ['box:/none', dir]], [/no such file/, [at('none'), 'box:/opt']], [/device/, ['box:/dev/null', dir]], [/one end/, [at('one'), at('two')]], [/has ended|no container/, ['nobody:/x', dir]]] as const) {
        const r = run(['cp', ...args]);
        assert.equal(r.status, 125);
        assert.match(r.err, words);
      }
      assert.deepEqual(listing(dir), ['all', 'one', 'out', 'tree']);
      // Their owner cannot remove them otherwise.
      spawnSync('chmod', ['-R', 'u+w', dir]);
      run(['rm', '-f', 'box']);
    });

    test('attach: what is written from now on, signals, the exit status', async () => {
      start('seen', 'echo before; trap "echo ended; exit 6" INT; while [ ! -e /opt/go ]; do sleep 0.02; done; echo after; while :; do sleep 0.02; done');
      assert.ok(eventually(() => run(['logs', 'seen']).out === 'before\n'));
      const [command = '', ...words] = carrickCommand(ordinary);
      const child = spawn(command, [...words, 'attach', 'seen'], { stdio: ['ignore', 'pipe', 'inherit'], env: testEnv(footprint.options.env, footprint.options.home) });
      let out = '';
      const ended = new Promise<number | null>((done) => { child.on('close', done); });
      const told = new Promise<void>((done) => { child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text; done(); }); });
      // What it shows from is settled when it watches the log. (Its socket says nothing: our pipes are sockets, too.)
      assert.ok(eventually(() => watches(child.pid ?? 0)));
      run(['exec', 'seen', 'touch', '/opt/go']);
      await told;
      assert.equal(out, 'after\n');
      child.kill('SIGINT');
      assert.equal(await ended, 6);
      assert.equal(out, 'after\nended\n');
      assert.match(run(['attach', 'seen']).err, /has ended/);
      run(['rm', 'seen']);
    });

    test('kill and wait; a container with --rm leaves nothing', () => {
      start('three', 'exec sleep 1000', '--rm');
      assert.equal(run(['kill', '-s', 'USR1', 'three']).status, 0);
      assert.ok(eventually(() => line('three') === ''));
      start('four', 'exec sleep 1000');
      assert.equal(run(['kill', 'four']).status, 0);
      assert.equal(run(['wait', 'four']).out, '137\n');
      const [about] = JSON.parse(run(['inspect', 'four']).out) as Array<{ Name: string; State: { Status: string; ExitCode: number }; Config: { Cmd: string[] } }>;
      assert.deepEqual([about?.Name, about?.State, about?.Config.Cmd.at(-1)], ['/four', { ...about?.State, Status: 'exited', Running: false, Pid: 0, ExitCode: 137 }, 'exec sleep 1000']);
      run(['rm', 'four']);
    });

    test('start and restart: what was written is there again; start -a is like run', () => {
      assert.equal(run(['run', '--name', 'again', 'host', '--', 'sh', '-c', 'echo "line $$" >> /opt/file; cat /opt/file; exit 4']).status, 4);
      assert.match(line('again'), /Exited \(4\)/);
      assert.equal(run(['start', 'again']).out, 'again\n');
      assert.equal(run(['wait', 'again']).out, '4\n');
      assert.equal(run(['logs', 'again']).out, 'line 1\nline 1\n');
      const here = run(['start', '-a', 'again']);
      assert.deepEqual([here.status, here.out], [4, 'line 1\nline 1\nline 1\n'], here.err);
      assert.equal(run(['run', '--name', 'again', 'host', '--', 'true']).status, 125);
      run(['rm', 'again']);
      start('round', 'echo up $(ls /opt/mark 2>/dev/null); touch /opt/mark; exec sleep 1000');
      assert.ok(eventually(() => run(['logs', 'round']).out === 'up\n'));
      assert.match(run(['start', '-a', 'round']).err, /is running/);
      assert.equal(run(['restart', '-t', '20', 'round']).out, 'round\n');
      assert.ok(eventually(() => run(['logs', 'round']).out === 'up\nup /opt/mark\n'), run(['logs', 'round']).out);
      assert.match(line('round'), /Up /);
      // Asked twice at the same time, it is started once; and what is wrong is one line.
      assert.equal(run(['start', 'round']).out, 'round\n');
      const missing = run(['start', 'round', 'nobody']);
      assert.deepEqual([missing.status, missing.err], [125, 'carrick: no container nobody; see carrick ps -a\n']);
      run(['rm', '-f', 'round']);
    });

    test('a kept container whose carrick is killed has ended: it is listed, started again, removed', () => {
      const [command = '', ...words] = carrickCommand(ordinary);
      const child = spawn(command, [...words, 'run', '--name', 'hit', 'host', '--', 'sh', '-c', 'echo x > /opt/x; echo up; exec sleep 1000'], { env: testEnv(footprint.options.env, footprint.home), stdio: 'ignore' });
      assert.ok(eventually(() => /Up /.test(line('hit'))));
      assert.ok(eventually(() => run(['exec', 'hit', 'cat', '/opt/x']).out === 'x\n'));
      process.kill(child.pid ?? 0, 'SIGKILL');
      assert.ok(eventually(() => /Exited \(137\)/.test(line('hit'))), line('hit'));
      assert.equal(run(['start', 'hit']).status, 0);
      assert.match(line('hit'), /Up /);
      assert.equal(run(['rm', '-f', 'hit']).status, 0);
      assert.equal(line('hit'), '');
    });

    test('run -d of what cannot run fails as run does, and leaves nothing', () => {
      const r = run(['run', '-d', 'host', '--', 'no-such-program']);
      assert.equal(r.status, 127);
      assert.match(r.err, /command not found/);
      assert.equal(run(['ps', '-a', '-q']).out, '');
    });

    test('--init reaps orphans, hands signals on, and ends as the program ends', () => {
      const r = run(['run', '--rm', '--init', 'host', '--', 'sh', '-c', '(sh -c "sleep 0.2" & ); sleep 0.6; ps ax -o pid,stat,comm; exit 4']);
      assert.equal(r.status, 4, r.err);
      assert.match(r.out, /^ +1 .*carrick-init$/m);
      assert.doesNotMatch(r.out, / Z /);
      assert.equal(run(['run', '--rm', '--init', 'host', '--', 'no-such-program']).status, 127);
      start('five', 'trap "exit 6" TERM; echo ready; while :; do sleep 0.05; done', '--init');
      assert.ok(eventually(() => run(['logs', 'five']).out === 'ready\n'));
      run(['stop', 'five']);
      assert.equal(run(['wait', 'five']).out, '6\n');
      run(['rm', 'five']);
    });

    test('a killed carrick takes what exec has started along, with and without namespaces', () => {
      for (const namespaces of ['', 'none']) {
        const options = { ...footprint.options, env: { ...footprint.options.env, CARRICK_NAMESPACES: namespaces } };
        assert.equal(carrick(['run', '-d', '--name', 'six', 'host', '--', 'sleep', '1000'], options).status, 0);
        const mark = `47110${namespaces.length}${process.pid}`;
        assert.equal(run(['exec', 'six', 'sh', '-c', `sleep ${mark} >/dev/null 2>&1 & exit 3`]).status, 3);
        assert.equal(processesWith(`sleep ${mark}`).length, 1);
        process.kill(Number(run(['inspect', '-f', '{{.State.Pid}}', 'six']).out), 'SIGKILL');
        assert.ok(eventually(() => processesWith(`sleep ${mark}`).length === 0), 'a process of exec outlived carrick');
        assert.match(line('six'), /Exited \(137\)/);
        run(['rm', 'six']);
      }
    });

    test('the client of an exec that is killed takes its program along', () => {
      start('seven', 'exec sleep 1000');
      const mark = `47120${process.pid}`;
      const [command = '', ...rest] = [process.execPath, CARRICK, 'exec', 'seven', 'sleep', mark];
      if (ordinary) { run(['rm', '-f', 'seven']); return; }
      const client = spawn(command, rest, { env: { ...process.env, CARRICK_HOME: footprint.home }, stdio: 'ignore' });
      const guests = (): number[] => processesWith(`sleep ${mark}`).filter((pid) => pid !== client.pid);
      assert.ok(eventually(() => guests().length === 1));
      client.kill('SIGKILL');
      assert.ok(eventually(() => guests().length === 0));
      run(['rm', '-f', 'seven']);
    });

    test('nothing is left', () => { assert.deepEqual(footprint.left(), []); });
  });
}

test('exec -t: a terminal of its own: size, Ctrl-C, job control, exit status', { skip: existsSync('/usr/bin/tmux') ? false : 'no tmux here' }, () => {
  const footprint = new Footprint();
  const socket = `carrick-life-${process.pid}`;
  const env = { ...process.env, CARRICK_HOME: footprint.home };
  const tmux = (...args: string[]): string => spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8', env }).stdout;
  const until = (re: RegExp): void => {
    let screen = '';
    assert.ok(eventually(() => { screen = tmux('capture-pane', '-p', '-t', 's'); pause(30); return re.test(screen); }, 20000), `${String(re)} is not on the screen:\n${screen}`);
  };
  assert.equal(carrick(['run', '-d', '--name', 't', 'host', '--', 'sleep', '1000'], footprint.options).status, 0);
  try {
    tmux('new-session', '-d', '-s', 's', '-x', '90', '-y', '25', `${process.execPath} ${CARRICK} exec -it -e 'PS1=ready> ' t bash --norc --noprofile; echo status=$?; sleep 100`);
    until(/ready>/);
    tmux('send-keys', '-t', 's', 'tty; stty size', 'Enter');
    until(/\/dev\/pts\/\d+\n25 90/);
    tmux('send-keys', '-t', 's', "sh -c 'echo up-$((40 + 1)); exec sleep 1000'", 'Enter');
    until(/^up-41$/m);
    tmux('send-keys', '-t', 's', 'C-c');
    tmux('send-keys', '-t', 's', 'echo rc=$?', 'Enter');
    until(/rc=130/);
    tmux('resize-window', '-t', 's', '-x', '70', '-y', '20');
    tmux('send-keys', '-t', 's', 'clear; stty size', 'Enter');
    until(/^20 70$/m);
    tmux('send-keys', '-t', 's', 'exit 7', 'Enter');
    until(/status=7/);
  } finally {
    tmux('kill-server');
    carrick(['rm', '-f', 't'], footprint.options);
  }
  assert.deepEqual(footprint.left(), []);
});
