/** Web and data servers for longer, and those that have to be built first; the quick tests are in web.test.ts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Footprint, bash, carrick } from './harness.js';
import { runPage } from './doc-commands.js';
import { Server, fetchOnce, freePort, load, nginxConf, ownDir, people, without } from './servers.js';

const MINUTES = 60000;

for (const [who, ordinary] of people) {
  test(`every command of docs/workloads/web.md, as ${who}`, { skip: without('nginx', 'redis-server', 'sqlite3', 'curl', 'wget', 'git', 'openssl', 'ss') }, () => {
    runPage('docs/workloads/web.md', { ordinary, timeoutMs: 5 * MINUTES });
  });

  test(`nginx of ${who} under load: reloads lose no request, a graceful stop ends what was begun`, { skip: without('nginx') }, async (t) => {
    const footprint = new Footprint(ordinary);
    const dir = ownDir('nginx', ordinary);
    const port = await freePort();
    const files = [10, 5000, 300000].map((n, i) => [`f${i}`, randomBytes(n)] as const);
    mkdirSync(join(dir, 'html'));
    for (const [name, bytes] of files) writeFileSync(join(dir, 'html', name), bytes);
    writeFileSync(join(dir, 'conf'), nginxConf('/tmp/n', port));
    // Without -p it tries its compiled-in log before it has read the configuration, and says so.
    const server = new Server(t, footprint, ['-v', `${dir}:/site:ro`, 'host', '--', 'bash', '-c', `mkdir /tmp/n; cp -r /site/html /tmp/n; cd /tmp/n; nginx -e /tmp/n/error.log -c /site/conf -g 'daemon off;' & nginx=$!
      trap 'kill -QUIT $nginx' TERM
      for i in 1 2 3 4 5; do sleep 1; kill -HUP $nginx; done; echo reloaded
      until wait $nginx; s=$?; [ $s -lt 128 ]; do :; done; echo status $s; grep -cE '\\[(emerg|alert|crit|error)\\]' error.log; grep -c 'gracefully shutting down' error.log`]);
    await server.answers(`http://127.0.0.1:${port}/f0`);
    const ask = (n: number): readonly [string, Buffer] => { const [name, bytes] = files[n % 3] as readonly [string, Buffer]; return [`http://127.0.0.1:${port}/${name}`, bytes]; };
    // A connection each: one that is kept may be closed by a worker that ends just when the client uses it again, as on the host.
    await Promise.all([load(2000, 20, ask), server.says(/reloaded/, MINUTES)]);
    const last = load(20, 20, () => ask(2));
    await server.answers(`http://127.0.0.1:${port}/f0`);
    await last;
    await server.stop();
    assert.match(server.output, /status 0\n0\n12\n/, server.output);
    assert.deepEqual(footprint.left(), []);
  });

  test(`redis of ${who}: redis-benchmark, a background save and a rewritten log, everything there after a restart`, { skip: without('redis-server', 'redis-benchmark') }, async () => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const dir = ownDir('redis', ordinary);
    const run = (commands: string): string => {
      const r = carrick(['run', '--rm', '-v', `${dir}:/data`, 'host', '--', 'bash', '-c', `cli() { redis-cli -p ${port} "$@"; }; info() { cli info persistence | tr -d '\\r' | sed -n "s/^$1://p"; }
        redis-server --port ${port} --bind 127.0.0.1 --dir /data --appendonly yes --save '' --logfile /data/log & server=$!
        until [ "$(cli ping 2> /dev/null)" = PONG ]; do sleep 0.05; done; ${commands}; kill -TERM $server; wait $server; echo status $?`], { ...footprint.options, timeoutMs: 5 * MINUTES });
      assert.deepEqual([r.status, r.err], [0, '']);
      return r.out;
    };
    const first = run(`redis-benchmark -p ${port} -n 20000 -c 50 -P 4 -r 5000 -d 100 --csv -t set,get,incr,lpush,hset,zadd | cut -d, -f1
      cli bgrewriteaof > /dev/null; cli set during rewrite > /dev/null; until [ "$(info aof_rewrite_in_progress)$(info aof_rewrites)" = 01 ]; do sleep 0.05; done; info aof_last_bgrewrite_status
      cli bgsave > /dev/null; until [ "$(info rdb_bgsave_in_progress)$(info rdb_saves)" = 01 ]; do sleep 0.05; done; info rdb_last_bgsave_status
      cli llen mylist; echo size $(cli dbsize); cli debug sleep 0 > /dev/null; cli get during`);
    assert.match(first, /^"test"\n"SET"\n"GET"\n"INCR"\n"LPUSH"\n"HSET"\n"ZADD"\nok\nok\n20000\nsize \d+\nrewrite\nstatus 0\n$/);
    assert.equal(run('cli llen mylist; echo size $(cli dbsize); cli get during'), `20000\n${/size \d+/.exec(first)?.[0]}\nrewrite\nstatus 0\n`);
    assert.equal(spawnSync('redis-check-rdb', [join(dir, 'dump.rdb')]).status, 0);
    assert.deepEqual(footprint.left(), []);
  });

  test(`sqlite3 of ${who}: 2,000 transactions of four writers in WAL mode, readers and checkpoints between them`, { skip: without('sqlite3') }, () => {
    const footprint = new Footprint(ordinary);
    const dir = ownDir('sqlite', ordinary);
    const r = carrick(['run', '--rm', '-v', `${dir}:/data`, 'host', '--', 'bash', '-c', `cd /data; sqlite3 t.db 'pragma journal_mode=wal; create table t(a integer primary key, b text);' > /dev/null
      for p in 1 2 3 4; do (for i in $(seq 500); do echo "insert into t values($p * 1000 + $i, hex(randomblob(200)));"; done | sqlite3 -cmd '.timeout 120000' t.db || echo failed) & done
      (while [ ! -e done ]; do sqlite3 -cmd '.timeout 120000' t.db 'pragma wal_checkpoint(passive); select count(*) from t' > /dev/null || echo reader failed; done) & reader=$!
      for job in $(jobs -p); do [ $job = $reader ] || wait $job; done; touch done; wait
      sqlite3 t.db 'select count(*), sum(a) from t; pragma integrity_check;'`], { ...footprint.options, timeoutMs: 5 * MINUTES });
    assert.deepEqual([r.status, r.out, r.err], [0, '2000|5501000\nok\n', '']);
    // The host reads what the guest has written.
    assert.equal(spawnSync('sqlite3', [join(dir, 't.db'), 'pragma integrity_check; select count(*) from t'], { encoding: 'utf8' }).stdout, 'ok\n2000\n');
    assert.deepEqual(footprint.left(), []);
  });

  test(`git daemon of ${who}: clone, fetch and push, from the container and from the host`, { skip: without('git') }, async (t) => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const dir = ownDir('git', ordinary);
    const server = new Server(t, footprint, ['-v', `${dir}:/srv`, '-e', 'HOME=/tmp', 'host', '--', 'bash', '-ec', `cd /tmp; git config --global user.name n; git config --global user.email e@example.org; git config --global safe.directory '*'
      git init -q -b main --bare /srv/site.git; git init -q -b main src; cd src; for i in $(seq 50); do head -c 500 /dev/urandom | base64 > f$i; done; git add .; git commit -qm one; git push -q /srv/site.git main; cd ..
      git daemon --base-path=/srv --export-all --enable=receive-pack --listen=127.0.0.1 --port=${port} --reuseaddr & daemon=$!
      until git ls-remote git://127.0.0.1:${port}/site.git > /dev/null 2>&1; do sleep 0.1; done
      git clone -q git://127.0.0.1:${port}/site.git copy; diff -r -x .git src copy; cd copy; echo more > f1; git commit -qam two; git push -q; cd ../src; git pull -q git://127.0.0.1:${port}/site.git main; diff -r -x .git . ../copy
      echo ready; trap 'kill $daemon; exit 0' TERM; wait`]);
    await server.says(/ready/, 2 * MINUTES);
    const copy = join(ownDir('clone', false), 'copy');
    const clone = spawnSync('git', ['clone', '-q', `git://127.0.0.1:${port}/site.git`, copy], { encoding: 'utf8' });
    assert.deepEqual([clone.status, clone.stderr, readFileSync(join(copy, 'f1'), 'latin1')], [0, '', 'more\n']);
    await server.stop();
    assert.doesNotMatch(server.output, /fatal|error/i);
    assert.deepEqual(footprint.left(), []);
  });

  test(`a Go net/http server built for the test, of ${who}: 2,000 requests, TLS, a graceful end`, { skip: without('go') }, async (t) => {
    const footprint = new Footprint(ordinary);
    const dir = ownDir('go', ordinary);
    const [port, tls] = [await freePort(), await freePort()];
    writeFileSync(join(dir, 'main.go'), `package main
import ("context"; "crypto/tls"; "fmt"; "io"; "net/http"; "net/http/httptest"; "os"; "os/signal"; "runtime"; "strings"; "syscall"; "time")
func main() {
	runtime.GOMAXPROCS(4)
	body := strings.Repeat("0123456789abcdef", 4096)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); io.WriteString(w, "slow") })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "/site/data") })
	probe := httptest.NewTLSServer(mux)
	s := &http.Server{Addr: "127.0.0.1:${port}", Handler: mux}
	t := &http.Server{Addr: "127.0.0.1:${tls}", Handler: mux, TLSConfig: &tls.Config{Certificates: probe.TLS.Certificates}}
	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer done()
	go s.ListenAndServe()
	go t.ListenAndServeTLS("", "")
	a, err := probe.Client().Get(probe.URL)
	if err != nil { fmt.Println(err); os.Exit(2) }
	got, _ := io.ReadAll(a.Body)
	fmt.Println("ready", a.Proto, len(got))
	<-stop.Done()
	limit, cancel := context.WithTimeout(context.Background(), 10 * time.Second)
	defer cancel()
	fmt.Println("stopped", s.Shutdown(limit))
}
`);
    const data = randomBytes(2000000);
    writeFileSync(join(dir, 'data'), data);
    const built = spawnSync('go', ['build', '-o', join(dir, 'server'), join(dir, 'main.go')], { encoding: 'utf8', env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GO111MODULE: 'off' } });
    assert.equal(built.status, 0, built.stderr);
    const server = new Server(t, footprint, ['-v', `${dir}:/site:ro`, 'host', '--', '/site/server']);
    await server.says(/ready HTTP\/1\.1 65536/);
    const body = Buffer.from('0123456789abcdef'.repeat(4096)), url = `http://127.0.0.1:${port}/`;
    await load(1000, 50, () => [url, body]);
    await load(1000, 50, () => [url, body], true);
    await load(20, 5, () => [`${url}file`, data]);
    const curl = carrick(['run', '--rm', 'host', '--', 'sh', '-c', `curl -sk https://127.0.0.1:${tls}/ | wc -c`], footprint.options);
    assert.equal(curl.out, '65536\n');
    const slow = fetchOnce(`${url}slow`, undefined);
    // The request is there before the signal.
    await fetchOnce(url, undefined);
    const stopped = server.stop();
    assert.equal((await slow).body.toString(), 'slow');
    assert.equal(await stopped, 0);
    assert.match(server.output, /stopped <nil>/);
    assert.deepEqual(footprint.left(), []);
  });

  test(`openssl s_server and s_client of ${who}: a certificate chain made in the guest, both ways, client certificates, resumption`, { skip: without('openssl') }, async () => {
    const footprint = new Footprint(ordinary);
    const port = await freePort();
    const r = bash(`cd /tmp; exec 2> errors; set -e
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca
      for who in server client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key -out $who.csr -subj /CN=localhost
        openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $who.crt; done
      openssl verify -CAfile ca.crt server.crt client.crt
      openssl s_server -accept 127.0.0.1:${port} -key server.key -cert server.crt -CAfile ca.crt -Verify 1 -verify_return_error -rev -quiet > log & server=$!
      ask() { openssl s_client -connect 127.0.0.1:${port} -CAfile ca.crt -verify_return_error "$@"; }
      until echo Q | ask -key client.key -cert client.crt > /dev/null 2>&1; do sleep 0.1; done
      for v in tls1_2 tls1_3; do (echo hello; sleep 1) | ask -$v -key client.key -cert client.crt -brief 2> said | head -1; sed -n 's/^Protocol version: //p' said; done
      (echo hello; sleep 1) | ask -tls1_3 -sess_out session -key client.key -cert client.crt > /dev/null; (echo again; sleep 1) | ask -tls1_3 -sess_in session 2> /dev/null | grep -oE '^Reused|^niaga'
      (echo hello; sleep 1) | ask -tls1_2 -brief > /dev/null 2>&1 && echo 'no certificate, but let in' || echo refused
      kill $server`, { ...footprint.options, timeoutMs: 2 * MINUTES });
    assert.deepEqual([r.status, r.out.split('\n')], [0, ['server.crt: OK', 'client.crt: OK', 'olleh', 'TLSv1.2', 'olleh', 'TLSv1.3', 'Reused', 'niaga', 'refused', '']]);
    assert.deepEqual(footprint.left(), []);
  });
}
