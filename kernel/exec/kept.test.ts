/** What is kept is given as long as it holds, and let go of with everything that it held. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { makeWorld, type World } from '../testing.js';
import { HostFile } from './host-file.js';
import type { Found } from './kept.js';

const SYS_close = 3, SYS_fcntl = 72, SYS_statx = 332;

/** A kernel whose host has open files, all of one size; cells by number. */
function setUp(): World & { open: Set<number>; cells: Map<number, number>; file: { size: number } } {
  const w = makeWorld();
  const open = new Set<number>(), cells = new Map<number, number>(), file = { size: 100 };
  let next = 100;
  native.namesLoad = (cell): number => cells.get(cell) ?? 0;
  native.sys = (nr: number, _mask: number, fd = 0): number => {
    if (nr === SYS_fcntl) { open.add(next); return next++; }
    if (nr === SYS_close) { assert.ok(open.delete(fd), `${fd} is not open`); return 0; }
    if (nr !== SYS_statx) return -38;
    host.scratchView.setUint32(host.STRUCT + 40, file.size, true);
    return 0;
  };
  return { ...w, open, cells, file };
}

const found = (exe: number): Found => ({ file: new HostFile(9), mode: 0o755, uid: 0, gid: 0, exe, exePath: '/p', tellExe: true, gen: 0, cell: 5, value: 0 });
const dropped = (w: World): number[] => w.sent.filter((s) => s.kind === Msg.EXEC_DROP).map((s) => s.words[0] as number);

for (const [what, change] of [
  ['paths lead elsewhere', (w): void => { w.cells.set(0, 1); }],
  ['the name means something else', (w): void => { w.cells.set(5, 1); }],
  ['the attributes are others', (w): void => { w.cells.set(6, 1); }],
  ['the host has another file there', (w): void => { w.file.size = 101; }],
] as ReadonlyArray<readonly [string, (w: ReturnType<typeof setUp>) => void]>) {
  test(`a program is kept until ${what}`, () => {
    const w = setUp(), cred = w.k.creds.alloc();
    w.k.programs.learn(cred, '/p', found(7), 6, 0);
    const first = w.k.programs.find(cred, '/p'), again = w.k.programs.find(cred, '/p');
    assert.deepEqual([first?.exe, again?.exe, w.open.size, L.credRef(cred)], [7, 7, 3, 2]);
    assert.deepEqual([w.k.programs.find(cred, '/q'), w.k.programs.find(cred + 1, '/p')], [undefined, undefined], 'another path, other rights');
    for (const f of [first, again]) host.close((f as Found).file.fd);
    change(w);
    assert.equal(w.k.programs.find(cred, '/p'), undefined);
    assert.deepEqual([w.open.size, L.credRef(cred), dropped(w)], [0, 1, [7]]);
    w.cells.clear();
    assert.equal(w.k.programs.find(cred, '/p'), undefined, 'it does not come back');
  });
}

test('of too many the one that was used longest ago goes; what is learnt anew replaces what was known', () => {
  const w = setUp(), cred = w.k.creds.alloc();
  for (let i = 0; i < 96; i++) w.k.programs.learn(cred, `/p${i}`, found(i), 6, 0);
  host.close((w.k.programs.find(cred, '/p0') as Found).file.fd);
  w.k.programs.learn(cred, '/new', found(200), 6, 0);
  assert.deepEqual([w.k.programs.size, w.open.size, L.credRef(cred), dropped(w)], [96, 96, 97, [1]]);
  w.k.programs.learn(cred, '/p0', found(201), 6, 0);
  assert.deepEqual([w.k.programs.size, w.open.size, L.credRef(cred), dropped(w)], [96, 96, 97, [1, 0]]);
});

test('without a descriptor nothing is kept, and vfs hears of it', () => {
  const w = setUp(), cred = w.k.creds.alloc();
  const { sys } = native;
  native.sys = (nr: number, ...rest): number => (nr === SYS_fcntl ? -24 : sys(nr, ...rest));
  w.k.programs.learn(cred, '/p', found(7), 6, 0);
  assert.deepEqual([w.k.programs.size, L.credRef(cred), dropped(w)], [0, 1, [7]]);
});

for (const [what, cell] of [['paths lead elsewhere', 0], ['there is something', 5]] as const) {
  test(`that there is no program is known until ${what}`, () => {
    const w = setUp(), cred = w.k.creds.alloc();
    w.k.programs.learnMissing(cred, '/p', 0, 5, 0);
    assert.deepEqual([w.k.programs.isMissing(cred, '/p'), w.k.programs.isMissing(cred, '/q'), w.k.programs.isMissing(cred + 1, '/p')], [true, false, false]);
    assert.equal(L.credRef(cred), 2);
    w.cells.set(cell, 1);
    assert.equal(w.k.programs.isMissing(cred, '/p'), false);
    assert.equal(L.credRef(cred), 1);
    for (let i = 0; i < 257; i++) w.k.programs.learnMissing(cred, `/p${i}`, 0, 5, 1);
    assert.equal(L.credRef(cred), 257);
  });
}
