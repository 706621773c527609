/* symlink(2), readlink(2), and how far links are followed. */ /* musl */
#include "probe.h"

int main(void)
{
	char b[5000], name[16], to[16];
	struct stat st;
	put("f", "x");
	MUST(mkdir("d", 0755));
	put("d/in", "y");
	OK("symlink", symlink("f", "l"));
	VAL("readlink", readlink("l", b, sizeof b));
	say("target=%.1s", b);
	lstat("l", &st);
	say("size=%ld mode=%o", (long)st.st_size, st.st_mode);
	OK("exists", symlink("f", "l"));
	OK("empty-target", symlink("", "e"));
	OK("empty-name", symlink("f", ""));
	OK("missing-dir", symlink("f", "no/l"));
	OK("slash", symlink("f", "n/"));
	VAL("readlink-short", readlink("l", b, 0));
	VAL("readlink-file", readlink("f", b, 10));
	VAL("readlink-missing", readlink("no", b, 10));
	VAL("readlink-dir", readlink("d", b, 10));
	VAL("readlink-minus", syscall(SYS_readlink, "l", b, -1));
	symlink("0123456789", "ten");
	VAL("readlink-cut", readlink("ten", b, 4));
	say("cut=%.4s", b);
	symlink("d", "ld");
	OK("through", open("ld/in", O_RDONLY));
	OK("slash-follows", open("ld/", O_RDONLY | O_DIRECTORY));
	lstat("ld/", &st);
	IS("lstat-slash-is-dir", S_ISDIR(st.st_mode));
	symlink("f", "lf");
	OK("file-link-slash", open("lf/", O_RDONLY));
	symlink("self", "self");
	OK("self", open("self", O_RDONLY));
	OK("self-prefix", open("self/x", O_RDONLY));
	OK("self-lstat", lstat("self", &st));
	symlink("b2", "a2");
	symlink("a2", "b2");
	OK("pair", stat("a2", &st));
	OK("pair-creat", open("a2", O_CREAT | O_RDWR, 0600));
	symlink("f", "c0");
	for (int i = 1; i < 45; i++) {
		snprintf(to, 16, "c%d", i - 1);
		snprintf(name, 16, "c%d", i);
		symlink(to, name);
	}
	OK("chain-40", open("c39", O_RDONLY));
	OK("chain-41", open("c40", O_RDONLY));
	OK("chain-unlink", unlink("c44"));
	memset(b, 'x', sizeof b);
	b[4095] = 0;
	OK("target-4095", symlink(b, "long"));
	VAL("long-size", size_of("long"));
	b[4095] = 'x';
	b[4096] = 0;
	OK("target-4096", symlink(b, "longer"));
	OK("long-open", open("long", O_RDONLY));
	symlink("..", "d/up");
	OK("up", open("d/up/f", O_RDONLY));
	OK("up-up", open("d/up/d/up/f", O_RDONLY));
	symlink("/proc/self", "abs");
	OK("absolute", open("abs/status", O_RDONLY));
	OK("chmod-follows", chmod("l", 0600));
	stat("f", &st);
	say("mode-f=%o", st.st_mode & 07777);
	return 0;
}
