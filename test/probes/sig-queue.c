/* Queued signals: real-time order, values, counts; sigwaitinfo, sigtimedwait. */ /* musl */
#include "probe.h"

int main(void)
{
	sigset_t m;
	siginfo_t i;
	union sigval v;
	struct timespec zero = { 0, 0 }, bad = { 0, -1 };
	int s;
	int rt = SIGRTMIN;
	sigemptyset(&m);
	for (int k = 0; k < 5; k++) sigaddset(&m, rt + k);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGUSR2);
	sigaddset(&m, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m, NULL);
	for (int k = 0; k < 3; k++) {
		v.sival_int = 10 + k;
		MUST(sigqueue(getpid(), rt + 2, v));
		v.sival_int = 20 + k;
		MUST(sigqueue(getpid(), rt + 1, v));
		v.sival_int = 30 + k;
		MUST(sigqueue(getpid(), SIGUSR2, v));
	}
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), rt + 3);
	kill(getpid(), rt + 3);
	for (;;) {
		int n = sigtimedwait(&m, &i, &zero);
		if (n < 0) {
			say("end=%s", errname(errno));
			break;
		}
		say("got=%s%d code %d value %d mine %d", n >= rt ? "rt+" : "", n >= rt ? n - rt : n,
		        i.si_code, i.si_code == SI_QUEUE ? i.si_value.sival_int : 0, i.si_pid == getpid());
	}
	OK("bad-time", sigtimedwait(&m, &i, &bad));
	OK("size", syscall(SYS_rt_sigtimedwait, &m, &i, &zero, 4));
	OK("queue-bad", sigqueue(getpid(), 65, v));
	OK("queue-none", sigqueue(999999, SIGUSR1, v));
	OK("queue-0", sigqueue(getpid(), 0, v));
	siginfo_t f = { .si_code = SI_USER };
	OK("forged-to-self", syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &f));
	sigtimedwait(&m, &i, &zero);
	pid_t p = child();
	if (p == 0) {
		OK("forged-to-other", syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &f));
		f.si_code = SI_QUEUE;
		OK("queue-to-other", syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &f));
		_exit(3);
	}
	int a = sigwaitinfo(&m, &i);
	int b = sigwaitinfo(&m, &i);
	IS("usr1-and-chld", a == SIGUSR1 && b == SIGCHLD);
	say("chld=code %d status %d pid %d", i.si_code, i.si_status, i.si_pid == p);
	waitpid(p, &s, 0);
	p = child();
	if (p == 0) {
		int n = sigwaitinfo(&m, &i);
		say("waited=%d", n == rt + 4);
		_exit(i.si_value.sival_int);
	}
	v.sival_int = 77;
	MUST(sigqueue(p, rt + 4, v));
	say_status("value-as-status", reap(p));
	struct rlimit l;
	getrlimit(RLIMIT_SIGPENDING, &l);
	l.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &l);
	OK("limit", sigqueue(getpid(), rt, v));
	OK("kill-still", kill(getpid(), SIGUSR1));
	sigpending(&m);
	say("pending=%d", sigismember(&m, SIGUSR1));
	return 0;
}
