/** The pure parts: AF_UNIX names, control data, netlink and option filters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from './abi.js';
import { cmsgSpace, eachCmsg, parseControl, putHeader } from './control.js';
import { NETLINK_ROUTE, checkNetlink } from './netlink.js';
import { checkOption } from './option-list.js';
import { type UnixName, UnixNames } from './unix-names.js';

const b = Buffer.alloc(1024);

test('unix addresses: lengths, families, what ends a path', () => {
  assert.equal(UnixNames.parse(b, 0, UnixNames.write(b, 0, '/a/b\0junk')), '/a/b');
  assert.equal(UnixNames.parse(b, 0, UnixNames.write(b, 0, '\0ab\0c')), '\0ab\0c');
  assert.equal(UnixNames.parse(b, 0, 2), '');
  assert.equal(UnixNames.parse(b, 0, 1), -E.EINVAL);
  assert.equal(UnixNames.parse(b, 0, 111), -E.EINVAL);
  b.writeUInt16LE(2, 0);
  assert.equal(UnixNames.parse(b, 0, 10), -E.EINVAL);
});

test('unix names: fresh host names, both directions, gone is gone', () => {
  const names = new UnixNames('cafe');
  const one = names.add('/x', 7) as UnixName;
  assert.equal(names.add('/x', 8), -E.EADDRINUSE);
  assert.equal(names.lookup('/x'), one);
  assert.ok(one.hostPath.startsWith('\0carrick/cafe/') && one.hostPath.length <= 108);
  const n = UnixNames.write(b, 0, one.hostPath);
  assert.equal(b.latin1Slice(2, names.toGuest(b, 0, n)), '/x\0');
  names.remove(one);
  assert.equal(names.lookup('/x'), -E.ECONNREFUSED);
  assert.equal(names.lookup('\0x'), -E.ECONNREFUSED);
  assert.notEqual((names.add('/x', 9) as UnixName).hostPath, one.hostPath);
  assert.equal(names.toGuest(b, 0, UnixNames.write(b, 0, '\0host secret')), 2);
  const auto = names.autoName();
  names.add(auto, 1);
  assert.notEqual(names.autoName(), auto);
});

test('control data: rights are taken out, others pass, broken lists are EINVAL', () => {
  let at = 0;
  b.writeInt32LE(11, putHeader(b, at, 8, 1, 1));
  b.writeInt32LE(12, at + 20);
  at += cmsgSpace(8);
  b.writeInt32LE(99, putHeader(b, at, 4, 0, 8));
  at += cmsgSpace(4);
  putHeader(b, at, 12, 1, 2);
  [5, 6, 7].forEach((v, i) => { b.writeInt32LE(v, at + 16 + 4 * i); });
  at += cmsgSpace(12);
  const out = parseControl(b, 0, at, 512);
  assert.ok(typeof out !== 'number');
  assert.deepEqual([out.fds, out.cred, out.bytes], [[11, 12], { pid: 5, uid: 6, gid: 7 }, cmsgSpace(4)]);
  const seen: number[][] = [];
  eachCmsg(b, 512, out.bytes, (c) => seen.push([c.level, c.type, c.bytes, b.readInt32LE(c.data)]));
  assert.deepEqual(seen, [[0, 8, 4, 99]]);
  b.writeUInt32LE(15, 0);
  assert.equal(parseControl(b, 0, at, 512), -E.EINVAL);
  b.writeUInt32LE(at + 1, 0);
  assert.equal(parseControl(b, 0, at, 512), -E.EINVAL);
  putHeader(b, 0, 4 * 254, 1, 1);
  assert.equal(parseControl(Buffer.concat([b, Buffer.alloc(1024)]), 0, 16 + 4 * 254, 1500), -E.EINVAL);
});

test('netlink: every message of a batch is looked at', () => {
  const put = (at: number, len: number, type: number): void => { b.writeUInt32LE(len, at); b.writeUInt16LE(type, at + 4); };
  put(0, 20, 18);
  put(20, 20, 22);
  assert.equal(checkNetlink(b, 0, 40, NETLINK_ROUTE), 0);
  put(20, 20, 24);
  assert.equal(checkNetlink(b, 0, 40, NETLINK_ROUTE), -E.EPERM);
  put(0, 0, 18);
  assert.equal(checkNetlink(b, 0, 40, NETLINK_ROUTE), 0);
});

test('options: filters with pointers, packet filter tables and privileged ones stop here', () => {
  for (const opt of [26, 50, 51, 52, 60]) assert.equal(checkOption(AF_INET, SOCK_STREAM, 1, opt, true), -E.ENOPROTOOPT, String(opt));
  for (const opt of [32, 33, 36]) assert.equal(checkOption(AF_INET, SOCK_STREAM, 1, opt, true), -E.EPERM, String(opt));
  assert.equal(checkOption(AF_INET, SOCK_STREAM, 0, 64, false), -E.ENOPROTOOPT);
  assert.equal(checkOption(AF_INET, SOCK_STREAM, 6, 35, false), -E.ENOPROTOOPT);
  assert.equal(checkOption(AF_INET, SOCK_STREAM, 263, 1, true), -E.ENOPROTOOPT);
  assert.equal(checkOption(AF_INET, SOCK_STREAM, 6, 1, true), 0);
  assert.equal(checkOption(AF_INET, SOCK_DGRAM, 6, 999, false), -E.EOPNOTSUPP);
  assert.equal(checkOption(AF_UNIX, SOCK_STREAM, 6, 1, true), 0, 'the host says what it thinks of it');
  assert.equal(checkOption(AF_UNIX, SOCK_STREAM, 263, 1, true), -E.EOPNOTSUPP);
  assert.equal(checkOption(AF_UNIX, SOCK_STREAM, 1, 28, false), -E.ENOPROTOOPT);
});
