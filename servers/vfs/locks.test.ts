/** Lock tables: conflicts, splitting, joining, waiting, deadlock, and when locks end. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { E, Ret } from '../../shared/errno.js';
import type { WaitQueue } from '../../shared/wait.js';
import { Inode, type StatFs, SuperBlock } from './inode.js';
import { dropFileLocks, dropPosixLocks, dropTgLocks, F_RDLCK, F_UNLCK, F_WRLCK, getLock, LOCK_EX, LOCK_SH, LOCK_UN, type Lockable, type RecordLock, recordLocks, setFlock, setLock, stopWaiting } from './locks.js';
import { without } from './outer-locks.js';

class Plain extends Inode {}
class PlainSuper extends SuperBlock {
  override readonly fstype = 'none';
  override readonly root: Inode = new Plain(this, 0o100644);
  override statfs(_out: StatFs): number { return 0; }
}
let inode: Inode;
let parked: WaitQueue[];
const park = (q: WaitQueue): number => { parked.push(q); return Ret.BLOCKED; };
const posix = (tg: number, type: number, start: number, end: number, ofd = tg): RecordLock => ({ type, start, end, tg, ofd, pid: tg });
const ofdLock = (ofd: number, type: number, start: number, end: number): RecordLock => ({ type, start, end, tg: 0, ofd, pid: -1 });
const file = (ofd: number): Lockable => ({ inode, ofd, hostFd: -1 });
const set = (l: RecordLock, wait = false): number => setLock(file(l.ofd), l, wait, park);
const shape = (): string => recordLocks(inode).map((l) => `${l.tg || `o${l.ofd}`}:${l.type === F_RDLCK ? 'r' : 'w'}${l.start}-${l.end}`).sort().join(' ');

beforeEach(() => {
  inode = new PlainSuper().root;
  parked = [];
  for (let tg = 1; tg < 5; tg++) dropTgLocks(tg);
});

describe('record locks', () => {
  it('share for reading, exclude for writing', () => {
    assert.equal(set(posix(1, F_RDLCK, 0, 10)), 0);
    assert.equal(set(posix(2, F_RDLCK, 5, 15)), 0);
    assert.equal(set(posix(2, F_WRLCK, 9, 10)), -E.EAGAIN);
    assert.equal(set(posix(2, F_WRLCK, 10, 15)), 0);
    assert.equal(getLock(file(3), posix(3, F_WRLCK, 0, 1))?.tg, 1);
    assert.equal(getLock(file(3), posix(3, F_RDLCK, 0, 1)), undefined);
  });

  it('split and join the owner\'s own ranges', () => {
    set(posix(1, F_WRLCK, 0, 100));
    set(posix(1, F_UNLCK, 40, 60));
    assert.equal(shape(), '1:w0-40 1:w60-100');
    set(posix(1, F_RDLCK, 30, 40));
    assert.equal(shape(), '1:r30-40 1:w0-30 1:w60-100');
    set(posix(1, F_WRLCK, 30, 60));
    assert.equal(shape(), '1:w0-100');
    set(posix(1, F_UNLCK, 0, Infinity));
    assert.equal(shape(), '');
  });

  it('wake waiters when a lock goes', () => {
    set(posix(1, F_WRLCK, 0, 10));
    assert.equal(set(posix(2, F_WRLCK, 0, 10), true), Ret.BLOCKED);
    let woken = 0;
    (parked[0] as WaitQueue).add({ onWake: () => { woken++; } });
    set(posix(1, F_UNLCK, 0, 10));
    assert.equal(woken, 1);
    assert.equal(set(posix(2, F_WRLCK, 0, 10), true), 0);
  });

  it('find deadlocks, and forget a wait that ended', () => {
    set(posix(1, F_WRLCK, 0, 1));
    set(posix(2, F_WRLCK, 1, 2));
    set(posix(3, F_WRLCK, 2, 3));
    assert.equal(set(posix(1, F_WRLCK, 1, 2), true), Ret.BLOCKED);
    assert.equal(set(posix(2, F_WRLCK, 2, 3), true), Ret.BLOCKED);
    assert.equal(set(posix(3, F_WRLCK, 0, 1), true), -E.EDEADLK);
    stopWaiting(2);
    assert.equal(set(posix(3, F_WRLCK, 0, 1), true), Ret.BLOCKED);
  });

  it('of OFDs conflict with those of processes and stay out of deadlock detection', () => {
    assert.equal(set(ofdLock(9, F_WRLCK, 0, 5)), 0);
    assert.equal(set(posix(1, F_RDLCK, 0, 5)), -E.EAGAIN);
    assert.equal(set(ofdLock(8, F_RDLCK, 4, 5)), -E.EAGAIN);
    assert.equal(set(ofdLock(9, F_RDLCK, 0, 5)), 0);
    assert.equal(set(ofdLock(8, F_RDLCK, 4, 5)), 0);
  });

  it('end with the close of a descriptor, the OFD, or the process', () => {
    set(posix(1, F_WRLCK, 0, 1, 7));
    set(posix(2, F_WRLCK, 1, 2, 8));
    set(ofdLock(9, F_WRLCK, 2, 3));
    dropPosixLocks(inode, 1);
    assert.equal(shape(), '2:w1-2 o9:w2-3');
    dropFileLocks(file(9));
    assert.equal(shape(), '2:w1-2');
    dropTgLocks(2);
    assert.equal(shape(), '');
  });
});

describe('on the host', () => {
  it('what is given up is what nobody else holds', () => {
    const range = { start: 0, end: 100 };
    assert.deepEqual(without(range, []), [range]);
    assert.deepEqual(without(range, [{ start: 10, end: 20 }, { start: 15, end: 30 }, { start: 90, end: Infinity }]), [{ start: 0, end: 10 }, { start: 30, end: 90 }]);
    assert.deepEqual(without(range, [{ start: 0, end: Infinity }]), []);
    assert.deepEqual(without({ start: 5, end: Infinity }, [{ start: 0, end: 6 }, { start: 200, end: 300 }]), [{ start: 6, end: 200 }, { start: 300, end: Infinity }]);
  });
});

describe('flock', () => {
  const lock = (ofd: number, op: number, wait = false): number => setFlock(file(ofd), op, wait, park);
  it('is shared or exclusive between OFDs', () => {
    assert.equal(lock(1, LOCK_SH), 0);
    assert.equal(lock(2, LOCK_SH), 0);
    assert.equal(lock(3, LOCK_EX), -E.EAGAIN);
    assert.equal(lock(3, LOCK_EX, true), Ret.BLOCKED);
    assert.equal(lock(1, LOCK_UN), 0);
    assert.equal(lock(2, LOCK_UN), 0);
    assert.equal(lock(3, LOCK_EX), 0);
  });

  it('loses the old lock when a conversion fails', () => {
    lock(1, LOCK_SH);
    lock(2, LOCK_SH);
    assert.equal(lock(1, LOCK_EX), -E.EAGAIN);
    assert.equal(lock(2, LOCK_EX), 0);
  });

  it('ends with the OFD', () => {
    lock(1, LOCK_EX);
    dropFileLocks(file(1));
    assert.equal(lock(2, LOCK_EX), 0);
  });
});
