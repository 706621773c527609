/* Futexes between processes: anonymous shared memory, a mapped file, an exit that clears a word. */
#include "probe.h"
#include <linux/futex.h>
#include <sched.h>

static long fx(void *a, int op, uint32_t v) { return syscall(SYS_futex, a, op, v, NULL, NULL, 0); }

static void pingpong(const char *key, _Atomic uint32_t *a, _Atomic uint32_t *b)
{
	*a = 0;
	pid_t p = child();
	if (p == 0) {
		for (uint32_t i = 0; i < 300; i++) {
			uint32_t v;
			while ((v = *b) != 2 * i + 1) fx(b, FUTEX_WAIT, v);
			*b = 2 * i + 2;
			fx(b, FUTEX_WAKE, 1);
		}
		_exit(0);
	}
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t v;
		*a = 2 * i + 1;
		fx(a, FUTEX_WAKE, 1);
		while ((v = *a) != 2 * i + 2) fx(a, FUTEX_WAIT, v);
	}
	say_status(key, reap(p));
	say("%s-value=%u", key, *a);
}

static int leaves(void *a)
{
	(void)a;
	return 3;
}

int main(void)
{
	_Atomic uint32_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pingpong("anonymous", m, m);
	put("f", "");
	MUST(truncate("f", 4096));
	int fd = open("f", O_RDWR);
	_Atomic uint32_t *x = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
	                 *y = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("f", O_RDWR), 0);
	pingpong("file", x, y);
	/* Private memory after fork is not the same word. */
	static uint32_t w;
	pid_t p = child();
	if (p == 0) _exit(fx(&w, FUTEX_WAKE, 1) == 0 ? 0 : 1);
	say_status("private-copy", reap(p));
	/* CLONE_CHILD_CLEARTID clears the word and wakes it, when somebody else still uses the memory. */
	static char stack[65536] __attribute__((aligned(16)));
	m[8] = 1;
	p = clone(leaves, stack + sizeof stack, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL,
	        &m[8]);
	MUST(p);
	while (m[8] != 0) fx(&m[8], FUTEX_WAIT, 1);
	say("cleared=%u", m[8]);
	say_status("child", reap(p));
	return 0;
}
