/**
 * A terminal as a person has it: tmux around a program. Keys go in, the screen is read, and everything is waited for by what the screen shows; a key that is
 * meant for a program is sent when the program has shown that it reads.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { carrickCommand, pause, scratchDir, testEnv } from './harness.js';

/** For node:test's skip. */
export const NO_TMUX: string | false = existsSync('/usr/bin/tmux') ? false : 'no tmux here';

/** Longest wait for what must come; it only bounds a failure. ms. */
const PATIENCE_MS = 20000;
/** The prompt of SHELL. */
export const PROMPT = 'ready> ';
/** Arguments of carrick run, after the flags: an interactive bash without anybody's configuration. */
export const SHELL: readonly string[] = ['host', '--', 'bash', '--norc', '--noprofile'];

export interface ScreenOptions {
  readonly rows?: number;
  readonly cols?: number;
  readonly home?: string;
  readonly env?: Record<string, string>;
  readonly ordinary?: boolean;
}

let screens = 0;
let config = '';

function configFile(): string {
  if (config === '') {
    config = join(scratchDir('tmux'), 'tmux.conf');
    writeFileSync(config, 'set -g status off\nset -s escape-time 0\nset -g default-terminal screen-256color\n');
  }
  return config;
}

export class Screen {
  private commands = 0;
  private readonly socket = `carrick-test-${process.pid}-${++screens}`;

  /**
   * Run a program in a new terminal. A shell around it tells its exit status and stays, so that the screen does, too: tmux's own remain-on-exit forgets statuses
   * (3.3a, where the terminal is closed well before the program ends).
   */
  constructor(argv: readonly string[], private readonly o: ScreenOptions = {}) {
    this.tmux('new-session', '-d', '-s', 's', '-x', String(o.cols ?? 100), '-y', String(o.rows ?? 30), 'sh', '-c', 'trap : INT QUIT; "$@"; echo "(status $?)"; exec sleep 1000000', 'sh', ...argv);
  }

  /** `carrick run -it` with more flags, of a shell that says ready>. */
  static shell(flags: readonly string[] = [], o: ScreenOptions = {}, what: readonly string[] = SHELL): Screen {
    const s = new Screen([...carrickCommand(o.ordinary === true), 'run', '--rm', '-it', '-e', `PS1=${PROMPT}`, ...flags, ...what], o);
    s.until(/^ready>/m);
    return s;
  }

  private tmux(...args: string[]): string {
    return spawnSync('tmux', ['-L', this.socket, '-f', configFile(), ...args], { encoding: 'utf8', env: testEnv({ LC_ALL: 'C.UTF-8', ...this.o.env }, this.o.home) }).stdout;
  }

  /** The lines of the screen; what has scrolled away is not among them. */
  text(): string { return this.tmux('capture-pane', '-p', '-t', 's'); }

  /** Value of one of tmux's formats, for example alternate_on. */
  about(format: string): string { return this.tmux('display-message', '-p', '-t', 's', `#{${format}}`).trim(); }

  /** Host pid of the program. */
  get pid(): number {
    const shell = this.about('pane_pid');
    return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'latin1'));
  }

  /** Type text as it is. */
  type(text: string): this {
    this.tmux('send-keys', '-t', 's', '-l', '--', text);
    return this;
  }

  /** Press keys, by tmux's names: Enter, C-c, Up, M-b. */
  press(...keys: string[]): this {
    this.tmux('send-keys', '-t', 's', ...keys);
    return this;
  }

  /** A line to a program that reads lines. */
  line(text: string): this { return this.type(text).press('Enter'); }

  /** Wait until the screen shows something; returns the screen. */
  until(re: RegExp): string {
    let s = '';
    this.wait(() => re.test(s = this.text()), () => `the screen never showed ${String(re)}`);
    return s;
  }

  /**
   * Wait until the screen shows something, and after it a prompt that nothing was typed at. Before the next key for a program that edits lines itself: while a
   * command runs, the terminal has the editing, and takes C-r, C-u, C-w and C-d for its own.
   */
  prompt(re: RegExp): string {
    let s = '';
    this.wait(() => re.test(s = this.text()) && s.trimEnd().endsWith(`\n${PROMPT.trimEnd()}`), () => `the screen never showed ${String(re)} and then a prompt`);
    return s;
  }

  /** Wait until the screen shows something no more. */
  gone(re: RegExp): void { this.wait(() => !re.test(this.text()), () => `the screen still shows ${String(re)}`); }

  private wait(holds: () => boolean, what: () => string): void {
    const end = Date.now() + PATIENCE_MS;
    while (!holds()) {
      if (Date.now() > end) assert.fail(`${what()}:\n${this.text()}`);
      pause(20);
    }
  }

  /** At a prompt: a clean screen, then one command line. What it printed, and `[status]` in a last line. */
  run(command: string): string {
    const n = ++this.commands;
    // The line as typed does not match: there the number is still to be computed.
    this.line(`clear; ${command}${command.endsWith('&') ? '' : ';'} echo "[$?] $((${n}))"`);
    return this.until(new RegExp(`^\\[\\d+\\] ${n}$`, 'm')).replace(new RegExp(`^(\\[\\d+\\]) ${n}\\n[^]*`, 'm'), '$1');
  }

  resize(rows: number, cols: number): this {
    this.tmux('resize-window', '-t', 's', '-x', String(cols), '-y', String(rows));
    return this;
  }

  /** Exit status of the program as a shell sees it, once it has ended. */
  status(): number { return Number(/\(status (\d+)\)$/m.exec(this.until(/\(status \d+\)$/m))?.[1]); }

  /** The terminal goes away, as when its window is closed. */
  close(): void { this.tmux('kill-server'); }
}
