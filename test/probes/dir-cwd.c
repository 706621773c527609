/* chdir, fchdir, getcwd, and a working directory that is gone. */ /* musl */
#include "probe.h"

static char base[4096];

static void where(const char *key)
{
	char b[4096];
	if (!getcwd(b, sizeof b)) {
		say("%s=%s", key, errname(errno));
		return;
	}
	size_t n = strlen(base);
	say("%s=%s", key, !strncmp(b, base, n) ? (b[n] ? b + n : "(base)") : b);
}

int main(void)
{
	char b[4096];
	struct stat st;
	MUST(getcwd(base, sizeof base) ? 0 : -1);
	MUST(mkdir("a", 0755));
	MUST(mkdir("a/b", 0755));
	put("f", "");
	MUST(symlink("a/b", "l"));
	OK("chdir", chdir("a/b"));
	where("cwd");
	OK("dotdot", chdir(".."));
	where("cwd");
	OK("back", chdir(base));
	where("cwd");
	OK("link", chdir("l"));
	where("cwd-through-link");
	OK("link-dotdot", chdir(".."));
	where("cwd");
	OK("base", chdir(base));
	OK("file", chdir("f"));
	OK("missing", chdir("no"));
	OK("empty", chdir(""));
	OK("null", chdir(NULL));
	int fd = open("a", O_RDONLY);
	OK("fchdir", fchdir(fd));
	where("cwd");
	OK("fchdir-file", fchdir(open("../f", O_RDONLY)));
	OK("fchdir-bad", fchdir(99));
	VAL("small", syscall(SYS_getcwd, b, 2));
	VAL("zero", syscall(SYS_getcwd, b, 0));
	VAL("fault", syscall(SYS_getcwd, (void *)16, 4096));
	OK("root", chdir("/"));
	VAL("root-length", syscall(SYS_getcwd, b, 100));
	OK("above-root", chdir("../.."));
	where("root-cwd");
	MUST(chdir(base));
	MUST(chdir("a/b"));
	MUST(rename("../../a", "../../moved"));
	where("after-rename");
	MUST(rmdir("../../moved/b"));
	where("deleted");
	OK("stat-dot", stat(".", &st));
	say("nlink=%ld", (long)st.st_nlink);
	OK("create", open("x", O_CREAT | O_RDWR, 0666));
	OK("mkdir", mkdir("x", 0777));
	OK("opendot", open(".", O_RDONLY));
	OK("dotdot-works", chdir(".."));
	where("up-from-deleted");
	MUST(chdir(base));
	if (child() == 0) {
		chdir("moved");
		_exit(0);
	}
	int s;
	wait(&s);
	where("child-does-not-move-parent");
	return 0;
}
