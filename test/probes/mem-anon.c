/* Anonymous memory: zeroes, copy-on-write over fork, shared over fork, DONTNEED, brk. */ /* musl */
#include "probe.h"

int main(void)
{
	int s;
	char *sh = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	     *pr = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	IS("zero", sh[0] == 0 && pr[8191] == 0);
	sh[0] = 1;
	pr[0] = 1;
	pid_t p = child();
	if (p == 0) {
		sh[0]++;
		pr[0]++;
		sh[4096] = 9;
		pid_t q = child();
		if (q == 0) {
			sh[0]++;
			_exit(pr[0]);
		}
		wait(&s);
		say_status("grandchild", s);
		_exit(pr[0]);
	}
	wait(&s);
	say_status("child", s);
	say("shared=%d private=%d other-page=%d", sh[0], pr[0], sh[4096]);
	OK("dontneed", madvise(pr, 4096, MADV_DONTNEED));
	say("private-zeroed=%d", pr[0]);
	OK("dontneed-shared", madvise(sh, 4096, MADV_DONTNEED));
	say("shared-kept=%d", sh[0]);
	OK("dontfork", madvise(pr, 4096, MADV_DONTFORK));
	p = child();
	if (p == 0) {
		unsigned char v;
		VAL("in-child", mincore(pr, 4096, &v));
		_exit(0);
	}
	wait(&s);
	madvise(pr, 4096, MADV_DOFORK);
	pr[4096] = 5;
	int r = madvise(pr + 4096, 4096, MADV_WIPEONFORK);
	OK("wipeonfork", r);
	p = child();
	if (p == 0) _exit(pr[4096]);
	wait(&s);
	say_status("wiped", s);
	char *b = (char *)syscall(SYS_brk, 0), *e = (char *)syscall(SYS_brk, b + 100000);
	IS("brk-grew", e == b + 100000);
	IS("brk-zero", b[0] == 0 && b[99999] == 0);
	b[99999] = 3;
	IS("brk-same", (char *)syscall(SYS_brk, 0) == e);
	IS("brk-too-low", (char *)syscall(SYS_brk, 4096) == e);
	IS("brk-too-high", (char *)syscall(SYS_brk, -4096L) == e);
	IS("brk-shrink", (char *)syscall(SYS_brk, b + 50000) == b + 50000);
	syscall(SYS_brk, e);
	IS("brk-regrown-zero", b[99999] == 0);
	p = child();
	if (p == 0) {
		IS("child-brk", (char *)syscall(SYS_brk, 0) == e);
		syscall(SYS_brk, e + 8192);
		_exit(0);
	}
	wait(&s);
	IS("parent-brk", (char *)syscall(SYS_brk, 0) == e);
	put("f", "abc");
	int fd = open("f", O_RDONLY);
	char *f = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	f[0] = 'X';
	OK("dontneed-file", madvise(f, 4096, MADV_DONTNEED));
	say("file-back=%.3s", f);
	char *fx = mmap(pr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	IS("fixed-replaces", fx == pr && pr[0] == 0);
	return 0;
}
