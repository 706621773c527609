/* ITIMER_PROF and ITIMER_VIRTUAL: the signal of a process's CPU timer is taken by the thread that burns the CPU. */
#include "probe.h"
#include <pthread.h>
#include <sys/time.h>

static pthread_t burner;
static volatile int in_burner, elsewhere;

static void handler(int signo)
{
	if (pthread_equal(pthread_self(), burner)) in_burner++; else elsewhere++;
}

static void *burn(void *arg)
{
	burner = pthread_self();
	for (volatile unsigned long i = 0; in_burner + elsewhere < 12; i++) ;
	return NULL;
}

static void run(const char *name, int which, int signo)
{
	struct itimerval v = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t t;
	in_burner = elsewhere = 0;
	sigaction(signo, &sa, NULL);
	MUST(setitimer(which, &v, NULL));
	pthread_create(&t, NULL, burn, NULL);
	pthread_join(t, NULL);
	MUST(setitimer(which, &off, NULL));
	say("%s-mostly-in-burner=%s", name, in_burner >= 9 ? "yes" : "no");
}

int main(void)
{
	run("prof", ITIMER_PROF, SIGPROF);
	run("virtual", ITIMER_VIRTUAL, SIGVTALRM);
	return 0;
}
