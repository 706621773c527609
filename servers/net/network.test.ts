import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import { AF_INET, AF_INET6 } from './abi.js';
import { confineBinding, confineDestination } from './network.js';

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

test('without a namespace only the machine itself can be reached', () => {
  for (const a of [in4(127, 0, 0, 1), in4(127, 9, 9, 9), in4(0, 0, 0, 0), in6(), in6(1), in6(...V4, 127, 0, 0, 2), in6(...V4, 0, 0, 0, 0)]) assert.equal(confineDestination(a, 0, a.length), 0);
  for (const a of [in4(192, 0, 2, 1), in4(1, 0, 0, 127), in6(2), in6(...V4, 192, 0, 2, 1), in6(0xfe, 0x80, ...new Array<number>(13).fill(0), 1)]) assert.equal(confineDestination(a, 0, a.length), -E.ENETUNREACH);
  // Too short, or AF_UNSPEC: the host's to judge.
  assert.equal(confineDestination(in4(192, 0, 2, 1), 0, 7), 0);
  assert.equal(confineDestination(Buffer.alloc(16), 0, 16), 0);
});

test('what everybody could reach is bound to the loopback', () => {
  const bound = (a: Buffer): string => { assert.equal(confineBinding(a, 0, a.length), 0); return a.subarray(a.length === 16 ? 4 : 8, a.length === 16 ? 8 : 24).toString('hex'); };
  assert.equal(bound(in4(0, 0, 0, 0)), '7f000001');
  assert.equal(bound(in4(127, 0, 0, 3)), '7f000003');
  assert.equal(bound(in6()), `${'00'.repeat(15)}01`);
  assert.equal(bound(in6(...V4, 0, 0, 0, 0)), `${'00'.repeat(10)}ffff7f000001`);
  assert.equal(confineBinding(in4(192, 0, 2, 1), 0, 16), -E.EADDRNOTAVAIL);
});
