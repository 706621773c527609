/** execve of damaged programs: the same errno, or the same death, as on the host, and never a crash of carrick. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { carrick, native, scratchDir } from './harness.js';

const DRIVER = `#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct dirent **names;
	int n = scandir(argv[argc - 1], &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];
		int p[2], e = 0, st = 0;
		pid_t pid;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", argv[argc - 1], names[i]->d_name);
		if (pipe2(p, O_CLOEXEC))
			return 1;
		pid = fork();
		if (pid == 0) {
			alarm(5);
			close(0); close(1); close(2);
			open("/dev/null", O_RDWR); dup(0); dup(0);
			execl(path, path, (char *)NULL);
			e = errno;
			if (write(p[1], &e, sizeof e) != sizeof e)
				_exit(1);
			_exit(0);
		}
		close(p[1]);
		if (read(p[0], &e, sizeof e) != sizeof e)
			e = 0;
		close(p[0]);
		waitpid(pid, &st, 0);
		printf("%s errno=%d exited=%d signal=%d\\n", names[i]->d_name, e, WIFEXITED(st) ? WEXITSTATUS(st) : -1, WIFSIGNALED(st) ? WTERMSIG(st) : 0);
	}
	return 0;
}
`;

test('damaged ELF files fail as on the host', () => {
  const dir = scratchDir('badelf');
  const bad = join(dir, 'files');
  writeFileSync(join(dir, 'driver.c'), DRIVER);
  writeFileSync(join(dir, 'true.c'), 'int main(void) { return 0; }\n');
  native(['mkdir', bad]);
  assert.equal(native(['gcc', '-O2', '-o', join(dir, 'driver'), join(dir, 'driver.c')]).status, 0);
  assert.equal(native(['gcc', '-O2', '-o', join(dir, 'dyn'), join(dir, 'true.c')]).status, 0);
  assert.equal(native(['gcc', '-O2', '-static', '-o', join(dir, 'sta'), join(dir, 'true.c')]).status, 0);
  const put = (name: string, data: Buffer): void => {
    writeFileSync(join(bad, name), data);
    chmodSync(join(bad, name), 0o755);
  };
  for (const kind of ['dyn', 'sta']) {
    const good = readFileSync(join(dir, kind));
    const phoff = Number(good.readBigUInt64LE(32));
    const phnum = good.readUInt16LE(56);
    const headers = phoff + phnum * 56;
    put(`${kind}-good`, good);
    for (let len = 0; len <= headers + 64; len += 64) put(`${kind}-cut-${String(len).padStart(5, '0')}`, good.subarray(0, len));
    const patch = (name: string, f: (b: Buffer) => void): void => {
      const b = Buffer.from(good);
      f(b);
      put(`${kind}-${name}`, b);
    };
    patch('machine', (b) => b.writeUInt16LE(40, 18));
    patch('class32', (b) => b.writeUInt8(1, 4));
    patch('type0', (b) => b.writeUInt16LE(0, 16));
    patch('type-rel', (b) => b.writeUInt16LE(1, 16));
    patch('phentsize', (b) => b.writeUInt16LE(32, 54));
    patch('phnum0', (b) => b.writeUInt16LE(0, 56));
    patch('phnum-huge', (b) => b.writeUInt16LE(0xffff, 56));
    patch('phoff-huge', (b) => b.writeBigUInt64LE(0x7fffffffffffffffn, 32));
    patch('entry0', (b) => b.writeBigUInt64LE(0n, 24));
    for (let i = 0; i < phnum; i++) {
      const at = phoff + i * 56;
      if (good.readUInt32LE(at) !== 1) continue;
      patch(`seg${i}-filesz-huge`, (b) => b.writeBigUInt64LE(0x7fffffffffffn, at + 32));
      patch(`seg${i}-memsz-huge`, (b) => b.writeBigUInt64LE(0x7fffffffffff000n, at + 40));
      patch(`seg${i}-memsz-small`, (b) => b.writeBigUInt64LE(1n, at + 40));
      patch(`seg${i}-offset-odd`, (b) => b.writeBigUInt64LE(b.readBigUInt64LE(at + 8) + 1n, at + 8));
      patch(`seg${i}-vaddr-kernel`, (b) => b.writeBigUInt64LE(0xffff800000000000n, at + 16));
      break;
    }
    patch('overlap', (b) => {
      let first = -1;
      for (let i = 0; i < phnum; i++) {
        const at = phoff + i * 56;
        if (b.readUInt32LE(at) !== 1) continue;
        if (first < 0) first = at; else { b.copy(b, at + 16, first + 16, first + 24); break; }
      }
    });
    for (let i = 0; i < phnum; i++) {
      const at = phoff + i * 56;
      if (good.readUInt32LE(at) !== 3) continue;
      patch('interp-size0', (b) => b.writeBigUInt64LE(0n, at + 32));
      patch('interp-size-huge', (b) => b.writeBigUInt64LE(100000n, at + 32));
      patch('interp-missing', (b) => b.write('/no/such', Number(b.readBigUInt64LE(at + 8)), 'latin1'));
    }
  }
  let seed = 12345;
  for (let i = 0; i < 20; i++) {
    const b = Buffer.alloc(4096);
    for (let k = 0; k < b.length; k++) { seed = (seed * 1103515245 + 12345) & 0x7fffffff; b[k] = seed >> 16; }
    if (i % 2 === 0) Buffer.from('7f454c46020101000000000000000000', 'hex').copy(b);
    put(`random-${String(i).padStart(2, '0')}`, b);
  }
  put('empty', Buffer.alloc(0));
  put('script-no-interp', Buffer.from('#!\n'));
  put('script-missing', Buffer.from('#!/no/such/interp\n'));
  put('script-self', Buffer.from(`#!${'/bad/script-self'}\n`));
  const want = native([join(dir, 'driver'), bad]);
  const got = carrick(['run', '--rm', '-v', `${dir}:${dir}:ro`, 'host', '--', join(dir, 'driver'), bad]);
  assert.equal(got.err, '');
  const a = want.out.split('\n');
  const b = got.out.split('\n');
  assert.deepEqual(b.filter((l, i) => l !== a[i]), a.filter((l, i) => l !== b[i]));
  assert.equal(got.out, want.out);
});
