/** The table is complete and consistent, and what is generated from it says the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitSyscallDocs, emitSyscallHeader, emitSyscallTypes } from './emit.js';
import { NR_HOLE_FIRST, NR_HOLE_LAST, NR_MAX, SYSCALLS } from './index.js';
import { row } from './types.js';

function find(name: string): (typeof SYSCALLS)[number] {
  const r = SYSCALLS.find((x) => x.name === name);
  assert.ok(r, name);
  return r;
}

test('every assigned number has exactly one row', () => {
  const seen = new Map<number, string>();
  for (const r of SYSCALLS) {
    assert.equal(seen.get(r.nr), undefined, `${r.nr}: ${r.name}`);
    seen.set(r.nr, r.name);
  }
  for (let nr = 0; nr < NR_MAX; nr++) {
    assert.equal(seen.has(nr), nr < NR_HOLE_FIRST || nr > NR_HOLE_LAST, `number ${nr}`);
  }
  assert.ok(NR_MAX >= 470);
});

test('names and arm64 numbers are unique', () => {
  assert.equal(new Set(SYSCALLS.map((r) => r.name)).size, SYSCALLS.length);
  const arm = SYSCALLS.filter((r) => r.arm64 >= 0).map((r) => r.arm64);
  assert.equal(new Set(arm).size, arm.length);
});

test('well-known numbers', () => {
  const known: ReadonlyArray<readonly [string, number, number]> = [
    ['read', 0, 63], ['open', 2, -1], ['mmap', 9, 222], ['execve', 59, 221], ['futex', 202, 98], ['openat', 257, 56],
    ['newfstatat', 262, 79], ['clone3', 435, 435], ['file_setattr', 469, 469],
  ];
  for (const [name, nr, arm64] of known) {
    const r = find(name);
    assert.deepEqual([r.nr, r.arm64], [nr, arm64], name);
  }
});

test('count arguments exist, are values, and byfd rows start with an fd', () => {
  for (const r of SYSCALLS) {
    assert.ok(r.args.length <= 6, r.name);
    for (const a of r.args) {
      if (a.kind !== 'inbuf' && a.kind !== 'outbuf') continue;
      assert.equal(r.args[a.lenArg]?.kind, 'val', `${r.name}.${a.name}`);
    }
    if (r.byfd) assert.match(r.spec, /^\w+:(fd|uint)\b/, r.name);
    assert.ok(!r.note.includes('|'), r.name);
  }
});

test('mistakes in a row are found while the table loads', () => {
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', '', 'a:nosuch'), /unknown argument kind/);
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', '', 'a:in'), /wrong number of fields/);
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', '', 'a:in:0'), /bad size/);
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', '', 'a:in:65536'), /bad size/);
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', '', 'a:fd:4'), /with a size/);
  assert.throws(() => row(0, 0, 'x', 'vfs', 'full', 'slow', ''), /unknown flag/);
});

test('C header', () => {
  const text = emitSyscallHeader();
  assert.match(text, new RegExp(`^#define CARRICK_NR_MAX ${NR_MAX}$`, 'm'));
  assert.match(text, /^#define CARRICK_NR_read 0$/m);
  assert.match(text, /^enum \{ CK_NONE, CK_VAL, CK_STR, CK_IN, CK_OUT, CK_INOUT, CK_INBUF, CK_OUTBUF, CK_STRV \};$/m);
  assert.match(text, /\[0\] = \{ 1, 7, 3, 0, \{ \{ CK_VAL, 0, 0 \}, \{ CK_OUTBUF, 2, 1 \}, \{ CK_VAL, 0, 0 \} \} \}, \/\* read \*\//);
  assert.equal(text.match(/^\t\[\d+\] = /gm)?.length, SYSCALLS.length);
});

test('TypeScript arrays are indexed by number', () => {
  const text = emitSyscallTypes();
  const names = /SYSCALL_NAMES: readonly string\[\] = \[\n([^\]]*)\]/.exec(text)?.[1] ?? '';
  const list = names.split(',').map((s) => s.trim().replaceAll("'", '')).slice(0, NR_MAX);
  for (const r of SYSCALLS) assert.equal(list[r.nr], r.name);
  assert.match(text, /^export const NR_read = 0;$/m);
});

test('docs leave no number out', () => {
  const text = emitSyscallDocs();
  for (const r of SYSCALLS) assert.ok(text.includes(`\n| ${r.nr} | `), r.name);
  assert.ok(text.includes(`| ${NR_HOLE_FIRST}-${NR_HOLE_LAST} |`));
});
