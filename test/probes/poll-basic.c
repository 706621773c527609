/* poll, ppoll, select, pselect. */
#include "probe.h"
#include <poll.h>
#include <sys/select.h>

static volatile int got;
static void h(int s) { got = s; }

int main(void)
{
	int p[2], q[2];
	MUST(pipe(p));
	MUST(pipe(q));
	put("f", "x");
	int file = open("f", O_RDWR);
	struct timespec zero = { 0, 0 }, bad = { 0, -1 };
	sigset_t m, o;
	fd_set r, w, e;
	struct timeval tv = { 0, 0 }, negative = { -1, 0 };
	struct pollfd f[5] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { file, POLLIN | POLLOUT, 0 },
		{ 99, POLLIN, 0 }, { -1, POLLIN, 7 } };
	VAL("poll", poll(f, 5, 0));
	for (int i = 0; i < 5; i++) say("revents-%d=%x", i, f[i].revents);
	VAL("none", poll(NULL, 0, 0));
	VAL("timeout", poll(f, 1, 2));
	VAL("negative-nfds", poll(f, -1, 0));
	VAL("fault", poll((void *)16, 1, 0));
	f[0].events = 0;
	close(q[1]);
	f[1] = (struct pollfd){ q[0], 0, 0 };
	VAL("hup-unasked", poll(f, 2, 0));
	say("hup=%x", f[1].revents);
	f[0] = (struct pollfd){ p[1], POLLIN, 0 };
	VAL("read-on-write-end", poll(f, 1, 0));
	VAL("ppoll", ppoll(f, 1, &zero, NULL));
	VAL("ppoll-bad", ppoll(f, 1, &bad, NULL));
	struct timespec left = { 5, 0 };
	f[0] = (struct pollfd){ p[1], POLLOUT, 0 };
	VAL("ppoll-ready", syscall(SYS_ppoll, f, 1, &left, NULL, 8));
	IS("time-left-written", left.tv_sec <= 5 && left.tv_sec >= 3);
	VAL("ppoll-size", syscall(SYS_ppoll, f, 1, &zero, &m, 4));
	/* ppoll's mask is swapped atomically: a pending blocked signal interrupts it, then is blocked again. */
	signal(SIGUSR1, h);
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_BLOCK, &m, &o);
	raise(SIGUSR1);
	f[0] = (struct pollfd){ p[0], POLLIN, 0 };
	struct timespec five = { 5, 0 };
	VAL("ppoll-signal", ppoll(f, 1, &five, &o));
	say("got=%d", got);
	sigprocmask(SIG_BLOCK, NULL, &o);
	say("blocked-again=%d", sigismember(&o, SIGUSR1));
	got = 0;
	raise(SIGUSR1);
	sigemptyset(&o);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	VAL("pselect-signal", pselect(p[0] + 1, &r, NULL, NULL, &five, &o));
	say("got=%d", got);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	FD_SET(q[0], &r);
	FD_SET(file, &r);
	FD_SET(file, &w);
	VAL("select", select(20, &r, &w, &e, &tv));
	say("sets=%d %d %d %d %d", FD_ISSET(p[0], &r), FD_ISSET(q[0], &r), FD_ISSET(file, &r),
	        FD_ISSET(p[1], &w), FD_ISSET(file, &w));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv.tv_usec = 2000;
	VAL("select-timeout", select(p[0] + 1, &r, NULL, NULL, &tv));
	say("cleared=%d left=%ld", FD_ISSET(p[0], &r), (long)tv.tv_usec);
	/* Below 64, the smallest table: Linux ignores bits above its table's size, which depends on what the parent had open. */
	FD_SET(61, &r);
	VAL("select-badfd", select(62, &r, NULL, NULL, &tv));
	VAL("select-negative-n", select(-1, NULL, NULL, NULL, &tv));
	VAL("select-negative-time", select(0, NULL, NULL, NULL, &negative));
	VAL("select-sleep", select(0, NULL, NULL, NULL, &tv));
	pid_t c = child();
	if (c == 0) {
		char path[32];
		snprintf(path, 32, "/proc/%d", getppid());
		await_state(path, "S");
		write(p[1], "x", 1);
		_exit(0);
	}
	f[0] = (struct pollfd){ p[0], POLLIN, 0 };
	VAL("woken", poll(f, 1, -1));
	say("revents=%x", f[0].revents);
	reap(c);
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &l);
	struct pollfd many[65] = { { -1, 0, 0 } };
	for (int i = 0; i < 65; i++) many[i].fd = -1;
	VAL("above-limit", poll(many, 65, 0));
	VAL("at-limit", poll(many, 64, 0));
	return 0;
}
