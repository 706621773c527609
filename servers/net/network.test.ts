import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import { AF_INET, AF_INET6, AF_UNSPEC } from './abi.js';
import { confineBinding, confineDestination, isPrivilegedPort } from './network.js';

function in4(a: number, b: number, c: number, d: number): Buffer {
  const x = Buffer.alloc(16);
  x.writeUInt16LE(AF_INET);
  x.set([a, b, c, d], 4);
  return x;
}
function in6(...tail: readonly number[]): Buffer {
  const x = Buffer.alloc(28);
  x.writeUInt16LE(AF_INET6);
  x.set(tail, 24 - tail.length);
  return x;
}
const V4 = [0xff, 0xff] as const;
/** With the family that udp_sendmsg and inet_bind take for AF_INET. */
function unspec(a: Buffer): Buffer { a.writeUInt16LE(AF_UNSPEC); return a; }
function withPort(a: Buffer, port: number): Buffer { a.writeUInt16BE(port, 2); return a; }

test('without a namespace only the machine itself can be reached', () => {
  for (const a of [in4(127, 0, 0, 1), in4(127, 9, 9, 9), in4(0, 0, 0, 0), in6(), in6(1), in6(...V4, 127, 0, 0, 2), in6(...V4, 0, 0, 0, 0)]) assert.equal(confineDestination(a, 0, a.length), 0);
  for (const a of [in4(192, 0, 2, 1), in4(1, 0, 0, 127), in6(2), in6(...V4, 192, 0, 2, 1), in6(0xfe, 0x80, ...new Array<number>(13).fill(0), 1)]) assert.equal(confineDestination(a, 0, a.length), -E.ENETUNREACH);
  assert.equal(confineDestination(unspec(in4(192, 0, 2, 1)), 0, 16), -E.ENETUNREACH);
  assert.equal(confineDestination(unspec(in4(127, 0, 0, 1)), 0, 16), 0);
  // Too short: the host's to judge.
  assert.equal(confineDestination(in4(192, 0, 2, 1), 0, 7), 0);
});

test('what everybody could reach is bound to the loopback', () => {
  const bound = (a: Buffer): string => { assert.equal(confineBinding(a, 0, a.length), 0); return a.subarray(a.length === 16 ? 4 : 8, a.length === 16 ? 8 : 24).toString('hex'); };
  assert.equal(bound(in4(0, 0, 0, 0)), '7f000001');
  assert.equal(bound(in4(127, 0, 0, 3)), '7f000003');
  assert.equal(bound(in6()), `${'00'.repeat(15)}01`);
  assert.equal(bound(in6(...V4, 0, 0, 0, 0)), `${'00'.repeat(10)}ffff7f000001`);
  assert.equal(confineBinding(in4(192, 0, 2, 1), 0, 16), -E.EADDRNOTAVAIL);
  const wildcard = unspec(in4(0, 0, 0, 0));
  assert.equal(bound(wildcard), '7f000001');
  assert.equal(wildcard.readUInt16LE(), AF_INET, 'the host takes AF_UNSPEC with the wildcard only');
});

test('ports below the first that is everybody\'s, in every family that the host takes', () => {
  for (const a of [in4(127, 0, 0, 1), in6(1), unspec(in4(0, 0, 0, 0))]) {
    assert.deepEqual([1, 1023, 1024, 0].map((port) => isPrivilegedPort(withPort(a, port), 0, a.length, 1024)), [true, true, false, false]);
    assert.equal(isPrivilegedPort(withPort(a, 1), 0, 7, 1024), false, 'too short: the host refuses it');
  }
});
