/* wait4(2) of a process with nobody to wait for, and how it comes to have somebody: its own children, its child's siblings (CLONE_PARENT), orphans, a tracee, a thread's child. */
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static const char *nobody(void)
{
	int st;
	pid_t p = waitpid(-1, &st, WNOHANG);

	return p == -1 ? errname(errno) : p == 0 ? "none yet" : "somebody";
}

static void one(void)
{
	int st;
	pid_t p = fork();

	if (p == 0)
		_exit(3);
	say("own=%d", waitpid(-1, &st, 0) == p && WEXITSTATUS(st) == 3);
	say("then: %s", nobody());
}

static void *forks(void *arg)
{
	pid_t p = fork();

	if (p == 0)
		_exit(5);
	*(volatile pid_t *)arg = p;
	return NULL;
}

static void orphan(void)
{
	int fd[2], st;
	char c;
	pid_t a;

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	MUST(pipe(fd));
	a = fork();
	if (a == 0) {
		if (fork() == 0) {
			close(fd[1]);
			if (read(fd[0], &c, 1) == 1)
				_exit(4);
			_exit(1);
		}
		_exit(0);
	}
	say("parent=%d", waitpid(a, &st, 0) == a);
	say("orphan: %s", nobody());
	MUST(write(fd[1], "x", 1));
	say("orphan ended=%d", waitpid(-1, &st, 0) > 0 && WEXITSTATUS(st) == 4);
	say("reaper: %s", nobody());
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

static void sibling(void)
{
	int st, seen = 0;
	pid_t a = fork();

	if (a == 0) {
		long p = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

		_exit(p == 0 ? 6 : p > 0 ? 7 : 1);
	}
	while (waitpid(-1, &st, 0) > 0)
		seen += WEXITSTATUS(st);
	say("siblings=%d", seen);
	say("then: %s", nobody());
}

static void tracee(void)
{
	int ready[2], st;
	char c;
	pid_t r, q;

	MUST(pipe(ready));
	r = fork();
	if (r == 0) {
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
		MUST(write(ready[1], "x", 1));
		for (;;)
			pause();
	}
	MUST(read(ready[0], &c, 1));
	q = child();
	if (q == 0) {
		one();
		OK("seize", ptrace(PTRACE_SEIZE, r, 0, 0));
		say("tracee: %s", nobody());
		OK("interrupt", ptrace(PTRACE_INTERRUPT, r, 0, 0));
		say("stopped=%d", waitpid(-1, &st, __WALL) == r && WIFSTOPPED(st));
		OK("detach", ptrace(PTRACE_DETACH, r, 0, 0));
		say("detached: %s", nobody());
		_exit(0);
	}
	waitpid(q, &st, 0);
	kill(r, SIGKILL);
	say("tracer=%d killed=%d", WEXITSTATUS(st), waitpid(r, &st, 0) == r);
	say("both: %s", nobody());
}

int main(void)
{
	volatile pid_t p = 0;
	pthread_t t;
	int st;

	say("first: %s", nobody());
	for (int i = 0; i < 3; i++)
		one();
	OK("bad-options", waitpid(-1, &st, 0x10000));
	OK("int-min", syscall(SYS_wait4, INT_MIN, &st, 0, NULL));
	OK("bad-address", syscall(SYS_wait4, -1, 16, 0, NULL));
	OK("by-number", waitpid(getppid(), &st, 0));
	OK("clones", waitpid(-1, &st, __WCLONE));
	for (int i = 0; i < 3; i++) {
		p = vfork();
		if (p == 0)
			_exit(i);
		say("vforked=%d", waitpid(-1, &st, 0) == p && WEXITSTATUS(st) == i);
		say("then: %s", nobody());
	}
	orphan();
	sibling();
	tracee();
	signal(SIGCHLD, SIG_IGN);
	p = fork();
	if (p == 0)
		_exit(0);
	say("ignored: %s", waitpid(p, &st, 0) == -1 ? errname(errno) : "told");
	signal(SIGCHLD, SIG_DFL);
	one();
	pthread_create(&t, NULL, forks, (void *)&p);
	pthread_join(t, NULL);
	say("thread's=%d", waitpid(-1, &st, 0) == p && WEXITSTATUS(st) == 5);
	say("then: %s", nobody());
	return 0;
}
