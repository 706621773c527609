/* Close-on-exec, in every way it can be set; what survives exec. */
#include "probe.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/signalfd.h>

int main(int argc, char **argv)
{
	if (argc > 1) {
		for (int i = 3; i < 40; i++)
			if (fcntl(i, F_GETFD) >= 0) say("open=%d flags=%d", i, fcntl(i, F_GETFD));
		return 0;
	}
	for (int i = 3; i < 64; i++) close(i);
	int p[2];
	sigset_t none;
	sigemptyset(&none);
	put("f", "x");
	open("f", O_RDONLY);
	open("f", O_RDONLY | O_CLOEXEC); /* 3 4 */
	pipe(p);
	pipe2(p, O_CLOEXEC); /* 5 6, 7 8 */
	eventfd(0, 0);
	eventfd(0, EFD_CLOEXEC); /* 9 10 */
	epoll_create1(0);
	epoll_create1(EPOLL_CLOEXEC); /* 11 12 */
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p); /* 13 14, 15 16 */
	timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); /* 17 18 */
	signalfd(-1, &none, 0);
	signalfd(-1, &none, SFD_CLOEXEC); /* 19 20 */
	memfd_create("m", 0);
	memfd_create("m", MFD_CLOEXEC); /* 21 22 */
	dup(4);
	dup3(3, 24, O_CLOEXEC); /* 23 24 */
	fcntl(3, F_DUPFD_CLOEXEC, 25);
	fcntl(3, F_DUPFD, 26); /* 25 26 */
	dup(3);
	fcntl(27, F_SETFD, FD_CLOEXEC);
	dup(4);
	fcntl(28, F_SETFD, 0);
	fcntl(28, F_SETFD, 2); /* 27 28 */
	for (int i = 3; i < 40; i++)
		if (fcntl(i, F_GETFD) >= 0) say("before=%d flags=%d", i, fcntl(i, F_GETFD));
	int s;
	pid_t pid = child();
	if (pid == 0) {
		execl("/proc/self/exe", "x", "child", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &s, 0);
	say_status("child", s);
	IS("parent-keeps-4", fcntl(4, F_GETFD) == 1);
	return 0;
}
