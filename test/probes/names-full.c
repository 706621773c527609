/*
 * A full table of descriptors comes before a name that is not there; so does an argument that cannot be read.
 */
#include "probe.h"

int main(void)
{
	struct rlimit r = { 12, 12 };
	struct stat *bad = (struct stat *)16;
	struct stat s;
	int fd, last = -1;

	for (int i = 0; i < 3; i++)
		OK("missing", open("none", O_RDONLY));
	close(open("here", O_WRONLY | O_CREAT, 0644));
	for (int i = 0; i < 2; i++)
		MUST(stat("here", &s));
	OK("bad-buffer", stat("here", bad));
	OK("bad-buffer-missing", stat("none", bad));
	OK("bad-path", stat((const char *)8, &s));
	OK("empty", stat("", &s));
	OK("slash-on-file", stat("here/", &s));
	OK("under-file", stat("here/x", &s));
	OK("dot-on-missing", stat("none/.", &s));
	OK("readlink-zero", readlink("here", (char *)&s, 0));
	OK("flags", syscall(SYS_newfstatat, AT_FDCWD, "here", &s, 0x4));
	OK("mode", access("here", 8));
	MUST(setrlimit(RLIMIT_NOFILE, &r));
	OK("limited", open("none", O_RDONLY));
	while ((fd = open("here", O_RDONLY)) >= 0)
		last = fd;
	say("last=%d", last);
	OK("full", open("none", O_RDONLY));
	OK("full-again", open("none", O_RDONLY));
	OK("full-stat", stat("none", &s));
	close(5);
	OK("room", open("none", O_RDONLY));
	OK("room-for", open("here", O_RDONLY));
	OK("full-once-more", open("none", O_RDONLY));
	return 0;
}
