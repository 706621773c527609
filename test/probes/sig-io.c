/* Signal-driven input and output: O_ASYNC on pipes, sockets and terminals, to processes, groups and threads, with and without F_SETSIG. */
#include "probe.h"
#include <netinet/in.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

static volatile sig_atomic_t got, code, fd_seen, signo_seen;

static void on(int signo, siginfo_t *i, void *u)
{
	(void)u;
	got++;
	code = i->si_code;
	fd_seen = i->si_fd;
	signo_seen = signo;
}

/* Wait for a signal that must come. */
static void told(const char *key)
{
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGIO);
	sigaddset(&block, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &block, &old);
	while (!got) sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	say("%s=%s", key, signo_seen == SIGIO ? "SIGIO" : signo_seen == SIGRTMIN ? "SIGRTMIN" : "other");
	got = 0;
}

/* Nothing may have come: what was sent before a call is delivered by its end. */
static void silent(const char *key)
{
	struct timespec t = { 0, 50000000 };
	nanosleep(&t, NULL);
	say("%s=%d", key, (int)got);
	got = 0;
}

static void async(int fd) { MUST(fcntl(fd, F_SETOWN, getpid())); MUST(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC)); }

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART };
	int p[2], sv[2], master, slave;
	char buf[64];
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);

	/* A group of its own: others in this one did not ask for signals. */
	MUST(setpgid(0, 0));
	MUST(pipe(p));
	MUST(write(p[1], "a", 1));
	async(p[0]);
	silent("pipe-before");
	MUST(write(p[1], "b", 1));
	told("pipe");
	say("pipe-code=%s", code == SI_KERNEL ? "kernel" : "other");
	MUST(fcntl(p[0], F_SETSIG, SIGRTMIN));
	MUST(read(p[0], buf, sizeof buf));
	MUST(write(p[1], "c", 1));
	told("pipe-rt");
	say("pipe-rt-code=%s fd %d", code == POLL_IN ? "POLL_IN" : "other", fd_seen == p[0]);
	MUST(fcntl(p[0], F_SETFL, O_RDONLY));
	MUST(write(p[1], "d", 1));
	silent("pipe-off");

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	async(sv[0]);
	silent("unix-idle");
	MUST(write(sv[0], "x", 1));
	MUST(read(sv[1], buf, 1));
	silent("unix-own-write");
	MUST(write(sv[1], "x", 1));
	told("unix");
	MUST(read(sv[0], buf, 1));
	MUST(close(sv[1]));
	told("unix-hangup");
	MUST(close(sv[0]));

	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
	MUST(bind(l, (struct sockaddr *)&a, sizeof a));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	async(l);
	MUST(connect(c, (struct sockaddr *)&a, len));
	told("accept");
	int s = accept(l, NULL, NULL), one = 1;
	MUST(s);
	MUST(ioctl(s, FIOASYNC, &one));
	MUST(fcntl(s, F_SETOWN, -getpgrp()));
	MUST(write(c, "x", 1));
	told("tcp-group");
	MUST(close(c));
	told("tcp-end");

	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	async(slave);
	MUST(write(master, "line\n", 5));
	told("tty");

	struct f_owner_ex o = { F_OWNER_TID, (int)gettid() }, back;
	int u = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
	a.sin_port = 0;
	MUST(bind(u, (struct sockaddr *)&a, sizeof a));
	MUST(getsockname(u, (struct sockaddr *)&a, &len));
	MUST(fcntl(u, F_SETOWN_EX, &o));
	MUST(fcntl(u, F_GETOWN_EX, &back));
	say("owner-ex=%d %d", back.type, back.pid == o.pid);
	MUST(fcntl(u, F_SETFL, O_RDWR | O_ASYNC));
	silent("udp-idle");
	MUST(sendto(from, "x", 1, 0, (struct sockaddr *)&a, len));
	told("udp-thread");

	OK("owner-nobody", fcntl(u, F_SETOWN, 4194303));
	OK("owner-no-group", fcntl(u, F_SETOWN, -4194303));
	OK("owner-none", fcntl(u, F_SETOWN, 0));
	MUST(sendto(from, "x", 1, 0, (struct sockaddr *)&a, len));
	silent("udp-nobody");
	int file = open("file", O_RDWR | O_CREAT, 0600);
	OK("regular", fcntl(file, F_SETFL, O_ASYNC));
	say("regular-flag=%d", (fcntl(file, F_GETFL) & O_ASYNC) != 0);
	return 0;
}
