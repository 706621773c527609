/* truncate(2), ftruncate(2), fallocate(2). */
#include "probe.h"

int main(void)
{
	char b[16] = "";
	int p[2];
	put("f", "0123456789");
	MUST(mkdir("d", 0755));
	MUST(symlink("f", "l"));
	MUST(pipe(p));
	int fd = open("f", O_RDWR), ro = open("f", O_RDONLY);
	OK("shrink", ftruncate(fd, 4));
	say("size=%ld content=%s", size_of("f"), get("f"));
	OK("extend", ftruncate(fd, 8));
	VAL("read", pread(fd, b, 16, 0));
	IS("zeros", !memcmp(b, "0123\0\0\0\0", 8));
	VAL("offset", lseek(fd, 0, SEEK_CUR));
	OK("negative", ftruncate(fd, -1));
	OK("rdonly", ftruncate(ro, 0));
	OK("badfd", ftruncate(99, 0));
	OK("pipe", ftruncate(p[1], 0));
	OK("dirfd", ftruncate(open("d", O_RDONLY), 0));
	OK("path", truncate("f", 3));
	say("size2=%ld", size_of("f"));
	OK("path-link", truncate("l", 2));
	say("size3=%ld", size_of("f"));
	OK("path-dir", truncate("d", 0));
	OK("path-missing", truncate("nosuch", 0));
	OK("path-negative", truncate("f", -1));
	OK("path-notdir", truncate("f/x", 0));
	OK("alloc", fallocate(fd, 0, 0, 100));
	say("size4=%ld", size_of("f"));
	OK("alloc-keep", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1000));
	say("size5=%ld", size_of("f"));
	MUST(ftruncate(fd, 0));
	MUST(pwrite(fd, "abcdefgh", 8, 0));
	OK("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
	VAL("read-punched", pread(fd, b, 8, 0));
	IS("punched", !memcmp(b, "ab\0\0\0fgh", 8));
	OK("punch-without-keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
	OK("alloc-zero-length", fallocate(fd, 0, 0, 0));
	OK("alloc-negative", fallocate(fd, 0, -1, 5));
	OK("alloc-too-big", fallocate(fd, 0, INT64_MAX, 5));
	OK("alloc-rdonly", fallocate(ro, 0, 0, 5));
	OK("alloc-pipe", fallocate(p[1], 0, 0, 5));
	OK("alloc-badfd", fallocate(99, 0, 0, 5));
	RC("posix", posix_fallocate(fd, 0, 50));
	say("size6=%ld", size_of("f"));
	return 0;
}
