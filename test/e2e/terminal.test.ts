/** `run -it`: a real terminal (tmux) around an interactive shell in the guest; keys go in, the screen is read. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { CARRICK, commandLine, eventually, guestProcesses, guestsOf, pause, processesWith, testEnv } from './harness.js';

const socket = `carrick-test-${process.pid}`;
const tmux = (...args: string[]): string => spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8', env: testEnv({ PS1: '$ ' }) }).stdout;
const screen = (): string => tmux('capture-pane', '-p', '-t', 's');

/** Wait until the screen shows something; the deadline only bounds a failure. */
function until(re: RegExp, ms = 20000): string {
  const end = Date.now() + ms;
  for (;;) {
    const s = screen();
    if (re.test(s)) return s;
    if (Date.now() > end) assert.fail(`the screen never showed ${String(re)}:\n${s}`);
    pause(50);
  }
}

test('a terminal that goes away takes the container with it', { skip: existsSync('/usr/bin/tmux') ? false : 'no tmux here' }, () => {
  tmux('new-session', '-d', '-s', 's', '-x', '80', '-y', '24', `${process.execPath} ${CARRICK} run --rm -it -e 'PS1=ready>' -e WHO=${socket} host -- bash --norc --noprofile`);
  until(/ready>/);
  tmux('send-keys', '-t', 's', 'sleep 1000 & sleep 1000', 'Enter');
  until(/sleep 1000\n/);
  const carricks = processesWith(`${CARRICK} run --rm -it -e PS1=ready> -e WHO=${socket}`);
  const before = guestsOf(carricks);
  assert.ok(before.length >= 3, String(before.length));
  tmux('kill-server');
  assert.ok(eventually(() => !carricks.some((pid) => commandLine(pid).includes(CARRICK))), 'carrick outlived its terminal');
  assert.ok(eventually(() => !guestProcesses().some((pid) => before.includes(pid))), 'guests outlived their terminal');
});

test('an interactive bash: prompt, editing, Ctrl-C, job control, resize, exit status', { skip: existsSync('/usr/bin/tmux') ? false : 'no tmux here' }, () => {
  try {
    tmux('new-session', '-d', '-s', 's', '-x', '100', '-y', '30', `env PS1='$ ' ${process.execPath} ${CARRICK} run --rm -it -e PS1='ready> ' host -- bash --norc --noprofile; echo status=$?; sleep 100`);
    until(/ready>/);
    tmux('send-keys', '-t', 's', 'echo one twoX', 'BSpace', 'Enter');
    until(/^one two$/m);
    tmux('send-keys', '-t', 's', 'tty; stty size', 'Enter');
    until(/\/dev\/pts\/\d+\n30 100/);
    // A key must not be typed before the program that it is for has the terminal: it says so.
    tmux('send-keys', '-t', 's', "sh -c 'echo up-$((40 + 1)); exec sleep 1000'", 'Enter');
    until(/^up-41$/m);
    tmux('send-keys', '-t', 's', 'C-c');
    tmux('send-keys', '-t', 's', 'echo rc=$?', 'Enter');
    until(/rc=130/);
    tmux('send-keys', '-t', 's', "sh -c 'echo up-$((40 + 2)); exec sleep 1000'", 'Enter');
    until(/^up-42$/m);
    tmux('send-keys', '-t', 's', 'C-z');
    until(/Stopped/);
    tmux('send-keys', '-t', 's', 'jobs; kill %1; wait %1; echo after', 'Enter');
    until(/^after$/m);
    tmux('resize-window', '-t', 's', '-x', '80', '-y', '24');
    tmux('send-keys', '-t', 's', 'clear; stty size', 'Enter');
    until(/^24 80$/m);
    tmux('send-keys', '-t', 's', 'exit 7', 'Enter');
    until(/status=7/);
  } finally {
    tmux('kill-server');
  }
});
