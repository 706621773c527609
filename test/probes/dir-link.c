/* link(2), linkat(2) and hard link counts. */ /* musl */
#include "probe.h"

static long nlink(const char *p)
{
	struct stat st;
	return lstat(p, &st) < 0 ? -errno : (long)st.st_nlink;
}

int main(void)
{
	struct stat a, b;
	put("f", "x");
	MUST(mkdir("d", 0755));
	MUST(symlink("f", "l"));
	MUST(symlink("no", "dangling"));
	OK("link", link("f", "g"));
	say("nlink=%ld", nlink("f"));
	stat("f", &a);
	stat("g", &b);
	IS("same-inode", a.st_ino == b.st_ino);
	OK("exists", link("f", "g"));
	OK("exists-dir", link("f", "d"));
	OK("exists-dangling", link("f", "dangling"));
	OK("missing", link("no", "h"));
	OK("missing-dir", link("f", "no/h"));
	OK("empty", link("", "h"));
	OK("slash", link("f", "h/"));
	OK("through-file", link("f/x", "h"));
	OK("dir", link("d", "h"));
	OK("link-to-link", link("l", "l2"));
	lstat("l2", &a);
	IS("is-link", S_ISLNK(a.st_mode));
	say("l-nlink=%ld", nlink("l"));
	OK("follow", linkat(AT_FDCWD, "l", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
	lstat("l3", &a);
	IS("is-file", S_ISREG(a.st_mode));
	OK("follow-dangling", linkat(AT_FDCWD, "dangling", AT_FDCWD, "l4", AT_SYMLINK_FOLLOW));
	OK("bad-flags", linkat(AT_FDCWD, "f", AT_FDCWD, "h", 0x800000));
	say("nlink2=%ld", nlink("f"));
	OK("unlink", unlink("f"));
	say("nlink3=%ld", nlink("g"));
	say("content=%s", get("g"));
	int d = open("d", O_RDONLY);
	OK("linkat-dirfd", linkat(AT_FDCWD, "g", d, "in", 0));
	say("nlink4=%ld", nlink("d/in"));
	OK("linkat-badfd", linkat(AT_FDCWD, "g", 99, "in", 0));
	OK("linkat-filefd", linkat(open("g", O_RDONLY), "x", AT_FDCWD, "y", 0));
	int fd = open("g", O_WRONLY | O_APPEND);
	MUST(write(fd, "y", 1));
	say("shared=%s", get("d/in"));
	return 0;
}
