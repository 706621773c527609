/** Names told with the open of a directory: to whom, for how long, and what comes of it. What a process does with them: probe dir-told. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Endpoint } from '../../shared/endpoint.js';
import { fdLookup } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as NR from '../../shared/gen/syscalls.js';
import { Msg } from '../../shared/messages.js';
import { O_DIRECTORY } from './file.js';
import { installListings } from './listings.js';
import { installSiblings } from './siblings.js';
import { furtherAnswers, Out, World } from './test-kit.js';

const ROOM = 12288, AT_FDCWD = -100, TG = 1, AT_SYMLINK_NOFOLLOW = 0x100, SEEK_CUR = 1;
/** CREDIT of listings.ts, WALK of siblings.ts. */
const CREDIT = 4, WALK = 32;

let w: World;
beforeEach(() => {
  w = new World({
    'd/a': '', 'd/b': '', 'd/sub/x': '', 'e/c': '', 'e/sub/x': '', 'empty/': '',
    ...Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`many/a-name-of-some-length-${i}`, ''])),
  });
  L.setTgNtasks(TG, 1);
  installSiblings(w.ep as unknown as Endpoint);
  installListings(w.ep as unknown as Endpoint);
});
afterEach(() => { w.ep.deliver(Msg.TG_GONE, [TG]); w.end(); });

/** getdents64 into so many bytes: the names. */
function read(fd: number, room = 4096): string[] {
  const out = new Out(room), n = w.call(NR.NR_getdents64, fd, out, room);
  assert.ok(n >= 0, `getdents64: ${n}`);
  return namesIn(out.data.subarray(0, n));
}

function namesIn(b: Buffer): string[] {
  const names = [];
  for (let at = 0; at < b.length; at += b.readUInt16LE(at + 16)) names.push(b.latin1Slice(at + 19, b.indexOf(0, at + 19)));
  return names.sort();
}

/** An open of a directory, as the stub makes it: its fd, the names that came with it, and what in it the caller was told of. */
function opens(path: string, task = 1): { readonly fd: number; readonly listed: readonly string[] | undefined; readonly told: readonly string[] } {
  const f = w.frame(NR.NR_openat, [AT_FDCWD, path, O_DIRECTORY, 0, 0, new Out(ROOM)], task);
  const fd = w.run(f);
  assert.ok(fd >= 0, `${path}: ${fd}`);
  const all = furtherAnswers(f, ROOM), listing = all.find((a) => a.asked === L.ASK_LISTING);
  for (const a of all) assert.equal(f.view.getInt32(a.at + L.ANSWER_FD, true), fd);
  return {
    fd,
    listed: listing === undefined ? undefined : namesIn(Buffer.from(listing.about, 'latin1')),
    told: all.filter((a) => a.asked === L.ASK_IN_NOFOLLOW || a.asked === L.ASK_IN_FOLLOW).map((a) => a.about).sort(),
  };
}

const rowOf = (fd: number): number => fdLookup(L.taskFiles(1), fd);
/** The process says that it has read what it was told. */
const readTold = (fd: number): void => { L.setOfdListed(rowOf(fd), 1); };

describe('names told with the open of a directory', () => {
  it('go to who has read one by request, in the order of a listing', () => {
    const first = opens('/d');
    assert.equal(first.listed, undefined);
    assert.deepEqual(read(first.fd), ['.', '..', 'a', 'b', 'sub']);
    assert.deepEqual(opens('/d').listed, ['.', '..', 'a', 'b', 'sub']);
    assert.deepEqual(opens('/empty').listed, ['.', '..']);
    assert.equal(opens('/d', 2).listed, undefined);
  });

  it('only as many as the reply, and the caller\'s buffer, have room for', () => {
    read(opens('/d').fd, 96);
    assert.equal(opens('/d').listed, undefined);
    read(opens('/d').fd, 4096);
    assert.notEqual(opens('/d').listed, undefined);
    assert.equal(opens('/many').listed, undefined);
  });

  it('not to a process with threads, of which one might change what is known of the descriptor', () => {
    read(opens('/d').fd);
    L.setTgNtasks(TG, 2);
    assert.equal(opens('/d').listed, undefined);
  });

  it('stop coming when they are not read, and come again when one is', () => {
    read(opens('/d').fd);
    for (let i = 0; i < CREDIT; i++) assert.notEqual(opens('/d').listed, undefined);
    assert.equal(opens('/d').listed, undefined);
    read(opens('/d').fd);
    for (let i = 0; i < 3 * CREDIT; i++) {
      const { fd, listed } = opens('/d');
      assert.notEqual(listed, undefined);
      readTold(fd);
      w.call(NR.NR_close, fd);
    }
  });

  it('leave the open file at its end, which can be rewound', () => {
    read(opens('/d').fd);
    const { fd } = opens('/d');
    assert.equal(w.call(NR.NR_lseek, fd, 0, SEEK_CUR), 0);
    readTold(fd);
    assert.equal(w.call(NR.NR_lseek, fd, 0, SEEK_CUR), 5);
    assert.deepEqual(read(fd), []);
    w.call(NR.NR_lseek, fd, 0, 0);
    assert.deepEqual(read(fd), ['.', '..', 'a', 'b', 'sub']);
  });

  it('are taken again by a request if something has changed', () => {
    read(opens('/d').fd);
    const { fd } = opens('/d');
    w.call(NR.NR_unlink, '/d/a');
    assert.deepEqual(read(fd), ['.', '..', 'b', 'sub']);
  });
});

describe('what is in a directory', () => {
  const lstat = (path: string): void => { assert.equal(w.call(NR.NR_newfstatat, AT_FDCWD, path, new Out(144), AT_SYMLINK_NOFOLLOW, 0, new Out(ROOM / 4)), 0); };

  it('comes with it when the process has asked about a subdirectory of one that it has read: the subdirectories', () => {
    read(opens('/d').fd);
    assert.deepEqual(opens('/e').told, []);
    lstat('/e/sub');
    assert.deepEqual(opens('/d').told, ['sub']);
  });

  it('all of it, when it has asked about another file', () => {
    read(opens('/d').fd);
    opens('/e');
    lstat('/e/c');
    assert.deepEqual(opens('/d').told, ['a', 'b', 'sub']);
  });

  it('not without the right to search', () => {
    w.call(NR.NR_chmod, '/d', 0o744);
    read(opens('/d').fd);
    opens('/e');
    lstat('/e/c');
    w.be({ uid: 1000, gid: 1000 });
    const { listed, told } = opens('/d');
    assert.deepEqual([listed, told], [['.', '..', 'a', 'b', 'sub'], []]);
  });

  it('not for ever, if nothing is asked any more', () => {
    read(opens('/d').fd);
    opens('/e');
    lstat('/e/c');
    let told = 0;
    for (let i = 0; i < WALK + 8; i++) {
      const { fd, told: names } = opens('/d');
      if (names.length > 0) told++;
      readTold(fd);
      w.call(NR.NR_close, fd);
    }
    assert.equal(told, WALK);
  });
});
