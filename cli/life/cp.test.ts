/** carrick cp: what its arguments mean, and archives that are not to be trusted. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { EntryType } from '../../image/tar.js';
import { Failure } from '../failure.js';
import { parsePlace, sourcePart } from './cp.js';
import { Unpacker } from './unpack.js';

let dir = '';
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'carrick-cp-test-')); });
afterEach(() => { rmSync(dir, { recursive: true, force: true }); });

function add(u: Unpacker, type: EntryType, name: string, more: { linkname?: string; mode?: number; text?: string } = {}): void {
  const text = Buffer.from(more.text ?? '');
  u.entry({ type, name, linkname: more.linkname ?? '', mode: more.mode ?? 0o644, uid: 0, gid: 0, size: text.length, mtime: 1000, mtimeNsec: 0, major: 0, minor: 0, xattrs: undefined, offset: 0 });
  if (type === 'file') u.data(text);
  u.done();
}

test('whose path it is', () => {
  assert.deepEqual(parsePlace('web:/etc'), { container: 'web', path: '/etc' });
  assert.deepEqual(parsePlace('/a:b'), { container: '', path: '/a:b' });
  assert.deepEqual(parsePlace('./web:x'), { container: '', path: './web:x' });
});

test('what is copied of a path', () => {
  assert.deepEqual(sourcePart('/a/b'), { dir: '/a', name: 'b' });
  assert.deepEqual(sourcePart('b'), { dir: '.', name: 'b' });
  assert.deepEqual(sourcePart('/a/b/.'), { dir: '/a/b', name: '.' });
  assert.deepEqual(sourcePart('/'), { dir: '/', name: '.' });
});

test('files, directories and links are unpacked, without set-id bits', () => {
  const u = new Unpacker(dir);
  add(u, 'dir', 'd/', { mode: 0o2500 });
  add(u, 'file', './d/f', { text: 'text', mode: 0o4755 });
  add(u, 'link', 'd/g', { linkname: 'd/f' });
  add(u, 'symlink', 'd/l', { linkname: '/etc/passwd' });
  u.finish((name) => join(dir, name));
  assert.equal(readFileSync(join(dir, 'd/g'), 'utf8'), 'text');
  assert.deepEqual([statSync(join(dir, 'd')).mode & 0o7777, statSync(join(dir, 'd/f')).mode & 0o7000, statSync(join(dir, 'd/f')).mtimeMs], [0o500, 0, 1_000_000]);
  chmodSync(join(dir, 'd'), 0o700);
});

test('nothing is written outside, through a link, or twice', () => {
  const hostile: ReadonlyArray<(u: Unpacker) => void> = [
    (u) => { add(u, 'file', '../out'); },
    (u) => { add(u, 'file', '/tmp/out'); },
    (u) => { add(u, 'symlink', 'l', { linkname: '/tmp' }); add(u, 'file', 'l/out'); },
    (u) => { add(u, 'symlink', 'l', { linkname: '/tmp' }); add(u, 'dir', 'l'); },
    (u) => { add(u, 'symlink', 'l', { linkname: '/tmp/out' }); add(u, 'file', 'l'); },
    (u) => { add(u, 'link', 'h', { linkname: '../../etc/passwd' }); },
    (u) => { add(u, 'link', 'h', { linkname: 'nothing' }); },
    (u) => { add(u, 'file', 'no/parent'); },
    (u) => { add(u, 'char', 'dev'); },
    (u) => { add(u, 'file', ''); },
  ];
  for (const [i, attack] of hostile.entries()) {
    const fresh = join(dir, String(i));
    assert.throws(() => { attack(new Unpacker(mkdtempSync(`${fresh}-`))); }, Failure, String(i));
  }
  assert.equal(existsSync('/tmp/out'), false);
});
