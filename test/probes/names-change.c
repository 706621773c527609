/*
 * What is known of a name is never older than the last change, whoever made it: every question is asked twice before the change, so that it may be
 * remembered, and once after it; the change is made here or by another process.
 */
#include "probe.h"

static int here;

/* Run the change in this process or in a child of it. */
#define CHANGE(what) do { if (here) { what; } else { int c_ = fork(); if (c_ == 0) { what; _exit(0); } waitpid(c_, NULL, 0); } } while (0)

static void look(const char *key, const char *path)
{
	struct stat s;
	struct statx x;
	char link[64] = "";
	long n;

	errno = 0;
	if (stat(path, &s))
		say("%d.%s.stat=%s", here, key, errname(errno));
	else
		say("%d.%s.stat=%o %ld %ld", here, key, s.st_mode, S_ISDIR(s.st_mode) ? 0L : (long)s.st_size, S_ISDIR(s.st_mode) ? 0L : (long)s.st_nlink);
	errno = 0;
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x))
		say("%d.%s.statx=%s", here, key, errname(errno));
	else
		say("%d.%s.statx=%o", here, key, x.stx_mode);
	errno = 0;
	n = readlink(path, link, sizeof link - 1);
	say("%d.%s.readlink=%s %s", here, key, n < 0 ? errname(errno) : "ok", n < 0 ? "" : link);
	errno = 0;
	say("%d.%s.access=%s", here, key, access(path, F_OK) ? errname(errno) : "ok");
	errno = 0;
	n = open(path, O_RDONLY);
	say("%d.%s.open=%s", here, key, n < 0 ? errname(errno) : "ok");
	if (n >= 0)
		close((int)n);
}

static void warm(const char *path)
{
	struct stat s;
	char link[64];

	for (int i = 0; i < 2; i++) {
		stat(path, &s);
		lstat(path, &s);
		access(path, F_OK);
		access(path, R_OK);
		readlink(path, link, sizeof link);
		close(open(path, O_RDONLY));
	}
}

#define TRY(key, path, what) do { warm(path); CHANGE(what); look(key, path); } while (0)

static void fill(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(97);
	close(fd);
}

static void all(void)
{
	TRY("absent", "f", (void)0);
	TRY("create", "f", fill("f", "one", 0));
	TRY("grow", "f", fill("f", " two", O_APPEND));
	TRY("truncate", "f", MUST(truncate("f", 1)));
	TRY("o-trunc", "f", fill("f", "abcdef", O_TRUNC));
	TRY("chmod", "f", MUST(chmod("f", 0600)));
	TRY("link", "f", MUST(link("f", "g")));
	TRY("unlink-other", "f", MUST(unlink("g")));
	fill("other", "something longer", 0);
	TRY("rename-over", "f", MUST(rename("other", "f")));
	TRY("rename-away", "f", MUST(rename("f", "h")));
	TRY("rename-back", "f", MUST(rename("h", "f")));
	TRY("unlink", "f", MUST(unlink("f")));
	TRY("mkdir", "f", MUST(mkdir("f", 0755)));
	TRY("in-new-dir", "f/x", fill("f/x", "x", 0));
	TRY("dir-moved", "f/x", MUST(rename("f", "k")));
	TRY("dir-back", "f/x", MUST(rename("k", "f")));
	MUST(mkdir("d2", 0755));
	fill("d2/x", "in the other", 0);
	TRY("dir-exchanged", "f/x", MUST(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d2", 2)));
	TRY("inside-renamed", "f/x", MUST(rename("f/x", "f/y")));
	MUST(unlink("f/y"));
	TRY("rmdir-above", "f/z", MUST(rmdir("f")));
	MUST(symlink("d2", "l"));
	TRY("by-link", "l/x", (void)0);
	MUST(mkdir("d3", 0755));
	fill("d3/x", "333", 0);
	TRY("link-swapped", "l/x", { MUST(unlink("l")); MUST(symlink("d3", "l")); });
	MUST(symlink("d2", "l2"));
	TRY("link-renamed-over", "l/x", MUST(rename("l2", "l")));
	TRY("link-itself", "l", { MUST(unlink("l")); MUST(symlink("d3", "l")); });
	TRY("link-to-file", "l", { MUST(unlink("l")); fill("l", "no link now", 0); });
	TRY("dangling", "dang", MUST(symlink("nowhere", "dang")));
	TRY("target-comes", "dang", fill("nowhere", "now", 0));
	TRY("target-goes", "dang", MUST(unlink("nowhere")));
	TRY("dotdot", "d2/../d3/x", MUST(rename("d2", "d3/d2")));
	MUST(unlink("d3/x"));
	MUST(unlink("d3/d2/x"));
	MUST(rmdir("d3/d2"));
	MUST(rmdir("d3"));
	MUST(unlink("l"));
	MUST(unlink("dang"));
}

int main(void)
{
	umask(022);
	for (here = 0; here < 2; here++)
		all();
	return 0;
}
