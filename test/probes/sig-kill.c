/* kill(2): targets and errnos; a process group at a time. */ /* musl */
#include "probe.h"

static volatile int n;

static void h(int s)
{
	(void)s;
	n++;
}

int main(void)
{
	int s;
	signal(SIGUSR1, h);
	pid_t top = child();
	if (top) {
		say_status("inner", reap(top));
		return 0;
	}
	setpgid(0, 0);
	struct gate g = new_gate();
	OK("self-0", kill(getpid(), 0));
	OK("none", kill(999999, 0));
	OK("bad-signal", kill(getpid(), 65));
	OK("negative", kill(getpid(), -1));
	OK("group-none", kill(-999999, 0));
	OK("group-own", kill(0, 0));
	OK("int-min", kill(INT_MIN, 0));
	OK("bad-signal-none", kill(999999, 65));
	pid_t p[3];
	for (int i = 0; i < 3; i++)
		if ((p[i] = child()) == 0) {
			open_gate(&g);
			for (;;) pause();
		}
	for (int i = 0; i < 3; i++) pass_gate(&g);
	OK("group", kill(0, SIGUSR1));
	say("self-got=%d", n);
	OK("terminate", kill(p[1], SIGTERM));
	waitpid(p[1], &s, 0);
	say_status("one", s);
	signal(SIGTERM, SIG_IGN);
	OK("group-term", kill(-getpgrp(), SIGTERM));
	for (int i = 0; i < 3; i += 2) {
		waitpid(p[i], &s, 0);
		say_status("rest", s);
	}
	pid_t z = child();
	if (z == 0) _exit(0);
	siginfo_t i;
	waitid(P_PID, z, &i, WEXITED | WNOWAIT);
	OK("zombie", kill(z, 0));
	OK("zombie-term", kill(z, SIGTERM));
	waitpid(z, &s, 0);
	OK("gone", kill(z, 0));
	z = child();
	if (z == 0) {
		sigset_t m;
		sigfillset(&m);
		sigprocmask(SIG_SETMASK, &m, NULL);
		open_gate(&g);
		for (;;) pause();
	}
	pass_gate(&g);
	kill(z, SIGTERM);
	kill(z, SIGSTOP);
	waitpid(z, &s, WUNTRACED);
	say_status("stop-unblockable", s);
	kill(z, SIGKILL);
	waitpid(z, &s, 0);
	say_status("kill-unblockable", s);
	return 0;
}
