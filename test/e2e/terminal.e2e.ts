/** Full-screen and other terminal programs under `run -it`, as people use them: keys go in, the screen is read. The everyday ones are in terminal.test.ts. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Footprint, scratchDir } from './harness.js';
import { NO_TMUX, SHELL, Screen } from './screen.js';

const amRoot = process.getuid?.() === 0;

for (const ordinary of amRoot ? [false, true] : [false]) {
  describe(ordinary ? 'as an ordinary user' : 'as the caller', { skip: NO_TMUX }, () => {
    const footprint = new Footprint(ordinary);
    const open: Screen[] = [];
    const shell = (flags: readonly string[] = [], what = SHELL): Screen => {
      const s = Screen.shell(flags, footprint.options, what);
      open.push(s);
      return s;
    };
    /** A directory that the container may write to. */
    const shared = (): string => {
      const dir = scratchDir('terminal');
      chmodSync(dir, 0o777);
      return dir;
    };
    const leave = (s: Screen): void => {
      s.line('exit');
      s.status();
      s.close();
    };
    after(() => { for (const s of open) s.close(); });

    test('vim: insert, search, undo, Ctrl-Z and fg, a new window size, :!, write and quit', () => {
      const dir = shared();
      const s = shell(['-v', `${dir}:/work`, '-w', '/work']);
      s.run('echo before');
      s.line('vim -N -u NONE -i NONE file').until(/^~\n[^]*"file" \[New\]/m);
      assert.equal(s.about('alternate_on'), '1');
      s.type('ifirst line').press('Enter').type('second line').press('Enter').type('third').press('Escape').until(/^first line\nsecond line\nthird$/m);
      s.type('/second').press('Enter').type('ddu').type('0iTHE ').press('Escape').until(/^THE second line$/m);
      s.press('C-z').until(/Stopped +vim/);
      assert.equal(s.about('alternate_on'), '0');
      s.line('fg').until(/^THE second line$/m);
      s.resize(20, 60).type(':set lines? columns?').press('Enter').until(/lines=20\n +columns=60|lines=20 +columns=60/);
      s.press('Enter').type(':!echo from-$((40 + 2)); stty size').press('Enter').until(/^from-42\n20 60$/m);
      s.press('Enter').type(':wq').press('Enter').until(/^before$[^]*^ready>$/m);
      s.line('echo done-$((1 + 1))').until(/^done-2$/m);
      assert.equal(readFileSync(join(dir, 'file'), 'latin1'), 'first line\nTHE second line\nthird\n');
      leave(s);
    });

    test('top: its numbers, its keys, its end', () => {
      const s = shell();
      s.run('python3 -c "while True: pass" & sleep 1000 & sh -c \'sleep 1000 & exec sh -c "kill -STOP \\$\\$; :"\' & sh -c "sleep 0.01 & exec sleep 1000" &');
      s.line('top -d 0.5').until(/^top - .* up /m);
      const text = s.until(/^ *\d+ \S+ +\d+ +\d+ +\d+ +\d+ +\d+ R +([5-9]|\d\d|1\d\d)\.\d +\d+\.\d +0:0\d\.\d+ python3$[^]*^ *\d+ .* Z .* sleep$/m);
      assert.match(text, /^Tasks: +\d+ total, +[1-3] running, +[4-9] sleeping, +1 stopped, +1 zombie$/m);
      const cpu = /^%Cpu\(s\): *([\d.]+) us, *([\d.]+) sy, *([\d.]+) ni, *([\d.]+) id/m.exec(text);
      assert.ok(cpu !== null && Number(cpu[1]) + Number(cpu[2]) + Number(cpu[3]) >= 20, text);
      const mem = /^MiB Mem : *([\d.]+) total, *([\d.]+) free, *([\d.]+) used/m.exec(text);
      assert.ok(mem !== null && Number(mem[1]) > Number(mem[2]) && Number(mem[3]) > 10, text);
      assert.match(text, /^ *\d+ .* T .* sh$/m);
      // Sorted by memory, then a signal to the first of them.
      // One key at a time, each seen to work: what comes in one piece is one key to top, and none that it knows. By number, the first is top itself, or what its shell has begun after it.
      s.type('N').until(/COMMAND\n *\d+ .* (top|sleep)$/m);
      s.type('M').until(/COMMAND\n *\d+ .* python3$/m);
      s.type('k').until(/PID to signal\/kill/);
      s.press('Enter').until(/Send pid \d+ signal/);
      s.press('Enter').gone(/python3/);
      s.type('q').until(/^ready>$/m);
      s.run('kill -CONT %3');
      leave(s);
    });

    test('watch and Ctrl-C, and what is behind the alternate screen', () => {
      const s = shell();
      s.run('echo before');
      s.line('watch -t -n 0.1 date +%s.%N').until(/^\d+\.\d+\n/);
      const first = s.text();
      s.until(new RegExp(`^(?!${first.trim().replace('.', '\\.')})\\d+\\.\\d+\\n`));
      s.press('C-c').until(/^before$[^]*^ready>$/m);
      s.line('tput smcup; echo other; read -n 1; tput rmcup').until(/^other$/m);
      s.gone(/before/);
      s.type('x').until(/^before$/m);
      s.line('dialogless() { local c; stty -icanon -echo min 1; while read -rsn 1 c; do [ "$c" = q ] && break; printf "<%s>" "$c"; done; stty icanon echo; }; dialogless');
      s.type('ab').until(/<a><b>/);
      s.type('q').line('read -s -p "secret: " x; echo; echo "got ${#x}"').until(/secret: *$/m);
      s.line('hidden').until(/^got 6$/m);
      assert.doesNotMatch(s.text(), /hidden/);
      s.line('read -t 0.2 -p "quick: " || echo "too late $?"').until(/too late 142/);
      leave(s);
    });

    test('script: a terminal in a terminal', () => {
      const dir = shared();
      const s = shell(['-v', `${dir}:/work`, '-w', '/work', '-e', 'SHELL=/bin/bash', '-e', 'HOME=/nowhere']);
      s.line("script -q typescript").until(/^bash-[\d.]+[#$]|^ready>\s*$[^]*^ready>|^root@.*#/m);
      s.line('PS1="inner> "').until(/^inner>$/m);
      s.line('tty; stty size; echo inner-$((40 + 2))').until(/^\/dev\/pts\/1\n30 100\ninner-42$/m);
      s.resize(22, 90).line('clear; stty size').until(/^22 90$/m);
      s.line("sh -c 'echo up-$((40 + 1)); exec sleep 1000'").until(/^up-41$/m);
      s.press('C-c').line('echo rc=$?').until(/^rc=130$/m);
      s.line('exit').until(/^ready>$/m);
      leave(s);
      assert.match(readFileSync(join(dir, 'typescript'), 'latin1'), /inner-42\r?\n/);
    });

    test('tmux inside: windows, panes, detach and attach', () => {
      const dir = shared();
      writeFileSync(join(dir, 'conf'), "set -g prefix C-a\nset -g default-command 'PS1=in\\> exec sh'\n");
      const s = shell(['-v', `${dir}:/work`, '-e', 'SHELL=/bin/sh', '-e', 'LC_ALL=C.UTF-8', '-e', 'TMUX_TMPDIR=/tmp']);
      s.line('tmux -f /work/conf').until(/^in>[^]*\[0\] 0:/m);
      s.line('stty size').until(/^29 100$/m);
      s.press('C-a').type('%').until(/^in>.*│in>/m);
      s.line('tty; stty size').until(/│\/dev\/pts\/2 *\n.*│29 49/);
      s.press('C-a').type('c').until(/1:sh\*|1:env\*/);
      s.line('echo third-$((1 + 2))').until(/^third-3$/m);
      // tmux hears of the new size by a signal, which what is typed may overtake: its status line shows it.
      s.resize(25, 80).until(/^\[0\] .{40,70}\d\d-\w{3}-\d\d$/m);
      s.line('clear; stty size').until(/^24 80$/m);
      s.press('C-a').type('d').until(/detached/);
      assert.match(s.run('tmux ls'), /^0: 2 windows/m);
      s.line('tmux attach').until(/^24 80$/m);
      s.press('C-a').type('0').until(/│\/dev\/pts\/2/);
      s.press('C-a').type(':').until(/^:$/m);
      s.type('kill-server').press('Enter').until(/\[server exited\]|\[exited\]/);
      leave(s);
    });

    test('su, login shells, other users', () => {
      const s = shell();
      s.line('su -s /bin/sh nobody -c "id -un; echo shell-\\$((1 + 1))"').until(/^nobody\nshell-2\nready>$/m);
      s.line('su -s /bin/sh nobody').until(/^ready> su -s \/bin\/sh nobody\nready>$/m);
      s.line('id -un; tty; cat /proc/self/loginuid >/dev/null; echo in-$((1 + 1))').until(/^nobody\n\/dev\/pts\/0\nin-2$/m);
      s.line("sh -c 'echo up-$((40 + 1)); exec sleep 1000'").until(/^up-41$/m);
      s.press('C-c').line('echo rc=$?').until(/rc=130$/m);
      s.line('exit').line('clear; su - nobody -s /bin/sh -c \'echo "$HOME $USER $0 $PWD"\'').until(/^\/nonexistent nobody -sh \/$|^\S+ nobody -(sh|su) /m);
      s.line('bash --norc -l -c "shopt login_shell"').until(/^login_shell +\ton|^login_shell +on$/m);
      leave(s);
    });

    test('ps, who owns which terminal, free, uptime, vmstat, w, pgrep, pkill', () => {
      const s = shell();
      const ps = s.run('ps -ef');
      assert.match(ps, /^UID +PID +PPID +C STIME TTY +TIME CMD\nroot +1 +0 +\d+ \d\d:\d\d pts\/0 +00:00:00 bash --norc --noprofile\nroot +\d+ +1 +\d+ \d\d:\d\d pts\/0 +00:00:00 ps -ef$/m);
      assert.match(s.run('ps -o pid,tty,stat,comm'), /^ +1 pts\/0 +SN?s +bash\n +\d+ pts\/0 +RN?\+ +ps$/m);
      assert.match(s.run('free -m | head -2'), /^Mem: +\d+ +\d+ +\d+ +\d+ +\d+ +\d+$/m);
      assert.match(s.run('uptime -p'), /^up /m);
      assert.match(s.run('vmstat 1 2'), /(^ *\d+( +\d+){16}( +\d+)?\n){2}/m);
      assert.match(s.run('w -h; echo ok'), /^ok$/m);
      s.run('sleep 4711 & sleep 4712 &');
      assert.match(s.run('pgrep -a -x sleep; pkill -f "sleep 4711"; until ! pgrep -f "^sleep 4711$" >/dev/null; do :; done; pgrep -c sleep'), /^\d+ sleep 4711\n\d+ sleep 4712\n[^]*^1$/m);
      assert.match(s.run('pidof bash; kill %2; pstree 2>/dev/null || echo none'), /^1$/m);
      leave(s);
    });

    test('a manual page, through less', () => {
      const dir = shared();
      writeFileSync(join(dir, 'page'), Array.from({ length: 200 }, (_, i) => `line ${i + 1}`).join('\n'));
      const s = shell(['-v', `${dir}:/work`, '-w', '/work', '-e', 'LESS=']);
      s.line('less page').until(/^line 29\npage$/m);
      s.type('v').until(/^"page" .*200L/m);
      s.type(':q').press('Enter').until(/^line 29\npage$/m);
      s.type('!stty size').press('Enter').until(/^30 100$[^]*done {2}\(press RETURN\)/m);
      s.press('Enter').type('q').until(/^ready>$/m);
      s.line('for i in 1 2 3; do echo "- $i"; done | less -E -X').until(/^- 1\n- 2\n- 3$/m);
      s.line('q').until(/^ready>$/m);
      leave(s);
    });

    test('a paste of many lines arrives whole; a line longer than the terminal takes is cut at 4095', () => {
      const s = shell(['-e', 'TERM=dumb']);
      // Typed when the shell has given its terminal back: before, it takes keys one by one.
      s.line('echo go-$((1 + 1)); cat > /tmp/paste').until(/^go-2$/m);
      for (let i = 0; i < 20; i++) s.type(Array.from({ length: 50 }, (_, k) => `line ${i * 50 + k}\n`).join(''));
      s.press('C-d');
      assert.match(s.run('wc -l < /tmp/paste; head -1 /tmp/paste; tail -1 /tmp/paste; md5sum < /tmp/paste'), /^1000\nline 0\nline 999$/m);
      s.line('echo go-$((1 + 2)); wc -c').until(/^go-3$/m);
      for (let i = 0; i < 10; i++) s.type('x'.repeat(500));
      s.press('Enter', 'C-d').until(/^4096$/m);
      leave(s);
    });

    test('nothing is left', () => {
      for (const s of open.splice(0)) s.close();
      assert.deepEqual(footprint.left(), []);
    });
  });
}
