/* access(2), faccessat2(2): real ids, modes, missing files. */
#include "probe.h"
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

int main(void)
{
	put("f", "x");
	MUST(mkdir("d", 0755));
	MUST(symlink("no", "dangling"));
	MUST(symlink("f", "l"));
	static const int modes[] = { 0, 0100, 0200, 0400, 0500, 0644, 0755, 0070, 0007 };
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		chmod("f", modes[i]);
		chmod("d", modes[i]);
		say("mode-%03o=%d%d%d%d dir %d%d%d", modes[i], !access("f", F_OK), !access("f", R_OK),
		        !access("f", W_OK), !access("f", X_OK), !access("d", R_OK), !access("d", W_OK),
		        !access("d", X_OK));
	}
	chmod("f", 0644);
	chmod("d", 0755);
	OK("both", access("f", R_OK | W_OK));
	OK("exec", access("f", X_OK));
	OK("bad-mode", access("f", 8));
	OK("minus", access("f", -1));
	OK("missing", access("no", F_OK));
	OK("dangling", access("dangling", F_OK));
	OK("link", access("l", R_OK));
	OK("notdir", access("f/x", F_OK));
	OK("empty", access("", F_OK));
	OK("null", access(NULL, F_OK));
	OK("dev-write", access("/dev/null", W_OK));
	int fd = open("f", O_RDONLY);
#define A2(dir, path, mode, flags) syscall(SYS_faccessat2, dir, path, mode, flags)
	OK("nofollow", A2(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
	OK("eaccess", A2(AT_FDCWD, "f", W_OK, AT_EACCESS));
	OK("empty-path", A2(fd, "", R_OK, AT_EMPTY_PATH));
	OK("bad-flags", A2(AT_FDCWD, "f", R_OK, 0x1));
	OK("badfd", A2(99, "f", R_OK, 0));
	OK("badfd-empty", A2(99, "", R_OK, AT_EMPTY_PATH));
	return 0;
}
