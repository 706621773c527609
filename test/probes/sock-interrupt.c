/* Interrupted waits on sockets: restarted with SA_RESTART, but not where the socket has a time limit. */
#include "probe.h"
#include <sys/socket.h>

static volatile sig_atomic_t got;
static int sv[2];
/* The handler makes the wait end, in case it is restarted. */
static void on_read(int s) { (void)s; got++; if (write(sv[1], "x", 1) != 1) _exit(90); }
static char big[1 << 16];
static void on_write(int s) { (void)s; got++; while (recv(sv[1], big, sizeof big, MSG_DONTWAIT) > 0) ; }

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

static void limit(int opt, int sec)
{
	struct timeval tv = { sec, 0 };
	MUST(setsockopt(sv[0], SOL_SOCKET, opt, &tv, sizeof tv));
}

#define INTERRUPTED(key, call) do { got = 0; pid_t c_ = pester(); VAL(key, call); say("%s-handler=%d", key, (int)got); reap(c_); while (recv(sv[0], b, 8, MSG_DONTWAIT) > 0) ; } while (0)

int main(void)
{
	char b[8];
	struct iovec v = { b, 8 };
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction sa = { .sa_handler = on_read, .sa_flags = restart ? SA_RESTART : 0 };
		sigaction(SIGUSR1, &sa, NULL);
		for (int limited = 0; limited < 2; limited++) {
			limit(SO_RCVTIMEO, limited ? 100 : 0);
			say("restart=%d limited=%d", restart, limited);
			INTERRUPTED("recv", recv(sv[0], b, 8, 0));
			INTERRUPTED("read", read(sv[0], b, 8));
			INTERRUPTED("readv", readv(sv[0], &v, 1));
		}
		sa.sa_handler = on_write;
		sigaction(SIGUSR1, &sa, NULL);
		for (int limited = 0; limited < 2; limited++) {
			limit(SO_SNDTIMEO, limited ? 100 : 0);
			while (send(sv[0], "y", 1, MSG_DONTWAIT) > 0) ;
			INTERRUPTED("send", send(sv[0], "z", 1, 0));
			while (send(sv[0], "y", 1, MSG_DONTWAIT) > 0) ;
			INTERRUPTED("write", write(sv[0], "z", 1));
		}
	}
	return 0;
}
