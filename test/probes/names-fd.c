/*
 * fstat and names relative to a descriptor: what counts is what the number means now, in this process.
 */
#include "probe.h"
#include <pthread.h>
#include <sched.h>

static void *opens_other(void *arg) { close(*(int *)arg); if (open("b", O_RDONLY) != *(int *)arg) say("other-number"); return NULL; }

static void size(const char *key, int fd)
{
	struct stat s;

	for (int i = 0; i < 2; i++)
		if (fstat(fd, &s)) {
			say("%s=%s", key, errname(errno));
			return;
		}
	say("%s=%ld", key, S_ISREG(s.st_mode) ? (long)s.st_size : -1L);
}

static void at(const char *key, int fd)
{
	struct stat s;

	for (int i = 0; i < 2; i++)
		if (fstatat(fd, "x", &s, 0)) {
			say("%s=%s", key, errname(errno));
			return;
		}
	say("%s=%ld", key, (long)s.st_size);
}

static void make(const char *path, int n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	MUST(fd);
	MUST(write(fd, "0123456789", (size_t)n));
	close(fd);
}

static int stack_of_child[8192];
static int shared_fd;

static int in_child(void *arg)
{
	(void)arg;
	MUST(close(shared_fd));
	if (open("b", O_RDONLY) != shared_fd)
		_exit(1);
	return 0;
}

int main(void)
{
	int fd, d, st, pid;
	pthread_t th;

	make("a", 1);
	make("b", 2);
	MUST(mkdir("d1", 0755));
	MUST(mkdir("d2", 0755));
	make("d1/x", 3);
	make("d2/x", 4);
	fd = open("a", O_RDONLY);
	size("open", fd);
	close(fd);
	size("closed", fd);
	if (open("b", O_RDONLY) != fd)
		return 1;
	size("same-number", fd);
	d = open("a", O_RDONLY);
	size("before-dup2", fd);
	MUST(dup2(d, fd));
	size("dup2", fd);
	MUST(syscall(SYS_close_range, fd, fd, 0));
	size("close-range", fd);
	close(d);

	d = open("d1", O_RDONLY | O_DIRECTORY);
	at("dirfd", d);
	close(d);
	at("dirfd-closed", d);
	if (open("d2", O_RDONLY | O_DIRECTORY) != d)
		return 1;
	at("dirfd-again", d);
	MUST(rename("d2", "d3"));
	at("dirfd-moved", d);
	MUST(unlink("d3/x"));
	at("dirfd-unlinked", d);
	MUST(rename("d1/x", "d3/x"));
	at("dirfd-renamed", d);
	pid = fork();
	if (pid == 0) {
		close(d);
		open("d1", O_RDONLY | O_DIRECTORY);
		at("child", d);
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
	at("parent", d);
	pid = vfork();
	if (pid == 0) {
		close(d);
		open("d1", O_RDONLY | O_DIRECTORY);
		at("vfork-child", d);
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
	at("vfork-parent", d);
	close(d);

	/* Another thread makes the number mean something else. */
	fd = open("a", O_RDONLY);
	size("thread-before", fd);
	pthread_create(&th, NULL, opens_other, &fd);
	pthread_join(th, NULL);
	size("thread-after", fd);
	close(fd);

	/* So does a process that shares the table, but not the memory. */
	shared_fd = open("a", O_RDONLY);
	size("shared-before", shared_fd);
	pid = clone(in_child, (char *)stack_of_child + sizeof stack_of_child, CLONE_FILES | SIGCHLD, NULL);
	MUST(pid);
	MUST(waitpid(pid, &st, 0));
	say("shared-child=%d", st);
	size("shared-after", shared_fd);
	return 0;
}
