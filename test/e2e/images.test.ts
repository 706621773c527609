/** Images from every kind of source, run as root and as an ordinary user: contents, configuration, the store, refusals. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf, hexOf } from '../../image/digest.js';
import { makeImage, type MadeImage, tar, type TestEntry } from '../../image/test-kit.js';
import { publicCommand } from '../public.js';
import { CARRICK, type Result, scratchDir, testEnv } from './harness.js';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const skip = BUSYBOX === undefined || spawnSync('sh', ['-c', `ldd ${BUSYBOX}`]).status === 0 ? 'needs Debian\'s busybox-static' : false;
const APPLETS = ['sh', 'cat', 'id', 'ls', 'stat', 'echo', 'pwd', 'env', 'rm', 'readlink', 'hostname'];

function layers(): Buffer[] {
  const file = (name: string, data: string | Buffer, more: Partial<TestEntry> = {}): TestEntry => ({ name, data, ...more });
  const dir = (name: string, more: Partial<TestEntry> = {}): TestEntry => ({ name: `${name}/`, type: '5', mode: 0o755, ...more });
  return [
    tar(dir('.'), dir('bin'), file('bin/busybox', readFileSync(BUSYBOX as string), { mode: 0o755 }), ...APPLETS.map((a): TestEntry => ({ name: `bin/${a}`, type: '1', link: 'bin/busybox' })),
      dir('etc'), file('etc/passwd', 'root:x:0:0::/root:/bin/sh\njoe:x:1000:1001::/home/joe:/bin/sh\n'), file('etc/group', 'root:x:0:\njoe:x:1001:\nextra:x:1002:joe\n'),
      dir('home'), dir('home/joe', { uid: 1000, gid: 1001, mode: 0o700 }), dir('d'), file('d/gone', 'x'), file('d/kept', 'low'), file('d/changed', 'low'), dir('o'), file('o/old', 'x'), dir('tmp', { mode: 0o1777 }),
      file('secret', 'only root', { mode: 0o400, uid: 0 }), file('mine', 'joe\'s', { mode: 0o600, uid: 1000, gid: 1001, mtime: 981173106 }), { name: 'zero', type: '3', major: 1, minor: 5, mode: 0o666 }, { name: 'link', type: '2', link: 'etc/passwd' }),
    tar(file('d/.wh.gone', ''), file('d/changed', 'high'), file('o/.wh..wh..opq', ''), file('o/new', 'n')),
  ];
}

const CONFIG = { Env: ['FOO=bar baz', 'PATH=/bin'], WorkingDir: '/home/joe', User: 'joe', Entrypoint: ['/bin/sh', '-c'], Cmd: ['id -u; id -g; id -G; pwd; echo "$FOO:$HOME"'], StopSignal: 'SIGQUIT' };
const SHOW = 'echo $(ls /d) $(cat /d/kept /d/changed) $(ls /o); stat -c "%n %a %u:%g %h %Y %F" /mine /zero /home/joe /link /bin/sh; readlink /link; cat /mine; cat /secret 2>&1; true';
const SHOWN = 'changed kept lowhigh new\n'
  + '/mine 600 1000:1001 1 981173106 regular file\n/zero 666 0:0 1 1000000 character special file\n/home/joe 700 1000:1001 1 1000000 directory\n/link 777 0:0 1 1000000 symbolic link\n'
  + `/bin/sh 755 0:0 ${APPLETS.length + 1} 1000000 regular file\netc/passwd\njoe'scat: can't open '/secret': Permission denied\n`;

function writeLayout(dir: string, image: MadeImage): void {
  mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
  for (const [digest, bytes] of image.blobs) writeFileSync(join(dir, 'blobs/sha256', hexOf(digest)), bytes);
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf(image.manifest), size: image.manifest.length };
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }] }));
}

function dockerArchive(image: MadeImage, tars: readonly Buffer[]): Buffer {
  const manifest = [{ Config: 'config.json', RepoTags: ['e2e/test:v1'], Layers: tars.map((_, i) => `${i}/layer.tar`) }];
  return tar({ name: 'config.json', data: image.config }, ...tars.map((data, i) => ({ name: `${i}/layer.tar`, data })), { name: 'manifest.json', data: JSON.stringify(manifest) });
}

function serve(image: MadeImage): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const name = request.url?.split('/').pop() ?? '';
    const bytes = name === 'v1' ? image.manifest : [...image.blobs].find(([digest]) => digest === name)?.[1];
    if (bytes === undefined) { response.writeHead(404).end(); return; }
    response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }).end(bytes);
  });
  return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => { resolve({ server, port: (server.address() as AddressInfo).port }); }); });
}

interface As { readonly name: string; readonly uid: number | undefined }
const USERS: readonly As[] = process.getuid?.() === 0 ? [{ name: 'root', uid: undefined }, { name: 'an ordinary user', uid: 65534 }] : [{ name: 'an ordinary user', uid: undefined }];

for (const as of USERS) {
  describe(`images, as ${as.name}`, { skip }, () => {
    let work: string, home: string, image: MadeImage, server: Server, port: number;

    const options = (input?: string | Buffer): object => ({ input, cwd: work, env: testEnv({ HOME: work }, home), ...(as.uid === undefined ? {} : { uid: as.uid, gid: as.uid }) });
    /** Not spawnSync: the registry is in this process. */
    const carrick = (args: readonly string[], input: string | Buffer = ''): Promise<Result> => new Promise((resolve) => {
      const [node, bundle] = as.uid === undefined ? [process.execPath, CARRICK] : publicCommand(CARRICK);
      const child = spawn(node, [bundle, ...args], { ...options(), timeout: 120_000, killSignal: 'SIGKILL', stdio: 'pipe' });
      let out = '', err = '';
      child.stdout.on('data', (b: Buffer) => { out += b.toString(); });
      child.stderr.on('data', (b: Buffer) => { err += b.toString(); });
      child.on('close', (status, signal) => { resolve({ status, signal, out, err }); });
      child.stdin.end(input);
    });
    const ok = async (args: readonly string[], input: string | Buffer = ''): Promise<string> => {
      const r = await carrick(args, input);
      assert.equal(r.status, 0, `carrick ${args.join(' ')}: ${r.err}`);
      return r.out;
    };
    const leftovers = (): string[] => [...readdirSync(join(home, 'layers')), ...readdirSync(join(home, 'blobs/sha256'))].filter((n) => !/^[0-9a-f]{64}$/.test(n));

    before(async () => {
      work = scratchDir('images');
      home = join(work, 'home');
      mkdirSync(home);
      chmodSync(work, 0o755);
      if (as.uid !== undefined) chownSync(home, as.uid, as.uid);
      const tars = layers();
      image = makeImage(tars, gzipSync, CONFIG);
      writeLayout(join(work, 'layout'), image);
      assert.equal(spawnSync('tar', ['-cf', join(work, 'oci.tar'), '-C', join(work, 'layout'), '.']).status, 0);
      writeFileSync(join(work, 'docker.tar'), dockerArchive(image, tars));
      ({ server, port } = await serve(image));
    });
    after(() => { server?.close(); });

    it('run from a layout, an archive of either kind, and a registry', async () => {
      for (const source of ['oci:layout', 'oci:layout:v1', `oci-archive:${work}/oci.tar`, 'docker-archive:docker.tar', 'docker-archive:docker.tar:e2e/test:v1', `127.0.0.1:${port}/e2e/test:v1`]) {
        const r = await carrick(['run', '--rm', source]);
        assert.equal(r.status, 0, `${source}: ${r.err}`);
        assert.equal(r.out, '1000\n1001\n1001 1002\n/home/joe\nbar baz:/home/joe\n', source);
        assert.equal(await ok(['run', '--rm', source, SHOW]).catch((error: unknown) => String(error)), SHOWN, source);
      }
      assert.deepEqual(leftovers(), []);
    });

    it('have their configuration overridden by flags', async () => {
      assert.equal(await ok(['run', '--rm', '-e', 'FOO=new', '-u', '0', '-w', '/d', 'oci:layout', 'id -u; pwd; echo $FOO; cat /secret']), '0\n/d\nnew\nonly root');
      assert.equal(await ok(['run', '--rm', '--entrypoint', '/bin/echo', 'oci:layout', 'hi']), 'hi\n');
      assert.equal(await ok(['run', '--rm', '--entrypoint', '/bin/pwd', 'oci:layout']), '/home/joe\n', 'the image\'s command goes with its entrypoint');
      assert.equal(await ok(['run', '--rm', '--entrypoint', '', 'oci:layout', '/bin/id', '-u']), '1000\n');
    });

    it('are never changed by what runs on them', async () => {
      assert.equal(await ok(['run', '--rm', '-u', 'root', 'oci:layout', 'rm -rf /d /etc /home; echo x > /bin/cat; ls /']), 'bin\ndev\netc\nlink\nmine\no\nproc\nrun\nsecret\nsys\ntmp\nzero\n', 'files of the network are mounted in /etc');
      assert.equal(await ok(['run', '--rm', 'oci:layout', SHOW]), SHOWN);
    });

    it('are pulled, listed, loaded, imported and removed', async () => {
      const name = `127.0.0.1:${port}/e2e/test:v1`;
      assert.match(await ok(['pull', name]), new RegExp(`^${name}\n${digestOf(image.manifest)}\n$`));
      assert.equal(await ok(['load', '-q', '-i', 'docker.tar']), 'loaded e2e/test:v1\n');
      assert.equal(await ok(['load', '-q'], readFileSync(join(work, 'oci.tar'))), 'loaded localhost/loaded:v1\n');
      const rootfs = layers()[0] as Buffer;
      assert.match(await ok(['import', '-q', '-c', 'CMD ["/bin/echo","imported"]', '-c', 'USER joe', '-', 'mine'], rootfs), /^mine:latest\nsha256:/);
      const list = JSON.parse(await ok(['images', '--json'])) as Array<{ repository: string; digest: string; id: string }>;
      assert.deepEqual(list.map((i) => i.repository).sort(), [`127.0.0.1:${port}/e2e/test`, 'e2e/test', 'localhost/loaded', 'mine'].sort());
      assert.equal(list.find((i) => i.repository.startsWith('127'))?.digest, digestOf(image.manifest));
      assert.match(await ok(['images']), /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n/);
      // Two layers, whatever they came from.
      assert.equal(readdirSync(join(home, 'layers')).length, 2);
      assert.equal(await ok(['run', '--rm', 'mine']), 'imported\n');
      assert.equal(await ok(['run', '--rm', digestOf(image.config).slice(7, 19), 'echo by id']), 'by id\n');
      assert.equal((await carrick(['rmi', 'e2e/test:v1', name, 'localhost/loaded:v1', 'mine'])).status, 0);
      assert.equal(await ok(['images', '-q']), '');
      assert.deepEqual([readdirSync(join(home, 'layers')), readdirSync(join(home, 'blobs/sha256'))], [[], []]);
      assert.equal((await carrick(['rmi', 'mine'])).status, 125);
    });

    it('are refused with a line that says why, and leave nothing', async () => {
      const evil = makeImage([tar({ name: '../../evil', data: 'x' })]);
      writeLayout(join(work, 'evil'), evil);
      const r = await carrick(['run', '--rm', 'oci:evil', 'true']);
      assert.equal(r.status, 125);
      assert.match(r.err, /^carrick: bad layer: entry "..\/..\/evil" leads out of the root\n$/);
      const cases: ReadonlyArray<readonly [string, RegExp]> = [
        ['oci:nowhere', /there is no nowhere/], ['oci:layout:v2', /has no image "v2"; it has v1/], ['docker-archive:oci.tar', /no archive of docker save/], ['oci-archive:docker.tar', /no OCI image layout/],
        [`127.0.0.1:${port}/e2e/test:v2`, /there is no image/], ['UPPER', /bad image name/], ['oci-archive:layout/index.json', /no tar archive/],
      ];
      for (const [source, message] of cases) {
        const refused = await carrick(['run', '--rm', source, 'true']);
        assert.equal(refused.status, 125, source);
        assert.match(refused.err, message, source);
        assert.equal(refused.err.split('\n').length, 2, refused.err);
      }
      assert.deepEqual(leftovers(), []);
    });
  });
}
