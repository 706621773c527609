/*
 * ITIMER_PROF and ITIMER_VIRTUAL, alone and beside threads that compute: as many signals as there was processor time for, each with the interval's
 * distance; what fork and exec keep; a signal that is blocked, ignored, waited for, or comes while the process begins to sleep.
 */
#include "probe.h"
#include <pthread.h>

static volatile sig_atomic_t seen;
static volatile int stop, code;

static void handler(int signo, siginfo_t *info, void *uc)
{
	(void)signo, (void)uc;
	code = info->si_code;
	seen++;
}

static void handle(int signo, int flags)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	MUST(sigaction(signo, &sa, NULL));
}

static double used(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void compute(double seconds)
{
	double end = used() + seconds;

	while (used() < end)
		for (volatile int i = 0; i < 10000; i++)
			;
}

static void *spin(void *arg)
{
	while (!stop)
		for (volatile int i = 0; i < 10000; i++)
			;
	return arg;
}

/* Ticks every 10 ms of a clock that the kernel advances by whole ticks of its own, for whoever runs then: not quite what `used` says. */
static void count(const char *name, int threads)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } }, off = { { 0, 0 }, { 0, 0 } }, was;
	pthread_t t[8];
	double from, spent;

	seen = stop = 0;
	MUST(setitimer(ITIMER_PROF, &every, NULL));
	from = used();
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, spin, NULL);
	compute(0.4);
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	MUST(setitimer(ITIMER_PROF, &off, &was));
	spent = used() - from;
	say("%s: enough=%d not-too-many=%d", name, seen >= spent / 0.010 * 0.5, seen <= spent / 0.010 * 2 + 5);
	say("%s: interval=%ld left=%d", name, (long)was.it_interval.tv_usec, was.it_value.tv_sec == 0 && was.it_value.tv_usec > 0 && was.it_value.tv_usec <= 20000);
}

static void inherited(void)
{
	struct itimerval v = { { 7, 0 }, { 9, 0 } }, off = { { 0, 0 }, { 0, 0 } };
	pid_t p;

	MUST(setitimer(ITIMER_VIRTUAL, &v, NULL));
	p = child();
	if (p == 0) {
		MUST(getitimer(ITIMER_VIRTUAL, &v));
		say("fork: value=%ld interval=%ld", (long)v.it_value.tv_sec, (long)v.it_interval.tv_sec);
		_exit(0);
	}
	say_status("child", reap(p));
	MUST(setitimer(ITIMER_VIRTUAL, &off, &v));
	say("parent: value=%d interval=%ld", v.it_value.tv_sec >= 8, (long)v.it_interval.tv_sec);
}

static void killed(char **argv)
{
	struct itimerval v = { .it_value = { 0, 50000 } };
	pid_t p = child();

	if (p == 0) {
		signal(SIGVTALRM, SIG_DFL);
		MUST(setitimer(ITIMER_VIRTUAL, &v, NULL));
		execl("/proc/self/exe", argv[0], "spin", NULL);
		_exit(97);
	}
	say_status("exec-then-expired", reap(p));
}

static void blocked(void)
{
	struct itimerval v = { .it_value = { 0, 20000 } };
	struct timespec none = { 0, 0 };
	siginfo_t info;
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPROF);
	sigprocmask(SIG_BLOCK, &set, NULL);
	seen = 0;
	MUST(setitimer(ITIMER_PROF, &v, NULL));
	compute(0.1);
	sigpending(&pending);
	say("blocked: seen=%d pending=%d", (int)seen, sigismember(&pending, SIGPROF));
	VAL("blocked: taken", sigtimedwait(&set, &info, &none));
	say("blocked: code=%d pid=%d", info.si_code, (int)info.si_pid);
	MUST(setitimer(ITIMER_PROF, &v, NULL));
	compute(0.1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	say("unblocked: seen=%d", (int)seen);
}

/* A process that works a little and then sleeps: the signal that comes at the border is not lost, and ends the sleep. */
static void at_sleeps(void)
{
	struct itimerval every = { { 0, 4000 }, { 0, 4000 } }, off = { { 0, 0 }, { 0, 0 } };
	double from = used();
	int fd[2], failed = 0;
	char c;

	MUST(pipe(fd));
	handle(SIGPROF, SA_RESTART);
	seen = 0;
	MUST(setitimer(ITIMER_PROF, &every, NULL));
	while (used() - from < 0.3) {
		struct timespec pause = { 0, 100000 };

		compute(0.001);
		if (nanosleep(&pause, NULL) != 0 && errno != EINTR)
			failed++;
		if (write(fd[1], "x", 1) != 1 || read(fd[0], &c, 1) != 1)
			failed++;
	}
	MUST(setitimer(ITIMER_PROF, &off, NULL));
	say("at-sleeps: failed=%d some=%d", failed, seen >= 10);
}

int main(int argc, char **argv)
{
	struct itimerval v = { { 0, 0 }, { 0, 1000000 } }, get;

	if (argc > 1)
		for (;;)
			compute(1);
	handle(SIGPROF, SA_RESTART);
	OK("bad-usec", setitimer(ITIMER_PROF, &v, NULL));
	OK("bad-address", syscall(SYS_setitimer, ITIMER_PROF, 16, NULL));
	OK("get-bad-address", syscall(SYS_getitimer, ITIMER_VIRTUAL, 16));
	OK("bad-which", setitimer(3, &v, NULL));
	OK("negative-which", getitimer(-1, &get));
	OK("disarmed", getitimer(ITIMER_PROF, &get));
	say("disarmed: %ld %ld", (long)get.it_value.tv_usec, (long)get.it_interval.tv_usec);
	count("alone", 0);
	say("code=%d", code);
	count("beside-six", 6);
	inherited();
	killed(argv);
	blocked();
	at_sleeps();
	signal(SIGPROF, SIG_IGN);
	v = (struct itimerval){ { 0, 10000 }, { 0, 10000 } };
	MUST(setitimer(ITIMER_PROF, &v, NULL));
	compute(0.1);
	say("ignored=alive");
	return 0;
}
