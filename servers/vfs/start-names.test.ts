/** What a process is told ahead: what the last process of the same program asked, as it is now and for this process. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { installStartNames } from './start-names.js';
import { furtherAnswers, Out, World } from './test-kit.js';

const ROOM = 4096;
const PROGRAM = 7, OTHER = 8;

let w: World;
beforeEach(() => {
  w = new World({ prog: '', other: '', f: '0123456789', 'd/a': 'x' });
  installStartNames(w.ep as unknown as Endpoint, (id) => w.pathOf(id === PROGRAM ? '/prog' : '/other').inode);
});
afterEach(() => { w.end(); });

/** The process starts a program. */
const start = (id: number): void => { w.ep.deliver(Msg.EXE_SET, [1, id, 0]); };

/** A call on a path, as the stub makes it: what it is told besides, as path → kind. */
function told(nr: number, path: string, ...rest: readonly number[]): Map<string, number> {
  const out = nr === NR.NR_stat || nr === NR.NR_lstat ? [new Out(144)] : [];
  const args = [path, ...out, ...rest];
  const f = w.frame(nr, [...args, ...new Array<number>(5 - args.length).fill(0), new Out(ROOM)]);
  w.run(f);
  return new Map(furtherAnswers(f, ROOM).filter((a) => a.asked !== 0).map((a) => [a.about, f.view.getUint32(a.at + L.ANSWER_KIND, true)]));
}

describe('what a program asks when it starts', () => {
  it('is told to its next process with the first answer, and only then', () => {
    start(PROGRAM);
    assert.equal(told(NR.NR_access, '/etc/preload', 4).size, 0);
    told(NR.NR_stat, '/f');
    told(NR.NR_lstat, '/d/a');
    told(NR.NR_open, '/none', 0);
    start(PROGRAM);
    const first = told(NR.NR_access, '/etc/preload', 4);
    assert.deepEqual([...first], [['/f', L.ANSWER_FOUND], ['/d/a', L.ANSWER_FOUND], ['/none', L.ANSWER_ABSENT]]);
    assert.equal(told(NR.NR_stat, '/f').size, 0);
    start(OTHER);
    assert.equal(told(NR.NR_stat, '/f').size, 0);
  });

  it('is looked up anew', () => {
    start(PROGRAM);
    told(NR.NR_stat, '/x');
    told(NR.NR_stat, '/f');
    told(NR.NR_stat, '/d/a');
    w.call(NR.NR_unlink, '/f');
    w.call(NR.NR_chmod, '/d', 0o700);
    w.be({ uid: 5, gid: 5 });
    start(PROGRAM);
    const now = told(NR.NR_stat, '/x');
    assert.equal(now.get('/f'), L.ANSWER_ABSENT);
    assert.equal(now.has('/d/a'), false, 'a directory that may not be searched');
  });

  it('is no matter of a child that runs its parent\'s program', () => {
    start(PROGRAM);
    told(NR.NR_stat, '/f');
    start(PROGRAM);
    w.ep.deliver(Msg.EXE_SET, [1, PROGRAM, -1]);
    assert.equal(told(NR.NR_stat, '/x').size, 0);
  });

  it('is as much as the reply holds; the next replies bring the rest, and what two processes have asked beyond the first', () => {
    const many = Array.from({ length: 100 }, (_, i) => `/${'n'.repeat(100)}${i}`);
    /** What it is told with its first questions, until that is all. */
    const all = (): Set<string> => {
      const seen = new Set<string>();
      for (let i = 0, n = 1; n > 0; i++) {
        const t = told(NR.NR_stat, `/q${i}`);
        n = t.size;
        assert.ok(n < ROOM / L.ANSWER_SIZE, `${n} answers`);
        for (const path of t.keys()) { assert.ok(!seen.has(path)); seen.add(path); }
      }
      return seen;
    };
    start(PROGRAM);
    for (const path of many) told(NR.NR_stat, path);
    start(PROGRAM);
    assert.deepEqual(all(), new Set(many.slice(0, 80)));
    for (const path of many.slice(90)) told(NR.NR_stat, path);
    start(PROGRAM);
    assert.deepEqual(new Set([...all()].filter((path) => !path.startsWith('/q'))), new Set([...many.slice(0, 80), ...many.slice(90)]));
  });
});
