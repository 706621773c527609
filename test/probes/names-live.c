/*
 * fstat of a file that is being written: size and times move with every write, by whichever descriptor or mapping; mode, links and owner with their own calls.
 */
#include "probe.h"

static struct stat s;

static void look(const char *key, int fd)
{
	struct stat by_name;

	for (int i = 0; i < 3; i++)
		MUST(fstat(fd, &s));
	MUST(stat("f", &by_name));
	say("%s=size %ld mode %o links %ld same %d", key, (long)s.st_size, s.st_mode, (long)s.st_nlink,
	    s.st_ino == by_name.st_ino && s.st_dev == by_name.st_dev && s.st_size == by_name.st_size && s.st_mtim.tv_nsec == by_name.st_mtim.tv_nsec &&
		    s.st_ctim.tv_nsec == by_name.st_ctim.tv_nsec && s.st_blocks == by_name.st_blocks && s.st_blksize == by_name.st_blksize);
}

static long ms(struct timespec a, struct timespec b) { return (b.tv_sec - a.tv_sec) * 1000000000L + (b.tv_nsec - a.tv_nsec); }

int main(void)
{
	struct timespec old = { 0 }, times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000001, .tv_nsec = 5 } };
	int fd, two, st, pid;
	char *m;

	umask(022);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	MUST(fd);
	look("empty", fd);
	for (int i = 0; i < 6; i++)
		MUST(write(fd, "0123456789", 10));
	look("written", fd);
	for (int i = 0; i < 5; i++) {
		old = s.st_mtim;
		usleep(20000);
		MUST(write(fd, "x", 1));
		MUST(fstat(fd, &s));
		if (ms(old, s.st_mtim) <= 0 || ms(s.st_mtim, s.st_ctim) < 0)
			say("times-stand-still");
	}
	MUST(fchmod(fd, 0600));
	look("chmod", fd);
	usleep(20000);
	old = s.st_ctim;
	MUST(link("f", "g"));
	look("link", fd);
	say("ctime-moves=%d", ms(old, s.st_ctim) > 0);
	MUST(futimens(fd, times));
	look("utimes", fd);
	say("mtime=%ld.%ld", (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	say("ctime-is-now=%d", s.st_ctim.tv_sec > 1000000001);
	two = open("f", O_WRONLY | O_APPEND);
	for (int i = 0; i < 5; i++)
		MUST(write(two, "more", 4));
	look("other-fd", fd);
	pid = fork();
	if (pid == 0) {
		MUST(write(two, "child", 5));
		MUST(fchmod(fd, 0640));
		_exit(0);
	}
	waitpid(pid, &st, 0);
	look("child", fd);
	MUST(ftruncate(fd, 7));
	look("truncated", fd);
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m[0] = 'y';
	MUST(ftruncate(two, 4096));
	look("mapped", fd);
	close(two);
	MUST(unlink("g"));
	look("unlinked-other", fd);
	MUST(rename("f", "h"));
	MUST(rename("h", "f"));
	look("renamed", fd);
	MUST(unlink("f"));
	MUST(fstat(fd, &s));
	say("gone=%ld %ld", (long)s.st_nlink, (long)s.st_size);
	MUST(pwrite(fd, "z", 1, 8191));
	MUST(fstat(fd, &s));
	say("gone-written=%ld", (long)s.st_size);
	close(fd);
	say("closed=%s", fstat(fd, &s) ? errname(errno) : "ok");
	return 0;
}
