/**
 * ARCHITECTURE D7: the syscall table and the handlers say the same. Every server is set up as its worker does it, in this one thread, and asked which
 * calls it has a handler for; the stub's own are read from the two switches of its fast path.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { installCalls as installKernel } from '../../kernel/install.js';
import { Kernel } from '../../kernel/proc.js';
import { SYSCALLS, type SyscallRow } from '../../kernel/syscalls/index.js';
import { installIpc } from '../../servers/ipc/server.js';
import { installNet } from '../../servers/net/server.js';
import { installSignal } from '../../servers/signal/server.js';
import { setEndpoint } from '../../servers/vfs/file.js';
import { installVfs } from '../../servers/vfs/install.js';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import { setUpServer } from '../../shared/testing/mini-guest.js';
import { SERVER_NAMES } from '../../shared/server-names.js';


function setUp(srv: number, install: (ep: Endpoint) => void): Endpoint {
  const { ep } = setUpServer(srv);
  install(ep);
  return ep;
}

const endpoints: Endpoint[] = [
  setUp(L.SRV_KERNEL, (ep) => { installKernel(new Kernel(ep), -1); }),
  setUp(L.SRV_VFS, (ep) => { setEndpoint(ep); installVfs(ep); }),
  setUp(L.SRV_NET, (ep) => { installNet(ep, 'test', 'host'); }),
  setUp(L.SRV_IPC, (ep) => { installIpc(ep, tmpdir()); }),
  setUp(L.SRV_SIGNAL, (ep) => { installSignal(ep); }),
];

/** Calls on descriptors that every server answers (shared/fdcalls.ts). */
const EVERYWHERE = new Set(['close', 'close_range', 'dup', 'dup2', 'dup3', 'fcntl']);
/** Calls of which the server that is asked hands some on, and to whom: PTRACE_PEEKSIGINFO reads what signal keeps. */
const HANDED_ON: Readonly<Record<string, string>> = { ptrace: 'signal' };

/** Names in the `case` labels of a function of fast.c. */
function cases(fn: string): Set<string> {
  const text = readFileSync('native/stub/fast.c', 'utf8');
  const start = text.indexOf(`\n${fn}`);
  assert.notEqual(start, -1, fn);
  const body = text.slice(start, text.indexOf('\n}\n', start));
  return new Set([...body.matchAll(/\bcase (?:__NR_|CARRICK_NR_)(\w+):/g)].map((m) => m[1] as string));
}
/** Always answered by the stub. */
const own = cases('static long own_call');
/** Answered by the stub unless CARRICK_FASTPATH=0. */
const fast = cases('long fast_call');

/** Where the stub posts a call that it does not answer: rows of the stub go to the kernel. */
const serverOf = (r: SyscallRow): number => Math.max(0, SERVER_NAMES.indexOf(r.owner as (typeof SERVER_NAMES)[number]));
const handled = (srv: number, r: SyscallRow): boolean => endpoints[srv]?.handlerOf(r.nr) !== undefined;

test('the stub\'s switches were found', () => {
  assert.ok(own.has('mmap') && own.has('futex_wake') && own.size > 20);
  assert.ok(fast.has('read') && fast.has('getpid') && fast.size > 15);
});

test('a handler has a row that is not absent, at a server that is asked for it', () => {
  const wrong: string[] = [];
  for (const r of SYSCALLS) {
    for (const [srv, name] of SERVER_NAMES.entries()) {
      if (!handled(srv, r)) continue;
      if (r.status === 'absent') wrong.push(`${r.name}: absent, but ${name} has a handler`);
      else if (srv !== serverOf(r) && !r.byfd && !EVERYWHERE.has(r.name) && HANDED_ON[r.name] !== name) wrong.push(`${r.name}: ${name} has a handler, but the stub posts it to ${r.owner}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('a row that is not absent has a handler where the stub posts it, or is the stub\'s', () => {
  const wrong: string[] = [];
  for (const r of SYSCALLS) {
    const stub = own.has(r.name) || fast.has(r.name);
    if (r.status === 'absent') { if (stub) wrong.push(`${r.name}: absent, but the stub answers it`); continue; }
    if (stub !== r.fast) wrong.push(`${r.name}: the stub ${stub ? 'answers' : 'does not answer'} it, but the row ${r.fast ? 'says' : 'does not say'} fast`);
    if (!own.has(r.name) && !handled(serverOf(r), r)) wrong.push(`${r.name}: ${SERVER_NAMES[serverOf(r)]} has no handler`);
    if (r.owner === 'stub' && !stub) wrong.push(`${r.name}: the stub does not answer it`);
  }
  assert.deepEqual(wrong, []);
});
