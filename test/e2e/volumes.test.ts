/** Named volumes: filled from the root at their first use, shared, kept until they are removed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tar, type TestEntry } from '../../image/test-kit.js';
import { carrick, eventually, Footprint, listing, type Result, scratchDir } from './harness.js';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const skip = BUSYBOX === undefined || spawnSync('sh', ['-c', `ldd ${BUSYBOX}`]).status === 0 ? 'needs Debian\'s busybox-static' : false;
const amRoot = process.getuid?.() === 0;
const IMAGE = 'localhost/volumes';
const SHOW = 'cd /data; ls; cat sub/file; stat -c "%a %h %Y" sub/file twin sub .; readlink link; stat -c %F pipe';
const SHOWN = 'link\npipe\nsub\ntwin\nfirst\n640 2 1000000\n640 2 1000000\n750 2 1000000\n1755 3 1000000\nsub/file\nfifo\n';

function imageTar(): string {
  const path = join(scratchDir('volumes'), 'image.tar');
  const dir = (name: string, mode: number): TestEntry => ({ name: `${name}/`, type: '5', mode });
  writeFileSync(path, tar(dir('.', 0o755), dir('bin', 0o755), { name: 'bin/busybox', data: readFileSync(BUSYBOX as string), mode: 0o755 },
    ...['sh', 'cat', 'ls', 'stat', 'echo', 'readlink', 'sleep', 'rm', 'touch'].map((a): TestEntry => ({ name: `bin/${a}`, type: '1', link: 'bin/busybox' })),
    dir('data', 0o1755), dir('data/sub', 0o750), { name: 'data/sub/file', data: 'first\n', mode: 0o640, uid: 12, gid: 34 }, { name: 'data/twin', type: '1', link: 'data/sub/file' },
    { name: 'data/link', type: '2', link: 'sub/file' }, { name: 'data/pipe', type: '6', mode: 0o600 }));
  chmodSync(path, 0o644);
  chmodSync(join(path, '..'), 0o755);
  return path;
}

for (const ordinary of amRoot ? [false, true] : [false]) {
  describe(ordinary ? 'volumes of an ordinary user' : 'volumes of the caller', { skip }, () => {
    const footprint = new Footprint(ordinary);
    const run = (...args: string[]): Result => carrick(args, footprint.options);
    const ok = (...args: string[]): string => { const r = run(...args); assert.deepEqual([r.status, r.err], [0, ''], args.join(' ')); return r.out; };
    const refused = (message: RegExp, ...args: string[]): void => { const r = run(...args); assert.deepEqual([r.status, r.out], [125, ''], args.join(' ')); assert.match(r.err, message); assert.match(r.err, /^carrick: [^\n]+\n$/); };
    before(() => { ok('import', '-q', imageTar(), IMAGE); });
    after(() => { run('rmi', IMAGE); });

    it('get what the image has, once', () => {
      assert.equal(ok('run', '--rm', '-v', 'filled:/data', IMAGE, 'sh', '-c', SHOW), SHOWN);
      const data = join(footprint.home, 'volumes/filled/_data'), { uid, gid } = statSync(join(data, 'sub/file'));
      // Owners can be given by root only.
      if (amRoot && !ordinary) assert.deepEqual([uid, gid], [12, 34]);
      else assert.equal(uid, statSync(data).uid);
      assert.equal(ok('run', '--rm', '-v', 'filled:/elsewhere', IMAGE, 'sh', '-c', 'echo second >/elsewhere/sub/file; rm /elsewhere/link'), '');
      assert.equal(ok('run', '--rm', '-v', 'filled:/data:ro', IMAGE, 'sh', '-c', 'ls /data; cat /data/twin; touch /data/x 2>/dev/null || echo "read only"'), 'pipe\nsub\ntwin\nsecond\nread only\n');
      assert.equal(readFileSync(join(data, 'sub/file'), 'utf8'), 'second\n');
      assert.equal(ok('run', '--rm', '-v', 'filled:/data', IMAGE, 'sh', '-c', 'rm -r /data/sub /data/twin /data/pipe; ls -a /data'), '.\n..\n');
      assert.equal(ok('run', '--rm', '--mount', 'type=volume,src=filled,dst=/data,volume-nocopy', IMAGE, 'ls', '/data'), '');
      assert.equal(ok('run', '--rm', '--mount', 'source=filled,target=/data', IMAGE, 'cat', '/data/link'), 'first\n', 'an empty one is filled');
      assert.equal(ok('run', '--rm', '-v', 'other:/data:nocopy', IMAGE, 'ls', '/data'), '');
      // The root is the host's.
      assert.equal(ok('run', '--rm', '-v', 'zones:/usr/share/zoneinfo/Etc', 'host', '--', 'sh', '-c', 'cmp /usr/share/zoneinfo/Etc/UTC /usr/share/zoneinfo/UTC && echo same'), 'same\n');
      assert.equal(ok('volume', 'rm', 'filled', 'other', 'zones'), 'filled\nother\nzones\n');
      assert.deepEqual(listing(join(footprint.home, 'volumes')), []);
    });

    it('hold programs that can say where they lie', () => {
      // Asked about by others, and by the program itself, which was told when it began.
      const script = 'cp /bin/busybox /data/moving; ln -s moving /data/sh; cd /data; cat >ask <<"E"\nexe() { /bin/readlink /proc/$$/exe; }\n'
        + 'exe; /bin/mv moving moved; exe; /bin/mkdir d; /bin/mv moved d; exe; /bin/mv d e; exe; /bin/rm e/moved; exe\nE\n./sh ask';
      assert.equal(ok('run', '--rm', '-v', 'programs:/data', 'host', '--', 'bash', '-c', script), '/data/moving\n/data/moved\n/data/d/moved\n/data/e/moved\n/data/e/moved (deleted)\n');
      const own = 'import os\nfor step in ("true", "mv python moved", "mkdir d; mv moved d", "mv d e", "rm e/moved"):\n  os.system(step)\n  print(os.readlink("/proc/self/exe"))';
      assert.equal(ok('run', '--rm', '-v', 'programs:/data', 'host', '--', 'bash', '-c', `rm -rf /data/e; cp $(readlink -f $(command -v python3)) /data/python; cd /data; PYTHONHOME=/usr ./python -c '${own}'`),
        '/data/python\n/data/moved\n/data/d/moved\n/data/e/moved\n/data/e/moved (deleted)\n');
      ok('volume', 'rm', 'programs');
    });

    it('are made, listed, looked at, and removed when no container needs them', () => {
      assert.deepEqual([ok('volume', 'create', 'one'), ok('volume', 'create', '--label', 'who=me', 'two'), ok('volume', 'create', 'one')], ['one\n', 'two\n', 'one\n']);
      const name = ok('volume', 'create').trim();
      assert.match(name, /^[0-9a-f]{64}$/);
      assert.equal(ok('volume', 'rm', name), `${name}\n`);
      assert.equal(ok('volume', 'ls'), 'DRIVER   VOLUME NAME\nlocal    one\nlocal    two\n');
      assert.equal(ok('volume', 'ls', '-q', '-f', 'label=who=me'), 'two\n');
      assert.equal(ok('volume', 'ls', '--format', '{{.Name}} {{index .Labels "who"}}', '-f', 'name=tw'), 'two me\n');
      assert.equal(ok('volume', 'inspect', '-f', '{{.Mountpoint}} {{.Driver}}', 'two'), `${join(footprint.home, 'volumes/two/_data')} local\n`);
      assert.equal((JSON.parse(ok('volume', 'inspect', 'one', 'two')) as unknown[]).length, 2);

      assert.equal(run('run', '--name', 'kept', '-v', 'one:/data', IMAGE, 'sh', '-c', 'echo a >/mine; [ -e /data/b ] && cat /data/b; echo b >/data/b').status, 0);
      assert.equal(ok('inspect', '-f', '{{json .Mounts}}', 'kept'), `[{"Type":"volume","Name":"one","Source":"${join(footprint.home, 'volumes/one/_data')}","Destination":"/data","RW":true}]\n`);
      refused(/volume one is used by container kept; remove that first: carrick rm kept/, 'volume', 'rm', 'one');
      refused(/removes the 1 volumes that no container uses.*-f/, 'volume', 'prune');
      assert.equal(ok('volume', 'ls', '-q', '-f', 'dangling=true'), 'two\n');
      assert.equal(ok('volume', 'prune', '-f'), 'two\nremoved 1 volumes\n');
      assert.equal(ok('start', '-a', 'kept'), 'b\n', 'what is started again has its volume');
      assert.equal(ok('rm', 'kept'), 'kept\n');
      assert.equal(ok('volume', 'rm', 'one'), 'one\n');

      refused(/no volume one; see carrick volume ls/, 'volume', 'rm', 'one');
      assert.equal(ok('volume', 'rm', '-f', 'one'), 'one\n');
      refused(/no volume \.\.; /, 'volume', 'inspect', '-f', '{{.Name}}', '..');
      refused(/bad volume name "\.\.\/x"/, 'volume', 'create', '../x');
      // A path, of the working directory, which an ordinary user may not be allowed to look at.
      refused(/no such file|permission denied/, 'run', '--rm', '-v', '.x:/a', IMAGE, 'ls');
      refused(/bad --filter "size=1"/, 'volume', 'ls', '-f', 'size=1');
    });

    it('may be written to by several containers at a time', () => {
      for (const name of ['a', 'b']) assert.match(ok('run', '-d', '--name', name, '-v', 'shared:/data', IMAGE, 'sh', '-c', `echo ${name} >>/data/log; while :; do sleep 1; done`), /^[0-9a-f]+\n$/);
      assert.ok(eventually(() => run('exec', 'a', 'cat', '/data/log').out.length === 4));
      assert.equal(run('exec', 'b', 'cat', '/data/log').out.split('\n').sort().join(''), 'ab');
      refused(/used by container a/, 'volume', 'rm', 'shared');
      assert.equal(ok('rm', '-f', 'a', 'b'), 'a\nb\n');
      assert.equal(ok('volume', 'prune', '-f'), 'shared\nremoved 1 volumes\n');
    });

    it('leave nothing', () => { assert.deepEqual([footprint.left(), listing(join(footprint.home, 'volumes'))], [[], []]); });
  });
}
