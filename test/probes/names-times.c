/*
 * Times and sizes that change through descriptors, mappings and calls, seen by name: never older than what was done before.
 */
#include "probe.h"

static struct stat before, after;

static void warm(const char *path, struct stat *s)
{
	for (int i = 0; i < 3; i++)
		MUST(stat(path, s));
}

static int newer(struct timespec a, struct timespec b) { return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec; }

/* File systems stamp with a coarse clock: let it tick. */
static void tick(void) { nanosleep(&(struct timespec){ 0, 30 * 1000 * 1000 }, NULL); }

#define STEP(key, what) do { warm("f", &before); tick(); what; MUST(stat("f", &after)); \
	say(key ".size=%ld", (long)after.st_size); IS(key ".mtime", newer(after.st_mtim, before.st_mtim)); IS(key ".ctime", newer(after.st_ctim, before.st_ctim)); } while (0)

int main(void)
{
	char buf[4096] = "x";
	int fd, both, st;
	char *p;

	fd = open("f", O_WRONLY | O_CREAT, 0644);
	MUST(fd);
	STEP("write", MUST(write(fd, buf, 10)));
	/* Again and again: such a descriptor may be the process's own business by then. */
	for (int i = 0; i < 10; i++)
		MUST(write(fd, buf, 10));
	STEP("granted-write", MUST(write(fd, buf, 10)));
	STEP("pwrite", MUST(pwrite(fd, buf, 10, 5000)));
	STEP("child-write", { if (fork() == 0) { MUST(write(fd, buf, 7)); _exit(0); } MUST(wait(&st)); });
	STEP("ftruncate", MUST(ftruncate(fd, 3)));
	STEP("nothing", (void)0);
	STEP("fchmod", MUST(fchmod(fd, 0640)));
	close(fd);
	STEP("closed", (void)0);
	STEP("chmod", MUST(chmod("f", 0600)));
	STEP("utimes", MUST(utimensat(AT_FDCWD, "f", (struct timespec[2]){ { 5, 6 }, { 7, 8 } }, 0)));
	say("utimes=%ld.%ld %ld.%ld", (long)after.st_atim.tv_sec, after.st_atim.tv_nsec, (long)after.st_mtim.tv_sec, after.st_mtim.tv_nsec);
	fd = open("f", O_WRONLY | O_APPEND);
	MUST(fd);
	STEP("append", MUST(write(fd, buf, 10)));
	close(fd);
	both = open("f", O_RDWR);
	MUST(both);
	MUST(ftruncate(both, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, both, 0);
	if (p == MAP_FAILED)
		return 1;
	close(both);
	/* A mapping outlives its descriptor. */
	STEP("mapped", { p[5]++; MUST(msync(p, 4096, MS_SYNC)); });
	munmap(p, 4096);
	STEP("truncate", MUST(truncate("f", 12)));
	fd = open("f", O_RDONLY);
	MUST(fd);
	MUST(fstat(fd, &before));
	MUST(fstat(fd, &before));
	MUST(unlink("f"));
	MUST(fstat(fd, &after));
	say("unlinked=%ld %ld", (long)before.st_nlink, (long)after.st_nlink);
	IS("unlinked.ctime", !newer(before.st_ctim, after.st_ctim));
	/* A directory's times follow its names. */
	MUST(mkdir("d", 0755));
	warm("d", &before);
	tick();
	close(open("d/x", O_WRONLY | O_CREAT, 0644));
	MUST(stat("d", &after));
	IS("dir.mtime", newer(after.st_mtim, before.st_mtim));
	return 0;
}
