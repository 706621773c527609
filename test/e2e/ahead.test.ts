/**
 * Files that are opened for a process before it asks (servers/vfs/ahead.ts): what happens to them between the telling and the open. A shell, which is a program of its own
 * here, is told when it reads its script, waits at a pipe while others change what it is going to open, and goes on without a call to a server in between.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { carrick, Footprint, scratchDir } from './harness.js';
import { people } from './servers.js';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const skip = BUSYBOX === undefined || spawnSync('sh', ['-c', `ldd ${BUSYBOX}`]).status === 0 ? 'needs Debian\'s busybox-static' : false;
const FILES = ['same', 'changed', 'gone', 'moved', 'link', 'dir/in', 'replaced'];

/** Counts what becomes of a file until it has been closed so many times. */
const WATCHER = `#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct inotify_event e;
	int fd = inotify_init(), opened = 0, closed = 0;
	if (argc != 3 || inotify_add_watch(fd, argv[1], IN_OPEN | IN_CLOSE_NOWRITE) < 0) return 1;
	puts("watching");
	fflush(stdout);
	while (closed < atoi(argv[2]) && read(fd, &e, sizeof e) == sizeof e) { opened += !!(e.mask & IN_OPEN); closed += !!(e.mask & IN_CLOSE_NOWRITE); }
	printf("%d opened, %d closed\\n", opened, closed);
	return 0;
}
`;

/** Opens and reads each file six times, before and after each word that it gets; tells what was in it the last time. */
const OPENER = `#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char line[64], path[64], word[8];
	int in = open("/tmp/words", O_RDONLY), fd, n;
	for (int round = 0; round < 3; round++) {
		if (round > 0 && read(in, word, 3) != 3) return 1;
		for (int i = 1; i < argc; i++) {
			for (int k = 0; k < 6; k++) {
				snprintf(path, sizeof path, "/data/%s", argv[i]);
				strcpy(line, "none\\n");
				if ((fd = open(path, O_RDONLY)) < 0) continue;
				n = read(fd, line, sizeof line - 1);
				line[n < 0 ? 0 : n] = 0;
				close(fd);
			}
			printf("%s: %s", argv[i], line);
		}
		fflush(stdout);
		if (close(open("/tmp", O_RDONLY | O_DIRECTORY))) return 1;
		printf("round %d\\n", round);
		fflush(stdout);
	}
	return 0;
}
`;

/** As many as are opened ahead at most, with those above. */
const MANY = Array.from({ length: 32 }, (_, i) => i);

/** What the reader does: twice for nothing, so that its opens are known. */
const READER = `read go < /tmp/one; read go < /tmp/two
for i in ${MANY.join(' ')}; do read line < /data/many/$i; [ "$line" = "number $i" ] || echo "$i: $line"; done
for f in ${FILES.join(' ')}; do line=none; read line 2>/dev/null < /data/$f; echo "$f: $line"; done
exec 5< /data/same; read line <&5; echo $line; readlink /proc/$$/fd/5; exec 5<&-
(read line < /data/same; echo $line)`;

function tree(): string {
  const root = join(scratchDir('ahead'), 'root');
  for (const dir of ['', 'bin', 'tmp', 'proc', 'dev', 'data', 'data/dir', 'data/many']) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync(BUSYBOX as string, join(root, 'bin/busybox'));
  // Another file, so another program.
  copyFileSync(BUSYBOX as string, join(root, 'bin/busybox2'));
  for (const name of ['sh', 'mkfifo', 'rm', 'mv', 'ln', 'sleep', 'readlink', 'cat', 'grep']) linkSync(join(root, 'bin/busybox'), join(root, 'bin', name));
  for (const f of FILES.filter((x) => x !== 'link')) writeFileSync(join(root, 'data', f), `${f} first\n`);
  for (const i of MANY) writeFileSync(join(root, `data/many/${i}`), `number ${i}\n`);
  symlinkSync('same', join(root, 'data/link'));
  writeFileSync(join(root, 'data/new'), 'new\n');
  writeFileSync(join(root, 'reader'), READER);
  for (const [name, source] of [['watcher', WATCHER], ['opener', OPENER]] as const) {
    writeFileSync(join(root, `../${name}.c`), source);
    assert.equal(spawnSync('cc', ['-static', '-o', join(root, 'bin', name), join(root, `../${name}.c`)], { stdio: 'inherit' }).status, 0);
  }
  spawnSync('chmod', ['-R', 'go=u-w', root]);
  chmodSync(join(root, '..'), 0o755);
  return root;
}

/** What others do to the files. */
const CHANGES = 'echo new > /data/changed; rm /data/gone; mv /data/moved /data/elsewhere; rm /data/link; ln -s new /data/link; mv /data/dir /data/dir2; mv /data/new /data/replaced; echo new > /data/new';
const AFTER = 'same first\n/data/same\nsame first\n';
const OLD = FILES.map((f) => `${f}: ${f === 'link' ? 'same' : f} first\n`).join(''), UNCHANGED = `${OLD}${AFTER}`;
const NEW = `same: same first\nchanged: new\ngone: none\nmoved: none\nlink: new\ndir/in: none\nreplaced: new\n`, CHANGED = `${NEW}${AFTER}`;

/** Runs of the reader that nobody disturbs. */
const ALONE = 6;
/** A line of the trace: vfs opens the file that may be taken ahead. */
const SERVED = /^\d+ open(at)?\(.*"\/data\/same".*= \d+ <vfs/;

for (const [who, ordinary] of people) {
  test(`what is opened ahead is what it is when it is opened, for ${who}`, { skip }, () => {
    const root = tree();
    const footprint = new Footprint(ordinary);
    const script = `cd /tmp; mkfifo one two; once() { /bin/busybox2 sh /reader & p=$!; echo > one; eval "$1"; echo > two; wait $p; }
      ${'once; '.repeat(ALONE)}
      once 'watcher /data/same 3 > seen & until grep -qs watching seen; do sleep 0.02; done'; until grep closed seen; do sleep 0.02; done
      once '${CHANGES}'`;
    const r = carrick(['trace', 'run', '--rm', `rootfs:${root}`, '--', '/bin/sh', '-c', script], { ...footprint.options, timeoutMs: 60000 });
    assert.deepEqual([r.status, r.out], [0, `${UNCHANGED.repeat(ALONE + 1)}3 opened, 3 closed\n${CHANGED}`], r.err.split('\n').slice(-30).join('\n'));
    const served = r.err.split(/^\d+ execve\("\/bin\/busybox2".*$/m).slice(1).map((run) => run.split('\n').filter((line) => SERVED.test(line)).length);
    // Three opens in each run, all by a server but one: the first two runs learn, those after them take one file ahead (where vfs has come to it: it opens ahead when nobody
    // waits for it), in the last but one somebody watches it, in the last directories move.
    const learnt = served.slice(2, ALONE);
    assert.deepEqual([...served.slice(0, 2), ...served.slice(ALONE)], [3, 3, 3, 3]);
    assert.ok(learnt.includes(2) && learnt.every((n) => n === 2 || n === 3), `opened by vfs: ${served.join(' ')}`);
    assert.deepEqual(footprint.left(), []);
    rmSync(join(root, '..'), { recursive: true });
  });
  test(`what is opened again and again is what it is each time, for ${who}`, { skip }, () => {
    const root = tree();
    const footprint = new Footprint(ordinary);
    const script = `cd /tmp; mkfifo words; opener ${FILES.join(' ')} > said & exec 6> words; told() { until grep -qs "round $1" said; do sleep 0.02; done; }
      told 0; ${CHANGES}; echo go >&6; told 1
      watcher /data/same 6 > seen & until grep -qs watching seen; do sleep 0.02; done; echo go >&6; told 2; until grep closed seen; do sleep 0.02; done; cat said`;
    const r = carrick(['trace', 'run', '--rm', `rootfs:${root}`, '--', '/bin/sh', '-c', script], { ...footprint.options, timeoutMs: 60000 });
    const served = r.err.split('\n').filter((line) => SERVED.test(line)).length;
    assert.deepEqual([r.status, r.out], [0, `6 opened, 6 closed\n${OLD}round 0\n${NEW}round 1\n${NEW}round 2\n`], r.err.split('\n').slice(-30).join('\n'));
    // Three by request until one is opened ahead; three after a directory has moved; all six while somebody watches.
    assert.equal(served, 12);
    assert.deepEqual(footprint.left(), []);
    rmSync(join(root, '..'), { recursive: true });
  });
}
