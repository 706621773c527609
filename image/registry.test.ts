/** Pulling from a small registry in this process: tokens, passwords, resumption, damage, indexes, the store. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { findCredentials } from './auth.js';
import { type Digest, digestOf, hexOf } from './digest.js';
import { ImageError } from './error.js';
import { holdStored, pull } from './get.js';
import { login, logout } from './login.js';
import { MEDIA, parseIndex, selectManifest } from './manifest.js';
import { proxyFetch } from './proxy.js';
import { canonical, parseReference } from './reference.js';
import { isInsecure, parseChallenges } from './registry.js';
import { type Bench, bench, type MadeImage, makeImage, tar } from './test-kit.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Serves what it was given; `before` may answer instead. */
class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly tags = new Map<string, Buffer>();
  readonly seen: string[] = [];
  before: Answer = () => false;
  private readonly server: Server;
  port = 0;

  constructor() {
    this.server = createServer((request, response) => {
      this.seen.push(`${request.method ?? ''} ${request.url ?? ''}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`);
      if (!this.before(request, response)) this.answer(request, response);
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => { this.server.listen(0, '127.0.0.1', () => { this.port = (this.server.address() as AddressInfo).port; resolve(); }); });
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => { this.server.close(() => { resolve(); }); });
  }

  add(image: MadeImage, tag: string): void {
    for (const [digest, bytes] of image.blobs) this.blobs.set(digest, bytes);
    this.tags.set(tag, image.manifest);
  }

  count(part: string): number { return this.seen.filter((line) => line.includes(part)).length; }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const m = /^\/v2\/a\/b\/(manifests|blobs)\/(.+)$/.exec(request.url ?? '');
    const bytes = m === null ? undefined : this.blobs.get(m[2] as string) ?? (m[1] === 'manifests' ? this.tags.get(m[2] as string) : undefined);
    if (m === null || bytes === undefined) { response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'); return; }
    if (m[1] === 'manifests') {
      const type = String((JSON.parse(bytes.toString()) as { mediaType?: unknown }).mediaType);
      response.writeHead(200, { 'content-type': type, 'docker-content-digest': digestOf(bytes) }).end(bytes);
      return;
    }
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
    response.end(bytes.subarray(from));
  }
}

let w: Bench, registry: FakeRegistry;
const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i * 31 + i) & 0xff));
const LAYERS = [tar({ name: 'bin/', type: '5' }, { name: 'bin/prog', data: noise, mode: 0o755 }), tar({ name: 'etc/conf', data: 'x' }, { name: 'bin/.wh.old' })];
const image = makeImage(LAYERS, gzipSync, { Env: ['A=b'], Cmd: ['/bin/prog'], User: 'joe' });
const layerDigest = digestOf(gzipSync(LAYERS[0] as Buffer));

beforeEach(async () => { w = bench(); registry = new FakeRegistry(); await registry.listen(); registry.add(image, 'v1'); });
afterEach(async () => { await registry.close(); w.end(); });

const ref = (tag = ':v1'): ReturnType<typeof parseReference> => parseReference(`127.0.0.1:${registry.port}/a/b${tag}`);
const partials = (): string[] => readdirSync(w.store.blobs).filter((name) => !/^[0-9a-f]{64}$/.test(name));
const unfinished = (): string[] => readdirSync(w.store.layers).filter((name) => name.endsWith('.new'));

async function fails(pattern: RegExp, tag?: string): Promise<void> {
  await assert.rejects(pull(w.tools, ref(tag)), (error) => error instanceof ImageError && pattern.test(error.message) ? true : assert.fail(String(error)));
  assert.deepEqual(w.store.listRefs(), []);
  assert.deepEqual(unfinished(), []);
}

describe('pull', () => {
  it('has the digests of the registry, and the layers topmost first', async () => {
    const held = await pull(w.tools, ref());
    assert.equal(held.manifest, digestOf(image.manifest));
    assert.equal(held.id, digestOf(image.config));
    assert.deepEqual(held.config.cmd, ['/bin/prog']);
    assert.deepEqual(held.layerDirs, [...LAYERS].reverse().map((b) => join(w.store.layers, hexOf(digestOf(b)))));
    for (const dir of held.layerDirs) assert.ok(existsSync(join(dir, 'index')));
    assert.deepEqual(partials(), []);
    held.release();
  });

  it('fetches no layer twice', async () => {
    (await pull(w.tools, ref())).release();
    registry.add(makeImage([...LAYERS, tar({ name: 'more', data: 'm' })], gzipSync), 'v2');
    const before = registry.count('/blobs/');
    (await pull(w.tools, ref(':v2'))).release();
    // The configuration and the new layer.
    assert.equal(registry.count('/blobs/') - before, 2);
    (await pull(w.tools, ref(':v2'))).release();
    assert.equal(registry.count('/blobs/') - before, 2);
  });

  it('by digest checks what comes', async () => {
    const held = await pull(w.tools, ref(`@${digestOf(image.manifest)}`));
    assert.equal(held.manifest, digestOf(image.manifest));
    held.release();
    const other = makeImage([LAYERS[1] as Buffer]);
    registry.blobs.set(digestOf(other.manifest), image.manifest);
    await assert.rejects(pull(w.tools, ref(`@${digestOf(other.manifest)}`)), /manifest .* is damaged/);
  });

  it('asks a token server, with the password of docker\'s file, and only when told to', async () => {
    mkdirSync(join(w.dir, '.docker'));
    writeFileSync(join(w.dir, '.docker/config.json'), JSON.stringify({ auths: { [`127.0.0.1:${registry.port}`]: { auth: Buffer.from('me:pa:ss').toString('base64') } } }));
    registry.before = (request, response) => {
      if (request.url?.startsWith('/token?') === true) {
        const url = new URL(request.url, 'http://x');
        assert.deepEqual([url.searchParams.get('service'), url.searchParams.get('scope')], ['reg, one', 'repository:a/b:pull']);
        assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:pa:ss').toString('base64')}`);
        response.end('{"token":"secret"}');
        return true;
      }
      if (request.headers.authorization === 'Bearer secret') return false;
      assert.equal(request.headers.authorization, undefined, 'the password went to the registry itself');
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://127.0.0.1:${registry.port}/token",service="reg, one",scope="repository:a/b:pull"` }).end();
      return true;
    };
    (await pull(w.tools, ref())).release();
    assert.equal(registry.count('/token'), 1);
  });

  it('says who refuses when the password is wrong', async () => {
    registry.before = (request, response) => {
      if (request.headers.authorization === `Basic ${Buffer.from('u:right').toString('base64')}`) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      return true;
    };
    await fails(/refuses access to a\/b/);
    const held = await pull({ ...w.tools, env: { ...w.tools.env, CARRICK_REGISTRY_USER: 'u', CARRICK_REGISTRY_PASSWORD: 'right' } }, ref());
    held.release();
  });

  it('logs in with a name and password that the registry takes, keeps them for their owner only, and forgets them', async () => {
    const name = `127.0.0.1:${registry.port}`, env = { ...w.tools.env, CARRICK_HOME: join(w.dir, 'carrick') }, file = join(w.dir, 'carrick/auth.json');
    registry.before = (request, response) => {
      if (request.headers.authorization !== `Basic ${Buffer.from('u:right').toString('base64')}`) { response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end(); return true; }
      if (request.url !== '/v2/') return false;
      response.end('{}');
      return true;
    };
    await assert.rejects(login(name, 'u', 'wrong', env), /does not take this name and password/);
    assert.ok(!existsSync(file));
    await login(name, 'u', 'right', env);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    (await pull({ ...w.tools, env }, ref())).release();
    assert.deepEqual([logout(name, env), logout(name, env)], [true, false]);
    await assert.rejects(pull({ ...w.tools, env }, ref()), /refuses access/);
  });

  it('logs in at the token server of a registry that has one', async () => {
    const name = `127.0.0.1:${registry.port}`, env = { ...w.tools.env, CARRICK_HOME: join(w.dir, 'carrick') };
    registry.before = (request, response) => {
      if (request.url?.startsWith('/token') === true) {
        if (request.headers.authorization === `Basic ${Buffer.from('u:right').toString('base64')}`) response.end('{"token":"secret"}');
        else response.writeHead(401).end();
        return true;
      }
      if (request.headers.authorization === 'Bearer secret') { response.end('{}'); return true; }
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${name}/token",service="r"` }).end();
      return true;
    };
    await assert.rejects(login(name, 'u', 'wrong', env), /does not take this name and password/);
    await login(name, 'u', 'right', env);
  });

  it('goes by the proxy of the environment, but not to this machine', async () => {
    const asked: string[] = [];
    const proxy = createServer((_, response) => { response.writeHead(405).end(); });
    proxy.on('connect', (request: IncomingMessage, client: Duplex) => {
      asked.push(request.url ?? '');
      // Whatever the name, it is the registry here.
      const there = connect(registry.port, '127.0.0.1', () => { client.write('HTTP/1.1 200 OK\r\n\r\n'); there.pipe(client).pipe(there); });
      for (const end of [there, client]) end.on('error', () => { there.destroy(); client.destroy(); });
    });
    await new Promise<void>((done) => { proxy.listen(0, '127.0.0.1', done); });
    try {
      const { port } = proxy.address() as AddressInfo;
      const env = { ...w.tools.env, HTTP_PROXY: `http://127.0.0.1:${port}`, https_proxy: `http://127.0.0.1:${port}`, no_proxy: 'elsewhere', CARRICK_INSECURE_REGISTRIES: 'registry.example:5000' };
      const tools = { ...w.tools, env, fetch: proxyFetch(env) };
      (await pull(tools, parseReference('registry.example:5000/a/b:v1'))).release();
      assert.ok(asked.length > 0 && asked.every((host) => host === 'registry.example:5000'), asked.join());
      const before = asked.length;
      (await pull(tools, ref())).release();
      assert.equal(asked.length, before);
    } finally {
      proxy.closeAllConnections();
      await new Promise((done) => { proxy.close(done); });
    }
  });

  it('sends no password in the open to a token server elsewhere', async () => {
    registry.before = (_, response) => { response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://registry.example/token"' }).end(); return true; };
    await fails(/in the open/);
  });

  it('goes on after broken connections', async () => {
    let cuts = 0;
    registry.before = (request, response) => {
      if (request.url?.endsWith(layerDigest) !== true || cuts === 2) return false;
      const bytes = registry.blobs.get(layerDigest) as Buffer;
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      cuts++;
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from, ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}) });
      response.write(bytes.subarray(from, from + Math.floor(bytes.length / 4)), () => { response.destroy(); });
      return true;
    };
    (await pull(w.tools, ref())).release();
    assert.equal(cuts, 2);
    const asked = registry.seen.filter((line) => line.includes(layerDigest));
    assert.equal(asked.length, 3);
    assert.match(asked[2] as string, / bytes=[1-9]\d*-$/);
  });

  it('goes on with what a killed pull has left, and drops it when it is wrong', async () => {
    const bytes = registry.blobs.get(layerDigest) as Buffer;
    const part = `${w.store.blobPath(layerDigest)}.part`;
    writeFileSync(part, bytes.subarray(0, 1000));
    (await pull(w.tools, ref())).release();
    assert.ok(registry.seen.some((line) => line.endsWith(`${layerDigest} bytes=1000-`)));
    assert.equal(existsSync(part), false);

    await w.store.removeRef(canonical(ref()));
    assert.deepEqual(readdirSync(w.store.layers), []);
    writeFileSync(part, Buffer.alloc(1000, 'wrong'));
    (await pull(w.tools, ref())).release();
    assert.deepEqual(partials(), []);
  });

  it('keeps what a killed pull has left for the next one, until somebody prunes', async () => {
    const part = `${w.store.blobPath(layerDigest)}.part`;
    (await pull(w.tools, ref())).release();
    writeFileSync(part, Buffer.alloc(1000, 'left'));
    await w.store.removeRef(canonical(ref()));
    assert.equal(existsSync(part), true);
    await w.store.prune();
    assert.deepEqual(partials(), []);
  });

  it('leaves no document that was half written when carrick was killed, and nobody\'s archive that is being read is taken away', async () => {
    const held = await pull(w.tools, ref()), spool = w.store.spool();
    for (const dir of [w.store.blobs, join(w.dir, 'home', 'refs')]) writeFileSync(join(dir, `${'0'.repeat(64)}.0123456789ab.tmp`), '{');
    const using = await w.store.beginUse();
    await w.store.prune();
    assert.equal(partials().length, 2, 'somebody puts an image together');
    using.release();
    await w.store.prune();
    assert.deepEqual([partials(), readdirSync(join(w.dir, 'home', 'refs')).length], [[spool.path.slice(-20)], 1]);
    spool.done();
    assert.deepEqual(partials(), []);
    held.release();
  });

  it('copes with registries that cannot resume', async () => {
    writeFileSync(`${w.store.blobPath(layerDigest)}.part`, (registry.blobs.get(layerDigest) as Buffer).subarray(0, 1000));
    registry.before = (request) => { delete request.headers.range; return false; };
    (await pull(w.tools, ref())).release();
  });

  it('refuses damaged, short and long blobs, and keeps nothing of them', async () => {
    const good = registry.blobs.get(layerDigest) as Buffer;
    const altered = Buffer.from(good);
    altered[1000] = (altered[1000] as number) ^ 1;
    registry.blobs.set(layerDigest, altered);
    await fails(/the blob .* is damaged: it should be sha256:/);
    assert.deepEqual(partials().filter((n) => n.startsWith(hexOf(layerDigest))), []);
    registry.blobs.set(layerDigest, Buffer.concat([good, Buffer.from('more')]));
    await fails(/longer than its manifest says/);
    registry.blobs.set(layerDigest, good);
    (await pull(w.tools, ref())).release();
  });

  it('says that a blob is cut short when the registry has no more of it, and keeps nothing', async () => {
    registry.before = (request, response) => {
      if (request.url?.endsWith(layerDigest) !== true) return false;
      const have = (registry.blobs.get(layerDigest) as Buffer).subarray(0, 1000), from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from >= have.length) response.writeHead(416).end(); else response.end(have.subarray(from));
      return true;
    };
    await fails(/is cut short: it ends after 1000 of \d+ bytes; nothing of it was kept/);
    assert.deepEqual(partials(), []);
  });

  it('refuses a layer that is not what the configuration says', async () => {
    const lie = makeImage(LAYERS, gzipSync);
    const other = gzipSync(tar({ name: 'evil', data: 'x' }));
    const manifest = Buffer.from(lie.manifest.toString().replace(layerDigest, digestOf(other)).replace(`"size":${gzipSync(LAYERS[0] as Buffer).length}`, `"size":${other.length}`));
    registry.blobs.set(digestOf(other), other);
    registry.add(lie, 'lie');
    registry.tags.set('lie', manifest);
    await fails(/configuration is damaged/, ':lie');
    assert.deepEqual(partials(), []);
  });

  it('takes this machine\'s image of an index', async () => {
    const descriptor = (m: Buffer, platform: object): object => ({ mediaType: MEDIA.ociManifest, digest: digestOf(m), size: m.length, platform });
    const other = makeImage([LAYERS[1] as Buffer]);
    for (const [digest, bytes] of other.blobs) registry.blobs.set(digest, bytes);
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    const index = (list: object[]): Buffer => Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: list }));
    registry.tags.set('multi', index([descriptor(other.manifest, { os: 'linux', architecture: 'mips' }), descriptor(other.manifest, { os: 'linux', architecture, variant: 'v9' }), descriptor(image.manifest, { os: 'linux', architecture })]));
    const held = await pull(w.tools, ref(':multi'));
    assert.equal(held.manifest, digestOf(image.manifest));
    held.release();
    registry.tags.set('none', index([descriptor(other.manifest, { os: 'linux', architecture: 'mips' }), descriptor(other.manifest, { os: 'unknown', architecture: 'unknown' })]));
    await assert.rejects(pull(w.tools, ref(':none')), /is not made for linux\/\w+; it has linux\/mips$/);
    assert.equal(selectManifest(parseIndex({ manifests: [descriptor(image.manifest, {})].map((d) => ({ ...d, platform: undefined })) })).digest, digestOf(image.manifest));
  });

  it('says so when there is no such image, or no such registry', async () => {
    await fails(/there is no image 127\.0\.0\.1:\d+\/a\/b:nothing \(manifest unknown\)/, ':nothing');
    await registry.close();
    await assert.rejects(pull(w.tools, ref()), /cannot reach 127\.0\.0\.1:\d+: it refuses connections/);
    await registry.listen();
  });
});

describe('the store', () => {
  it('removes with a reference what no other needs, and nothing that is held', async () => {
    registry.add(makeImage([LAYERS[0] as Buffer], gzipSync), 'v2');
    (await pull(w.tools, ref(':v2'))).release();
    const held = await pull(w.tools, ref());
    await w.store.removeRef(canonical(ref()));
    assert.equal(readdirSync(w.store.layers).length, 2, 'a held layer was removed');
    held.release();
    registry.add(image, 'v3');
    (await pull(w.tools, ref(':v3'))).release();
    await w.store.removeRef(canonical(ref(':v3')));
    assert.deepEqual(readdirSync(w.store.layers), [hexOf(digestOf(LAYERS[0] as Buffer))]);
    await w.store.removeRef(canonical(ref(':v2')));
    assert.deepEqual([readdirSync(w.store.layers), readdirSync(w.store.blobs), w.store.listRefs()], [[], [], []]);
  });

  it('keeps the layers of containers', async () => {
    (await pull(w.tools, ref())).release();
    mkdirSync(join(w.store.home, 'containers/c'), { recursive: true });
    writeFileSync(join(w.store.home, 'containers/c/state.json'), JSON.stringify({ layers: [hexOf(digestOf(LAYERS[0] as Buffer))] }));
    await w.store.removeRef(canonical(ref()));
    assert.deepEqual(readdirSync(w.store.layers), [hexOf(digestOf(LAYERS[0] as Buffer))]);
  });

  it('finishes what a crash has left half unpacked', async () => {
    const work = `${w.store.layerDir(digestOf(LAYERS[0] as Buffer))}.new`;
    mkdirSync(join(work, 'data'), { recursive: true });
    writeFileSync(join(work, 'data/7'), 'left');
    const held = await pull(w.tools, ref());
    held.release();
    assert.deepEqual(unfinished(), []);
    assert.equal(existsSync(join(w.store.layerDir(digestOf(LAYERS[0] as Buffer)), 'data/7')), false);
  });

  it('unpacks a layer once when several want it', async () => {
    let runs = 0;
    const extract: typeof w.tools.extract = (task) => { runs++; return w.tools.extract(task); };
    const all = await Promise.all([1, 2, 3].map(() => pull({ ...w.tools, extract }, ref())));
    assert.equal(runs, LAYERS.length);
    for (const held of all) held.release();
  });

  it('knows an image with a missing part for what it is', async () => {
    (await pull(w.tools, ref())).release();
    const stored = w.store.getRef(canonical(ref()));
    assert.ok(stored !== undefined);
    (await holdStored(w.store, stored))?.release();
    writeFileSync(w.store.blobPath(stored.config), 'damaged');
    assert.equal(await holdStored(w.store, stored), undefined);
    assert.equal(w.store.document('sha256:0' as Digest), undefined);
  });

  it('is for its owner only', () => {
    assert.equal(statSync(w.store.layers).mode & 0o777, 0o700);
  });
});

describe('parts', () => {
  it('challenges', () => {
    assert.deepEqual(parseChallenges('Bearer realm="https://a/t",service="x, \\"y\\"" , Basic realm=r'), [{ scheme: 'bearer', params: { realm: 'https://a/t', service: 'x, "y"' } }, { scheme: 'basic', params: { realm: 'r' } }]);
    assert.deepEqual(parseChallenges(''), []);
  });

  it('which registries may be asked without encryption', () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1', '127.1.2.3:80', '[::1]:5000']) assert.ok(isInsecure(host, {}), host);
    for (const host of ['127.0.0.1.example', 'localhost.example', 'example:5000', '128.0.0.1']) assert.equal(isInsecure(host, {}), false, host);
    assert.ok(isInsecure('example:5000', { CARRICK_INSECURE_REGISTRIES: 'other:1,example:5000' }));
    assert.equal(isInsecure('example:5001', { CARRICK_INSECURE_REGISTRIES: 'other:1,example:5000' }), false);
  });

  it('credentials, from wherever they are', () => {
    const file = w.file('auth.json', Buffer.from(JSON.stringify({ auths: { 'https://index.docker.io/v1/': { auth: Buffer.from('u:p').toString('base64') }, 'r.example': { identitytoken: 'T' } } })));
    const env = { HOME: w.dir, REGISTRY_AUTH_FILE: file };
    assert.deepEqual(findCredentials('docker.io', env), { user: 'u', password: 'p', refreshToken: '' });
    assert.deepEqual(findCredentials('r.example', env), { user: '', password: '', refreshToken: 'T' });
    assert.equal(findCredentials('other.example', env), undefined);
    assert.equal(findCredentials('docker.io', { HOME: w.dir }), undefined);
  });
});
