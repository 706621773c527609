/** Real programs, compared with the host: shells, coreutils, python, perl, tar, Go. More of them in bars.test.ts. */
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

test('tar of a tree through a pipe equals the host', () => {
  same('tar c -C /usr/share/doc . 2>/dev/null | tar t | sort | md5sum; cd /tmp && mkdir -p t$$ && cd t$$ && tar c -C /usr/share/perl5 . | tar x && find . -type f | sort | xargs cat | md5sum; cd /; rm -r /tmp/t$$; echo hello | gzip | gunzip');
});

test('perl and python: imports, subprocess, threads', () => {
  same('perl -e "use POSIX; use File::Temp; print join(\\",\\", map { \\$_ ** 2 } 1..5), \\"\\\\n\\"; print \\`echo sub\\`;"');
  same('/usr/bin/python3 -c "import subprocess; print(subprocess.run([\'echo\', \'x\'], capture_output=True).stdout)" 2>/dev/null; /usr/bin/python3 - <<E\nimport subprocess, threading, queue, json\nq = queue.Queue()\nts = [threading.Thread(target=lambda i=i: q.put(i * i)) for i in range(20)]\n[t.start() for t in ts]; [t.join() for t in ts]\nprint(sum(q.get() for _ in range(20)), subprocess.check_output(["sh", "-c", "echo out; exit 0"]), json.dumps({"a": [1]}))\nE');
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
