/*
 * A program that is started again and again and asks about the same absolute paths: each process is told what is so when it asks, with its own rights and its own root,
 * whatever earlier ones were told.
 */
#include "probe.h"

static char base[PATH_MAX];

static void path_of(char out[PATH_MAX + 64], const char *name) { snprintf(out, PATH_MAX + 64, "%s/%s", base, name); }

/* In the program: the paths that every round asks about, and one more that only this round does. */
static int asks(const char *round, const char *dir, const char *extra)
{
	static const char *const names[] = { "a", "b", "link", "sub/c", "secret/d", "none", "sub", "dangling" };
	char path[PATH_MAX + 64], target[64];
	struct stat s;

	strcpy(base, dir);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		long n;

		path_of(path, names[i]);
		say("%s.%s.stat=%s", round, names[i], stat(path, &s) ? errname(errno) : S_ISDIR(s.st_mode) ? "dir" : "file");
		if (!S_ISDIR(s.st_mode) && stat(path, &s) == 0)
			say("%s.%s.size=%ld mode=%o links=%lu", round, names[i], (long)s.st_size, s.st_mode, (unsigned long)s.st_nlink);
		say("%s.%s.lstat=%s", round, names[i], lstat(path, &s) ? errname(errno) : S_ISLNK(s.st_mode) ? "link" : "other");
		say("%s.%s.access=%s", round, names[i], access(path, R_OK) ? errname(errno) : "ok");
		n = readlink(path, target, sizeof target);
		say("%s.%s.readlink=%s", round, names[i], n < 0 ? errname(errno) : "ok");
		int fd = open(path, O_RDONLY);
		say("%s.%s.open=%s", round, names[i], fd < 0 ? errname(errno) : "ok");
		if (fd >= 0)
			close(fd);
	}
	path_of(path, extra);
	say("%s.extra=%s", round, stat(path, &s) ? errname(errno) : "ok");
	return 0;
}

/* before: what the new process does before it starts the program. */
static void run(const char *round, const char *extra, void (*before)(void))
{
	int pid = fork(), st;

	if (pid == 0) {
		if (before != NULL)
			before();
		execl("/proc/self/exe", "start-names", round, base, extra, NULL);
		say("%s.exec=%s", round, errname(errno));
		_exit(1);
	}
	MUST(waitpid(pid, &st, 0));
	say("%s.status=%d", round, st);
}

static void other_user(void)
{
	if (getuid() == 0 && (setgid(12345) != 0 || setuid(12345) != 0))
		_exit(9);
}

static void elsewhere(void) { MUST(chdir("/")); }

int main(int argc, char **argv)
{
	if (argc > 3)
		return asks(argv[1], argv[2], argv[3]);
	MUST(getcwd(base, sizeof base) ? 0 : -1);
	MUST(chmod(".", 0755));
	run("empty", "x1", NULL);
	put("a", "one");
	put("b", "");
	MUST(mkdir("sub", 0755));
	put("sub/c", "ccc");
	MUST(mkdir("secret", 0700));
	put("secret/d", "d");
	MUST(symlink("a", "link"));
	MUST(symlink("nowhere", "dangling"));
	run("filled", "x2", NULL);
	run("again", "x1", elsewhere);
	run("user", "x2", other_user);
	run("root", "x2", NULL);
	put("a", "longer than before");
	MUST(chmod("b", 0600));
	MUST(link("b", "b2"));
	MUST(rename("sub", "gone"));
	MUST(unlink("link"));
	MUST(symlink("b", "link"));
	MUST(unlink("dangling"));
	MUST(mkdir("dangling", 0755));
	run("changed", "b2", NULL);
	run("changed-user", "x3", other_user);
	MUST(rename("gone", "sub"));
	MUST(unlink("a"));
	for (int i = 0; i < 3; i++)
		run("last", "x4", NULL);
	return 0;
}
