/** Images against a real registry, made by others' tools: what is in them, how they get here, what is refused, what a crash leaves. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, copyFileSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { tar, type TestEntry } from '../../image/test-kit.js';
import { ORDINARY_UID } from '../public.js';
import { debianTar, noDebian } from './debian.js';
import { runPage } from './doc-commands.js';
import { carrick, carrickCommand, eventually, Footprint, listing, pause, type Result, type RunOptions, scratchDir, testEnv } from './harness.js';
import { DESCRIBE, inspect, noRegistry, RegistryServer, run, umociImage } from './registry-kit.js';

const IS_ROOT = process.geteuid?.() === 0;
const skip = noRegistry !== false ? noRegistry : noDebian !== false ? noDebian : IS_ROOT ? false : 'the images are made by root';

/** Everything that an extraction can lose. Below /srv, since a container has a /dev of its own. */
const ODDITIES = `cd srv
mknod null c 1 3; mknod disk b 8 1; mkfifo fifo; chmod 640 disk
echo linked >one; ln one two; mkdir deep; ln one deep/three; ln -s ../nowhere dangling
echo secret >secret; chmod 0 secret; echo su >su; chown 1234:5678 su; chmod 6755 su; mkdir -m 1777 sticky; mkdir -m 0 closed; echo x >closed/in
python3 - <<'PY'
import os
os.setxattr('one', 'user.note', b'bytes \\x00\\xff')
os.setxattr('su', 'security.capability', bytes.fromhex('0100000202040000000000000000000000000000'))
open(b'name \\xff\\xfe', 'w').write('no UTF-8')
open('n' * 200, 'w').write('long')
open('sparse', 'w').truncate(5000000)
os.utime('one', ns=(0, 981173106 * 10**9))
PY
mkdir replaced gone; touch replaced/old gone/away
# umoci writes whole seconds.
cd ..; find srv -depth ! -newermt 2020-01-01 -o -exec touch -hd @1700000000 {} +; touch -d @1700000000 .`;
const CHANGES = 'cd srv; rm -r gone replaced; mkdir replaced; touch replaced/new; rm dangling; chmod 600 secret; echo joe:x:4242:4243::/home/joe:/bin/sh >>../etc/passwd; touch -d @1700000001 . replaced replaced/new ../etc/passwd ..';
const CONFIG = ['--config.user', 'joe', '--config.workingdir', '/made/here', '--config.env', 'GREETING=hello world', '--config.stopsignal', 'SIGQUIT', '--config.entrypoint', '/bin/sh', '--config.entrypoint', '-c', '--config.cmd', 'id -u; pwd; echo "$GREETING"'];
const CONFIG_OUT = '4242\n/made/here\nhello world\n';
const BUSYBOX = 'mkdir bin; cp "$(command -v busybox)" bin/busybox; for a in sh cat echo sleep ls; do ln bin/busybox bin/$a; done';
/** What carrick mounts something on or writes for every container, and so is not the image's; and the time of the directory it writes to. */
const OWN = ['./dev', './proc', './sys', './tmp', './run', './made', './etc/hostname', './etc/hosts', './etc/resolv.conf'];
const ETC = /^etc /;

interface As { readonly name: string; readonly ordinary: boolean }

if (skip !== false) describe('images against a registry', { skip }, () => { it('is not possible here', () => undefined); });
else for (const as of [{ name: 'root', ordinary: false }, { name: 'an ordinary user', ordinary: true }] satisfies As[]) {
  describe(`images against a registry, as ${as.name}`, () => {
    let registry: RegistryServer, closed: RegistryServer, layout: string, rootfs: string, f: Footprint, o: RunOptions, ref: string;

    const ok = (...args: string[]): string => {
      const r = carrick(args, o);
      assert.equal(r.status, 0, `carrick ${args.join(' ')}: ${r.err}`);
      return r.out;
    };
    const refused = (message: RegExp, ...args: string[]): void => {
      const r = carrick(args, o);
      assert.equal(r.status, 125, args.join(' '));
      assert.match(r.err, message);
    };
    /** A carrick that is still there when this returns. */
    const start = (...args: string[]): ReturnType<typeof spawn> => {
      const [command = '', ...first] = carrickCommand(as.ordinary);
      return spawn(command, [...first, ...args], { stdio: 'ignore', env: testEnv(o.env, o.home) });
    };
    const partials = (): string[] => listing(join(f.home, 'blobs/sha256')).filter((name) => !/^[0-9a-f]{64}$/.test(name));
    const layers = (): string[] => listing(join(f.home, 'layers'));
    /** Nothing of an image is here, whole or not. */
    const isEmpty = (): void => {
      carrick(['prune'], o);
      assert.deepEqual([layers(), listing(join(f.home, 'refs')), partials()], [[], [], []]);
    };
    const forget = (): void => { for (const id of ok('images', '-q').split('\n').filter((line) => line !== '')) ok('rmi', id); isEmpty(); };

    before(async () => {
      [registry, closed] = [await RegistryServer.start(), await RegistryServer.start(true)];
      layout = join(scratchDir('layout'), 'oci');
      ({ rootfs } = umociImage(layout, 'debian', [`tar -xf '${debianTar()}'`, ODDITIES, CHANGES], CONFIG));
      // 64 MB that do not compress.
      umociImage(layout, 'big', ['mkdir bin; head -c 64000000 /dev/urandom >big']);
      umociImage(layout, 'small', [BUSYBOX, 'echo small >file']);
      umociImage(layout, 'other', [BUSYBOX, `echo other >file; echo ${as.name} >name`]);
      for (const name of ['debian', 'big', 'small']) registry.take(`oci:${layout}:${name}`, `test/${name}:v1`);
      closed.take(`oci:${layout}:small`, 'test/small:v1', '--dest-creds=test:secret');
      f = new Footprint(as.ordinary);
      o = { ...f.options, timeoutMs: 300_000 };
      ref = registry.ref('test/small:v1');
    });
    after(() => { registry?.stop(); closed?.stop(); });

    it('lose nothing: digest, owners, modes, times, devices, attributes, links, whiteouts', () => {
      const name = registry.ref('test/debian:v1');
      assert.equal(ok('pull', '-q', name), `${name}\n`);
      const list = JSON.parse(ok('images', '--json')) as Array<{ digest: string; id: string }>;
      const there = inspect(`docker://${name}`);
      assert.deepEqual([list[0]?.digest, list[0]?.id], [there.digest, there.manifest.config.digest]);
      const words = ['--one-file-system', '--numeric-owner', '--format=pax', '--xattrs', '--xattrs-include=*', ...OWN.map((dir) => `--exclude=${dir}`)];
      const out = join(f.home, 'out.tar'), fd = openSync(out, 'w'), [command = '', ...first] = carrickCommand(as.ordinary);
      const r = spawnSync(command, [...first, 'run', '--rm', '-u', '0', '-w', '/', '--entrypoint', 'tar', name, '-C', '/', ...words, '-c', '.'], { stdio: ['ignore', fd, 'pipe'], encoding: 'utf8', env: testEnv(o.env, o.home) });
      closeSync(fd);
      assert.equal(r.status, 0, r.stderr);
      const original = spawnSync('tar', ['-C', rootfs, ...words, '-c', '.'], { maxBuffer: 1 << 30 }).stdout;
      const [mine, its] = [readFileSync(out), original].map((bytes) => run(['python3', '-c', DESCRIBE], bytes).split('\n'));
      assert.ok((its?.length ?? 0) > 5000);
      const differ = (a: readonly string[] = [], b: readonly string[] = []): string[] => { const have = new Set(b); return a.filter((line) => !have.has(line) && !ETC.test(line)); };
      assert.deepEqual([differ(mine, its), differ(its, mine)], [[], []]);
    });

    it('have their configuration honoured: USER by name, WORKDIR made, ENV, ENTRYPOINT, CMD, STOPSIGNAL', () => {
      const name = registry.ref('test/debian:v1');
      assert.equal(ok('run', '--rm', name), CONFIG_OUT);
      assert.match(ok('run', '--rm', name, 'stat -c "%a %u" /made/here'), /^755 0\n$/);
      const id = ok('run', '-d', name, 'trap "echo quit; exit 7" QUIT; echo ready; while :; do sleep 0.1; done').trim();
      assert.ok(eventually(() => ok('logs', id) === 'ready\n'));
      ok('stop', id);
      assert.deepEqual([ok('wait', id), ok('logs', id)], ['7\n', 'ready\nquit\n']);
      ok('rm', id);
    });

    it('may be compressed with zstd, or be one of several for other machines', async () => {
      // By a fresh layout, and then as it is: to a registry skopeo rather sends what it remembers of a layer from earlier copies, on whatever registry had this port, than compress it anew.
      const zstd = join(scratchDir('zstd'), 'layout');
      run(['skopeo', 'copy', '-q', '--dest-compress-format=zstd', '--format=oci', `oci:${layout}:other`, `oci:${zstd}:other`]);
      registry.take(`oci:${zstd}:other`, 'test/zstd:v1', '--preserve-digests');
      assert.match(inspect(`docker://${registry.ref('test/zstd:v1')}`).manifest.layers[0]?.mediaType ?? '', /zstd/);
      assert.equal(ok('run', '--rm', registry.ref('test/zstd:v1'), '/bin/cat', '/file'), 'other\n');
      const one = inspect(`docker://${ref}`), type = 'application/vnd.oci.image.manifest.v1+json';
      const other = process.arch === 'arm64' ? 'amd64' : 'arm64', mine = process.arch === 'arm64' ? 'arm64' : 'amd64';
      const entry = (architecture: string, digest: string): object => ({ mediaType: type, size: 1000, digest, platform: { os: 'linux', architecture } });
      const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [entry(other, inspect(`docker://${registry.ref('test/zstd:v1')}`).digest), entry(mine, one.digest)] };
      registry.take(`oci:${layout}:small`, 'test/zstd:v2');
      // Manifests are linked into a repository before an index may name them.
      const put = await fetch(`http://${registry.ref('').replace(/\/$/, '')}/v2/test/zstd/manifests/many`, { method: 'PUT', headers: { 'content-type': index.mediaType }, body: JSON.stringify(index) });
      assert.equal(put.status, 201, await put.text());
      ok('pull', '-q', registry.ref('test/zstd:many'));
      const list = JSON.parse(ok('images', '--json')) as Array<{ tag: string; id: string }>;
      assert.equal(list.find((image) => image.tag === 'many')?.id, one.manifest.config.digest);
    });

    it('of a registry with passwords need one', () => {
      const name = closed.ref('test/small:v1'), host = name.split('/', 1)[0] as string;
      refused(/refuses access to test\/small.*carrick login/, 'pull', name);
      assert.match(carrick(['login', '-u', 'test', host], { ...o, input: 'wrong\n' }).err, /does not take this name and password/);
      assert.equal(carrick(['login', '-u', 'test', host], { ...o, input: 'secret\n' }).out, `logged in to ${host}\n`);
      ok('pull', '-q', name);
      ok('logout', host);
      ok('rmi', name);
      refused(/refuses access/, 'pull', name);
    });

    it('show a bar for each layer on a terminal', () => {
      forget();
      const words = [...carrickCommand(as.ordinary), 'pull', ref].map((w) => `'${w}'`).join(' ');
      const r = spawnSync('script', ['-qec', words, '/dev/null'], { encoding: 'utf8', env: testEnv(o.env, o.home) });
      assert.equal(r.status, 0, r.stdout);
      assert.match(r.stdout, /[0-9a-f]{12}.*#{30} .*\/.*done/);
      assert.ok(r.stdout.includes('\x1b[?25l') && r.stdout.includes('\x1b[?25h'), 'the cursor is hidden, and shown again');
    });

    it('go on where a killed pull stopped', async () => {
      const name = registry.ref('test/big:v1'), [layer] = inspect(`docker://${name}`).manifest.layers;
      const part = join(f.home, 'blobs/sha256', `${layer?.digest.slice(7)}.part`), size = layer?.size ?? 0;
      const bytes = (): number => statSync(part, { throwIfNoEntry: false })?.size ?? 0;
      let stopped = 0;
      // A fast machine may be done before it can be stopped: then once more.
      for (let attempt = 0; attempt < 10 && stopped === 0; attempt++) {
        carrick(['rmi', name], o);
        const child = start('pull', '-q', name), done = once(child, 'close');
        while (bytes() === 0 && child.exitCode === null) pause(1), await new Promise((turn) => { setImmediate(turn); });
        child.kill('SIGKILL');
        await done;
        if (as.ordinary) assert.ok(eventually(() => spawnSync('pgrep', ['-f', `pull -q ${name}`]).status !== 0));
        stopped = bytes() < size ? bytes() : 0;
      }
      assert.ok(stopped > 0, 'it could not be stopped halfway');
      ok('pull', '-q', name);
      assert.ok(registry.log().split('\n').some((line) => line.includes(layer?.digest ?? '?') && line.includes('http.response.status=206')), 'only the rest was asked for');
      assert.deepEqual(partials(), []);
      ok('rmi', name);
    });

    it('are fetched once when several ask at a time', async () => {
      forget();
      const name = registry.ref('test/debian:v1');
      const count = (): number => inspect(`docker://${name}`).manifest.layers.reduce((n, { digest }) => n + registry.log().split('\n').filter((line) => line.includes(`GET /v2/test/debian/blobs/${digest}`)).length, 0);
      const before = count();
      const all = [1, 2, 3].map(() => start('pull', '-q', name));
      const codes = await Promise.all(all.map(async (child) => (await once(child, 'close') as [number])[0]));
      assert.deepEqual(codes, [0, 0, 0]);
      assert.equal(count() - before, 3, 'three layers');
      assert.equal(ok('run', '--rm', name), CONFIG_OUT);
    });

    it('that are damaged are refused, and leave nothing', () => {
      forget();
      const name = registry.ref('test/small:v1'), { manifest } = inspect(`docker://${name}`), path = registry.blob(manifest.layers[0]?.digest ?? '');
      const good = readFileSync(path);
      const damaged = (what: (bytes: Buffer) => void): void => { writeFileSync(path, good); what(Buffer.from(good)); };
      try {
        damaged((bytes) => { bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1; writeFileSync(path, bytes); });
        refused(/is damaged: it should be sha256:[0-9a-f]{64} and is sha256:[0-9a-f]{64}; nothing of it was kept\n$/, 'pull', '-q', name);
        isEmpty();
        damaged(() => { truncateSync(path, good.length >> 1); });
        refused(/is cut short: it ends after \d+ of \d+ bytes; nothing of it was kept\n$/, 'pull', '-q', name);
        isEmpty();
        damaged((bytes) => { writeFileSync(path, Buffer.concat([bytes, bytes])); });
        refused(/longer than its manifest says; nothing of it was kept\n$/, 'pull', '-q', name);
        isEmpty();
      } finally {
        writeFileSync(path, good);
      }
      assert.equal(ok('run', '--rm', name, '/bin/cat', '/file'), 'small\n');
    });

    it('that are hostile never reach anything but the store', () => {
      forget();
      const place = scratchDir('hostile'), trap = join(place, 'trap');
      mkdirSync(trap);
      if (as.ordinary) for (const d of [place, trap]) chownSync(d, ORDINARY_UID, ORDINARY_UID);
      const up = '../'.repeat(20), away = trap.slice(1);
      const cases: ReadonlyArray<readonly [string, readonly TestEntry[], RegExp | undefined]> = [
        ['a path upwards', [{ name: `${up}${away}/evil`, data: 'x' }], /leads out of the root/],
        ['a hard link upwards', [{ name: 'h', type: '1', link: `${up}etc/passwd` }], /out of the root/],
        ['a hard link to the host', [{ name: 'h', type: '1', link: '/etc/passwd' }], /no file of the layer/],
        ['a path below a link', [{ name: 'l', type: '2', link: trap }, { name: 'l/evil', data: 'x' }], /below a symbolic link/],
        ['a path below a link upwards', [{ name: 'l', type: '2', link: `${up}${away}` }, { name: 'l/evil', data: 'x' }], /below a symbolic link/],
        ['a path below a file', [{ name: 'f', data: 'x' }, { name: 'f/evil', data: 'x' }], /no directory/],
        ['another root', [{ name: './', type: '2', link: trap }], /root/],
        // These are names like others: below the image's root.
        ['an absolute path', [{ name: `${trap}/evil`, data: 'x' }], undefined],
        ['a link to the host', [{ name: 'l', type: '2', link: trap }], undefined],
        ['a device of the host', [{ name: 'disk', type: '4', major: 8, minor: 0, mode: 0o666 }], undefined],
      ];
      for (const [what, entries, message] of cases) {
        const file = join(place, 'hostile.tar');
        writeFileSync(file, tar(...entries));
        chmodSync(file, 0o644);
        const r: Result = carrick(['import', '-q', file, 'hostile'], o);
        assert.deepEqual(readdirSync(trap), [], what);
        if (message === undefined) { assert.equal(r.status, 0, `${what}: ${r.err}`); ok('rmi', 'hostile'); continue; }
        assert.equal(r.status, 125, what);
        assert.match(r.err, message, what);
        isEmpty();
      }
      assert.equal(run(['find', f.home, '!', '-type', 'f', '!', '-type', 'd']), '', 'no device and no link in the store');
    });

    it('that are bombs are refused while they are small on the disk', { skip: as.ordinary && 'the same for everybody' }, () => {
      const place = scratchDir('bomb'), file = join(place, 'bomb.tar.gz'), mb = 1 << 20;
      chmodSync(place, 0o755);
      // One file of 8 GB: the header, then the same compressed zeros again and again.
      const header = tar({ name: 'zeros', pax: { size: String(8 * 1024 * mb) } }).subarray(0, 1536), zeros = gzipSync(Buffer.alloc(64 * mb), { level: 9 });
      writeFileSync(file, Buffer.concat([gzipSync(header), ...Array.from({ length: 128 }, () => zeros)]));
      chmodSync(file, 0o644);
      refused(/bomb|times/i, 'import', '-q', file, 'bomb');
      isEmpty();
    });

    it('that are used stay until they are not', () => {
      forget();
      ok('pull', '-q', ref);
      const id = ok('run', '-d', ref, '/bin/sh', '-c', 'echo mine >/own; while :; do sleep 1; done').trim();
      ok('rmi', ref);
      assert.equal(layers().length, 2, 'its container needs them');
      assert.equal(ok('exec', id, '/bin/cat', '/file'), 'small\n');
      ok('kill', id);
      assert.equal(ok('prune'), 'removed 0 layers\n', 'it could be started again');
      assert.equal(ok('start', id), `${id}\n`);
      assert.equal(ok('exec', id, '/bin/cat', '/own', '/file'), 'mine\nsmall\n');
      ok('rm', '-f', id);
      assert.equal(ok('prune'), 'removed 2 layers\n');
      isEmpty();
    });

    it('survive a carrick that is killed at any moment', async () => {
      const archive = join(f.home, 'small.tar');
      run(['skopeo', 'copy', '-q', `oci:${layout}:small`, `docker-archive:${archive}:loaded:v1`]);
      chmodSync(archive, 0o644);
      const commands: ReadonlyArray<readonly string[]> = [
        ['pull', '-q', ref], ['load', '-q', '-i', archive], ['run', '--rm', ref, '/bin/cat', '/file'], ['rmi', ref], ['rmi', 'loaded:v1'], ['prune'], ['pull', '-q', registry.ref('test/debian:v1')], ['rmi', registry.ref('test/debian:v1')],
      ];
      for (let i = 0; i < 32; i++) {
        const child = start(...commands[i % commands.length] as string[]), done = once(child, 'close');
        // Every moment from before it has begun to after it has ended.
        const timer = setTimeout(() => { child.kill('SIGKILL'); }, 40 + (i * 137) % 900);
        await done;
        clearTimeout(timer);
      }
      assert.equal(ok('run', '--rm', ref, '/bin/cat', '/file'), 'small\n');
      ok('load', '-q', '-i', archive);
      assert.equal(ok('run', '--rm', 'loaded:v1', '/bin/cat', '/file'), 'small\n');
      assert.equal(ok('run', '--rm', registry.ref('test/debian:v1')), CONFIG_OUT);
      forget();
      assert.deepEqual(f.left((what) => what.startsWith('temporary')), []);
    });

    it('have a page, which is true', () => {
      const file = join(f.home, 'root.tar');
      copyFileSync(debianTar(), file);
      chmodSync(file, 0o644);
      run(['chmod', '-R', 'a+rX', dirname(layout)]);
      runPage('docs/workloads/images.md', { ordinary: as.ordinary, timeoutMs: 300_000, env: { REGISTRY: registry.ref('').replace(/\/$/, ''), LAYOUT: layout, DEBIAN_TAR: file } });
    });
  });
}
