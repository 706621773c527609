/* eventfd: counter, semaphore mode, limits. */
#include "probe.h"
#include <poll.h>
#include <sys/eventfd.h>

int main(void)
{
	uint64_t v;
	int e = eventfd(3, EFD_NONBLOCK);
	VAL("read", read(e, &v, 8));
	say("value=%ld", (long)v);
	VAL("empty", read(e, &v, 8));
	v = 5;
	VAL("write", write(e, &v, 8));
	v = 6;
	write(e, &v, 8);
	read(e, &v, 8);
	say("sum=%ld", (long)v);
	VAL("short-read", read(e, &v, 4));
	VAL("short-write", write(e, &v, 4));
	VAL("long-read", (v = 1, write(e, &v, 8), read(e, (uint64_t[2]){ 0 }, 16)));
	v = UINT64_MAX;
	VAL("max", write(e, &v, 8));
	v = UINT64_MAX - 1;
	VAL("almost", write(e, &v, 8));
	v = 1;
	VAL("full", write(e, &v, 8));
	struct pollfd f = { e, POLLIN | POLLOUT, 0 };
	poll(&f, 1, 0);
	say("full-poll=%x", f.revents);
	read(e, &v, 8);
	IS("value-max", v == UINT64_MAX - 1);
	poll(&f, 1, 0);
	say("empty-poll=%x", f.revents);
	v = 0;
	VAL("zero", write(e, &v, 8));
	VAL("after-zero", read(e, &v, 8));
	int s = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
	v = 2;
	write(s, &v, 8);
	for (int i = 0; i < 3; i++) {
		long r = read(s, &v, 8);
		say("sem=%s %ld", r < 0 ? errname(errno) : "ok", r < 0 ? 0 : (long)v);
	}
	OK("flags", eventfd(0, 16));
	VAL("lseek", lseek(e, 0, SEEK_SET));
	VAL("pread", pread(e, &v, 8, 0));
	struct stat st;
	OK("fstat", fstat(e, &st));
	int b = eventfd(0, 0);
	pid_t c = child();
	if (c == 0) {
		v = 7;
		write(b, &v, 8);
		_exit(0);
	}
	VAL("blocking", read(b, &v, 8));
	say("from-child=%ld", (long)v);
	reap(c);
	char link[64] = "";
	snprintf(link, 64, "/proc/self/fd/%d", e);
	char t[64] = "";
	VAL("link", readlink(link, t, 63));
	say("target=%s", t);
	return 0;
}
