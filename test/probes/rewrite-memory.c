/* musl */
/* Code of a file that is called often and then changed, moved, replaced or unmapped: what is there then is what was put there, and it works. */
#include "probe.h"

#define HOT 40

/* getpid or getppid; behind it more of the page. */
static const unsigned char get_pid[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0x90, 0xc3 };
static unsigned char page[4096];

static const char *file(const char *name, int nr)
{
	memset(page, 0xcc, sizeof page);
	/* Two sites, one of which crosses a cache line. */
	memcpy(page, get_pid, sizeof get_pid);
	memcpy(page + 56, get_pid, sizeof get_pid);
	page[1] = page[57] = nr;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0755);
	MUST(fd);
	for (int i = 0; i < 4; i++) MUST(write(fd, page, sizeof page));
	close(fd);
	return name;
}

static unsigned char *map(void *at, const char *name, int flags)
{
	int fd = open(name, O_RDONLY);
	unsigned char *p = mmap(at, 4 * 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | flags, fd, 0);
	MUST(fd);
	if (p == MAP_FAILED) { say("mmap: %s", errname(errno)); _exit(1); }
	close(fd);
	return p;
}

typedef long (*fn)(void);
static int hot(unsigned char *p, long want)
{
	int good = 0;
	for (int i = 0; i < HOT; i++) good += ((fn)p)() == want && ((fn)(p + 56))() == want;
	return good;
}

/* Where a rewritten site leads, if it is one. */
static unsigned char *led(const unsigned char *site)
{
	int32_t d;
	memcpy(&d, site + 1, 4);
	return site[0] == 0xe9 ? (unsigned char *)site + 5 + d : NULL;
}

int main(void)
{
	long pid = getpid(), ppid = getppid();
	char dir[] = "/tmp/rewriteXXXXXX";
	unsigned char *p, *q;

	MUST(mkdtemp(dir));
	MUST(chdir(dir));
	file("pid", SYS_getpid);
	file("ppid", SYS_getppid);

	p = map(NULL, "pid", 0);
	VAL("hot", hot(p, pid));
	VAL("next-page", hot(p + 4096, pid));
	OK("writable", mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
	file("pid", SYS_getpid);
	IS("own-bytes", memcmp(p, page, 4096) == 0);
	VAL("writable-hot", hot(p, pid));
	IS("still-own-bytes", memcmp(p, page, 4096) == 0);
	p[1] = p[57] = SYS_getppid;
	VAL("changed", hot(p, ppid));
	VAL("other-page", hot(p + 4096, pid));
	OK("read-only", mprotect(p, 4 * 4096, PROT_READ));
	IS("all-bytes", memcmp(p + 4096, page, 4096) == 0 && memcmp(p + 8192, page, 4096) == 0);
	OK("again", mprotect(p, 4 * 4096, PROT_READ | PROT_EXEC));
	VAL("again-hot", hot(p, ppid) + hot(p + 4096, pid));
	OK("unmap", munmap(p, 4 * 4096));

	p = map(NULL, "pid", 0);
	VAL("first", hot(p, pid));
	q = map(p, "ppid", MAP_FIXED);
	IS("same-place", p == q);
	VAL("replaced", hot(p, ppid));
	OK("unmap-part", munmap(p + 4096, 4096));
	VAL("part", hot(p, ppid) + hot(p + 8192, ppid));
	q = map(NULL, "pid", 0);
	VAL("moving", hot(q, pid));
	/* All of the destination goes. */
	unsigned char *to = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *r = mremap(q, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	IS("moved", r == to);
	VAL("moved-hot", hot(r, pid) + hot(r + 4096, pid));
	IS("moved-bytes", mprotect(r, 4 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0 && (file("pid", SYS_getpid), memcmp(r, page, 4096) == 0));

	p = map(NULL, "pid", 0);
	VAL("dropped-first", hot(p, pid));
	OK("dontneed", madvise(p, 4 * 4096, MADV_DONTNEED));
	IS("file-bytes", memcmp(p, page, 4096) == 0);
	VAL("dropped", hot(p, pid));

	/* Whatever the sites lead to is taken away. */
	q = led(p + 5);
	if (q != NULL) {
		q = (unsigned char *)((uintptr_t)q & ~0xfffful) - 65536;
		if (mmap(q, 3 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != q) say("cannot map there");
	}
	VAL("led-astray", hot(p, pid));
	VAL("this-too", hot(p + 8192, pid));

	/* Children go on with what is there. */
	int child_ok = 1, st;
	for (int i = 0; i < 3; i++) {
		pid_t c = child();
		if (c == 0) {
			long me = getpid();
			int n = hot(p, me) + hot(p + 12288, me);
			MUST(mprotect(p, 4 * 4096, PROT_READ | PROT_WRITE));
			_exit(n == 2 * HOT && memcmp(p, page, 4096) == 0 ? 0 : 1);
		}
		st = reap(c);
		child_ok &= st == 0;
	}
	IS("fork", child_ok);
	VAL("parent", hot(p, pid) + hot(p + 12288, pid));

	/* Code that is made, not mapped from a file. */
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(p, page, 4096);
	OK("made", mprotect(p, 4096, PROT_READ | PROT_EXEC));
	VAL("made-hot", hot(p, pid));
	IS("made-bytes", memcmp(p, page, 4096) == 0);
	unlink("pid"); unlink("ppid");
	MUST(chdir("/"));
	rmdir(dir);
	return 0;
}
