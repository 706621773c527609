/* FIFOs: how opening waits, non-blocking opens, EOF and reopening. */ /* musl */
#include "probe.h"
#include <poll.h>

int main(void)
{
	int s;
	char b[16] = "";
	umask(0);
	OK("mkfifo", mkfifo("p", 0640));
	OK("exists", mkfifo("p", 0600));
	struct stat st;
	stat("p", &st);
	say("mode=%o", st.st_mode);
	OK("write-nonblock", open("p", O_WRONLY | O_NONBLOCK));
	int r = open("p", O_RDONLY | O_NONBLOCK);
	OK("read-nonblock", r);
	VAL("read-no-writer", read(r, b, 1));
	struct pollfd f = { r, POLLIN, 0 };
	VAL("poll-never-written", poll(&f, 1, 0));
	int w = open("p", O_WRONLY | O_NONBLOCK);
	OK("write-with-reader", w);
	VAL("read-empty", read(r, b, 1));
	VAL("write", write(w, "abc", 3));
	VAL("read", read(r, b, 16));
	close(w);
	poll(&f, 1, 0);
	say("hup=%x", f.revents);
	VAL("eof", read(r, b, 1));
	w = open("p", O_WRONLY);
	VAL("again", write(w, "d", 1));
	poll(&f, 1, 0);
	say("in=%x", f.revents);
	close(r);
	signal(SIGPIPE, SIG_IGN);
	VAL("no-reader", write(w, "x", 1));
	close(w);
	int rw = open("p", O_RDWR);
	OK("rdwr", rw);
	VAL("rdwr-write", write(rw, "zz", 2));
	VAL("rdwr-read", read(rw, b, 16));
	close(rw);
	pid_t c = child();
	if (c == 0) {
		int fd = open("p", O_WRONLY);
		write(fd, "from child", 10);
		_exit(0);
	}
	r = open("p", O_RDONLY);
	long n = 0, k;
	while ((k = read(r, b + n, 16 - n)) > 0) n += k;
	say("blocking=%.10s", b);
	wait(&s);
	close(r);
	OK("directory", open("p", O_RDONLY | O_DIRECTORY));
	OK("trunc", open("p", O_RDONLY | O_NONBLOCK | O_TRUNC));
	VAL("pread", pread(open("p", O_RDONLY | O_NONBLOCK), b, 1, 0));
	OK("path-fd", open("p", O_RDONLY | 010000000));
	OK("rename", rename("p", "q"));
	OK("unlink", unlink("q"));
	return 0;
}
