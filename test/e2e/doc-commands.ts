/**
 * Runs the commands that a page of the documentation shows, and compares what they print with what the page says.
 *
 * A page's ```console blocks are one bash session in an empty directory, in order: variables, files and background jobs of one block are there in the
 * next. A line that starts with `$ ` is a command, lines after it that start with `> ` continue it, all others are its output (standard output and error together); `...` in them
 * stands for any text, alone on a line for any number of lines. A command must end with 0, unless the next one begins with `echo $?`. `carrick` is the one built here.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AS_ORDINARY, ORDINARY_UID } from '../public.js';
import { carrickCommand, scratchDir, testEnv } from './harness.js';

export interface DocCommand { readonly line: number; readonly command: string; readonly output: readonly string[] }

/** The commands of a page, in order. Throws when a block begins with something that is no command. */
export function docCommands(text: string): DocCommand[] {
  const found: { line: number; command: string; output: string[] }[] = [];
  let inside = false, first = false;
  text.split('\n').forEach((line, i) => {
    if (/^```/.test(line)) { inside = !inside && /^```console\b/.test(line); first = inside; return; }
    if (!inside) return;
    const last = found.at(-1);
    if (line.startsWith('$ ')) found.push({ line: i + 1, command: line.slice(2), output: [] });
    else if (first || last === undefined) throw new Error(`line ${i + 1}: a console block begins with a command: ${line}`);
    else if (line.startsWith('> ') && last.output.length === 0) last.command += `\n${line.slice(2)}`;
    else last.output.push(line);
    first = false;
  });
  return found;
}

/** Whether output is what a page says; trailing blanks and the last line's end do not count. */
export function outputMatches(expected: readonly string[], actual: string): boolean {
  const quote = (s: string): string => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  let pattern = '';
  for (const line of expected) pattern += line.trim() === '...' ? '(?:[^\n]*\n)*?' : `${line.trimEnd().split('...').map(quote).join('[^\n]*')}[ \t\r]*\n`;
  const text = actual === '' || actual.endsWith('\n') ? actual : `${actual}\n`;
  return new RegExp(`^${pattern}$`).test(text);
}

export interface PageOptions { readonly ordinary?: boolean; readonly env?: Record<string, string>; readonly timeoutMs?: number; /** CARRICK_HOME, else one of its own. */ readonly home?: string }

/** Run a page; fails naming every command that printed or returned something else. */
export function runPage(path: string, o: PageOptions = {}): void {
  const commands = docCommands(readFileSync(resolve(path), 'utf8'));
  assert.ok(commands.length > 0, `${path} has no console block`);
  const dir = scratchDir('page'), bin = scratchDir('bin'), mark = `--${process.pid}-${Date.now()}--`;
  chmodSync(bin, 0o755);
  const home = o.home ?? scratchDir('home');
  if (o.ordinary === true) for (const d of [dir, home]) chownSync(d, ORDINARY_UID, ORDINARY_UID);
  const carrick = join(bin, 'carrick');
  // The ordinary user's words are in front of bash already.
  const words = carrickCommand(o.ordinary === true).slice(o.ordinary === true ? AS_ORDINARY.length : 0);
  writeFileSync(carrick, `#!/bin/sh\nexec ${words.map((w) => `'${w}'`).join(' ')} "$@"\n`, { mode: 0o755 });
  const script = commands.map(({ command }, i) => `printf '\\n%s %d begin\\n' '${mark}' ${i}\n( exit "\${doc_status:-0}" )\n${command}\ndoc_status=$?; printf '\\n%s %d %d\\n' '${mark}' ${i} $doc_status`).join('\n');
  const file = join(bin, 'page.sh');
  writeFileSync(file, `${script}\n`, { mode: 0o644 });
  const argv = [...(o.ordinary === true ? AS_ORDINARY : []), 'bash', '-c', `exec 2>&1; . '${file}'`];
  const r = spawnSync(argv[0] as string, argv.slice(1), {
    cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20, timeout: o.timeoutMs ?? 600000, killSignal: 'SIGKILL',
    env: testEnv({ HOME: dir, ...o.env, PATH: `${bin}:${process.env['PATH'] ?? '/usr/bin:/bin'}` }, home),
  });
  const wrong: string[] = [];
  commands.forEach(({ line, command, output }, i) => {
    const begin = `\n${mark} ${i} begin\n`, from = r.stdout.indexOf(begin), end = r.stdout.indexOf(`\n${mark} ${i} `, from + begin.length - 1);
    if (from < 0 || end < 0) { wrong.push(`${path}:${line}: $ ${command}\n  was not reached, or did not end${from < 0 ? '' : `; it printed:\n${r.stdout.slice(from + begin.length)}`}`); return; }
    const printed = r.stdout.slice(from + begin.length, end), status = Number(/ (\d+)\n/.exec(r.stdout.slice(end + 1))?.[1] ?? -1);
    const statusAsked = commands[i + 1]?.command.startsWith('echo $?') === true;
    if (!outputMatches(output, printed)) wrong.push(`${path}:${line}: $ ${command}\n  should print:\n${output.join('\n')}\n  printed:\n${printed}`);
    if (status !== 0 && !statusAsked) wrong.push(`${path}:${line}: $ ${command}\n  ended with ${status}; it printed:\n${printed}`);
  });
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
}
