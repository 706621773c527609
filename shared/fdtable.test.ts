/** File tables: allocation, replacement, copies, references, limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from './errno.js';
import type { Endpoint } from './endpoint.js';
import { FD_CLOEXEC, FD_LIMIT, Ofd, fdFlags, fdInstall, fdLookup, fdRemove, fdReplace, filesAlloc, filesClose, filesCopy, filesUnref, hintsWithdraw, ofdAlloc, ofdFree, ofdRef, ofdUnref, setFdFlags } from './fdtable.js';
import * as L from './gen/layout.js';
import { Msg } from './messages.js';
import { native } from './native.js';

L.attachTables(L.allocTables());
const sent: Array<readonly [number, number, number]> = [];
const ep = { send: (to: number, kind: number, w: readonly number[]) => { sent.push([to, kind, w[0] as number]); } } as unknown as Endpoint;
const ofd = (): number => ofdAlloc(L.SRV_IPC, Ofd.EVENTFD, 7, 2);

test('the lowest free fd is taken, across chunks, up to the limit', () => {
  const files = filesAlloc();
  for (let i = 0; i < 130; i++) assert.equal(fdInstall(files, ofd(), false, 1024), i);
  const five = fdRemove(files, 5, 0);
  fdRemove(files, 100, 0);
  assert.equal(fdInstall(files, five, false, 1024), 5);
  assert.equal(fdInstall(files, ofd(), false, 1024), 100);
  assert.equal(fdInstall(files, ofd(), true, 1024, 200), 200);
  assert.equal(fdFlags(files, 200), FD_CLOEXEC);
  assert.equal(fdInstall(files, ofd(), false, 130), -E.EMFILE);
  assert.equal(fdInstall(files, ofd(), false, 1024), 130);
  filesUnref(ep, files);
});

test('bad numbers are EBADF, and a failed call changes nothing', () => {
  const files = filesAlloc();
  for (const fd of [-1, 0, 63, 64, FD_LIMIT - 1, FD_LIMIT, 2 ** 31 - 1]) {
    assert.equal(fdLookup(files, fd), -E.EBADF, String(fd));
    assert.equal(fdRemove(files, fd, 0), -E.EBADF, String(fd));
  }
  assert.equal(fdReplace(files, 1024, 1, false, 1024), -E.EBADF);
  assert.equal(L.filesTop(files), 0);
  filesUnref(ep, files);
});

test('the hint of a number goes before the number is free', (t) => {
  const files = filesAlloc();
  const tg = 3;
  /** Every change of a hint: the number, the new hint, and the description that the number led to. */
  const changes: Array<readonly [number, number, number]> = [];
  let hint = 0;
  const { hintSet, hintGet } = native;
  t.after(() => { Object.assign(native, { hintSet, hintGet }); });
  native.hintSet = (of, fd, to): number => { assert.equal(of, tg); hint = to; changes.push([fd, to, fdLookup(files, fd)]); return 0; };
  native.hintGet = (): number => hint;
  const [a, b, c] = [ofd(), ofd(), ofd()];
  for (const row of [a, b, c]) fdInstall(files, row, row === c, 1024);
  assert.equal(fdRemove(files, 0, tg), a);
  assert.equal(fdRemove(files, 0, tg), -E.EBADF);
  assert.equal(fdRemove(files, 0, 0), -E.EBADF);
  hint = L.HINT_GRANTED | L.HINT_READ;
  hintsWithdraw(files, tg, 64, new Set([a, b]), L.HINT_READ);
  filesClose(ep, files, tg, (flags) => flags === FD_CLOEXEC);
  assert.deepEqual(changes, [[0, 0, a], [1, L.HINT_GRANTED, b], [2, 0, c]]);
  filesUnref(ep, files);
});

test('replace gives the old description back', () => {
  const files = filesAlloc();
  const [a, b] = [ofd(), ofd()];
  assert.equal(fdReplace(files, 63, a, true, 1024), 0);
  assert.equal(fdReplace(files, 63, b, false, 1024), a);
  assert.equal(fdLookup(files, 63), b);
  assert.equal(fdFlags(files, 63) & FD_CLOEXEC, 0);
  filesUnref(ep, files);
});

test('the last reference, and only it, is released to the owner; the row rests until the owner frees it', () => {
  const files = filesAlloc();
  const o = ofd();
  fdInstall(files, o, false, 64);
  const copy = filesCopy(files);
  assert.equal(fdLookup(copy, 0), o);
  ofdRef(o);
  sent.length = 0;
  filesUnref(ep, files);
  filesUnref(ep, copy);
  assert.deepEqual(sent, []);
  ofdUnref(ep, o);
  assert.deepEqual(sent, [[L.SRV_IPC, Msg.RELEASE, o]]);
  for (let i = 0; i < 100; i++) assert.notEqual(ofd(), o);
  ofdFree(o);
  assert.equal(L.ofdRef(o), 0);
});

test('a copy keeps close-on-exec, and exec closes just those', () => {
  const files = filesAlloc();
  fdInstall(files, ofd(), true, 64);
  fdInstall(files, ofd(), false, 64);
  const copy = filesCopy(files);
  filesClose(ep, copy, 0, (flags) => (flags & FD_CLOEXEC) !== 0);
  assert.equal(fdLookup(copy, 0), -E.EBADF);
  assert.ok(fdLookup(copy, 1) > 0);
  assert.ok(fdLookup(files, 0) > 0);
  assert.equal(fdInstall(copy, ofd(), false, 64), 0);
  filesUnref(ep, files);
  filesUnref(ep, copy);
});

test('the last entry of a chunk is like any other: its flags do not free the chunk', () => {
  const [a, b] = [filesAlloc(), filesAlloc()];
  const [oa, ob] = [ofd(), ofd()];
  assert.equal(fdReplace(a, 63, oa, false, 1024), 0);
  setFdFlags(a, 63, FD_CLOEXEC);
  setFdFlags(a, 63, 0);
  assert.equal(fdReplace(b, 63, ob, false, 1024), 0);
  assert.equal(fdLookup(a, 63), oa);
  assert.equal(fdLookup(b, 63), ob);
  filesUnref(ep, a);
  filesUnref(ep, b);
});

test('tables are given back: many forks do not run out', () => {
  const files = filesAlloc();
  for (let i = 0; i < 200; i++) fdInstall(files, ofd(), false, 1024);
  for (let i = 0; i < 5000; i++) {
    const copy = filesCopy(files);
    assert.ok(copy > 0, `fork ${i}`);
    filesUnref(ep, copy);
  }
  filesUnref(ep, files);
});
