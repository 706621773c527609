/* /dev: null, zero, full, random, urandom, fd links, ptmx. */ /* musl */
#include "probe.h"
#include <poll.h>

int main(void)
{
	char b[100];
	struct stat st;
	int fd = open("/dev/null", O_RDWR);
	OK("null", fd);
	VAL("null-read", read(fd, b, 10));
	VAL("null-write", write(fd, b, 100));
	VAL("null-lseek", lseek(fd, 5, SEEK_END));
	struct pollfd f = { fd, POLLIN | POLLOUT, 0 };
	poll(&f, 1, 0);
	say("null-poll=%x", f.revents);
	OK("null-trunc", open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0666));
	OK("null-ftruncate", ftruncate(fd, 0));
	fd = open("/dev/zero", O_RDWR);
	memset(b, 1, 100);
	VAL("zero-read", read(fd, b, 100));
	IS("zeros", !b[0] && !b[99]);
	VAL("zero-write", write(fd, b, 100));
	VAL("zero-pread", pread(fd, b, 10, 1000));
	fd = open("/dev/full", O_RDWR);
	OK("full", fd);
	VAL("full-write", write(fd, b, 1));
	memset(b, 1, 100);
	VAL("full-read", read(fd, b, 10));
	IS("full-zero", !b[0]);
	VAL("full-write-0", write(fd, b, 0));
	const char *r[] = { "/dev/urandom", "/dev/random" };
	for (int i = 0; i < 2; i++) {
		char c[100];
		fd = open(r[i], O_RDWR);
		VAL("random-read", read(fd, b, 100));
		VAL("random-read2", read(fd, c, 100));
		IS("random-differs", memcmp(b, c, 100));
		VAL("random-write", write(fd, b, 4));
	}
	const char *n[] = { "null", "zero", "full", "random", "urandom", "tty", "ptmx" };
	for (int i = 0; i < 7; i++) {
		snprintf(b, 100, "/dev/%s", n[i]);
		if (stat(b, &st) < 0) say("%s=%s", n[i], errname(errno));
		else
			say("%s=%o %x", n[i], st.st_mode & S_IFMT, (unsigned)st.st_rdev);
	}
	char l[100] = "";
	readlink("/dev/fd", l, 99);
	say("dev-fd=%s", l);
	memset(l, 0, 100);
	readlink("/dev/stdin", l, 99);
	say("dev-stdin=%s", l);
	put("f", "through fd");
	fd = open("f", O_RDONLY);
	snprintf(l, 100, "/dev/fd/%d", fd);
	say("by-fd=%s", get(l));
	pid_t c = child();
	if (c == 0) {
		setsid();
		OK("tty-without", open("/dev/tty", O_RDWR));
		_exit(0);
	}
	reap(c);
	OK("missing", open("/dev/nosuch", O_RDONLY));
	stat("/dev/shm", &st);
	say("shm=%o", st.st_mode);
	return 0;
}
