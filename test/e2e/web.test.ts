/** Web and data servers as people start them, as root and as an ordinary user: the quick ones. Longer ones in web.e2e.ts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Footprint, bash, carrick } from './harness.js';
import { Server, freePort, load, nginxConf, ownDir, people, without } from './servers.js';

for (const [who, ordinary] of people) {
  test(`python3 -m http.server of ${who}: 1,000 requests from the host, 50 at a time, and one from another container`, { skip: without('/usr/bin/python3', 'curl') }, async (t) => {
    const footprint = new Footprint(ordinary);
    const dir = ownDir('site', ordinary);
    const files = [1, 1000, 70000].map((n) => [`f${n}`, randomBytes(n)] as const);
    for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes);
    const port = await freePort();
    const server = new Server(t, footprint, ['-v', `${dir}:/site:ro`, 'host', '--', '/usr/bin/python3', '-u', '-m', 'http.server', '-d', '/site', '-b', '127.0.0.1', String(port)]);
    await server.says(/Serving HTTP/);
    await load(1000, 50, (n) => { const [name, bytes] = files[n % 3] as readonly [string, Buffer]; return [`http://127.0.0.1:${port}/${name}`, bytes]; });
    const other = carrick(['run', '--rm', '-v', `${dir}:/site:ro`, 'host', '--', 'sh', '-c', `curl -s http://127.0.0.1:${port}/f70000 | cmp - /site/f70000 && echo same`], footprint.options);
    assert.deepEqual([other.status, other.out, other.err], [0, 'same\n', '']);
    await server.stop('SIGINT');
    assert.deepEqual(footprint.left(), []);
  });

  test(`nginx of ${who}: serves, reloads, ends gracefully`, { skip: without('nginx', 'curl') }, async () => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const r = bash(`mkdir -p /tmp/n/html; cd /tmp/n; echo one > html/a; cat > conf; touch error.log
      nginx -c /tmp/n/conf -g 'daemon off;' & master=$!
      until curl -sf http://127.0.0.1:${port}/a; do sleep 0.05; done
      workers() { pgrep -P $master | sort | tr '\\n' ' '; }
      old=$(workers); nginx -c /tmp/n/conf -s reload 2> /dev/null
      until [ "$(grep -c 'worker process .* exited with code 0' error.log)" = 2 ]; do sleep 0.05; done
      [ "$old" = "$(workers)" ] || echo 'other workers'
      curl -sf http://127.0.0.1:${port}/a; nginx -c /tmp/n/conf -s quit 2> /dev/null; wait $master; echo status $?
      ls; grep -cE '\\[(emerg|alert|crit|error)\\]' error.log`, { ...footprint.options, input: nginxConf('/tmp/n', port) });
    assert.equal(r.err, '');
    assert.match(r.out, /^one\nother workers\none\nstatus 0\n(?!.*pid)[^]*\n0\n$/, r.err);
    assert.deepEqual(footprint.left(), []);
  });

  test(`redis of ${who}: keeps its data over SIGTERM`, { skip: without('redis-server', 'redis-cli') }, async () => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const dir = ownDir('redis', ordinary);
    const run = (commands: string): string => {
      const r = carrick(['run', '--rm', '-v', `${dir}:/data`, 'host', '--', 'bash', '-c', `cli() { redis-cli -p ${port} "$@"; }
        redis-server --port ${port} --bind 127.0.0.1 --dir /data --save 3600 1 --logfile /data/log & server=$!
        until [ "$(cli ping 2> /dev/null)" = PONG ]; do sleep 0.05; done; ${commands}; kill -TERM $server; wait $server; echo status $?`], footprint.options);
      assert.deepEqual([r.status, r.err], [0, '']);
      return r.out;
    };
    assert.equal(run('cli set key value; for i in $(seq 20); do cli rpush list $i > /dev/null; done; cli llen list'), 'OK\n20\nstatus 0\n');
    assert.equal(run('cli get key; cli lrange list 18 -1; cli dbsize'), 'value\n19\n20\n2\nstatus 0\n');
    assert.deepEqual(footprint.left(), []);
  });

  test(`sqlite3 of ${who}: four writers in WAL mode`, { skip: without('sqlite3') }, () => {
    const footprint = new Footprint(ordinary);
    const dir = ownDir('sqlite', ordinary);
    const r = carrick(['run', '--rm', '-v', `${dir}:/data`, 'host', '--', 'bash', '-c', `cd /data; sqlite3 t.db 'pragma journal_mode=wal; create table t(a integer, b text);'
      for p in 1 2 3 4; do (for i in $(seq 50); do echo "insert into t values($p * 1000 + $i, hex(randomblob(100)));"; done | sqlite3 -cmd '.timeout 60000' t.db || echo failed) & done; wait
      sqlite3 t.db 'select count(*), count(distinct a), sum(a) from t; pragma integrity_check;'`], footprint.options);
    assert.deepEqual([r.status, r.out, r.err], [0, 'wal\n200|200|505100\nok\n', '']);
    assert.deepEqual(footprint.left(), []);
  });

  test(`curl, wget, git clone and TLS of ${who}, over loopback`, { skip: without('curl', 'wget', 'git', 'openssl', '/usr/bin/python3') }, async () => {
    const footprint = new Footprint(ordinary);
    const [http, tls] = [await freePort(), await freePort()];
    const r = bash(`cd /tmp; export HOME=/tmp GIT_CONFIG_NOSYSTEM=1; head -c 300000 /dev/urandom > blob
      git init -q -b main src; cd src; git config user.name n; git config user.email e@example.org; cp ../blob .; git add .; git commit -qm one; cd ..
      git clone -q --bare src site.git; git -C site.git update-server-info
      /usr/bin/python3 -m http.server -b 127.0.0.1 ${http} > /dev/null 2>&1 & web=$!
      curl -s --retry 50 --retry-connrefused --retry-delay 1 -o /dev/null http://127.0.0.1:${http}/
      curl -s http://127.0.0.1:${http}/blob | cmp - blob && echo curl; wget -q -O got http://localhost:${http}/blob && cmp got blob && echo wget
      git clone -q http://127.0.0.1:${http}/site.git c1 && cmp c1/blob blob && echo git http; git clone -q file:///tmp/src c2 && cmp c2/blob blob && echo git file
      openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
      openssl s_server -accept 127.0.0.1:${tls} -key key -cert cert -WWW -quiet > /dev/null 2>&1 & server=$!
      curl -s --retry 50 --retry-connrefused --retry-delay 1 --cacert cert https://localhost:${tls}/blob | cmp - blob && echo curl tls
      echo | openssl s_client -connect 127.0.0.1:${tls} -CAfile cert -verify_return_error -brief 2>&1 | grep -E '^(Protocol|Verif)'
      curl -s https://localhost:${tls}/blob > /dev/null; echo unknown authority $?
      kill $web $server; wait; echo done`, footprint.options);
    assert.deepEqual([r.status, r.out, r.err], [0, 'curl\nwget\ngit http\ngit file\ncurl tls\nProtocol version: TLSv1.3\nVerification: OK\nunknown authority 60\ndone\n', '']);
    assert.deepEqual(footprint.left(), []);
  });

  test(`an HTTP server on node of ${who}: keep-alive connections, and one that is closed each time`, async (t) => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const dir = ownDir('node', ordinary);
    const body = randomBytes(20000);
    writeFileSync(join(dir, 'body'), body);
    writeFileSync(join(dir, 'server.mjs'), `import { createServer } from 'node:http'; import { readFileSync } from 'node:fs';
      const body = readFileSync('/site/body'); let connections = 0;
      const s = createServer((q, a) => { a.end(q.url === '/count' ? String(connections) : body); });
      s.on('connection', () => { connections++; }); s.keepAliveTimeout = 20000; s.listen(${port}, '127.0.0.1', () => console.log('ready'));
      process.on('SIGTERM', () => { s.close(() => process.exit(3)); s.closeAllConnections(); });`);
    const server = new Server(t, footprint, ['-v', `${dir}:/site:ro`, '-v', `${process.execPath}:/usr/bin/node-under-test:ro`, 'host', '--', '/usr/bin/node-under-test', '/site/server.mjs']);
    await server.says(/ready/);
    const url = `http://127.0.0.1:${port}/`;
    await load(300, 10, () => [url, body], true);
    await load(100, 10, () => [url, body]);
    await load(1, 1, () => [`${url}count`, Buffer.from('111')]);
    assert.equal(await server.stop(), 3);
    assert.deepEqual(footprint.left(), []);
  });
}
