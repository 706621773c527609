/** Network modes, and the files that tell a program who and where it is, on every kind of root and for everybody. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ORDINARY_UID } from '../public.js';
import { Footprint, carrick, carrickCommand, scratchDir, testEnv } from './harness.js';
import { people, without } from './servers.js';

/** Another machine, as far as a container without a network is concerned. TEST-NET-1, RFC 5737. */
const ELSEWHERE = '192.0.2.99';

const PY = (lines: string): readonly string[] => ['/usr/bin/python3', '-c', `import socket, errno, fcntl, struct\ndef tried(f, *a):\n try: return f(*a) or 'ok'\n except OSError as e: return errno.errorcode[e.errno]\n${lines}`];
const CONFINED = PY(`
t = socket.socket(); print(tried(t.connect, ('${ELSEWHERE}', 80)))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print(tried(u.sendto, b'x', ('${ELSEWHERE}', 53)))
s = socket.socket(socket.AF_INET6); print(tried(s.connect, ('2001:db8::99', 80)))
b = socket.socket(); print(tried(b.bind, ('${ELSEWHERE}', 0)))
l = socket.socket(); l.bind(('', 0)); l.listen(); c = socket.create_connection(('127.0.0.1', l.getsockname()[1])); print(l.accept()[1][0])
n = socket.socket(); n.listen(); c = socket.create_connection(('127.0.0.1', n.getsockname()[1])); print(n.accept()[1][0])
v = socket.socket(socket.AF_INET6); v.bind(('::', 0)); v.listen(); c = socket.create_connection(('::1', v.getsockname()[1])); print(v.accept()[1][0])`);
const CONFINED_SAYS = 'ENETUNREACH\nENETUNREACH\nENETUNREACH\nEADDRNOTAVAIL\n127.0.0.1\n127.0.0.1\n::1\n';

/** A root of one static program, with nothing in /etc but a resolv.conf that leads to where systemd-resolved has it. */
function smallRoot(ordinary: boolean): string {
  const root = scratchDir('root');
  chmodSync(root, 0o755);
  for (const d of ['bin', 'etc']) mkdirSync(join(root, d));
  const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  copyFileSync(busybox, join(root, 'bin/busybox'));
  symlinkSync('busybox', join(root, 'bin/sh'));
  symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf'));
  if (ordinary) for (const d of ['', 'bin', 'etc']) chownSync(join(root, d), ORDINARY_UID, ORDINARY_UID);
  return root;
}

for (const [who, ordinary] of people) {
  const { options } = new Footprint(ordinary);
  const run = (flags: readonly string[], argv: readonly string[], env: Record<string, string> = {}): string => {
    const r = carrick(['run', '--rm', ...flags, '--', ...argv], { ...options, env: { ...options.env, ...env } });
    assert.deepEqual([r.status, r.err], [0, ''], r.out);
    return r.out;
  };

  test(`names of ${who}: the container knows its own, whatever its root and network`, { skip: without('busybox', 'getent') }, () => {
    for (const network of ['host', 'none']) {
      assert.equal(run(['--network', network, '--hostname', 'web.example', 'host'], ['sh', '-c', 'hostname; cat /etc/hostname; getent hosts web.example; hostname -i; getent hosts localhost > /dev/null; echo $?']),
        'web.example\nweb.example\n127.0.0.1       web.example\n127.0.0.1\n0\n');
      const root = smallRoot(ordinary);
      const busy = (words: string): string => run(['--network', network, '--hostname', 'web', `rootfs:${root}`], ['/bin/busybox', 'sh', '-c', words]);
      assert.equal(busy('busybox hostname; busybox cat /etc/hostname; busybox grep -w web /etc/hosts; busybox cat /etc/resolv.conf'), `web\nweb\n127.0.0.1\tweb\n${readFileSync('/etc/resolv.conf', 'latin1')}`);
      assert.equal(busy('busybox ls -ln /etc/hosts | busybox awk "{print \\$1, \\$3, \\$4}"; echo 192.0.2.1 more >> /etc/hosts; busybox tail -1 /etc/hosts'), '-rw-r--r-- 0 0\n192.0.2.1 more\n');
      assert.doesNotMatch(busy('busybox cat /etc/hosts'), /more/);
    }
  });

  test(`--add-host, --dns and -v over them, of ${who}`, () => {
    const out = run(['--add-host', 'db:192.0.2.7', '--add-host', 'here:host-gateway', '--dns', '192.0.2.53', 'host'], ['sh', '-c', 'getent hosts db here; grep nameserver /etc/resolv.conf']);
    assert.equal(out, '192.0.2.7       db\n127.0.0.1       here\nnameserver 192.0.2.53\n');
    const dir = scratchDir('hosts');
    chmodSync(dir, 0o755);
    writeFileSync(join(dir, 'hosts'), 'mine\n');
    assert.equal(run(['-v', `${join(dir, 'hosts')}:/etc/hosts:ro`, 'host'], ['cat', '/etc/hosts']), 'mine\n');
  });

  test(`--network none of ${who}: nothing but a loopback, ports of its own, with a namespace and without`, { skip: without('/usr/bin/python3') }, async () => {
    assert.equal(run(['--network', 'none', 'host'], CONFINED), CONFINED_SAYS);
    assert.equal(run(['--network', 'none', 'host'], CONFINED, { CARRICK_NAMESPACES: 'none' }), CONFINED_SAYS);
    const doctor = carrick(['doctor'], options).out;
    if (!/^network namespaces +ok/m.test(doctor)) { assert.match(doctor, /^network namespaces +degraded .*--network none/m); return; }
    // A port that the host uses is free there, and what listens on the host is not to be reached.
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => taken.once('listening', done));
    const { port } = taken.address() as { port: number };
    const out = run(['--network', 'none', 'host'], PY(`
t = socket.socket(); print(tried(t.connect, ('127.0.0.1', ${port})))
l = socket.socket(); print(tried(l.bind, ('127.0.0.1', ${port})))
print([name for _, name in socket.if_nameindex()])
print([line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]])`));
    taken.close();
    assert.equal(out, "ECONNREFUSED\nok\n['lo']\n['lo']\n");
  });

  test(`standard input and output of ${who} that are sockets, as Node gives them to its children`, { skip: without('/usr/bin/python3') }, async () => {
    const { home, env } = options;
    const [command = '', ...words] = carrickCommand(ordinary);
    const child = spawn(command, [...words, 'run', '--rm', 'host', '--', ...PY(`
import os, stat, sys
print(*[stat.S_ISSOCK(os.fstat(fd).st_mode) for fd in range(3)], flush=True)
s = socket.socket(fileno=os.dup(0)); print(s.family.name, s.type.name, repr(s.getsockname()), tried(s.setblocking, False), tried(s.recv, 9), flush=True); s.setblocking(True)
line = s.recv(100); o = socket.socket(fileno=os.dup(1)); o.sendall(b'got ' + line); o.shutdown(socket.SHUT_WR)
os.write(2, b'end\\n')`)], { env: testEnv(env, home) });
    let out = '', err = '';
    child.stdout.on('data', (d: Buffer) => {
      if (out.split('\n').length < 3 && (out + d.toString()).split('\n').length >= 3) child.stdin.write('line\n');
      out += d.toString();
    });
    child.stderr.on('data', (d: Buffer) => { err += d.toString(); });
    assert.equal(await new Promise((done) => child.on('close', done)), 0);
    assert.deepEqual([out, err], ["True True True\nAF_UNIX SOCK_STREAM '' ok EAGAIN\ngot line\n", 'end\n']);
  });
}
