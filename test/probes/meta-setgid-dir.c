/* umask per process, set-group-ID directories, inheritance. */ /* musl */
#include "probe.h"

static int mode(const char *p)
{
	struct stat st;
	if (stat(p, &st) < 0) return 0;
	return st.st_mode & 07777;
}

int main(void)
{
	int s;
	umask(027);
	MUST(mkdir("d", 0777));
	MUST(chmod("d", 02777));
	say("dir=%o", mode("d"));
	MUST(mkdir("d/sub", 0777));
	say("sub-inherits=%o", mode("d/sub"));
	put("d/f", "");
	say("file=%o", mode("d/f"));
	MUST(close(open("d/x", O_CREAT | O_WRONLY, 02777)));
	say("file-2777=%o", mode("d/x"));
	MUST(mkfifo("d/p", 0666));
	say("fifo=%o", mode("d/p"));
	MUST(rename("d/sub", "moved"));
	say("moved-keeps=%o", mode("moved"));
	if (child() == 0) {
		say("child-umask=%o", umask(0));
		_exit(0);
	}
	wait(&s);
	say("parent-umask=%o", umask(027));
	struct stat a, b;
	stat("d", &a);
	stat("d/f", &b);
	IS("group-of-dir", a.st_gid == b.st_gid);
	OK("chmod-dir-plain", chmod("d", 0755));
	say("cleared=%o", mode("d"));
	return 0;
}
