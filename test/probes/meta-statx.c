/* statx(2): what is filled in, and its flags. */
#include "probe.h"

int main(void)
{
	struct statx x;
	struct stat st;
	umask(022);
	put("f", "hello");
	MUST(symlink("f", "l"));
	memset(&x, 0xff, sizeof x);
	OK("statx", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	stat("f", &st);
	IS("basic-mask", (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	say("mode=%o size=%ld nlink=%u", x.stx_mode, (long)x.stx_size, x.stx_nlink);
	IS("ino", x.stx_ino == st.st_ino);
	IS("uid", x.stx_uid == st.st_uid && x.stx_gid == st.st_gid);
	IS("blksize", x.stx_blksize == (unsigned)st.st_blksize);
	IS("mtime", x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec);
	IS("dev", x.stx_dev_major == (st.st_dev >> 8 & 0xfff) && x.stx_dev_minor == (st.st_dev & 0xff));
	OK("nofollow", statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
	IS("link", S_ISLNK(x.stx_mode));
	OK("follow", statx(AT_FDCWD, "l", 0, STATX_TYPE, &x));
	IS("file", S_ISREG(x.stx_mode));
	int fd = open("f", O_RDONLY);
	OK("empty-path", statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	say("size=%ld", (long)x.stx_size);
	OK("empty", statx(fd, "", 0, STATX_SIZE, &x));
	OK("bad-flags", statx(AT_FDCWD, "f", 0x40000000, STATX_SIZE, &x));
	OK("bad-mask", statx(AT_FDCWD, "f", 0, 0x80000000u, &x));
	OK("bad-sync", statx(AT_FDCWD, "f", 0x6000, STATX_SIZE, &x));
	OK("dont-sync", statx(AT_FDCWD, "f", 0x4000, STATX_SIZE, &x));
	OK("mask-0", statx(AT_FDCWD, "f", 0, 0, &x));
	OK("missing", statx(AT_FDCWD, "no", 0, 0, &x));
	OK("badfd", statx(99, "f", 0, 0, &x));
	OK("fault", syscall(SYS_statx, AT_FDCWD, "f", 0, 0, (void *)16));
	OK("no-automount", statx(AT_FDCWD, "f", AT_NO_AUTOMOUNT, STATX_ALL, &x));
	return 0;
}
