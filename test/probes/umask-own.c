/*
 * The umask: of a process, inherited by fork, vfork, exec and threads; shared by CLONE_FS, parted by unshare and by threads made without it; as files and /proc show it.
 */
#define _GNU_SOURCE
#include <sched.h>
#include "probe.h"
#include <pthread.h>

static int made;

/* The permissions that a new file gets, and what /proc says. */
static void look(const char *key)
{
	char name[32], line[128], shown[16] = "?";
	struct stat s;
	FILE *f = fopen("/proc/thread-self/status", "r");
	int fd;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Umask: %15s", shown) == 1)
			break;
	if (f)
		fclose(f);
	snprintf(name, sizeof name, "file-%d-%d", (int)getpid(), made++);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0777);
	if (fd < 0 || fstat(fd, &s)) {
		say("%s=%s", key, errname(errno));
		return;
	}
	close(fd);
	unlink(name);
	MUST(mkdir(name, 0777));
	say("%s=%03o proc %s", key, s.st_mode & 0777, shown);
	MUST(stat(name, &s));
	say("%s-dir=%03o", key, s.st_mode & 0777);
	rmdir(name);
}

static void *in_thread(void *arg)
{
	(void)arg;
	say("thread-old=%03o", umask(0037));
	look("thread");
	return NULL;
}

/* It has a umask of its own from here on. */
static void *parts(void *arg)
{
	(void)arg;
	MUST(unshare(CLONE_FS));
	say("parted-old=%03o", umask(0007));
	look("parted");
	return NULL;
}

static char stack[65536];
static volatile int turn;

static int shares(void *arg)
{
	say("%s-old=%03o", (char *)arg, umask(0026));
	look(arg);
	return 0;
}

/* A thread that shares all but the directories. It must not use the C library's thread state. */
static int own_thread(void *arg)
{
	(void)arg;
	syscall(SYS_umask, 0111);
	turn = 1;
	syscall(SYS_exit, 0);
	return 0;
}

static void waits(pid_t pid, const char *key)
{
	int st;

	MUST(pid);
	MUST(waitpid(pid, &st, 0));
	say_status(key, st);
}

int main(int argc, char **argv)
{
	pthread_t t;
	pid_t pid;

	if (argc > 1) {
		look(argv[1]);
		say("%s-old=%03o", argv[1], umask(0));
		return 0;
	}
	umask(022);
	look("first");
	say("old=%03o", umask(0xfffff000 | 0127));
	look("bits");
	MUST(-pthread_create(&t, NULL, in_thread, NULL));
	pthread_join(t, NULL);
	look("after-thread");
	pid = fork();
	if (pid == 0) {
		look("child");
		umask(0);
		look("child-changed");
		_exit(0);
	}
	waits(pid, "fork");
	look("after-fork");
	pid = vfork();
	if (pid == 0) {
		umask(0055);
		execl("/proc/self/exe", argv[0], "exec", NULL);
		_exit(1);
	}
	waits(pid, "vfork");
	look("after-vfork");
	waits(clone(shares, stack + sizeof stack, SIGCHLD, "copied"), "clone");
	look("after-copied");
	waits(clone(shares, stack + sizeof stack, CLONE_FS | SIGCHLD, "shared"), "clone-fs");
	look("after-shared");
	say("old-shared=%03o", umask(0044));
	pid = fork();
	if (pid == 0) {
		look("later-child");
		MUST(-pthread_create(&t, NULL, parts, NULL));
		pthread_join(t, NULL);
		look("not-parted");
		_exit(0);
	}
	waits(pid, "later");
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", argv[0], "later-exec", NULL);
		_exit(1);
	}
	waits(pid, "exec-status");
	MUST(clone(own_thread, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL));
	while (!turn)
		sched_yield();
	look("end");
	return 0;
}
