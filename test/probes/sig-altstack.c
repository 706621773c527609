/* sigaltstack(2): where handlers run, and the errnos. */ /* musl */
#include "probe.h"
#include <setjmp.h>

static char stack[65536], tiny[1024];
static volatile int on, flags_in, code;
static sigjmp_buf env;

static void h(int s)
{
	char here;
	(void)s;
	stack_t ss;
	on = &here >= stack && &here < stack + sizeof stack;
	sigaltstack(NULL, &ss);
	flags_in = ss.ss_flags;
	ss.ss_flags = SS_DISABLE;
	errno = 0;
	code = sigaltstack(&ss, NULL) < 0 ? errno : 0;
}

static void overflow(int s)
{
	char here;
	(void)s;
	on = &here >= stack && &here < stack + sizeof stack;
	siglongjmp(env, 1);
}

static int deep(volatile int n)
{
	volatile char pad[4096];
	pad[0] = n;
	return n > 0 ? deep(n + 1) + pad[0] : 0;
}

int main(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack }, old;
	struct sigaction a = { .sa_handler = h, .sa_flags = SA_ONSTACK };
	sigaltstack(NULL, &old);
	say("initial=%d", old.ss_flags);
	OK("set", sigaltstack(&ss, &old));
	sigaltstack(NULL, &old);
	IS("back", old.ss_sp == stack && old.ss_size == sizeof stack);
	say("flags=%d", old.ss_flags);
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	say("onstack=%d flags=%d change=%s", on, flags_in, errname(code));
	a.sa_flags = 0;
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	say("without=%d flags=%d", on, flags_in);
	sigaltstack(NULL, &old);
	say("disabled-by-handler=%d", old.ss_flags);
	ss.ss_size = sizeof stack;
	ss.ss_flags = 0;
	OK("again", sigaltstack(&ss, NULL));
	stack_t t = { .ss_sp = tiny, .ss_size = sizeof tiny };
	OK("too-small", sigaltstack(&t, NULL));
	t.ss_size = 65536;
	t.ss_flags = 77;
	OK("bad-flags", sigaltstack(&t, NULL));
	OK("fault", syscall(SYS_sigaltstack, 16, NULL));
	a.sa_handler = overflow;
	a.sa_flags = SA_ONSTACK;
	sigaction(SIGSEGV, &a, NULL);
	struct rlimit l;
	getrlimit(RLIMIT_STACK, &l);
	l.rlim_cur = 256 << 10;
	if (l.rlim_max < l.rlim_cur) l.rlim_cur = l.rlim_max;
	int s;
	pid_t p = child();
	if (p == 0) {
		setrlimit(RLIMIT_STACK, &l);
		on = 0;
		if (!sigsetjmp(env, 1)) deep(1);
		say("overflow-caught=%d", on);
		_exit(0);
	}
	waitpid(p, &s, 0);
	say_status("child", s);
	p = child();
	if (p == 0) {
		sigaltstack(NULL, &old);
		_exit(old.ss_flags == 0 && old.ss_sp == stack ? 0 : 1);
	}
	waitpid(p, &s, 0);
	say_status("kept-over-fork", s);
	ss = (stack_t){ .ss_flags = SS_DISABLE };
	OK("disable", sigaltstack(&ss, NULL));
	a.sa_handler = h;
	sigaction(SIGUSR1, &a, NULL);
	on = 7;
	raise(SIGUSR1);
	say("onstack-disabled=%d", on);
	return 0;
}
