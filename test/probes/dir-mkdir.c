/* mkdir(2), rmdir(2), unlink(2) on directories. */ /* musl */
#include "probe.h"

int main(void)
{
	struct stat st;
	char name[300];
	umask(022);
	put("f", "");
	OK("mkdir", mkdir("d", 0777));
	stat("d", &st);
	say("mode=%o", st.st_mode & 07777);
	OK("exists", mkdir("d", 0777));
	OK("exists-file", mkdir("f", 0777));
	OK("exists-slash", mkdir("d/", 0777));
	OK("dot", mkdir(".", 0777));
	OK("dotdot", mkdir("d/..", 0777));
	OK("root", mkdir("/", 0777));
	OK("missing-parent", mkdir("no/x", 0777));
	OK("file-parent", mkdir("f/x", 0777));
	OK("empty", mkdir("", 0777));
	OK("slash", mkdir("e///", 0777));
	OK("sticky", mkdir("s", 01777));
	stat("s", &st);
	say("mode-sticky=%o", st.st_mode & 07777);
	OK("setuid-bits", mkdir("u", 06755));
	stat("u", &st);
	say("mode-6755=%o", st.st_mode & 07777);
	symlink("nowhere", "l");
	OK("dangling", mkdir("l", 0777));
	symlink("d", "ld");
	OK("link-to-dir", mkdir("ld", 0777));
	memset(name, 'x', 299);
	name[299] = 0;
	OK("too-long", mkdir(name, 0777));
	OK("unlink-dir", unlink("d"));
	OK("rmdir-file", rmdir("f"));
	OK("rmdir-missing", rmdir("no"));
	OK("rmdir-dot", rmdir("d/."));
	OK("rmdir-dotdot", rmdir("d/.."));
	OK("rmdir-link", rmdir("ld"));
	OK("rmdir-link-slash", rmdir("ld/"));
	mkdir("d/x", 0777);
	OK("rmdir-full", rmdir("d"));
	OK("rmdir-parent", rmdir("d/x/.."));
	rmdir("d/x");
	OK("rmdir-root", rmdir("/") == 0 || errno == EBUSY || errno == EACCES || errno == EPERM ? 0 : -1);
	OK("rmdir", rmdir("d/"));
	OK("rmdir-again", rmdir("d"));
	OK("unlink-missing", unlink("d"));
	OK("unlink-slash", unlink("f/"));
	OK("unlink-empty", unlink(""));
	OK("unlink-link-slash", (mkdir("d", 0777), unlink("ld/")));
	OK("unlink-link", unlink("ld"));
	IS("dir-stays", access("d", F_OK) == 0);
	OK("unlink-dot", unlink("."));
	OK("unlinkat-flags", unlinkat(AT_FDCWD, "f", 0x40000000));
	OK("unlinkat-dir", unlinkat(AT_FDCWD, "d", 0));
	OK("unlinkat-removedir-file", unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
	OK("unlinkat-removedir", unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	return 0;
}
