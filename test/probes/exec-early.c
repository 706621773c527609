/*
 * What a program asks, opens and reads when it starts, the sixth time as the first, whatever it does before: other rights, another directory or root, descriptors, limits, threads, children; and
 * with what has changed since the last time. The program lies in /var/tmp, which is in the root file system.
 */
#include "probe.h"
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <sys/sendfile.h>

static char place[] = "/var/tmp/exec-early-XXXXXX";
static char path[6][64];
enum { FILE_A, FILE_B, LINK, DIRECTORY, NONE, PROGRAM };

static void first_bytes(const char *key, const char *name)
{
	char text[32] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? -errno : read(fd, text, sizeof text - 1);

	say("%s=%d %s", key, fd, n < 0 ? errname((int)-n) : text);
	if (fd >= 0)
		close(fd);
}

/* All that the program asks. */
static void ask(void)
{
	char target[64] = "";
	struct stat st;
	struct dirent *e;
	int n = 0, fd;
	DIR *d;

	/* Of the layer below, which is what is opened before a program asks. */
	for (int i = 0; i < 2; i++) {
		OK("passwd", fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC));
		say("passwd-read=%ld", fd >= 0 ? (long)read(fd, target, 6) : -1);
		close(fd);
	}
	first_bytes("a", path[FILE_A]);
	first_bytes("b", path[FILE_B]);
	first_bytes("b-again", path[FILE_B]);
	say("mode=%o", stat(path[FILE_A], &st) < 0 ? (unsigned)errno : st.st_mode & 07777);
	memset(target, 0, sizeof target);
	say("link=%ld", (long)readlink(path[LINK], target, sizeof target) > 0 ? (long)strlen(target) - (long)strlen(path[FILE_A]) : -errno);
	OK("may-read", access(path[FILE_A], R_OK));
	OK("may-write", access(path[FILE_A], W_OK));
	OK("may-by-effective", faccessat(AT_FDCWD, path[FILE_A], R_OK, AT_EACCESS));
	OK("none", access(path[NONE], F_OK));
	for (int i = 0; i < 4; i++) {
		d = opendir(i % 2 ? "/etc/default" : path[DIRECTORY]);
		while (d && (e = readdir(d)))
			n++;
		if (d)
			closedir(d);
	}
	say("entries=%d", n);
}

static void *ask_in_thread(void *unused)
{
	ask();
	return unused;
}

static void in_child(void)
{
	int pid = fork(), st;

	MUST(pid);
	if (pid == 0) {
		ask();
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
}

static int role(const char *what)
{
	pthread_t th;
	int fd;

	if (!strcmp(what, "plain"))
		ask();
	else if (!strcmp(what, "directory")) {
		OK("chdir", chdir(path[DIRECTORY]));
		ask();
		first_bytes("relative", "x");
	} else if (!strcmp(what, "user")) {
		/* An ordinary user may not, and then asks as what it is. */
		if (getuid() == 0)
			MUST(setuid(65534));
		ask();
	} else if (!strcmp(what, "root")) {
		if (getuid() == 0)
			MUST(chroot(path[DIRECTORY]));
		else
			MUST(chdir(path[DIRECTORY]));
		ask();
	} else if (!strcmp(what, "descriptors")) {
		for (int i = 0; i < 20; i++)
			MUST(dup(0));
		ask();
	} else if (!strcmp(what, "limit")) {
		struct rlimit few = { 4, 64 };

		MUST(setrlimit(RLIMIT_NOFILE, &few));
		MUST(fd = dup(0));
		ask();
	} else if (!strcmp(what, "thread")) {
		MUST(pthread_create(&th, NULL, ask_in_thread, NULL) ? -1 : 0);
		MUST(pthread_join(th, NULL));
		ask();
	} else if (!strcmp(what, "child")) {
		in_child();
		ask();
	} else if (!strcmp(what, "files")) {
		MUST(unshare(CLONE_FILES));
		ask();
	} else {
		/* Another program at once, then this one. */
		execl(path[PROGRAM], "self", "plain", place, (char *)NULL);
		return 1;
	}
	return 0;
}

static int run(const char *what)
{
	int pid = fork(), st;

	MUST(pid);
	if (pid == 0) {
		execl(path[PROGRAM], "self", what, place, (char *)NULL);
		_exit(1);
	}
	MUST(waitpid(pid, &st, 0));
	return st;
}

static void names(void)
{
	static const char *const name[] = { "a", "b", "link", "dir", "none", "program" };

	for (int i = 0; i < 6; i++)
		snprintf(path[i], sizeof path[i], "%s/%s", place, name[i]);
}

static void copy_self(void)
{
	int from = open("/proc/self/exe", O_RDONLY), to = open(path[PROGRAM], O_WRONLY | O_CREAT | O_EXCL, 0755);
	struct stat st;

	MUST(from);
	MUST(to);
	MUST(fstat(from, &st));
	while (st.st_size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)st.st_size);

		MUST(n);
		st.st_size -= n;
	}
	close(from);
	close(to);
}

static int forget(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

int main(int argc, char **argv)
{
	static const char *const roles[] = { "plain", "directory", "user", "root", "descriptors", "limit", "thread", "child", "files", "again" };
	char inner[80];

	if (argc == 3) {
		strcpy(place, argv[2]);
		names();
		return role(argv[1]);
	}
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	if (mkdtemp(place) == NULL)
		return 97;
	names();
	MUST(chmod(place, 0755));
	MUST(mkdir(path[DIRECTORY], 0755));
	snprintf(inner, sizeof inner, "%s/x", path[DIRECTORY]);
	put(inner, "in the directory");
	put(path[FILE_A], "first a");
	put(path[FILE_B], "first b");
	MUST(symlink(path[FILE_A], path[LINK]));
	copy_self();
	for (int i = 0; i < 5; i++)
		run("plain");
	for (unsigned i = 0; i < sizeof roles / sizeof *roles; i++) {
		say("role=%s", roles[i]);
		for (int k = 0; k < 2; k++)
			say("end=%x", run(roles[i]));
		run("plain");
	}
	/* While it is told of what was. */
	MUST(unlink(path[FILE_B]));
	put(path[FILE_B], "second b");
	MUST(chmod(path[FILE_A], 0400));
	put(path[NONE], "");
	MUST(unlink(path[LINK]));
	MUST(symlink(path[DIRECTORY], path[LINK]));
	snprintf(inner, sizeof inner, "%s/y", path[DIRECTORY]);
	put(inner, "");
	say("changed=%x", run("plain"));
	MUST(nftw(place, forget, 16, FTW_DEPTH | FTW_PHYS));
	return 0;
}
