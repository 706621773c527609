/** The tar reader: formats, numbers, extension headers, damage. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ImageError } from './error.js';
import { type TarEntry, TarReader } from './tar.js';
import { bench, tar } from './test-kit.js';

interface Read extends TarEntry { readonly content: string }

/** Entries of an archive that arrives in pieces of `step` bytes. */
function read(b: Buffer, step = b.length): Read[] {
  const all: Read[] = [];
  let now: TarEntry | undefined, parts: Buffer[] = [];
  const r = new TarReader({ entry: (e) => { now = e; parts = []; }, data: (c) => { parts.push(Buffer.from(c)); }, done: () => { all.push({ ...now as TarEntry, content: Buffer.concat(parts).latin1Slice() }); } });
  for (let at = 0; at < b.length; at += step) r.push(b.subarray(at, at + step));
  r.end();
  return all;
}

test('entries and data, however the bytes arrive', () => {
  const big = Buffer.alloc(1300, 'x').toString();
  const b = tar({ name: 'a', data: 'hello', mode: 0o4755, uid: 7, gid: 8, mtime: 99 }, { name: 'd/', type: '5' }, { name: 'big', data: big }, { name: 'l', type: '2', link: 'a' }, { name: 'c', type: '3', major: 1, minor: 3 });
  const whole = read(b);
  for (const step of [1, 7, 511, 512, 513, 4096]) assert.deepEqual(read(b, step), whole, `${step} bytes at a time`);
  assert.deepEqual(whole.map((e) => [e.type, e.name, e.content.length]), [['file', 'a', 5], ['dir', 'd/', 0], ['file', 'big', 1300], ['symlink', 'l', 0], ['char', 'c', 0]]);
  const [a, , , l, c] = whole;
  assert.deepEqual([a?.mode, a?.uid, a?.gid, a?.mtime, a?.content, a?.offset], [0o4755, 7, 8, 99, 'hello', 512]);
  assert.equal(l?.linkname, 'a');
  assert.deepEqual([c?.major, c?.minor], [1, 3]);
});

test('pax: long names, large ids, fractions of times, binary attributes', () => {
  const value = Buffer.from([1, 0, 0, 2, 0xff, 10, 61]);
  const [e] = read(tar({ name: 'short', data: 'x', pax: { path: 'n'.repeat(300), uid: '4000000000', mtime: '-1.25', 'SCHILY.xattr.security.capability': value, linkpath: 'é' } }));
  assert.equal(e?.name.length, 300);
  assert.equal(e?.uid, 4000000000);
  assert.deepEqual([e?.mtime, e?.mtimeNsec], [-2, 750000000]);
  assert.equal(e?.xattrs?.get('security.capability'), value.latin1Slice());
  // It holds for one entry only.
  assert.equal(read(tar({ name: 'a', pax: { uid: '5' } }, { name: 'b' }))[1]?.uid, 0);
});

test('archives of GNU tar and of its pax format are read as they were written', () => {
  const w = bench();
  try {
    const name = `${'d'.repeat(90)}/${'f'.repeat(120)}`;
    const script = `cd ${w.dir}; mkdir -p t/${'d'.repeat(90)}; echo hi > t/${name}; ln t/${name} t/hard; ln -s ${'t'.repeat(150)} t/sym; touch -d '2001-02-03 04:05:06.5 UTC' t/${name}
      tar --format=gnu -cf gnu.tar -C t .; tar --format=posix -cf pax.tar -C t .; tar --format=gnu --owner=9999999 -cf ids.tar -C t hard`;
    const made = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const [gnu, pax, ids] = ['gnu', 'pax', 'ids'].map((n) => readFileSync(join(w.dir, `${n}.tar`))) as [Buffer, Buffer, Buffer];
    for (const archive of [gnu, pax]) {
      const all = read(archive);
      assert.ok(all.some((e) => e.name === `./${name}` || e.linkname === `./${name}`));
      assert.equal(all.find((e) => e.type === 'symlink')?.linkname, 't'.repeat(150));
      assert.deepEqual(all.filter((e) => e.type === 'file' || e.type === 'link').map((e) => e.type).sort(), ['file', 'link']);
    }
    assert.equal(read(pax).find((e) => e.type === 'file')?.mtimeNsec, 500000000);
    assert.equal(read(ids)[0]?.uid, 9999999);
  } finally {
    w.end();
  }
});

test('what is damaged or cut short is refused', () => {
  const good = tar({ name: 'a', data: 'hello' });
  assert.equal(read(good.subarray(0, 1024)).length, 1, 'a missing end is no damage');
  for (const len of [1, 511, 513, 600, 1023]) assert.throws(() => read(good.subarray(0, len)), ImageError, `${len} bytes`);
  const flipped = Buffer.from(good);
  flipped[3] = 0x41;
  assert.throws(() => read(flipped), /no tar archive/);
  assert.throws(() => read(Buffer.alloc(600, 'text')), /no tar archive/);
  assert.throws(() => read(tar({ name: 'a', type: 'S' })), /sparse/);
  assert.throws(() => read(tar({ name: 'a', type: 'Q' })), /unknown type/);
  assert.throws(() => read(tar({ name: 'a', pax: { uid: 'x' } })), /not a number/);
  assert.throws(() => read(tar({ name: 'a', pax: { size: '99999999999999999999' } })), ImageError);
  assert.throws(() => read(tar({ name: 'a', pax: { 'GNU.sparse.major': '1' } })), /sparse/);
});

test('links and directories have no data, whatever size they claim', () => {
  const b = tar({ name: 'f', data: 'x' }, { name: 'h', type: '1', link: 'f' }, { name: 'z', data: 'zz' });
  b.write('00000000777', 1024 + 124, 'latin1');
  b.fill(32, 1024 + 148, 1024 + 156);
  b.write(b.subarray(1024, 1536).reduce((sum, v) => sum + v, 0).toString(8).padStart(6, '0'), 1024 + 148, 'latin1');
  assert.deepEqual(read(b).map((e) => [e.name, e.content]), [['f', 'x'], ['h', ''], ['z', 'zz']]);
});
