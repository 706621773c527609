/* epoll over everything: pipes and sockets beside timerfds, signalfds, ptys; sharing by fork and by duplicates; threads. */
#include "probe.h"
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };
	return epoll_ctl(ep, op, fd, &e);
}

/* Data and events of what is ready, in order of data. */
static int show(const char *key, int ep, int max, int timeout)
{
	struct epoll_event e[16];
	int n = epoll_wait(ep, e, max, timeout);
	char line[300] = "";
	for (int i = 1; i < n; i++)
		for (int k = i; k > 0 && e[k].data.u64 < e[k - 1].data.u64; k--) {
			struct epoll_event t = e[k];
			e[k] = e[k - 1];
			e[k - 1] = t;
		}
	for (int i = 0; i < n; i++) sprintf(line + strlen(line), " %llx:%x", (unsigned long long)e[i].data.u64, e[i].events);
	say("%s=%s%s", key, n < 0 ? errname(errno) : n == 0 ? "none" : "", line);
	return n;
}

/* Everything that comes in several waits of `max` each: which data were seen. */
static void round_of(const char *key, int ep, int max, int turns)
{
	unsigned seen = 0;
	for (int i = 0; i < turns; i++) {
		struct epoll_event e[16];
		int n = epoll_wait(ep, e, max, 0);
		for (int k = 0; k < n; k++) seen |= 1u << e[k].data.u64;
	}
	say("%s=%x", key, seen);
}

static struct gate started;
static int tid;

static void *waiter(void *arg)
{
	tid = (int)syscall(SYS_gettid);
	open_gate(&started);
	struct epoll_event e;
	int n = epoll_wait(*(int *)arg, &e, 1, -1);
	return (void *)(n == 1 ? (long)e.data.u64 : -1L);
}

int main(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], sv[2], master, slave;
	char b[64];
	sigset_t usr;
	MUST(pipe2(p, O_NONBLOCK));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv));
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	int sfd = signalfd(-1, &usr, SFD_NONBLOCK), tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ev = eventfd(0, EFD_NONBLOCK);

	OK("add-pipe", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	OK("add-sock", ctl(ep, EPOLL_CTL_ADD, sv[0], EPOLLIN | EPOLLRDHUP, 2));
	OK("add-signal", ctl(ep, EPOLL_CTL_ADD, sfd, EPOLLIN, 3));
	OK("add-timer", ctl(ep, EPOLL_CTL_ADD, tfd, EPOLLIN, 4));
	OK("add-event", ctl(ep, EPOLL_CTL_ADD, ev, EPOLLIN, 5));
	OK("add-pty", ctl(ep, EPOLL_CTL_ADD, master, EPOLLIN, 6));
	OK("signal-again", ctl(ep, EPOLL_CTL_ADD, sfd, EPOLLIN, 3));
	OK("pipe-again", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	OK("mod-missing", ctl(ep, EPOLL_CTL_MOD, slave, EPOLLIN, 1));
	OK("del-missing", ctl(ep, EPOLL_CTL_DEL, p[1], EPOLLIN, 1));
	show("quiet", ep, 16, 0);
	kill(getpid(), SIGUSR1);
	show("signal", ep, 16, -1);
	show("signal-again", ep, 16, -1);
	MUST(write(p[1], "x", 1));
	MUST(write(sv[1], "x", 1));
	MUST(eventfd_write(ev, 1));
	MUST(write(slave, "x", 1));
	struct itimerspec it = { .it_value = { 0, 1 } };
	MUST(timerfd_settime(tfd, 0, &it, NULL));
	/* The host hands a terminal's bytes on by a worker thread. */
	struct pollfd late[2] = { { master, POLLIN, 0 }, { tfd, POLLIN, 0 } };
	for (int i = 0; i < 2; i++) MUST(poll(&late[i], 1, -1));
	round_of("all", ep, 16, 4);
	round_of("two-at-a-time", ep, 2, 40);
	round_of("one-at-a-time", ep, 1, 80);
	/* Edges that come together with what is not in the host. */
	OK("pipe-edge", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 1));
	OK("sock-once", ctl(ep, EPOLL_CTL_MOD, sv[0], EPOLLIN | EPOLLONESHOT, 2));
	OK("signal-edge", ctl(ep, EPOLL_CTL_MOD, sfd, EPOLLIN | EPOLLET, 3));
	round_of("edges", ep, 16, 3);
	round_of("edges-gone", ep, 16, 3);
	MUST(write(p[1], "y", 1));
	OK("rearm", ctl(ep, EPOLL_CTL_MOD, sv[0], EPOLLIN | EPOLLONESHOT, 2));
	round_of("edges-again", ep, 16, 3);
	VAL("read-signal", read(sfd, b, 0) < 0 ? errno : 0);
	struct signalfd_siginfo si;
	VAL("read-signal", read(sfd, &si, sizeof si));
	VAL("read-timer", read(tfd, b, 8));
	VAL("read-pty", read(master, b, 8));
	VAL("read-event", read(ev, b, 8));
	show("quiet", ep, 16, 0);
	kill(getpid(), SIGUSR1);
	show("signal-edge", ep, 16, -1);
	show("signal-edge-again", ep, 16, 0);
	OK("del-signal", ctl(ep, EPOLL_CTL_DEL, sfd, 0, 0));
	OK("del-timer", ctl(ep, EPOLL_CTL_DEL, tfd, 0, 0));
	OK("del-timer-again", ctl(ep, EPOLL_CTL_DEL, tfd, 0, 0));
	close(master);
	close(slave);
	show("none", ep, 16, 0);

	/* Shared with a child: its additions are everybody's; its close takes nothing away. */
	int q[2];
	MUST(pipe(q));
	pid_t c = child();
	if (c == 0) {
		OK("child-add", ctl(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 7));
		OK("child-del", ctl(ep, EPOLL_CTL_DEL, p[0], 0, 0));
		close(q[0]);
		close(ev);
		MUST(write(q[1], "z", 1));
		_exit(0);
	}
	say_status("child", reap(c));
	MUST(eventfd_write(ev, 1));
	show("from-child", ep, 16, -1);
	OK("add-there", ctl(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 7));
	OK("pipe-back", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));

	/* A duplicate of the instance, and of a member. */
	int ep2 = dup(ep), q2 = dup(q[0]);
	close(ep);
	show("by-dup", ep2, 16, 0);
	close(q[0]);
	show("member-by-dup", ep2, 16, 0);
	OK("del-closed", ctl(ep2, EPOLL_CTL_DEL, q[0], 0, 0));
	close(q2);
	show("member-gone", ep2, 16, 0);
	MUST(dup2(p[1], ev));
	show("replaced", ep2, 16, 0);
	OK("new-under-old-number", ctl(ep2, EPOLL_CTL_ADD, ev, EPOLLOUT, 8));
	show("new", ep2, 16, 0);

	/* A wait that another thread's addition ends. */
	int ep3 = epoll_create1(0), ev3 = eventfd(0, 0);
	pthread_t t;
	started = new_gate();
	pthread_create(&t, NULL, waiter, &ep3);
	char path[40];
	pass_gate(&started);
	snprintf(path, sizeof path, "/proc/self/task/%d", tid);
	await_state(path, "S");
	MUST(eventfd_write(ev3, 1));
	OK("add-ready", ctl(ep3, EPOLL_CTL_ADD, ev3, EPOLLIN, 9));
	void *seen;
	pthread_join(t, &seen);
	say("thread=%ld", (long)seen);
	close(sv[1]);
	OK("rearm", ctl(ep2, EPOLL_CTL_MOD, sv[0], EPOLLIN | EPOLLRDHUP, 2));
	show("hangup", ep2, 16, 0);
	return 0;
}
