/* accept and accept4: what is there, what is not, who waits; flags, names, time limits, backlog order. */
#include "probe.h"
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile sig_atomic_t got;
static void handler(int s) { (void)s; got++; }

static struct sockaddr_in at;
static struct gate ready;
static int tid;

static int dial(void)
{
	int c = socket(AF_INET, SOCK_STREAM, 0);
	MUST(connect(c, (struct sockaddr *)&at, sizeof at));
	return c;
}

static void *acceptor(void *arg)
{
	tid = (int)syscall(SYS_gettid);
	open_gate(&ready);
	return (void *)(long)accept(*(int *)arg, NULL, NULL);
}

int main(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), s, c;
	struct sockaddr_in peer, mine;
	socklen_t n = sizeof at;
	char b[8];
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	OK("not-listening", accept(l, NULL, NULL));
	MUST(fcntl(l, F_SETFL, O_NONBLOCK));
	OK("not-listening-nonblock", accept(l, NULL, NULL));
	MUST(bind(l, (struct sockaddr *)&at, sizeof at));
	MUST(listen(l, 8));
	MUST(getsockname(l, (struct sockaddr *)&at, &n));
	OK("nothing", accept(l, NULL, NULL));
	OK("bad-flags", accept4(l, NULL, NULL, 1));
	OK("nothing-4", accept4(l, NULL, NULL, SOCK_CLOEXEC));
	OK("nothing-bad-address", accept(l, (struct sockaddr *)1, &n));
	int val = 0;
	n = sizeof val;
	OK("acceptconn", getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &val, &n));
	say("acceptconn=%d", val);
	say("nonblock=%d", (fcntl(l, F_GETFL) & O_NONBLOCK) != 0);
	c = dial();
	n = sizeof peer;
	s = accept4(l, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	MUST(s);
	say("flags=%x %x len=%d", fcntl(s, F_GETFL), fcntl(s, F_GETFD), (int)n);
	n = sizeof mine;
	MUST(getsockname(c, (struct sockaddr *)&mine, &n));
	IS("peer-is-client", mine.sin_port == peer.sin_port);
	OK("accept-on-connected", accept(s, NULL, NULL));
	OK("nothing-again", accept(l, NULL, NULL));
	VAL("recv-nothing", recv(s, b, 1, 0));
	close(s);
	VAL("eof", recv(c, b, 1, 0));
	close(c);
	/* In order, and the flags are not the listener's. */
	int cs[3];
	for (int i = 0; i < 3; i++) {
		cs[i] = dial();
		MUST(send(cs[i], &"abc"[i], 1, 0));
	}
	struct pollfd p = { l, POLLIN, 0 };
	VAL("poll", poll(&p, 1, -1));
	for (int i = 0; i < 3; i++) {
		MUST(s = accept(l, NULL, NULL));
		VAL("recv", recv(s, b, 1, 0));
		say("who=%c nonblock=%d", b[0], (fcntl(s, F_GETFL) & O_NONBLOCK) != 0);
		close(s);
		close(cs[i]);
	}
	/* One that has gone meanwhile is still there. */
	struct linger hard = { 1, 0 };
	c = dial();
	setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(c);
	MUST(s = accept(l, NULL, NULL));
	VAL("reset", recv(s, b, 1, 0));
	close(s);
	/* Waiting: a connection, a signal, a time limit. */
	MUST(fcntl(l, F_SETFL, 0));
	pthread_t t;
	void *r;
	char path[40];
	ready = new_gate();
	pthread_create(&t, NULL, acceptor, &l);
	pass_gate(&ready);
	snprintf(path, sizeof path, "/proc/self/task/%d", tid);
	await_state(path, "S");
	c = dial();
	pthread_join(t, &r);
	IS("woken", (long)r >= 0);
	close((int)(long)r);
	close(c);
	struct timeval tv = { 0, 10000 };
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	OK("time-limit", accept(l, NULL, NULL));
	tv.tv_usec = 0;
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	struct sigaction sa = { .sa_handler = handler };
	sigaction(SIGUSR1, &sa, NULL);
	pid_t parent = getpid(), k = child();
	if (k == 0) {
		snprintf(path, sizeof path, "/proc/%d", parent);
		await_state(path, "S");
		kill(parent, SIGUSR1);
		_exit(0);
	}
	OK("interrupted", accept(l, NULL, NULL));
	reap(k);
	say("handled=%d", (int)got);
	OK("shutdown", shutdown(l, SHUT_RD));
	OK("after-shutdown", accept(l, NULL, NULL));
	close(l);
	/* AF_UNIX, and what does not listen at all. */
	struct sockaddr_un u = { AF_UNIX, "\0probe-accept" };
	int ul = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), uc = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t un = offsetof(struct sockaddr_un, sun_path) + 13;
	snprintf(u.sun_path + 1, 40, "probe-%d", (int)getpid());
	un = offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)strlen(u.sun_path + 1);
	MUST(bind(ul, (struct sockaddr *)&u, un));
	MUST(listen(ul, 1));
	OK("unix-nothing", accept(ul, NULL, NULL));
	MUST(connect(uc, (struct sockaddr *)&u, un));
	MUST(s = accept(ul, NULL, NULL));
	OK("unix-nothing", accept(ul, NULL, NULL));
	OK("datagram", accept(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), NULL, NULL));
	OK("file", accept(open("/dev/null", O_RDWR), NULL, NULL));
	OK("closed", accept(99, NULL, NULL));
	return 0;
}
