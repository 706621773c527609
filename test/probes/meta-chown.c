/* chown and friends: who may, and which bits they clear. */ /* musl */
#include "probe.h"

static void show(const char *key, const char *p)
{
	struct stat st;
	if (lstat(p, &st) < 0) {
		say("%s=%s", key, errname(errno));
		return;
	}
	say("%s=%s %s %o", key,
	        st.st_uid == geteuid() ? "me"
	        : st.st_uid == 12345   ? "12345"
	                               : "other",
	        st.st_gid == getegid() ? "mine"
	        : st.st_gid == 54321   ? "54321"
	                               : "other",
	        st.st_mode & 07777);
}

int main(void)
{
	umask(0);
	put("f", "x");
	put("g", "x");
	MUST(symlink("f", "l"));
	MUST(mkdir("d", 0755));
	MUST(symlink("no", "dangling"));
	chmod("f", 06755);
	OK("nothing", chown("f", -1, -1));
	show("nothing", "f");
	chmod("f", 06755);
	OK("self", chown("f", geteuid(), getegid()));
	show("self", "f");
	chmod("f", 02745);
	OK("self-sgid-no-x", chown("f", geteuid(), -1));
	show("sgid-no-x", "f");
	OK("give-away", chown("g", 12345, -1));
	show("give-away", "g");
	OK("give-group", chown("f", -1, 54321));
	show("give-group", "f");
	OK("both", chown("d", 12345, 54321));
	show("both", "d");
	OK("lchown", lchown("l", 12345, -1));
	show("link", "l");
	show("target-untouched", "f");
	OK("through-link", chown("l", -1, -1));
	OK("dangling", chown("dangling", -1, -1));
	OK("dangling-lchown", lchown("dangling", -1, -1));
	OK("missing", chown("no", 0, 0));
	OK("empty", chown("", -1, -1));
	int fd = open("f", O_RDONLY);
	OK("fchown", fchown(fd, -1, -1));
	OK("fchown-bad", fchown(99, -1, -1));
	OK("fchown-give", fchown(fd, 12345, -1));
	show("fchown", "f");
	return 0;
}
