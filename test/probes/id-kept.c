/*
 * Who I am and what I may use, asked again after every change: by this process, a thread, a child, another process, an exec.
 */
#include "probe.h"
#include <pthread.h>

static void ids(const char *key)
{
	say("%s=%d %d %d %d", key, getuid(), geteuid(), getgid(), getegid());
}

static void limits(const char *key)
{
	struct rlimit r[3];

	MUST(getrlimit(RLIMIT_NOFILE, &r[0]));
	MUST(getrlimit(RLIMIT_STACK, &r[1]));
	MUST(prlimit(0, RLIMIT_CORE, NULL, &r[2]));
	say("%s=%ld %d %ld", key, (long)r[0].rlim_cur, r[1].rlim_cur <= r[1].rlim_max, (long)r[2].rlim_cur);
}

/* The system call, not the library's, which would change all threads. */
static void *changes(void *arg)
{
	(void)arg;
	ids("thread");
	if (geteuid() == 0)
		MUST(syscall(SYS_setresuid, 0, 1234, 0));
	say("thread-after=%d", geteuid() == 0 ? -1 : (int)(geteuid() == 1234 || getuid() == geteuid()));
	return NULL;
}

int main(int argc, char **argv)
{
	struct rlimit low = { 100, 100 }, core = { 0, 0 };
	pthread_t t;
	int st, pid, to[2];
	char c;

	if (argc > 1) {
		ids("exec");
		limits("exec-limits");
		return 0;
	}
	MUST(getrlimit(RLIMIT_NOFILE, &core));
	core.rlim_cur = core.rlim_max = 0;
	ids("begin");
	MUST(setrlimit(RLIMIT_NOFILE, &low));
	MUST(setrlimit(RLIMIT_CORE, &core));
	limits("after");
	say("bad=%s", syscall(SYS_getrlimit, 16, &low) ? errname(errno) : "ok");
	say("fault=%s", syscall(SYS_getrlimit, RLIMIT_NOFILE, 8) ? errname(errno) : "ok");
	MUST(-pthread_create(&t, NULL, changes, NULL));
	pthread_join(t, NULL);
	ids("other-thread");
	MUST(pipe(to));
	pid = fork();
	if (pid == 0) {
		MUST(read(to[0], &c, 1));
		limits("from-outside");
		if (getuid() == 0) {
			MUST(setgid(7));
			MUST(setuid(1234));
			say("set=%d", getuid() == 1234 && geteuid() == 1234 && getgid() == 7 && getegid() == 7);
		} else {
			say("set=1");
		}
		if (fork() == 0) {
			say("grandchild=%d", getuid() == geteuid() && getgid() == getegid());
			_exit(0);
		}
		wait(NULL);
		execl("/proc/self/exe", argv[0], "again", NULL);
		_exit(1);
	}
	low.rlim_cur = low.rlim_max = 50;
	MUST(prlimit(pid, RLIMIT_NOFILE, &low, NULL));
	MUST(write(to[1], "x", 1));
	waitpid(pid, &st, 0);
	say_status("child", st);
	ids("end");
	return 0;
}
