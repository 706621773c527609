/* utimensat(2) and its relatives. */
#include "probe.h"
#include <utime.h>

static void show(const char *key, const char *p)
{
	struct stat st;
	struct timespec now;
	if (lstat(p, &st) < 0) {
		say("%s=%s", key, errname(errno));
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	long a = st.st_atim.tv_sec, m = st.st_mtim.tv_sec;
	/* A time within ten minutes is "now". */
	char x[48], y[48];
	if (labs(a - now.tv_sec) < 600) strcpy(x, "now");
	else
		snprintf(x, sizeof x, "%ld.%09ld", a, st.st_atim.tv_nsec);
	if (labs(m - now.tv_sec) < 600) strcpy(y, "now");
	else
		snprintf(y, sizeof y, "%ld.%09ld", m, st.st_mtim.tv_nsec);
	say("%s=%s %s ctime-%s", key, x, y, labs(st.st_ctim.tv_sec - now.tv_sec) < 600 ? "now" : "old");
}

int main(void)
{
	struct timespec t[2] = { { 1000, 1 }, { 2000, 999999999 } };
	struct timeval v[2] = { { 11, 5 }, { 22, 6 } };
	struct utimbuf u = { 100, 200 };
	put("f", "x");
	MUST(symlink("f", "l"));
	show("fresh", "f");
	OK("set", utimensat(AT_FDCWD, "f", t, 0));
	show("set", "f");
	t[0].tv_nsec = UTIME_OMIT;
	t[1] = (struct timespec){ 3000, 0 };
	OK("omit-atime", utimensat(AT_FDCWD, "f", t, 0));
	show("omit-atime", "f");
	t[0] = (struct timespec){ 5, 6 };
	t[1].tv_nsec = UTIME_NOW;
	OK("now-mtime", utimensat(AT_FDCWD, "f", t, 0));
	show("now-mtime", "f");
	t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
	OK("omit-both", utimensat(AT_FDCWD, "f", t, 0));
	show("omit-both", "f");
	OK("omit-both-missing", utimensat(AT_FDCWD, "no", t, 0));
	OK("null", utimensat(AT_FDCWD, "f", NULL, 0));
	show("null", "f");
	t[0] = (struct timespec){ 7, 8 };
	t[1] = (struct timespec){ 9, 10 };
	OK("nofollow", utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	show("link", "l");
	show("target", "f");
	OK("follow", utimensat(AT_FDCWD, "l", t, 0));
	show("target2", "f");
	t[0].tv_nsec = 1000000000;
	OK("bad-nsec", utimensat(AT_FDCWD, "f", t, 0));
	t[0].tv_nsec = -1;
	OK("negative-nsec", utimensat(AT_FDCWD, "f", t, 0));
	t[0].tv_nsec = 0;
	OK("bad-flags", utimensat(AT_FDCWD, "f", t, 0x40000));
	OK("missing", utimensat(AT_FDCWD, "no", t, 0));
	OK("badfd", futimens(99, t));
	int fd = open("f", O_RDONLY);
	OK("futimens-rdonly", futimens(fd, t));
	show("futimens", "f");
	OK("futimens-null-path", syscall(SYS_utimensat, fd, NULL, NULL, 0));
	show("futimens-now", "f");
	OK("utimes", utimes("f", v));
	show("utimes", "f");
	OK("utime", utime("f", &u));
	show("utime", "f");
	OK("utime-null", utime("f", NULL));
	show("utime-null", "f");
	v[0].tv_usec = 1000000;
	OK("utimes-bad", utimes("f", v));
	t[0].tv_sec = t[1].tv_sec = -5;
	OK("before-epoch", utimensat(AT_FDCWD, "f", t, 0));
	show("before-epoch", "f");
	utimensat(AT_FDCWD, "f", t, 0);
	int w = open("f", O_WRONLY);
	MUST(write(w, "y", 1));
	struct stat st;
	stat("f", &st);
	IS("write-touches-mtime", st.st_mtime > 1000000);
	return 0;
}
