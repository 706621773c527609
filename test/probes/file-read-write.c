/* read(2) and write(2): counts, offsets, holes, errnos. */ /* musl */
#include "probe.h"

int main(void)
{
	char b[64];
	int fd = open("f", O_RDWR | O_CREAT, 0666), ro, wo;
	VAL("write", write(fd, "hello world", 11));
	VAL("read-at-end", read(fd, b, 10));
	VAL("seek", lseek(fd, 6, SEEK_SET));
	VAL("read-short", read(fd, b, sizeof b));
	say("text=%.5s", b);
	VAL("seek-past", lseek(fd, 100, SEEK_SET));
	VAL("read-past", read(fd, b, 1));
	VAL("write-past", write(fd, "x", 1));
	say("size=%ld", size_of("f"));
	VAL("pread-hole", pread(fd, b, 20, 50));
	IS("hole-is-zero", b[0] == 0 && !memcmp(b, b + 1, 19));
	ro = open("f", O_RDONLY);
	wo = open("f", O_WRONLY);
	VAL("write-ro", write(ro, "x", 1));
	VAL("read-wo", read(wo, b, 1));
	VAL("read-closed", read(99, b, 1));
	VAL("read-minus", read(-1, b, 1));
	VAL("read-fault", read(ro, (void *)16, 5));
	VAL("write-fault", write(wo, (void *)16, 5));
	VAL("offset-after-fault", lseek(ro, 0, SEEK_CUR));
	VAL("read-zero", read(ro, NULL, 0));
	VAL("write-zero", write(wo, NULL, 0));
	VAL("write-zero-ro", write(ro, NULL, 0));
	VAL("read-dir", read(open(".", O_RDONLY), b, 1));
	VAL("read-dir-zero", read(open(".", O_RDONLY), b, 0));
	VAL("read-huge-ro", read(ro, b, 0));
	/* A buffer whose second page is missing: bytes before the fault count where Linux says so. */
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(m + 4096, 4096);
	lseek(ro, 0, SEEK_SET);
	VAL("read-to-edge", read(ro, m + 4096 - 11, 11));
	say("edge=%.11s", m + 4096 - 11);
	VAL("size-max-count", read(open("/dev/null", O_RDONLY), b, SIZE_MAX / 2));
	VAL("close", close(fd));
	VAL("close-again", close(fd));
	VAL("read-after-close", read(fd, b, 1));
	return 0;
}
