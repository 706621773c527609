/* Signals that arrive before a call has begun do not interrupt it, even if their handler is installed without SA_RESTART: calls that have nothing to wait for never end with EINTR. */
#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#define ROUNDS 10000

static volatile int done, handled;
static void handler(int s) { (void)s; handled++; }

static void *pester(void *main_tid)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!done)
		syscall(SYS_tgkill, getpid(), (int)(long)main_tid, SIGUSR1);
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler };
	int ends[2], null, word = 0, failed[4] = { 0 };
	pthread_t t;
	char c = 'x';

	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(pipe(ends));
	MUST(null = open("/dev/null", O_WRONLY));
	pthread_create(&t, NULL, pester, (void *)(long)syscall(SYS_gettid));
	for (int i = 0; i < ROUNDS || (handled < 100 && i < 100 * ROUNDS); i++) {
		failed[0] += syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 0;
		failed[1] += write(null, &c, 1) != 1;
		failed[2] += write(ends[1], &c, 1) != 1;
		failed[3] += read(ends[0], &c, 1) != 1;
	}
	done = 1;
	pthread_join(t, NULL);
	say("futex_wake=%d write.null=%d write.pipe=%d read.pipe=%d", failed[0], failed[1], failed[2], failed[3]);
	IS("enough", handled >= 100);
	return 0;
}
