/* Timers of CPU clocks, by number and by name: who may have one, that it counts what is computed, not time. */ /* musl */
#include "probe.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PROCESS_CLOCK(pid) ((clockid_t)(~(unsigned)(pid) << 3 | 2))
#define THREAD_CLOCK(tid) ((clockid_t)(~(unsigned)(tid) << 3 | 6))

static volatile int came;

static void on_signal(int s)
{
	(void)s;
	came++;
}

static int raw_create(long clock, int *id)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	return (int)syscall(SYS_timer_create, clock, &e, id);
}

static long used(long clock)
{
	struct timespec now;

	MUST(clock_gettime(clock, &now));
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void fires(const char *key, long clock)
{
	struct itimerspec v = { .it_value = { 0, 20000000 } };
	long from;
	int id, r;

	errno = 0;
	came = 0;
	r = raw_create(clock, &id);
	say("%s: create=%s", key, r < 0 ? errname(errno) : "ok");
	if (r < 0)
		return;
	from = used(clock);
	MUST(syscall(SYS_timer_settime, id, 0, &v, NULL));
	while (came == 0)
		;
	say("%s: fired too-early=%d", key, used(clock) - from < 20000000);
	MUST(syscall(SYS_timer_gettime, id, &v));
	say("%s: left=%ld", key, v.it_value.tv_sec + v.it_value.tv_nsec);
	MUST(syscall(SYS_timer_delete, id));
}

static void *sleeper(void *arg)
{
	*(volatile int *)arg = (int)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

int main(void)
{
	struct itimerspec v = { .it_value = { 0, 10000000 } };
	struct timespec z = { 0, 60000000 };
	volatile int tid = 0;
	pthread_t thread;
	timer_t t;
	int id;

	signal(SIGUSR1, on_signal);
	fires("process", CLOCK_PROCESS_CPUTIME_ID);
	fires("thread", CLOCK_THREAD_CPUTIME_ID);
	fires("named-process", PROCESS_CLOCK(0));
	fires("named-thread", THREAD_CLOCK(0));
	fires("pid", PROCESS_CLOCK(getpid()));
	fires("tid", THREAD_CLOCK(syscall(SYS_gettid)));
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	OK("libc-process", timer_create(CLOCK_PROCESS_CPUTIME_ID, &e, &t));
	OK("libc-thread", timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &t));

	/* Of a thread and a process that compute nothing nothing comes. */
	pthread_create(&thread, NULL, sleeper, (void *)&tid);
	while (tid == 0)
		sched_yield();
	OK("other-thread", raw_create(THREAD_CLOCK(tid), &id));
	int child = fork();
	if (child == 0)
		for (;;)
			pause();
	came = 0;
	MUST(syscall(SYS_timer_settime, id, 0, &v, NULL));
	OK("child", raw_create(PROCESS_CLOCK(child), &id));
	MUST(syscall(SYS_timer_settime, id, 0, &v, NULL));
	OK("child-thread", raw_create(THREAD_CLOCK(child), &id));
	nanosleep(&z, NULL);
	say("came=%d", came);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	OK("reaped", raw_create(PROCESS_CLOCK(child), &id));
	OK("descriptor", raw_create((clockid_t)(~0u << 3 | 3), &id));
	for (int c = 4; c <= 12; c++)
		if (c < 7 || c == 10 || c == 12) {
			char key[16];

			snprintf(key, sizeof(key), "clock-%d", c);
			OK(key, raw_create(c, &id));
		}
	return 0;
}
