/** Changes of descriptors that the stub owes, as any guest could have written them. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { Endpoint } from './endpoint.js';
import { installFdCalls } from './fdcalls.js';
import { FD_CLOEXEC, Ofd, RLIMIT_NOFILE, fdFlags, fdInstall, fdLookup, filesAlloc, ofdAlloc } from './fdtable.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';

const TASK = 1, TG = 1;
/** Bit of a word: close-on-exec. */
const CLOEXEC = 1 << 24;
const released: number[] = [];
const ep = { handle: () => undefined, send: (_to: number, _kind: number, w: readonly number[]) => { released.push(w[0] as number); }, later: (work: () => void) => { work(); } } as unknown as Endpoint;
const f = { task: TASK, tg: TG } as unknown as Frame;
let files = 0;
let ofd = 0;

const dup = (fd: number, to: number, cloexec = false): void => { ep.onOwed(f, (L.OWED_DUP << L.OWED_OP | (cloexec ? CLOEXEC : 0) | to << 12 | fd) >>> 0); };
const open = (fd: number, row: number, cloexec = false): void => { ep.onOwed(f, (L.OWED_OPEN << L.OWED_OP | (cloexec ? 1 << 28 : 0) | row << 12 | fd) >>> 0); };
const close = (fd: number): void => { ep.onOwed(f, (L.OWED_CLOSE << L.OWED_OP | fd) >>> 0); };

installFdCalls(ep, () => 0);
beforeEach(() => {
  L.attachTables(L.allocTables());
  released.length = 0;
  files = filesAlloc();
  L.setTgTgid(TG, 77);
  L.setTaskFiles(TASK, files);
  L.setTaskTg(TASK, TG);
  L.setTgRlimCur(TG, RLIMIT_NOFILE, 64);
  ofd = ofdAlloc(L.SRV_VFS, Ofd.REGULAR, 7, 0);
  fdInstall(files, ofd, false, 64);
});

test('a duplicate, with close-on-exec, and the close of both', () => {
  dup(0, 9, true);
  assert.deepEqual([fdLookup(files, 9), fdFlags(files, 9)], [ofd, FD_CLOEXEC]);
  close(0);
  assert.ok(fdLookup(files, 0) < 0);
  assert.deepEqual(released, []);
  close(9);
  assert.deepEqual(released, [ofd]);
});

test('no number at or above the limit is given, nor one of what is not open; the reference is given back', () => {
  for (const [fd, to] of [[0, 64], [0, 4095], [5, 6]] as const) {
    dup(fd, to);
    assert.ok(fdLookup(files, to) < 0, `${fd} to ${to}`);
  }
  close(5);
  close(0);
  assert.deepEqual(released, [ofd]);
});

test('a number that was given before another process lowered the limit stays', () => {
  L.setTgNofileHad(TG, 64);
  L.setTgRlimCur(TG, RLIMIT_NOFILE, 4);
  dup(0, 40);
  dup(0, 64);
  assert.equal(fdLookup(files, 40), ofd);
  assert.ok(fdLookup(files, 64) < 0);
});

test('a file that was opened ahead for the process gets its descriptor once; another\'s does not', () => {
  const mine = ofdAlloc(L.SRV_VFS, Ofd.REGULAR, 8, 0), theirs = ofdAlloc(L.SRV_VFS, Ofd.REGULAR, 9, 0);
  L.setOfdAhead(mine, 77);
  L.setOfdAhead(theirs, 78);
  open(4, mine, true);
  open(5, theirs);
  open(6, mine);
  open(7, ofd);
  assert.deepEqual([fdLookup(files, 4), fdFlags(files, 4), L.ofdAhead(mine)], [mine, FD_CLOEXEC, 0]);
  for (const fd of [5, 6, 7]) assert.ok(fdLookup(files, fd) < 0, `${fd}`);
  close(4);
  assert.deepEqual(released, [mine]);
});

test('one that is not needed, or for whose number there is no room, is released', () => {
  const [none, high] = [0, 0].map(() => { const row = ofdAlloc(L.SRV_VFS, Ofd.DIR, 8, 0); L.setOfdAhead(row, 77); return row; }) as [number, number];
  open(L.OWED_NOBODY, none);
  open(64, high);
  assert.deepEqual(released, [none, high]);
  assert.deepEqual([L.ofdAhead(none), L.ofdAhead(high)], [-1, 0]);
  open(L.OWED_NOBODY, none);
  assert.equal(released.length, 2);
});

test('a directory that was read to its end is marked, and nothing else', () => {
  const listed = (fd: number): void => { ep.onOwed(f, (L.OWED_LISTED << L.OWED_OP | fd) >>> 0); };
  const dir = ofdAlloc(L.SRV_VFS, Ofd.DIR, 8, 0), fd = fdInstall(files, dir, false, 64);
  for (const n of [fd, 0, 40, 0xfff]) listed(n);
  assert.deepEqual([L.ofdListed(dir), L.ofdListed(ofd)], [1, 0]);
});

test('nobody can name a row that is none', () => {
  for (const row of [0, 0xffff]) open(3, row);
  assert.ok(fdLookup(files, 3) < 0);
});
