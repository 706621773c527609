/* Transfers larger than any slot payload, at odd sizes and alignments. */ /* musl */
#include "probe.h"

static unsigned sum(const unsigned char *p, size_t n)
{
	unsigned h = 2166136261u;
	while (n--) h = (h ^ *p++) * 16777619u;
	return h;
}

int main(void)
{
	static unsigned char a[3000001], b[3000001];
	for (size_t i = 0; i < sizeof a; i++) a[i] = i * 2654435761u >> 13;
	int fd = open("f", O_RDWR | O_CREAT, 0666);
	VAL("write-3m", write(fd, a, sizeof a));
	say("size=%ld", size_of("f"));
	VAL("pread-3m", pread(fd, b, sizeof b, 0));
	say("sum=%08x", sum(b, sizeof b));
	IS("same", !memcmp(a, b, sizeof a));
	static const int sizes[] = { 1, 511, 4095, 4096, 4097, 16127, 16128, 16129, 65535, 65537, 1048577 };
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int n = sizes[i];
		memset(b, 0, n + 7);
		long r = pread(fd, b + 3, n, 1000 + i);
		say("pread-%d=%ld %s", n, r,
		        !memcmp(b + 3, a + 1000 + i, n) && !b[n + 3] ? "same" : "differs");
		r = pwrite(fd, a + 5, n, i * 7);
		long s = pread(fd, b, n, i * 7);
		say("pwrite-%d=%ld %ld %s", n, r, s, !memcmp(b, a + 5, n) ? "same" : "differs");
	}
	VAL("read-across-end", pread(fd, b, 5000, sizeof a - 100));
	return 0;
}
