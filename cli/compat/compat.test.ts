/** The parts of compat-report that need no guest: judging, merging, printing, scanning. */
import { strict as assert } from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { NR_ioctl, NR_openat, NR_read, NR_setsockopt, NR_socket } from '../../shared/gen/syscalls.js';
import type { Refusal } from '../../shared/report.js';
import { numberAt, scanElf } from './elf-scan.js';
import { SERVED_IOCTLS, judge } from './refusals.js';
import { formatReport, makeReport } from './report.js';

const refusal = (kind: Refusal['kind'], nr: number, detail: string, errno: number): Refusal => ({ program: 1, kind, nr, detail, errno, count: 1 });

function sources(dir: string): string {
  return readdirSync(dir, { withFileTypes: true }).map((e) => e.isDirectory() ? sources(`${dir}/${e.name}`) : e.name.endsWith('.ts') && !e.name.endsWith('.test.ts') ? readFileSync(`${dir}/${e.name}`, 'utf8') : '').join('\n');
}

test('every ioctl that counts as served is in a server', () => {
  const text = sources('servers').toLowerCase();
  for (const request of SERVED_IOCTLS) assert.ok(text.includes(`0x${request.toString(16)}`), `0x${request.toString(16)}`);
});

test('what is missing and what Linux refuses as well', () => {
  const onHost = (path: string): boolean => path === '/proc/sys/kernel/there';
  assert.equal(judge(refusal('call', 425, '', 38), onHost)?.verdict, 'missing');
  assert.equal(judge(refusal('ioctl', NR_ioctl, String(0x5401), 25), onHost), undefined);
  assert.deepEqual(judge(refusal('ioctl', NR_ioctl, String(0x12345678), 25), onHost)?.what, 'ioctl 0x12345678');
  assert.equal(judge(refusal('path', NR_openat, '/proc/sys/kernel/there', 2), onHost)?.verdict, 'missing');
  assert.equal(judge(refusal('path', NR_openat, '/proc/sys/kernel/nowhere', 2), onHost), undefined);
  assert.deepEqual(judge(refusal('sockopt', NR_setsockopt, '1 77', 92), onHost)?.what, 'setsockopt SOL_SOCKET option 77');
});

test('parts of several workers become one report', () => {
  const report = makeReport(['cmd'], 3, [
    { calls: [[1, NR_read, 2, 1, 1e6]], refusals: [], programs: ['/bin/a', '/bin/b'] },
    { calls: [[1, NR_read, 3, 0, 1e6], [2, NR_socket, 1, 0, 0]], refusals: [{ program: 2, kind: 'call', nr: 425, detail: '', errno: 38, count: 4 }], programs: [] },
  ]);
  assert.deepEqual(report.programs.map((p) => [p.program, p.calls.map((c) => [c.name, c.calls, c.errors, c.ms])]), [['/bin/a', [['read', 5, 1, 2]]], ['/bin/b', [['socket', 1, 0, 0]]]]);
  assert.deepEqual(report.programs[1]?.missed, [{ verdict: 'missing', what: 'io_uring_setup', errno: 'ENOSYS', count: 4 }]);
  assert.equal(report.verdict, '1 missing: 6 calls of 2 kinds by 2 programs, exit 3');
  assert.match(formatReport(report, 'text'), /^\/bin\/b\n[^]*missing: io_uring_setup \(ENOSYS, 4 times\)[^]*verdict: 1 missing/m);
  assert.deepEqual(JSON.parse(formatReport(report, 'json')), report);
  assert.match(formatReport({ ...report, command: ['<b>'] }, 'html'), /<h1>&lt;b&gt;<\/h1>/);
});

test('the constant before a syscall instruction', () => {
  const at = (...bytes: number[]): number | undefined => numberAt(Buffer.from([...bytes, 0x0f, 0x05]), 0, bytes.length);
  assert.equal(at(0xb8, 60, 0, 0, 0), 60);
  assert.equal(at(0x48, 0xc7, 0xc0, 1, 1, 0, 0), 257);
  assert.equal(at(0x31, 0xc0), 0);
  assert.equal(at(0xba, 231, 0, 0, 0, 0x90, 0x89, 0xd0), 231);
  assert.equal(at(0x41, 0xb8, 231, 0, 0, 0, 0x44, 0x89, 0xc0), 231);
  assert.equal(at(0x6a, 39, 0x58, 0x90, 0x90), 39);
  assert.equal(at(0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0x90), undefined);
  assert.equal(at(0x89, 0xf8), undefined);
});

test('files that cannot be scanned', () => {
  assert.equal(scanElf(Buffer.from('#!/bin/sh\n')), 'no ELF file');
  const arm = Buffer.alloc(64);
  arm.writeUInt32BE(0x7f454c46, 0);
  arm[4] = 2; arm[5] = 1;
  arm.writeUInt16LE(183, 18);
  assert.equal(scanElf(arm), 'not for x86-64');
});
