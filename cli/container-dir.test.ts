import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeEach, afterEach, test } from 'node:test';
import { loadNative } from '../shared/native.js';
import { ContainerDir, type State, removeContainer, removeTree, startTime, sweep } from './container-dir.js';
import { Failure } from './failure.js';

loadNative(resolve('native/build/Release/carrick.node'));
let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'carrick-home-'));
  process.env['CARRICK_HOME'] = home;
});
afterEach(() => {
  delete process.env['CARRICK_HOME'];
  rmSync(home, { recursive: true });
});

/** A container directory as a carrick that is gone has left it. */
function abandoned(id: string, state: Partial<State> | undefined): string {
  const dir = join(home, 'containers', id);
  mkdirSync(join(dir, 'upper/etc'), { recursive: true });
  if (state !== undefined) writeFileSync(join(dir, 'state.json'), JSON.stringify({ id, name: id, status: 'running', command: [], created: '', ...state }));
  return dir;
}

test('a container that wrote nothing leaves nothing, kept or not', () => {
  for (const keep of [true, false]) {
    const dir = ContainerDir.create('aaaa', 'named', ['true']);
    dir.finish(keep, 0);
    assert.deepEqual(readdirSync(join(home, 'containers')), []);
    assert.deepEqual(readdirSync(join(home, 'names')), []);
  }
});

test('what was written stays without --rm, and goes with it', () => {
  const kept = ContainerDir.create('aaaa', 'aaaa', ['true']);
  writeFileSync(join(kept.upper, 'f'), 'x');
  kept.finish(true, 3);
  const state = JSON.parse(readFileSync(join(kept.path, 'state.json'), 'utf8')) as State;
  assert.deepEqual([state.status, state.exitStatus], ['exited', 3]);
  assert.ok(existsSync(join(kept.upper, 'f')));
  const removed = ContainerDir.create('bbbb', 'bbbb', ['true']);
  writeFileSync(join(removed.upper, 'f'), 'x');
  removed.finish(false, 0);
  assert.ok(!existsSync(removed.path));
});

test('a sweep removes what dead owners left, and nothing else', () => {
  const alive = ContainerDir.create('aaaa', 'aaaa', ['true']);
  const recycled = abandoned('bbbb', { pid: process.pid, startTime: '1' });
  const dead = abandoned('cccc', { pid: 0x3fffffff, startTime: '1' });
  const exited = abandoned('dddd', { pid: 0x3fffffff, startTime: '1', status: 'exited' });
  const young = abandoned('eeee.new', undefined);
  const old = abandoned('ffff.new', undefined);
  utimesSync(old, 1, 1);
  const unborn = abandoned('abcd.1073741823.1.new', undefined);
  const being = abandoned(`abce.${process.pid}.${startTime(process.pid)}.new`, undefined);
  sweep();
  assert.deepEqual([alive.path, recycled, dead, exited, young, old, unborn, being].map((path) => existsSync(path)), [true, false, false, true, true, false, false, true]);
});

test('a sweep keeps what would have been kept, as ended by SIGKILL, and frees the names of what goes', () => {
  const gone = { pid: 0x3fffffff, startTime: '1' };
  const written = abandoned('aaaa', { ...gone, name: 'a', keep: true });
  const empty = abandoned('bbbb', { ...gone, name: 'b', keep: true });
  rmSync(join(empty, 'upper/etc'), { recursive: true });
  const detached = abandoned('cccc', { ...gone, name: 'c', keep: true, detached: true });
  rmSync(join(detached, 'upper/etc'), { recursive: true });
  const temporary = abandoned('dddd', { ...gone, name: 'd', keep: false });
  mkdirSync(join(home, 'names'));
  for (const [name, id] of [['a', 'aaaa'], ['b', 'bbbb'], ['c', 'cccc'], ['d', 'dddd'], ['e', 'eeee']]) symlinkSync(id as string, join(home, 'names', name as string));
  sweep();
  assert.deepEqual([written, empty, detached, temporary].map((path) => existsSync(path)), [true, false, true, false]);
  for (const dir of [written, detached]) {
    const state = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as State;
    assert.deepEqual([state.status, state.exitStatus], ['exited', 137]);
  }
  assert.deepEqual(readdirSync(join(home, 'names')).sort(), ['a', 'c']);
});

test('an ended container is adopted by one, and removed by nobody meanwhile', () => {
  const dir = abandoned('aaaa', { pid: 0x3fffffff, startTime: '1', status: 'exited', exitStatus: 3, finished: 'then', name: 'web', keep: true });
  mkdirSync(join(home, 'names'));
  symlinkSync('aaaa', join(home, 'names/web'));
  const again = ContainerDir.adopt('aaaa', true);
  const state = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as State;
  assert.deepEqual([state.status, state.pid, state.exitStatus, state.finished, state.detached, state.started !== undefined], ['running', process.pid, undefined, undefined, true, true]);
  assert.throws(() => ContainerDir.adopt('aaaa', true), /is running/);
  assert.throws(() => { removeContainer(state); }, /is running/);
  assert.throws(() => ContainerDir.adopt('bbbb', true), /no container bbbb/);
  again.finish(false, 0);
  assert.deepEqual([existsSync(dir), readdirSync(join(home, 'names'))], [false, []]);
});

test('a name is held by one container, and lost by a dead one', () => {
  const first = ContainerDir.create('aaaa', 'web', ['true']);
  assert.throws(() => ContainerDir.create('bbbb', 'web', ['true']), (error) => error instanceof Failure && /taken by container aaaa/.test(error.message));
  assert.ok(!existsSync(join(home, 'containers/bbbb')));
  first.finish(false, 0);
  const dead = ContainerDir.create('cccc', 'web', ['true']);
  writeFileSync(join(dead.path, 'state.json'), JSON.stringify({ id: 'cccc', name: 'web', pid: 0x3fffffff, startTime: '1', status: 'running' }));
  ContainerDir.create('dddd', 'web', ['true']).finish(false, 0);
});

test('removeTree: names that are no UTF-8, directories without permissions', () => {
  const dir = join(home, 'tree');
  mkdirSync(join(dir, 'a/b'), { recursive: true });
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/a/`), Buffer.from([0xff, 0xfe])]), 'x');
  chmodSync(join(dir, 'a/b'), 0);
  chmodSync(join(dir, 'a'), 0o500);
  removeTree(dir);
  assert.ok(!existsSync(dir));
});

test('start time: of oneself, of nobody', () => {
  assert.match(startTime(process.pid), /^\d+$/);
  assert.equal(startTime(0x3fffffff), '');
});

test('a home that cannot be made is a failure with a mend', () => {
  writeFileSync(join(home, 'file'), '');
  process.env['CARRICK_HOME'] = join(home, 'file/sub');
  const refused = (): void => { assert.throws(() => ContainerDir.create('aaaa', 'aaaa', []), (error) => error instanceof Failure && /set CARRICK_HOME/.test(error.message)); };
  refused();
  process.env['CARRICK_HOME'] = '/proc/no-such-entry';
  refused();
});
