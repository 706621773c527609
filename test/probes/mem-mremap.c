/* mremap(2): growing, shrinking, moving, data kept. */ /* musl */
#include "probe.h"

int main(void)
{
	char *r = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* room of our own */
	char *m = mmap(r, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memcpy(m, "first", 6);
	memcpy(m + 4096, "second", 7);
	IS("shrink-in-place", mremap(m, 8192, 4096, 0) == m);
	say("kept=%s", m);
	munmap(r + 4096, (1 << 20) - 4096);
	char *g = mremap(m, 4096, 65536, MREMAP_MAYMOVE);
	IS("grown", g != MAP_FAILED);
	say("data=%s zero=%d", g, g[65535]);
	g[65535] = 7;
	char *t = mmap(NULL, 131072, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *f = mremap(g, 65536, 65536, MREMAP_MAYMOVE | MREMAP_FIXED, t);
	IS("fixed", f == t);
	say("data2=%s last=%d", f, f[65535]);
	unsigned char v;
	int rc = mincore(g, 4096, &v);
	IS("old-gone", f == g || (rc < 0 && errno == ENOMEM));
	put("f", "file");
	MUST(truncate("f", 12288));
	int fd = open("f", O_RDWR);
	char *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s = mremap(s, 4096, 12288, MREMAP_MAYMOVE);
	IS("file-grown", s != MAP_FAILED);
	s[8192] = 'z';
	char c = 0;
	MUST(pread(fd, &c, 1, 8192));
	say("file=%.4s %c", s, c);
	char *d = mremap(s, 0, 4096, MREMAP_MAYMOVE);
	IS("duplicate-shared", d != MAP_FAILED && d != s && d[0] == 'f');
	d[0] = 'F';
	say("same-pages=%c", s[0]);
	OK("overlap", mremap(f, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, f + 4096) == MAP_FAILED ? -1 : 0);
	return 0;
}
