/*
 * What is blocked stays blocked across execve(2), without a moment in which it is not: a signal that is sent as soon as the parent of a vfork child goes on finds
 * the mask of the program before. (Python's multiprocessing starts its resource tracker so, and tests that SIGTERM does not end it.)
 */
#include "probe.h"
#include <spawn.h>
#include <sys/wait.h>

#define TIMES 150

extern char **environ;

/* The program: it ignores the signal, then lets it through. */
static int ignorer(void)
{
	sigset_t set;

	signal(SIGTERM, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
	return 7;
}

static int by_spawn(char *const argv[])
{
	pid_t pid;

	MUST(-posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
	return (int)pid;
}

static int by_vfork(char *const argv[])
{
	int pid = vfork();

	if (pid == 0) {
		execve("/proc/self/exe", argv, environ);
		_exit(127);
	}
	MUST(pid);
	return pid;
}

static int by_fork(char *const argv[])
{
	int pid = fork();

	if (pid == 0) {
		execve("/proc/self/exe", argv, environ);
		_exit(127);
	}
	MUST(pid);
	return pid;
}

static void run(const char *key, int (*start)(char *const argv[]))
{
	char *argv[] = { (char *)"ignorer", NULL };
	int as_told = 0, killed = 0, status;

	for (int i = 0; i < TIMES; i++) {
		int pid = start(argv);

		MUST(kill(pid, SIGTERM));
		MUST(waitpid(pid, &status, 0));
		as_told += WIFEXITED(status) && WEXITSTATUS(status) == 7;
		killed += WIFSIGNALED(status);
	}
	say("%s=%d exited, %d killed", key, as_told, killed);
}

int main(int argc, char **argv)
{
	sigset_t set;

	if (argc > 0 && !strcmp(argv[0], "ignorer"))
		return ignorer();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	run("spawn", by_spawn);
	run("vfork", by_vfork);
	run("fork", by_fork);
	return 0;
}
