/* pread, pwrite, readv, writev, preadv, pwritev and the v2 forms. */
#include "probe.h"

int main(void)
{
	char a[8], b[8], c[64];
	int fd = open("f", O_RDWR | O_CREAT, 0666), p[2];
	struct iovec w[3] = { { "abc", 3 }, { NULL, 0 }, { "defgh", 5 } },
	             r[3] = { { a, 2 }, { b, 3 }, { c, 64 } };
	MUST(pipe(p));
	VAL("writev", writev(fd, w, 3));
	VAL("pread", pread(fd, c, 3, 2));
	say("text=%.3s", c);
	VAL("offset", lseek(fd, 0, SEEK_CUR));
	VAL("pwrite", pwrite(fd, "XY", 2, 20));
	say("size=%ld", size_of("f"));
	VAL("pread-negative", pread(fd, c, 1, -1));
	VAL("pwrite-negative", pwrite(fd, c, 1, -1));
	VAL("pread-pipe", pread(p[0], c, 1, 0));
	VAL("pwrite-pipe", pwrite(p[1], c, 1, 0));
	lseek(fd, 0, SEEK_SET);
	VAL("readv", readv(fd, r, 3));
	say("parts=%.2s,%.3s,%.3s", a, b, c);
	VAL("readv-0", readv(fd, r, 0));
	VAL("readv-minus", readv(fd, r, -1));
	VAL("readv-1025", readv(fd, r, 1025));
	VAL("readv-fault", readv(fd, (void *)16, 1));
	struct iovec bad[2] = { { a, 2 }, { c, (size_t)-1 } };
	VAL("readv-negative-length", readv(fd, bad, 2));
	VAL("preadv", preadv(fd, r, 2, 1));
	say("parts2=%.2s,%.3s", a, b);
	VAL("pwritev", pwritev(fd, w, 3, 100));
	say("size2=%ld", size_of("f"));
	VAL("preadv-pipe", preadv(p[0], r, 1, 0));
	VAL("preadv2", preadv2(fd, r, 1, 0, 0));
	lseek(fd, 3, SEEK_SET);
	VAL("preadv2-current", preadv2(fd, r, 1, -1, 0));
	say("parts3=%.2s", a);
	VAL("offset-moved", lseek(fd, 0, SEEK_CUR));
	VAL("preadv2-flags", preadv2(fd, r, 1, 0, 1 << 30));
	VAL("pwritev2-append", pwritev2(fd, w, 1, 0, RWF_APPEND));
	say("size3=%ld", size_of("f"));
	struct iovec many[1024];
	for (int i = 0; i < 1024; i++) many[i] = (struct iovec){ "0123456789abcdefghijklmnopqrstuvwxyz", 36 };
	VAL("writev-1024", writev(fd, many, 1024));
	struct iovec part[2] = { { "in", 2 }, { (void *)16, 4 } };
	lseek(fd, 0, SEEK_SET);
	VAL("writev-bad-second-pipe-empty", writev(99, part, 2));
	VAL("writev-ro", writev(open("f", O_RDONLY), w, 1));
	VAL("writev-zero-total", writev(fd, &w[1], 1));
	return 0;
}
