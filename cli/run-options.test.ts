import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { RW_AFTER } from '../shared/gen/layout.js';
import { Failure } from './failure.js';
import { type Caller, type RunFlags, mergeEnv, parseRootfs, parseTmpfs, parseUser, parseVolume, runElfSpec, runSpec } from './run-options.js';
import { VERSION } from './version.js';

const caller: Caller = { env: ['PATH=/x', 'TERM=vt220', 'EMPTY=', 'LANG=C.UTF-8', 'SECRET=1'], cwd: '/usr', uid: 7, gid: 8, groups: [8, 9], rows: 24, cols: 80 };
const off = { mode: 'off', fd: -1 } as const;

function refuses(run: () => unknown, text: RegExp): void {
  assert.throws(run, (error) => error instanceof Failure && error.status === 125 && text.test(error.message) && !error.message.includes('\n'));
}

test('rootfs: host, a directory, and what is neither', () => {
  assert.deepEqual(parseRootfs('host', '/'), { kind: 'host', dir: '/' });
  assert.deepEqual(parseRootfs('rootfs:/usr/', '/'), { kind: 'dir', dir: '/usr' });
  assert.deepEqual(parseRootfs('rootfs:lib/..', '/usr'), { kind: 'dir', dir: '/usr' });
  refuses(() => parseRootfs('rootfs:/nonexistent-dir', '/'), /no such file/);
  refuses(() => parseRootfs('rootfs:/etc/passwd', '/'), /not a directory/);
  refuses(() => parseRootfs('debian', '/'), /use host, or rootfs:DIR/);
});

test('volume: absolute guest path, optional ro, existing source', () => {
  assert.deepEqual(parseVolume('/usr:/a', '/'), { source: '/usr', target: '/a', readOnly: false });
  assert.deepEqual(parseVolume('.:/a/b/:ro', '/usr'), { source: '/usr', target: '/a/b', readOnly: true });
  for (const bad of ['/usr', ':/a', '/usr:', '/usr:a', '/usr:/a:rx', '/usr:/a:ro:x']) refuses(() => parseVolume(bad, '/'), /bad volume/);
  process.env['CARRICK_HOME'] = '/home-of-carrick';
  const source = '/home-of-carrick/volumes/data/_data';
  assert.deepEqual(parseVolume('data:/a', '/usr'), { source, target: '/a', readOnly: false, volume: 'data', fill: true });
  assert.deepEqual(parseVolume('data:/a:ro,nocopy', '/usr'), { source, target: '/a', readOnly: true, volume: 'data' });
  refuses(() => parseVolume('/usr:/a:nocopy', '/'), /bad volume/);
  delete process.env['CARRICK_HOME'];
  refuses(() => parseVolume('/usr:/', '/'), /cover the root/);
  refuses(() => parseVolume('/usr:/a/..', '/'), /cover the root/);
  refuses(() => parseVolume('/nonexistent-dir:/a', '/'), /no such file/);
});

test('two mounts at one place are refused', () => {
  const at = (flags: RunFlags) => () => runSpec(flags, 'host', ['true'], caller, off);
  refuses(at({ volume: ['/usr:/a', '/etc:/a/'] }), /two mounts at \/a;/);
  refuses(at({ volume: ['/usr:/a'], tmpfs: ['/a:size=1m'] }), /two mounts at \/a;/);
  // An ordinary user's guest root has one more, at /root.
  assert.equal(at({ volume: ['/usr:/a'], tmpfs: ['/a/b'] })().tmpfs.filter(({ target }) => target === '/a/b').length, 1);
});

test('tmpfs: options, sizes, refusals', () => {
  assert.deepEqual(parseTmpfs('/t'), { target: '/t', size: 0, mode: 0o1777, flags: 6 });
  assert.deepEqual(parseTmpfs('/t/:size=2m,mode=700,noexec,ro,dev'), { target: '/t', size: 2 * 1024 * 1024, mode: 0o700, flags: 1 | 2 | 8 });
  refuses(() => parseTmpfs('t'), /absolute/);
  for (const bad of ['/t:size=x', '/t:mode=9', '/t:', '/t:size=1t']) refuses(() => parseTmpfs(bad), /bad --tmpfs option/);
});

test('user: numbers, names, mixtures', () => {
  assert.deepEqual(parseUser('5'), { user: '5', uid: 5, gid: -1 });
  assert.deepEqual(parseUser('5:6'), { user: '5:6', uid: 5, gid: 6 });
  assert.deepEqual(parseUser('www-data:adm'), { user: 'www-data:adm', uid: -1, gid: -1 });
  for (const bad of ['', ':5', '5:', '1:2:3', '4294967295']) refuses(() => parseUser(bad), /bad user/);
});

test('environment: later wins, a bare name takes the caller\'s value or removes', () => {
  assert.deepEqual(mergeEnv(['A=1', 'B=2'], ['A=3', 'C=x=y'], []), ['A=3', 'B=2', 'C=x=y']);
  assert.deepEqual(mergeEnv(['A=1'], ['A', 'SECRET', 'EMPTY'], caller.env), ['SECRET=1', 'EMPTY=']);
  refuses(() => mergeEnv([], ['=x'], []), /bad variable/);
});

test('run: docker-like environment, nothing of the caller\'s but LANG', () => {
  const spec = runSpec({}, 'host', ['--', 'ls', '--', '-l'], caller, off);
  assert.deepEqual(spec.argv, ['ls', '--', '-l']);
  assert.deepEqual(spec.env.map((item) => item.split('=')[0]), ['PATH', 'HOSTNAME', 'LANG']);
  assert.equal(spec.env[1], `HOSTNAME=${spec.id}`);
  assert.equal(spec.homeFromPasswd, true);
  assert.deepEqual([spec.uid, spec.gid, spec.cwd, spec.tty, spec.interactive], [0, 0, '/', false, true]);
  assert.match(spec.id, /^[0-9a-f]{12}$/);
  const withTty = runSpec({ tty: true, env: ['HOME=/h'], hostname: 'box', entrypoint: '/e', workdir: '/a/../b' }, 'host', ['x'], caller, off);
  assert.ok(withTty.env.includes('TERM=vt220') && withTty.env.includes('HOSTNAME=box'));
  assert.deepEqual([withTty.homeFromPasswd, withTty.argv, withTty.cwd, withTty.cwdMake], [false, ['/e', 'x'], '/b', true]);
  assert.deepEqual(runSpec({}, 'host', [], caller, off).argv, ['/bin/sh']);
  refuses(() => runSpec({ workdir: 'a' }, 'host', [], caller, off), /workdir/);
  refuses(() => runSpec({ hostname: '-x' }, 'host', [], caller, off), /hostname/);
  refuses(() => runSpec({ name: '../x' }, 'host', [], caller, off), /bad name/);
});

test('run-elf: the caller\'s own surroundings, the file never looked up in PATH; variables of a file', (t) => {
  const spec = runElfSpec({}, 'a.out', ['1'], caller, off);
  assert.deepEqual(spec.argv, ['./a.out', '1']);
  assert.deepEqual([spec.cwd, spec.uid, spec.gid, spec.groups, spec.env, spec.interactive], ['/usr', 7, 8, [8, 9], caller.env, true]);
  const dir = mkdtempSync(join(tmpdir(), 'carrick-env-'));
  t.after(() => { rmSync(dir, { recursive: true }); });
  writeFileSync(join(dir, 'env'), 'FROM_FILE=1\nBOTH=file\n');
  assert.deepEqual(runElfSpec({ envFile: [join(dir, 'env')], env: ['BOTH=flag'] }, 'a.out', [], caller, off).env, [...caller.env, 'FROM_FILE=1', 'BOTH=flag']);
});

test('switches from the environment', (t) => {
  t.after(() => { for (const key of ['CARRICK_FASTPATH', 'CARRICK_NAMESPACES', 'CARRICK_REWRITE']) delete process.env[key]; });
  assert.deepEqual([runSpec({}, 'host', [], caller, off).fastpath, runSpec({}, 'host', [], caller, off).namespaces], [true, 31]);
  process.env['CARRICK_FASTPATH'] = '0';
  process.env['CARRICK_NAMESPACES'] = 'none';
  assert.deepEqual([runSpec({}, 'host', [], caller, off).fastpath, runSpec({}, 'host', [], caller, off).namespaces], [false, 0]);
  process.env['CARRICK_FASTPATH'] = 'no';
  refuses(() => runSpec({}, 'host', [], caller, off), /CARRICK_FASTPATH/);
  delete process.env['CARRICK_FASTPATH'];
  assert.equal(runSpec({}, 'host', [], caller, off).rewrite, RW_AFTER);
  for (const [text, n] of [['0', 0], ['1', 1], ['500', 500]] as const) {
    process.env['CARRICK_REWRITE'] = text;
    assert.equal(runSpec({}, 'host', [], caller, off).rewrite, n);
  }
  process.env['CARRICK_REWRITE'] = 'off';
  refuses(() => runSpec({}, 'host', [], caller, off), /CARRICK_REWRITE/);
});

test('the version is that of package.json', () => {
  assert.equal(VERSION, (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version);
});
