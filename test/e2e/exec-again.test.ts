/**
 * Programs that the kernel keeps (kernel/exec/kept.ts): what is executed again is what its path means then, to who executes it, whatever has become of names, rights, links, directories, roots
 * and contents since the last time.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { carrick, Footprint, scratchDir } from './harness.js';
import { people } from './servers.js';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const skip = BUSYBOX === undefined || spawnSync('sh', ['-c', `ldd ${BUSYBOX}`]).status === 0 ? 'needs Debian\'s busybox-static' : false;

/** Says its word; with an argument it stays. With two it counts what becomes of the first, a file, until it has been closed so many times. */
const program = (word: string): string => `#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct inotify_event e;
	int fd, opened = 0, closed = 0;
	puts(argc == 3 ? "watching" : "${word}");
	if (argc == 2) return pause();
	if (argc != 3) return 0;
	if ((fd = inotify_init()) < 0 || inotify_add_watch(fd, argv[1], IN_OPEN | IN_CLOSE_NOWRITE) < 0) return 1;
	fflush(stdout);
	while (closed < atoi(argv[2]) && read(fd, &e, sizeof e) == sizeof e) { opened += !!(e.mask & IN_OPEN); closed += !!(e.mask & IN_CLOSE_NOWRITE); }
	printf("%d opened, %d closed\\n", opened, closed);
	return 0;
}
`;

const PLACES = ['prog', 'busy', 'mine', 'host'];

function tree(): string {
  const root = join(scratchDir('exec-again'), 'root');
  for (const dir of ['', 'bin', 'tmp', 'proc', 'dev', 'etc', 'other', 'jail/prog', 'flags', ...PLACES]) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync(BUSYBOX as string, join(root, 'bin/busybox'));
  for (const name of ['sh', 'rm', 'mv', 'ln', 'cp', 'chmod', 'chroot', 'mkdir', 'sleep', 'cat', 'grep', 'su', 'touch', 'kill']) linkSync(join(root, 'bin/busybox'), join(root, 'bin', name));
  for (const name of ['first', 'second']) {
    writeFileSync(join(root, `../${name}.c`), program(name));
    assert.equal(spawnSync('cc', ['-static', '-o', join(root, `../${name}`), join(root, `../${name}.c`)], { stdio: 'inherit' }).status, 0);
  }
  for (const place of PLACES) copyFileSync(join(root, '../first'), join(root, place, 'p'));
  for (const place of ['other', 'jail/prog']) copyFileSync(join(root, '../second'), join(root, place, 'p'));
  copyFileSync(join(root, '../second'), join(root, 'host/new'));
  copyFileSync(join(root, '../first'), join(root, 'bin/watcher'));
  symlinkSync('prog', join(root, 'link'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n');
  spawnSync('chmod', ['-R', 'go=u-w', root]);
  chmodSync(join(root, '..'), 0o755);
  return root;
}

/** Each line tells what the fourth time was like. */
const SCRIPT = `cd /tmp
four() { for i in 1 2 3 4; do said=$("$@" 2>&1); rc=$?; done; echo "$what: $rc $said"; }
what=same; four /prog/p; four /link/p; four su nobody -c /prog/p
what=replaced; mv /prog/p /prog/old; cp /other/p /prog/p; four /prog/p
what=back; mv /prog/old /prog/p; four /prog/p
what=mode; chmod 644 /prog/p; four /prog/p; chmod 755 /prog/p; four /prog/p
what=gone; mv /prog/p /prog/q; four /prog/p; mv /prog/q /prog/p; four /prog/p
what=link; rm /link; ln -s other /link; four /link/p
what=directory; mv /prog /was; mkdir /prog; cp /other/p /prog/p; four /prog/p; rm -r /prog; four /prog/p; mv /was /prog; four /prog/p
what=busy; four /busy/p; exec 5>>/busy/p; four /busy/p; exec 5>&-; four /busy/p
what=running; /prog/p stays > /dev/null & until [ "$(cat /proc/$!/comm)" = p ]; do sleep 0.02; done
{ echo >> /prog/p; } 2>&1; kill $!; wait $!; echo "$what: $?"
what=user; four /mine/p; chmod 700 /mine/p; four /mine/p; four su nobody -c /mine/p; chmod 755 /mine/p; four su nobody -c /mine/p
what=host; four /host/p; touch /flags/kept; until [ -e /flags/replaced ]; do sleep 0.02; done; four /host/p
what=watched; four /prog/p; watcher /prog/p 4 > seen & until grep -qs watching seen; do sleep 0.02; done; four /prog/p; wait; cat seen
what=root; four chroot /jail /prog/p; four /prog/p; four chroot /jail /busy/p
`;

const SAID = `same: 0 first
same: 0 first
same: 0 first
replaced: 0 second
back: 0 first
mode: 126 /bin/sh: /prog/p: Permission denied
mode: 0 first
gone: 127 /bin/sh: /prog/p: not found
gone: 0 first
link: 0 second
directory: 0 second
directory: 127 /bin/sh: /prog/p: not found
directory: 0 first
busy: 0 first
busy: 126 /bin/sh: /busy/p: Text file busy
busy: 0 first
/bin/sh: can't create /prog/p: Text file busy
running: 143
user: 0 first
user: 0 first
user: 126 sh: /mine/p: Permission denied
user: 0 first
host: 0 first
host: 0 second
watched: 0 first
watched: 0 first
watching
4 opened, 4 closed
root: 0 second
root: 0 first
root: 127 chroot: can't execute '/busy/p': No such file or directory
`;

for (const [who, ordinary] of people) {
  test(`what is executed again is what it is each time, for ${who}`, { skip }, () => {
    const root = tree(), flags = scratchDir('exec-again-flags');
    chmodSync(flags, 0o777);
    const footprint = new Footprint(ordinary);
    // On the host, under the container.
    const host = spawn('sh', ['-c', 'until [ -e "$1/kept" ]; do sleep 0.02; done; mv "$2/new" "$2/p"; touch "$1/replaced"', 'sh', flags, join(root, 'host')], { stdio: 'inherit' });
    const r = carrick(['run', '--rm', '-v', `${flags}:/flags`, `rootfs:${root}`, '--', '/bin/sh', '-c', SCRIPT], { ...footprint.options, timeoutMs: 60000 });
    host.kill();
    assert.deepEqual([r.status, r.out], [0, SAID], r.err);
    assert.deepEqual(footprint.left(), []);
    rmSync(join(root, '..'), { recursive: true });
  });
}
