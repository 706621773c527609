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
const ep = { handle: () => undefined, send: (_to: number, _kind: number, w: readonly number[]) => { released.push(w[0] as number); } } as unknown as Endpoint;
const f = { task: TASK, tg: TG } as unknown as Frame;
let files = 0;
let ofd = 0;

const dup = (fd: number, to: number, cloexec = false): void => { ep.onOwed(f, (L.OWED_DUP << 30 | (cloexec ? CLOEXEC : 0) | to << 12 | fd) >>> 0); };
const close = (fd: number): void => { ep.onOwed(f, (L.OWED_CLOSE << 30 | fd) >>> 0); };

installFdCalls(ep, () => 0);
beforeEach(() => {
  L.attachTables(L.allocTables());
  released.length = 0;
  files = filesAlloc();
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
