/* Many signals at once, from other threads and to several threads: each handler runs on the alternate stack, and none is run off. */
#include "probe.h"
#include <pthread.h>
#include <sys/mman.h>

#define SENDERS 3
#define EACH 1500

static volatile sig_atomic_t got, stop;
static volatile int on_alt = 1;
static char alt[65536] __attribute__((aligned(16)));
static pthread_t main_thread;

static void handler(int signo)
{
	char here;
	if (&here < alt || &here >= alt + sizeof alt) on_alt = 0;
	got++;
}

static void *sender(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		if (i % 3 == 0) pthread_kill(main_thread, SIGUSR1);
		else pthread_kill(main_thread, SIGRTMIN + i % 3);
		if (i % 64 == 0) sched_yield();
	}
	return NULL;
}

int main(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART };
	pthread_t t[SENDERS];
	sigset_t block, old;
	MUST(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGRTMIN + 2, &sa, NULL);
	main_thread = pthread_self();
	sigfillset(&block);
	/* Senders take no signals. */
	pthread_sigmask(SIG_BLOCK, &block, &old);
	for (int i = 0; i < SENDERS; i++) pthread_create(&t[i], NULL, sender, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* Busy in guest code and in calls by turns. */
	for (volatile long i = 0; i < 2000000; i++)
		if (i % 1000 == 0) getpriority(PRIO_PROCESS, 0);
	for (int i = 0; i < SENDERS; i++) pthread_join(t[i], NULL);
	/* Real-time signals queue, so all of them came; SIGUSR1 at least once. */
	IS("enough", got > SENDERS * EACH * 2 / 3);
	IS("on-alternate-stack", on_alt);
	return 0;
}
