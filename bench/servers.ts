/**
 * `npm run bench:ts [-- --time MS] [--filter RE]`: the TypeScript hot paths without guests: a message through a ring, a request through the endpoint, name
 * lookup and other handlers of vfs. The addon's waiting is replaced by a function that hands requests out, so these are the costs of our own code; compare
 * them with each other and with an earlier run on the same machine, not with the whole calls of `npm run bench`.
 */
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import * as EL from '../shared/endpoint-layout.js';
import { Endpoint, STAT_ROWS } from '../shared/endpoint.js';
import type { Frame } from '../shared/frame.js';
import * as L from '../shared/gen/layout.js';
import { NR_access, NR_close, NR_getppid, NR_lseek, NR_newfstatat, NR_openat, NR_pause } from '../shared/gen/syscalls.js';
import { native } from '../shared/native.js';
import { RingPort, allocRings } from '../shared/rings.js';
import { WaitQueue } from '../shared/wait.js';
import { Out, World } from '../servers/vfs/test-kit.js';

const { values } = parseArgs({ options: { time: { type: 'string', default: '300' }, filter: { type: 'string', default: '.' } } });
/** Requests or messages per measured step: what a busy server finds in one round. */
const BATCH = 16;

/** Calls through vfs's handlers on a small layered root; also loads the addon and makes the tables. */
const world = new World({ 'a/b/c/d/file': 'text', 'a/b/other': '' });
const fd = world.call(NR_openat, -100, '/a/b/c/d/file', 0, 0);
// Record 0 is world.call's own.
const stat = world.frame(NR_newfstatat, [-100, '/a/b/c/d/file', new Out(144), 0], 1, 1);
const missing = world.frame(NR_access, ['/a/b/c/d/missing', 0], 1, 2);
const lseek = world.frame(NR_lseek, [fd, 0, 0], 1, 3);

/** Two ends of a ring whose reader is always awake. */
const rings = allocRings();
const sender = new RingPort(L.SRV_KERNEL, rings);
const receiver = new RingPort(L.SRV_VFS, rings);
const words = [1, 2, 3];
let received = 0;
const count = (): void => { received++; };

/** An endpoint that is handed the same request BATCH times a round. */
const nrs = [NR_getppid];
native.endpointInit = (_srv, inbox, lists) => {
  const u32 = new Uint32Array(inbox.buffer);
  native.replyAndWait = () => {
    // What was answered in the last round is free again.
    const nout = lists[EL.LIST_NOUT] as number;
    for (let i = 0; i < nout; i++) {
      const at = lists[EL.LIST_NFREE] as number;
      lists[EL.LIST_FREE + at] = lists[EL.LIST_OUT + i] as number;
      lists[EL.LIST_NFREE] = at + 1;
    }
    lists[EL.LIST_NOUT] = 0;
    for (let i = 0; i < BATCH; i++) {
      const at = (lists[EL.LIST_NFREE] as number) - 1;
      const rec = lists[EL.LIST_FREE + at] as number;
      lists[EL.LIST_NFREE] = at;
      const w = rec * L.SLOT_STRIDE / 4;
      u32[w + L.SLOT_NR / 4] = nrs[0] as number;
      u32[w + EL.REC_TASK / 4] = 1;
      u32[w + EL.REC_TG / 4] = 1;
      u32[w + EL.REC_SLOT / 4] = 100 + i;
      lists[EL.LIST_IN + i] = rec;
    }
    return BATCH;
  };
  return 0;
};
native.sigDeliverable = () => 0;
const ep = new Endpoint(L.SRV_IPC, rings, new Float64Array(L.SRV_COUNT * STAT_ROWS * 3));
const queue = new WaitQueue();
ep.handle(NR_getppid, (f) => L.tgTgid(f.tg));
// Waits once, as a read of an empty pipe does, and is woken in the same round.
ep.handle(NR_pause, (f: Frame) => {
  if (f.p[0] === 1) return 0;
  f.p[0] = 1;
  return ep.park(f, queue);
});

for (const [f, want] of [[stat, 0], [missing, -2], [lseek, 0]] as const) {
  const got = world.run(f);
  if (got !== want) throw new Error(`call ${f.nr} answered ${got}, not ${want}`);
}

const bench = new Bench({ time: Number(values.time), warmupTime: 100 });
const cases: ReadonlyArray<readonly [string, number, () => void]> = [
  ['ring: send and drain a message', BATCH, () => {
    for (let i = 0; i < BATCH; i++) sender.quiet(L.SRV_VFS, 1, words);
    receiver.drainFrom(L.SRV_KERNEL, count);
  }],
  ['ring: the same with 40 bytes of text', BATCH, () => {
    for (let i = 0; i < BATCH; i++) sender.quiet(L.SRV_VFS, 1, words, '/usr/lib/python3.11/email/mime/base.py.x');
    receiver.drainFrom(L.SRV_KERNEL, count);
  }],
  ['endpoint: a request, answered at once', BATCH, () => { nrs[0] = NR_getppid; ep.turn(false); }],
  ['endpoint: a request, parked and woken', BATCH, () => {
    nrs[0] = NR_pause;
    ep.turn(false);
    queue.wakeAll();
  }],
  ['vfs: newfstatat, 5 components, cached', 1, () => { world.run(stat); }],
  ['vfs: access of a name that is not there', 1, () => { world.run(missing); }],
  ['vfs: openat and close, requests made up anew', 1, () => { world.call(NR_close, world.call(NR_openat, -100, '/a/b/c/d/file', 0, 0)); }],
  ['vfs: lseek', 1, () => { world.run(lseek); }],
];
const wanted = cases.filter(([name]) => new RegExp(values.filter).test(name));
for (const [name, , step] of wanted) bench.add(name, step);
try {
  await bench.run();
  for (const [name, per] of wanted) {
    const result = bench.getTask(name)?.result;
    if (result === undefined || !('latency' in result)) throw new Error(`${name}: ${JSON.stringify(result)}`);
    const ns = (ms: number): string => (ms * 1e6 / per).toFixed(0).padStart(7);
    process.stdout.write(`${ns(result.latency.p50)} ns median ${ns(result.latency.p99)} ns p99   ${name}\n`);
  }
  if (received === 0 && wanted.some(([name]) => name.startsWith('ring'))) throw new Error('no message arrived');
} finally {
  world.end();
}
