/** What a process is told ahead: what the last process of the same program asked, as it is now and for this process. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import { DATA, scratch } from '../../shared/host.js';
import { O_DIRECTORY } from './file.js';
import { installListings } from './listings.js';
import { installStartNames } from './start-names.js';
import { answersIn, furtherAnswers, Out, World } from './test-kit.js';

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

describe('a link that a program reads', () => {
  it('is told with its target', () => {
    w.call(NR.NR_symlink, 'd/a', '/link');
    for (let i = 0; i < 2; i++) {
      start(PROGRAM);
      const at = told(NR.NR_access, '/etc/preload', 4);
      if (i === 1) assert.deepEqual([...at], [['/link\0d/a', L.ANSWER_FOUND]]);
      assert.equal(w.run(w.frame(NR.NR_readlink, ['/link', new Out(64), 64, 0, 0, new Out(ROOM)])), 3);
    }
  });
});

describe('the message that a program begins with', () => {
  const TG = 1, TGID = 77, AREA = 3, PCTX = 2, AT_FDCWD = -100;
  const { ctlStart } = native;
  /** What was sent: to which program, about what. */
  let sent: Array<{ readonly place: readonly number[]; readonly about: readonly string[]; readonly rows: readonly number[] }> = [];
  let refuse = false;

  beforeEach(() => {
    L.setTgLeader(TG, 1);
    L.setTgTgid(TG, TGID);
    L.setTgNtasks(TG, 1);
    installListings(w.ep as unknown as Endpoint);
    sent = [];
    refuse = false;
    native.ctlStart = (tg, area, pctx, nfd, _fdsOff, textOff, len): number => {
      if (refuse) return -116;
      assert.deepEqual([textOff, nfd], [DATA, 0]);
      const all = answersIn(scratch, textOff, textOff + len);
      sent.push({
        place: [tg, area, pctx],
        about: all.map((a) => (a.asked === L.ASK_LISTING ? 'listing' : a.about)),
        rows: all.filter((a) => a.asked === L.ASK_AHEAD || a.asked === L.ASK_LISTING).map((a) => scratch.readUInt32LE(a.at + L.ANSWER_ROW)),
      });
      return 1;
    };
  });
  afterEach(() => { native.ctlStart = ctlStart; w.ep.deliver(Msg.TG_GONE, [TG]); });

  const begin = (): void => { w.ep.deliver(Msg.EXE_SET, [TG, PROGRAM, 0, AREA, PCTX]); };
  /** As the program does when nothing is told. */
  const run = (): void => {
    told(NR.NR_access, '/etc/preload', 4);
    const fd = w.call(NR.NR_openat, AT_FDCWD, '/d', O_DIRECTORY, 0, 0, new Out(ROOM));
    assert.ok(w.call(NR.NR_getdents64, fd, new Out(4096), 4096) > 0);
    told(NR.NR_stat, '/f');
  };

  it('has all that its processes asked, opened and read, and goes to that program alone', () => {
    for (let i = 0; i < 3; i++) { begin(); run(); w.ep.idle(); }
    assert.equal(sent.length, 0, 'they asked before');
    begin();
    w.ep.idle();
    const [only] = sent;
    assert.deepEqual(only?.place, [TG, AREA, PCTX]);
    assert.deepEqual(only?.about, ['/d', '/etc/preload', '/f', 'listing']);
    const [open, listing] = only?.rows ?? [];
    assert.deepEqual([open, L.ofdAhead(open as number)], [listing, TGID]);
    assert.equal(told(NR.NR_stat, '/q').size, 0, 'not told again');
  });

  it('is told with the first answer when it cannot be sent, or must not', () => {
    for (let i = 0; i < 3; i++) { begin(); run(); }
    const later = (): void => {
      begin();
      w.ep.idle();
      assert.equal(sent.length, 0);
      assert.notEqual(told(NR.NR_stat, '/q').size, 0);
    };
    refuse = true;
    later();
    refuse = false;
    L.setTgNtasks(TG, 2);
    later();
    L.setTgNtasks(TG, 1);
    L.setMetaNofast(1, 1);
    later();
    L.setMetaNofast(1, 0);
  });
});
