/* SIGCHLD: siginfo for every kind of end, SA_NOCLDSTOP, one signal for several children. */ /* musl */
#include "probe.h"

static struct gate g;
static volatile int n, code, status, pid;

static void h(int s, siginfo_t *i, void *u)
{
	(void)s;
	(void)u;
	n++;
	code = i->si_code;
	status = i->si_status;
	pid = i->si_pid;
	open_gate(&g);
}

static void show(const char *k, pid_t p)
{
	pass_gate(&g);
	say("%s=code %d status %d pid %d", k, code, status, pid == p);
}

int main(void)
{
	int s;
	g = new_gate();
	struct sigaction a = { .sa_sigaction = h, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGCHLD, &a, NULL);
	pid_t p;
	p = child();
	if (p == 0) _exit(9);
	show("exit", p);
	waitpid(p, &s, 0);
	p = child();
	if (p == 0)
		for (;;) pause();
	kill(p, SIGSTOP);
	show("stop", p);
	kill(p, SIGCONT);
	show("cont", p);
	kill(p, SIGUSR1);
	show("kill", p);
	waitpid(p, &s, 0);
	p = child();
	if (p == 0) {
		struct rlimit c = { 0, 0 };
		setrlimit(RLIMIT_CORE, &c);
		abort();
	}
	show("abort", p);
	waitpid(p, &s, 0);
	say_status("abort", s);
	a.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &a, NULL);
	n = 0;
	p = child();
	if (p == 0)
		for (;;) pause();
	kill(p, SIGSTOP);
	waitpid(p, &s, WUNTRACED);
	say("nocldstop=%d", n);
	kill(p, SIGCONT);
	waitpid(p, &s, WCONTINUED);
	say("nocldcont=%d", n);
	kill(p, SIGKILL);
	show("end", p);
	waitpid(p, &s, 0);
	a.sa_flags |= SA_NOCLDWAIT;
	sigaction(SIGCHLD, &a, NULL);
	p = child();
	if (p == 0) _exit(4);
	show("nocldwait-still-signals", p);
	OK("nothing-to-wait", waitpid(p, &s, 0));
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGCHLD);
	a.sa_flags = SA_SIGINFO;
	sigaction(SIGCHLD, &a, NULL);
	sigprocmask(SIG_BLOCK, &m, NULL);
	n = 0;
	for (int i = 0; i < 3; i++)
		if (child() == 0) _exit(0);
	siginfo_t x;
	for (int i = 0; i < 3; i++) wait(&s);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	say("three-ends-one-signal=%d", n);
	(void)x;
	return 0;
}
