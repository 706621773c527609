/* stat(2), lstat, fstat: types, sizes, identity. */ /* musl */
#include "probe.h"

static void show(const char *key, const char *p)
{
	struct stat st;
	if (lstat(p, &st) < 0) {
		say("%s=%s", key, errname(errno));
		return;
	}
	say("%s=%o %ld %s", key, st.st_mode, S_ISDIR(st.st_mode) ? -1L : (long)st.st_size,
	        st.st_uid == geteuid() ? "me" : "other");
}

int main(void)
{
	struct stat a, b;
	umask(022);
	put("f", "hello");
	MUST(mkdir("d", 0755));
	MUST(symlink("f", "l"));
	MUST(mkfifo("p", 0644));
	show("file", "f");
	show("dir", "d");
	show("link", "l");
	show("fifo", "p");
	show("missing", "no");
	show("empty", "");
	show("notdir", "f/x");
	show("slash", "f/");
	stat("/", &a);
	say("root=%o", a.st_mode & S_IFMT);
	stat("/dev/null", &a);
	say("null=%o rdev=%lx", a.st_mode & S_IFMT, (long)a.st_rdev);
	stat("/dev/zero", &a);
	say("zero-rdev=%lx", (long)a.st_rdev);
	stat("f", &a);
	stat("l", &b);
	IS("stat-follows", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	lstat("l", &b);
	IS("lstat-does-not", a.st_ino != b.st_ino);
	int fd = open("f", O_RDONLY);
	fstat(fd, &b);
	IS("fstat-same", a.st_ino == b.st_ino && a.st_mode == b.st_mode);
	stat("d", &a);
	stat("d/.", &b);
	IS("dot-same", a.st_ino == b.st_ino);
	stat("d/..", &a);
	stat(".", &b);
	IS("dotdot-same", a.st_ino == b.st_ino);
	stat("/", &a);
	stat("/..", &b);
	IS("root-dotdot", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	stat("f", &a);
	IS("ino", a.st_ino != 0);
	IS("blksize", a.st_blksize >= 512);
	IS("blocks", a.st_blocks >= 0);
	IS("rdev-0", a.st_rdev == 0);
	OK("fault", syscall(SYS_stat, "f", (void *)16));
	OK("badfd", fstat(99, &a));
	int p[2];
	MUST(pipe(p));
	fstat(p[0], &a);
	say("pipe=%o size=%ld nlink=%ld", a.st_mode & S_IFMT, (long)a.st_size, (long)a.st_nlink);
	fstat(p[1], &b);
	IS("pipe-ends-same", a.st_ino == b.st_ino);
	put("s", "");
	truncate("s", 1L << 33);
	say("big=%ld", size_of("s"));
	stat("s", &a);
	IS("sparse", a.st_blocks < 1000);
	stat("f", &a);
	struct timespec old = a.st_ctim;
	chmod("f", 0600);
	stat("f", &b);
	IS("ctime-forward", b.st_ctim.tv_sec > old.tv_sec ||
	                            (b.st_ctim.tv_sec == old.tv_sec && b.st_ctim.tv_nsec >= old.tv_nsec));
	return 0;
}
