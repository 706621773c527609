/** A container without --rm whose carrick is killed: what its program had fsynced is there when it is started again. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { carrick, CARRICK, eventually, Footprint, type Result, scratchDir, testEnv } from './harness.js';

const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'needs python3';

/**
 * The way dpkg, sqlite and editors do it: written beside, synced, renamed, the directory synced; only then the number is told. A later start says what it finds: every file
 * whole, and how far the last told one is.
 */
const PROGRAM = `
import os, sys
if os.path.isdir('/data'):
    found = []
    for name in os.listdir('/data'):
        text = open('/data/' + name).read()
        number = text.split()[0] if text else ''
        # The draft was not synced when it happened.
        if name != 'draft' and text != (number + ' ') * 100: sys.exit('torn ' + name + ': ' + text[:50])
        if name != 'draft': found.append((int(number), os.stat('/data/' + name).st_mode & 0o777))
    found.sort()
    if [n for n, _ in found] != list(range(found[0][0], found[0][0] + len(found))): sys.exit('lost one of ' + str(found))
    if any(mode != 0o600 + n % 8 for n, mode in found): sys.exit('modes ' + str(found))
    print(found[-1][0])
    sys.exit(0)
os.mkdir('/data')
directory = os.open('/data', os.O_DIRECTORY)
i = 0
while True:
    fd = os.open('/data/draft', os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    os.write(fd, (str(i) + ' ').encode() * 100)
    os.fchmod(fd, 0o600 + i % 8)
    os.fsync(fd)
    os.close(fd)
    os.rename('/data/draft', '/data/file%d' % (i % 7))
    os.fsync(directory)
    os.write(1, b'%d\\n' % i)
    i += 1
`;

describe('a kept container', { skip }, () => {
  it('loses nothing that was fsynced when its carrick is killed', async () => {
    const f = new Footprint(), program = join(scratchDir('kept'), 'program.py');
    writeFileSync(program, PROGRAM);
    for (let round = 0; round < 4; round++) {
      const name = `round${round}`;
      const child = spawn(process.execPath, [CARRICK, 'run', '--name', name, '-v', `${program}:/program.py:ro`, 'host', '--', 'python3', '/program.py'], { stdio: ['ignore', 'pipe', 'inherit'], env: testEnv({ TMPDIR: f.tmp }, f.home) });
      let told = '';
      // Killed when it has told so many, wherever it is then.
      child.stdout.on('data', (chunk: Buffer) => { told += chunk.toString(); if (told.split('\n').length > 20 + 37 * round) child.kill('SIGKILL'); });
      await once(child, 'close');
      const last = Number(told.split('\n').at(-2));
      assert.ok(last >= 19, told);
      const again = carrick(['start', '-a', name], f.options);
      assert.equal(again.status, 0, again.err);
      assert.ok(Number(again.out) >= last, `${last} was told, ${again.out.trim()} is there`);
      assert.equal(carrick(['rm', name], f.options).status, 0);
    }
    assert.deepEqual(f.left(), []);
  });

  it('is started again, here and in the background, by one at a time', () => {
    const f = new Footprint();
    const run = (...args: string[]): Result => carrick(args, f.options);
    const script = 'echo x >>/count; echo "run $(wc -l </count)"; [ "$(wc -l </count)" -lt 4 ] || exec sleep 1000';
    assert.deepEqual([run('run', '--name', 'again', 'host', '--', 'sh', '-c', script).out, run('start', '-a', 'again').out], ['run 1\n', 'run 2\n']);
    assert.equal(run('start', 'again').out, 'again\n');
    assert.equal(run('wait', 'again').out, '0\n');
    assert.equal(run('logs', 'again').out, 'run 3\n');
    assert.equal(run('start', 'again').status, 0);
    const twice = run('start', 'again');
    assert.deepEqual([twice.status, twice.out, twice.err], [0, 'again\n', ''], 'what runs is left alone');
    assert.ok(eventually(() => run('logs', 'again').out === 'run 3\nrun 4\n'));
    assert.equal(run('kill', 'again').status, 0);
    assert.match(run('ps', '-a').out, /Exited \(137\)/);
    const [id = ''] = readdirSync(join(f.home, 'containers'));
    assert.ok(!existsSync(join(f.home, 'containers', id, 'upper/journal')), 'it ended by itself: the index says it all');
    assert.equal(run('rm', 'again').status, 0);
    assert.deepEqual(f.left(), []);
  });

  it('is nothing to start with --rm, or when it wrote nothing', () => {
    const f = new Footprint();
    carrick(['run', '--rm', '--name', 'gone', 'host', '--', 'touch', '/file'], f.options);
    carrick(['run', '--name', 'empty', 'host', '--', 'true'], f.options);
    for (const name of ['gone', 'empty']) assert.match(carrick(['start', name], f.options).err, new RegExp(`^carrick: no container ${name}; `));
    assert.deepEqual(f.left(), []);
  });
});
