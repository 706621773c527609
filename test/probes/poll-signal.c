/* poll, ppoll, select, pselect6 and epoll_pwait with signals: handlers end them, masks, time left, what is ready counts more. */
#include "probe.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile sig_atomic_t got;
static void handler(int s) { (void)s; got++; }

static void catch(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	MUST(sigaction(SIGUSR1, &sa, NULL));
	got = 0;
}

/* A child that signals its parent until it is told to stop; the parent sleeps in one of the calls. */
static pid_t pester(void)
{
	pid_t parent = getpid(), c = child();
	if (c == 0) {
		char path[40];
		snprintf(path, sizeof path, "/proc/%d", parent);
		await_state(path, "S");
		kill(parent, SIGUSR1);
		_exit(0);
	}
	return c;
}

#define INTERRUPTED(key, call) do { pid_t c_ = pester(); OK(key, call); say("%s-handler=%d", key, (int)got); got = 0; reap(c_); } while (0)

int main(void)
{
	int p[2], q[2];
	MUST(pipe(p));
	MUST(pipe(q));
	struct pollfd f[2] = { { p[0], POLLIN, 99 }, { -1, POLLIN, 99 } };
	sigset_t none, usr;
	sigemptyset(&none);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	int ep = epoll_create1(0);
	struct epoll_event e = { EPOLLIN, { .u32 = 7 } };
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));

	for (int restart = 0; restart < 2; restart++) {
		catch(restart ? SA_RESTART : 0);
		say("restart=%d", restart);
		INTERRUPTED("poll", poll(f, 2, -1));
		say("revents=%d %d", f[0].revents, f[1].revents);
		INTERRUPTED("poll-limited", poll(f, 1, 100000));
		struct timespec ts = { 100, 0 };
		INTERRUPTED("ppoll", syscall(SYS_ppoll, f, 1, &ts, NULL, 8));
		IS("ppoll-time-left", ts.tv_sec >= 90 && ts.tv_sec < 100);
		fd_set in;
		FD_ZERO(&in);
		FD_SET(p[0], &in);
		struct timeval tv = { 100, 0 };
		INTERRUPTED("select", syscall(SYS_select, p[0] + 1, &in, NULL, NULL, &tv));
		IS("select-time-left", tv.tv_sec >= 90 && tv.tv_sec < 100);
		IS("select-set-kept", FD_ISSET(p[0], &in));
		INTERRUPTED("epoll", epoll_wait(ep, &e, 1, -1));
		INTERRUPTED("epoll-limited", epoll_wait(ep, &e, 1, 100000));
	}

	/* Pending and blocked; the call's mask lets it in. */
	catch(0);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	kill(getpid(), SIGUSR1);
	OK("poll-blocked", poll(f, 1, 1));
	say("handled=%d", (int)got);
	OK("ppoll-mask", ppoll(f, 1, NULL, &none));
	say("handled=%d", (int)got);
	kill(getpid(), SIGUSR1);
	OK("pselect-mask", pselect(0, NULL, NULL, NULL, NULL, &none));
	say("handled=%d", (int)got);
	kill(getpid(), SIGUSR1);
	OK("epoll-mask", epoll_pwait(ep, &e, 1, -1, &none));
	say("handled=%d", (int)got);
	/* Something is ready: that counts, and the signal stays pending. */
	kill(getpid(), SIGUSR1);
	MUST(write(p[1], "x", 1));
	VAL("ppoll-ready", ppoll(f, 1, NULL, &none));
	say("handled=%d revents=%x", (int)got, f[0].revents);
	fd_set in;
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	VAL("pselect-ready", pselect(p[0] + 1, &in, NULL, NULL, NULL, &none));
	say("handled=%d", (int)got);
	VAL("epoll-ready", epoll_pwait(ep, &e, 1, -1, &none));
	say("handled=%d data=%d", (int)got, (int)e.data.u32);
	sigset_t now;
	sigprocmask(0, NULL, &now);
	IS("mask-kept", sigismember(&now, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &usr, NULL);
	say("handled=%d", (int)got);

	/* Limits. */
	struct timespec t0 = { 0, 0 }, bad = { 0, 1000000000 }, minus = { -1, 0 };
	VAL("zero", syscall(SYS_ppoll, f, 1, &t0, NULL, 8));
	VAL("bad-nsec", syscall(SYS_ppoll, f, 1, &bad, NULL, 8));
	VAL("minus", syscall(SYS_ppoll, f, 1, &minus, NULL, 8));
	VAL("mask-size", syscall(SYS_ppoll, f, 1, &t0, &none, 4));
	struct timeval carry = { 0, 2500000 }, negative = { 0, -1 };
	VAL("select-carry", syscall(SYS_select, 0, NULL, NULL, NULL, &negative));
	VAL("select-usec", (read(p[0], &e, 1), carry.tv_usec = 1500, syscall(SYS_select, p[0] + 1, NULL, NULL, NULL, &carry)));
	VAL("select-minus", syscall(SYS_select, -1, NULL, NULL, NULL, &carry));
	VAL("poll-null", syscall(SYS_poll, NULL, 1, 0));
	FD_ZERO(&in);
	FD_SET(50, &in);
	VAL("select-bad-fd", select(51, &in, NULL, NULL, NULL));
	struct pollfd closed[2] = { { 77, POLLIN, 0 }, { p[1], POLLOUT, 0 } };
	VAL("poll-closed", poll(closed, 2, -1));
	say("revents=%x %x", closed[0].revents, closed[1].revents);
	close(p[1]);
	VAL("hup", poll(f, 1, -1));
	say("revents=%x", f[0].revents);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	FD_SET(q[0], &in);
	VAL("select-hup", select(q[1] + 1, &in, NULL, NULL, NULL));
	say("set=%d %d", FD_ISSET(p[0], &in), FD_ISSET(q[0], &in));
	return 0;
}
