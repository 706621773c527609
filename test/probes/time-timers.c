/* timer_create, setitimer, alarm: expiry, overrun, values left. */
#include "probe.h"

static struct gate g;
static volatile int sig, code, val, over;

static void h(int s, siginfo_t *i, void *u)
{
	(void)u;
	sig = s;
	code = i->si_code;
	val = i->si_value.sival_int;
	over = i->si_overrun;
	open_gate(&g);
}

int main(void)
{
	g = new_gate();
	struct sigaction a = { .sa_sigaction = h, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGVTALRM, &a, NULL);
	timer_t t, t2;
	struct sigevent e = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 99
	};
	struct itimerspec v = { .it_value = { 0, 2000000 } }, o, off = { 0 };
	OK("create", timer_create(CLOCK_MONOTONIC, &e, &t));
	OK("set", timer_settime(t, 0, &v, NULL));
	pass_gate(&g);
	say("signal=%d code %d value %d", sig, code, val);
	VAL("overrun", timer_getoverrun(t));
	OK("gettime", timer_gettime(t, &o));
	say("left=%ld", (long)(o.it_value.tv_sec + o.it_value.tv_nsec));
	v = (struct itimerspec){ .it_value = { 100, 0 }, .it_interval = { 7, 0 } };
	timer_settime(t, 0, &v, NULL);
	timer_gettime(t, &o);
	IS("counts-down", o.it_value.tv_sec >= 90 && o.it_value.tv_sec <= 100 && o.it_interval.tv_sec == 7);
	OK("disarm", timer_settime(t, 0, &off, &o));
	say("old-interval=%ld", (long)o.it_interval.tv_sec);
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_BLOCK, &m, NULL);
	v = (struct itimerspec){ .it_value = { 0, 1000000 }, .it_interval = { 0, 1000000 } };
	timer_settime(t, 0, &v, NULL);
	struct timespec z = { 0, 30000000 };
	nanosleep(&z, NULL);
	siginfo_t i;
	sigwaitinfo(&m, &i);
	IS("overruns", i.si_overrun > 3);
	say("one-pending=%d", i.si_code);
	timer_settime(t, 0, &off, NULL);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	OK("delete", timer_delete(t));
	OK("delete-again", timer_delete(t));
	OK("settime-gone", timer_settime(t, 0, &off, NULL));
	OK("clock", timer_create(99, &e, &t2));
	e.sigev_signo = 77;
	OK("bad-signo", timer_create(CLOCK_MONOTONIC, &e, &t2));
	e.sigev_notify = 77;
	OK("bad-notify", timer_create(CLOCK_MONOTONIC, &e, &t2));
	OK("default-event", timer_create(CLOCK_REALTIME, NULL, &t2));
	v.it_value.tv_nsec = -1;
	OK("bad-nsec", timer_settime(t2, 0, &v, NULL));
	e = (struct sigevent){ .sigev_notify = SIGEV_NONE };
	OK("none", timer_create(CLOCK_MONOTONIC, &e, &t));
	pid_t p = child();
	if (p == 0) {
		OK("not-inherited", timer_gettime(t, &o));
		_exit(0);
	}
	reap(p);
	struct itimerval w = { .it_value = { 0, 2000 } }, x;
	alarm(0);
	a.sa_handler = NULL;
	a.sa_sigaction = h;
	sigaction(SIGALRM, &a, NULL);
	OK("setitimer", setitimer(ITIMER_REAL, &w, NULL));
	pass_gate(&g);
	say("alrm=%d code %d", sig, code);
	getitimer(ITIMER_REAL, &x);
	say("left2=%ld", (long)x.it_value.tv_usec);
	w = (struct itimerval){ { 5, 0 }, { 50, 0 } };
	setitimer(ITIMER_REAL, &w, NULL);
	VAL("alarm-replaces", alarm(0) >= 49);
	getitimer(ITIMER_REAL, &x);
	say("cleared=%ld", (long)x.it_value.tv_sec);
	VAL("alarm-0", alarm(100));
	VAL("alarm-left", alarm(0));
	OK("bad-which", setitimer(9, &w, NULL));
	w.it_value.tv_usec = 1000000;
	OK("bad-usec", setitimer(ITIMER_REAL, &w, NULL));
	OK("get-fault", syscall(SYS_getitimer, 0, 16));
	signal(SIGALRM, SIG_DFL);
	alarm(DEADLINE);
	w = (struct itimerval){ .it_value = { 0, 5000 } };
	sig = 0;
	setitimer(ITIMER_VIRTUAL, &w, NULL);
	while (sig != SIGVTALRM)
		;
	say("virtual=%d", sig);
	p = child();
	if (p == 0) {
		alarm(1);
		for (;;) pause();
	}
	say_status("alarm-kills", reap(p));
	return 0;
}
