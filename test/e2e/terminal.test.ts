/** `run -it`: a real terminal (tmux) around interactive programs in the guest; keys go in, the screen is read. What takes longer is in terminal.e2e.ts. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Footprint, carrickCommand, commandLine, eventually, guestProcesses, guestsOf, native, runHost, scratchDir } from './harness.js';
import { NO_TMUX, SHELL, Screen } from './screen.js';

const amRoot = process.getuid?.() === 0;

for (const ordinary of amRoot ? [false, true] : [false]) {
  describe(ordinary ? 'as an ordinary user' : 'as the caller', { skip: NO_TMUX }, () => {
    const footprint = new Footprint(ordinary);
    const options = { ...footprint.options };
    const open: Screen[] = [];
    const shell = (flags: readonly string[] = [], what = SHELL): Screen => {
      const s = Screen.shell(flags, options, what);
      open.push(s);
      return s;
    };
    after(() => { for (const s of open) s.close(); });

    test('a terminal that goes away takes the container with it', () => {
      const s = shell();
      s.line('sleep 1000 & sleep 1000').until(/sleep 1000\n/);
      const carrick = s.pid;
      const before = guestsOf([carrick]);
      assert.ok(eventually(() => guestsOf([carrick]).length === 3), String(before.length));
      s.close();
      assert.ok(eventually(() => !commandLine(carrick).includes('carrick')), 'carrick outlived its terminal');
      assert.ok(eventually(() => !guestProcesses().some((pid) => before.includes(pid))), 'guests outlived their terminal');
    });

    test('the session hears of the hang-up first', () => {
      const dir = scratchDir('hangup');
      chmodSync(dir, 0o777);
      const s = shell(['-v', `${dir}:/seen`], ['host', '--', 'sh', '-c', 'trap "echo hup > /seen/signal; exit 3" HUP; echo "ready>"; while :; do sleep 0.1; done']);
      s.close();
      assert.ok(eventually(() => existsSync(join(dir, 'signal')) && readFileSync(join(dir, 'signal'), 'latin1') === 'hup\n'), 'no SIGHUP');
    });

    test('bash: line editing, history, completion', () => {
      const s = shell(['-w', '/usr/share']);
      s.line('tty; stty size').prompt(/\/dev\/pts\/\d+\n30 100/);
      // Backspace, words, ends of the line, kill and yank.
      s.type('echo one twoX').press('BSpace', 'M-b').type('and ').press('C-e').type(' three').press('C-a', 'M-f').type(' zero').press('Enter');
      s.prompt(/^zero one and two three$/m);
      s.type('lost words').press('C-w').type('echo').press('C-a', 'C-k').type('echo kept ').press('C-y', 'Left', 'Left', 'Left', 'Left', 'C-u').type('printf "%s\\n" ').press('Enter');
      s.prompt(/^echo$/m);
      s.press('Up', 'Up').press('Enter');
      s.prompt(/(^zero one and two three$[^]*){2}/m);
      s.press('C-r').type('three').until(/reverse-i-search\)`three'/);
      s.press('C-a').type(': ').press('Enter');
      s.until(/^ready> : echo zero/m);
      s.type('ls -d /usr/sha').press('Tab').until(/ls -d \/usr\/share\/$/m);
      s.press('Enter').prompt(/^\/usr\/share\/$/m);
      s.type('echo $PPI').press('Tab').until(/echo \$PPID/);
      // A key that reaches bash together with the signal is thrown away with the line.
      s.press('C-c').prompt(/\$PPID \^C$/m);
      s.line('echo rc=$?').prompt(/^rc=130$/m);
      // A line longer than the window, edited at its beginning.
      s.type(`echo ${'long '.repeat(30)}`).press('C-a').type('echo and; ').press('Enter');
      s.prompt(/^and\n(long ?)+\n(long ?)+$/m);
      s.line('exit 7');
      assert.equal(s.status(), 7);
    });

    test('bash: Ctrl-C, Ctrl-Z, jobs, fg, bg, process groups', () => {
      const s = shell();
      // A key must not be typed before the program that it is for has the terminal: it says so.
      s.line("sh -c 'echo up-$((40 + 1)); exec sleep 1000'").until(/^up-41$/m);
      s.press('C-c').line('echo rc=$?').until(/^rc=130$/m);
      s.line("sh -c 'echo up-$((40 + 2)); exec sleep 1000' | cat").until(/^up-42$/m);
      s.press('C-z').until(/Stopped/);
      assert.match(s.run('jobs; ps -o stat=,comm= | sort'), /\[1\]\+ +Stopped[^]*^TN? +cat\nTN? +sleep$/m);
      assert.match(s.run('bg; ps -o stat=,comm= | sort'), /^SN? +cat\nSN? +sleep$/m);
      s.line('fg').until(/fg\nsh -c/);
      s.press('C-c').line('echo rc=$?').until(/^rc=130$/m);
      // Each pipeline has a group of its own, and the terminal is that of the one in front.
      const groups = s.run("sleep 1000 | sleep 1000 & sleep 1000 & ps -o pid=,pgid=,sid=,tpgid=,comm= | sed 's/^/p /' | sort -n");
      const rows = [...groups.matchAll(/^p +(\d+) +(\d+) +(\d+) +(\d+) (\w+)$/gm)].map((m) => ({ pid: m[1], pgid: m[2], sid: m[3], tpgid: m[4], comm: m[5] }));
      const sleeps = rows.filter((r) => r.comm === 'sleep');
      assert.deepEqual([sleeps.length, new Set(sleeps.map((r) => r.pgid)).size, new Set(rows.map((r) => r.sid)).size], [3, 2, 1], groups);
      assert.equal(rows.find((r) => r.comm === 'ps')?.pgid, rows.find((r) => r.comm === 'ps')?.tpgid, groups);
      assert.match(s.run('kill %1 %2; wait; jobs'), /^\[0\]$/m);
      // Who reads the terminal in the background stops; who writes to it only with tostop.
      assert.match(s.run('cat & until jobs | grep -q Stopped; do sleep 0.05; done; jobs'), /^\[1\]\+ +Stopped +cat$/m);
      s.run('kill %1; wait');
      s.line('(echo heard) & wait; stty tostop; (echo unheard) & until jobs | grep Stopped; do sleep 0.05; done').until(/^heard$[^]*Stopped[^]*unheard/m);
      s.line('fg').until(/^unheard$/m);
      // Ctrl-\ ends by SIGQUIT.
      s.line("sh -c 'echo up-$((40 + 3)); exec sleep 1000'").until(/^up-43$/m);
      s.press('C-\\').line('echo rc=$?').prompt(/^rc=131$/m);
      s.press('C-d');
      assert.equal(s.status(), 0);
    });

    test('bash: a new window size: SIGWINCH, stty size, COLUMNS and LINES', () => {
      const s = shell();
      s.run('shopt -s checkwinsize; trap "echo winch" WINCH');
      s.resize(24, 80).line('').until(/winch$/m);
      assert.match(s.run('stty size; /bin/true; echo $COLUMNS $LINES'), /^24 80\n80 24$/m);
      s.line('trap - WINCH; sh -c \'trap "stty size; exit" WINCH; echo up-$((40 + 1)); while :; do sleep 0.05; done\'').until(/^up-41$/m);
      s.resize(20, 70).until(/^20 70$/m);
      s.line('exit');
      assert.equal(s.status(), 0);
    });

    test('dash: the terminal edits the line; job control', () => {
      const s = shell([], ['host', '--', 'dash', '-i']);
      s.type('echo abX').press('BSpace').type('c; echo two').press('C-w').type('deux').press('Enter').until(/^abc\ndeux\nready>/m);
      s.type('rubbish').press('C-u').line('stty size').until(/^30 100\nready>/m);
      s.type('echo ').press('C-v', 'C-c').type('| od -An -tx1').press('Enter').until(/^ 03 0a\nready>/m);
      s.type('lost').press('C-c').until(/lost\^C\nready>/m);
      s.line('echo rc=$?').until(/^rc=130\nready>/m);
      s.line("sh -c 'echo up-$((40 + 1)); exec sleep 1000'").until(/^up-41$/m);
      s.press('C-z').until(/Stopped[^\n]*\nready>/);
      s.line('bg; jobs; echo').until(/Running[^\n]*\n\nready>/);
      s.line('fg').until(/^ready> fg\nsh -c/m);
      s.press('C-c').line('echo again rc=$?').until(/^again rc=130$/m);
      s.line('cat').type('line').press('Enter').until(/^line\nline$/m);
      s.press('C-d').line('echo end-$((1 + 1))').until(/^end-2$/m);
      s.press('C-d');
      assert.equal(s.status(), 0);
    });

    test('a flood of output ends with Ctrl-C, and stops and goes on with Ctrl-S and Ctrl-Q', () => {
      const s = shell();
      s.line('yes').until(/^y\ny\ny$/m);
      s.press('C-c').line('echo rc=$?; clear; echo clean').until(/^clean\n/);
      s.line('for i in $(seq 1 100000); do echo n$i; done').until(/^n\d+$/m);
      s.press('C-s');
      let last = '';
      assert.ok(eventually(() => { const now = s.text(); const same = now === last; last = now; return same; }), 'Ctrl-S does not stop it');
      s.press('C-q').until(/^n100000\nready>$/m);
    });

    test('less, and the screen as it was before', () => {
      const s = shell(['-e', 'LESS=']);
      s.line('echo before; seq 1000 | less').until(/^1\n2\n[^]*^28\n29\n:$/m);
      assert.equal(s.about('alternate_on'), '1');
      s.press('Space').until(/^30\n31\n/m);
      s.type('/77').press('Enter').until(/^77\n78\n/);
      s.type('G').until(/^1000\n\(END\)$/m);
      s.resize(20, 60).until(/^\d+\n:$/m);
      s.type('g').until(/^1\n2\n[^]*^19\n:$/m);
      s.type('q').until(/^before\nready>$/m);
      assert.equal(s.about('alternate_on'), '0');
    });

    test('python: its line editing, Ctrl-C, exit status', () => {
      const s = shell([], ['host', '--', 'sh', '-c', 'echo "ready>"; exec python3 -q']);
      s.until(/^>>>$/m);
      s.line('6 * 7').until(/^42$/m);
      s.press('Up', 'BSpace').line('8').until(/^48$/m);
      s.line('import time; print("up"); time.sleep(1000)').until(/^up$/m);
      s.press('C-c').until(/^KeyboardInterrupt$[^]*^>>>$/m);
      s.line('raise SystemExit(5)');
      assert.equal(s.status(), 5);
    });

    test('the window is as raw as the terminal inside says; without -i Ctrl-C is a signal from outside', () => {
      const s = shell();
      assert.match(s.run("stty -onlcr; printf 'ab\\ncd'; stty onlcr; echo"), /^ab\n {2}cd$/m);
      s.line('exit 3');
      assert.equal(s.status(), 3);
      const deaf = new Screen([...carrickCommand(ordinary), 'run', '--rm', '-t', 'host', '--', 'sh', '-c', 'tty; exec sleep 1000'], options);
      open.push(deaf);
      deaf.until(/^\/dev\/pts\/0$/m);
      deaf.press('C-c');
      assert.equal(deaf.status(), 130);
    });

    test('nothing is left', () => {
      for (const s of open.splice(0)) s.close();
      assert.deepEqual(footprint.left(), []);
    });
  });
}

test('a new terminal is set as the host sets one', { skip: NO_TMUX }, () => {
  const argv = ['script', '-qc', 'stty -a; stty raw -echo; stty -a; stty sane; stty -g; stty 9600 rows 12 cols 34 intr ^X; stty -a', '/dev/null'];
  assert.equal(runHost(argv).out, native(argv).out);
});
