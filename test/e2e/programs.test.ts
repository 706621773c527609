/** Real programs, compared with the host: shells, coreutils, python, perl, tar, gcc, threads, Go. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bash, carrick, native, scratchDir } from './harness.js';

/** The same script natively and under carrick. */
function same(script: string): void {
  const want = native(['/bin/bash', '-c', script]);
  const got = bash(script);
  assert.equal(got.err, want.err);
  assert.equal(got.out, want.out);
  assert.equal(got.status, want.status);
}

test('shell: pipelines, substitution, traps, jobs, here documents', () => {
  same('for i in $(seq 20); do echo $i; done | sort -r | sed s/1/one/ | grep -c one; x=$(echo a; false); echo $? $x; trap "echo bye" EXIT; (exit 3); echo $?; cat <<< here; sleep 0 & wait $!; echo $?; set -o pipefail; false | true; echo $?');
});

test('dash, coreutils, findutils, grep, sed, awk', () => {
  same('sh -c "cd /usr/share/doc && find . -maxdepth 1 | sort | head -20"; ls -l /etc/passwd | cut -c1-10; stat -c "%a %u %g %s" /etc/passwd; wc -l < /etc/services; grep -c tcp /etc/services; sed -n 3p /etc/passwd; awk -F: "{ n += \\$3 } END { print n }" /etc/passwd; head -c 100000 /dev/zero | md5sum; dd if=/dev/zero bs=1000 count=3 2>/dev/null | wc -c');
});

test('500 processes one after the other', () => {
  const r = bash('for i in $(seq 500); do /bin/true || echo bad; done; echo done');
  assert.equal(r.out, 'done\n');
});

test('tar of a tree through a pipe equals the host', () => {
  same('tar c -C /usr/share/doc . 2>/dev/null | tar t | sort | md5sum; cd /tmp && mkdir -p t$$ && cd t$$ && tar c -C /usr/share/perl5 . | tar x && find . -type f | sort | xargs cat | md5sum; cd /; rm -r /tmp/t$$; echo hello | gzip | gunzip');
});

test('perl and python: imports, subprocess, threads', () => {
  same('perl -e "use POSIX; use File::Temp; print join(\\",\\", map { \\$_ ** 2 } 1..5), \\"\\\\n\\"; print \\`echo sub\\`;"');
  same('/usr/bin/python3 -c "import subprocess; print(subprocess.run([\'echo\', \'x\'], capture_output=True).stdout)" 2>/dev/null; /usr/bin/python3 - <<E\nimport subprocess, threading, queue, json\nq = queue.Queue()\nts = [threading.Thread(target=lambda i=i: q.put(i * i)) for i in range(20)]\n[t.start() for t in ts]; [t.join() for t in ts]\nprint(sum(q.get() for _ in range(20)), subprocess.check_output(["sh", "-c", "echo out; exit 0"]), json.dumps({"a": [1]}))\nE');
});

test('compileall of a copy of the standard library', () => {
  const r = bash('mkdir /tmp/l && cp -r /usr/lib/python3.11/json /usr/lib/python3.11/asyncio /usr/lib/python3.11/email /tmp/l && /usr/bin/python3 -m compileall -q /tmp/l && find /tmp/l -name "*.pyc" | wc -l');
  assert.equal(r.err, '');
  assert.equal(r.out, native(['bash', '-c', 'd=$(mktemp -d); cp -r /usr/lib/python3.11/json /usr/lib/python3.11/asyncio /usr/lib/python3.11/email $d; /usr/bin/python3 -m compileall -q $d; find $d -name "*.pyc" | wc -l; rm -r $d']).out);
});

test('gcc builds and runs a threaded program', () => {
  const r = bash(`cd /tmp && cat > t.c <<'E'
#include <pthread.h>
#include <stdio.h>
static long n; static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *run(void *a) { for (int i = 0; i < 10000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return a; }
int main(void) { pthread_t t[8]; for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, run, 0); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); printf("%ld\\n", n); return 0; }
E
gcc -O2 -pthread -o t t.c && ./t`);
  assert.equal(r.err, '');
  assert.equal(r.out, '80000\n');
});

test('a Go program with 1,000 goroutines over 8 threads', { skip: existsSync('/usr/bin/go') ? false : 'no Go compiler here' }, () => {
  const dir = scratchDir('go');
  writeFileSync(join(dir, 'main.go'), `package main
import ("fmt"; "runtime"; "sync"; "time")
func main() {
	runtime.GOMAXPROCS(8)
	var wg sync.WaitGroup; var mu sync.Mutex; sum := 0
	ch := make(chan int, 10)
	for i := 0; i < 1000; i++ { wg.Add(1); go func(i int) { defer wg.Done(); time.Sleep(time.Millisecond); ch <- i; mu.Lock(); sum += <-ch; mu.Unlock() }(i) }
	wg.Wait(); runtime.GC(); fmt.Println(sum)
}
`);
  const built = native(['bash', '-c', `cd ${dir} && HOME=${dir} GOFLAGS=-mod=mod CGO_ENABLED=0 GOCACHE=${dir}/cache go build -o prog main.go`]);
  assert.equal(built.status, 0, built.err);
  const r = carrick(['run', '--rm', '-v', `${dir}:/go:ro`, 'host', '--', '/go/prog']);
  assert.equal(r.err, '');
  assert.equal(r.out, '499500\n');
});

test('find counts the same names as the host', () => {
  // Directories that change while the test runs, and the special file systems, are left out.
  const script = 'find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run -o -path /root -o -path /var -o -path /home \\) -prune -o -print 2>/dev/null | wc -l';
  same(script);
});
