/* RLIMIT_FSIZE: a short write up to the limit, then SIGXFSZ and EFBIG. */
#include "probe.h"

static volatile int got;
static void handler(int s) { got = s; }
static struct rlimit all;

static void limit(rlim_t n)
{
	struct rlimit l = { n, all.rlim_max };
	MUST(setrlimit(RLIMIT_FSIZE, &l));
}
/* The limit holds during the call only: standard output may be a file too. */
#define LIMITED(key, call)                                                          \
	do {                                                                        \
		got = 0;                                                            \
		limit(10);                                                          \
		errno = 0;                                                          \
		long r = (call);                                                    \
		int e = errno;                                                      \
		limit(all.rlim_cur);                                                \
		say("%s=%ld %s signal %d", key, r, r < 0 ? errname(e) : "ok", got); \
	} while (0)

int main(void)
{
	char b[20] = "abcdefghijklmnopqrs";
	signal(SIGXFSZ, handler);
	getrlimit(RLIMIT_FSIZE, &all);
	int fd = open("f", O_RDWR | O_CREAT, 0666);
	LIMITED("short", write(fd, b, 20));
	LIMITED("over", write(fd, b, 1));
	LIMITED("truncate-over", ftruncate(fd, 11));
	LIMITED("truncate-under", ftruncate(fd, 5));
	LIMITED("pwrite-across", pwrite(fd, b, 5, 8));
	LIMITED("fallocate-over", fallocate(fd, 0, 0, 20));
	say("size=%ld", size_of("f"));
	if (child() == 0) {
		struct rlimit c = { 0, 0 };
		signal(SIGXFSZ, SIG_DFL);
		setrlimit(RLIMIT_CORE, &c);
		limit(10);
		lseek(fd, 10, SEEK_SET);
		(void)!write(fd, b, 1);
		_exit(0);
	}
	int st;
	wait(&st);
	say_status("default", st);
	return 0;
}
