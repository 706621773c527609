import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from './failure.js';
import { type NetworkFlags, networkSpec } from './network.js';

const host = { hosts: '127.0.0.1 localhost\n192.0.2.7 machine machine.example # name\n# 192.0.2.8 web', resolvConf: 'search example\nnameserver 192.0.2.53\noptions ndots:2\n' };

function file(flags: NetworkFlags, name: string, hostname = 'web', from = host): string {
  return networkSpec(flags, hostname, 31, from).files.find((f) => f.target === `/etc/${name}`)?.text ?? '';
}

test('hostname and hosts: the host\'s own, or the loopback\'s, and always the container\'s name', () => {
  assert.equal(file({}, 'hostname'), 'web\n');
  assert.equal(file({}, 'hosts'), `${host.hosts}\n127.0.0.1\tweb\n`);
  assert.equal(file({}, 'hosts', 'machine.example'), `${host.hosts}\n`);
  assert.match(file({ network: 'none' }, 'hosts'), /^127\.0\.0\.1\tlocalhost\n[^]*\n127\.0\.0\.1\tweb\n$/);
  assert.match(file({}, 'hosts', 'web', { hosts: '', resolvConf: '' }), /^127\.0\.0\.1\tlocalhost\n/);
});

test('--add-host: addresses of both kinds, and the host itself', () => {
  assert.match(file({ addHost: ['db:192.0.2.1', 'six:2001:db8::1', 'eight=[2001:db8::2]', 'h:host-gateway'] }, 'hosts'), /\n192\.0\.2\.1\tdb\n2001:db8::1\tsix\n2001:db8::2\teight\n127\.0\.0\.1\th\n$/);
  for (const bad of ['db', 'db:', ':192.0.2.1', 'db:x', 'd b:192.0.2.1', '']) assert.throws(() => file({ addHost: [bad] }, 'hosts'), (e) => e instanceof Failure && e.message.includes('--add-host'));
  assert.throws(() => file({ network: 'none', addHost: ['h:host-gateway'] }, 'hosts'), Failure);
});

test('--dns takes the place of the host\'s name servers only', () => {
  assert.equal(file({}, 'resolv.conf'), host.resolvConf);
  assert.equal(file({ dns: ['192.0.2.9', '2001:db8::9'] }, 'resolv.conf'), 'nameserver 192.0.2.9\nnameserver 2001:db8::9\nsearch example\noptions ndots:2\n');
  assert.throws(() => file({ dns: ['name'] }, 'resolv.conf'), Failure);
});

test('--network none asks for a namespace, unless none are wanted', () => {
  assert.deepEqual([networkSpec({}, 'h', 31, host).namespaces, networkSpec({ network: 'none' }, 'h', 31, host).namespaces, networkSpec({ network: 'none' }, 'h', 0, host).namespaces], [31, 63, 0]);
  assert.throws(() => networkSpec({ network: 'bridge' }, 'h', 31, host), /use host or none/);
});
