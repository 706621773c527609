import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E } from '../../shared/errno.js';
import { AF_INET, AF_UNIX } from './abi.js';
import { inetLine, unixLine } from './proc-net.js';
import { filterDiag } from './sock-diag.js';

const TCP = '   1: 0100007F:4287 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 6402995 1 00000000b7c624fb 100 0 0 10 0                   ';

test('lines of tcp: ours with the guest\'s owner, in their columns; nobody else\'s', () => {
  assert.equal(inetLine(TCP, new Map([[6402995, { uid: 0 }]]), false), TCP.replace(' 1000 ', '    0 '));
  assert.equal(inetLine(TCP, new Map([[6402995, { uid: 100000 }]]), false), TCP.replace('  1000 ', '100000 ').replace('00000000100000', '00000000 100000'));
  assert.equal(inetLine(TCP, new Map([[1, { uid: 0 }]]), true), '');
  const orphan = TCP.replace('6402995', '0');
  assert.deepEqual([inetLine(orphan, new Map(), true), inetLine(orphan, new Map(), false), inetLine('nonsense', new Map(), true)], [orphan, '', '']);
});

test('lines of unix: the guest\'s names', () => {
  const own = new Map([[77, 0]]);
  const nameOf = (n: string): string => (n === '@carrick/x/1' ? '/run/a b' : '');
  const line = '0000000000000000: 00000002 00000000 00010000 0001 01    77';
  assert.equal(unixLine(`${line} @carrick/x/1`, own, nameOf), `${line} /run/a b`);
  assert.equal(unixLine(`${line} @carrick/x/2`, own, nameOf), line);
  assert.equal(unixLine(line, own, nameOf), line);
  assert.equal(unixLine(line.replace('77', '78'), own, nameOf), '');
});

function message(type: number, flags: number, body: Buffer): Buffer {
  const m = Buffer.alloc(16 + body.length);
  m.writeUInt32LE(m.length, 0);
  m.writeUInt16LE(type, 4);
  m.writeUInt16LE(flags, 6);
  return Buffer.concat([m.subarray(0, 16), body]);
}
function inet(ino: number, uid: number): Buffer {
  const b = Buffer.alloc(72);
  b[0] = AF_INET;
  b.writeUInt32LE(uid, 64);
  b.writeUInt32LE(ino, 68);
  return b;
}
function attribute(type: number, text: string): Buffer {
  const b = Buffer.alloc((4 + text.length + 3) & ~3);
  b.writeUInt16LE(4 + text.length, 0);
  b.writeUInt16LE(type, 2);
  b.latin1Write(text, 4);
  return b;
}
function unix(ino: number, ...attributes: Buffer[]): Buffer {
  const b = Buffer.alloc(16);
  b[0] = AF_UNIX;
  b.writeUInt32LE(ino, 4);
  return Buffer.concat([b, ...attributes]);
}
const MULTI = 2, BY_FAMILY = 20, DONE = 3;
const naming = { own: new Map([[7, { uid: 5 }]]), orphans: false, nameOf: (p: string): string => (p === '\0host' ? '/guest/longer/name' : '') };

test('sock_diag: of a dump only our own sockets are left, the end stays', () => {
  const end = message(DONE, MULTI, Buffer.alloc(4));
  const out = filterDiag(Buffer.concat([message(BY_FAMILY, MULTI, inet(8, 1)), message(BY_FAMILY, MULTI, inet(7, 1000)), message(BY_FAMILY, MULTI, inet(0, 0)), end]), naming);
  assert.deepEqual(out, Buffer.concat([message(BY_FAMILY, MULTI, inet(7, 5)), end]));
  assert.equal(filterDiag(message(BY_FAMILY, MULTI, inet(8, 1)), naming).length, 0);
  assert.equal(filterDiag(message(BY_FAMILY, MULTI, inet(0, 0)), { ...naming, orphans: true }).length, 88);
});

test('sock_diag: a question about a foreign socket is ENOENT', () => {
  const out = filterDiag(message(BY_FAMILY, 0, inet(8, 1)), naming);
  assert.deepEqual([out.readUInt32LE(0), out.length, out.readUInt16LE(4), out.readInt32LE(16)], [36, 36, 2, -E.ENOENT]);
});

test('sock_diag: AF_UNIX names are the guest\'s, others are left out; a broken message ends it', () => {
  const out = filterDiag(message(BY_FAMILY, MULTI, unix(7, attribute(0, '\0host'), attribute(4, '12345678'))), naming);
  assert.deepEqual(out, message(BY_FAMILY, MULTI, unix(7, attribute(0, '/guest/longer/name'), attribute(4, '12345678'))));
  assert.deepEqual(filterDiag(message(BY_FAMILY, MULTI, unix(7, attribute(0, '\0else'))), naming), message(BY_FAMILY, MULTI, unix(7)));
  const broken = message(BY_FAMILY, MULTI, inet(7, 0));
  broken.writeUInt32LE(1000, 0);
  assert.equal(filterDiag(broken, naming).length, 0);
});
