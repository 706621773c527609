/* A thread's number, told to another thread by memory the moment it runs: every call that names it finds it. And what a fork child is sent, or does, at once. */
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 400

static volatile int told, done;
static int kills, affinities, nices;

static void *newborn(void *arg)
{
	(void)arg;
	__atomic_store_n(&told, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		sched_yield();
	return NULL;
}

static void *asker(void *arg)
{
	cpu_set_t set;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		int tid;

		while (!(tid = __atomic_load_n(&told, __ATOMIC_SEQ_CST)))
			sched_yield();
		if (i % 3 == 0 && syscall(SYS_tgkill, getpid(), tid, 0) == 0) kills++;
		if (i % 3 == 1 && sched_getaffinity(tid, sizeof set, &set) == 0) affinities++;
		errno = 0;
		if (i % 3 == 2 && (getpriority(PRIO_PROCESS, tid) != -1 || errno == 0)) nices++;
		told = 0;
		__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&done, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	return NULL;
}

static volatile sig_atomic_t got;
static void on_usr1(int s) { (void)s; got++; }

/* Blocked in the parent, so in the child from its first moment: sent before the child has run, it is pending there and nothing else. */
static int sent_at_birth(int rounds)
{
	sigset_t s;
	int ok = 0;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	signal(SIGUSR1, on_usr1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < rounds; i++) {
		int st;
		pid_t p = fork();

		if (p == 0) {
			siginfo_t info;

			if (sigwaitinfo(&s, &info) != SIGUSR1 || got != 0) _exit(1);
			_exit(0);
		}
		kill(p, SIGUSR1);
		if (waitpid(p, &st, 0) == p && st == 0) ok++;
	}
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	return ok;
}

/* Handlers and open files are those of the clone, though the parent changes its own at once. */
static int as_it_was(int rounds)
{
	int ok = 0;

	for (int i = 0; i < rounds; i++) {
		int st, fd[2];
		pid_t p;

		if (pipe(fd)) return -1;
		signal(SIGUSR2, on_usr1);
		p = fork();
		if (p == 0) {
			got = 0;
			raise(SIGUSR2);
			_exit(got == 1 && write(fd[1], "x", 1) == 1 ? 0 : 1);
		}
		signal(SIGUSR2, SIG_DFL);
		close(fd[1]);
		close(fd[0]);
		if (waitpid(p, &st, 0) == p && (st == 0 || st == SIGPIPE)) ok++;
	}
	return ok;
}

/* Limits and users that change between two forks hold for the next. */
static void limits(void)
{
	struct rlimit none = { 0, 0 };
	pid_t p, c;
	int st;

	p = fork();
	if (p == 0) {
		for (int i = 0; i < 3; i++) {
			c = fork();
			if (c == 0) _exit(0);
			waitpid(c, NULL, 0);
		}
		if (getuid() == 0 && setresuid(65534, 65534, 65534)) _exit(1);
		setrlimit(RLIMIT_NPROC, &none);
		c = fork();
		if (c == 0) _exit(0);
		_exit(c < 0 && errno == EAGAIN ? 7 : 8);
	}
	waitpid(p, &st, 0);
	say("nproc=%d", WEXITSTATUS(st));
}

int main(void)
{
	pthread_t a, t;

	pthread_create(&a, NULL, asker, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		if (pthread_create(&t, NULL, newborn, NULL)) {
			say("create failed in round %d", i);
			return 1;
		}
		pthread_join(t, NULL);
		__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	}
	pthread_join(a, NULL);
	say("tgkill=%d", kills);
	say("affinity=%d", affinities);
	say("priority=%d", nices);
	say("sent=%d", sent_at_birth(40));
	say("as_it_was=%d", as_it_was(40));
	limits();
	return 0;
}
