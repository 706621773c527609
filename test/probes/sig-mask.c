/* sigprocmask, sigpending, sigsuspend, pause; inheritance over fork. */ /* musl */
#include "probe.h"

static volatile int n;
static char seen[32];

static void h(int s)
{
	seen[n++] = 'A' + s;
	seen[n] = 0;
}

int main(void)
{
	sigset_t m, o, e;
	sigemptyset(&e);
	int s;
	for (int i = 1; i < 32; i++)
		if (i != SIGALRM) signal(i, h);
	OK("bad-how", sigprocmask(7, &e, NULL));
	OK("bad-how-null", sigprocmask(7, NULL, &o));
	OK("size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, &e, NULL, 4));
	OK("fault", syscall(SYS_rt_sigprocmask, SIG_BLOCK, 16, NULL, 8));
	sigfillset(&m);
	sigdelset(&m, SIGALRM);
	OK("block-all", sigprocmask(SIG_SETMASK, &m, NULL));
	sigprocmask(SIG_BLOCK, NULL, &o);
	say("kill=%d stop=%d usr1=%d", sigismember(&o, SIGKILL), sigismember(&o, SIGSTOP),
	        sigismember(&o, SIGUSR1));
	raise(SIGTERM);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGHUP);
	kill(getpid(), SIGINT);
	sigpending(&o);
	say("pending=%d%d%d%d%d%d", sigismember(&o, SIGTERM), sigismember(&o, SIGUSR2),
	        sigismember(&o, SIGUSR1), sigismember(&o, SIGHUP), sigismember(&o, SIGINT),
	        sigismember(&o, SIGQUIT));
	say("none-yet=%d", n);
	pid_t p = child();
	if (p == 0) {
		sigpending(&o);
		say("child-pending=%d", sigismember(&o, SIGTERM));
		sigprocmask(SIG_BLOCK, NULL, &o);
		say("child-mask=%d", sigismember(&o, SIGTERM));
		_exit(0);
	}
	waitpid(p, &s, 0);
	sigfillset(&m);
	sigdelset(&m, SIGUSR1);
	sigdelset(&m, SIGALRM);
	n = 0;
	OK("sigsuspend", sigsuspend(&m));
	say("took=%s", seen);
	sigpending(&o);
	say("usr1-left=%d", sigismember(&o, SIGUSR1));
	sigprocmask(SIG_BLOCK, NULL, &o);
	say("mask-restored=%d", sigismember(&o, SIGUSR1));
	OK("suspend-size", syscall(SYS_rt_sigsuspend, &m, 4));
	OK("suspend-fault", syscall(SYS_rt_sigsuspend, 16, 8));
	n = 0;
	sigprocmask(SIG_SETMASK, &e, NULL);
	int len = strlen(seen);
	say("delivered=%d", len - (strchr(seen, 'A' + SIGCHLD) != NULL));
	IS("all-of-them", strchr(seen, 'A' + SIGTERM) && strchr(seen, 'A' + SIGHUP) &&
	                          strchr(seen, 'A' + SIGINT) && strchr(seen, 'A' + SIGUSR2));
	struct gate g = new_gate();
	p = child();
	if (p == 0) {
		open_gate(&g);
		n = 0;
		int r = pause();
		say("pause=%d %s", r, errname(errno));
		say("woke=%s", seen);
		_exit(0);
	}
	pass_gate(&g);
	char path[32];
	snprintf(path, 32, "/proc/%d", p);
	await_state(path, "S");
	kill(p, SIGUSR1);
	say_status("child", reap(p));
	return 0;
}
