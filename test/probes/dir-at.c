/* The *at calls: directory fds, bad fds, AT_EMPTY_PATH. */
#include "probe.h"

int main(void)
{
	struct stat st;
	char b[16];
	MUST(mkdir("d", 0755));
	put("d/f", "1");
	put("f", "22");
	int d = open("d", O_RDONLY), f = open("f", O_RDONLY);
	OK("fstatat", fstatat(d, "f", &st, 0));
	say("size=%ld", (long)st.st_size);
	OK("fstatat-absolute-badfd", fstatat(99, "/", &st, 0));
	OK("fstatat-badfd", fstatat(99, "f", &st, 0));
	OK("fstatat-filefd", fstatat(f, "f", &st, 0));
	OK("fstatat-empty", fstatat(f, "", &st, 0));
	OK("fstatat-empty-path", fstatat(f, "", &st, AT_EMPTY_PATH));
	say("size2=%ld", (long)st.st_size);
	OK("fstatat-cwd-empty", fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	IS("cwd-is-dir", S_ISDIR(st.st_mode));
	OK("fstatat-flags", fstatat(d, "f", &st, 0x40000000));
	OK("fstatat-null", syscall(SYS_newfstatat, d, NULL, &st, 0));
	OK("mkdirat", mkdirat(d, "sub", 0755));
	OK("mkdirat-badfd", mkdirat(99, "x", 0755));
	OK("mkdirat-file", mkdirat(f, "x", 0755));
	OK("symlinkat", symlinkat("f", d, "l"));
	VAL("readlinkat", readlinkat(d, "l", b, 16));
	VAL("readlinkat-empty", readlinkat(d, "", b, 16));
	OK("fchmodat", fchmodat(d, "l", 0640, 0));
	stat("d/f", &st);
	say("mode=%o", st.st_mode & 07777);
	OK("faccessat", faccessat(d, "f", R_OK, 0));
	OK("faccessat-missing", faccessat(d, "no", F_OK, 0));
	OK("mknodat-fifo", mknodat(d, "p", S_IFIFO | 0600, 0));
	OK("mknodat-reg", mknodat(d, "r", S_IFREG | 0600, 0));
	OK("mknodat-dir", mknodat(d, "dd", S_IFDIR | 0600, 0));
	OK("mknodat-zero-type", mknodat(d, "z", 0600, 0));
	OK("mknodat-bad", mknodat(d, "q", S_IFLNK | 0600, 0));
	OK("mknodat-sock", mknodat(d, "s", S_IFSOCK | 0600, 0));
	OK("mknodat-exists", mknodat(d, "p", S_IFIFO | 0600, 0));
	stat("d/z", &st);
	IS("zero-type-is-reg", S_ISREG(st.st_mode));
	stat("d/s", &st);
	IS("sock", S_ISSOCK(st.st_mode));
	OK("open-sock", open("d/s", O_RDWR));
	OK("fchownat-empty", fchownat(f, "", -1, -1, AT_EMPTY_PATH));
	OK("fchownat-nofollow", fchownat(d, "l", -1, -1, AT_SYMLINK_NOFOLLOW));
	OK("fchownat-flags", fchownat(d, "l", -1, -1, 0x40000));
	OK("renameat", renameat(d, "r", AT_FDCWD, "r2"));
	IS("moved", access("r2", F_OK) == 0);
	OK("linkat-empty", linkat(d, "f", AT_FDCWD, "hard", 0));
	OK("unlinkat", unlinkat(d, "f", 0));
	OK("unlinkat-dir", unlinkat(d, "sub", AT_REMOVEDIR));
	OK("unlinkat-badfd", unlinkat(99, "x", 0));
	MUST(chdir("/"));
	OK("dirfd-stays", openat(d, "p", O_RDONLY | O_NONBLOCK));
	return 0;
}
