/** Locks on files of a host directory: between containers, and between a container and the host. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { carrick, CARRICK, eventually, Footprint, scratchDir } from './harness.js';

/** Takes locks as asked, says so, and holds them until `go` is there. Words: what to hold. */
const HOLD = `
import fcntl, os, sys, time
f = open('d/file', 'r+')
if sys.argv[1] == 'flock': fcntl.flock(f, fcntl.LOCK_EX)
else:
    fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
    fcntl.lockf(f, fcntl.LOCK_SH, 10, 20)
    # What a second descriptor's close gives up natively, and what one process has twice.
    if sys.argv[1] == 'twice':
        g = open('d/file', 'r+')
        fcntl.lockf(g, fcntl.LOCK_EX, 10, 5)
        fcntl.lockf(g, fcntl.LOCK_UN, 5, 0)
open('d/held', 'w').close()
while not os.path.exists('d/go'): time.sleep(0.01)
`;

/** What others may lock meanwhile: one line for each try. */
const TRY = `
import fcntl, struct
f = open('d/file', 'r+')
def attempt(name, act):
    try: act(); print(name, 'yes')
    except BlockingIOError: print(name, 'no')
attempt('flock shared', lambda: fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB))
fcntl.flock(f, fcntl.LOCK_UN)
for kind, name in ((fcntl.LOCK_SH, 'read'), (fcntl.LOCK_EX, 'write')):
    for start in (0, 5, 10, 15, 20, 29, 30):
        attempt('%s %d' % (name, start), lambda: fcntl.lockf(f, kind | fcntl.LOCK_NB, 1, start))
        fcntl.lockf(f, fcntl.LOCK_UN, 0, 0)
found = struct.unpack('hhqqi', fcntl.fcntl(f, fcntl.F_GETLK, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0)))
print('first', found[0], found[2:4] if found[0] != fcntl.F_UNLCK else '')
`;

/** Waits for a lock that is held, then says that it has it. */
const WAIT = `
import fcntl, sys
f = open('d/file', 'r+')
open('d/waits', 'w').close()
if sys.argv[1] == 'flock': fcntl.flock(f, fcntl.LOCK_EX)
else: fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)
print('got it')
`;

describe('locks on files of a volume', () => {
  const footprint = new Footprint();
  const children: ChildProcess[] = [];
  after(() => { for (const c of children) c.kill('SIGKILL'); });

  /** A directory with a file and the programs, to be used as `d` of the working directory. */
  function place(): string {
    const at = scratchDir('locks');
    chmodSync(at, 0o755);
    for (const [name, text] of [['hold', HOLD], ['try', TRY], ['wait', WAIT], ['file', 'x'.repeat(100)]] as const) writeFileSync(join(at, name), text);
    spawnSync('ln', ['-s', '.', join(at, 'd')]);
    return at;
  }
  const argv = (at: string, where: 'host' | 'container', ...words: string[]): string[] => where === 'host' ? ['python3', ...words]
    : [process.execPath, CARRICK, 'run', '--rm', '-v', `${at}:${at}`, '-w', at, 'host', '--', 'python3', ...words];
  const start = (at: string, where: 'host' | 'container', ...words: string[]): ChildProcess => {
    const [file, ...args] = argv(at, where, ...words) as [string, ...string[]];
    const c = spawn(file, args, { cwd: at, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CARRICK_HOME: footprint.home, ...footprint.options.env } });
    children.push(c);
    return c;
  };
  const look = (at: string, where: 'host' | 'container'): string => {
    if (where === 'host') return spawnSync('python3', ['try'], { cwd: at, encoding: 'utf8' }).stdout;
    return carrick(['run', '--rm', '-v', `${at}:${at}`, '-w', at, 'host', '--', 'python3', 'try'], footprint.options).out;
  };
  const said = async (c: ChildProcess): Promise<string> => {
    let out = '';
    c.stdout?.setEncoding('utf8').on('data', (text: string) => { out += text; });
    await new Promise((done) => { c.once('close', done); });
    return out;
  };

  for (const how of ['flock', 'record', 'twice']) {
    it(`${how}: who tries finds them, inside and outside, and who waits gets them`, async () => {
      const native = place(), inside = place();
      const seen = new Map<string, string>();
      for (const [at, holder] of [[native, 'host'], [inside, 'container']] as const) {
        const c = start(at, holder, 'hold', how), end = said(c);
        assert.ok(eventually(() => existsSync(join(at, 'held'))), `${holder} holds`);
        if (holder === 'host') { seen.set('native', look(at, 'host')); seen.set('a container', look(at, 'container')); }
        else { seen.set('the host', look(at, 'host')); seen.set('another container', look(at, 'container')); }
        const waiter = start(at, holder === 'host' ? 'container' : 'host', 'wait', how), got = said(waiter);
        const other = start(at, 'container', 'wait', how), gotToo = said(other);
        assert.ok(eventually(() => existsSync(join(at, 'waits'))));
        assert.equal(waiter.exitCode, null, 'it waits');
        writeFileSync(join(at, 'go'), '');
        await end;
        assert.deepEqual(await Promise.all([got, gotToo]), ['got it\n', 'got it\n']);
      }
      for (const [who, text] of seen) assert.equal(text, seen.get('native'), who);
      assert.match(seen.get('native') as string, how === 'flock' ? /^flock shared no\n/ : /^flock shared yes\nread 0 (no|yes)\n/);
    });
  }

  it('lie on a file whose mode keeps its owner out', () => {
    const at = place(), program = 'import fcntl, os; f = os.open("new", os.O_CREAT | os.O_RDWR, 0o400); fcntl.lockf(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_UN); g = os.open("new", os.O_RDWR); fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB) if os.fork() == 0 else os.wait(); print("both")';
    chmodSync(at, 0o777);
    for (const { options } of process.getuid?.() === 0 ? [footprint, new Footprint(true)] : [footprint]) {
      const r = carrick(['run', '--rm', '-v', `${at}:${at}`, '-w', at, 'host', '--', 'python3', '-c', program], options);
      assert.deepEqual([r.out, r.err], ['both\nboth\n', ''], 'what was given up is free');
      rmSync(join(at, 'new'));
    }
  });

  it('go with the container that held them', async () => {
    const at = place(), c = start(at, 'container', 'hold', 'record'), end = said(c);
    assert.ok(eventually(() => existsSync(join(at, 'held'))));
    assert.match(look(at, 'host'), /^write 5 no$/m);
    c.kill('SIGKILL');
    await end;
    assert.ok(eventually(() => /^write 5 yes$/m.test(look(at, 'host'))));
    // It could not tidy up after itself; the next one does.
    assert.match(look(at, 'container'), /^write 5 yes$/m);
  });

  it('leave nothing', () => { assert.deepEqual(footprint.left(), []); });
});
