/** Unpacking layers: what the index says, and that no archive reaches outside its directory. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { decodeLayerIndex, type LayerIndex } from '../shared/layer-index.js';
import { digestOf } from './digest.js';
import { compressionOf, extractLayer, type ExtractResult } from './extract.js';
import { cleanPath } from './layer-tree.js';
import { type Bench, bench, show, tar, type TestEntry } from './test-kit.js';

let w: Bench, dir: string, count = 0;
beforeEach(() => { w = bench(); });
afterEach(() => { w.end(); });

async function unpack(stored: Buffer, diffId = '', digest = ''): Promise<ExtractResult> {
  dir = join(w.dir, `layer${count++}`);
  mkdirSync(dir);
  return extractLayer({ path: w.file('l.tar', stored), start: 0, end: stored.length, dir, diffId: diffId as '', digest: digest as '', counter: undefined });
}

async function indexOf(...entries: TestEntry[]): Promise<LayerIndex> {
  const r = await unpack(tar(...entries));
  assert.ok(r.ok, r.ok ? '' : r.message);
  return decodeLayerIndex(readFileSync(join(dir, 'index')));
}

async function refused(pattern: RegExp, ...entries: TestEntry[]): Promise<void> {
  const before = readdirSync(w.dir).length;
  const r = await unpack(tar(...entries));
  assert.ok(!r.ok, 'it was taken');
  assert.match(r.message, pattern);
  // The archive and the layer's own directory; nothing beside them.
  assert.ok(readdirSync(w.dir).length <= before + 2);
}

describe('layers', () => {
  it('keep owners, modes, times, devices, links and attributes', async () => {
    const x = await indexOf(
      { name: './', type: '5', mode: 0o755, uid: 3 }, { name: 'd/', type: '5', mode: 0o1777 }, { name: 'd/f', data: 'data', mode: 0o4755, uid: 10, gid: 20, pax: { mtime: '5.5', 'SCHILY.xattr.user.x': 'v\0w' } },
      { name: 'd/h', type: '1', link: 'd/f' }, { name: 'd/s', type: '2', link: '/etc/passwd' }, { name: 'd/c', type: '3', major: 5, minor: 1 }, { name: 'd/b', type: '4', major: 8, minor: 300 }, { name: 'd/p', type: '6' });
    assert.deepEqual(show(x), ['/ 40755 3:0', '/d 41777 0:0', '/d/f 104755 10:20 nlink 2', '/d/h 104755 10:20 nlink 2', '/d/s 120777 0:0 -> /etc/passwd', '/d/c 20644 0:0 dev 5,1', '/d/b 60644 0:0 dev 8,300', '/d/p 10644 0:0']);
    const f = x.nodes[x.names.indexOf('f')] as number;
    assert.equal(x.nodes[x.names.indexOf('h')], f);
    assert.deepEqual([x.size[f], x.mtime[f], x.mtimeNsec[f]], [4, 5, 500000000]);
    assert.deepEqual([...x.xattrs.get(f) ?? []], [['user.x', 'v\0w']]);
    assert.equal(readFileSync(join(dir, 'data', String(x.ref[f])), 'latin1'), 'data');
    assert.deepEqual(readdirSync(join(dir, 'data')).sort(), ['0', '1']);
  });

  it('have whiteouts and opaque directories', async () => {
    const x = await indexOf({ name: 'a/.wh.gone' }, { name: 'b/.wh..wh..opq' }, { name: 'b/new', data: 'n' }, { name: '.wh..wh.plnk', type: '5' }, { name: '.wh.top' });
    assert.deepEqual(show(x), ['/ 40755 0:0 implied', '/a 40755 0:0 implied', '/a/gone whiteout', '/b 40755 0:0 opaque implied', '/b/new 100644 0:0', '/top whiteout']);
  });

  it('make a directory opaque that comes with a whiteout of its name, in either order', async () => {
    assert.deepEqual(show(await indexOf({ name: '.wh.d' }, { name: 'd/', type: '5' }))[1], '/d 40644 0:0 opaque');
    assert.deepEqual(show(await indexOf({ name: 'd/', type: '5' }, { name: '.wh.d' }))[1], '/d 40644 0:0 opaque');
    assert.deepEqual(show(await indexOf({ name: '.wh.f' }, { name: 'f', data: 'x' }))[1], '/f 100644 0:0');
  });

  it('let later entries replace earlier ones, and drop their data', async () => {
    const x = await indexOf({ name: 'f', data: 'one' }, { name: 'f', data: 'two!' }, { name: 'd/x', data: 'x' }, { name: 'd', type: '2', link: 'f' }, { name: 'e/', type: '5', mode: 0o700 }, { name: 'e/k', data: 'k' }, { name: 'e/', type: '5', mode: 0o711 });
    assert.deepEqual(show(x), ['/ 40755 0:0 implied', '/f 100644 0:0', '/d 120777 0:0 -> f', '/e 40711 0:0', '/e/k 100644 0:0']);
    assert.deepEqual(readdirSync(join(dir, 'data')).map((n) => readFileSync(join(dir, 'data', n), 'latin1')).sort(), ['', 'k', 'two!']);
  });

  it('keep the data of a file as long as one of its links', async () => {
    const x = await indexOf({ name: 'a', data: 'A' }, { name: 'b', type: '1', link: 'a' }, { name: 'a', data: 'B' });
    const b = x.nodes[x.names.indexOf('b')] as number;
    assert.equal(readFileSync(join(dir, 'data', String(x.ref[b])), 'latin1'), 'A');
    assert.equal(x.nlink[b], 1);
  });

  it('are put below the root whatever their names are', async () => {
    const x = await indexOf({ name: '/abs/f', data: '1' }, { name: './a/../b//c/./d', data: '2' }, { name: '/../../x', data: '3' });
    assert.deepEqual(show(x).map((l) => l.split(' ')[0]), ['/', '/abs', '/abs/f', '/b', '/b/c', '/b/c/d', '/x']);
    assert.equal(cleanPath('a/../../b'), undefined);
    assert.deepEqual(cleanPath('/..//a/.'), ['a']);
  });

  it('cannot lead out', async () => {
    await refused(/leads out of the root/, { name: '../evil', data: 'x' });
    await refused(/leads out of the root/, { name: 'a/../../evil', data: 'x' });
    await refused(/out of the root/, { name: 'h', type: '1', link: '../../etc/passwd' });
    await refused(/no file of the layer/, { name: 'h', type: '1', link: '/etc/passwd' });
    await refused(/below a symbolic link/, { name: 'l', type: '2', link: '/etc' }, { name: 'l/passwd', data: 'x' });
    await refused(/below a symbolic link/, { name: 'l', type: '2', link: '../../..' }, { name: 'l/tmp/evil', data: 'x' });
    await refused(/loop/, { name: 'l', type: '2', link: 'm' }, { name: 'm', type: '2', link: 'l' }, { name: 'l/f', data: 'x' });
    await refused(/no directory/, { name: 'f', data: 'x' }, { name: 'f/g', data: 'x' });
    await refused(/whiteout of nothing/, { name: 'a/.wh...', data: '' });
    await refused(/replace the root/, { name: './', type: '2', link: '/etc' });
    await refused(/not possible/, { name: 'n'.repeat(90), pax: { path: `a/${'n'.repeat(256)}` } });
    await refused(/not possible/, { name: 'a', pax: { path: 'a\0b' } });
    await refused(/owner/, { name: 'a', pax: { uid: '4294967295' } });
  });

  it('follow a symbolic link to a directory of their own', async () => {
    const x = await indexOf({ name: 'usr/lib/', type: '5' }, { name: 'lib', type: '2', link: '/../usr/lib' }, { name: 'lib/f', data: 'x' });
    assert.ok(show(x).some((l) => l.startsWith('/usr/lib/f ')));
  });

  it('make holes of zeros', async () => {
    const data = Buffer.concat([Buffer.from('start'), Buffer.alloc(3 << 20), Buffer.from('end'), Buffer.alloc(100_000)]);
    const x = await indexOf({ name: 'z', data });
    const path = join(dir, 'data', String(x.ref[1]));
    assert.ok(readFileSync(path).equals(data));
    assert.ok(statSync(path).blocks * 512 < 100_000, `${statSync(path).blocks} blocks`);
  });

  it('are checked against both digests, in gzip and zstd as well', async () => {
    const plain = tar({ name: 'f', data: Buffer.alloc(300_000, 'some text ') });
    const zstd = spawnSync('zstd', ['-q', '-c'], { input: plain, maxBuffer: 1 << 24 }).stdout;
    const forms: Buffer[] = [plain, gzipSync(plain), Buffer.concat([gzipSync(plain.subarray(0, 5000)), gzipSync(plain.subarray(5000))]), ...(zstd === null || zstd.length === 0 ? [] : [zstd])];
    for (const stored of forms) {
      const kind = compressionOf(stored);
      const r = await unpack(stored, digestOf(plain), digestOf(stored));
      assert.ok(r.ok, `${kind}: ${r.ok ? '' : r.message}`);
      const wrong = await unpack(stored, digestOf(Buffer.from('other')));
      assert.match(wrong.ok ? '' : wrong.message, /configuration is damaged/);
      const altered = Buffer.from(stored);
      altered[altered.length >> 1] = (altered[altered.length >> 1] as number) ^ 0x55;
      assert.equal((await unpack(altered, digestOf(plain), digestOf(stored))).ok, false, kind);
      assert.equal((await unpack(stored.subarray(0, stored.length >> 1), digestOf(plain))).ok, false, kind);
    }
  });
});
