/* MAP_SHARED and MAP_PRIVATE of a file agree with read and write. */ /* musl */
#include "probe.h"

int main(void)
{
	char b[32] = "";
	int s;
	put("f", "0123456789");
	MUST(truncate("f", 8192));
	int fd = open("f", O_RDWR), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
	char *sh = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
	     *pr = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	IS("mapped", sh != MAP_FAILED && pr != MAP_FAILED);
	sh[0] = 'A';
	MUST(pread(fd, b, 3, 0));
	say("read-sees-map=%.3s", b);
	say("private-sees-shared=%.3s", pr);
	MUST(pwrite(fd, "B", 1, 1));
	say("map-sees-write=%.3s", sh);
	pr[2] = 'P';
	MUST(pread(fd, b, 3, 0));
	say("private-stays=%.3s private=%.3s", b, pr);
	MUST(pwrite(fd, "ZZZ", 3, 0));
	say("private-page-frozen=%.3s", pr);
	say("shared=%.3s", sh);
	pid_t pid = child();
	if (pid == 0) {
		sh[4096] = 'C';
		pr[4096] = 'D';
		_exit(sh[0]);
	}
	wait(&s);
	say_status("child", s);
	say("from-child=%c private=%d", sh[4096], pr[4096]);
	IS("second-map", ((char *)mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 4096))[0] == 'C');
	OK("msync", msync(sh, 8192, MS_SYNC));
	OK("msync-bad", msync(sh + 1, 1, MS_SYNC));
	OK("msync-flags", msync(sh, 1, MS_SYNC | MS_ASYNC));
	close(fd);
	sh[5] = 'x';
	MUST(pread(ro, b, 6, 0));
	say("after-close=%.6s", b);
	OK("shared-write-ro", mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
	OK("private-write-ro", mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE, ro, 0) == MAP_FAILED ? -1 : 0);
	OK("read-wo", mmap(NULL, 4096, PROT_READ, MAP_SHARED, wo, 0) == MAP_FAILED ? -1 : 0);
	OK("mprotect-ro-shared",
	        mprotect(mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0), 4096, PROT_READ | PROT_WRITE));
	OK("unlink", unlink("f"));
	say("still=%c", sh[4096]);
	OK("munmap", munmap(sh, 8192));
	OK("munmap-again", munmap(sh, 8192));
	return 0;
}
