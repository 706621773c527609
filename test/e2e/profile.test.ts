/** `carrick profile` finds the function that burns the time and the call that waits. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { carrick, scratchDir } from './harness.js';

const dir = scratchDir('profile'), program = join(dir, 'busy');
writeFileSync(`${program}.c`, `#include <stdio.h>
#include <sys/stat.h>
static volatile unsigned long x;
__attribute__((noinline)) static void burn(void) { for (unsigned long i = 0; i < 300000000; i++) x += i; }
int main(void) {
	struct stat st;
	burn();
	for (int i = 0; i < 500; i++) stat("/etc/../etc/passwd", &st);
	puts("done");
	return 3;
}
`);
const built = spawnSync('cc', ['-O1', '-fno-omit-frame-pointer', '-o', program, `${program}.c`], { encoding: 'utf8' });
assert.equal(built.status, 0, built.stderr);
/** An ordinary user of a strict host gets the servers' side only. */
const sampled = process.getuid?.() === 0 || Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'latin1')) <= 2;

test('text: the hot function, the calls, the workers, and the program\'s own output and status', () => {
  const r = carrick(['profile', '--', program]);
  assert.deepEqual([r.status, r.out], [3, 'done\n'], r.err);
  assert.match(r.err, /^wall time [\d.]+ ms/m);
  assert.match(r.err, /^ {2}execve +kernel|^ {2}(?:newfstatat|openat) +vfs/m);
  assert.match(r.err, /^ {2}vfs +[\d.]+ /m);
  if (sampled) assert.ok(Number(/^ {2}burn +[\d.]+ +([\d.]+)%/m.exec(r.err)?.[1]) > 50, r.err);
  else assert.match(r.err, /note: guests could not be sampled.*perf_event_paranoid/);
});

test('speedscope: weights are nanoseconds, stacks begin with the program', () => {
  const file = join(dir, 'profile.json');
  const r = carrick(['profile', '-f', 'speedscope', '-o', file, 'run', '--rm', 'host', '--', 'sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.2']);
  assert.equal(r.status, 0, r.err);
  const p = JSON.parse(readFileSync(file, 'utf8')) as { shared: { frames: { name: string }[] }; profiles: { name: string; unit: string; samples: number[][]; weights: number[] }[] };
  assert.equal(p.profiles[0]?.unit, 'nanoseconds');
  if (!sampled) return;
  const asleep = p.profiles.find((one) => one.name === 'sleep');
  const stacks = asleep?.samples.map((s) => s.map((i) => p.shared.frames[i]?.name).join(';')) ?? [];
  const slept = asleep?.weights[stacks.indexOf('sleep;[asleep in the host]')] ?? 0;
  assert.ok(slept > 0.19e9 && slept < 2e9, `${slept} ns in ${stacks.join(' ')}`);
});

test('a page needs nothing else', () => {
  const file = join(dir, 'profile.html');
  assert.equal(carrick(['profile', '-f', 'html', '-o', file, '--', 'true']).status, 0);
  const page = readFileSync(file, 'utf8');
  assert.match(page, /^<!doctype html>/);
  assert.doesNotMatch(page, /src=|https?:/);
});

test('what is wrong with the command line is said in a line', () => {
  for (const [args, message] of [
    [['profile'], /no command; for example/], [['profile', '-f', 'svg', '--', 'true'], /--format svg: give one of text, html, speedscope/],
    [['profile', '--hz', '0', '--', 'true'], /--hz 0: give a number from 1/], [['profile', '-o', '/nonexistent/x', '--', 'true'], /cannot write the profile to \/nonexistent\/x/],
  ] as const) {
    const r = carrick(args);
    assert.deepEqual([r.status, r.err.trimEnd().split('\n').length], [125, 1], r.err);
    assert.match(r.err, message);
  }
});
