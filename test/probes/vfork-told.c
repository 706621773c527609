/*
 * vfork(2), over and over, by a process that nobody helps: what the child inherits is what there is at the call, what it changes is its own but for the memory, and
 * the parent's next calls know of it. Children that execute something, that end at once, that are killed, whose exec fails, that vfork and fork themselves.
 */
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>

extern char **environ;

static volatile int shared;
static volatile sig_atomic_t handled;

static void handler(int signo) { handled = signo; }

static void *nothing(void *arg) { return arg; }

/* A child that runs f, and what became of it. */
static int run(int (*f)(void))
{
	int st = -1;
	pid_t p = vfork();

	if (p == 0)
		_exit(f());
	if (p < 0)
		return -errno;
	if (waitpid(p, &st, 0) != p)
		return -1000 - errno;
	return st;
}

static int sets(void)
{
	shared++;
	return 0;
}

static int looks(void)
{
	struct sigaction sa;
	sigset_t m;
	int bits = 0;

	sigaction(SIGUSR1, NULL, &sa);
	bits |= sa.sa_handler == handler ? 1 : 0;
	sigaction(SIGUSR2, NULL, &sa);
	bits |= sa.sa_handler == SIG_IGN ? 2 : 0;
	sigprocmask(SIG_BLOCK, NULL, &m);
	bits |= sigismember(&m, SIGHUP) ? 4 : 0;
	bits |= umask(022) == 027 ? 8 : 0;
	bits |= fcntl(50, F_GETFD) == FD_CLOEXEC ? 16 : 0;
	bits |= getppid() > 1 ? 32 : 0;
	return bits;
}

static int changes(void)
{
	close(50);
	umask(077);
	signal(SIGUSR1, SIG_DFL);
	return chdir("/") == 0 ? 0 : 1;
}

static int fails(void)
{
	execl("/nonexistent/program", "x", (char *)NULL);
	return errno == ENOENT ? 42 : 1;
}

static int executes(void)
{
	execl("/proc/self/exe", "vfork-told", "child", (char *)NULL);
	return 1;
}

static int dies(void)
{
	kill(getpid(), SIGKILL);
	return 1;
}

static int raised(void)
{
	raise(SIGUSR1);
	return handled == SIGUSR1 ? 0 : 1;
}

static int nested(void)
{
	int st;
	pid_t p = vfork();

	if (p == 0)
		_exit(7);
	if (p < 0 || waitpid(p, &st, 0) != p)
		return 1;
	p = fork();
	if (p == 0)
		_exit(8);
	if (p < 0 || waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 8)
		return 2;
	return 3;
}

static void spawned(int n)
{
	char *const argv[] = { "vfork-told", "child", NULL };
	int good = 0, st;
	pid_t p;

	for (int i = 0; i < n; i++)
		if (posix_spawn(&p, "/proc/self/exe", NULL, NULL, argv, environ) == 0 && waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 9)
			good++;
	say("spawned=%d", good);
}

/* Several at a time, ended in the order of their making or not. */
static void together(void)
{
	pid_t p[6];
	volatile int found = 0;
	int st;

	for (int i = 0; i < 6; i++) {
		p[i] = vfork();
		if (p[i] == 0) {
			execl("/proc/self/exe", "vfork-told", i % 2 ? "child" : "wait", (char *)NULL);
			_exit(1);
		}
	}
	for (int i = 5; i >= 0; i--) {
		if (kill(p[i], 0) == 0 && getpgid(p[i]) == getpgrp())
			found++;
		if (i % 2 == 0)
			kill(p[i], SIGKILL);
		if (waitpid(p[i], &st, 0) != p[i])
			found -= 100;
	}
	say("together: found=%d left=%s", found, waitpid(-1, &st, WNOHANG) == -1 ? errname(errno) : "some");
}

static void limited(void)
{
	struct rlimit all, few = { 0, 0 };
	int r = 0;

	if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		r = -1;
	MUST(getrlimit(RLIMIT_NPROC, &all));
	few.rlim_max = all.rlim_max;
	MUST(setrlimit(RLIMIT_NPROC, &few));
	say("limited=%d %s", r, errname(-run(sets)));
	MUST(setrlimit(RLIMIT_NPROC, &all));
	say("unlimited=%d", run(sets));
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = handler };
	sigset_t hup;
	char cwd[PATH_MAX], now[PATH_MAX];
	pthread_t t;
	int fd;

	if (argc > 1) {
		if (strcmp(argv[1], "wait") == 0)
			for (;;)
				pause();
		_exit(9);
	}
	for (int i = 0; i < 3; i++)
		say("plain=%d shared=%d", run(sets), shared);
	say("fails=%d", WEXITSTATUS(run(fails)));
	for (int i = 0; i < 3; i++)
		say("executes=%d", WEXITSTATUS(run(executes)));
	say_status("dies", run(dies));
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
	umask(027);
	fd = open("/dev/null", O_RDONLY);
	MUST(dup3(fd, 50, O_CLOEXEC));
	for (int i = 0; i < 2; i++)
		say("inherits=%d", WEXITSTATUS(run(looks)));
	MUST(getcwd(cwd, sizeof cwd));
	say("changes=%d", WEXITSTATUS(run(changes)));
	sigaction(SIGUSR1, NULL, &sa);
	say("kept: fd=%d umask=%o handler=%d cwd=%d", fcntl(50, F_GETFD), umask(022), sa.sa_handler == handler, strcmp(getcwd(now, sizeof now), cwd) == 0);
	say("raised=%d here=%d", WEXITSTATUS(run(raised)), (int)handled);
	say("nested=%d", WEXITSTATUS(run(nested)));
	spawned(20);
	together();
	pthread_create(&t, NULL, nothing, NULL);
	pthread_join(t, NULL);
	spawned(5);
	say("after-a-thread=%d", run(sets));
	limited();
	return 0;
}
