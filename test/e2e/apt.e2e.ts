/** apt and dpkg on a Debian made by debootstrap: as root and as an ordinary user, small and large, and debootstrap itself. How long it takes: apt-time.e2e.ts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { HELLO, assertHello, debianImageTar, DEBOOTSTRAP_INSIDE, debianTree, mirror, CODENAME, noDebian, proxyEnv } from './debian.js';
import { runPage } from './doc-commands.js';
import { carrick, carrickCommand, Footprint, type RunOptions, testEnv } from './harness.js';

const LONG_MS = 900_000;
const IS_ROOT = process.geteuid?.() === 0;

/** What is installed, and a use of each. The output is what matters, so every line says which it was. */
const LARGE = `set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y build-essential python3-venv redis-server nginx-light sqlite3 openssh-client git >/tmp/apt.log 2>&1 || { cat /tmp/apt.log >&2; exit 1; }
echo "audit $(dpkg --audit; dpkg -V)."
cd /tmp
printf 'int main(void) { return 7; }' >a.c; gcc a.c -o a; ./a && false || echo "gcc $?"
printf '#include <iostream>\\nint main() { std::cout << "g++ ok\\\\n"; }' >b.cc; g++ -O2 b.cc -o b; ./b
printf 'all:\\n\\t@echo make ok\\n' >Makefile; make -s
python3 -m venv v; v/bin/python -c 'import sys; print("venv", sys.prefix)'; v/bin/pip --version | cut -d' ' -f1
redis-server --daemonize yes --save '' --port 0 --unixsocket /tmp/redis.sock >/dev/null
until redis-cli -s /tmp/redis.sock ping >/dev/null 2>&1; do sleep 0.1; done
echo "redis $(redis-cli -s /tmp/redis.sock set key value) $(redis-cli -s /tmp/redis.sock get key)"; redis-cli -s /tmp/redis.sock shutdown nosave
rm -f /etc/nginx/sites-enabled/default
printf 'server { listen unix:/tmp/web.sock; location / { return 200 "nginx ok\\\\n"; } }' >/etc/nginx/conf.d/test.conf
nginx; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect("/tmp/web.sock"); s.sendall(sys.stdin.buffer.read())
data = b""
while part := s.recv(4096): data += part
print(data.decode().splitlines()[-1])'; nginx -s quit
sqlite3 x.db 'create table t(a); insert into t values (6 * 7); select "sqlite", a from t;'
ssh-keygen -q -t ed25519 -N '' -f key; ssh-keygen -l -f key | cut -d' ' -f1,4
git init -q repo; cd repo; echo text >file; git add file; git -c user.name=a -c user.email=a@b commit -qm first
git clone -q /tmp/repo /tmp/clone; echo "git $(cat /tmp/clone/file)"
`;
const LARGE_OUT = 'audit .\ngcc 7\ng++ ok\nmake ok\nvenv /tmp/v\npip\nredis OK value\nnginx ok\nsqlite|42\n256 (ED25519)\ngit text\n';

interface As { readonly name: string; readonly ordinary: boolean }
const USERS: readonly As[] = IS_ROOT ? [{ name: 'root', ordinary: false }, { name: 'an ordinary user', ordinary: true }] : [{ name: 'an ordinary user', ordinary: false }];

// On an image, and in what debootstrap makes, as the ordinary user: the page.
for (const as of USERS) {
  describe(`apt, as ${as.name}`, { skip: noDebian }, () => {
    let tree: string, f: Footprint, o: RunOptions;
    before(() => {
      tree = debianTree();
      f = new Footprint(as.ordinary);
      o = { ...f.options, timeoutMs: LONG_MS };
      const r = carrick(['import', '-q', debianImageTar(), 'debian:test'], o);
      assert.equal(r.status, 0, r.err);
    });

    it('installs a package on a tree of debootstrap', () => {
      assertHello(carrick(['run', '--rm', `rootfs:${tree}`, '--', 'sh', '-c', HELLO], o));
      assert.deepEqual(f.left(), []);
    });

    it('fetches as its own user, and checks signatures', () => {
      const trace = join(f.home, 'trace');
      const r = carrick(['trace', '-o', trace, 'run', '--rm', 'debian:test', 'sh', '-c', `
apt-get update -qq && id -u _apt
rm -rf /var/lib/apt/lists/* && find / -xdev -name '*.gpg' -path '*keyring*' -delete; rm -f /etc/apt/trusted.gpg.d/*
apt-get update 2>&1 | grep -c NO_PUBKEY`], o);
      const found = /^(\d+)\n[1-9]\d*\n$/.exec(r.out);
      assert.ok(found !== null, r.err + r.out);
      assert.doesNotMatch(r.err, /unsandboxed/);
      assert.match(readFileSync(trace, 'latin1'), new RegExp(`setresuid\\(${found[1]}, ${found[1]}, ${found[1]}\\) = 0`));
      assert.deepEqual(f.left(), []);
    });

    it('installs a compiler, servers and tools that work afterwards', () => {
      const r = carrick(['run', '--rm', as.ordinary || !IS_ROOT ? 'debian:test' : `rootfs:${tree}`, '--', 'sh', '-c', LARGE], o);
      assert.equal(r.status, 0, r.err + r.out);
      assert.equal(r.out, LARGE_OUT, r.err);
      assert.deepEqual(f.left(), []);
    });

    it('lets debootstrap make a second Debian, which works', { skip: (as.ordinary || !IS_ROOT) && 'the page does' }, () => {
      const tar = join(f.home, 'second.tar'), fd = openSync(tar, 'w'), [command = '', ...first] = carrickCommand(as.ordinary);
      const proxies = Object.entries(proxyEnv()).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
      const r = spawnSync(command, [...first, 'run', '--rm', ...proxies, 'host', '--', 'sh', '-c', `PATH=$PATH:/usr/sbin:/sbin; ${DEBOOTSTRAP_INSIDE}`], {
        stdio: ['ignore', fd, 'pipe'], encoding: 'utf8', timeout: LONG_MS, killSignal: 'SIGKILL', env: testEnv(o.env, o.home),
      });
      closeSync(fd);
      assert.equal(r.status, 0, r.stderr);
      const list = spawnSync('tar', ['--numeric-owner', '-tvf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout;
      assert.match(list, /^crw-rw-rw- 0\/0 +1,3 .* \.\/dev\/null$/m, 'device nodes');
      assert.match(list, /^-rw-r----- 0\/42 .* \.\/etc\/shadow$/m, 'owners');
      const made = carrick(['import', '-q', tar, 'debian:second'], o);
      assert.equal(made.status, 0, made.err);
      const used = carrick(['run', '--rm', 'debian:second', 'sh', '-c', 'dpkg --audit; dpkg -V; . /etc/os-release; echo $VERSION_CODENAME; perl -e "print 6 * 7"'], o);
      assert.deepEqual([used.status, used.out], [0, `${CODENAME}\n42`], used.err);
      assert.deepEqual(f.left(), []);
    });
  });
}

describe('docs/workloads/apt.md', { skip: noDebian }, () => {
  it('shows what happens', () => {
    runPage('docs/workloads/apt.md', { ordinary: IS_ROOT, timeoutMs: LONG_MS, env: { SUITE: CODENAME, MIRROR: mirror(), ...proxyEnv() } });
  });
});
