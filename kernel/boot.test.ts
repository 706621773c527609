/** Who runs the first program, and where it is looked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identify } from './accounts.js';
import { candidates } from './launch.js';

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nbroken line\nalice:x:1000:100:A:/home/alice:/bin/sh\nbob:x:1001:1001:B::/bin/sh\n';
const GROUP = 'root:x:0:\nusers:x:100:\nwheel:x:10:alice,bob\naudio:x:29:alice\n';

test('identify', () => {
  assert.deepEqual(identify(PASSWD, GROUP, '', 0, 0, undefined), { uid: 0, gid: 0, groups: [], home: '/root' });
  assert.deepEqual(identify(PASSWD, GROUP, 'alice', -1, -1, undefined), { uid: 1000, gid: 100, groups: [10, 29], home: '/home/alice' });
  assert.deepEqual(identify(PASSWD, GROUP, 'alice:wheel', -1, -1, undefined), { uid: 1000, gid: 10, groups: [10, 29], home: '/home/alice' });
  assert.deepEqual(identify(PASSWD, GROUP, '1001', 1001, -1, [7]), { uid: 1001, gid: 1001, groups: [7], home: '/' });
  assert.deepEqual(identify(PASSWD, GROUP, '4711', 4711, -1, undefined), { uid: 4711, gid: 0, groups: [], home: '/' });
  assert.match(identify(PASSWD, GROUP, 'carol', -1, -1, undefined) as string, /no user carol/);
  assert.match(identify(PASSWD, GROUP, 'alice:nobody', -1, -1, undefined) as string, /no group nobody/);
  assert.equal((identify('', '', '', 0, 0, undefined) as { home: string }).home, '/');
});

test('candidates of a PATH search', () => {
  assert.deepEqual(candidates('ls', '/usr/bin:/bin'), ['/usr/bin/ls', '/bin/ls']);
  assert.deepEqual(candidates('ls', ':/bin'), ['./ls', '/bin/ls']);
  assert.deepEqual(candidates('./ls', '/usr/bin'), ['./ls']);
});
