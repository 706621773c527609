/* O_CREAT, O_TRUNC, O_EXCL: sizes and modes. */ /* musl */
#include "probe.h"

static int mode(const char *p)
{
	struct stat st;
	return stat(p, &st) < 0 ? -1 : st.st_mode & 07777;
}

int main(void)
{
	umask(022);
	close(open("a", O_RDWR | O_CREAT, 0666));
	say("mode-666=%o", mode("a"));
	close(open("b", O_RDWR | O_CREAT, 04777));
	say("mode-4777=%o", mode("b"));
	close(open("z", O_RDWR | O_CREAT, 01777));
	say("mode-1777=%o", mode("z"));
	umask(077);
	close(creat("c", 0777));
	say("mode-creat=%o", mode("c"));
	close(open("a", O_RDWR | O_CREAT, 0777));
	say("mode-existing=%o", mode("a"));
	int fd = open("ro", O_RDWR | O_CREAT, 0);
	MUST(fd);
	say("mode-0=%o", mode("ro"));
	VAL("write-through-mode-0", write(fd, "abc", 3));
	put("t", "12345");
	close(open("t", O_RDONLY));
	say("size-plain=%ld", size_of("t"));
	close(open("t", O_RDONLY | O_CREAT | O_APPEND, 0666));
	say("size-creat=%ld", size_of("t"));
	OK("trunc-rdonly", open("t", O_RDONLY | O_TRUNC));
	say("size-trunc-rdonly=%ld", size_of("t"));
	put("t", "12345");
	fd = open("t", O_RDWR | O_TRUNC);
	say("size-trunc=%ld", size_of("t"));
	VAL("write", write(fd, "xy", 2));
	say("content=%s", get("t"));
	OK("excl-new", open("e", O_RDWR | O_CREAT | O_EXCL, 0600));
	OK("excl-again", open("e", O_RDWR | O_CREAT | O_EXCL, 0600));
	OK("excl-without-creat", open("e", O_RDWR | O_EXCL));
	VAL("umask-returns", umask(022));
	VAL("umask-high-bits", umask(07777));
	VAL("umask-masked", umask(022));
	return 0;
}
