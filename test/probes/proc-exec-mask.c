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

static pid_t spawn(char *const argv[])
{
	pid_t pid;

	errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	MUST(errno == 0 ? 0 : -1);
	return pid;
}

/* make: fork or vfork. */
static pid_t make_and_exec(pid_t (*make)(void), char *const argv[])
{
	pid_t pid = make();

	if (pid == 0) {
		execve("/proc/self/exe", argv, environ);
		_exit(127);
	}
	MUST(pid);
	return pid;
}

/* make: NULL = posix_spawn. */
static void run(const char *key, pid_t (*make)(void))
{
	char *argv[] = { (char *)"ignorer", NULL };
	int as_told = 0, killed = 0, status;

	for (int i = 0; i < TIMES; i++) {
		pid_t pid = make != NULL ? make_and_exec(make, argv) : spawn(argv);

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
	run("spawn", NULL);
	run("vfork", vfork);
	run("fork", fork);
	return 0;
}
