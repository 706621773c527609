/* rename(2): files, directories, and every way it refuses. */ /* musl */
#include "probe.h"

int main(void)
{
	struct stat a, b;
	put("f", "one");
	put("g", "two");
	MUST(mkdir("d", 0755));
	MUST(mkdir("e", 0755));
	put("e/x", "");
	stat("f", &a);
	OK("replace", rename("f", "g"));
	stat("g", &b);
	IS("same-inode", a.st_ino == b.st_ino);
	say("content=%s", get("g"));
	OK("gone", access("f", F_OK));
	OK("missing", rename("f", "h"));
	OK("missing-target-dir", rename("g", "no/g"));
	OK("empty", rename("", "h"));
	OK("empty-to", rename("g", ""));
	OK("file-over-dir", rename("g", "d"));
	OK("dir-over-file", rename("d", "g"));
	OK("dir-over-full", rename("d", "e"));
	OK("full-over-empty", rename("e", "d"));
	IS("moved", access("d/x", F_OK) == 0 && access("e", F_OK) < 0);
	OK("into-itself", rename("d", "d/sub"));
	OK("into-deeper", (mkdir("d/y", 0755), rename("d", "d/y/z")));
	OK("over-parent", rename("d/y", "d"));
	OK("dot", rename("d/.", "e"));
	OK("dotdot", rename("d/..", "e"));
	OK("to-dot", rename("d", "."));
	OK("same", rename("g", "g"));
	OK("same-dir", rename("d", "d"));
	MUST(link("g", "hard"));
	OK("hard-links", rename("g", "hard"));
	IS("both-stay", access("g", F_OK) == 0 && access("hard", F_OK) == 0);
	MUST(symlink("g", "l"));
	OK("link", rename("l", "l2"));
	lstat("l2", &a);
	IS("still-link", S_ISLNK(a.st_mode));
	OK("over-link", rename("hard", "l2"));
	lstat("l2", &a);
	IS("now-file", S_ISREG(a.st_mode));
	OK("file-slash", rename("g", "h/"));
	OK("from-slash", rename("g/", "h"));
	OK("dir-slash", rename("d", "n/"));
	IS("dir-slash-done", access("n/x", F_OK) == 0);
	OK("through-file", rename("g/x", "h"));
	OK("to-through-file", rename("n", "g/x"));
	int fd = open("g", O_RDONLY);
	MUST(rename("g", "n/g2"));
	char c;
	VAL("open-fd-follows", read(fd, &c, 1));
	int d = open("n", O_RDONLY);
	MUST(rename("n", "m"));
	OK("dirfd-follows", openat(d, "g2", O_RDONLY));
	OK("renameat", renameat(d, "g2", AT_FDCWD, "back"));
	OK("renameat-badfd", renameat(99, "x", AT_FDCWD, "y"));
	OK("onto-open", rename("back", "l2"));
	say("final=%s", get("l2"));
	return 0;
}
