/** For the tests of images: a registry of Debian's docker-registry, and images made by umoci and skopeo. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, scratchDir } from './harness.js';

/** Why these tests cannot run here; false = they can. */
export const noRegistry: string | false = ['docker-registry', 'skopeo', 'umoci'].every((program) => spawnSync(program, ['--version']).status === 0) ? false : 'needs docker-registry, skopeo and umoci';

export function run(argv: readonly string[], input?: Buffer): string {
  const r = spawnSync(argv[0] as string, argv.slice(1), { encoding: 'latin1', input, maxBuffer: 1 << 28 });
  if (r.status !== 0) throw new Error(`${argv.join(' ')} ended with ${r.status ?? r.signal}: ${r.stderr}`);
  return r.stdout;
}

/** bcrypt of "secret". */
const SECRET = '$2b$04$lhCPvd/vX5niSfNei0aUXeJzb2olAP837oloLkaJ.JXAOJHZJ9/iC';

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const address = s.address();
      s.close(() => { resolve(typeof address === 'object' ? address?.port ?? 0 : 0); });
    });
  });
}

export class RegistryServer {
  readonly dir = scratchDir('registry');
  private child: ChildProcess | undefined = undefined;
  private constructor(readonly port: number) {}

  /** password: it asks for user "test" and password "secret". */
  static async start(password = false): Promise<RegistryServer> {
    const r = new RegistryServer(await freePort());
    writeFileSync(join(r.dir, 'users'), `test:${SECRET}\n`);
    writeFileSync(join(r.dir, 'config.yml'), `version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\nstorage: {filesystem: {rootdirectory: ${r.dir}/data}}\nhttp: {addr: "127.0.0.1:${r.port}"}\n`
      + (password ? `auth: {htpasswd: {realm: test, path: ${r.dir}/users}}\n` : ''));
    mkdirSync(join(r.dir, 'data'));
    r.child = spawn('docker-registry', ['serve', join(r.dir, 'config.yml')], { stdio: ['ignore', openSync(join(r.dir, 'log'), 'w'), openSync(join(r.dir, 'log'), 'a')] });
    if (!eventually(() => spawnSync('bash', ['-c', `: </dev/tcp/127.0.0.1/${r.port}`]).status === 0, 30000)) throw new Error(r.log());
    return r;
  }

  stop(): void { this.child?.kill('SIGKILL'); }
  log(): string { return readFileSync(join(this.dir, 'log'), 'utf8'); }
  /** Name of an image here. */
  ref(name: string): string { return `127.0.0.1:${this.port}/${name}`; }
  /** Where it keeps a blob. */
  blob(digest: string): string { const hex = digest.slice(7); return join(this.dir, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'); }

  /** skopeo copy FROM here. */
  take(from: string, name: string, ...options: string[]): void {
    run(['skopeo', 'copy', '-q', '--dest-tls-verify=false', ...options, from, `docker://${this.ref(name)}`]);
  }
}

/** Manifest of an image in an OCI layout. */
export interface ManifestText { readonly config: { readonly digest: string }; readonly layers: ReadonlyArray<{ readonly mediaType: string; readonly digest: string; readonly size: number }> }

export function inspect(from: string): { digest: string; manifest: ManifestText } {
  const raw = Buffer.from(run(['skopeo', 'inspect', '--tls-verify=false', '--raw', from]), 'latin1');
  return { digest: run(['skopeo', 'inspect', '--tls-verify=false', '--format', '{{.Digest}}', from]).trim(), manifest: JSON.parse(raw.toString('utf8')) as ManifestText };
}

/**
 * An OCI layout with an image of as many layers as there are steps: each changes the root file system of the one before (`sh -c STEP`, in its root directory). config: of
 * umoci config.
 */
export function umociImage(layout: string, tag: string, steps: readonly string[], config: readonly string[] = []): { rootfs: string } {
  const image = `${layout}:${tag}`, bundle = scratchDir('bundle'), rootless = process.geteuid?.() === 0 ? [] : ['--rootless'];
  if (!existsSync(layout)) run(['umoci', 'init', '--layout', layout]);
  run(['umoci', 'new', '--image', image]);
  run(['umoci', 'unpack', ...rootless, '--image', image, join(bundle, 'b')]);
  const rootfs = join(bundle, 'b/rootfs');
  for (const step of steps) {
    run(['sh', '-ec', `cd '${rootfs}'; umask 022; ${step}`]);
    run(['umoci', 'repack', '--refresh-bundle', '--image', image, join(bundle, 'b')]);
  }
  if (config.length > 0) run(['umoci', 'config', '--image', image, ...config]);
  return { rootfs };
}

/** Python that says what is in a tar from standard input, one line per name, in order: everything that tar(5) can hold of it, and a hash of the data. */
export const DESCRIBE = `
import hashlib, sys, tarfile
sys.stdout.reconfigure(encoding='utf-8', errors='surrogateescape')
what, group = {}, {}
clean = lambda name: '/'.join(p for p in name.split('/') if p not in ('', '.')) or '.'
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|', errors='surrogateescape') as t:
    for m in t:
        name = clean(m.name)
        if m.islnk():
            group[clean(m.linkname)].append(name)
            group[name] = group[clean(m.linkname)]
            continue
        group[name] = [name]
        data = hashlib.sha256(t.extractfile(m).read()).hexdigest()[:16] if m.isreg() else ''
        xattrs = sorted((k, v) for k, v in m.pax_headers.items() if k.startswith('SCHILY.xattr.'))
        what[name] = [m.type.decode(), oct(m.mode), m.uid, m.gid, m.size if m.isreg() else 0, int(m.mtime), m.linkname, m.devmajor, m.devminor, data, xattrs]
for name in sorted(group):
    attrs = next(what[n] for n in group[name] if n in what)
    print(name, *attrs, '=', min(group[name]))
`;
