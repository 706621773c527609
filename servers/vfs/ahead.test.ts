/** Files that are opened for a process before it asks: which, with whose rights, and what becomes of those that it does not take. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import { takeAhead } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { O_CLOEXEC, O_DIRECTORY, O_LARGEFILE, O_WRONLY } from './file.js';
import { installStartNames } from './start-names.js';
import { furtherAnswers, Out, World } from './test-kit.js';

const ROOM = 8192;
const PROGRAM = 7;
const TG = 1, TGID = 77;
const AT_FDCWD = -100;
const DIR = O_DIRECTORY | O_CLOEXEC;

interface Record { readonly row: number; readonly oflags: number; readonly opened: number }

let w: World;
beforeEach(() => {
  w = new World({ prog: '', f: '0123456789', 'd/a': 'x', 'e/b': 'y', 'd/sub/c': 'z' });
  L.setTgTgid(TG, TGID);
  L.setTgNtasks(TG, 1);
  installStartNames(w.ep as unknown as Endpoint, () => w.pathOf('/prog').inode);
});
afterEach(() => { w.end(); });

const start = (): void => { w.ep.deliver(Msg.EXE_SET, [TG, PROGRAM, 0]); };

/** An openat, as the stub makes it: what was opened ahead besides, by path. */
function opens(path: string, flags: number): Map<string, Record> {
  const f = w.frame(NR.NR_openat, [AT_FDCWD, path, flags, 0, 0, new Out(ROOM)]);
  w.run(f);
  const word = (at: number, off: number): number => f.view.getUint32(at + off, true);
  return new Map(furtherAnswers(f, ROOM).filter((a) => a.asked === L.ASK_AHEAD)
    .map(({ about, at }) => [about, { row: word(at, L.ANSWER_ROW), oflags: word(at, L.ANSWER_OFLAGS), opened: word(at, L.ANSWER_OPENED) }]));
}

/** Processes of the program that open a file first, then these directories. */
function learn(times: number, ...paths: readonly string[]): void {
  for (let i = 0; i < times; i++) {
    start();
    opens('/f', 0);
    opens('/e', O_DIRECTORY);
    for (const p of paths) opens(p, DIR);
  }
}

describe('files opened ahead', () => {
  it('are those that two processes of the program have opened, told once', () => {
    learn(1, '/d', '/d/sub');
    start();
    assert.equal(opens('/f', 0).size, 0);
    opens('/d', DIR);
    opens('/e', O_DIRECTORY);
    start();
    const ahead = opens('/f', 0);
    assert.deepEqual([...ahead.keys()], ['/e', '/d']);
    const d = ahead.get('/d') as Record;
    assert.deepEqual([d.oflags, d.opened], [O_DIRECTORY | O_LARGEFILE, L.OPENED_NEW | L.OPENED_CLOEXEC | L.OPENED_LATE | (L.SRV_VFS + 1) * L.OPENED_HINT]);
    assert.deepEqual([L.ofdAhead(d.row), L.ofdLate(d.row), L.ofdRef(d.row)], [TGID, 1, 1]);
    assert.equal(opens('/d/sub', DIR).size, 0);
  });

  it('are opened for reading only, by absolute paths, and can be sent', () => {
    for (let i = 0; i < 3; i++) {
      start();
      opens('/f', O_WRONLY);
      opens('d', DIR);
      opens('/f', 0);
    }
    start();
    // There is no process here to send a host fd to, so no regular file is told of.
    assert.equal(opens('/prog', 0).size, 0);
  });

  it('are opened with the rights of the process that gets them', () => {
    learn(2, '/d', '/d/sub');
    w.call(NR.NR_chmod, '/d', 0o700);
    w.be({ uid: 5, gid: 5 });
    start();
    assert.deepEqual([...opens('/f', 0).keys()], ['/e']);
  });

  it('are let go when the process begins another program, or ends, unless they were taken', () => {
    learn(2, '/d');
    start();
    const first = opens('/f', 0);
    const [e, d] = [first.get('/e') as Record, first.get('/d') as Record];
    assert.ok(takeAhead(e.row, TGID, 0));
    assert.ok(!takeAhead(d.row, TGID + 1, 0));
    start();
    assert.deepEqual([L.ofdAhead(e.row), L.ofdRef(e.row)], [0, 1], 'taken');
    assert.ok(!takeAhead(d.row, TGID, 0), 'no longer to be had');
    const second = opens('/f', 0);
    w.ep.deliver(Msg.TG_GONE, [TG]);
    for (const { row } of second.values()) assert.ok(!takeAhead(row, TGID, 0));
  });

  it('are not told to a process with threads', () => {
    learn(2, '/d');
    start();
    L.setTgNtasks(TG, 2);
    assert.equal(opens('/f', 0).size, 0);
  });
});
