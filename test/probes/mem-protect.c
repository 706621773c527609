/* mprotect(2) and the signals that faults give, with their siginfo. */ /* musl */
#include "probe.h"
#include <setjmp.h>

static sigjmp_buf env;
static volatile int signo, code;
static void *volatile addr;

static void handler(int s, siginfo_t *i, void *u)
{
	(void)u;
	signo = s;
	code = i->si_code;
	addr = i->si_addr;
	siglongjmp(env, 1);
}
static volatile char sink;
#define TRY(key, expr, at)                                          \
	do {                                                        \
		signo = code = 0;                                   \
		addr = NULL;                                        \
		if (!sigsetjmp(env, 1)) {                           \
			expr;                                       \
		}                                                   \
		say("%s=signal %d code %d at-%s", key, signo, code, \
		        signo == 0             ? "none"             \
		        : addr == (void *)(at) ? "right"            \
		                               : "wrong");          \
	} while (0)

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	char *m = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	m[0] = 'a';
	OK("ro", mprotect(m, 4096, PROT_READ));
	TRY("read-ro", sink = m[0], m);
	TRY("write-ro", m[5] = 1, m + 5);
	say("unchanged=%d", m[5]);
	OK("none", mprotect(m, 4096, PROT_NONE));
	TRY("read-none", sink = m[1], m + 1);
	OK("rw", mprotect(m, 4096, PROT_READ | PROT_WRITE));
	TRY("write-rw", m[5] = 1, m);
	say("kept=%c", m[0]);
	munmap(m + 4096, 4096);
	TRY("unmapped", sink = m[4096 + 8], m + 4096 + 8);
	TRY("null", sink = *(volatile char *)NULL, NULL);
	TRY("write-after-hole", m[8192] = 1, m);
	put("f", "x");
	int fd = open("f", O_RDWR);
	char *f = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRY("file-first-page", sink = f[4095], f);
	TRY("file-past-end", sink = f[4096], f + 4096);
	ftruncate(fd, 8192);
	TRY("file-grown", sink = f[4096], f + 4096);
	ftruncate(fd, 0);
	TRY("file-shrunk", sink = f[10], f + 10);
	unsigned char code_bytes[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	char *x = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(x, code_bytes, 6);
	int (*fn)(void) = (int (*)(void))x;
	TRY("exec-nx", sink = fn(), x);
	OK("exec-ok", mprotect(x, 4096, PROT_READ | PROT_EXEC));
	TRY("exec-x", sink = fn(), x);
	say("ran=%d", sink);
	TRY("write-x", x[0] = 1, x);
	TRY("non-canonical", sink = *(volatile char *)0x800000000000UL, NULL);
	TRY("kernel-address", sink = *(volatile char *)0xffffffff80000000UL, NULL);
	pid_t p = child();
	if (p == 0) {
		struct rlimit c = { 0, 0 };
		setrlimit(RLIMIT_CORE, &c);
		signal(SIGSEGV, SIG_DFL);
		sink = *(volatile char *)8;
		_exit(0);
	}
	say_status("default", reap(p));
	p = child();
	if (p == 0) {
		struct rlimit c = { 0, 0 };
		setrlimit(RLIMIT_CORE, &c);
		signal(SIGSEGV, SIG_IGN);
		sink = *(volatile char *)8;
		_exit(0);
	}
	say_status("ignored-still-kills", reap(p));
	p = child();
	if (p == 0) {
		struct rlimit c = { 0, 0 };
		setrlimit(RLIMIT_CORE, &c);
		sigset_t s;
		sigemptyset(&s);
		sigaddset(&s, SIGSEGV);
		sigprocmask(SIG_BLOCK, &s, NULL);
		sink = *(volatile char *)8;
		_exit(0);
	}
	say_status("blocked-still-kills", reap(p));
	return 0;
}
