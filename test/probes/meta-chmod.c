/* chmod, fchmod, fchmodat: bits kept and bits cleared. */ /* musl */
#include "probe.h"

static int mode(const char *p)
{
	struct stat st;
	if (stat(p, &st) < 0) return 0;
	return st.st_mode & 07777;
}

int main(void)
{
	put("f", "x");
	MUST(mkdir("d", 0755));
	MUST(symlink("f", "l"));
	static const int modes[] = { 0, 0400, 0644, 0777, 01777, 02755, 04755, 06711, 07777 };
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		int r = chmod("f", modes[i]), s = chmod("d", modes[i]);
		say("chmod-%o=%d %d %o %o", modes[i], r, s, mode("f"), mode("d"));
	}
	OK("high-bits", chmod("f", 0100644));
	say("mode=%o", mode("f"));
	OK("missing", chmod("no", 0));
	OK("empty", chmod("", 0));
	OK("notdir", chmod("f/x", 0));
	OK("null", chmod(NULL, 0));
	int fd = open("f", O_RDONLY);
	OK("fchmod-rdonly", fchmod(fd, 0600));
	say("mode2=%o", mode("f"));
	OK("fchmod-bad", fchmod(99, 0));
	/* Writing clears set-user-ID (root keeps it only with CAP_FSETID, so look as whoever runs this). */
	chmod("f", 06755);
	int w = open("f", O_WRONLY);
	MUST(write(w, "z", 1));
	say("after-write=%o", geteuid() ? mode("f") : 0);
	chmod("f", 06755);
	MUST(truncate("f", 0));
	say("after-truncate=%o", geteuid() ? mode("f") : 0);
	chmod("f", 0000);
	OK("open-mode-0", open("f", O_RDONLY));
	chmod("f", 0200);
	OK("open-wonly-mode", open("f", O_RDONLY));
	OK("open-wonly-write", open("f", O_WRONLY));
	chmod("d", 0600);
	OK("dir-without-x", access("d/x", F_OK));
	OK("dir-creat-without-x", open("d/x", O_CREAT | O_RDWR, 0666));
	chmod("d", 0500);
	OK("dir-without-w", open("d/y", O_CREAT | O_RDWR, 0666));
	OK("mkdir-without-w", mkdir("d/z", 0777));
	chmod("d", 0300);
	OK("list-without-r", open("d", O_RDONLY));
	OK("path-without-r", open("d", O_PATH));
	chmod("d", 0755);
	int p[2];
	MUST(pipe(p));
	OK("pipe", fchmod(p[0], 0600));
	return 0;
}
