/**
 * A small Debian for the tests of apt, dpkg and images: the machine's own release, from the machine's own package sources.
 *
 *   $CARRICK_TEST_CACHE/debian-CODENAME-ARCH.tar    the tree of debootstrap --variant=minbase, made once per machine
 *
 * The cache is /var/cache/carrick-test for root, else ~/.cache/carrick-test. debootstrap is run by root as it is, by anybody else inside carrick. What the machine needs to
 * reach its sources (lists, keys, apt's settings, name servers, proxies) is put into each tree that is unpacked from the tar, never into the tar.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CARRICK, type Result, scratchDir } from './harness.js';

const IS_ROOT = process.geteuid?.() === 0;
const CACHE = process.env['CARRICK_TEST_CACHE'] ?? (IS_ROOT ? '/var/cache/carrick-test' : join(homedir(), '.cache/carrick-test'));

function osRelease(field: string): string {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return new RegExp(`^${field}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
}

export const CODENAME = osRelease('VERSION_CODENAME');

/** Files of /etc/apt that name sources of this release; others may need what a minimal tree has not (certificates, keys of somebody else). */
function sourceFiles(): string[] {
  const list = (dir: string): string[] => existsSync(dir) ? readdirSync(dir).sort().map((name) => join(dir, name)) : [];
  const suite = new RegExp(`(^|\\s)${CODENAME}(-\\S+)?(\\s|$)`, 'm');
  return ['/etc/apt/sources.list', ...list('/etc/apt/sources.list.d')].filter((file) => /\.(list|sources)$/.test(file) && existsSync(file) && suite.test(readFileSync(file, 'utf8').replace(/^#.*$/gm, '')));
}

/** Where debootstrap gets packages from: the first of the sources that has the release itself. */
export function mirror(): string {
  for (const file of sourceFiles()) {
    const text = readFileSync(file, 'utf8').replace(/^#.*\n/gm, '');
    const old = new RegExp(`^deb\\s+(?:\\[[^\\]]*\\]\\s+)?(\\S+)\\s+${CODENAME}\\s`, 'm').exec(text)?.[1];
    if (old !== undefined) return old;
    for (const stanza of text.split(/\n\s*\n/)) {
      if (new RegExp(`^Suites:.*\\b${CODENAME}(\\s|$)`, 'm').test(stanza)) { const uri = /^URIs:\s*(\S+)/m.exec(stanza)?.[1]; if (uri !== undefined) return uri; }
    }
  }
  return '';
}

/** apt's proxy for http, as debootstrap's wget takes it. */
export function proxyEnv(): Record<string, string> {
  const known = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(https?|no|all)_proxy$/i.test(name))) as Record<string, string>;
  const own = spawnSync('apt-config', ['shell', 'p', 'Acquire::http::Proxy'], { encoding: 'utf8' }).stdout ?? '';
  const proxy = /^p='(.+)'$/m.exec(own)?.[1];
  return proxy === undefined ? known : { http_proxy: proxy, ...known };
}

/** Why there can be no Debian here; false = there can. */
export const noDebian: string | false = osRelease('ID') !== 'debian' || CODENAME === '' ? 'needs a Debian machine'
  : spawnSync('sh', ['-c', 'PATH=$PATH:/usr/sbin command -v debootstrap']).status !== 0 ? 'needs debootstrap' : mirror() === '' ? 'needs package sources of its own release' : false;

function succeed(argv: readonly string[], options: { env?: Record<string, string>; stdout?: number } = {}): void {
  const r = spawnSync(argv[0] as string, argv.slice(1), { encoding: 'utf8', stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'], env: { ...process.env, ...options.env }, maxBuffer: 64 << 20 });
  if (r.status !== 0) throw new Error(`${argv.join(' ')} ended with ${r.status ?? r.signal}: ${`${r.stdout ?? ''}${r.stderr}`.slice(-4000)}`);
}

/** Words of debootstrap's command, without the target and the mirror. */
export const DEBOOTSTRAP = ['debootstrap', '--variant=minbase', CODENAME];

/** Script for a guest as root: debootstrap into /second, and its tar to standard output. */
export const DEBOOTSTRAP_INSIDE = `${DEBOOTSTRAP.join(' ')} /second ${mirror()} >/tmp/log 2>&1 || { cat /tmp/log >&2; exit 1; }; rm -f /second/var/cache/apt/archives/*.deb; tar -C /second --numeric-owner -c .`;

function make(tar: string): void {
  const draft = `${tar}.${process.pid}`;
  mkdirSync(dirname(tar), { recursive: true });
  const fd = openSync(draft, 'w', 0o644);
  const env = { ...proxyEnv(), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
  if (IS_ROOT) {
    const dir = scratchDir('debootstrap');
    // It becomes the root directory.
    chmodSync(dir, 0o755);
    succeed([...DEBOOTSTRAP, dir, mirror()], { env });
    succeed(['sh', '-c', `rm -f ${dir}/var/cache/apt/archives/*.deb`]);
    succeed(['tar', '-C', dir, '--numeric-owner', '-c', '.'], { stdout: fd });
    rmSync(dir, { recursive: true, force: true });
  } else {
    const proxies = Object.entries(proxyEnv()).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    succeed([process.execPath, CARRICK, 'run', '--rm', ...proxies, 'host', '--', 'sh', '-c', DEBOOTSTRAP_INSIDE], { env: { CARRICK_HOME: scratchDir('home') }, stdout: fd });
  }
  renameSync(draft, tar);
}

/** The tar of the tree, made when it is not there yet (a minute or two). */
export function debianTar(): string {
  const tar = join(CACHE, `debian-${CODENAME}-${process.arch}.tar`);
  if (!existsSync(tar)) make(tar);
  return tar;
}

/** What this machine needs to reach its package sources, into a tree. */
export function useMachineSources(root: string): void {
  const put = (path: string): void => {
    if (existsSync(path)) cpSync(path, join(root, path), { recursive: true, dereference: true });
  };
  rmSync(join(root, 'etc/apt/sources.list'), { force: true });
  const sources = sourceFiles();
  const keys = sources.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/signed-by[:=]\s*(\/[^\s\]]+)/gi)].map((m) => m[1] as string));
  const certificates = sources.some((file) => readFileSync(file, 'utf8').includes('https:')) ? ['/etc/ssl/certs/ca-certificates.crt'] : [];
  for (const path of [...sources, ...keys, ...certificates, '/etc/apt/apt.conf', '/etc/apt/apt.conf.d', '/etc/apt/auth.conf', '/etc/apt/auth.conf.d', '/etc/apt/trusted.gpg', '/etc/apt/trusted.gpg.d', '/etc/resolv.conf', '/etc/hosts']) put(path);
  const proxies = Object.entries(proxyEnv()).filter(([name]) => /^https?_proxy$/.test(name)).map(([name, value]) => `Acquire::${name.replace('_proxy', '')}::Proxy "${value}";\n`);
  if (proxies.length > 0) writeFileSync(join(root, 'etc/apt/apt.conf.d/90test-proxy'), proxies.join(''));
}

/** A fresh tree in a scratch directory, ready for apt. For anybody but root it is without device nodes, and everything is its own. */
export function debianTree(): string {
  const dir = scratchDir('debian');
  succeed(['tar', '-C', dir, '-x', '--numeric-owner', ...(IS_ROOT ? [] : ['--exclude=./dev/*']), '-f', debianTar()]);
  chmodSync(dir, 0o755);
  useMachineSources(dir);
  return dir;
}

/** The same as a tar that `carrick import` takes, with every owner and device node. */
export function debianImageTar(): string {
  const tar = join(scratchDir('debian-tar'), 'root.tar'), extra = scratchDir('debian-extra');
  cpSync(debianTar(), tar);
  for (const d of ['etc/apt/sources.list.d', 'etc/apt/apt.conf.d']) mkdirSync(join(extra, d), { recursive: true });
  useMachineSources(extra);
  // Later entries of a tar replace earlier ones; the list that debootstrap wrote says nothing any more.
  writeFileSync(join(extra, 'etc/apt/sources.list'), '');
  succeed(['tar', '-C', extra, '--owner=0', '--group=0', '--numeric-owner', '--append', '-f', tar, 'etc', ...(existsSync(join(extra, 'usr')) ? ['usr'] : [])]);
  chmodSync(dirname(tar), 0o755);
  chmodSync(tar, 0o644);
  return tar;
}

/** Script for a tree or an image: a package, its program, and that dpkg finds nothing wrong. */
export const HELLO = 'apt-get update && apt-get install -y hello && hello && dpkg --audit && dpkg -V && echo clean';

export function assertHello(r: Result): void {
  assert.equal(r.status, 0, r.err + r.out.slice(-3000));
  assert.match(r.out, /\nSetting up hello .*\s+Hello, world!\nclean\n$/);
}
