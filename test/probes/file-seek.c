/* lseek(2) in every direction, holes included. */ /* musl */
#include "probe.h"
#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

int main(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0666), p[2];
	MUST(pwrite(fd, "data", 4, 0));
	VAL("set", lseek(fd, 2, SEEK_SET));
	VAL("cur", lseek(fd, -1, SEEK_CUR));
	VAL("end", lseek(fd, -1, SEEK_END));
	VAL("end-past", lseek(fd, 100, SEEK_END));
	VAL("negative", lseek(fd, -1, SEEK_SET));
	VAL("negative-cur", lseek(fd, -1000, SEEK_CUR));
	VAL("unchanged", lseek(fd, 0, SEEK_CUR));
	VAL("whence-5", lseek(fd, 0, 5));
	VAL("whence-minus", lseek(fd, 0, -1));
	VAL("badfd", lseek(99, 0, SEEK_SET));
	VAL("badfd-whence", lseek(99, 0, 77));
	VAL("max", lseek(fd, 0, SEEK_SET));
	VAL("overflow", (lseek(fd, 1, SEEK_SET), lseek(fd, INT64_MAX, SEEK_CUR)));
	MUST(pipe(p));
	VAL("pipe", lseek(p[0], 0, SEEK_CUR));
	VAL("pipe-whence", lseek(p[0], 0, 77));
	MUST(ftruncate(fd, 0));
	MUST(ftruncate(fd, 4 << 20));
	MUST(pwrite(fd, "x", 1, 2 << 20));
	VAL("data", lseek(fd, 0, SEEK_DATA));
	VAL("hole", lseek(fd, 0, SEEK_HOLE));
	VAL("hole-after-data", lseek(fd, 2 << 20, SEEK_HOLE));
	VAL("data-after", lseek(fd, 3 << 20, SEEK_DATA));
	VAL("hole-at-end", lseek(fd, 4 << 20, SEEK_HOLE));
	VAL("data-past", lseek(fd, 5 << 20, SEEK_DATA));
	VAL("hole-negative", lseek(fd, -5, SEEK_HOLE));
	VAL("null", lseek(open("/dev/null", O_RDWR), 10, SEEK_SET));
	VAL("dir", lseek(open(".", O_RDONLY), 0, SEEK_SET));
	int d = dup(fd);
	lseek(fd, 7, SEEK_SET);
	VAL("dup-shares", lseek(d, 0, SEEK_CUR));
	int o = open("f", O_RDONLY);
	VAL("open-does-not", lseek(o, 0, SEEK_CUR));
	return 0;
}
