/* Pipes: order, EOF, EPIPE, blocking and not, sizes, ioctls. */ /* musl */
#include "probe.h"
#include <poll.h>
#include <sys/ioctl.h>

int main(void)
{
	char b[70000];
	int p[2], n, s;
	MUST(pipe(p));
	VAL("write", write(p[1], "hello world", 11));
	VAL("fionread", (ioctl(p[0], FIONREAD, &n), n));
	VAL("read", read(p[0], b, 5));
	VAL("rest", read(p[0], b, 100));
	VAL("read-end-write", write(p[0], "x", 1));
	VAL("write-end-read", read(p[1], b, 1));
	VAL("lseek", lseek(p[0], 0, SEEK_CUR));
	VAL("zero-write", write(p[1], "", 0));
	VAL("zero-read", read(p[0], b, 0));
	OK("fsync", fsync(p[0]));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	VAL("empty", read(p[0], b, 1));
	long total = 0, r;
	while ((r = write(p[1], b, 4096)) > 0) total += r;
	say("capacity=%ld then %s", total, errname(errno));
	VAL("one-more", write(p[1], "x", 1));
	VAL("drain", read(p[0], b, 4096));
	VAL("fits-page", write(p[1], b, 4096));
	read(p[0], b, 100);
	VAL("not-atomic-room", write(p[1], b, 4096));
	VAL("big-when-full", write(p[1], b, 8192));
	while (read(p[0], b, sizeof b) > 0)
		;
	VAL("big-partial", write(p[1], b, sizeof b));
	while (read(p[0], b, sizeof b) > 0)
		;
	struct pollfd f[2] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 } };
	VAL("poll", poll(f, 2, 0));
	say("revents=%x %x", f[0].revents, f[1].revents);
	write(p[1], "z", 1);
	poll(f, 2, 0);
	say("revents=%x %x", f[0].revents, f[1].revents);
	close(p[1]);
	f[1].fd = -1;
	poll(f, 2, 0);
	say("hup-with-data=%x", f[0].revents);
	VAL("last", read(p[0], b, 10));
	poll(f, 2, 0);
	say("hup=%x", f[0].revents);
	VAL("eof", read(p[0], b, 1));
	VAL("eof-again", read(p[0], b, 1));
	signal(SIGPIPE, SIG_IGN);
	MUST(pipe(p));
	close(p[0]);
	VAL("epipe", write(p[1], "x", 1));
	f[1].fd = p[1];
	poll(f + 1, 1, 0);
	say("err=%x", f[1].revents);
	close(p[1]);
	OK("flags", pipe2(p, O_APPEND));
	OK("fault", pipe((int *)16));
	OK("direct", pipe2(p, O_DIRECT));
	VAL("packet", write(p[1], "abc", 3));
	VAL("packet2", write(p[1], "de", 2));
	VAL("read-packet", read(p[0], b, 100));
	VAL("read-packet2", read(p[0], b, 1));
	VAL("getfl", fcntl(p[0], F_GETFL) & O_ACCMODE);
	VAL("getfl-w", fcntl(p[1], F_GETFL) & O_ACCMODE);
	/* A writer that blocks on a full pipe goes on when there is room. */
	MUST(pipe(p));
	pid_t c = child();
	if (c == 0) {
		memset(b, 'q', sizeof b);
		close(p[0]);
		for (int i = 0; i < 10; i++)
			if (write(p[1], b, sizeof b) != sizeof b) _exit(1);
		_exit(0);
	}
	close(p[1]);
	total = 0;
	while ((r = read(p[0], b, 3333)) > 0) total += r;
	say("through=%ld", total);
	wait(&s);
	say_status("writer", s);
	return 0;
}
