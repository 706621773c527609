/*
 * Relative names follow the working directory, whoever moves it: this task, another thread, a process that shares it (CLONE_FS); and absolute
 * ones the root. A vfork child's is its own.
 */
#include "probe.h"
#include <pthread.h>
#include <sched.h>

static void size(const char *key, const char *path)
{
	struct stat s;

	for (int i = 0; i < 2; i++)
		if (stat(path, &s)) {
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

static void *moves(void *dir) { MUST(chdir(dir)); return NULL; }
static int child_stack[8192];
static int child_moves(void *dir) { MUST(chdir(dir)); return 0; }

static void in_thread(char *dir)
{
	pthread_t th;

	pthread_create(&th, NULL, moves, dir);
	pthread_join(th, NULL);
}

/* A thread whose directory is its own. */
static void *apart(void *arg)
{
	(void)arg;
	size("apart-before", "x");
	MUST(syscall(SYS_unshare, CLONE_FS));
	MUST(chdir("../b"));
	size("apart", "x");
	return NULL;
}

int main(void)
{
	int st, pid, fd;
	pthread_t th;

	MUST(mkdir("a", 0755));
	MUST(mkdir("b", 0755));
	make("a/x", 1);
	make("b/x", 2);
	make("b/only", 3);
	MUST(chdir("a"));
	size("a", "x");
	size("a.only", "only");
	MUST(chdir("../b"));
	size("b", "x");
	size("b.only", "only");
	fd = open("../a", O_RDONLY | O_DIRECTORY);
	MUST(fchdir(fd));
	size("fchdir", "x");
	size("fchdir.only", "only");
	in_thread("../b");
	size("thread", "x");
	pid = fork();
	if (pid == 0) {
		MUST(chdir("../a"));
		size("child", "x");
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
	size("parent", "x");
	pid = vfork();
	if (pid == 0) {
		MUST(chdir("../a"));
		size("vfork-child", "x");
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
	size("vfork-parent", "x");
	MUST(chdir("../a"));
	pthread_create(&th, NULL, apart, NULL);
	pthread_join(th, NULL);
	size("after-apart", "x");
	pid = clone(child_moves, (char *)child_stack + sizeof child_stack, CLONE_FS | SIGCHLD, "../b");
	MUST(pid);
	MUST(waitpid(pid, &st, 0));
	size("clone-fs", "x");
	if (geteuid() == 0) {
		char cwd[PATH_MAX];

		MUST(chdir("../a"));
		if (getcwd(cwd, sizeof cwd) == NULL)
			return 1;
		strcat(cwd, "/x");
		size("before-chroot", cwd);
		size("before-chroot.root", "/x");
		MUST(chroot("."));
		size("chroot", cwd);
		size("chroot.root", "/x");
	}
	return 0;
}
