/** Decoding of the host's records, the bookkeeping of where threads are, and the formats. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CallLogReader, allocCallLog } from '../../shared/call-log.js';
import { NR_openat } from '../../shared/gen/syscalls.js';
import { Collector, type ProfileEvent } from './collector.js';
import { format } from './formats.js';
import { perfRecords } from './perf-records.js';
import { Symbols } from './symbols.js';

/** A record as the host writes it: header, body words of 8 bytes. */
function record(type: number, misc: number, words: readonly bigint[], text?: string): Buffer {
  const name = text === undefined ? Buffer.alloc(0) : Buffer.alloc((text.length + 8) & ~7, 0).fill(text, 0, text.length);
  const id = words.slice(-2), body = words.slice(0, -2);
  const b = Buffer.alloc(8 + words.length * 8 + name.length);
  b.writeUInt32LE(type, 0);
  b.writeUInt16LE(misc, 4);
  b.writeUInt16LE(b.length, 6);
  body.forEach((w, i) => { b.writeBigUInt64LE(w, 8 + 8 * i); });
  name.copy(b, 8 + 8 * body.length);
  id.forEach((w, i) => { b.writeBigUInt64LE(w, b.length - 16 + 8 * i); });
  return b;
}
const ids = (pid: number, tid: number): bigint => BigInt(pid) | (BigInt(tid) << 32n);

test('the host\'s records', () => {
  const all = Buffer.concat([
    record(14, 1 << 13 | 1 << 14, [ids(7, 8), 1000n]),
    record(3, 1 << 13, [ids(7, 7), ids(7, 7), 1100n], 'bash'),
    record(7, 0, [ids(9, 7), ids(9, 7), 1200n, ids(7, 7), 1200n]),
    record(10, 2, [ids(7, 7), 0x7f0000001000n, 0x2000n, 0x3000n, 0n, 42n, 0n, 0n, ids(7, 7), 1300n], '/usr/lib/libc.so.6'),
    record(9, 2, [0x401000n, ids(7, 8), 1400n, 3n, 0xfffffffffffffe00n, 0x401000n, 0x402000n]),
    record(99, 0, [0n, ids(1, 1), 1n]),
    record(2, 0, [5n, 17n, ids(7, 8), 1500n]),
  ]);
  assert.deepEqual([...perfRecords(all, all.length)], [
    { pid: 7, tid: 8, ns: 1000, kind: 'switch', out: true, preempted: true },
    { pid: 7, tid: 7, ns: 1100, kind: 'comm', comm: 'bash', exec: true },
    { ns: 1200, kind: 'fork', pid: 9, parent: 7, tid: 9, parentTid: 7 },
    { ns: 1300, kind: 'map', pid: 7, tid: 7, start: 0x7f0000001000, end: 0x7f0000003000, offset: 0x3000, ino: 42, path: '/usr/lib/libc.so.6' },
    { kind: 'sample', ns: 1400, pid: 7, tid: 8, kernel: false, pcs: [0x401000, 0x402000] },
    { pid: 7, tid: 8, ns: 1500, kind: 'lost', records: 17 },
  ]);
  assert.throws(() => [...perfRecords(all, 20)], /record of/);
});

function collect(events: readonly ProfileEvent[]): Collector {
  const c = new Collector(new Symbols(), '/nonexistent', 1e6, true);
  for (const e of events) c.take(e);
  return c;
}
const at = (ns: number): { pid: number; tid: number; ns: number } => ({ pid: 7, tid: 7, ns });
const stacksOf = (c: Collector): string[] => [...c.tree.stacks()].map(([stack, ns]) => `${stack.join(' ')} ${ns}`);

test('a thread off a processor waits in the call that was answered meanwhile', () => {
  const c = collect([
    { ...at(0), kind: 'comm', comm: 'bash', exec: false },
    { ...at(1000), kind: 'switch', out: true, preempted: false },
    { kind: 'call', srv: 1, tid: 7, nr: NR_openat, startNs: 1300, endNs: 2300, busyNs: 400, ret: -2, ns: 2300 },
    { ...at(2500), kind: 'switch', out: false, preempted: false },
    { ...at(3000), kind: 'switch', out: true, preempted: false },
    { ...at(3500), kind: 'switch', out: false, preempted: false },
    { ...at(4000), kind: 'switch', out: true, preempted: true },
    { ...at(4100), kind: 'switch', out: false, preempted: false },
  ]);
  assert.deepEqual(stacksOf(c), [
    'bash openat queue 300', 'bash openat handler (vfs) 400', 'bash openat parked 600', 'bash openat wake-up 200', 'bash [asleep in the host] 500', 'bash [waiting for a processor] 100',
  ]);
  assert.deepEqual(c.calls.get('vfs openat'), { name: 'openat', server: 'vfs', calls: 1, errors: 1, queueNs: 300, handlerNs: 400, parkedNs: 600, wakeNs: 200 });
  const bash = c.programs.get('bash');
  assert.deepEqual([bash?.processes, bash?.callNs, bash?.asleepNs, bash?.readyNs], [1, 1500, 500, 100]);
});

test('a server that is faster than its caller falls asleep has kept nobody waiting', () => {
  const c = collect([
    { ...at(1000), kind: 'switch', out: true, preempted: false },
    { kind: 'call', srv: 1, tid: 7, nr: NR_openat, startNs: 900, endNs: 1200, busyNs: 300, ret: 3, ns: 1200 },
    { ...at(1300), kind: 'switch', out: false, preempted: false },
  ]);
  assert.deepEqual(stacksOf(c), ['? openat handler (vfs) 200', '? openat wake-up 100']);
});

test('samples: functions of mapped files, forks take the mappings over, exec drops them', () => {
  const map: ProfileEvent = { ...at(0), kind: 'map', start: 0x1000, end: 0x2000, offset: 0, ino: 1, path: '/gone/libx.so' };
  const sample = (pid: number): ProfileEvent => ({ kind: 'sample', ns: 1, pid, tid: pid, kernel: pid === 9, pcs: [0x1100, 0x1200] });
  const c = collect([map, sample(7), { ns: 1, kind: 'fork', pid: 9, tid: 9, parent: 7, parentTid: 7 }, sample(9), { ...at(2), kind: 'comm', comm: 'new', exec: true }, sample(7)]);
  assert.deepEqual(stacksOf(c), ['? [libx.so] [libx.so] 1000000', '? [libx.so] [libx.so] [host kernel] 1000000', '? [unknown] [unknown] 1000000']);
  assert.equal(c.programs.get('?')?.kernelNs, 1e6);
});

test('names of functions come from ELF symbol tables', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carrick-symbols-'));
  t.after(() => { rmSync(dir, { recursive: true }); });
  const source = join(dir, 'a.c'), file = join(dir, 'a.so');
  writeFileSync(source, 'int first(int x) { return x * 3; }\nint second(int x) { return first(x) + 1; }\n');
  const built = spawnSync('cc', ['-shared', '-fPIC', '-O0', '-o', file, source], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  const nm = spawnSync('nm', [file], { encoding: 'utf8' }).stdout;
  const address = parseInt(/^([0-9a-f]+) T second$/m.exec(nm)?.[1] ?? '', 16);
  const symbols = new Symbols();
  // Small shared objects are mapped as they lie in the file.
  assert.equal(symbols.at(file, 0, address), 'second');
  assert.equal(symbols.atAddress(file, address + 3), 'second');
  assert.equal(symbols.atAddress(file, address - 1), 'first');
  assert.equal(symbols.at(file, 1, address), undefined, 'another inode is another file');
  assert.equal(symbols.at(source, 0, 0), undefined);
  assert.equal(symbols.at(join(dir, 'none'), 0, 0), undefined);
});

test('formats hold every stack', () => {
  const collector = collect([{ ...at(0), kind: 'map', start: 0x1000, end: 0x2000, offset: 0, ino: 1, path: '/x/</script>' }, { kind: 'sample', ns: 1, pid: 7, tid: 7, kernel: false, pcs: [0x1100] }]);
  const profile = { command: 'a <b>', wallNs: 2e6, collector, workers: [{ name: 'vfs', cpuNs: 1e6, waitNs: 0 }], notes: ['a note'] };
  const text = format(profile, 'text');
  assert.match(text, /^a <b>\nwall time 2\.0 ms, 1\.0 ms/);
  assert.match(text, /note: a note\n/);
  assert.match(text, / {2}vfs +1\.0 +50\.0%/);
  const scope = JSON.parse(format(profile, 'speedscope')) as { shared: { frames: { name: string }[] }; profiles: { samples: number[][]; weights: number[]; endValue: number }[] };
  assert.deepEqual(scope.profiles.map((p) => [p.samples.map((s) => s.map((i) => scope.shared.frames[i]?.name)), p.weights, p.endValue]), [
    [[['?', '[script>]']], [1000000], 1000000], [[['?', '[script>]']], [1000000], 1000000],
  ]);
  const html = format(profile, 'html');
  assert.match(html, /<title>a &lt;b&gt;<\/title>/);
  assert.match(html, /const root = \{"n":"all programs","v":1000000/);
  assert.equal(html.split('</script>').length, 2, 'names cannot end the script');
});

test('a log that is read too late tells what it lost', () => {
  const log = allocCallLog(), head = new Int32Array(log, 0, 1), reader = new CallLogReader(1, log);
  Atomics.store(head, 0, 3);
  let n = 0;
  reader.drain(() => { n++; });
  assert.deepEqual([n, reader.lost], [3, 0]);
  Atomics.store(head, 0, 3 + 40000);
  reader.drain(() => { n++; });
  assert.equal(n + reader.lost, 3 + 40000);
  assert.ok(reader.lost > 0);
});
