/** An image's layers as the root: merged as overlayfs does, looked at without host calls, written over without change. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { E } from '../../../shared/errno.js';
import { encodeLayerIndex, type LayerIndex, NODE_IMPLIED, NODE_OPAQUE, WHITEOUT } from '../../../shared/layer-index.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { $st } from '../host/stat.js';
import { makeDev } from '../inode.js';
import { needNative, Out, World } from '../test-kit.js';
import { ImageDir, openLayers } from './image-lower.js';

const dir = mkdtempSync(join(tmpdir(), 'carrick-layers-'));
after(() => { rmSync(dir, { recursive: true, force: true }); });

/** A node by its name: a directory (object), a file (string), a whiteout (null), or all of it. */
interface Spec { mode: number; uid?: number; data?: string; target?: string; flags?: number; kids?: Tree; major?: number; minor?: number; mtime?: number; xattr?: string; same?: string }
interface Tree { readonly [name: string]: Spec | string | null }

const D = (kids: Tree, more: Partial<Spec> = {}): Spec => ({ mode: 0o040755, kids, ...more });

let count = 0;
/** Write a layer as image/ does. */
function layer(tree: Tree, rootFlags = 0): string {
  const path = join(dir, `l${count++}`);
  mkdirSync(join(path, 'data'), { recursive: true });
  writeFileSync(join(path, 'data/0'), '');
  const nodes: Spec[] = [D(tree, { flags: rootFlags })];
  const names: string[] = [], entries: number[] = [], targets: string[] = [], first: number[] = [], byName = new Map<string, number>();
  for (let i = 0; i < nodes.length; i++) {
    first.push(names.length);
    for (const [name, kid] of Object.entries(nodes[i]?.kids ?? {})) {
      names.push(name);
      if (kid === null) { entries.push(WHITEOUT); continue; }
      const spec = typeof kid === 'string' ? { mode: 0o100644, data: kid } : kid;
      const same = spec.same === undefined ? undefined : byName.get(spec.same);
      if (same !== undefined) { entries.push(same); continue; }
      byName.set(name, nodes.length);
      entries.push(nodes.length);
      nodes.push(spec);
    }
  }
  const links = (i: number): number => entries.filter((n) => n === i).length;
  const u32 = (get: (n: Spec, i: number) => number): Uint32Array => Uint32Array.from(nodes.map(get));
  const index: LayerIndex = {
    count: nodes.length, names, nodes: Int32Array.from(entries), targets,
    mode: u32((n) => n.mode), uid: u32((n) => n.uid ?? 0), gid: u32(() => 0), nlink: u32((n, i) => n.kids === undefined ? links(i) : 1),
    size: Float64Array.from(nodes.map((n) => (n.data ?? n.target ?? '').length)), mtime: Float64Array.from(nodes.map((n) => n.mtime ?? 1000)), mtimeNsec: u32(() => 5),
    major: u32((n) => n.major ?? 0), minor: u32((n) => n.minor ?? 0), len: u32((n) => Object.keys(n.kids ?? {}).length), flags: Uint8Array.from(nodes.map((n) => n.flags ?? 0)),
    ref: u32((n, i) => {
      if (n.kids !== undefined) return first[i] as number;
      if (n.target !== undefined) return targets.push(n.target) - 1;
      if (n.data === undefined || n.data === '') return 0;
      writeFileSync(join(path, 'data', String(i)), n.data);
      return i;
    }),
    xattrs: new Map(nodes.flatMap((n, i) => n.xattr === undefined ? [] : [[i, new Map([['user.x', n.xattr], ['system.posix_acl_access', 'a']])] as const])),
  };
  writeFileSync(join(path, 'index'), encodeLayerIndex(index));
  return path;
}

needNative();
const root = (...topmostFirst: string[]): ImageDir => ImageDir.root(openLayers(topmostFirst));

/** What a directory shows, directories with a slash; checks that lookup agrees with the listing. */
function names(d: ImageDir | ReturnType<ImageDir['child']>): string[] {
  const out: string[] = [];
  assert.equal(d.each((name, ino, type) => {
    assert.equal(d.stat(name), 0, name);
    assert.equal($st.ino, ino, name);
    assert.equal($st.mode >> 12, type, name);
    out.push(type === 4 ? `${name}/` : name);
  }), 0);
  return out.sort();
}

const stat = (d: ReturnType<ImageDir['child']>, name: string): typeof $st | number => { const r = d.stat(name); return r < 0 ? r : { ...$st }; };

describe('an image', () => {
  it('shows attributes, devices, links and attributes of its only layer', () => {
    const r = root(layer({ f: { mode: 0o104755, uid: 7, data: 'data', mtime: -3, xattr: 'v' }, g: { mode: 0o104755, same: 'f' }, c: { mode: 0o020666, major: 8, minor: 300 }, s: { mode: 0o120777, target: '/x' }, e: '' }));
    assert.deepEqual(names(r), ['c', 'e', 'f', 'g', 's']);
    const f = stat(r, 'f') as typeof $st;
    assert.deepEqual([f.mode, f.uid, f.size, f.blocks, f.nlink, f.mtime, f.mtimeNsec], [0o104755, 7, 4, 8, 2, -3, 5]);
    assert.equal((stat(r, 'g') as typeof $st).ino, f.ino);
    assert.equal((stat(r, 'c') as typeof $st).rdev, makeDev(8, 300));
    assert.equal(r.readlink('s'), '/x');
    assert.equal(r.readlink('f'), -E.EINVAL);
    assert.deepEqual([...r.xattrs('f')], [['user.x', 'v']]);
    assert.equal(r.stat('nothing'), -E.ENOENT);
    assert.equal(r.open('s'), -E.EINVAL);
    assert.equal(r.child('f').stat('.'), -E.ENOENT);
  });

  it('merges directories, the topmost first', () => {
    const low = layer({ d: D({ a: 'low a', b: 'low b', sub: D({ x: 'x' }) }, { uid: 1 }), only: 'low' });
    const mid = layer({ d: D({ sub: D({ y: 'y' }) }, { uid: 2 }) });
    const top = layer({ d: D({ a: 'top!' }, { uid: 3 }), more: 'more' });
    const r = root(top, mid, low);
    assert.deepEqual(names(r), ['d/', 'more', 'only']);
    assert.equal((stat(r, 'd') as typeof $st).uid, 3);
    assert.deepEqual(names(r.child('d')), ['a', 'b', 'sub/']);
    assert.equal((stat(r.child('d'), 'a') as typeof $st).size, 4);
    assert.deepEqual(names(r.child('d').child('sub')), ['x', 'y']);
    assert.equal(r.child('d').child('sub').path, 'd/sub');
  });

  it('hides by whiteouts, opaque directories and things of another type', () => {
    const low = layer({ gone: 'x', d: D({ old: 'x', keep: 'k' }), o: D({ old: 'x' }), f: D({ below: 'x' }), w: D({ deep: D({ z: 'z' }) }), back: D({ old: 'x' }) });
    const mid = layer({ gone: null, d: D({ old: null }), o: D({ new: 'n' }, { flags: NODE_OPAQUE }), f: 'now a file', w: null, back: null });
    const top = layer({ f: D({ again: 'a' }), w: D({ fresh: 'f' }), back: D({}, { flags: NODE_OPAQUE | NODE_IMPLIED }) });
    const two = root(mid, low), three = root(top, mid, low);
    assert.deepEqual(names(two), ['d/', 'f', 'o/']);
    assert.deepEqual(names(two.child('d')), ['keep']);
    assert.deepEqual(names(two.child('o')), ['new']);
    assert.equal(two.has('gone'), false);
    assert.deepEqual(names(three), ['back/', 'd/', 'f/', 'o/', 'w/']);
    // A directory over a file, or over a whiteout, has nothing of what lies deeper.
    assert.deepEqual(names(three.child('f')), ['again']);
    assert.deepEqual(names(three.child('w')), ['fresh']);
    assert.deepEqual(names(three.child('back')), []);
  });

  it('takes the attributes of a directory that was only implied from below', () => {
    const low = layer({ d: D({}, { uid: 9, mode: 0o041777 }) }), top = layer({ d: D({ f: 'x' }, { flags: NODE_IMPLIED }) }, NODE_IMPLIED);
    const d = stat(root(top, low), 'd') as typeof $st;
    assert.deepEqual([d.uid, d.mode], [9, 0o041777]);
    assert.equal((stat(root(top), 'd') as typeof $st).mode, 0o040755);
  });

  it('gives every object a number of its own', () => {
    const r = root(layer({ d: D({ a: '1' }) }), layer({ d: D({ b: '2' }), c: '3' }));
    const inos = [stat(r, '.'), stat(r, 'd'), stat(r, 'c'), stat(r.child('d'), 'a'), stat(r.child('d'), 'b')].map((s) => (s as typeof $st).ino);
    assert.equal(new Set(inos).size, inos.length);
  });

  it('does not take damaged layers', () => {
    const path = layer({ a: 'x' });
    writeFileSync(join(path, 'index'), readFileSync(join(path, 'index')).subarray(0, 50));
    assert.throws(() => openLayers([path]));
    assert.throws(() => openLayers([join(dir, 'nowhere')]));
  });
});

describe('a root over an image', () => {
  it('is written without changing the layers', () => {
    const low = layer({ d: D({ a: 'low a', b: 'low b', h: { mode: 0o100644, same: 'a' } }), e: { mode: 0o100600, data: 'root only' } });
    const w = new World({}, true, root(layer({ d: D({ b: null, c: 'top c' }) }), low));
    const before = readdirSync(join(low, 'data')).map((n) => readFileSync(join(low, 'data', n), 'latin1'));
    try {
      const read = (path: string): string | number => {
        const fd = w.call(NR.NR_open, path, 0, 0);
        if (fd < 0) return fd;
        const out = new Out(100), n = w.call(NR.NR_read, fd, out, 100);
        w.call(NR.NR_close, fd);
        return n < 0 ? n : out.data.latin1Slice(0, n);
      };
      const put = (path: string, text: string): void => {
        const fd = w.call(NR.NR_open, path, 1 | 0o100, 0o644);
        assert.ok(fd >= 0, `${path}: ${fd}`);
        assert.equal(w.call(NR.NR_write, fd, Buffer.from(text), text.length), text.length);
        w.call(NR.NR_close, fd);
      };
      assert.deepEqual(['/d/a', '/d/b', '/d/c', '/e'].map(read), ['low a', -E.ENOENT, 'top c', 'root only']);
      put('/d/a', 'NEW');
      assert.equal(read('/d/a'), 'NEW a');
      assert.equal(read('/d/h'), 'NEW a', 'the other link of the file is another file');
      put('/d/b', 'again');
      assert.equal(read('/d/b'), 'again');
      assert.equal(w.call(NR.NR_rename, '/d', '/moved'), 0);
      assert.equal(read('/moved/c'), 'top c');
      assert.equal(w.call(NR.NR_unlink, '/moved/c'), 0);
      assert.equal(read('/moved/c'), -E.ENOENT);
      assert.deepEqual(readdirSync(join(low, 'data')).map((n) => readFileSync(join(low, 'data', n), 'latin1')), before);
    } finally {
      w.end();
    }
  });
});
