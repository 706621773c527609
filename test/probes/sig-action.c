/* sigaction(2): flags, masks, siginfo, nesting, resetting. */ /* musl */
#include "probe.h"
#ifndef SA_RESETHAND
#define SA_RESETHAND 0x80000000
#endif
static volatile int n, depth, maxdepth, code, sender_ok, masked;
static volatile sigset_t in;
static volatile long value;
static void simple(int s) { n += s; }

static void info(int s, siginfo_t *i, void *u)
{
	(void)u;
	n = s;
	code = i->si_code;
	sender_ok = i->si_pid == getpid() && i->si_uid == getuid();
	value = (long)i->si_value.sival_ptr;
	sigset_t m;
	sigprocmask(SIG_BLOCK, NULL, &m);
	masked = sigismember(&m, SIGUSR1) | sigismember(&m, SIGUSR2) << 1 | sigismember(&m, SIGHUP) << 2;
}
static int calls;

static void nest(int s)
{
	(void)s;
	depth++;
	if (depth > maxdepth) maxdepth = depth;
	if (++calls < 4) raise(SIGUSR1);
	depth--;
}

static void order(int s)
{
	static char seen[64];
	static int k;
	seen[k++] = s == SIGUSR1 ? '1' : s == SIGUSR2 ? '2' : 'H';
	seen[k] = 0;
	if (s == SIGHUP) {
		raise(SIGUSR1);
		raise(SIGUSR2);
		seen[k++] = '.';
		seen[k] = 0;
	}
	if (k >= 4) say("order=%s", seen);
}

static void set(int s, void (*h)(int), int flags, int mask)
{
	struct sigaction a = { .sa_handler = h, .sa_flags = flags };
	sigemptyset(&a.sa_mask);
	if (mask) sigaddset(&a.sa_mask, mask);
	MUST(sigaction(s, &a, NULL));
}

int main(void)
{
	struct sigaction a, o;
	sigset_t m;
	OK("bad-signal", sigaction(0, NULL, &o));
	OK("bad-65", sigaction(65, NULL, &o));
	a = (struct sigaction){ .sa_handler = SIG_IGN };
	OK("kill", sigaction(SIGKILL, &a, NULL));
	OK("stop", sigaction(SIGSTOP, &a, NULL));
	OK("kill-query", sigaction(SIGKILL, NULL, &o));
	OK("size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, &o, 4));
	OK("fault", syscall(SYS_rt_sigaction, SIGUSR1, 16, NULL, 8));
	set(SIGUSR1, simple, SA_RESTART | SA_NODEFER, SIGHUP);
	sigaction(SIGUSR1, NULL, &o);
	IS("handler-back", o.sa_handler == simple);
	say("flags=%x mask-hup=%d", (unsigned)o.sa_flags & ~0x4000000u, sigismember(&o.sa_mask, SIGHUP));
	n = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	say("twice=%d", n);
	a = (struct sigaction){ .sa_sigaction = info, .sa_flags = SA_SIGINFO };
	sigemptyset(&a.sa_mask);
	sigaddset(&a.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &a, NULL);
	n = 0;
	kill(getpid(), SIGUSR1);
	say("info=%d code %d sender %d masked %d", n, code, sender_ok, masked);
	raise(SIGUSR1);
	say("raise-code=%d", code);
	union sigval v = { .sival_ptr = (void *)0x1234567890 };
	sigqueue(getpid(), SIGUSR1, v);
	say("queue-code=%d value %lx", code, value);
	a.sa_flags |= SA_NODEFER;
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	say("nodefer-masked=%d", masked);
	sigprocmask(SIG_BLOCK, NULL, &m);
	say("mask-after=%d", sigismember(&m, SIGHUP) | sigismember(&m, SIGUSR1));
	set(SIGUSR1, nest, SA_NODEFER, 0);
	raise(SIGUSR1);
	say("nested-nodefer=%d", maxdepth);
	maxdepth = calls = 0;
	set(SIGUSR1, nest, 0, 0);
	raise(SIGUSR1);
	say("not-nested=%d calls %d", maxdepth, calls);
	set(SIGUSR1, simple, SA_RESETHAND, 0);
	n = 0;
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &o);
	say("reset=%d default %d", n, o.sa_handler == SIG_DFL);
	set(SIGUSR1, order, 0, 0);
	set(SIGUSR2, order, 0, 0);
	set(SIGHUP, order, 0, 0);
	sigaddset(&m, SIGUSR1);
	struct sigaction b = { .sa_handler = order };
	sigemptyset(&b.sa_mask);
	sigaddset(&b.sa_mask, SIGUSR1);
	sigaddset(&b.sa_mask, SIGUSR2);
	sigaction(SIGHUP, &b, NULL);
	raise(SIGHUP);
	set(SIGUSR1, SIG_IGN, 0, 0);
	raise(SIGUSR1);
	say("ignored=ok");
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_BLOCK, &m, NULL);
	raise(SIGUSR1);
	sigpending(&m);
	say("ignored-blocked-pending=%d", sigismember(&m, SIGUSR1));
	set(SIGUSR1, simple, 0, 0);
	n = 0;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	say("delivered-later=%d", n);
	sigprocmask(SIG_BLOCK, &m, NULL);
	n = 0;
	raise(SIGUSR1);
	set(SIGUSR1, SIG_IGN, 0, 0);
	sigset_t p;
	sigpending(&p);
	say("ignore-discards=%d", sigismember(&p, SIGUSR1));
	set(SIGUSR1, simple, 0, 0);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	say("none=%d", n);
	return 0;
}
