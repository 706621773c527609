/* Signals to threads that are just ending, from several others at once: what comes too late is nobody's, and above all not the next thread's, which begins in the same place. */
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#define THREADS 600
#define SENDERS 2
#define SIGNALS 3
#define PATIENT 50 /* one of so many waits for its signal */

static volatile int target, over;
static int handled, others, strange;
static __thread volatile int mine, got;

static void on_urg(int s)
{
	(void)s;
	if (mine && !got++)
		__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
	else if (!mine)
		__atomic_fetch_add(&strange, 1, __ATOMIC_RELAXED);
}

static void *brief(void *arg)
{
	mine = 1;
	__atomic_store_n(&target, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	for (int i = 0; i < 5; i++)
		syscall(SYS_getppid);
	while (arg && !got)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGURG);
	return NULL;
}

/* A few for each thread: most come when it is ending. */
static void *sender(void *arg)
{
	int last = 0, left = 0;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		int tid = __atomic_load_n(&target, __ATOMIC_SEQ_CST);

		if (tid != last)
			left = SIGNALS;
		last = tid;
		if (tid && left-- > 0) {
			if (syscall(SYS_tgkill, getpid(), tid, SIGURG) < 0 && errno != ESRCH)
				__atomic_fetch_add(&others, 1, __ATOMIC_RELAXED);
		} else {
			left = 0;
			sched_yield();
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t s[SENDERS], t;
	int ended = 0;

	signal(SIGURG, on_urg);
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&s[i], NULL, sender, NULL);
	for (int i = 0; i < THREADS; i++)
		ended += pthread_create(&t, NULL, brief, i % PATIENT == 0 ? &t : NULL) == 0 && pthread_join(t, NULL) == 0;
	over = 1;
	for (int i = 0; i < SENDERS; i++)
		pthread_join(s[i], NULL);
	say("ended %d, other errors %d, in other threads %d, handled %s", ended, others, strange, handled >= THREADS / PATIENT ? "enough" : "too few");
	return 0;
}
