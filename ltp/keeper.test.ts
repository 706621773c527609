/** What a test can do to its runner: each of these ends with nothing of it left, and with its captures read. */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Side, execute, keeper } from './execute.js';
import { single } from './result.js';
import type { Capture, Program } from './suite.js';

const dir = mkdtempSync(join(tmpdir(), 'carrick-keeper-'));
after(() => { rmSync(dir, { recursive: true, force: true }); });

/** A word that is in the arguments of every process that a script starts, to look for what is left. */
const mark = `keeper-test-${process.pid}`;

function program(script: string, timeoutMs = 20_000): Program {
  return { name: 'test', argv: ['sh', '-c', script, mark], digest: '', timeoutMs, as: ['root', 'user'], subsystem: () => 'other', parse: () => [single('row', 'pass')] };
}

const who = process.getuid?.() === 0 ? 'root' : 'user';
let captures = 0;
const on = (side: Side, script: string, timeoutMs?: number): Promise<Capture> =>
  execute({ program: program(script, timeoutMs), side, as: who, job: 90, mode: 'fast', capture: join(dir, String(captures++)) });

/** Processes with the mark in their command line. */
function left(): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try { return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(mark); } catch (e) {
      if (!(e instanceof Error && 'code' in e)) throw e;
      return false;
    }
  });
}

const sleeper = `sh -c "sleep 1000; :" ${mark}`;

for (const side of ['host', 'carrick'] as const) {
  test(`${side}: output and status`, async () => {
    const c = await on(side, 'echo out; echo err >&2; exit 7');
    assert.deepEqual([c.out, c.err, c.end], ['out\n', 'err\n', { how: 'exit', code: 7 }]);
    assert.deepEqual((await on(side, 'kill -SEGV $$')).end, { how: 'signal', code: 11 });
  });

  test(`${side}: 500 processes, in sessions of their own, with all descriptors closed`, async () => {
    const c = await on(side, `i=0; while [ $i -lt 500 ]; do setsid ${sleeper} >/dev/null 2>&1 & i=$((i+1)); done; echo started; exec >&- 2>&- <&-; exit 0`, 120_000);
    assert.deepEqual([c.out, c.end], ['started\n', { how: 'exit', code: 0 }]);
    assert.deepEqual(left(), []);
  });

  test(`${side}: one that closes every descriptor and goes on`, async () => {
    const c = await on(side, 'echo on; exec python3 -c "import os; os.closerange(0, 1 << 20); os._exit(9)"');
    assert.deepEqual([c.out, c.end], ['on\n', { how: 'exit', code: 9 }]);
  });

  test(`${side}: one that never ends, and whose children ignore signals`, async () => {
    const c = await on(side, `trap "" TERM INT HUP; ${sleeper} & setsid ${sleeper} & echo on; while :; do sleep 1000; done`, 5000);
    assert.deepEqual([c.out, c.end.how], ['on\n', 'timeout']);
    assert.ok(c.ms < 30_000, `${c.ms} ms`);
    assert.deepEqual(left(), []);
  });

  test(`${side}: one that forks on while it is being ended`, async () => {
    const c = await on(side, `f() { while :; do ${sleeper} & setsid ${sleeper} & sleep 0.01; done; }; f & f & f & wait`, 4000);
    assert.equal(c.end.how, 'timeout');
    assert.deepEqual(left(), []);
  });

  test(`${side}: signals to its whole process group`, async () => {
    assert.deepEqual((await on(side, 'kill -TERM 0; sleep 1000')).end, { how: 'signal', code: 15 });
    assert.deepEqual((await on(side, 'kill -KILL 0; sleep 1000')).end, { how: 'signal', code: 9 });
  });

  test(`${side}: a full scratch directory`, { skip: side === 'host' && who !== 'root' && 'needs root: a file system of its own' }, async () => {
    const c = await on(side, 'head -c 2000000000 /dev/zero > "$TMPDIR/big"; echo "status $?"; (echo more > "$TMPDIR/other") 2>/dev/null || echo full', 120_000);
    assert.deepEqual([c.out, c.end], ['status 1\nfull\n', { how: 'exit', code: 0 }]);
    assert.equal((await on(side, 'ls -A "$TMPDIR"')).out, '');
  });
}

test('directories without permissions are gone for the next program', async () => {
  await on('host', 'mkdir -p "$TMPDIR/a/b"; touch "$TMPDIR/a/b/c"; chmod 0 "$TMPDIR/a/b" "$TMPDIR/a"');
  assert.equal((await on('host', 'ls -A "$TMPDIR"')).out, '');
});

test('a runner that is killed takes everything with it', async () => {
  const script = `const { spawn } = require('child_process'); spawn(process.argv[1], ['-t', '100000', '--', 'sh', '-c', 'setsid ${sleeper} & wait', '${mark}'], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], detached: true }); setInterval(() => 0, 1000);`;
  const runner = spawn(process.execPath, ['-e', script, keeper()], { stdio: 'ignore' });
  const until = async (holds: () => boolean): Promise<boolean> => {
    for (let i = 0; i < 500 && !holds(); i++) await new Promise((r) => { setTimeout(r, 20); });
    return holds();
  };
  assert.ok(await until(() => left().length >= 3), 'started');
  runner.kill('SIGKILL');
  assert.ok(await until(() => left().length === 0), `left: ${left().join(' ')}`);
});

test('carrick that is killed in the middle is a lost run, and the next one works', async () => {
  const run = (script: string): Promise<Capture> => execute({ program: program(script, 30_000), side: 'carrick', as: who, job: 91, mode: 'fast', capture: join(dir, String(captures++)) });
  const dying = run('echo begun; sleep 1000');
  const carricks = (): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return line.startsWith(process.execPath) && line.includes('carrick.mjs') && line.includes(mark);
    } catch (e) {
      if (!(e instanceof Error && 'code' in e)) throw e;
      return false;
    }
  });
  for (let i = 0; i < 500 && carricks().length === 0; i++) await new Promise((r) => { setTimeout(r, 20); });
  for (const pid of carricks()) process.kill(pid, 'SIGKILL');
  assert.equal((await dying).end.how, 'lost');
  assert.deepEqual(left(), []);
  const c = await run('echo fine; exit 3');
  assert.deepEqual([c.out, c.end], ['fine\n', { how: 'exit', code: 3 }]);
});
