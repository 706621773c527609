/* mmap, munmap, mprotect, mremap, madvise, mincore: errnos. */
#include "probe.h"
#define M(...) (mmap(__VA_ARGS__) == MAP_FAILED ? -1 : 0)

int main(void)
{
	put("f", "x");
	int fd = open("f", O_RDWR), p[2];
	MUST(pipe(p));
	OK("zero-length", M(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK("no-type", M(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
	OK("both-types", M(NULL, 4096, PROT_READ, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK("badfd", M(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0));
	OK("minus-fd", M(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0));
	OK("offset-unaligned", syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1));
	OK("pipe", M(NULL, 4096, PROT_READ, MAP_PRIVATE, p[0], 0));
	OK("dir", M(NULL, 4096, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
	OK("huge", M(NULL, 1UL << 62, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK("fixed-unaligned",
	        M((void *)0x10001, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	OK("hint-unaligned", M((void *)0x5000000001, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK("dev-zero", M(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/dev/zero", O_RDONLY), 0));
	OK("dev-null", M(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/dev/null", O_RDONLY), 0));
	OK("past-end", M(NULL, 4096, PROT_READ, MAP_SHARED, fd, 1 << 20));
	OK("anon-ignores-fd", M(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, fd, 0));
	OK("validate-unknown", M(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x8000000, fd, 0));
	char *m = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(munmap(m + 8192, 4096));
	OK("noreplace", M(m, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	OK("noreplace-hole", mmap(m + 8192, 4096, PROT_READ,
	                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == m + 8192
	                             ? 0
	                             : -1);
	munmap(m + 8192, 4096);
	OK("munmap-unaligned", munmap(m + 1, 4096));
	OK("munmap-zero", munmap(m, 0));
	OK("munmap-hole", munmap(m + 8192, 4096));
	OK("munmap-huge", munmap(m, 1UL << 63));
	OK("mprotect-hole", mprotect(m, 16384, PROT_READ));
	OK("mprotect-unaligned", mprotect(m + 1, 1, PROT_READ));
	OK("mprotect-zero", mprotect(m, 0, PROT_READ));
	OK("mprotect-bad", mprotect(m, 4096, 0x1000));
	mprotect(m, 8192, PROT_READ | PROT_WRITE);
	OK("madvise-bad", madvise(m, 4096, 999));
	OK("madvise-unaligned", madvise(m + 1, 4096, MADV_DONTNEED));
	OK("madvise-hole", madvise(m, 16384, MADV_DONTNEED));
	OK("madvise-normal", madvise(m, 4096, MADV_NORMAL));
	OK("madvise-zero", madvise(m, 0, MADV_DONTNEED));
	unsigned char v[4];
	OK("mincore-unaligned", mincore(m + 1, 4096, v));
	OK("mincore-hole", mincore(m + 8192, 4096, v));
	OK("mincore-fault", mincore(m, 4096, (void *)16));
	m[0] = 1;
	OK("mincore", mincore(m, 4096, v));
	say("resident=%d", v[0] & 1);
	OK("mremap-unaligned", mremap(m + 1, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	OK("mremap-zero", mremap(m, 4096, 0, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	OK("mremap-hole", mremap(m + 8192, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	OK("mremap-flags", mremap(m, 4096, 8192, 64) == MAP_FAILED ? -1 : 0);
	OK("mremap-no-room", mremap(m, 4096, 1 << 20, 0) == MAP_FAILED ? -1 : 0);
	OK("mremap-fixed-alone", syscall(SYS_mremap, m, 4096, 4096, 2, m) == -1 ? -1 : 0);
	OK("mlock-hole", mlock(m + 8192, 4096));
	OK("munlock", munlock(m, 4096));
	OK("mlock2-flags", syscall(SYS_mlock2, m, 4096, 64));
	OK("mlockall-0", mlockall(0));
	return 0;
}
