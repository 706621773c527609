/* Signals to threads: tgkill, sigwait in a thread, which thread takes a process-directed signal. */ /* musl */
#include "probe.h"
#include <pthread.h>

static struct gate g;
static volatile sig_atomic_t got;
static volatile pid_t got_tid;

static void handler(int s)
{
	got = s;
	got_tid = syscall(SYS_gettid);
}

static void *waits(void *a)
{
	sigset_t s;
	int n;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	*(volatile pid_t *)a = syscall(SYS_gettid);
	open_gate(&g);
	sigwait(&s, &n);
	return (void *)(long)n;
}

int main(void)
{
	pthread_t t[1];
	g = new_gate();
	volatile pid_t tid = 0;
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &m, NULL);
	pthread_create(t, NULL, waits, (void *)&tid);
	pass_gate(&g);
	OK("tgkill", syscall(SYS_tgkill, getpid(), tid, SIGUSR1));
	void *r;
	pthread_join(t[0], &r);
	say("thread-got=%ld", (long)r);
	OK("tgkill-wrong-group", syscall(SYS_tgkill, 1, getpid(), 0));
	OK("tgkill-negative", syscall(SYS_tgkill, -1, 1, 0));
	OK("tgkill-none", syscall(SYS_tgkill, getpid(), 999999, 0));
	OK("tkill-none", syscall(SYS_tkill, 999999, 0));
	OK("tkill-0", syscall(SYS_tkill, 0, 0));
	/* A process-directed signal goes to the one thread that does not block it. */
	signal(SIGUSR1, handler);
	pthread_create(t, NULL, waits, (void *)&tid);
	pass_gate(&g);
	kill(getpid(), SIGUSR1);
	pthread_join(t[0], &r);
	say("sigwait-thread=%ld handler=%d", (long)r, (int)got);
	pthread_sigmask(SIG_UNBLOCK, &m, NULL);
	kill(getpid(), SIGUSR1);
	IS("main-handles", got == SIGUSR1 && got_tid == getpid());
	return 0;
}
