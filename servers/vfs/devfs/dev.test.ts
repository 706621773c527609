/** /dev: what is made at boot, and which numbers open. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { BootData } from '../../../shared/boot.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import { TaskState, TgState } from '../../../shared/tasks.js';
import { type File, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from '../file.js';
import { type Caller, Inode, type Path, S_IFCHR, S_IFDIR, type SuperBlock, makeDev } from '../inode.js';
import { specialOpen } from '../special.js';
import { DevptsFs } from '../tty/devpts.js';
import { MasterFile, SlaveFile } from '../tty/pty-file.js';
import { type Pty, ptys } from '../tty/pty.js';
import { installDevices, populateDev } from './dev.js';

class Fake extends Inode {
  readonly made: string[] = [];
  target = '';
  constructor(mode: number) { super({ dev: 0 } as SuperBlock, mode); }
  private add(text: string, mode: number): Fake { this.made.push(text); return new Fake(mode); }
  override mknod(_c: Caller, name: string, mode: number, rdev: number): Inode { return this.add(`${name} ${rdev >> 8}:${rdev & 255} ${(mode & 0o7777).toString(8)}`, mode); }
  override symlink(_c: Caller, name: string, target: string): Inode { return this.add(`${name} -> ${target}`, 0o120777); }
  override mkdir(_c: Caller, name: string, mode: number): Inode { return this.add(`${name}/ ${mode.toString(8)}`, S_IFDIR | mode); }
}

const c = { task: 1, tg: 1, cred: 1 } as Caller;
let messages = new Map<number, (m: { w: number[] }) => void>();
let hostOpens: string[] = [];
const ep = { send: () => undefined, on: (kind: number, h: (m: { w: number[] }) => void): void => { messages.set(kind, h); } } as unknown as Endpoint;

function openNumber(rdev: number, flags = O_RDWR): File | number {
  const i = new Fake(S_IFCHR | 0o666);
  i.rdev = rdev;
  return specialOpen(c, { inode: i } as unknown as Path, flags);
}

beforeEach(() => {
  L.attachTables(L.allocTables());
  L.setMetaTopTg(1, 3);
  L.setTgTgid(1, 10); L.setTgSid(1, 10); L.setTgPgid(1, 10); L.setTgState(1, TgState.RUNNING);
  L.setTaskTid(1, 10); L.setTaskTg(1, 1); L.setTaskState(1, TaskState.RUNNING);
  ptys.clear();
  messages = new Map();
  hostOpens = [];
  native.sys = (nr: number, _mask: number, _a0 = 0, _a1 = 0, a2 = 0): number => { if (nr === 257) { hostOpens.push(String(a2 & 3)); return 200 + hostOpens.length; } return -E.ENOSYS; };
  installDevices(ep, { spec: { tty: false } } as unknown as BootData);
});

describe('populateDev', () => {
  it('makes what a container has', () => {
    const root = new Fake(S_IFDIR | 0o755);
    assert.equal(populateDev(root, c, false), 0);
    for (const n of ['null 1:3 666', 'zero 1:5 666', 'full 1:7 666', 'random 1:8 666', 'urandom 1:9 666', 'tty 5:0 666', 'fd -> /proc/self/fd', 'stdin -> /proc/self/fd/0', 'ptmx -> pts/ptmx', 'pts/ 755', 'shm/ 1777']) assert.ok(root.made.includes(n), n);
    assert.ok(!root.made.some((m) => m.startsWith('console')));
  });
  it('with a terminal also the console, which is pty 0', () => {
    const root = new Fake(S_IFDIR | 0o755);
    populateDev(root, c, true);
    assert.ok(root.made.includes('console 136:0 620'));
  });
});

describe('devices by number', () => {
  it('memory devices are the host\'s, opened for what was asked, and granted; only zero can be mapped', () => {
    const zero = openNumber(makeDev(1, 5)) as File;
    assert.equal(zero.grantable, L.HINT_READ | L.HINT_WRITE | L.HINT_MAP);
    assert.ok(zero.mapFd() >= 0);
    const full = openNumber(makeDev(1, 7), O_WRONLY) as File;
    assert.equal(full.grantable, L.HINT_WRITE);
    assert.equal(full.mapFd(), -E.ENODEV);
    assert.deepEqual(hostOpens, ['2', '1']);
  });
  it('unknown numbers are ENXIO, block devices too', () => {
    assert.equal(openNumber(makeDev(1, 1)), -E.ENXIO);
    assert.equal(openNumber(makeDev(200, 0)), -E.ENXIO);
    const b = new Fake(0o060666);
    b.rdev = makeDev(7, 0);
    assert.equal(specialOpen(c, { inode: b } as unknown as Path, O_RDWR), -E.ENXIO);
  });
  it('/dev/tty is ENXIO without a controlling terminal, else that', () => {
    assert.equal(openNumber(makeDev(5, 0)), -E.ENXIO);
    const m = openNumber(makeDev(5, 2)) as MasterFile;
    assert.ok(m instanceof MasterFile);
    m.pty.locked = false;
    assert.ok(openNumber(m.pty.rdev, O_RDWR | O_NOCTTY) instanceof SlaveFile);
    assert.equal(L.tgCtty(1), 0);
    assert.ok(openNumber(m.pty.rdev) instanceof SlaveFile);
    assert.equal(L.tgCtty(1), 1);
    assert.ok(openNumber(makeDev(5, 0)) instanceof SlaveFile);
  });
  it('a pty that does not exist is EIO', () => { assert.equal(openNumber(makeDev(136, 9)), -E.EIO); });
  it('a leader that dies takes its terminal along', () => {
    const m = openNumber(makeDev(5, 2)) as MasterFile;
    m.pty.locked = false;
    openNumber(m.pty.rdev);
    messages.get(Msg.TTY_HANGUP)?.({ w: [1, 1] });
    assert.equal((m.pty as Pty).session, 0);
  });
});

describe('devpts', () => {
  it('shows living ptys with owner and mode, and ptmx', () => {
    const fs = new DevptsFs(ep);
    assert.equal(fs.root.lookup(c, '0'), -E.ENOENT);
    L.setCredFsuid(1, 1000);
    const m = openNumber(makeDev(5, 2)) as MasterFile;
    const node = fs.root.lookup(c, '0') as Inode;
    assert.deepEqual([node.uid, node.gid, node.mode & 0o7777, node.rdev], [1000, 5, 0o620, makeDev(136, 0)]);
    assert.equal(fs.root.lookup(c, '00'), -E.ENOENT);
    assert.equal(node.open(c, { inode: node } as unknown as Path, O_RDONLY), -E.EIO);
    node.setattr(c, { mode: 0o600, ctime: 0, ctimeNsec: 0 });
    assert.equal((fs.root.lookup(c, '0') as Inode).mode & 0o7777, 0o600);
    const names: string[] = [];
    fs.root.readdir(c, { add: (n) => { names.push(n); } });
    assert.deepEqual(names, ['0', 'ptmx']);
    m.release();
    assert.equal(fs.root.lookup(c, '0'), -E.ENOENT);
  });
});
