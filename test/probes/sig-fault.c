/* Synchronous faults: FPE, ILL, TRAP, BUS, SEGV with siginfo; SIGPIPE; siglongjmp out of handlers. */ /* musl */
#include "probe.h"
#include <setjmp.h>
#include <sys/socket.h>

static sigjmp_buf env;
static volatile int sig, code;

static void h(int s, siginfo_t *i, void *u)
{
	(void)u;
	sig = s;
	code = i->si_code;
	siglongjmp(env, 1);
}
static volatile int zero, got;
static void count(int s) { got = s; }
#define TRY(k, stmt)                                \
	do {                                        \
		sig = code = 0;                     \
		if (!sigsetjmp(env, 1)) {           \
			stmt;                       \
		}                                   \
		say("%s=%d code %d", k, sig, code); \
	} while (0)

int main(void)
{
	struct sigaction a = { .sa_sigaction = h, .sa_flags = SA_SIGINFO };
	static const int all[] = { SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGSEGV };
	for (int i = 0; i < 5; i++) sigaction(all[i], &a, NULL);
	TRY("divide", __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; idiv %%ecx" ::
	                                       : "eax", "ecx", "edx"));
	TRY("ud2", __asm__ volatile("ud2"));
	TRY("int3", __asm__ volatile("int3"));
	TRY("hlt", __asm__ volatile("hlt"));
	TRY("null-call", ((void (*)(void))(uintptr_t)zero)());
	TRY("misaligned-sse", __asm__ volatile("movaps (%0), %%xmm0" ::"r"((char *)all + 1) : "xmm0"));
	for (volatile int i = 0; i < 1000; i++) {
		sig = 0;
		if (!sigsetjmp(env, 1)) {
			*(volatile int *)8 = 1;
		}
		if (sig != SIGSEGV) {
			say("lost-at=%d", i);
			break;
		}
	}
	say("thousand=%d", sig);
	int p[2];
	MUST(pipe(p));
	close(p[0]);
	signal(SIGPIPE, count);
	OK("epipe", write(p[1], "x", 1));
	say("sigpipe=%d", got);
	got = 0;
	signal(SIGPIPE, SIG_IGN);
	OK("epipe-ignored", write(p[1], "x", 1));
	OK("zero-bytes", write(p[1], "x", 0));
	int sp[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	close(sp[1]);
	signal(SIGPIPE, count);
	OK("socket", write(sp[0], "x", 1));
	say("sigpipe-socket=%d", got);
	got = 0;
	OK("nosignal", send(sp[0], "x", 1, MSG_NOSIGNAL));
	say("none=%d", got);
	int s;
	pid_t c = child();
	if (c == 0) {
		signal(SIGPIPE, SIG_DFL);
		(void)!write(p[1], "x", 1);
		_exit(0);
	}
	waitpid(c, &s, 0);
	say_status("default", s);
	/* Floating point and vector state survive a handler. */
	double d = 1.5, r;
	signal(SIGUSR1, count);
	__asm__ volatile("movsd %1, %%xmm7\n\tmov %2, %%edi\n\tmov %3, %%esi\n\tmov $62, "
	                 "%%eax\n\tsyscall\n\tmovsd %%xmm7, %0"
	                 : "=m"(r)
	                 : "m"(d), "r"(getpid()), "r"(SIGUSR1)
	                 : "rax", "rcx", "r11", "rdi", "rsi", "xmm7", "memory");
	say("xmm-kept=%.1f handler %d", r, got);
	sigset_t m;
	sigprocmask(SIG_BLOCK, NULL, &m);
	say("mask-after-jumps=%d", sigismember(&m, SIGSEGV));
	return 0;
}
