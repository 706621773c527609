/* ioctl on sockets: what nginx and others set, and how it shows in the status flags. */
#include "probe.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static void flags(const char *key, int fd)
{
	int fl = fcntl(fd, F_GETFL);
	say("%s=%s%s", key, fl & O_NONBLOCK ? "nonblock " : "", fl & O_ASYNC ? "async" : "");
}

int main(void)
{
	int sv[2], on = 1, off = 0, n = -1;
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	OK("nonblock", ioctl(sv[0], FIONBIO, &on));
	OK("async", ioctl(sv[0], FIOASYNC, &on));
	OK("owner", fcntl(sv[0], F_SETOWN, getpid()));
	signal(SIGIO, SIG_IGN);
	flags("set", sv[0]);
	IS("owner-kept", fcntl(sv[0], F_GETOWN) == getpid());
	MUST(write(sv[1], "abc", 3));
	OK("nread", ioctl(sv[0], FIONREAD, &n));
	say("nread=%d", n);
	OK("async-off", ioctl(sv[0], FIOASYNC, &off));
	OK("nonblock-off", ioctl(sv[0], FIONBIO, &off));
	flags("cleared", sv[0]);
	OK("async-fault", ioctl(sv[0], FIOASYNC, NULL));
	OK("cloexec", ioctl(sv[0], FIOCLEX));
	VAL("fd-flags", fcntl(sv[0], F_GETFD));
	OK("tty", ioctl(sv[0], TIOCGWINSZ, &n));
	return 0;
}
