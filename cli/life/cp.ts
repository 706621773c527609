/**
 * `carrick cp`: files between the host and a container, as a tar through `carrick exec`, or, when the container has ended, through a run on what it has left (visitCommand): the
 * container's own tar at one end (as with kubectl cp, an image without one cannot be copied from), at the other unpack.ts, or the host's tar.
 *
 *   out:  exec CONTAINER tar -c ──► TarReader ──► Unpacker in a fresh directory beside the destination ──► renamed into place
 *   in:   host's tar -c ──► exec CONTAINER tar -x
 *
 * What goes where is docker's rule: into a directory that exists, else under the new name; SRC/. is what SRC holds. Owners become whoever unpacks: you, or the container's root.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, posix, resolve } from 'node:path';
import { TarReader } from '../../image/tar.js';
import { commandBundle, loadAddon } from '../addon.js';
import { toBytes, toPath, toText } from '../bytes.js';
import { runContainer } from '../container.js';
import { ContainerDir, type State } from '../container-dir.js';
import { EXIT_SIGNAL, Failure } from '../failure.js';
import { find } from './lookup.js';
import { Unpacker } from './unpack.js';

/** Shell's word for "no such program". */
const NOT_FOUND = 127;

/** CONTAINER:PATH, or a path of the host. A name before the first slash that ends with a colon is a container's. */
export function parsePlace(text: string): { readonly container: string; readonly path: string } {
  const m = /^([^/:]+):(.*)$/s.exec(text);
  return m === null ? { container: '', path: text } : { container: m[1] as string, path: m[2] as string };
}

interface Part { readonly dir: string; readonly name: string }

/** Directory and last part of what is to be copied; '.' = what the directory holds. */
export function sourcePart(path: string): Part {
  if (/(^|\/)\.\/*$/.test(path) || /^\/+$/.test(path)) return { dir: posix.normalize(path), name: '.' };
  return { dir: posix.dirname(path), name: posix.basename(path) };
}

/** A program as the container's root: beside its first one, or, when that has ended, on what it has left. */
function execIn(state: State, argv: readonly string[], stdin: 'ignore' | 'pipe'): ChildProcess {
  const command = state.status === 'running' ? ['exec', '-u', '0:0', '-w', '/', state.id, '--'] : ['visit', state.id];
  return spawn(process.execPath, [...process.execArgv, commandBundle, ...command, ...argv], { stdio: [stdin, 'pipe', 'pipe'] });
}

/** `carrick visit ID COMMAND...`, for cp only: run a program as root on what an ended container has left, which goes on having ended as it did. Its exit status. */
export async function visitCommand(id: string, argv: readonly string[]): Promise<number> {
  loadAddon();
  const dir = ContainerDir.visit(id);
  if (dir.config === undefined) throw new Failure(`container ${id} has no configuration`);
  return (await runContainer({ ...dir.config, argv, user: '0:0', uid: 0, gid: 0, cwd: '/', cwdMake: false, tty: false, interactive: true, stdio: [0, 1, 2] }, { dir })).status;
}

/** Its exit status, and the first line of its complaints. */
function ending(child: ChildProcess): Promise<{ status: number; complaint: string }> {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (more: string) => { text += text.length < 4096 ? more : ''; });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => { done({ status: code ?? 1, complaint: text.trim().split('\n', 1)[0] ?? '' }); });
  });
}

function checkTar(what: string, { status, complaint }: { status: number; complaint: string }): void {
  if (status === NOT_FOUND) throw new Failure('the container has no tar, which cp needs');
  if (status !== 0) throw new Failure(`${what}: ${complaint.replace(/^(carrick|tar): /, '')}`);
}

const isDir = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Move a tree to its place (latin1 paths); directories that are there get what they lack and are noted in `kept`, files that are there are replaced. */
function moveOver(from: string, to: string, kept: Set<string>): void {
  const there = lstatSync(toPath(to), { throwIfNoEntry: false }), isTree = lstatSync(toPath(from)).isDirectory();
  if (there !== undefined && isTree && there.isDirectory()) {
    kept.add(to);
    for (const name of readdirSync(toPath(from), 'latin1')) moveOver(posix.join(from, name), posix.join(to, name), kept);
    return;
  }
  if (there !== undefined && isTree !== there.isDirectory()) throw new Failure(`${toText(to)} is ${isTree ? 'no' : 'a'} directory`);
  renameSync(toPath(from), toPath(to));
}

async function copyOut(state: State, source: string, to: string): Promise<void> {
  const { dir, name } = sourcePart(posix.resolve('/', source) + (/\/\.?\/*$/.test(source) ? '/.' : ''));
  const whole = name === '.', into = isDir(to), place = into && !whole ? join(to, name) : resolve(to);
  if (!into && /\/$/.test(to)) throw new Failure(`${to} is no directory`);
  const parent = whole && into ? place : dirname(place);
  if (!isDir(parent)) throw new Failure(`${parent} is no directory`);
  const fresh = mkdtempSync(join(parent, '.carrick-cp-')), remove = (): void => { rmSync(fresh, { recursive: true, force: true }); };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      remove();
      process.exit(EXIT_SIGNAL + constants.signals[signal]);
    });
  }
  try {
    const unpacker = new Unpacker(toBytes(fresh)), reader = new TarReader(unpacker);
    const child = execIn(state, ['tar', '-C', dir, '-cf', '-', '--', name], 'ignore'), ended = ending(child);
    try {
      for await (const chunk of child.stdout ?? []) reader.push(chunk as Buffer);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    checkTar(source, await ended);
    reader.end();
    if (whole && !into) mkdirSync(place);
    // Of a tree, the archive's first part is what is called `place` now.
    const kept = new Set<string>(), top = whole ? '' : toBytes(name), at = toBytes(place);
    moveOver(posix.join(toBytes(fresh), top), at, kept);
    unpacker.finish((dir) => {
      const final = posix.join(at, dir.slice(top.length));
      return kept.has(final) ? undefined : final;
    });
  } finally {
    remove();
  }
}

/** For the host's tar: call the top of the tree something else. */
const renamed = (from: string, to: string): string => `--transform=flags=rhS;s,^${from.replace(/[\\.*^$[\],]/g, '\\$&')},${to.replace(/[\\&,]/g, '\\$&')},`;

async function copyIn(from: string, state: State, target: string): Promise<void> {
  if (lstatSync(from, { throwIfNoEntry: false }) === undefined) throw new Failure(`${from}: no such file or directory`);
  const { dir, name } = sourcePart(from.replace(/(?<=[^/])\/+$/, '')), to = posix.resolve('/', target);
  const into = (await ending(execIn(state, ['sh', '-c', 'test -d "$1"', 'sh', to], 'ignore'))).status === 0;
  if (!into && /\/$/.test(target)) throw new Failure(`${target} is no directory in the container`);
  const whole = name === '.', called = into || whole ? name : posix.basename(to), place = into || whole ? to : posix.dirname(to);
  if (whole && !into) checkTar(target, await ending(execIn(state, ['mkdir', '--', to], 'ignore')));
  const tar = spawn('tar', ['--owner=0', '--group=0', '--numeric-owner', ...(called === name ? [] : [renamed(name, called)]), '-C', dir, '-cf', '-', '--', name], { stdio: ['ignore', 'pipe', 'pipe'] });
  const child = execIn(state, ['tar', '-C', place, '-xf', '-'], 'pipe');
  const ends = [ending(tar), ending(child)] as const;
  // The container's tar may stop reading first: its own words say why.
  child.stdin?.on('error', () => undefined);
  if (child.stdin !== null) tar.stdout.pipe(child.stdin);
  const [made, taken] = await Promise.all(ends);
  checkTar(target, taken);
  if (made.status !== 0) throw new Failure(`${from}: ${made.complaint.replace(/^tar: /, '')}`);
}

export async function cpCommand(source: string, target: string): Promise<void> {
  const from = parsePlace(source), to = parsePlace(target);
  if ((from.container === '') === (to.container === '')) throw new Failure('cp copies between the host and one container; write CONTAINER:PATH at one end');
  try {
    if (from.container !== '') await copyOut(find(from.container), from.path, to.path);
    else await copyIn(from.path, find(to.container), to.path);
  } catch (error) {
    // A place that may not be written to, a full disk: the host's words.
    throw error instanceof Error && 'code' in error && 'syscall' in error ? new Failure(error.message) : error;
  }
}
